"""The contract of running a program: a `Call` in, an `Outcome` out; plain values, whatever engine made them.

    Call --engine--> Returned | Faulted | TimedOut | Exited

An outcome owns no memory and no process: it may live in `Out[...]` for ever.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, Self

from execmem_kernel import errors
from execmem_kernel.assembly.program import ListingRow, Program

if TYPE_CHECKING:
    from execmem_kernel.execution.tracing import Trace

GENERAL = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
"""The sixteen general registers, in the order they are shown."""

FLAGS = MappingProxyType({"CF": 0, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "TF": 8, "DF": 10, "OF": 11, "AC": 18})
"""Flag to bit of rflags. Source: Intel SDM vol. 1, 3.4.3, "EFLAGS Register"."""


LANES = MappingProxyType(
    {
        "double": "d", "float": "f", "half": "e", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
        "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    }
)  # fmt: skip
"""A kind of lane -> its letter in `struct`."""


@dataclass(frozen=True, slots=True)
class Registers(Mapping[str, int]):
    """Register values at one instant, unsigned; parts are there too: `["eax"]`, `["ax"]`, `["al"]`, `["ah"]`.

    Iterates over the sixteen general registers, rip and rflags. Vector registers: `["xmm0"]` ... as whole unsigned
    numbers, where the engine read them.
    """

    values_: Mapping[str, int]
    vectors: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """"zmm0"/"ymm0"/"xmm0" and "k1" to their bytes, widest the CPU has."""

    def __getitem__(self, name: str) -> int:
        value = self.values_.get(name)
        if value is not None:
            return value
        name = name.lower()
        if name in self.values_:
            return self.values_[name]
        if name in PARTS:
            whole, shift, bits = PARTS[name]
            return (self.values_[whole] >> shift) & ((1 << bits) - 1)
        if name[1:3] == "mm":
            size = {"x": 16, "y": 32, "z": 64}.get(name[0], 0)
            for width in "zyx":
                data = self.vectors.get(width + name[1:])
                if data is not None and size <= len(data):
                    return int.from_bytes(data[:size], "little")
        if name in self.vectors:
            return int.from_bytes(self.vectors[name], "little")
        raise KeyError(name)

    def lanes(self, name: str, kind: str = "double") -> tuple[float, ...]:
        """The lanes of a vector register, lowest first: `lanes("xmm0", "int32")`.

        Args:
            name: xmm, ymm or zmm, and a number.
            kind: What a lane is: double, float, half, or int8 to int64 and uint8 to uint64.

        Raises:
            KeyError: This processor has no such register.
            ValueError: There is no such kind of lane.
        """
        if kind not in LANES:
            raise ValueError(f"{kind!r} is no kind of lane; there are {', '.join(LANES)}")
        size = {"x": 16, "y": 32, "z": 64}.get(name[:1].lower(), 0)
        if not size or name[1:3].lower() != "mm":
            raise ValueError(f"{name!r} has no lanes: it is no vector register")
        code = LANES[kind]
        return struct.unpack(f"<{size // struct.calcsize(code)}{code}", self[name].to_bytes(size, "little"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the flags that are set, in bit order."""
        return tuple(name for name, bit in FLAGS.items() if self.values_["rflags"] >> bit & 1)


def _parts() -> dict[str, tuple[str, int, int]]:
    """Every part of a general register: its whole, its shift, its width in bits."""
    parts = {"eip": ("rip", 0, 32), "eflags": ("rflags", 0, 32)}
    for whole in GENERAL:
        stem = whole[1:]
        if stem.isdigit():
            parts |= {f"{whole}d": (whole, 0, 32), f"{whole}w": (whole, 0, 16), f"{whole}b": (whole, 0, 8)}
        else:
            parts |= {f"e{stem}": (whole, 0, 32), stem: (whole, 0, 16)}
            if stem.endswith("x"):
                parts |= {f"{stem[0]}l": (whole, 0, 8), f"{stem[0]}h": (whole, 8, 8)}
            else:
                parts |= {f"{stem}l": (whole, 0, 8)}
    return parts


PARTS: Mapping[str, tuple[str, int, int]] = MappingProxyType(_parts())
"""A part of a general register -> the whole, how far up it lies in it, and its width, in bits."""


_BOUNDS = (
    ("wall_s", 0, 10**6), ("cpu_s", 0, 10**6), ("steps", 0, 10**9), ("trace_steps", 0, 10**9),
    ("output_size", 0, 2**30), ("memory_size", 0, 2**40), ("system_calls", 0, 10**9),
)  # fmt: skip
"""Each limit, and what it can be: what the kernel's own clocks and limits take."""


def _range(least: int, most: int, whole: bool) -> str:
    return f"from {least:,} to {most:,}" if whole else f"more than {least:,} and at most {most:,}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use up; each has its own outcome when it is reached."""

    wall_s: float = 2.0
    cpu_s: float = 2.0
    steps: int | None = None
    """Instructions carried out; counting them takes single steps, so a run with this limit is a slow one."""
    trace_steps: int = 20_000
    """Steps recorded in full when a trace is asked for. After them come samples and the last steps in full, for as many
    steps as 50 µs each of `wall_s` or `cpu_s` allow (a count, so that what is recorded does not depend on the machine);
    what comes then runs at full speed, unrecorded."""
    output_size: int = 64 * 1024
    """Bytes of stdout and stderr together; the rest is dropped, with a note."""
    memory_size: int = 64 * 1024 * 1024
    system_calls: int = 20_000
    """So many take half a second: well before the clock ends the run, so that it is always this limit that does."""

    def __post_init__(self) -> None:
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if value is None and name == "steps":
                continue
            whole = name not in ("wall_s", "cpu_s")
            if not isinstance(value, int if whole else (int, float)):
                raise TypeError(f"the limit {name} is {'a whole number' if whole else 'seconds'}, not {value!r}")
            if not least <= value <= most or (value == 0 and not whole):
                raise ValueError(f"the limit {name} is {value}; it can be {_range(least, most, whole)}")


