"""Verdicts: what can become of a system call."""

from __future__ import annotations

from dataclasses import dataclass

from execmem_kernel.execution.contract.call import LimitName
from execmem_kernel.execution.contract.cause import Cause


@dataclass(frozen=True, slots=True)
class Answered:
    """It was done here: the program goes on with this result."""

    result: int


@dataclass(frozen=True, slots=True)
class Carried:
    """The program's process makes this call itself, with these arguments; then it goes on with `result`, if given."""

    number: int
    arguments: tuple[int, ...]
    result: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The program asked to end."""

    status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The program may not do this."""

    reason: str
    look_at: str = ""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A limit was reached."""

    limit: LimitName


@dataclass(frozen=True, slots=True)
class Raised:
    """The program sent itself a signal that ends it."""

    signal: str
    cause: Cause


Verdict = Answered | Carried | Ended | Refused | Exhausted | Raised
