"""The single-line macros defined so far, and their substitution in a line."""

from __future__ import annotations

import re

from execmem_kernel.assembly.preprocessor.arguments import call_arguments
from execmem_kernel.assembly.preprocessor.model import DEPTH_LIMIT, Define, error_in
from execmem_kernel.assembly.syntax.lines import LENGTH_LIMIT, QUOTED, Line, Replacement, Substitution

_PREDEFINED = {
    "__OUTPUT_FORMAT__": "elf64", "__?OUTPUT_FORMAT?__": "elf64", "__BITS__": "64", "__?BITS?__": "64",
}  # fmt: skip
"""What NASM would have defined."""
_WORD_OR_QUOTED = re.compile(QUOTED + r"|[;#].*|//.*|(?<![\w.$@?%\\])[A-Za-z_.?@][\w.$@?]*+")
_NAME = re.compile(r"[A-Za-z_.$?@][\w.$?@]*")
_INDIRECTION = re.compile(r"%\[([^\[\]]*)\]")
_PASTED = re.compile(r"\s*%\+\s*")
"""NASM's `%+`, which joins what stands around it."""


class DefineTable:
    """Single-line macros by name."""

    def __init__(self, lines: list[Line]) -> None:
        text = "\n".join(line.text for line in lines)
        self._defines = {name: Define(None, value, lines[0]) for name, value in _PREDEFINED.items() if name in text}

    def __bool__(self) -> bool:
        return bool(self._defines)

    def __contains__(self, name: str) -> bool:
        return name in self._defines

    def add(self, name: str, define: Define) -> None:
        """Define a name, or define it anew."""
        self._defines[name] = define

    def remove(self, name: str) -> None:
        """Forget a name, if it is one."""
        self._defines.pop(name, None)

    def substituted(self, line: Line) -> Line:
        """The line with every single-line macro filled in.

        Raises:
            SourceError: A macro has the wrong number of arguments, or the line grows past a cap.
        """
        replaced: list[Replacement] = []
        filled = self._filled(line.text, line, frozenset(), 0, replaced)
        text = _PASTED.sub("", filled)
        if text == line.text:
            return line
        if text != filled:
            # Pasting moved columns: the line as a whole is what was written.
            begin = len(text) - len(text.lstrip())
            replaced = [Replacement(begin, len(line.text.rstrip()), begin, len(text))]
        origin = Substitution(text, line, replaced)
        return Line(line.number, line.source, text, line.expansion or ((line.number, text),), True, origin)

    def with_indirections(self, line: Line) -> Line:
        """The line with every `%[name]` filled in, wherever it stands."""
        text = _INDIRECTION.sub(lambda found: self.fill(found[1], line), line.text)
        begin = len(text) - len(text.lstrip())
        replaced = Replacement(len(line.text) - len(line.text.lstrip()), len(line.text.rstrip()), begin, len(text))
        return Line(line.number, line.source, text, line.expansion, True, Substitution(text, line, [replaced]))

    def fill(self, text: str, line: Line) -> str:
        """A text of a line with single-line macros filled in; a macro is not filled in again inside itself."""
        return _PASTED.sub("", self._filled(text, line, frozenset(), 0))

    def _filled(
        self, text: str, line: Line, hidden: frozenset[str], depth: int, replaced: list[Replacement] | None = None
    ) -> str:
        parts: list[str] = []
        position = 0
        size = 0
        defines = self._defines
        for found in _WORD_OR_QUOTED.finditer(text):
            if found.start() < position:
                continue  # inside the arguments of the macro before
            word = found[0]
            key = word if word in defines else word.lower()
            define = defines.get(key)
            if define is None or key in hidden or (key != word and not define.any_case):
                continue
            called = _body_of_call(define, word, text, found.end(), line)
            if called is None:
                continue
            body, end = called
            if depth > DEPTH_LIMIT:
                raise error_in(line, "ASM061", f"Macros are nested more than {DEPTH_LIMIT} deep here.")
            body = self._filled(body, line, hidden | {key}, depth + 1)
            parts += (text[position : found.start()], body)
            position = end
            size += len(body)
            if replaced is not None:
                begin = found.start() + (replaced[-1].new_end - replaced[-1].end if replaced else 0)
                replaced.append(Replacement(found.start(), end, begin, begin + len(body), define.line))
            if size > LENGTH_LIMIT:
                raise error_in(line, "ASM064", f"This line becomes longer than {LENGTH_LIMIT:,} characters.")
        if not parts:
            return text
        parts.append(text[position:])
        return "".join(parts)


def _body_of_call(define: Define, word: str, text: str, end: int, line: Line) -> tuple[str, int] | None:
    """The body with the arguments that stand at `end`, and where they end; None where they are missing."""
    if define.parameters is None:
        return define.text, end
    arguments, end = call_arguments(text, end)
    if arguments is None:
        return None
    wanted, given = len(define.parameters), len(arguments)
    if wanted != given:
        raise error_in(line, "ASM066", f"The macro `{word}` takes {wanted} argument{'s' * (wanted != 1)}, not {given}.")
    table = dict(zip(define.parameters, arguments, strict=True))
    return _NAME.sub(lambda name: table.get(name[0], name[0]), define.text), end
