"""Inspection: what is said of a word is what the assembler, the disassembler and the run say."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import execmem_kernel as em
from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.editor.inspection import FLAG_NAMES, inspect
from execmem_kernel.editor.table import examples, language
from execmem_kernel.explain.explain import explain
from execmem_kernel.program.program import Program
from execmem_kernel.views.report import Report, Sentence, Table, Verbatim
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.forms import forms_of

PROGRAMS = Path(__file__).parent.parent / "assembly" / "programs"
TEXTS = [
    ("nasm", PROGRAMS / "nasm" / "bubble_sort.asm"),
    ("nasm", PROGRAMS / "nasm" / "caesar.asm"),
    ("nasm", PROGRAMS / "nasm" / "stack_frame.asm"),
    ("gnu", PROGRAMS / "gnu" / "fibonacci_rec.s"),
    ("gnu", PROGRAMS / "gnu" / "bits_of_everything.s"),
    ("masm", PROGRAMS / "masm" / "data_words.asm"),
    ("att", PROGRAMS / "att" / "shifts.s"),
    ("att", PROGRAMS / "att" / "floating.s"),
    ("att", PROGRAMS / "att" / "bubble_sort.s"),
]


def inspected(marked: str) -> Report:
    """What is said of the word at the `|` of a cell."""
    cursor = marked.index("|")
    found = inspect(marked.replace("|", "", 1), cursor)
    assert found is not None
    return found


def said(report: Report) -> str:
    """The report's first sentence, which is about the word."""
    return next(part.text for part in report.parts if isinstance(part, Sentence))


def table(report: Report, caption: str) -> dict[str, str]:
    found = next(part for part in report.parts if isinstance(part, Table) and part.caption == caption)
    return {row[0]: row[-1] for row in found.rows}


# ---- every instruction of real programs ------------------------------------------------------------------------------


def instructions(path: Path, syntax: str) -> list[tuple[str, int, Program, int]]:
    """The cell of a program, and the offset of each mnemonic that stands alone in its line, with its row."""
    source = path.read_text()
    program = assemble(source, "att" if syntax == "att" else "intel")
    cell = f"%%asm{' --syntax att' if syntax == 'att' else ''}\n{source}"
    lines = cell.split("\n")
    found = []
    for index, row in enumerate(program.listing):
        if row.kind == "instruction" and not row.expansion and row.span.column:
            offset = sum(len(line) + 1 for line in lines[: row.span.line]) + row.span.column - 1
            found.append((cell, offset + 1, program, index))
    return found


WORDS = [row for syntax, path in TEXTS for row in instructions(path, syntax)]


def test_there_are_200_words_of_real_programs() -> None:
    assert len(WORDS) >= 200


@pytest.mark.parametrize(("cell", "cursor", "program", "index"), WORDS, ids=[str(n) for n in range(len(WORDS))])
def test_a_mnemonic_is_said_to_do_what_its_bytes_do(cell: str, cursor: int, program: Program, index: int) -> None:
    row = program.listing[index]
    instruction = disassemble(row.code, row.address, program.labels)[0]
    prefix = cell[cursor - 1 :].split()[0].lower() in language().prefixes
    if prefix:
        cursor = cell.index(cell[cursor - 1 :].split()[1], cursor) + 1
    report = inspect(cell, cursor)
    assert report is not None
    assert said(report) == explain(instruction)
    facts = table(report, "in this line")
    assert facts["bytes"] == row.code.hex(" ")
    written = {f"{flag.upper()} ({FLAG_NAMES[flag]})" for flag in instruction.flags_written}
    assert set(facts.get("flags written", "none").split(", ")) == (written or {"none"}) or not written
    for register in instruction.registers_written:
        assert register in facts["writes"].split(", ")


