"""What a substitution replaced in a line, so that columns lead back to where the text was written."""

from __future__ import annotations

import re
from collections.abc import Callable

from execmem_kernel.assembly.syntax.lines import Line, Replacement

Fill = Callable[["re.Match[str]"], str]
"""What a parameter found in a line becomes."""


def replacements(text: str, pattern: re.Pattern[str], fill: Fill) -> list[Replacement]:
    """The pieces of a text that filling in its parameters replaces.

    Args:
        text: The text before.
        pattern: What a parameter looks like.
        fill: What it becomes; unchanged, it is none.
    """
    found_: list[Replacement] = []
    shift = 0
    for found in pattern.finditer(text):
        new = fill(found)
        if new != found[0]:
            begin = found.start() + shift
            found_.append(Replacement(found.start(), found.end(), begin, begin + len(new)))
            shift += len(new) - len(found[0])
    return found_


def with_text(line: Line, text: str) -> Line:
    """A part of a line, its columns kept."""
    return Line(line.number, line.source, text, line.expansion, line.moved, line if line.moved else None)
