"""Lines: the text cut at its line ends, comments over several lines blanked out, and where each piece was written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

LINE_LIMIT = 100_000
"""How many lines a source, and what it expands to, may have."""
LENGTH_LIMIT = 10_000
"""How many characters a line may have."""
QUOTED = r"\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?|`(?:[^`\\\n]|\\.)*+`?"
"""A quoted text, or what an unclosed quote swallows: matched in one go, so that no text takes long to read."""
QUOTED_OR_COMMENT = re.compile(QUOTED + r"|[;#].*|//.*")
BLANKS = "\t\f\v\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What shows as a blank beside the space itself. Source: Unicode's category Zs, and C's isspace within a line."""
_BLANK = re.compile(f"[{BLANKS}]")
_AS_SPACES = str.maketrans(BLANKS, " " * len(BLANKS))
_OUTSIDE_QUOTES = (
    re.compile(r"\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'|`(?:[^`\\\n]|\\.)*+`|([^\"'`]++|.)"),
    re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|`(?:[^`\\\n]|\\.)*+`|([^\"'`]++|.)"),
)
"""Quoted texts, with backslashes as C has them and as NASM has them; group 1 is what stands outside."""
_QUOTED_OR_OPENING = re.compile(QUOTED + r"|/\*|;|(?:#|//)[^\n]*")


def continued(lines: list[Line]) -> list[Line]:
    """The lines with those joined that end in a backslash, as NASM joins them."""
    if not any(line.text.endswith("\\") for line in lines):
        return lines
    joined: list[Line] = []
    index = 0
    while index < len(lines):
        line, text = lines[index], lines[index].text
        index += 1
        parts = [(0, line)]
        while text.endswith("\\") and index < len(lines) and len(text) <= LENGTH_LIMIT:
            parts.append((len(text) - 1, lines[index]))
            text = text[:-1] + lines[index].text
            index += 1
        if text is not line.text:
            line = Line(
                line.number, line.source, text, ((line.number, text),), moved=True, origin=ContinuedLines(tuple(parts))
            )
        joined.append(line)
    return joined


class SourceRange(NamedTuple):
    """Columns of a source line, 0-based, end exclusive: a piece of the source as it was typed."""

    number: int
    source: str
    start: int
    end: int


class SourceTrace(NamedTuple):
    """Where a piece of a line was written, and the places it came through, each with a caption."""

    place: SourceRange
    related: tuple[tuple[SourceRange, str], ...] = ()


class LineOrigin(Protocol):
    """How a line was made of others."""

    def trace(self, start: int, end: int) -> SourceTrace:
        """Where the text in these columns was typed, and how it came to the line."""
        ...


@dataclass(frozen=True, slots=True)
class ContinuedLines:
    """A line that goes on behind a backslash: its parts, each with the column where it begins."""

    parts: tuple[tuple[int, Line], ...]

    def trace(self, start: int, end: int) -> SourceTrace:
        """Where the text in these columns was typed: in the part that they begin in."""
        offset, line = next(part for part in reversed(self.parts) if part[0] <= start)
        return line.trace(start - offset, min(end - offset, len(line.text)))


class Replacement(NamedTuple):
    """A piece of a line that was replaced: its columns before and after, and the line that says by what."""

    start: int
    end: int
    new_start: int
    new_end: int
    definition: Line | None = None


@dataclass(frozen=True, slots=True)
class Substitution:
    """A line of a macro's body, or of the source, with pieces of it replaced."""

    text: str
    """What the line became."""
    inner: Line
    replaced: Sequence[Replacement]
    call: Line | None = None
    """The line that asked for it."""
    name: tuple[int, int] = (0, 0)
    """Where in that line the macro's name stands."""
    caption: str = "in this call"

    def trace(self, start: int, end: int) -> SourceTrace:
        """Where the text in these columns was typed: in the body, or in what was put into it."""
        within = next(
            (each for each in self.replaced if each.new_start <= start and end <= each.new_end and start < end), None
        )
        here = self.inner.trace(*self._before(start, end))
        if self.call is None:
            if within is None or within.definition is None:
                return here
            line = within.definition
            begin = len(line.text) - len(line.text.lstrip())
            return SourceTrace(here.place, (*here.related, (line.trace(begin, line.text_end).place, "defined here")))
        if within is not None:
            # What is wrong was written in the call: there it has to be put right.
            written = self.text[within.new_start : within.new_end]
            found = self.call.text.find(written, self.name[1]) if written else -1
            if found >= 0:
                offset = found - within.new_start
                call = self.call.trace(start + offset, end + offset)
                return SourceTrace(call.place, ((here.place, "it is used here"), *call.related))
        call = self.call.trace(self.name[0], len(self.call.text.rstrip()))
        return SourceTrace(here.place, (*here.related, (call.place, self.caption), *call.related))

    def _before(self, start: int, end: int) -> tuple[int, int]:
        """The columns that a piece had before anything was replaced."""
        first = last = 0  # how far the start and the end have been moved
        for each in self.replaced:
            if each.new_end <= start:
                first = each.end - each.new_end
            if each.new_end <= end:
                last = each.end - each.new_end
        start_, end_ = start + first, end + last
        for each in self.replaced:
            # What begins or ends inside of a replacement was the whole of what it replaced.
            if each.new_start <= start < each.new_end:
                start_ = each.start
            if each.new_start < end <= each.new_end:
                end_ = each.end
        return start_, max(end_, start_)


