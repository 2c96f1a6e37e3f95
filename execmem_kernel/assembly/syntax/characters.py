"""Characters that deceive: invisible ones, those that reorder the text, and look-alikes of ASCII."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.lines import BLANKS, LENGTH_LIMIT, QUOTED, Line

_SUSPECT = re.compile(rf"[^\n\r{BLANKS} -~]")
_QUOTED_OR_COMMENT = re.compile(QUOTED + r"|(?:;|#|//).*")
_LOOK_ALIKES = {
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "﹣": "-", "－": "-", "‘": "'", "’": "'",
    "‛": "'", "′": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"', "«": '"', "»": '"', "，": ",", "、": ",", "‚": ",", "；": ";",
    "：": ":", "［": "[", "］": "]",
    "【": "[", "】": "]", "（": "(", "）": ")", "＋": "+", "＊": "*", "×": "*", "∗": "*", "·": "*", "…": "...",
    "＃": "#",
    "＄": "$", "％": "%",
    "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "х": "x", "у": "y", "і": "i", "ѕ": "s", "А": "A", "В": "B",
    "Е": "E", "О": "O", "Р": "P",
    "С": "C", "Х": "X", "М": "M", "Т": "T", "Н": "H", "К": "K", "ο": "o", "α": "a", "ν": "v", "Α": "A", "Β": "B",
    "Ε": "E", "Ο": "O", "Χ": "X",
}  # fmt: skip
"""Characters that slides, word processors and other alphabets put where ASCII is meant."""
_INVISIBLE = {"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"}
"""Characters without a width; those that show as blanks are blanks (lines.py)."""


def check_characters(lines: list[Line]) -> Iterator[tuple[Line, SourceError]]:
    """Characters that are invisible, reorder the text, or look like others; in comments only those that deceive."""
    for line in lines:
        source = line.source
        if source.isascii() and source.isprintable():
            continue
        if len(source) > LENGTH_LIMIT or _SUSPECT.search(source) is None:
            continue
        bare = _QUOTED_OR_COMMENT.sub(lambda found: " " * len(found[0]), line.text)
        for found in _SUSPECT.finditer(source):
            error = _judge(found[0], found.start(), bare[found.start()] == found[0])
            if error is not None:
                yield line, error
                break


def _judge(character: str, column: int, in_code: bool) -> SourceError | None:
    name = unicodedata.name(character, "")
    category = unicodedata.category(character)
    code = f"U+{ord(character):04X}"
    if character == "\0":
        return SourceError(
            "ASM001",
            "A NUL character stands here; some programs would stop reading at it.",
            column,
            column + 1,
            "delete it",
        )
    if category == "Cc":
        return SourceError(
            "ASM001", f"An invisible control character ({code}) stands here.", column, column + 1, "delete it"
        )
    if category == "Cs":
        return SourceError("ASM001", f"Half a character ({code}) stands here.", column, column + 1, "delete it")
    if character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c":
        return SourceError(
            "ASM001",
            f"An invisible character ({code}) stands here that changes the order in which text is shown.",
            column,
            column + 1,
            "delete it: what is shown would not be what runs",
        )
    if not in_code:
        return None
    if character in _INVISIBLE:
        return SourceError(
            "ASM002",
            f"This looks like a space but is {name.lower() or code} ({code}).",
            column,
            column + 1,
            "type a plain space, or delete it",
        )
    plain = _LOOK_ALIKES.get(character)
    if plain is None:
        folded = unicodedata.normalize("NFKC", character)
        plain = folded if folded.isascii() and folded.isprintable() else None
    if plain is not None:
        return SourceError(
            "ASM002",
            f"`{character}` looks like `{plain}` but is {name.lower() or code} ({code}).",
            column,
            column + 1,
            f"type `{plain}`",
        )
    what = name.lower() or "a character without a name"
    return SourceError(
        "ASM004",
        f"`{character}` ({what}, {code}) can stand only in comments and in quotes.",
        column,
        column + 1,
        "names are made of a-z, 0-9, _ and .",
    )
