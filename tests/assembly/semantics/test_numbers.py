"""Numbers as bytes: floating point as the processor has it, LEB128, whole numbers of either sign."""

from __future__ import annotations

import struct

import pytest

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.numbers import fitted, float_bytes, leb128
from execmem_kernel.assembly.syntax.dialects import UNDECLARED
from execmem_kernel.assembly.syntax.tokens import Token, tokenize
from tests.assembly.reported import refusals


def tokens(text: str) -> list[Token]:
    return list(tokenize(text, UNDECLARED))


@pytest.mark.parametrize(
    "text", ["1.5", "-2.5e-3", "0.1", "1e308", "4.9e-324", "3.14159265358979", "1e-400", "-0.0", "123456789.0"]
)
def test_a_double_is_rounded_as_python_rounds_it(text: str) -> None:
    assert float_bytes(tokens(text), 8) == struct.pack("<d", float(text))


@pytest.mark.parametrize("text", ["1.5", "0.1", "16777217.0", "1.17549429e-38", "-3.4e38"])
def test_a_single_is_rounded_once_from_what_is_written(text: str) -> None:
    assert float_bytes(tokens(text), 4) == struct.pack("<f", float(text))


def test_an_extended_number_says_its_first_bit() -> None:
    assert float_bytes(tokens("1.0"), 10) == bytes.fromhex("0000000000000080ff3f")


@pytest.mark.parametrize(("text", "size"), [("1e39", 4), ("1e309", 8), ("1e99999", 10), ("1e9999999", 8)])
def test_a_number_that_no_exponent_holds_is_refused(text: str, size: int) -> None:
    with pytest.raises(SourceError) as caught:
        float_bytes(tokens(text), size)
    assert caught.value.code == "ASM053"


def test_what_has_no_fraction_and_no_exponent_is_no_float_unless_asked_for() -> None:
    assert float_bytes(tokens("5"), 8) is None
    assert float_bytes(tokens("5"), 8, whole=True) == struct.pack("<d", 5)
    assert float_bytes(tokens("x"), 8, whole=True) is None


def test_leb128_is_what_dwarf_shows() -> None:
    """Source: DWARF 5, table 7.6 and 7.7."""
    assert [leb128(value, signed=False).hex() for value in (2, 127, 128, 129, 12857)] == [
        "02", "7f", "8001", "8101", "b964",
    ]  # fmt: skip
    assert [leb128(value, signed=True).hex() for value in (2, -2, 127, -127, 128, -128, 129, -129)] == [
        "02", "7e", "ff00", "817f", "8001", "807f", "8101", "ff7e",
    ]  # fmt: skip


def test_a_whole_number_of_either_sign_fits_and_nothing_is_cut() -> None:
    assert fitted(255, 1, 0, 1) == fitted(-1, 1, 0, 1) == b"\xff"
    for value in (256, -129):
        with pytest.raises(SourceError):
            fitted(value, 1, 0, 1)
    assert refusals(".word 65536") == [("ASM053", 1, 7)]
