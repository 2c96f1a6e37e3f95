"""Values in data that only the layout knows."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.program.program import CODE_ADDRESS
from tests.assembly.reported import refusals


def test_an_address_in_data_is_where_the_label_ends_up() -> None:
    program = assemble("jmp far\n.skip 200\nfar: ret\n.data\nwhere: .quad far, far + 1")
    far = program.labels["far"]
    assert far == CODE_ADDRESS + 205
    assert program.segments[1].data == far.to_bytes(8, "little") + (far + 1).to_bytes(8, "little")


def test_a_distance_over_code_counts_what_its_branches_take() -> None:
    source = "begin: jmp end\n.skip {}\nend: ret\n.data\nsize: .quad end - begin"
    assert [assemble(source.format(skipped)).segments[1].data[0] for skipped in (100, 200)] == [102, 205]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("a: ret\nb: ret\n.quad a + b", ("ASM034", 3, 7)),
        ("a: ret\n.byte 1, a", ("ASM053", 2, 10)),
        ("a: ret\n.quad 1, nowhere", ("ASM040", 2, 10)),
    ],
)
def test_a_value_that_cannot_be_written_is_reported_at_its_columns(source: str, error: tuple[str, int, int]) -> None:
    assert refusals(source) == [error]


def test_every_wrong_value_of_a_list_is_reported() -> None:
    assert refusals("a: ret\n.byte a, 1, a") == [("ASM053", 2, 7), ("ASM053", 2, 13)]