class Line:
    """One line to be read: where it stands in the source, and what macros made of it."""

    __slots__ = ("expansion", "moved", "number", "origin", "source", "text")

    def __init__(
        self,
        number: int,
        source: str,
        text: str | None = None,
        expansion: tuple[tuple[int, str], ...] = (),
        moved: bool = False,
        origin: LineOrigin | None = None,
    ) -> None:
        self.number: int = number
        self.source: str = source
        self.text: str = source if text is None else text
        self.expansion: tuple[tuple[int, str], ...] = expansion
        self.moved: bool = moved
        """Whether columns of `text` are not columns of `source`."""
        self.origin: LineOrigin | None = origin
        """What such columns are columns of."""

    def trace(self, start: int, end: int) -> SourceTrace:
        """Where a piece of `text` was written, and how it came here."""
        if self.origin is None:
            return SourceTrace(SourceRange(self.number, self.source, start, end))
        return self.origin.trace(start, end)

    def again(self) -> Line:
        """The line to read once more, as when it is repeated."""
        return self

    def written(self) -> Line:
        """The line as it stands in the source, where a macro's arguments have been filled in since."""
        return self

    @property
    def text_end(self) -> int:
        """The column behind the last character of the source line."""
        return len(self.source.rstrip())


def split_lines(source: str) -> list[str]:
    """The lines of a source, whichever way its lines end."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def with_plain_blanks(text: str) -> str:
    """A line with every blank outside of quoted texts a space, so that all of the reader knows one blank only.

    Columns stay. Where the dialects end a quoted text at different places, blanks between those stay as they are.
    """
    if _BLANK.search(text) is None:
        return text
    if '"' not in text and "'" not in text and "`" not in text:
        return text.translate(_AS_SPACES)
    readings = {
        pattern.sub(lambda found: found[0] if found[1] is None else found[1].translate(_AS_SPACES), text)
        for pattern in _OUTSIDE_QUOTES
    }
    if len(readings) == 1:
        return readings.pop()
    return "".join(
        " " if set(characters) == {" "} else text[column]
        for column, characters in enumerate(zip(*readings, strict=True))
    )


def lines_of(source: str) -> list[Line]:
    """The lines of a source, comments over several lines blanked out; one more than the cap at most."""
    lines = split_lines(source)[: LINE_LIMIT + 1]
    # A line past the cap is refused unread, so nothing here has to look at it.
    texts = ["" if len(line) > LENGTH_LIMIT else line for line in lines]
    if "/*" in source:
        texts = _without_long_comments(texts)
    if _BLANK.search(source) is not None:
        texts = [with_plain_blanks(text) for text in texts]
    return [
        Line(number, line, line if len(line) > LENGTH_LIMIT else text)
        for number, (line, text) in enumerate(zip(lines, texts, strict=True), 1)
    ]


def _without_long_comments(lines: list[str]) -> list[str]:
    """The lines with `/* ... */` blanked out, also over several lines; one that never ends is left as it is."""
    text = "\n".join(lines)
    parts: list[str] = []
    position = 0
    line_end = -1  # of a line with a semicolon: to NASM what follows is a comment, so nothing there opens another
    while (found := _QUOTED_OR_OPENING.search(text, position)) is not None:
        end = found.end()
        if found[0] == ";":
            line_end = text.find("\n", end)
            line_end = len(text) if line_end < 0 else line_end
        within = end <= line_end
        closing = text.find("*/", end, line_end if within else len(text)) if found[0] == "/*" else -1
        if closing >= 0:
            end = closing + 2
            parts += (text[position : found.start()], re.sub(r"[^\n]", " ", text[found.start() : end]))
        elif found[0] != "/*" or within:
            parts.append(text[position:end])
        else:
            break
        position = end
    parts.append(text[position:])
    return "".join(parts).split("\n")