DEFAULT = Limits()


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory given to a program: its bytes (or a size, for zeros), at a fixed address if asked for."""

    data: bytes | bytearray | memoryview | int
    address: int | None = None
    writable: bool = True


Start = Literal["function", "main", "process"]
"""What a program finds when it starts: a function's caller; main's, with argc, argv and envp in rdi, rsi and rdx; or,
at `_start`, what the kernel leaves on the stack of a new process. Source: System V ABI, AMD64 supplement, 3.4.1."""


@dataclass(frozen=True, slots=True)
class Call:
    """Everything one run needs; the engine adds nothing that could differ from run to run."""

    program: Program
    registers: Mapping[str, int | str] = field(default_factory=lambda: MappingProxyType({}))
    """Register (also xmm0...) to a number, or to a buffer's name: its address."""
    buffers: Mapping[str, Buffer] = field(default_factory=lambda: MappingProxyType({}))
    entry: int | None = None
    start: Start = "function"
    arguments: tuple[bytes, ...] = ()
    """What follows the program's name in argv; for a start at `main` or `_start`."""
    stdin: bytes = b""
    limits: Limits = DEFAULT
    trace: bool = False
    seed: int | None = None
    poison: int | None = None
    """Seed of the numbers that registers which are not given start with; None: they start as 0."""
    backing: tuple[int, int, int] | None = None
    """Pages that already hold the text segment: descriptor, offset in the file, size; None to write a copy."""
    whose: Callable[[int], str] = lambda address: ""
    """What a memory manager knows about an address that means nothing here: "region add, released in cell 7"."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    witness: Literal["supervisor", "guest"] = "supervisor"
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
        """Put in what is known only when the program's memory has been released, before anybody has seen this value.

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

    def describe(self, value: int) -> str:
        """A number as a person reads it: a pointer by the place it points into, anything else in hex and decimal."""
        return describe(value, self.places)


def describe(value: int, places: Mapping[str, tuple[int, int]]) -> str:
    """A number as a person reads it, given the named ranges of a program's memory; the stack counts from its start."""
    place = describe_place(value, places)
    signed = value - 2**64 if value >> 63 else value
    return place or (f"{value:#x} ({signed})" if value > 9 else str(value))


def describe_place(value: int, places: Mapping[str, tuple[int, int]]) -> str:
    """A pointer as `code+0x12` or `stack-0x8`; empty where it points into no named range."""
    for name, (start, end) in places.items():
        if name != "stack" and start <= value <= end:
            return f"{name}+{value - start:#x}" if value != start else name
    start, end = places.get("stack", (0, 0))
    if end and start - 64 <= value <= end + 64:
        offset = value - (end - 8)
        return f"stack{'-' if offset < 0 else '+'}{abs(offset):#x}" if offset else "stack"
    return ""


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
        signed = self.value - 2**64 if self.value >> 63 else self.value
        return f"returned rax = {self.value:#x} ({signed})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulted(Outcome):
    """The processor or the supervisor stopped it: `signal` is "SIGSEGV", "SIGILL", ..., or "SIGSYS"."""

    signal: str  # type: ignore[misc]
    signal_code: int = 0
    accessed: int | None = None
    """The address it tried to use, computed from the instruction and the registers."""

    def raise_for_fault(self) -> None:
        """Raise the error that stands for the signal."""
        raise FAULT_ERRORS.get(self.signal, errors.ProgramFault)(self.headline)

    def _title(self) -> str:
        return f"{self.signal}: {self.headline}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut(Outcome):
    """A limit was reached: "wall", "cpu", "steps", "output", "memory" or "system calls"."""

    limit: str = "wall"
    steady: tuple[str, ...] = ()
    """General registers that no instruction of an endless loop writes; the others differ from run to run."""

    @property
    def at_a_chance_instant(self) -> bool:
        """Whether a clock ended it: how far it had come, in registers, flags and memory, is then chance."""
        return self.limit in ("wall", "cpu")

    def raise_for_fault(self) -> None:
        """Raise `TimeLimitExceeded` for a limit on time, `LimitExceeded` for any other."""
        error = errors.TimeLimitExceeded if self.limit in ("wall", "cpu") else errors.LimitExceeded
        raise error(self.headline)

    def _title(self) -> str:
        return f"stopped: {self.headline}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited(Outcome):
    """It asked the operating system to end it with `status`."""

    status: int = 0

    @property
    def as_it_should(self) -> bool:
        """Whether this is success: status 0, of a whole program; a function that exits has not given its result."""
        return self.status == 0 and is_whole(self.program)

    def raise_for_fault(self) -> None:
        """Raise `ProgramExited`."""
        raise errors.ProgramExited(self.headline)

    def _title(self) -> str:
        return f"exited: {self.headline}"


def is_whole(program: Program) -> bool:
    """Whether it is a program that starts by itself and ends with `exit`, and no function that somebody calls."""
    return bool(program.externs or program.labels.keys() & {"_start", "main"})


class Engine(Protocol):
    """Runs programs; every engine gives the same outcome for the same call."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            EngineUnavailableError: The host lacks what this engine needs.
            WorkerLostError: The runner itself broke.
        """
        ...


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
"""Signal to the error that a cell raises for it."""
