"""Source text becomes a program: layout, names, branch sizes, listing, caps."""

from __future__ import annotations

import dataclasses

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT
from execmem_kernel.program.program import ListingRow, Program
from tests.assembly.reported import refusals


@pytest.mark.parametrize(
    "source",
    [".skip 100000000", ".fill 1000000, 8, 1", "times 1000000000 db 0", "db 99999 dup (1000 dup (0))",
     ".org 0x7fffffff\nnop", ".skip 600000\n.skip 600000", "resq 200000"],
)  # fmt: skip
def test_no_program_is_larger_than_the_cap(source: str) -> None:
    assert refusals(source)[0][0] == "ASM062"
    assert SIZE_LIMIT == 1 << 20


@pytest.mark.parametrize(
    "source",
    [".rept 1000000000\nnop\n.endr", "times 1000000000 nop", "%rep 1000\n%rep 1000\nnop\n%endrep\n%endrep",
     ".macro a\n.rept 60000\nnop\n.endr\n.endm\na\na"],
)  # fmt: skip
def test_no_program_expands_past_the_cap(source: str) -> None:
    assert refusals(source)[0][0] == "ASM060"


def test_files_are_never_read() -> None:
    for source in ('.include "x"', '.incbin "x"', 'incbin "x"', '%include "x"', "include x"):
        assert refusals(source)[0][0] == "ASM059", source


def test_a_program_knows_whether_a_compiler_wrote_it() -> None:
    assert assemble("f:\n.cfi_startproc\nret\n.cfi_endproc").compiled
    assert not assemble("f:\nret # as behind .cfi_startproc").compiled


def test_a_program_pickled_before_it_had_all_its_fields_has_their_defaults() -> None:
    program = assemble("ret\nx: .long 1")
    copy = Program.__new__(Program)
    copy.__setstate__([getattr(program, field.name) for field in dataclasses.fields(program)][:-1])
    assert copy == program
    assert ListingRow(*program.listing[0][:-1]) == program.listing[0]


def test_equal_sources_give_equal_programs() -> None:
    assert assemble("mov eax, 1\nret") == assemble("mov eax, 1\nret")
    assert hash(assemble("mov eax, 1\nret")) == hash(assemble("mov eax, 1\nret"))


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_all_errors_are_told_at_once_in_the_order_of_the_lines() -> None:
    source = "mov eax, [rsp*2]\nmov rax, ebx\nfoo\njmp nowhere\n.bytes 1\nmov al, 300"
    assert [(code, line) for code, line, _ in refusals(source)] == [
        ("ASM021", 1), ("ASM107", 2), ("ASM100", 3), ("ASM040", 4), ("ASM050", 5), ("ASM108", 6),
    ]  # fmt: skip


def test_twenty_errors_are_enough() -> None:
    assert len(refusals("mov eax, [rax\n" * 1000)) == 20


def test_a_source_that_is_no_text_and_a_syntax_that_is_none_are_misuse() -> None:
    with pytest.raises(TypeError):
        assemble(b"nop")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="intel"):
        assemble("nop", syntax="masm")  # type: ignore[arg-type]


def test_no_source_at_all_is_a_program_without_code() -> None:
    for source in ("", "\n\n", "; nothing\n", "/* nothing\nat all */"):
        assert assemble(source).code == b""


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(ending: str) -> None:
    assert assemble(ending.join(["mov eax, 1", "ret"])).code.hex() == "b801000000c3"


def test_what_stands_behind_the_end_is_pointed_out() -> None:
    assert [warning.code for warning in assemble("ret\nend if\n; over\nmov eax, 1").warnings] == ["ASM093"]
    assert assemble("main: ret\nend main\n\n; over").warnings == ()


def test_a_text_is_no_place_to_go_to() -> None:
    assert refusals('main: call "main"') == [("ASM011", 1, 12)]
    assert assemble('.intel_syntax noprefix\nmain: jmp "main"').code.hex() == "ebfe"  # to GNU as it is a name
