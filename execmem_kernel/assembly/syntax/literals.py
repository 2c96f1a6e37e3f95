"""Literals: what a number token or a quoted text is worth, in each dialect's spelling."""

from __future__ import annotations

import re
from functools import lru_cache

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import NASM_ESCAPES, DialectRules, EscapeSequences
from execmem_kernel.assembly.syntax.tokens import Token


def string_bytes(token: Token, escapes: EscapeSequences | None) -> bytes:
    """The bytes of a quoted text: UTF-8, escapes where asked for (always NASM's in backquotes)."""
    body = token.text[1:-1]
    if token.text[0] == "`":
        escapes = NASM_ESCAPES
    if "\\" not in body or escapes is None:
        return body.encode("utf-8", "surrogatepass")
    parts: list[bytes] = []
    position = 0
    for found in escapes.pattern.finditer(body):
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
        elif letter in escapes.characters:
            parts.append(bytes([escapes.characters[letter]]))
        elif escapes.refuses_unknown and letter.isalnum():
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


def character_value(token: Token, rules: DialectRules) -> int:
    """A quoted text as a number: its first character in the lowest byte, escapes as the dialect has them."""
    body = token.text[1:-1]
    apostrophe = rules.apostrophe_escapes
    if apostrophe is not None and token.text[0] == "'" and len(body) == 2 and body[0] == "\\":
        # Source: process_escape in gas/app.c; what it does not know stands for itself, a 0 too.
        return apostrophe.get(body[1], ord(body[1]))
    data = string_bytes(token, rules.number_escapes)
    if not 1 <= len(data) <= 8:
        what = "An empty text" if not data else "A text of more than 8 bytes"
        raise SourceError("ASM008", f"{what} is not a number.", token.start, token.end, "use .ascii or db for text")
    return int.from_bytes(data, "big" if rules.first_character_highest else "little")


# ---- numbers ---------------------------------------------------------------------------------------------------------

_BASES = {"x": 16, "h": 16, "b": 2, "y": 2, "o": 8, "q": 8, "d": 10, "t": 10}
_LOCAL_REFERENCE = re.compile(r"[0-9]{1,9}[bfBF]\Z")


def is_too_long(text: str) -> bool:
    """Whether a number has more digits than any place for one: 128 in base two, 64 in every other."""
    digits = text.lower().replace("_", "")
    body = (
        digits.removeprefix("0b").removeprefix("0y").strip("by").lstrip("0")
        if set(digits) <= set("01by")
        else digits.lstrip("0")
    )
    return len(body) > (128 if set(digits) <= set("01by") and set(digits) & set("by") else 64)


@lru_cache(maxsize=4096)
def number(text: str, rules: DialectRules) -> int | None:
    """What a number token says, or None for a spelling that is no number ("12ab", "1.5")."""
    plain = text.lower().replace("_", "")
    if is_too_long(plain):
        return None
    if plain.isdigit():
        if len(plain) > 1 and plain[0] == "0" and rules.leading_zero_is_octal:
            return digits_value(plain, 8)
        return digits_value(plain, 10)
    if plain[-1] == "h":
        return digits_value(plain[:-1], 16)
    if plain[0] == "0" and plain[1] in "xbodqty" and (plain[1] == "x" or len(plain) > 2):
        value = digits_value(plain[2:], _BASES[plain[1]])
        if value is not None:
            return value
    if len(plain) == 2 and plain[1] == "b" and rules.numeric_labels:
        return None  # a reference to a label that is not there, far more likely than a binary digit
    if plain[-1] in "bydtqo":
        return digits_value(plain[:-1], _BASES[plain[-1]])
    return None


def digits_value(digits: str, base: int) -> int | None:
    """What digits of a base are worth, or None where one of them is no such digit."""
    known = "0123456789abcdef"[:base]
    if not digits or digits.strip(known):
        return None
    return int(digits, base)


def is_local_reference(text: str) -> bool:
    """Whether a number token can name a numeric label: "1f", "2b"."""
    return _LOCAL_REFERENCE.match(text) is not None
