"""What is wrong with a cell while it is edited: the report's own words, at the right place, with edits that help."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from typing import Any

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.diagnostics.codes import documented_codes
from execmem_kernel.editor import cell_program
from execmem_kernel.editor.diagnostics import diagnose
from execmem_kernel.editor.inspection import inspect
from execmem_kernel.errors import AssemblyError, EncoderLostError
from execmem_kernel.program.diagnostic import Diagnostic

EXAMPLES = {code: example for code, (_, example) in documented_codes().items() if 0 < len(example) < 5000}


def no_complaint(_line: str) -> None:
    return None


def rows(cell: str) -> list[dict[str, Any]]:
    found = diagnose(cell, no_complaint)
    assert found is not None
    return list(found["diagnostics"])


def diagnostics(source: str) -> tuple[Diagnostic, ...]:
    try:
        return assemble(source).warnings
    except AssemblyError as error:
        return tuple(error.diagnostics)


def units(text: str) -> bytes:
    """A text as JavaScript indexes it: two bytes a unit."""
    return text.encode("utf-16-le", "surrogatepass")


def piece(cell: str, start: int, end: int) -> str:
    return units(cell)[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")


@pytest.mark.parametrize("code", sorted(EXAMPLES))
def test_the_words_are_the_reports(code: str) -> None:
    wanted = diagnostics(EXAMPLES[code])
    found = rows(f"%%asm\n{EXAMPLES[code]}")
    assert [row["text"] for row in found] == [str(one) for one in wanted]
    for row, one in zip(found, wanted, strict=True):
        assert (row["severity"], row["code"], row["message"], row["hint"]) == (
            one.severity,
            one.code,
            one.message,
            one.hint,
        )
        assert (row["line"], row["column"], row["end_column"]) == one.span
        assert row["from"] < row["to"]


@pytest.mark.parametrize("code", sorted(EXAMPLES))
def test_after_a_quick_fix_there_is_less_to_complain_of(code: str) -> None:
    cell = f"%%asm\n{EXAMPLES[code]}"
    before = rows(cell)
    for row in before:
        for fix in row["replacements"]:
            data = units(cell)
            after = data[: 2 * fix["from"]] + units(fix["insert"]) + data[2 * fix["to"] :]
            left = rows(after.decode("utf-16-le"))
            errors = [one for one in left if one["severity"] == "error"]
            assert len(errors) <= sum(one["severity"] == "error" for one in before)
            assert (row["code"], row["line"], row["column"]) not in {
                (one["code"], one["line"], one["column"]) for one in left
            }


@pytest.mark.parametrize(
    ("source", "inserted"),
    [
        ("mvo eax, 1\nret", "mov"), ("mov rax, ebx\nret", "mov eax, ebx"), ("mov 5, rax\nret", "mov rax, 5"), ("start mov eax, 1\nret", "start:"),
        ("mov eax, 1", "\nret"), ("mov eax, [rax\nret", "]"), (".bytes 5", ".byte"), ("mov eax, 12abc\nret", "0x12abc"),
        ("movq $5, %rax\nret", "mov rax, 5"), ("mov [rax], 1\nret", "qword ptr [rax]"), ("mov eax, \u20135\nret", "-"), ('.ascii "hi\nret', '"'),
        ("x: nop\nadd rax, 1 // 2\njmp x", "/"), (".data\nmov eax, 1\nret", ".text\n"), ("jmp strat\nstart: ret", "start"),
    ],
)  # fmt: skip
def test_what_a_hint_names_can_be_put_in(source: str, inserted: str) -> None:
    assert inserted in [fix["insert"] for row in rows(f"%%asm\n{source}") for fix in row["replacements"]]


def test_places_count_as_javascript_does() -> None:
    cell = "# \U0001f600\n%%asm\n; \U0001f600\U0001f600\nnop ; \U0001f600\nmvo eax, 1\nret"
    row = rows(cell)[0]
    assert piece(cell, row["from"], row["to"]) == "mvo"
    assert row["line"] == 3


def test_a_place_lies_where_the_report_points_whatever_the_options_are() -> None:
    for magic in ("%%asm", "%%asm --trace   rdi=5", "\n%%asm", "# a\n# b\n%%asm --name x"):
        cell = f"{magic}\nmov eax, 1\n  mvo eax, 1\nret"
        row = rows(cell)[0]
        assert piece(cell, row["from"], row["to"]) == "mvo"
        assert (row["line"], row["column"]) == (2, 3)


def test_what_is_wrong_with_the_options_stands_on_line_0() -> None:
    found = diagnose("%%asm --tarce\nret", lambda line: f"%%asm does not know {line.strip()} (did you mean '--trace'?)")
    assert found is not None
    row = found["diagnostics"][0]
    assert (row["line"], row["column"], row["end_column"]) == (0, 7, 14)
    assert row["replacements"] == [{"label": "`--trace`", "from": 6, "to": 13, "insert": "--trace"}]


def test_a_cell_without_a_body_is_not_wrong() -> None:
    assert rows("%%asm") == []
    assert rows("%%asm\n\n") == []


def test_att_syntax_is_read_as_the_options_say() -> None:
    assert rows("%%asm --syntax att\nmovl $5, %eax\nret") == []
    assert rows("%%asm\nmovl $5, %eax\nret")[0]["code"] == "ASM020"


def test_another_cell_has_no_diagnostics() -> None:
    assert diagnose("mvo eax, 1", no_complaint) is None
    assert diagnose("x = '%%asm'\nmvo", no_complaint) is None


def test_more_errors_than_are_reported_are_said_to_be_more() -> None:
    found = diagnose("%%asm\n" + "mvo eax, 1\n" * 30, no_complaint)
    assert found is not None
    assert not found["complete"]
    assert len(found["diagnostics"]) == 20


def test_where_the_assembler_is_lost_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_source: str, _syntax: str) -> None:
        raise EncoderLostError("lost")

    monkeypatch.setattr(cell_program, "assemble", lost)
    assert diagnose("%%asm\nnop\nmvo", no_complaint) == {"version": 1, "complete": False, "diagnostics": []}
    assert inspect("%%asm\nxlatb\nmvo", 8) is not None


def test_a_text_too_long_to_be_assembled_at_each_key_is_left_alone() -> None:
    found = diagnose("%%asm\n" + "mvo eax, 1\n" * 30_000, no_complaint)
    assert found == {"version": 1, "complete": False, "diagnostics": []}
