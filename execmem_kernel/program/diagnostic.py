"""One diagnostic as a value: what is wrong, or doubtful, in a source text, where, and what to write instead."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Span(NamedTuple):
    """A piece of one source line: 1-based line and columns, counted in characters, end exclusive."""

    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about the source text."""

    severity: Literal["error", "warning"]
    code: str
    """Stable, documented: "ASM012"."""
    message: str
    """One plain sentence."""
    span: Span
    source_line: str
    """The student's own line, as typed."""
    hint: str = ""
    """What to write instead, or what to look at."""
    forms: tuple[str, ...] = ()
    """The forms that the mnemonic does take, where that helps."""
    related: tuple[tuple[Span, str, str], ...] = ()
    """Other places that matter, each with its source line and a caption: where a label stood first."""

    @property
    def line(self) -> int:
        """The line, counted from 1."""
        return self.span.line

    @property
    def column(self) -> int:
        """The first column, counted from 1."""
        return self.span.column

    def __str__(self) -> str:
        """The message as text: what, where, the line, carets under the guilty piece, a hint."""
        places = [self.span.line, *(span.line for span, _, _ in self.related)]
        width = max(len(str(line)) for line in places)
        gutter = " " * width
        text = [
            f"{self.severity}[{self.code}] line {self.span.line}, column {self.span.column}: {self.message}",
            f"{gutter} |",
            *_snippet(self.span, self.source_line, "^", "", width),
        ]
        for span, source_line, caption in self.related:
            if span.column < span.end_column:
                text += [f"{gutter} |", *_snippet(span, source_line, "-", f" {caption}", width)]
            else:
                text.append(f"{gutter} = {caption}: {source_line.strip()}")
        if self.hint:
            text.append(f"{gutter} = hint: {self.hint}")
        for form in self.forms:
            text.append(f"{gutter} = form: {form}")
        return "\n".join(text)

    def _repr_html_(self) -> str:
        """The same text with the guilty piece marked."""
        first, *rest = str(self).split("\n")
        return f"<p><strong>{html.escape(first)}</strong></p><pre>{html.escape(chr(10).join(rest))}</pre>"


def _snippet(span: Span, source_line: str, mark: str, caption: str, width: int) -> list[str]:
    """A source line with its number, and marks under a piece of it."""
    marks = " " * (span.column - 1) + mark * max(1, span.end_column - span.column)
    return [f"{span.line:>{width}} | {source_line.expandtabs(1)}", f"{' ' * width} | {marks}{caption}"]
