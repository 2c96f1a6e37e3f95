"""The report of a run: what is shown of it, and what is not because it differs from run to run."""

from __future__ import annotations

import dataclasses
import re
import struct

import pytest

from execmem_kernel.views.outcome import outcome_report
from tests.views.outcomes import CODE_ADDRESS, PLACES, STACK_END, null_read, program, registers, returned
from tests.views.samples import SAMPLES


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


def test_places_are_named_for_buffers_too() -> None:
    outcome = dataclasses.replace(returned(after={"rax": 0x5010}), places={**PLACES, "text": (0x5000, 0x5020)})
    assert "rax = text+0x10" in outcome_report(outcome).text()
