"""Numbers as bytes: floating point of every size, rounded once and exactly, and LEB128."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.x86.registers import MASK


def fitted(value: int, size: int, start: int, end: int) -> bytes:
    """A value as bytes; either sign fits, nothing is cut.

    Args:
        value: The number.
        size: In bytes.
        start: First column that it comes from, 0-based.
        end: The column behind the last.

    Raises:
        SourceError: It needs more bytes.
    """
    bits = 8 * size
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise SourceError(
            "ASM053",
            f"{value} does not fit into {size} byte{'s' * (size > 1)}.",
            start,
            end,
            f"{-(1 << (bits - 1))} to {(1 << bits) - 1} does",
        )
    return (value & ((1 << bits) - 1)).to_bytes(size, "little")


_LAYOUTS = {2: (11, 5), 4: (24, 8), 8: (53, 11), 10: (64, 15), 16: (113, 15)}
"""Size in bytes -> bits of precision, bits of the exponent. Source: IEEE 754-2019, 3.6; Intel SDM vol. 1, 4.2.2."""
_EXPONENT_LIMIT = 6000
"""Powers of ten from here on are worked out for no literal: 16 bytes hold up to 1e4932."""
_LENGTH_LIMIT = 400
_DECIMAL = re.compile(r"([0-9_]*)(?:\.([0-9_]*))?(?:[eE]([+-]?[0-9]+))?")
_SPECIAL = {
    "inf": "inf",
    "infinity": "inf",
    "__infinity__": "inf",
    "__?infinity?__": "inf",
    "nan": "nan",
    "__qnan__": "nan",
    "__nan__": "nan",
    "__?nan?__": "nan",
    "__?qnan?__": "nan",
}


def float_bytes(tokens: Sequence[Token], size: int, *, whole: bool = False) -> bytes | None:
    """A floating-point literal as bytes, or None for what is none.

    Args:
        tokens: The literal, with its sign.
        size: 2, 4, 8, 10 (x87) or 16 bytes.
        whole: Whether a number without fraction and exponent counts too.

    Raises:
        SourceError: The number is too large.
    """
    negative, rest = _without_sign(tokens)
    if not rest:
        return None
    text = "".join(token.text for token in rest)
    special = _SPECIAL.get(text.lower())
    if special is not None:
        return _packed(negative, None, size, nan=special == "nan")
    if rest[0].kind not in ("number", "name") or text[0] not in "0123456789.":
        return None
    if not whole and (value := _of_another_base(rest, text)) is not None:
        data = _packed(negative, value, size)
        if data is None:
            raise SourceError(
                "ASM053", f"{text} is too large for {size} bytes of floating point.", tokens[0].start, tokens[-1].end
            )
        return data
    found = _DECIMAL.fullmatch(text)
    if found is None or not (found[1] or found[2]) or len(text) > _LENGTH_LIMIT:
        return None
    if found[2] is None and found[3] is None and not whole:
        return None
    start, end = tokens[0].start, tokens[-1].end
    exponent = found[3] or "0"
    if len(exponent) > 6 or abs(int(exponent)) >= _EXPONENT_LIMIT:
        raise SourceError("ASM053", "This exponent is out of range.", start, end)
    value = Fraction(f"{found[1] or '0'}.{found[2] or '0'}".replace("_", "")) * Fraction(10) ** int(exponent)
    data = _packed(negative, value, size)
    if data is None:
        raise SourceError("ASM053", f"{text} is too large for {size} bytes of floating point.", start, end)
    return data


_OTHER_BASES = re.compile(
    r"0(?:[xh](?=[0-9a-f_.])([0-9a-f_]*)(?:\.([0-9a-f_]*))?|[oq]([0-7_]*)(?:\.([0-7_]*))?|[by]([01_]*)(?:\.([01_]*))?)"
    r"(?:p([+-]?[0-9]{1,5}))?"
)
"""A number with a fraction in base 16, 8 or 2, and NASM's exponent of two. Source: NASM's manual, 3.4.6."""


def _of_another_base(tokens: Sequence[Token], text: str) -> Fraction | None:
    """What `0x1.8p3` and `0b1.1` are worth; None for what has neither point nor exponent, or is no number."""
    lowered = text.lower()
    found = _OTHER_BASES.fullmatch(lowered)
    if found is None or ("." not in lowered and "p" not in lowered) or len(text) > _LENGTH_LIMIT:
        return None
    if any(before.end != behind.start for before, behind in pairwise(tokens)):
        return None
    for bits, whole, fraction in ((4, found[1], found[2]), (3, found[3], found[4]), (1, found[5], found[6])):
        if whole is not None:
            digits = (whole + (fraction or "")).replace("_", "")
            exponent = int(found[7] or "0") - bits * len((fraction or "").replace("_", ""))
            return Fraction(int(digits or "0", 1 << bits)) * Fraction(2) ** exponent
    return None


def _without_sign(tokens: Sequence[Token]) -> tuple[bool, list[Token]]:
    """Whether the signs before a literal make it negative, and the literal."""
    negative = False
    rest = list(tokens)
    while rest and rest[0].text in ("-", "+"):
        negative ^= rest.pop(0).text == "-"
    return negative, rest


def _packed(negative: bool, value: Fraction | None, size: int, *, nan: bool = False) -> bytes | None:
    """Sign, exponent and mantissa put together; `value` None is infinity or not a number. None where it overflows."""
    precision, width = _LAYOUTS[size]
    bias = (1 << (width - 1)) - 1
    explicit = size == 10
    if value is None:
        exponent, mantissa = (1 << width) - 1, 1 << (precision - 1) | (1 << (precision - 2) if nan else 0)
    elif value == 0:
        exponent, mantissa = 0, 0
    else:
        exponent = value.numerator.bit_length() - value.denominator.bit_length()
        if value < Fraction(2) ** exponent:
            exponent -= 1
        exponent = max(exponent, 1 - bias)
        mantissa = round(value / Fraction(2) ** (exponent - precision + 1))  # ties to even
        if mantissa >> precision:
            mantissa >>= 1
            exponent += 1
        if exponent > bias:
            return None
        exponent = exponent + bias if mantissa >> (precision - 1) else 0
    if not explicit:
        mantissa &= (1 << (precision - 1)) - 1
    bits = 8 * size
    number = (negative << (bits - 1)) | (exponent << (precision if explicit else precision - 1)) | mantissa
    return number.to_bytes(size, "little")


def leb128(value: int, *, signed: bool) -> bytes:
    """DWARF's variable-length number. Source: DWARF 5, 7.6."""
    data = bytearray()
    if not signed:
        value &= MASK
    while True:
        byte = value & 127
        value >>= 7
        done = (value == 0 and (not signed or not byte & 64)) or (signed and value == -1 and byte & 64)
        data.append(byte | (0 if done else 128))
        if done:
            return bytes(data)
