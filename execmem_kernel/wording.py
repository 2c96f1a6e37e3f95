"""Words for numbers, names and characters: sizes, counts, signed values, suggestions, visible control characters."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def format_size(size: int) -> str:
    """A size in bytes to one decimal: "64 bytes", "12 KiB", "1.5 MiB"."""
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return plural(size, "byte")


def format_amount(size: int) -> str:
    """A size in bytes to four digits, where it is compared with a limit: "8.004 MiB"."""
    for unit, factor in _UNITS:
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} bytes"


def plural(number: int, noun: str) -> str:
    """A number of things: "1 slab", "4096 slabs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def counted(count: int, thing: str = "byte") -> str:
    """A number of things with commas, for reports: "1 byte", "4,096 bytes"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """Words one after the other: "a, b and c"; "" for none."""
    return ", ".join(words[:-1]) + f" {conjunction} {words[-1]}" if len(words) > 1 else "".join(words)


def signed(value: int, bits: int = 64) -> int:
    """The same bits read as a signed number in two's complement."""
    return value - (1 << bits) if value >> (bits - 1) else value


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What to add to an error about a name: the nearest one that is known, as a question, or nothing."""
    names = sorted(known)
    # Two letters changed over are the commonest slip of all, and look like two mistakes to difflib.
    near = [word for word in names if sorted(word) == sorted(name)]
    near = near or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def printable(text: str) -> str:
    """The text with every character that steers a terminal, or reorders a line, made visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or unicodedata.category(character)[0] not in "C" else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"
