"""What is wrong, or doubtful, in a source text: where, why, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Span:
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
        return self.span.line

    @property
    def column(self) -> int:
        return self.span.column

    def __str__(self) -> str:
        """The message as text: what, where, the line, carets under the guilty piece, a hint."""
        number = str(self.span.line)
        gutter = " " * len(number)
        line = self.source_line.expandtabs(1)
        carets = " " * (self.span.column - 1) + "^" * max(1, self.span.end_column - self.span.column)
        text = [
            f"{self.severity}[{self.code}] line {number}, column {self.span.column}: {self.message}",
            f"{gutter} |",
            f"{number} | {line}",
            f"{gutter} | {carets}",
        ]
        for span, source_line, caption in self.related:
            text.append(f"{gutter} = line {span.line}: {source_line.strip()}  <- {caption}")
        if self.hint:
            text.append(f"{gutter} = hint: {self.hint}")
        for form in self.forms:
            text.append(f"{gutter} = form: {form}")
        return "\n".join(text)
