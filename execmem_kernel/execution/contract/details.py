"""Parts of an outcome: warnings, system calls, and what happened to its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Witness = Literal["supervisor", "guest"]
"""Who reports what a program did: a process that watches it by ptrace, or the program's own process."""
LifeKind = Literal["allocated", "written", "sealed", "run", "released"]
"""What can happen to the memory that a program ran in, in this order."""
WarningCode = Literal[
    "alignment-check", "bad-address", "bad-descriptor", "buffer-overrun", "callee-saved", "depends-on-machine",
    "direction-flag", "feature", "fs-base", "gs-base", "half-dividend", "lost-in-call", "mmx-state", "mode", "mxcsr",
    "return-address", "same-in-every-run", "stack-alignment", "stack-pointer", "unset-register", "upper-halves",
    "x87-control", "x87-exception", "x87-stack",
]  # fmt: skip
"""What a warning is about."""


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

    code: WarningCode
    message: str
    line: int | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """One thing that happened to the region a program ran in; `size` is that of its code, in bytes."""

    kind: LifeKind
    size: int
    detail: str = ""
