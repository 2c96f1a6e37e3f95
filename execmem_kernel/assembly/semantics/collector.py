"""Collects diagnostics: each once, at most twenty errors, cascading errors last, in the order of lines."""

from __future__ import annotations

import re
from typing import Literal

from execmem_kernel.assembly.diagnostics.hints import in_nasm
from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.lines import Line, SourceRange
from execmem_kernel.program.diagnostic import Diagnostic, Span

ERROR_LIMIT = 20
_WORD = re.compile(r"[\w.$@?~#]+")


def span_of(place: SourceRange) -> Span:
    """Where a place is, 1-based, one column wide at least and within its line."""
    end = min(place.end, len(place.source)) if place.start < len(place.source) else place.end
    return Span(place.number, place.start + 1, max(place.start + 1, end) + 1)


class TooManyErrors(Exception):
    """The twentieth error was reported: what follows is mostly caused by those before."""


class DiagnosticCollector:
    """The errors and warnings of one source."""

    def __init__(self, *, nasm: bool = False) -> None:
        self._nasm = nasm
        """Whether messages and hints are spelt as NASM has it."""
        self.error_count: int = 0
        self.cascading: list[tuple[Line, SourceError]] = []
        """Errors about names that a wrong line would have defined; worth reporting only if no other is left."""
        self._diagnostics: list[Diagnostic] = []
        self._reported: set[tuple[int, int, str]] = set()
        """Line, column and message of what is wrong in the body of a macro, which every call of it meets again."""
        self._broken: set[str] = set()
        """First words of lines that are wrong: errors about names among them are cascading."""

    def report(
        self,
        severity: Literal["error", "warning"],
        line: Line,
        code: str,
        message: str,
        start: int,
        end: int,
        hint: str = "",
        forms: tuple[str, ...] = (),
        related: tuple[tuple[Span, str, str], ...] = (),
    ) -> None:
        """Add one diagnostic.

        Args:
            severity: An error ends in no program; a warning changes nothing.
            line: The line after preprocessing; the diagnostic points at where it was written.
            code: The stable code (diagnostics/codes.py).
            message: What is wrong, as a sentence.
            start: First column in the line's text, 0-based.
            end: The column behind the last.
            hint: What to write instead, or "".
            forms: The forms that the instruction does take.
            related: Other places, each with its source line and a caption.

        Raises:
            TooManyErrors: It was the twentieth error.
        """
        trace = line.trace(start, end)
        number, text, start, end = trace.place
        if line.moved:
            if (number, start, message) in self._reported:
                return  # the same slip in a macro's body, met in another call
            self._reported.add((number, start, message))
            places = dict.fromkeys(place for place in trace.related if place[0] != trace.place)
            related = (*related, *((span_of(place), place.source, caption) for place, caption in places))
            if line.text != text:
                related = (*related, (Span(number, 1, 1), line.text, "what the line became"))
        if self._nasm:
            message, hint = in_nasm(message), in_nasm(hint)
        self._diagnostics.append(Diagnostic(severity, code, message, span_of(trace.place), text, hint, forms, related))
        if severity == "error":
            self.error_count += 1
            if self.error_count >= ERROR_LIMIT:
                raise TooManyErrors

    def report_error(self, line: Line, error: SourceError, *, cascading: bool = False) -> None:
        """Add an error; one that only follows from another waits among the cascading.

        Args:
            line: The line after preprocessing.
            error: What is wrong in it.
            cascading: Whether it is one that has waited, and now is reported.

        Raises:
            TooManyErrors: It was the twentieth error.
        """
        if error.code in ("ASM040", "ASM043") and not cascading:
            name = error.message.split("`")[1].rstrip(":")
            if name in self._broken:
                # The line that should have defined the name has its own error; this one only follows from it.
                self.cascading.append((line, error))
                return
        self.report(
            "error",
            line,
            error.code,
            error.message,
            error.start,
            error.end,
            error.hint,
            error.forms,
        )

    def replace_all(self, line: Line, error: SourceError) -> None:
        """Forget every error for the one that says it all.

        Args:
            line: Where that stands.
            error: It.
        """
        self._diagnostics = [found for found in self._diagnostics if found.severity != "error"]
        self.error_count = 0
        self.report_error(line, error)

    def warn(self, line: Line, code: str, message: str, start: int, end: int, hint: str = "") -> None:
        """Add a warning.

        Args:
            line: The line after preprocessing.
            code: The stable code (diagnostics/codes.py).
            message: What is doubtful, as a sentence.
            start: First column in the line's text, 0-based.
            end: The column behind the last.
            hint: What to write instead, or "".
        """
        self.report("warning", line, code, message, start, end, hint)

    def note_broken(self, line: Line) -> None:
        """Remember what a wrong line may have been about to name."""
        if not line.moved:
            self._broken.update(_WORD.findall(line.text)[:2])  # `.set size 5` names its second word

    def in_order(self) -> list[Diagnostic]:
        """All diagnostics by line and column, errors and warnings together, each once."""
        return sorted(
            dict.fromkeys(self._diagnostics), key=lambda found: (found.span.line, found.span.column, found.code)
        )
