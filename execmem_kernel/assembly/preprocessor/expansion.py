"""The state that the preprocessor's directives share: what is being read, open conditions, what is defined."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.preprocessor.define_table import DefineTable
from execmem_kernel.assembly.preprocessor.model import (
    DEPTH_LIMIT,
    Condition,
    Frame,
    FrameKind,
    Host,
    Macro,
    error_in,
)
from execmem_kernel.assembly.syntax.dialects import GNU, NASM, DialectRules
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.assembly.syntax.lines import LINE_LIMIT, Line
from execmem_kernel.assembly.syntax.tokens import tokenize

FIRST_WORD = re.compile(r"[ \t]*(?:[\w.$@?]+:[ \t]*)?([%.]?[ \t]*[\w.$@?]++)(?![ \t]*:(?!:))")
"""The first word of a line behind a label: group 1, in which NASM allows blanks behind `%`."""


class Expansion:
    """How far the expansion of a source has come."""

    def __init__(self, lines: list[Line], host: Host) -> None:
        self.host = host
        self.line = lines[0]
        """The line that is being read: errors are about it."""
        self.frames = [Frame("source", lambda _: lines, lines=lines)]
        """What lines are handed out of, innermost last."""
        self.conditions: list[Condition] = []
        self.macros: dict[str, list[Macro]] = {}
        """Macros by name; NASM's may differ in how many arguments they take."""
        self.defines = DefineTable(lines)
        self.calls = 0
        """How many macros have been called, for names that are new in every call."""

    @property
    def is_active(self) -> bool:
        """Whether lines are read, and not skipped by a condition."""
        return not self.conditions or self.conditions[-1].active

    def stop(self) -> None:
        """Hand out nothing more: a cap was passed."""
        self.frames = [Frame("source", lambda _: [])]

    def push(self, frame: Frame, line: Line) -> None:
        """Begin to hand out the lines of a frame, which `line` asks for.

        Raises:
            SourceError: Frames are nested past the cap.
        """
        if len(self.frames) > DEPTH_LIMIT:
            raise self._too_deep(line)
        frame.conditions = len(self.conditions)
        if frame.rounds:
            frame.lines = frame.make(0)
            self.frames.append(frame)

    def leave(self, kind: FrameKind, outside: str, line: Line) -> None:
        """End the innermost frame of a kind, and everything begun inside it.

        Args:
            kind: The frame's kind.
            outside: The message where there is none.
            line: The line that asks for it.

        Raises:
            SourceError: There is none.
        """
        while len(self.frames) > 1:
            frame = self.frames.pop()
            del self.conditions[frame.conditions :]
            if frame.kind == kind:
                return
        raise error_in(line, "ASM052", outside)

    def body(self, line: Line, openings: frozenset[str], closings: frozenset[str], *, raw: bool = False) -> list[Line]:
        """The lines up to the matching end, which must come in the same frame.

        Args:
            line: The line that opens the body.
            openings: Words that open one inside.
            closings: Words that end it.
            raw: Whether lines are taken as they were written: what is `%1` in a macro that another one defines is its
                own argument.

        Raises:
            SourceError: It is never closed, or bodies are nested past the cap.
        """
        frame = self.frames[-1]
        body: list[Line] = []
        depth = 1
        while frame.index < len(frame.lines):
            inner = frame.lines[frame.index]
            if raw:
                inner = inner.written()
            frame.index += 1
            found = FIRST_WORD.match(inner.text)
            word = found[1].replace(" ", "").replace("\t", "").lower() if found is not None else ""
            if word in openings:
                depth += 1
                if depth > DEPTH_LIMIT and not raw:
                    raise self._too_deep(line)  # found at once: every repetition would look through all inside it
            elif word in closings:
                depth -= 1
                if depth == 0:
                    return body
            body.append(inner)
        self.line = line
        names = " or ".join(f"`{name}`" for name in sorted(closings))
        raise error_in(line, "ASM065", "This is never closed.", f"add {names}")

    def value(self, line: Line, word: str, text: str) -> int:
        """A number that must be known now, by the rules of the assembler whose directive asks.

        Args:
            line: The directive's line.
            word: The directive; `%` begins NASM's.
            text: The expression.

        Raises:
            SourceError: It is no number, or not known yet.
        """
        if self.defines:
            text = self.defines.fill(text, line)
        if text.isdecimal() and text.isascii() and (text[0] != "0" or len(text) == 1) and len(text) < 19:
            return int(text)
        if not text:
            raise error_in(line, "ASM010", "A number is missing here.")
        try:
            return self.host.known_value(_expression(text, NASM if word[0] == "%" else GNU), line)
        except SourceError as error:
            raise error_in(line, error.code, error.message, error.hint) from None

    def too_many_lines(self, line: Line) -> SourceError:
        """Stop, with the error that says so: the line makes more lines than the cap allows."""
        self.stop()
        return error_in(
            line,
            "ASM060",
            f"This expands to more than {LINE_LIMIT:,} lines.",
            "repeat less, or write a loop that runs",
        )

    def _too_deep(self, line: Line) -> SourceError:
        self.stop()
        return error_in(
            line,
            "ASM061",
            f"Macros are nested more than {DEPTH_LIMIT} deep here.",
            "does a macro call itself without end?",
        )


Handler = Callable[[Expansion, Line, str, str], None]
"""What carries out a directive: the state, its line, its word in lower case, and the text behind it."""


@lru_cache(maxsize=1024)
def _expression(text: str, rules: DialectRules) -> Expression:
    tokens = tokenize(text, rules)
    parser = Parser(tokens, rules)
    tree = parser.expression()
    if parser.position < len(tokens):
        token = tokens[parser.position]
        raise SourceError("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end)
    return tree
