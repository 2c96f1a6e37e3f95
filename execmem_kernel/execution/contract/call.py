"""What a run is given: the program, registers, buffers, limits; plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from execmem_kernel.execution.contract.address_map import LARGEST_STACK, PAGE
from execmem_kernel.program.program import Program

LimitName = Literal["wall", "cpu", "steps", "output", "memory", "system calls"]
"""A limit that can end a run, as outcomes name it."""
TIME_LIMITS: tuple[LimitName, ...] = ("wall", "cpu")
_BOUNDS = (
    ("wall_s", 0, 10**6), ("cpu_s", 0, 10**6), ("steps", 0, 10**9), ("trace_steps", 0, 10**9),
    ("output_size", 0, 2**30), ("memory_size", 0, 2**40), ("system_calls", 0, 10**9),
    ("stack_size", PAGE, LARGEST_STACK),
)  # fmt: skip
"""Each field of `Limits`, its least and its greatest value: what the kernel's own clocks and limits take."""


def _range(least: int, most: int, whole: bool) -> str:
    return f"from {least:,} to {most:,}" if whole else f"more than {least:,} and at most {most:,}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use up; each has its own outcome when it is reached."""

    wall_s: float = 2.0
    """Seconds that it may take on a machine with nothing else to do. A program in a cell never waits, so this is the
    processor time of its process: the same programs reach it on a busy machine. Only `net_s` is read from a clock on
    the wall."""
    cpu_s: float | None = None
    """Seconds of processor time, to be told as such; None for no other limit than `wall_s`."""
    steps: int | None = None
    """Instructions carried out; counting them takes single steps, so a run with this limit is a slow one."""
    trace_steps: int = 20_000
    """Steps recorded in full when a trace is asked for. After them come samples and the last steps in full, for as many
    steps as 50 µs each of `wall_s` or `cpu_s` allow (a count, so that what is recorded does not depend on the machine);
    what comes then runs at full speed, unrecorded."""
    output_size: int = 64 * 1024
    """Bytes of stdout and stderr together; the rest is dropped, with a note."""
    memory_size: int = 64 * 1024 * 1024
    """Bytes that it may ask for by brk and mmap."""
    system_calls: int = 20_000
    """So many take half a second: well before time ends the run, so that it is always this limit that does."""
    stack_size: int = 8 * 1024 * 1024
    """Bytes of the stack, in whole pages: as many as Linux gives a program."""

    def __post_init__(self) -> None:
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if value is None and name in ("steps", "cpu_s"):
                continue
            whole = name not in ("wall_s", "cpu_s")
            if not isinstance(value, int if whole else (int, float)):
                raise TypeError(f"the limit {name} is {'a whole number' if whole else 'seconds'}, not {value!r}")
            if not least <= value <= most or (value == 0 and not whole):
                raise ValueError(f"the limit {name} is {value}; it can be {_range(least, most, whole)}")

    @property
    def time_limit(self) -> LimitName:
        """Which of the two limits on time ends a run."""
        return "cpu" if self.cpu_s is not None and self.cpu_s < self.wall_s else "wall"

    @property
    def time_s(self) -> float:
        """Seconds of processor time after which it does."""
        return self.wall_s if self.cpu_s is None else min(self.wall_s, self.cpu_s)

    @property
    def net_s(self) -> float:
        """Seconds on the wall's clock after which a run is over even if its process was hardly ever let run."""
        return 10 * self.time_s + 5


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory given to a program: its bytes (or a size, for zeros), at a fixed address if asked for."""

    data: bytes | bytearray | memoryview | int
    """Its bytes; or how many zeros."""
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
    """The address to start at; None for the program's own entry."""
    start: Start = "function"
    arguments: tuple[bytes, ...] = ()
    """What follows the program's name in argv; for a start at `main` or `_start`."""
    stdin: bytes = b""
    limits: Limits = DEFAULT_LIMITS
    trace: bool = False
    seed: int | None = None
    poison: int | None = None
    """Seed of the numbers that registers which are not given start with; None: they start as 0."""
    backing: tuple[int, int, int] | None = None
    """Pages that already hold the text segment: descriptor, offset in the file, size; None to write a copy."""
    real_counters: bool = False
    """Whether rdtsc and rdtscp read the processor's counter; otherwise they are answered, the same in every run."""
    whose: Callable[[int], str] = lambda address: ""
    """What a memory manager knows about an address that means nothing here: "region add, released in cell 7"."""
