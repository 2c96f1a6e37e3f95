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
