"""Reports: the same words as text and as HTML, nothing that differs from run to run, nothing that steers a terminal."""

from __future__ import annotations

import dataclasses
import re
import struct
from html.parser import HTMLParser

import pytest

from execmem_kernel.execution.contract.details import SystemCall, Warned
from execmem_kernel.execution.contract.outcome import Exited, Outcome, TimedOut
from execmem_kernel.program.diagnostic import Diagnostic, Span
from execmem_kernel.views.listing import diagnostics_report, one_line, program_report
from execmem_kernel.views.outcome import outcome_report
from execmem_kernel.views.report import Report
from tests.views.outcomes import CODE_ADDRESS, NULL_READ, PLACES, STACK_END, null_read, program, registers, returned

BAD_WORD = Diagnostic(
    "error", "ASM001", "there is no instruction 'mvo'", Span(2, 3, 6), "  mvo eax, 1", hint="did you mean mov?"
)


class Page(HTMLParser):
    """What a reader of some HTML gets: its words, its tags, its attributes, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.replace(":", " ").split()


def samples() -> dict[str, Report]:
    loud = returned(
        after={"rax": 42, "rcx": STACK_END - 24, "rdx": 2**64 - 5, "rflags": 0x246},
        stdout=b"hello <b>\x1b[31m\n",
        stderr=b"\xff",
        buffers={"text": b"HI\0"},
        warnings=(Warned("ABI001", "rbx was not put back", 1, "push it first"),),
        system_calls=(SystemCall(1, "write", 'write(1, "hello", 5) = 5', 1, True),),
    )
    late = TimedOut(
        program=NULL_READ, before=registers(), registers=registers(), cause=null_read().cause, row=NULL_READ.listing[0]
    )
    return {
        "returned": outcome_report(returned(after={"rax": 42})),
        "loud": outcome_report(loud, show=("rbx", "rflags"), buffers={"text": b"hi\0"}),
        "fault": outcome_report(null_read()),
        "timeout": outcome_report(late),
        "exit": outcome_report(Exited(program=NULL_READ, before=registers(), registers=registers(), status=3)),
        "program": program_report(NULL_READ),
        "diagnostics": diagnostics_report([BAD_WORD]),
    }


SAMPLES = samples()
every_report = pytest.mark.parametrize("report", SAMPLES.values(), ids=SAMPLES)


def test_a_return_leads_with_rax_in_hex_and_signed_decimal() -> None:
    assert outcome_report(returned(after={"rax": 42})).text().startswith("returned: rax = 0x2a = 42\n")
    minus = outcome_report(returned(after={"rax": 2**64 - 1})).text()
    assert minus.startswith("returned: rax = 0xffffffffffffffff = -1\n")


def test_changed_registers_are_shown_as_old_and_new() -> None:
    text = outcome_report(returned(before={"rcx": 3}, after={"rcx": 2**64 - 1})).text()
    assert "registers changed:\n  rcx  3 -> 0xffffffffffffffff (-1)\n" in text


def test_a_pointer_is_shown_by_its_place_and_never_as_an_address() -> None:
    after = {"rax": CODE_ADDRESS + 0x12, "rcx": STACK_END - 16, "rdx": STACK_END}
    report = outcome_report(returned(after=after))
    assert "rax = code+0x12" in report.text()
    assert "rcx  0 -> stack-0x8" in report.text()
    assert "rdx  0 -> stack+0x8" in report.text()
    for number in after.values():
        for shown in (f"{number:x}", str(number)):
            assert shown not in report.text() + report.html()


def test_flags_are_named() -> None:
    assert "flags: PF (parity), ZF (zero)" in outcome_report(returned(after={"rflags": 0x246})).text()
    assert "flags: none set" in outcome_report(returned()).text()


def test_a_fault_says_what_where_why_and_what_to_look_at_in_this_order() -> None:
    text = outcome_report(null_read()).text()
    order = [
        "SIGSEGV: line 2: reads 8 bytes at address 0",
        "--> 2 | mov rax, [rax]   <-- stopped here",
        "registers that explain it:\n  rax  0",
        "look at: xor made rax 0 on line 1",
        "flags: ",
        "listing:",
        "region: allocated (4,096 bytes), written (6 bytes), released",
    ]
    places = [text.index(piece) for piece in order]
    assert sorted(places) == places


def test_the_listing_puts_offset_bytes_and_instruction_beside_the_source() -> None:
    text = outcome_report(null_read()).text()
    assert re.search(r"--> 2 +\+0x2 +48 8b 00 +mov rax, \[rax\] +mov rax, \[rax\] +stopped here", text)


def test_a_long_listing_is_cut_around_the_place_it_stopped_and_says_so() -> None:
    long = program(*[("nop", "90")] * 500)
    text = outcome_report(null_read_in(long, row=300)).text()
    assert "--> 301" in text
    assert "460 more in outcome.program.listing" in text
    assert len(text.splitlines()) < 80


def null_read_in(long: object, row: int) -> Outcome:
    return dataclasses.replace(null_read(), program=long, row=long.listing[row])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\u202egnp.exe".encode(), r"\u202egnp.exe"),
        (b"caf\xe9", r"caf\xe9"),
        ("grün 你好".encode(), "grün 你好"),
        (b"a\r\nb\n", "a\n  b"),
        (b"spin\rspun", r"spin\x0dspun"),
    ],
)
def test_printed_text_cannot_steer_the_terminal(printed: bytes, shown: str) -> None:
    assert f"stdout:\n  {shown}\n" in outcome_report(returned(stdout=printed)).text()


def test_printed_html_stays_text() -> None:
    html = outcome_report(returned(stdout=b"<script>alert(1)</script>")).html()
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_buffer_that_changed_is_shown_before_and_after() -> None:
    outcome = returned(buffers={"text": b"HELLO\0", "same": b"abc"})
    text = outcome_report(outcome, buffers={"text": b"hello\0", "same": b"abc"}).text()
    assert "buffer text changed:" in text
    assert re.search(r"\+0x0 +68 65 6c 6c 6f 00 +48 45 4c 4c 4f 00 +HELLO\.", text)
    assert "same" not in text


def test_the_source_column_loses_its_alignment_but_never_a_quoted_space() -> None:
    made = program(('text:   .ascii  "a   b"   # why', "6120202062"))
    assert 'text: .ascii "a   b" # why' in outcome_report(returned(made)).text()


def test_a_listing_may_wrap_where_it_is_long() -> None:
    made = program(("mov eax, 1 # a comment that says far more than anybody wants to know", "b801000000"))
    assert "pre-wrap" in outcome_report(returned(made)).html()


def test_code_in_a_sentence_is_set_as_code() -> None:
    cause = dataclasses.replace(null_read().cause, look_at="try `lea rax, [x]` <first>")
    report = outcome_report(dataclasses.replace(null_read(), cause=cause))
    assert "try <code>lea rax, [x]</code> &lt;first&gt;" in report.html()
    assert "try `lea rax, [x]` <first>" in report.text()


def test_flags_that_processors_set_as_they_like_are_not_shown() -> None:
    made = program(("imul eax, ecx", "0fafc1"), ("ret", "c3"))
    text = outcome_report(returned(made, after={"rflags": 0x2C7})).text()
    assert "flags: CF (carry); PF AF ZF SF undefined here\n" in text


def test_registers_that_the_c_library_may_leave_anything_in_are_not_shown() -> None:
    made = program(("call puts", "e800000000"), ("ret", "c3"), externs=frozenset({"puts"}))
    text = outcome_report(returned(made, after={"rax": 6, "rcx": 0x1234, "rbx": 5})).text()
    assert "rbx  0 -> 5" in text
    assert "0x1234" not in text
    assert "(not shown, because the C library may leave anything in them: rcx, rdx," in text


def test_a_jump_out_of_the_code_keeps_the_flags_it_had() -> None:
    made = program(("add eax, 1", "83c001"), ("jmp rcx", "ffe1"))
    fault = dataclasses.replace(
        null_read(), program=made, row=made.listing[1], registers=registers(rip=0, rflags=0x203)
    )
    assert "flags: CF (carry)\n" in outcome_report(fault).text()


def test_registers_asked_for_are_shown_even_if_they_did_not_change() -> None:
    outcome = returned(after={"rbx": 7, "rax": 0x1234})
    text = outcome_report(outcome, show=("r12", "al", "rflags")).text()
    assert "registers asked for:\n  r12     0\n  al      0x34 (52)\n  rflags  none set\n" in text


def test_vector_registers_show_their_lanes() -> None:
    outcome = returned()
    lanes = {"ymm1": struct.pack("<4d", 1.5, -2, 0, 0)}
    outcome = dataclasses.replace(outcome, registers=dataclasses.replace(outcome.registers, vectors=lanes))
    assert "(as doubles, lowest first: 1.5, -2)" in outcome_report(outcome, show=("xmm1",)).text()


def test_warnings_of_the_run_name_their_line() -> None:
    assert "warning, line 1: rbx was not put back (hint: push it first)" in SAMPLES["loud"].text()


def test_diagnostics_keep_their_carets_under_the_guilty_text() -> None:
    text = SAMPLES["diagnostics"].text()
    assert text.startswith("not assembled: nothing was run; 1 error in the source\nerror[ASM001] line 2, column 3: ")
    assert "\n  2 |   mvo eax, 1\n    |   ^^^\n    = hint: did you mean mov?" in text
    assert one_line([BAD_WORD, BAD_WORD]) == "line 2: there is no instruction 'mvo' (and 1 more above)"


@every_report
def test_html_says_what_the_text_says(report: Report) -> None:
    words = Page(report.html()).words
    for word in report.text().replace(":", " ").replace("`", "").split():
        if word not in ("-->", "<--"):
            assert word in words


@every_report
def test_html_survives_an_untrusted_notebook(report: Report) -> None:
    """JupyterLab's sanitizer takes out style sheets, pictures, scripts, roles and data attributes."""
    page = Page(report.html())
    assert page.open == []
    allowed = {"div", "b", "pre", "code", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert page.tags <= allowed
    assert page.attributes <= {"style", "scope", "open"}


@every_report
def test_html_is_legible_on_light_and_dark_paper(report: Report) -> None:
    """Text keeps the colour of the page: only the edge beside it is coloured."""
    for style in re.findall(r'style="([^"]*)"', report.html()):
        for declaration in style.split(";"):
            name = declaration.split(":")[0].strip()
            assert name not in ("color", "background", "background-color")


@every_report
def test_the_bundle_always_has_text_and_html(report: Report) -> None:
    assert report._repr_mimebundle_() == {"text/plain": report.text(), "text/html": report.html()}
    assert not report.text().endswith("\n")


def test_the_same_values_give_the_same_report() -> None:
    assert {name: report.html() for name, report in samples().items()} == {
        name: report.html() for name, report in SAMPLES.items()
    }


def test_places_are_named_for_buffers_too() -> None:
    outcome = dataclasses.replace(returned(after={"rax": 0x5010}), places={**PLACES, "text": (0x5000, 0x5020)})
    assert "rax = text+0x10" in outcome_report(outcome).text()
