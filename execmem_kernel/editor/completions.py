"""What completion answers: words, each with its kind and one sentence, and the stretch of text that they replace."""

from __future__ import annotations

from typing import Literal, NamedTuple

CompletionKind = Literal[
    "instruction", "prefix", "register", "label", "constant", "macro", "directive", "size", "keyword",
    "library function", "option", "value", "variable", "snippet", "command", "code",
]  # fmt: skip


class Completion(NamedTuple):
    """One word that can stand at the cursor."""

    text: str
    kind: CompletionKind
    sentence: str = ""


class Completions(NamedTuple):
    """The words that can stand at the cursor, the likeliest first."""

    start: int
    """Offset of the text that they replace."""
    end: int
    """The cursor."""
    items: tuple[Completion, ...] = ()
