"""Macros of NASM: `%macro name 1-3+ default`, whose arguments have numbers and are `%1` in the body."""

from __future__ import annotations

import re

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.preprocessor.arguments import split_arguments, without_braces, without_comment
from execmem_kernel.assembly.preprocessor.expansion import Expansion, Handler
from execmem_kernel.assembly.preprocessor.model import Frame, NasmMacro, error_in
from execmem_kernel.assembly.preprocessor.substitution import Fill, replacements
from execmem_kernel.assembly.syntax.lines import Line, SourceTrace, Substitution

_DEFINITION = re.compile(r"\s*([\w.$@?]+)(?:\s+(\d+)(?:-(\d+|\*))?(\+?))?\s*(.*)")
_ANY_NUMBER = 1000
"""How many arguments a macro may have that is declared with `*`."""
_USE = re.compile(r"%(?:\{([^}]*)\}|(%)([A-Za-z_.$?@][\w.$?@]*)|([0-9]+)|([-+][0-9]+))")
"""`%{1}`, `%%label`, `%1`, and `%-1`, the opposite of a condition."""
_OPPOSITES = {
    "o": "no", "b": "ae", "c": "nc", "nae": "ae", "e": "ne", "z": "nz", "be": "a", "na": "a", "s": "ns", "p": "np",
    "pe": "po", "l": "ge", "nge": "ge", "le": "g", "ng": "g",
}  # fmt: skip
_OPPOSITES |= {opposite: condition for condition, opposite in reversed(_OPPOSITES.items())} | {
    "nb": "b", "nbe": "be", "nl": "l", "nle": "le",
}  # fmt: skip
"""Each condition of a jump -> the one that is true where it is false."""


def _define(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    body = expansion.body(
        line, frozenset(("%macro", "%imacro", "%rmacro")), frozenset(("%endmacro", "%endm")), raw=True
    )
    found = _DEFINITION.match(without_comment(rest))
    if found is None:
        raise error_in(line, "ASM051", "`%macro` needs a name and a count.", "for example: %macro push2 2")
    defaults = found[5].replace(".nolist", "").strip()
    if found[2] is None and defaults:
        raise error_in(
            line,
            "ASM051",
            "`%macro` counts its arguments and does not name them.",
            f"for example: %macro {found[1]} 2, and in its body %1 and %2",
        )
    least = int(found[2] or 0)
    most = _ANY_NUMBER if found[3] == "*" else int(found[3] or least)
    macro = NasmMacro(found[1], body, least, most, found[4] == "+", split_arguments(defaults) if defaults else [])
    same = expansion.macros.setdefault(macro.name.lower() if word == "%imacro" else macro.name, [])
    same[:] = [
        other for other in same if not isinstance(other, NasmMacro) or (other.least, other.most) != (least, most)
    ]
    same.append(macro)


def call(
    expansion: Expansion, macros: list[NasmMacro], line: Line, name: tuple[int, int], arguments: list[str]
) -> None:
    """Begin to hand out the body of the macro that takes so many arguments.

    Args:
        expansion: The state.
        macros: Those of the name, which differ in how many arguments they take.
        line: The line that calls it.
        name: The columns of the macro's name in that line.
        arguments: As they were written.

    Raises:
        SourceError: None takes so many.
    """
    macro = taking(macros, len(arguments))
    if macro is None:
        raise _miscounted(macros, line, name[0], len(arguments))
    if len(arguments) > macro.most:
        kept = macro.most
        arguments = [*arguments[: kept - 1], ", ".join(arguments[kept - 1 :])] if kept else []
    given = len(arguments)
    arguments += macro.defaults[max(0, given - macro.least) :][: macro.most - given]
    frame = Frame(
        "macro",
        lambda _: [],
        arguments=[without_braces(argument) for argument in arguments],
        most=macro.most,
        macro=macro,
    )
    body, number = macro.body, expansion.calls
    # %rotate changes the arguments on the way, so a line is filled in when its turn comes.
    frame.make = lambda _: [_PendingLine(line, name, inner, frame, number) for inner in body]
    expansion.push(frame, line)


def taking(macros: list[NasmMacro], count: int) -> NasmMacro | None:
    """The macro among those of one name that takes so many arguments."""
    exact = next((macro for macro in macros if macro.least <= count <= macro.most), None)
    return exact or next((macro for macro in macros if macro.greedy and count >= macro.least), None)


def _miscounted(macros: list[NasmMacro], line: Line, start: int, given: int) -> SourceError:
    wanted = " or ".join(
        str(macro.least) if macro.least == macro.most else f"{macro.least} to {macro.most}" for macro in macros
    )
    message = f"The macro `{macros[-1].name}` takes {wanted} argument{'s' * (wanted != '1')}, not {given}."
    return SourceError("ASM066", message, start, len(line.text.rstrip()))


def _rotate(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    for frame in reversed(expansion.frames):
        if frame.kind == "macro" and frame.arguments:
            count = expansion.value(line, word, without_comment(rest).strip()) % len(frame.arguments)
            frame.arguments[:] = frame.arguments[count:] + frame.arguments[:count]
            return
    raise error_in(line, "ASM052", f"`{word}` stands outside of a macro with arguments.")


class _PendingLine(Line):
    """A line of a macro's body whose arguments are filled in when it is read."""

    __slots__ = ("_call", "_fill", "_frame", "_inner", "_name", "_number", "_text")

    def __init__(self, call: Line, name: tuple[int, int], inner: Line, frame: Frame, number: int) -> None:
        super().__init__(call.number, call.source, "", call.expansion, True)
        self._call = call
        self._name = name
        self._inner = inner
        self._frame = frame
        self._number = number
        self._text: str | None = None
        self._fill: Fill | None = None

    def written(self) -> Line:
        return self._inner.written()

    def again(self) -> Line:
        return _PendingLine(self._call, self._name, self._inner, self._frame, self._number)

    def trace(self, start: int, end: int) -> SourceTrace:
        text, inner = self.text, self._inner
        replaced = replacements(inner.text, _USE, self._fill) if self._fill is not None else []
        return Substitution(text, inner, replaced, self._call, self._name).trace(start, end)

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = self._inner.text
            if "%" in self._text:
                self._fill = _filler(tuple(self._frame.arguments), self._number, self._frame.most)
                self._text = _USE.sub(self._fill, self._text)
            self.expansion = (*self.expansion, (self._inner.number, self._text))
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        """Made on reading."""


def _filler(arguments: tuple[str, ...], number: int, most: int) -> Fill:
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


DIRECTIVES: dict[str, Handler] = {"%macro": _define, "%imacro": _define, "%rotate": _rotate}
