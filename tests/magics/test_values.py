"""Values for registers: numbers as the assembler reads them, and variables as numbers or memory."""

from __future__ import annotations

import pytest

from execmem_kernel.magics.values import arguments, parse_number, settable


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42), ("-1", -1), ("+7", 7), ("0x2a", 42), ("0b101", 5), ("0o17", 15), ("2ah", 42), ("1_000", 1000),
        ("0b12", None), ("ah", None), ("text", None), ("", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_the_assembler_reads_them(text: str, number: int | None) -> None:
    assert parse_number(text) == number


def test_variables_become_numbers_or_memory() -> None:
    registers, buffers = arguments(["rdi=n", "RSI=text", "rdx=-1"], {"n": 5, "text": "hi"})
    assert registers == {"rdi": 5, "rsi": "text", "rdx": 2**64 - 1}
    assert buffers == {"text": b"hi\0"}


def test_every_general_register_but_the_stack_pointer_can_be_set() -> None:
    assert len(settable()) == 15
    assert "rsp" not in settable()
