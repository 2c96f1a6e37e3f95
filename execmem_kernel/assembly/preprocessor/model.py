"""What the preprocessor works on: macros, single-line defines, frames of lines being handed out, conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.assembly.syntax.lines import Line

DEPTH_LIMIT = 100


CONDITION_LIMIT = 1000


class Host(Protocol):
    """What macros need to know of the program read so far."""

    def known_value(self, value: Expression, line: Line) -> int: ...

    def is_defined(self, name: str) -> bool: ...

    def pieces(self, text: str, macros: Iterable[str]) -> tuple[str, ...]: ...

    def note_warning(self, line: Line, text: str) -> None: ...


@dataclass(slots=True)
class Macro:
    """A multi-line macro: its body, and how arguments become text."""

    name: str
    body: list[Line]
    gnu: bool
    parameters: list[tuple[str, str | None, str]] = field(default_factory=list)
    """GNU: name, default, "req", "vararg" or ""."""
    least: int = 0
    most: int = 0
    greedy: bool = False
    """NASM: whether the last argument swallows the rest of the line."""
    defaults: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Define:
    """A single-line macro of NASM."""

    parameters: list[str] | None
    text: str
    line: Line
    """Where it is defined."""
    any_case: bool = False


@dataclass(slots=True)
class Frame:
    """Lines being handed out: the source, the body of a macro, or a body repeated."""

    kind: str
    make: Callable[[int], list[Line]]
    rounds: int = 1
    round_number: int = 0
    lines: list[Line] = field(default_factory=list)
    index: int = 0
    conditions: int = 0
    """How many conditions were open when it began."""
    arguments: list[str] = field(default_factory=list)
    most: int = 0
    """How many arguments a NASM macro may have."""
    number: int = 0


@dataclass(slots=True)
class Condition:
    active: bool
    taken: bool
    outer: bool
    line: Line
