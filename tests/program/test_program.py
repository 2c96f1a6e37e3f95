"""A program as a value: which row and which line made a byte."""

from __future__ import annotations

import pickle

from execmem_kernel.assembly.assembler import assemble

SOURCE = "start: mov eax, 1\nnop\nret\n.data\nx: .long 5"


def test_every_byte_leads_to_its_row_and_its_line() -> None:
    program = assemble(SOURCE)
    for offset, line in [(0, 1), (4, 1), (5, 2), (6, 3)]:
        assert program.line_at(program.address + offset) == line
    row = program.row_at(program.labels["x"])
    assert row is not None
    assert (row.kind, row.item, row.source) == ("data", "i", "x: .long 5")
    assert program.row_at(program.address + 7) is None
    assert program.line_at(program.address - 1) is None


def test_equal_sources_make_equal_programs_that_survive_a_pickle() -> None:
    program = assemble(SOURCE)
    again = pickle.loads(pickle.dumps(program))
    assert again == program
    assert hash(again) == hash(program)
    assert program != assemble(SOURCE + ", 6")


def test_segments_lie_behind_each_other_with_code_first() -> None:
    program = assemble(SOURCE + "\n.bss\ny: .skip 8")
    assert [segment.name for segment in program.segments] == ["text", "data", "bss"]
    assert program.text.data == program.code
    assert program.text.end == program.address + len(program.code)
    for before, behind in zip(program.segments, program.segments[1:], strict=False):
        assert before.end <= behind.address
