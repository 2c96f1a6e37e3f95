"""Parts of an outcome: warnings, system calls, and what happened to its memory."""

from __future__ import annotations

from dataclasses import dataclass


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
