"""Substitution: parameters replaced in the lines of a macro, and columns led back to where they were written."""

from __future__ import annotations

import re
from collections.abc import Callable

from execmem_kernel.assembly.preprocessor.model import Frame
from execmem_kernel.assembly.syntax.lines import Line, Replacement, SourceTrace, Substitution

_Fill = Callable[["re.Match[str]"], str]


class PendingLine(Line):
    """A line of a NASM macro's body whose arguments are filled in when it is read."""

    __slots__ = ("_call", "_fill", "_frame", "_inner", "_name", "_number", "_text")

    def __init__(self, call: Line, name: tuple[int, int], inner: Line, frame: Frame, number: int) -> None:
        super().__init__(call.number, call.source, "", call.expansion, True)
        self._call = call
        self._name = name
        self._inner = inner
        self._frame = frame
        self._number = number
        self._text: str | None = None
        self._fill: _Fill | None = None

    def written(self) -> Line:
        return self._inner.written()

    def again(self) -> Line:
        return PendingLine(self._call, self._name, self._inner, self._frame, self._number)

    def trace(self, start: int, end: int) -> SourceTrace:
        text, inner = self.text, self._inner
        cuts = _cuts(inner.text, _NASM_PARAMETER, self._fill) if self._fill is not None else []
        return Substitution(text, inner, cuts, self._call, self._name).trace(start, end)

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = self._inner.text
            if "%" in self._text:
                self._fill = _nasm_filler(tuple(self._frame.arguments), self._number, self._frame.most)
                self._text = _NASM_PARAMETER.sub(self._fill, self._text)
            self.expansion = (*self.expansion, (self._inner.number, self._text))
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        """Made on reading."""


class _Parameters:
    """The origin of a line of a GNU macro, or of what `.irp` repeats; what was replaced is found when asked for."""

    __slots__ = ("_call", "_caption", "_fill", "_inner", "_name", "_text")

    def __init__(
        self, text: str, inner: Line, fill: _Fill, call: Line, name: tuple[int, int], caption: str = "in this call"
    ) -> None:
        self._text = text
        self._inner = inner
        self._fill = fill
        self._call = call
        self._name = name
        self._caption = caption

    def trace(self, start: int, end: int) -> SourceTrace:
        cuts = _cuts(self._inner.text, _GNU_PARAMETER, self._fill)
        return Substitution(self._text, self._inner, cuts, self._call, self._name, self._caption).trace(start, end)


def _cuts(text: str, pattern: re.Pattern[str], fill: _Fill) -> list[Replacement]:
    """What filling in replaces."""
    cuts: list[Replacement] = []
    shift = 0
    for found in pattern.finditer(text):
        new = fill(found)
        if new != found[0]:
            begin = found.start() + shift
            cuts.append(Replacement(found.start(), found.end(), begin, begin + len(new)))
            shift += len(new) - len(found[0])
    return cuts


def with_text(line: Line, text: str) -> Line:
    """A part of a line, its columns kept."""
    return Line(line.number, line.source, text, line.expansion, line.moved, line if line.moved else None)


def called_line(call: Line, name: tuple[int, int], inner: Line, fill: _Fill) -> Line:
    text = _gnu_text(inner.text, fill)
    expansion = (*call.expansion, (inner.number, text))
    return Line(call.number, call.source, text, expansion, True, _Parameters(text, inner, fill, call, name))


def repeated_line(inner: Line, fill: _Fill, opening: Line) -> Line:
    text = _gnu_text(inner.text, fill)
    if text == inner.text:
        return inner
    expansion = (*inner.expansion[:-1], (inner.expansion[-1][0] if inner.expansion else inner.number, text))
    begin = len(opening.text) - len(opening.text.lstrip())
    origin = _Parameters(text, inner, fill, opening, (begin, begin), "repeated from here")
    return Line(inner.number, inner.source, text, expansion, True, origin)


PASTED = re.compile(r"\s*%\+\s*")


_GNU_PARAMETER = re.compile(r"\\(?:(\(\))|(@)|([A-Za-z_.$][\w.$]*))")


def _gnu_text(text: str, fill: _Fill) -> str:
    return _GNU_PARAMETER.sub(fill, text) if "\\" in text else text


def gnu_filler(table: dict[str, str], number: int) -> _Fill:
    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return ""
        if found[2]:
            return str(number - 1)
        name = found[3]
        while name:
            if name in table:
                return table[name] + found[3][len(name) :]
            # `\reg.done` names the parameter `reg` where there is none of the longer name.
            cut = max(name.rfind("."), name.rfind("$"))
            name = name[:cut] if cut > 0 else ""
        return found[0]

    return fill


_NASM_PARAMETER = re.compile(r"%(?:\{([^}]*)\}|(%)([A-Za-z_.$?@][\w.$?@]*)|([0-9]+)|([-+][0-9]+))")


_OPPOSITES = {
    "o": "no", "b": "ae", "c": "nc", "nae": "ae", "e": "ne", "z": "nz", "be": "a", "na": "a", "s": "ns", "p": "np",
    "pe": "po", "l": "ge", "nge": "ge", "le": "g", "ng": "g",
}  # fmt: skip
_OPPOSITES |= {opposite: condition for condition, opposite in reversed(_OPPOSITES.items())} | {
    "nb": "b", "nbe": "be", "nl": "l", "nle": "le",
}  # fmt: skip
"""Each condition of a jump -> the one that is true where it is false."""


def _nasm_filler(arguments: tuple[str, ...], number: int, most: int) -> _Fill:
    """Arguments filled in: blank where one was left out, an error where the macro never has it."""

    def fill(found: re.Match[str]) -> str:
        if found[2]:
            return f"..@{number}.{found[3]}"
        name = found[1] if found[1] is not None else found[4] or found[5]
        if name[:1] in "+-" and name[1:].isdigit():
            # `j%+1` and `j%-1`: the argument is a condition, as it is or turned round.
            index = int(name[1:])
            condition = arguments[index - 1].lower() if 0 < index <= len(arguments) else ""
            if condition not in _OPPOSITES:
                return found[0]
            return _OPPOSITES[condition] if name[0] == "-" else condition
        if name.startswith("%"):
            return f"..@{number}.{name[1:]}"
        if not name.isdigit():
            return found[0]
        index = int(name)
        if index == 0:
            return str(len(arguments))
        return arguments[index - 1] if index <= len(arguments) else "" if index <= most else f"%{{{index}}}"

    return fill
