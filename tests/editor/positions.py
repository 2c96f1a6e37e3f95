"""Reads positions.txt: texts with marks where somebody stops typing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TEXTS = Path(__file__).with_name("positions.txt")

_WORD = re.compile(r"[-%.\w@?$=]*[\^~][-\w.@?$=]*")


class Position(NamedTuple):
    """A cell as far as it is typed, and the word that is meant."""

    dialect: str
    text: str
    cursor: int
    word: str


def positions() -> Iterator[Position]:
    """Every position of the file."""
    for block in re.split(r"^== ", TEXTS.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = block.partition("\n")
        dialect = title.partition(":")[0]
        for found in _WORD.finditer(text):
            mark = re.search(r"[\^~]", found[0])
            assert mark is not None
            at = found.start() + mark.start()
            word = re.sub(r"[\^~]", "", found[0])
            before, after = _plain(text[:at]), _plain(text[found.end() :])
            yield Position(dialect, before + after if mark[0] == "~" else before, len(before), word)


def _plain(text: str) -> str:
    return re.sub(r"[\^~]", "", text).rstrip("\n") if text.endswith("\n\n") else re.sub(r"[\^~]", "", text)
