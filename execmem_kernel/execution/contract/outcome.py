"""What came of a run: an `Outcome`, a plain value whatever engine made it.

    Call --engine--> Returned | Faulted | TimedOut | Exited

An outcome owns no memory and no process: it may live in `Out[...]` for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from execmem_kernel import errors
from execmem_kernel.execution.contract.call import TIME_LIMITS, LimitName
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.contract.details import LifeEvent, SystemCall, Warned, Witness
from execmem_kernel.execution.contract.pointers import describe
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.program import shown
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.wording import signed
from execmem_kernel.x86.registers import GENERAL

if TYPE_CHECKING:
    from execmem_kernel.execution.contract.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome:
    """What happened when a program ran; match on `Returned`, `Faulted`, `TimedOut`, `Exited`."""

    program: Program
    before: Registers
    registers: Registers
    stdout: bytes = b""
    stderr: bytes = b""
    buffers: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    segments: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """What the program's writable segments hold at the end: "data" and "bss", where it has them."""
    system_calls: tuple[SystemCall, ...] = ()
    warnings: tuple[Warned, ...] = ()
    trace: Trace | None = None
    witness: Witness = "supervisor"
    life: tuple[LifeEvent, ...] = ()
    row: ListingRow | None = None
    """Where it stopped in the listing; None for a return and where it stopped outside its code."""
    cause: Cause | None = None
    """None for a return."""
    places: Mapping[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}))
    """Named ranges (start, end) of the guest: "code", "stack", "data", buffers; to show a pointer as code+0x12."""

    signal: ClassVar[str | None] = None

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the flags set at the end."""
        return self.registers.flags

    @property
    def line(self) -> int | None:
        """The source line it stopped at."""
        return None if self.row is None else self.row.span.line

    @property
    def address(self) -> int:
        """Where it stopped: rip at the end."""
        return self.registers["rip"]

    @property
    def changed(self) -> dict[str, tuple[int, int]]:
        """General registers whose value differs, as (old, new), rsp and rip left out."""
        return {
            name: (self.before[name], self.registers[name])
            for name in GENERAL
            if name != "rsp" and self.before[name] != self.registers[name]
        }

    def read(self, where: str | int, size: int) -> bytes:
        """The bytes that lie at a label, or at an address, at the end of the run.

        Args:
            where: A label of the program's data, a buffer's name, or an address in either.
            size: How many bytes.

        Raises:
            ValueError: There is no such label, or not all of it is memory that the program can write.
        """
        names = {**{name: self.places[name][0] for name in self.buffers if name in self.places}, **self.program.labels}
        if isinstance(where, str) and where not in names:
            raise ValueError(f"the program has no label {where!r}")
        address = names[where] if isinstance(where, str) else where
        starts: dict[str, int] = {one.name: one.address for one in self.program.segments}
        held = [(starts[name], data) for name, data in self.segments.items()]
        held += [(self.places[name][0], data) for name, data in self.buffers.items() if name in self.places]
        for start, data in held:
            if start <= address and address + size <= start + len(data):
                return data[address - start : address - start + size]
        raise ValueError(f"{where!r} and the {size} bytes from there are not all in the program's data or a buffer")

    @property
    def headline(self) -> str:
        """One sentence, the same in every run: `line 2: reads 8 bytes at address 0 ...`."""
        place = "" if self.line is None else f"line {self.line}: "
        return place + (self.cause.sentence if self.cause else "returned")

    def _complete(self, life: tuple[LifeEvent, ...], foreseen: tuple[Warned, ...]) -> Self:
        """Put in what is known only when the program's memory has been released, before the caller sees this value.

        A copy with the changes (`dataclasses.replace`) would be a hundredth of a whole run.
        """
        object.__setattr__(self, "life", life)
        if foreseen:
            object.__setattr__(self, "warnings", foreseen + self.warnings)
        return self

    def raise_for_fault(self) -> None:
        """Raise the `ProgramFault` that this outcome stands for; a return raises nothing.

        Raises:
            ProgramFault: The class says what kind of end it was; the message is `headline`.
        """
        raise errors.ProgramFault(self.headline)

    def report(self) -> str:
        """What happened, as text: the sentence, the line, the registers that explain it, what to look at.

        The same for the same program in every run: pointers are shown as code+0x12, stack-8, text+3.
        """
        lines = [self._title()]
        if self.row is not None:
            lines.append(f"    line {self.row.span.line}: {self.row.source.strip() or self.row.text}")
        if self.cause is not None:
            for name, value in self.cause.evidence.items():
                lines.append(f"    {name} = {self.describe(value)}")
            if self.cause.look_at:
                lines.append(f"    try: {self.cause.look_at}")
        if self.witness == "guest":
            lines.append("    reported by the program's own process: this host refuses ptrace")
        for warning in self.warnings:
            place = "" if warning.line is None else f"line {warning.line}: "
            lines.append(f"    warning: {place}{warning.message}")
            if warning.hint:
                lines.append(f"        {warning.hint}")
        return "\n".join(lines)

    def _title(self) -> str:
        return self.headline

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._title()}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """The report, in both forms; notebooks ask for this."""
        return shown.bundle(self)

    def describe(self, value: int) -> str:
        """A number as a person reads it: a pointer by the place it points into, anything else in hex and decimal."""
        return describe(value, self.places)


class Returned(Outcome):
    """It returned to its caller."""

    __slots__ = ()

    @property
    def value(self) -> int:
        """What it left in rax, unsigned."""
        return self.registers["rax"]

    def raise_for_fault(self) -> None:
        """Nothing to raise."""

    def _title(self) -> str:
        return f"returned rax = {self.value:#x} ({signed(self.value)})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Faulted(Outcome):
    """A fault or a forbidden system call stopped it: `signal` is "SIGSEGV", "SIGILL", ..., or "SIGSYS"."""

    signal: str  # type: ignore[misc]
    signal_code: int = 0
    accessed: int | None = None
    """The address it tried to use, computed from the instruction and the registers."""

    def raise_for_fault(self) -> None:
        """Raise the error that stands for the signal.

        Raises:
            ProgramFault: The subclass in `FAULT_ERRORS`, or `ProgramFault` itself for a signal that is not there.
        """
        raise FAULT_ERRORS.get(self.signal, errors.ProgramFault)(self.headline)

    def _title(self) -> str:
        return f"{self.signal}: {self.headline}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TimedOut(Outcome):
    """A limit was reached."""

    limit: LimitName = "wall"
    steady: tuple[str, ...] = ()
    """General registers that no instruction of an endless loop writes; the others differ from run to run."""

    @property
    def at_a_chance_instant(self) -> bool:
        """Whether a clock ended it: how far it had come, in registers, flags and memory, is then chance."""
        return self.limit in TIME_LIMITS

    def raise_for_fault(self) -> None:
        """Raise the error that stands for the limit.

        Raises:
            TimeLimitExceeded: It was a limit on time.
            LimitExceeded: It was any other.
        """
        error = errors.TimeLimitExceeded if self.limit in TIME_LIMITS else errors.LimitExceeded
        raise error(self.headline)

    def _title(self) -> str:
        return f"stopped: {self.headline}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exited(Outcome):
    """It asked the operating system to end it with `status`."""

    status: int = 0

    @property
    def as_it_should(self) -> bool:
        """Whether this is success: status 0, of a whole program; a function that exits has not given its result."""
        return self.status == 0 and is_whole(self.program)

    def raise_for_fault(self) -> None:
        """Raise the error of a program that ended itself.

        Raises:
            ProgramExited: Always; the message is `headline`.
        """
        raise errors.ProgramExited(self.headline)

    def _title(self) -> str:
        return f"exited: {self.headline}"


def is_whole(program: Program) -> bool:
    """Whether it is a program that starts by itself and ends with `exit`, and not a function with a caller."""
    return bool(program.externs or program.labels.keys() & {"_start", "main"})


FAULT_ERRORS: Mapping[str, type[errors.ProgramFault]] = MappingProxyType(
    {
        "SIGSEGV": errors.SegmentationFault,
        "SIGBUS": errors.BusError,
        "SIGILL": errors.IllegalInstruction,
        "SIGFPE": errors.ArithmeticFault,
        "SIGTRAP": errors.BreakpointTrap,
        "SIGSYS": errors.ForbiddenSystemCall,
    }
)
"""Signal -> the error that a cell raises for it."""
