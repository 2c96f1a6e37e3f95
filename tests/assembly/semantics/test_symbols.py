"""The symbol table: labels, constants, names from elsewhere."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError
from tests.assembly.reported import refusals


def test_numeric_labels_are_the_nearest_before_or_after() -> None:
    assert assemble("1: nop\njmp 1b\njmp 1f\n1: jmp 1b\n2: jmp 2b").code.hex() == "90ebfdeb00ebfeebfe"


def test_a_dotted_label_belongs_to_the_label_before_it() -> None:
    program = assemble("section .text\na: nop\n.l: jmp .l\nb: nop\n.l: jmp .l\njmp a.l")
    assert program.code.hex() == "90ebfe90ebfeebf9"
    assert {"a.l", "b.l"} <= set(program.labels)


def test_compilers_dotted_labels_are_known_everywhere() -> None:
    assert assemble("main: jmp .L2\nother: nop\n.L2: ret").code.hex() == "eb0190c3"


def test_a_constant_may_be_set_again_and_each_use_sees_the_value_before_it() -> None:
    assert assemble("x = 1\nmov al, x\nx = 2\nmov al, x\nret").code.hex() == "b001b002c3"


def test_equ_remembers_the_place_where_it_stands() -> None:
    program = assemble('mov edx, len\nret\nmsg: db "hello"\nlen equ $ - msg\nmore: db 1')
    assert program.code.hex().startswith("ba05000000")


def test_a_difference_of_labels_inside_one_block_of_data_is_a_plain_number() -> None:
    assert assemble("add rax, e - s\nret\ns: .skip 5\ne:").code.hex().startswith("4883c005")


def test_the_address_of_a_value_and_of_its_line_are_told_apart() -> None:
    gnu = assemble(".intel_syntax noprefix\nret\n.data\nx: .quad 1, . - x").segments[1].data
    nasm = assemble("section .text\nret\nsection .data\nx: dq 1, $ - x").segments[1].data
    assert (gnu[8], nasm[8]) == (8, 0)


def test_what_a_bare_label_means_is_what_the_source_declares() -> None:
    assert assemble("section .text\nmov rsi, x\nret\nx: dq 1").code.hex().startswith("48be0b00001000000000c3")
    assert assemble(".intel_syntax noprefix\nmov rsi, x\nret\nx: .quad 1").code.hex().startswith("488b35")
    assert refusals("mov rsi, x\nret\nx: .quad 1") == [("ASM035", 1, 10)]


def test_names_from_elsewhere_are_gathered_and_unknown_names_are_errors() -> None:
    assert set(assemble("extern printf, puts\ncall printf\nret").externs) == {"printf"}
    assert set(assemble("call puts@PLT\nret").externs) == {"puts"}
    assert set(assemble("section .text\nextern puts\ncall puts wrt ..plt\nret").externs) == {"puts"}
    assert refusals("call printf\nret") == [("ASM040", 1, 6)]


def test_a_label_defined_twice_names_the_first_place() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("a: nop\n  a: ret")
    (found,) = caught.value.diagnostics
    assert (found.code, found.line, found.column) == ("ASM041", 2, 3)
    assert found.related[0][0].line == 1
