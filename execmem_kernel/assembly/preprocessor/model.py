"""What the preprocessor works on: macros, single-line macros, frames of lines being handed out, conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.assembly.syntax.lines import Line

DEPTH_LIMIT = 100
"""How deep macros, and single-line macros, may be nested."""
CONDITION_LIMIT = 1000
"""How many conditions may be open."""


class Host(Protocol):
    """What the preprocessor needs to know of the program read so far."""

    def known_value(self, value: Expression, line: Line) -> int:
        """What an expression is worth at the time of reading."""
        ...

    def is_defined(self, name: str) -> bool:
        """Whether a name has a meaning by now."""
        ...

    def pieces(self, text: str, macros: Iterable[str]) -> tuple[str, ...]:
        """The statements of a line, where semicolons separate them; `macros` are the names that begin one, too."""
        ...

    @property
    def dotted_labels(self) -> bool:
        """Whether a word that begins with a dot is a label where nothing stands behind it, as NASM has it."""
        ...

    @property
    def bare_directives(self) -> bool:
        """Whether conditions have no dot, as MASM has them."""
        ...

    def note_warning(self, line: Line, text: str) -> None:
        """Take up a warning that the source itself asks for."""
        ...


ParameterKind = Literal["req", "vararg", ""]
"""req: an argument must be given; vararg: it takes the rest of the line."""


class MacroParameter(NamedTuple):
    """A parameter of a GNU macro."""

    name: str
    default: str | None
    kind: ParameterKind


@dataclass(frozen=True, slots=True)
class GnuMacro:
    """A macro of GNU as, whose arguments have names."""

    name: str
    body: list[Line]
    parameters: list[MacroParameter]


@dataclass(frozen=True, slots=True)
class NasmMacro:
    """A macro of NASM, whose arguments have numbers."""

    name: str
    body: list[Line]
    least: int
    """How many arguments must be given."""
    most: int
    greedy: bool
    """Whether the last argument swallows the rest of the line."""
    defaults: list[str]
    """Those of the arguments past `least`."""


Macro = GnuMacro | NasmMacro


@dataclass(frozen=True, slots=True)
class Define:
    """A single-line macro of NASM."""

    parameters: list[str] | None
    text: str
    line: Line
    """Where it is defined."""
    any_case: bool = False


FrameKind = Literal["source", "pieces", "repeat", "macro"]


@dataclass(slots=True)
class Frame:
    """Lines being handed out: the source, the statements of one line, a body repeated, the body of a macro."""

    kind: FrameKind
    make: Callable[[int], list[Line]]
    """The lines of one round, by its number from 0."""
    rounds: int = 1
    round_number: int = 0
    lines: list[Line] = field(default_factory=list)
    index: int = 0
    """Of the next line in `lines`."""
    conditions: int = 0
    """How many conditions were open when it began."""
    arguments: list[str] = field(default_factory=list)
    """Those of a NASM macro; `%rotate` moves them."""
    most: int = 0
    """How many arguments the NASM macro may have."""
    macro: NasmMacro | None = None
    """The NASM macro whose body it is, which is not expanded again inside itself."""


@dataclass(slots=True)
class Condition:
    """A condition between its `.if` and its `.endif`."""

    active: bool
    """Whether lines are read now."""
    taken: bool
    """Whether one of its branches has been read, or is."""
    outer: bool
    """Whether lines were read before it."""
    line: Line
    dotted: bool = False
    """Whether it is one of GNU as', so that `.else` and `.endif` belong to it."""


def error_in(line: Line, code: str, message: str, hint: str = "") -> SourceError:
    """An error about the whole of a line.

    Args:
        line: The line as the preprocessor sees it.
        code: The diagnostic's code.
        message: One sentence.
        hint: What to write instead.
    """
    return SourceError(code, message, 0, len(line.text.rstrip()), hint)
