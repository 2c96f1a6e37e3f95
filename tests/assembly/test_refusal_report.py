"""A refusal of the encoder points at the operand it blames, in the source's own spelling."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError
from execmem_kernel.program.diagnostic import Diagnostic


def only(source: str, syntax: str = "intel") -> Diagnostic:
    with pytest.raises(AssemblyError) as caught:
        assemble(source, syntax=syntax)  # type: ignore[arg-type]
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize(
    ("source", "blamed"),
    [
        ("mov al, 256", "256"),
        ("mov rax, ebx", "ebx"),
        ("lock add eax, 1", "eax"),
        ("add rax", "add rax"),
        ("  pusha", "pusha"),
    ],
)
def test_the_columns_are_those_of_what_is_wrong(source: str, blamed: str) -> None:
    span = only(source).span
    assert source[span.column - 1 : span.end_column - 1] == blamed


def test_a_word_that_is_no_instruction_is_spelt_as_in_the_source() -> None:
    assert "`MVO`" in only("MVO rax, 1").message


def test_a_label_without_its_colon_is_known_by_the_jump_to_it() -> None:
    found = only("again\ninc rax\njmp again")
    assert (found.code, found.line, found.hint) == ("ASM100", 1, "for a label write `again:`")


def test_in_att_syntax_the_operand_is_blamed_where_it_stands_there() -> None:
    found = only("movq %ebx, %rax\nret", syntax="att")
    assert found.source_line[found.span.column - 1 : found.span.end_column - 1] == "%ebx"
    assert "%ebx" in found.message


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("section .text\nx: lea rdx, x\nret", "write `lea rdx, [x]`"),
        ("section .text\ncmp ax, byte 0x80\nret", "leave out `byte`"),
        ("vpxor ymm0, ymm0", "`vpxor ymm0, ymm0, ymm0`"),
        ("vaddps ymm3, ymm1", "`vaddps ymm3, ymm3, ymm1`"),
        ("vcvtss2sd xmm1, [rax]", "`vcvtss2sd xmm1, xmm1, [rax]`"),
        ("vmovsd xmm4, xmm1", "`vmovsd xmm4, xmm4, xmm1`"),
        ("and rcx, 0x5555555555555555", "`mov rax, 0x5555555555555555`, then `and rcx, rax`"),
        ("call writeStr", "define it with `writeStr:` in this cell: every cell is a program of its own"),
        ("call printf", "write `extern printf` above"),
        ("square(int):\nret", "a label is a plain name: `square:`"),
        ("PRINT_DEC 4, eax", "rax is shown after `ret`"),
    ],
)
def test_a_hint_names_the_line_to_write(source: str, hint: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert hint in caught.value.diagnostics[0].hint


def test_registers_may_have_a_percent_sign_where_gnu_as_is_told_noprefix() -> None:
    source = ".intel_syntax noprefix\nmov {0}rax, 5\nadd {0}eax, dword ptr [{0}rbx + {0}rcx*4]\nret"
    assert assemble(source.format("%")).code == assemble(source.format("")).code


def test_nasm_leaves_bnd_out_before_a_short_jump() -> None:
    program = assemble("section .text\nbnd jmp x\nx: bnd jmp rax\nbnd ret")
    assert program.code.hex() == "eb00f2ffe0f2c3"
    assert "ASM095" in {found.code for found in program.warnings}
