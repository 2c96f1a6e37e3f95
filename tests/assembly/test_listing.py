"""The listing: a row for each instruction and each piece of data, and the line that it comes from."""

from __future__ import annotations

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.program.program import CODE_ADDRESS


def test_start_comes_before_main_and_main_before_the_first_byte() -> None:
    assert assemble("nop\nmain: ret").entry == CODE_ADDRESS + 1
    assert assemble("nop\nmain: nop\n_start: ret").entry == CODE_ADDRESS + 2


def test_the_listing_has_a_row_for_each_instruction_and_each_piece_of_data() -> None:
    program = assemble("top: dec ecx\n  jnz top ; again\n.align 4\nret\nx: .word 1, 2")
    assert [(row.kind, row.offset, row.code.hex(), row.text) for row in program.listing] == [
        ("instruction", 0, "ffc9", "dec ecx"),
        ("instruction", 2, "75fc", "jne top"),
        ("instruction", 4, "c3", "ret"),
        ("data", 5, "01000200", ".word 0x1, 0x2"),
    ]
    jump = program.listing[1]
    assert (jump.source, jump.span.line, jump.span.column, jump.span.end_column) == ("  jnz top ; again", 2, 3, 10)


def test_every_byte_knows_the_line_it_comes_from() -> None:
    program = assemble("mov eax, 1\n\n.rept 2\n  inc eax\n.endr\nret")
    assert [program.line_at(CODE_ADDRESS + offset) for offset in (0, 4, 5, 7, 9)] == [1, 1, 4, 4, 6]


def test_lines_of_a_macro_are_traced_to_the_call_and_to_the_body() -> None:
    program = assemble(".macro two reg\n  push \\reg\n  pop \\reg\n.endm\ntwo rax\nret")
    first, second, _ = program.listing
    assert (first.span.line, first.source, first.expansion) == (5, "two rax", ((2, "  push rax"),))
    assert second.expansion == ((3, "  pop rax"),)
