"""What is known at the instant a program stopped, and what becomes of it: plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.process import address_space


@dataclass(frozen=True, slots=True)
class Stop:
    """What is known at the instant a program stopped."""

    signal: str
    code: int
    address: int
    registers: dict[str, int]
    call: Call
    plan: address_space.AddressSpace
    read: Callable[[int, int], bytes]
    extended: bytes
    history: Callable[[], Trace | None]
    mapped: tuple[Mapped, ...] = ()


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a call of mmap gave, and where munmap took it back."""

    start: int
    end: int
    line: int | None
    gone: bool = False

    @property
    def where(self) -> str:
        return "" if self.line is None else f" on line {self.line}"