def test_flags_and_registers_are_those_that_a_run_changes() -> None:
    source = "mov eax, 5\nadd eax, 3\nsub ecx, eax\nxor edx, edx\nshl eax, 1\ninc r8\nneg rcx\nmovzx esi, al\nret"
    outcome = em.run(source, trace=True)
    assert outcome.trace is not None
    for step in outcome.trace:
        report = inspect(f"%%asm\n{source}", len("%%asm\n") + _offset(source, step.line or 1) + 1)
        assert report is not None
        facts = table(report, "in this line")
        for name in step.changed:
            if name not in ("rip", "rflags"):
                assert name in facts["writes"].split(", "), (step.line, name)


def _offset(source: str, line: int) -> int:
    return sum(len(one) + 1 for one in source.split("\n")[: line - 1])


# ---- every mnemonic --------------------------------------------------------------------------------------------------

SAMPLE = sorted(examples())[::11]


@pytest.mark.parametrize("name", SAMPLE)
def test_every_mnemonic_says_its_forms_and_an_example_that_assembles(name: str) -> None:
    source = examples()[name].source
    report = inspect(f"%%asm\n{source}", len("%%asm\n") + 1)
    assert report is not None
    assert said(report) == examples()[name].sentence
    text = report.text()
    assert "for example:" in text
    program = assemble(source)
    instruction = disassemble(program.listing[0].code, program.address, program.labels)[0]
    for feature in instruction.features:
        assert feature.upper().replace("_", "-") in text
    forms = {form.text for form in forms_of(instruction.mnemonic.split(" ")[-1])}
    shown = [part.text for part in report.parts if isinstance(part, Verbatim) and part.caption == "forms"]
    assert not forms or (shown and set(shown[0].split("\n")) <= forms)


def test_a_cursor_behind_the_text_is_at_its_end() -> None:
    assert inspect("%%asm\nxor", 12) == inspect("%%asm\nxor", 9)


def test_an_example_is_in_the_syntax_of_the_cell() -> None:
    assert "movq %rbx, %rax" in inspected("%%asm --syntax att\nmo|vl $5, %eax").text()
    assert "mov rax, rbx" in inspected("%%asm\nmo|v eax, 5").text()


# ---- lines that do not assemble --------------------------------------------------------------------------------------


def test_a_mistake_elsewhere_does_not_hide_what_an_instruction_does() -> None:
    assert said(inspected("%%asm\nmvo eax, 1\nad|d rax, rbx\njmp nowhere\nret")).startswith("Adds rbx to rax")


def test_a_line_that_does_not_assemble_says_so_and_what_the_mnemonic_does() -> None:
    report = inspected("%%asm\nmo|v rax, ebx")
    assert said(report) == "The sizes disagree: `rax` has 64 bits, `ebx` has 32 bits."
    assert "Copies rbx into rax." in report.text()


def test_a_mnemonic_that_has_no_operands_yet_is_explained_and_not_blamed() -> None:
    assert said(inspected("%%asm\nad|d")) == "`add rax, rbx`: Adds rbx to rax, and sets the flags by the result."


def test_of_several_statements_in_a_line_the_one_at_the_cursor_is_meant() -> None:
    cell = "%%asm\n.intel_syntax noprefix\nmov eax, 1; ad|d eax, 2; ret"
    assert said(inspected(cell)).startswith("Adds 2 to eax")
    assert said(inspected(cell.replace("ad|d", "add").replace("mov", "m|ov"))).startswith("Copies 1 into eax")


# ---- registers, labels, constants, directives, numbers ---------------------------------------------------------------


@pytest.mark.parametrize(("name", "role"), [
    ("rdi", "first argument of a function"), ("esi", "second argument"), ("r9", "sixth argument"), ("rbx", "give it back"),
    ("xmm0", "floating-point result"), ("rax", "result of a function"), ("r11", "syscall overwrites it"), ("rsp", "multiple of 16"),
])  # fmt: skip
def test_a_register_says_its_role(name: str, role: str) -> None:
    instruction = f"addsd xmm1, {name}" if name.startswith("x") else f"push {name}" if name[0] == "r" else f"inc {name}"
    assert role in inspected(f"%%asm\n{instruction}|").text().lower()


