"""Numbers of a program's as text: pointers by the place they point into."""

from __future__ import annotations

import pytest

from execmem_kernel.execution.contract.pointers import describe, describe_place

PLACES = {"code": (0x1000, 0x1010), "stack": (0x7000, 0x8000), "b": (0x2000, 0x2004)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0x1000, "code"),
        (0x1008, "code+0x8"),
        (0x1010, "code+0x10"),
        (0x1011, ""),
        (0x2004, "b+0x4"),
        (0x7FF8, "stack"),
        (0x7FF0, "stack-0x8"),
        (0x8000, "stack+0x8"),
        (0x6FC0, "stack-0x1038"),
        (5, ""),
    ],
)
def test_a_pointer_is_an_offset_from_its_place(value: int, text: str) -> None:
    assert describe_place(value, PLACES) == text


def test_other_numbers_are_shown_in_hexadecimal_and_decimal_unless_they_are_small() -> None:
    assert [describe(value, PLACES) for value in (0, 9, 10, 2**64 - 1)] == [
        "0",
        "9",
        "0xa (10)",
        f"{2**64 - 1:#x} (-1)",
    ]
