"""Directives for data, room and padding."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from tests.assembly.linked import linked


def test_common_symbols_lie_in_bss_at_their_alignment() -> None:
    program = assemble("ret\n.comm one, 3\n.comm two, 64, 32")
    assert program.labels["two"] % 32 == 0
    assert program.segments[-1].name == "bss"


def test_padding_in_a_nasm_source_is_what_nasm_writes() -> None:
    source = (
        "section .text\nnop\nalign 16\nret\nalign 8, int3\nret\nalign 32, db 0x55\nret\nsection .data\na db 1\n"
        "align 8\nb db 2\nalignb 8\nc db 3\nalign 4, db 0\nd db 4\nsection .rodata\nr db 1\nalign 16\nq db 2\n"
    )
    program = assemble(source)
    reference = linked(source, program, assembler="nasm")
    assert {segment.name: segment.data for segment in program.segments} == reference


def test_padding_in_data_is_zeros_or_what_is_asked_for() -> None:
    data = assemble("ret\n.data\n.byte 1\n.align 4\n.byte 2\n.balign 4, 0xff\n.byte 3").segments[1].data
    assert data.hex() == "01000000" + "02ffffff" + "03"


def test_alignment_past_its_limit_is_left_out() -> None:
    assert assemble("nop\n.p2align 4,,10\nret").code.hex() == "90c3"


ITEMS = {
    ".byte 1, 2": "b",
    ".value 1": "h",
    ".long 1": "i",
    ".quad 1, x": "q",
    ".octa 1": "o",
    ".float 1": "f",
    ".double 1": "d",
    ".tfloat 1": "t",
    '.ascii "12"': "s",
    ".uleb128 300": "x",
    ".skip 5": "x",
    ".fill 2, 4, 1": "i",
    ".balign 64": "",
    "nop": "",
    'db "12"': "b",
    "dw 1": "h",
    "dw 1.5": "e",
    "dd 1, 2 ; 1.5": "i",
    "dd 1, 2.5": "f",
    "dq 1": "q",
    "dq 1e3": "d",
    "dd 3 dup (1.5)": "f",
    "dt 1.5": "t",
    "resb 3": "x",
    "resd 3": "i",
    "resy 1": "x",
    "times 3 dd 1": "i",
    "times 3 dd x": "i",
    "times 8-($-x) db 1": "b",
}
"""A line -> the item of the rows that it makes."""


@pytest.mark.parametrize("line", ITEMS)
def test_the_listing_says_what_data_consist_of(line: str) -> None:
    program = assemble(f"x: ret\n{line}")
    assert {row.item for row in program.listing if row.span.line == 2} == {ITEMS[line]}


def test_masms_words_say_what_data_consist_of_too() -> None:
    made = assemble(".data\na SDWORD 1\nb REAL4 1.5\nc REAL8 ?\nd REAL10 1.5\ne BYTE 1")
    assert [row.item for row in made.listing] == ["i", "f", "d", "t", "b"]


def test_data_that_a_macro_makes_are_what_they_are_without_it() -> None:
    made = assemble(".data\n.macro pair\n.long 1\n.double 2\n.endm\npair")
    assert [row.item for row in made.listing] == ["i", "d"]


def test_the_fields_of_a_structure_are_what_fills_them() -> None:
    source = "struc p\n.x: resd 2\n.y: resq 1\nendstruc\nsection .data\nistruc p\nat p.x, dd 5\nat p.y, dq 6\niend"
    assert [(row.size, row.item) for row in assemble(source).listing] == [(4, "i"), (4, "x"), (8, "q")]