def test_a_register_says_its_parts() -> None:
    assert table(inspected("%%asm\nmov ea|x, 1"), "parts") == {
        "rax": "64 bits", "eax": "bits 0 to 31", "ax": "bits 0 to 15", "al": "bits 0 to 7", "ah": "bits 8 to 15",
    }  # fmt: skip


def test_every_part_is_where_a_run_finds_it() -> None:
    outcome = em.run("mov rax, 0x1122334455667788\nret")
    value = outcome.registers["rax"]
    for part, where in table(inspected("%%asm\nmov ra|x, 1"), "parts").items():
        found = re.fullmatch(r"bits (\d+) to (\d+)|64 bits", where)
        assert found is not None
        low, high = (int(found[1]), int(found[2])) if found[1] else (0, 63)
        assert outcome.registers[part] == value >> low & (1 << (high - low + 1)) - 1


def test_a_label_says_its_line_and_where_it_lies() -> None:
    report = inspected("%%asm\nmov eax, 1\njmp do|ne\nnop\ndone: ret")
    assert said(report) == "A label of line 4."
    assert table(report, "there") == {"address": "code+0x8", "what lies there": "ret"}
    assert inspected("%%asm\nmov eax, 1\njmp done\nnop\ndo|ne: ret") == report


def test_a_label_of_data_lies_in_its_segment() -> None:
    report = inspected("%%asm\nsection .data\n dd 1\nx dd 5\nsection .text\nmov eax, [x|]\nret")
    assert table(report, "there")["address"] == "data+0x4"


def test_a_dotted_label_is_the_one_of_its_scope() -> None:
    cell = "%%asm\nsection .text\na:\n.x: inc eax\n jz .x\nb:\n.x: dec eax\n jz .|x\n ret"
    assert said(inspected(cell)) == "A label of line 6."


def test_a_constant_says_its_value() -> None:
    assert said(inspected("%%asm\nSIZE = 8\nmov eax, SI|ZE\nret")) == "A constant of line 1: 8."


def test_a_directive_says_what_it_makes() -> None:
    report = inspected("%%asm\nret\n.lo|ng 1, 2")
    assert said(report) == "Puts numbers of 4 bytes each into memory."
    assert table(report, "in this line") == {"makes": "8 bytes: 01 00 00 00 02 00 00 00"}


def test_a_number_is_shown_in_three_bases_as_the_dialect_reads_it() -> None:
    assert table(inspected("%%asm\nmov eax, 0x2|a\nret"), "0x2a")["decimal"] == "42"
    assert table(inspected("%%asm\nsection .text\nmov eax, 1|01b\nret"), "101b")["decimal"] == "5"


def test_options_and_their_registers_are_explained() -> None:
    assert said(inspected("%%asm --exp|ect SIGSEGV\nret")).startswith("How it must end")
    assert said(inspected("%%asm rd|i=5\nret")) == "A general register of 64 bits."


@pytest.mark.parametrize(
    "marked", ["%%asm\n; mo|v", '%%asm\n.ascii "mo|v"\n', "%%asm\n/* mo|v */", "%%asm\n|", "%%asm\nxyz|", "x = mo|v"]
)
def test_where_nothing_is_to_be_said_nothing_is(marked: str) -> None:
    assert inspect(marked.replace("|", ""), marked.index("|")) is None


@given(st.text(alphabet="movaxrd[]%$;#'\"/*,:.\n \t0x1b{}()", max_size=60), st.integers(0, 70))
@settings(max_examples=300, deadline=None)
def test_every_text_and_cursor_has_an_answer(body: str, place: int) -> None:
    for magic in ("%%asm\n", "%%asm --syntax att\n"):
        cell = magic + body
        inspect(cell, min(place, len(cell)))
