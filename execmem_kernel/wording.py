"""Words for numbers, names and characters: sizes, counts, signed values, suggestions, visible control characters."""

from __future__ import annotations

import difflib
import unicodedata


def did_you_mean(name: str, known: frozenset[str]) -> str:
    # Two letters changed over are the commonest slip of all, and look like two mistakes to difflib.
    near = [word for word in sorted(known) if sorted(word) == sorted(name)]
    near = near or difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def format_size(size: int) -> str:
    """A size for people: "64 bytes", "12 KiB", "1.5 MiB"."""
    if size < 1024:
        return f"{size} byte" + ("s" if size != 1 else "")
    for unit, factor in (("KiB", 1024), ("MiB", 1024**2), ("GiB", 1024**3)):
        if size < 1024 * factor or unit == "GiB":
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    raise AssertionError("unreachable")


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# ---- Numbers and characters ------------------------------------------------------------------------------------------


def signed(value: int, bits: int = 64) -> int:
    """The same bits read as a signed number."""
    return value - (1 << bits) if value >> (bits - 1) else value


def counted(count: int, thing: str = "byte") -> str:
    """A number of things in words: "1 byte", "4,096 bytes"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def printable(text: str) -> str:
    """The text with every character that steers a terminal, or reorders a line, made visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or unicodedata.category(character)[0] not in "C" else _named(character)
        for character in text
    )


def _named(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"


def count_bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"


def format_amount(size: int) -> str:
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"
