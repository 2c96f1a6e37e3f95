"""What is known at the instant a program stopped, and what becomes of it: plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.process.address_space import AddressSpace


@dataclass(frozen=True, slots=True)
class Stop:
    """What is known at the instant a program stopped."""

    signal: str
    """"SIGSEGV", "SIGBUS", ..."""
    code: int
    """si_code: contract/signal_codes.py."""
    address: int
    """si_addr: of a page fault, the address that was used; else 0, or where the instruction lies."""
    registers: dict[str, int]
    """Every register that ptrace gives, by its name in user_regs_struct."""
    call: Call
    plan: AddressSpace
    read: Callable[[int, int], bytes]
    """The process's memory: address and size to bytes, fewer where not all of it is mapped."""
    extended: bytes
    """The XSAVE area: values/xsave.py."""
    history: Callable[[], Trace | None]
    """The steps up to here, from a second run that is stepped through; made only when a rule asks for it."""
    mapped: tuple[Mapped, ...] = ()
    """What mmap and munmap did, oldest first."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Memory that a call of mmap gave, or that munmap took back."""

    start: int
    end: int
    line: int | None
    """Of the call."""
    gone: bool = False
    """Whether this is what munmap took back."""

    @property
    def where(self) -> str:
        """The end of a sentence: ` on line 3`; empty where the line is not known."""
        return "" if self.line is None else f" on line {self.line}"
