"""Macros of GNU as: `.macro name a, b=5, c:vararg`, whose arguments have names and are `\\a` in the body."""

from __future__ import annotations

import re

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.preprocessor.arguments import split_blanks, unquoted, without_comment
from execmem_kernel.assembly.preprocessor.expansion import Expansion, Handler
from execmem_kernel.assembly.preprocessor.model import Frame, GnuMacro, MacroParameter, ParameterKind, error_in
from execmem_kernel.assembly.preprocessor.substitution import Fill, replacements
from execmem_kernel.assembly.syntax.lines import Line, SourceTrace, Substitution

_DEFINITION = re.compile(r"\s*([A-Za-z_.$][\w.$]*)\s*,?\s*(.*)")
_PARAMETER = re.compile(r"([A-Za-z_.$][\w.$]*)\s*(?::\s*(req|vararg))?\s*(?:=\s*(\"[^\"]*\"|[^,\s]+))?\s*,?\s*")
_KINDS: dict[str | None, ParameterKind] = {None: "", "req": "req", "vararg": "vararg"}
_KEYWORD_ARGUMENT = re.compile(r"([A-Za-z_.$][\w.$]*)\s*=(?!=)\s*(.*)")
_USE = re.compile(r"\\(?:(\(\))|(@)|([A-Za-z_.$][\w.$]*))")
"""`\\()` which is nothing, `\\@` the number of the call, `\\name` an argument."""


def _define(expansion: Expansion, line: Line, _word: str, rest: str) -> None:
    body = expansion.body(line, frozenset((".macro",)), frozenset((".endm", ".endmacro")))
    found = _DEFINITION.match(without_comment(rest).strip())
    if found is None:
        raise error_in(line, "ASM051", "`.macro` needs a name.", "for example: .macro push2 first, second")
    macro = GnuMacro(found[1], body, _parameters(found[2], line))
    expansion.macros[macro.name.lower()] = [macro]


def _parameters(text: str, line: Line) -> list[MacroParameter]:
    parameters: list[MacroParameter] = []
    position = 0
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None or found.end() == position:
            raise error_in(line, "ASM051", "The parameters of this macro cannot be read.", "names, separated by commas")
        default = None if found[3] is None else unquoted(found[3])
        parameters.append(MacroParameter(found[1], default, _KINDS[found[2]]))
        position = found.end()
    return parameters


def call(expansion: Expansion, macro: GnuMacro, line: Line, name: tuple[int, int], arguments: list[str]) -> None:
    """Begin to hand out the body of a macro.

    Args:
        expansion: The state.
        macro: The macro.
        line: The line that calls it.
        name: The columns of the macro's name in that line.
        arguments: As they were written.

    Raises:
        SourceError: The arguments are too many, or one is missing.
    """
    parameters = macro.parameters
    if len(arguments) == 1 and len(parameters) > 1 and parameters[0].kind != "vararg":
        # GNU as separates arguments by blanks, too, where they cannot belong to an expression.
        spaced = split_blanks(arguments[0])
        if 1 < len(spaced) <= len(parameters) and not re.search(r"[-+*/()\[\]]", arguments[0]):
            arguments = spaced
    fill = filler(_values(macro, arguments, line, name[0]), expansion.calls)
    expansion.push(Frame("macro", lambda _: [_called(line, name, inner, fill) for inner in macro.body]), line)


def _values(macro: GnuMacro, arguments: list[str], line: Line, start: int) -> dict[str, str]:
    """Each parameter's value: by position, by keyword, or its default."""
    values = {parameter.name: parameter.default or "" for parameter in macro.parameters}
    end = len(line.text.rstrip())
    position = 0
    for index, argument in enumerate(arguments):
        keyword = _KEYWORD_ARGUMENT.match(argument)
        if keyword is not None and keyword[1] in values:
            values[keyword[1]] = unquoted(keyword[2])
            continue
        if position >= len(macro.parameters):
            wanted, given = len(values), len(arguments)
            message = f"The macro `{macro.name}` takes {wanted} argument{'s' * (wanted != 1)}, not {given}."
            raise SourceError("ASM066", message, start, end)
        parameter = macro.parameters[position]
        if parameter.kind == "vararg":
            values[parameter.name] = ", ".join(arguments[index:])
            break
        if argument:
            values[parameter.name] = unquoted(argument)
        position += 1
    for parameter in macro.parameters:
        if parameter.kind == "req" and not values[parameter.name]:
            message = f"The macro `{macro.name}` needs a value for `{parameter.name}`."
            raise SourceError("ASM066", message, start, end)
    return values


def filler(values: dict[str, str], call_number: int) -> Fill:
    """What `\\name`, `\\@` and `\\()` become in a body, with these values in the call of this number."""

    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return ""
        if found[2]:
            return str(call_number - 1)
        name = found[3]
        while name:
            if name in values:
                return values[name] + found[3][len(name) :]
            # `\reg.done` names the parameter `reg` where there is none of the longer name.
            cut = max(name.rfind("."), name.rfind("$"))
            name = name[:cut] if cut > 0 else ""
        return found[0]

    return fill


class _Arguments:
    """The origin of a line whose arguments have been filled in; what was replaced is found when asked for."""

    __slots__ = ("_call", "_caption", "_fill", "_inner", "_name", "_text")

    def __init__(
        self, text: str, inner: Line, fill: Fill, call: Line, name: tuple[int, int], caption: str = "in this call"
    ) -> None:
        self._text = text
        self._inner = inner
        self._fill = fill
        self._call = call
        self._name = name
        self._caption = caption

    def trace(self, start: int, end: int) -> SourceTrace:
        """Where a piece of the text was written."""
        replaced = replacements(self._inner.text, _USE, self._fill)
        origin = Substitution(self._text, self._inner, replaced, self._call, self._name, self._caption)
        return origin.trace(start, end)


def _filled(text: str, fill: Fill) -> str:
    return _USE.sub(fill, text) if "\\" in text else text


def _called(call: Line, name: tuple[int, int], inner: Line, fill: Fill) -> Line:
    text = _filled(inner.text, fill)
    expansion = (*call.expansion, (inner.number, text))
    return Line(call.number, call.source, text, expansion, True, _Arguments(text, inner, fill, call, name))


def repeated_line(inner: Line, fill: Fill, opening: Line) -> Line:
    """A line of what `.irp` repeats, its parameter filled in.

    Args:
        inner: The line as it was written.
        fill: What the parameter becomes in this round.
        opening: The line of the `.irp`.
    """
    text = _filled(inner.text, fill)
    if text == inner.text:
        return inner
    expansion = (*inner.expansion[:-1], (inner.expansion[-1][0] if inner.expansion else inner.number, text))
    begin = len(opening.text) - len(opening.text.lstrip())
    origin = _Arguments(text, inner, fill, opening, (begin, begin), "repeated from here")
    return Line(inner.number, inner.source, text, expansion, True, origin)


DIRECTIVES: dict[str, Handler] = {".macro": _define}
