"""Literals: what a number token or a quoted text is worth, in each dialect's spelling."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import Dialect
from execmem_kernel.assembly.syntax.tokens import Token

_NASM_ESCAPES = {
    "n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "a": 7, "e": 27, "\\": 92, "'": 39, '"': 34, "`": 96, "?": 63,
}  # fmt: skip


_GNU_ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "\\": 92, '"': 34}


_ESCAPE = {
    "nasm": re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL),
    "gnu": re.compile(r"\\(?:[xX]([0-9a-fA-F]+)|([0-9]{1,3})|()()(.))", re.DOTALL),
}


Escapes = Literal["nasm", "gnu", ""]
"""Whose escape sequences a quoted text has: NASM's backquotes know C's, GNU's texts fewer; "" is none."""


def string_bytes(token: Token, escapes: Escapes) -> bytes:
    """The bytes of a quoted text: UTF-8, escapes where asked for (always NASM's in backquotes)."""
    body = token.text[1:-1]
    if token.text[0] == "`":
        escapes = "nasm"
    if "\\" not in body or not escapes:
        return body.encode("utf-8", "surrogatepass")
    known = _NASM_ESCAPES if escapes == "nasm" else _GNU_ESCAPES
    parts: list[bytes] = []
    position = 0
    for found in _ESCAPE[escapes].finditer(body):
        parts.append(body[position : found.start()].encode("utf-8", "surrogatepass"))
        position = found.end()
        hexadecimal, octal, short, long, letter = found.groups()
        if hexadecimal is not None:
            parts.append(bytes([int(hexadecimal, 16) & 255]))
        elif octal is not None:
            # GNU as counts 8 and 9 as digits here. Source: next_char_of_string in gas/read.c.
            value = 0
            for digit in octal:
                value = value * 8 + int(digit)
            parts.append(bytes([value & 255]))
        elif short or long:
            point = int(short or long, 16)
            if point > 0x10FFFF:
                raise SourceError("ASM007", "There is no such Unicode character.", token.start, token.end)
            parts.append(chr(point).encode("utf-8", "surrogatepass"))
        elif letter in known:
            parts.append(bytes([known[letter]]))
        elif escapes == "nasm" and letter.isalnum():
            start = token.start + 1 + found.start()
            raise SourceError(
                "ASM007",
                f"`\\{letter}` is no escape sequence.",
                start,
                start + 2,
                r"known: \n \t \r \b \f \v \a \e \0 \\ \" \' \` \xHH \OOO",
            )
        else:
            parts.append(letter.encode("utf-8", "surrogatepass"))
    parts.append(body[position:].encode("utf-8", "surrogatepass"))
    return b"".join(parts)


def character_value(token: Token, dialect: Dialect) -> int:
    """A quoted text as a number: its first character in the lowest byte, escapes as the dialect has them."""
    body = token.text[1:-1]
    if dialect == "gnu" and token.text[0] == "'" and len(body) == 2 and body[0] == "\\":
        # Source: process_escape in gas/app.c; what it does not know stands for itself, a 0 too.
        return {"b": 8, "f": 12, "n": 10, "r": 13, "t": 9}.get(body[1], ord(body[1]))
    data = string_bytes(token, "" if dialect == "nasm" else "nasm")
    if not 1 <= len(data) <= 8:
        what = "An empty text" if not data else "A text of more than 8 bytes"
        raise SourceError("ASM008", f"{what} is not a number.", token.start, token.end, "use .ascii or db for text")
    return int.from_bytes(data, "little")


# ---- numbers ---------------------------------------------------------------------------------------------------------

_BASES = {"x": 16, "h": 16, "b": 2, "y": 2, "o": 8, "q": 8, "d": 10, "t": 10}


_NAMES_OF_BASES = {16: "hexadecimal", 2: "binary", 8: "octal", 10: "decimal"}


LOCAL_REFERENCE = re.compile(r"[0-9]{1,9}[bfBF]\Z")


@lru_cache(maxsize=4096)
def number(text: str, dialect: Dialect) -> int | None:
    """What a number token says, or None for a spelling that is no number ("12ab", "1.5")."""
    plain = text.lower().replace("_", "")
    if len(plain) > 64:
        return None
    if plain.isdigit():
        if len(plain) > 1 and plain[0] == "0" and dialect != "nasm":
            return digits_value(plain, 8)
        return digits_value(plain, 10)
    if plain[-1] == "h":
        return digits_value(plain[:-1], 16)
    if plain[0] == "0" and plain[1] in "xbodqty" and (plain[1] == "x" or len(plain) > 2):
        value = digits_value(plain[2:], _BASES[plain[1]])
        if value is not None:
            return value
    if len(plain) == 2 and plain[1] == "b" and dialect != "nasm":
        return None  # a reference to a label that is not there, far more likely than a binary digit
    if plain[-1] in "bydtqo":
        return digits_value(plain[:-1], _BASES[plain[-1]])
    return None


def digits_value(digits: str, base: int) -> int | None:
    known = "0123456789abcdef"[:base]
    if not digits or digits.strip(known):
        return None
    return int(digits, base)


def is_local_reference(text: str) -> bool:
    """Whether a number token can name a numeric label: "1f", "2b"."""
    return LOCAL_REFERENCE.match(text) is not None
