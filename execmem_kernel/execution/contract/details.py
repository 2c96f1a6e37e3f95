"""The parts of an outcome: its cause, warnings, system calls, and what happened to its memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SystemCall:
    """One system call that a program made, in words: `write(1, "hello", 5) = 5`."""

    number: int
    name: str
    text: str
    line: int | None
    allowed: bool


@dataclass(frozen=True, slots=True)
class Warned:
    """Something a careful reader would point out: a calling-convention breach, output cut short."""

    code: str
    message: str
    line: int | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """One thing that happened to the region a program ran in: "allocated", "written", "sealed", "run", "released"."""

    kind: str
    size: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a program stopped, for people: `sentence` alone must make sense; no absolute address in any of them."""

    name: str
    """Stable: "null-read", "divide-by-zero"; a row of faults.py."""
    sentence: str
    evidence: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """The registers that explain it."""
    look_at: str = ""
    """What to look at or try, one sentence."""
