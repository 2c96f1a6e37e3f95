"""`bench`: how long a program takes, in cycles and nanoseconds, measured in its own process.

The stopwatch is assembly of our own (bench.s) that calls the program again and again in the process it runs in, between
fences, and an empty function in the same way; here its times become a median, a spread and a judgement.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Literal

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import WorkerLostError
from execmem_kernel.execution.api.running import BytesLike
from execmem_kernel.execution.contract.address_map import page_ceil
from execmem_kernel.execution.contract.call import Buffer, Call, Limits
from execmem_kernel.execution.contract.outcome import Returned
from execmem_kernel.execution.engines.placed_run import run_in
from execmem_kernel.execution.values.buffers import as_buffer
from execmem_kernel.memory.session import manager
from execmem_kernel.program.program import Program, Segment

_TABLE, _TABLE_SIZE, _TIMES = 0x2F00_0000, 384, 0x2F10_0000
_GAP = 0x10_0000
"""Between a program's last segment and the stopwatch."""
_OWN_SYSTEM_CALLS = 2
"""The stopwatch asks the system's clock at the start and at the end."""
_ROUND_NS = 20_000
"""A round of calls: long against the clock's own steps, short against what interrupts a process."""
_ROUNDS = 201
_FEWEST_ROUNDS = 5
_BUDGET_NS = 200_000_000
_MOST_CALLS = 2_000
_TRUSTED_SPREAD = 0.1
"""The middle half of all times may differ by so much of the median before the machine counts as too noisy."""
_RESOLUTION = 2.0
"""Cycles below which two times cannot be distinguished: fences and clock have a grain."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a call took. Cycles are those of the time-stamp counter, which ticks evenly, whatever the core does."""

    cycles: float
    """A call, without what an empty one takes: the median of all rounds."""
    low: float
    high: float
    """A quarter of the rounds took less than `low` cycles a call, a quarter more than `high`."""
    overhead: float
    """Cycles of an empty call between the same fences: what was subtracted."""
    frequency_hz: float
    """Ticks of the time-stamp counter in a second."""
    calls: int
    """How many calls were timed."""
    rounds: int
    iterations: int = 1
    """How many times a call goes round its own loop, as you said."""
    supervised: bool = False
    """Whether calls made system calls: the supervisor answers them, and that is most of what was measured."""

    @property
    def nanoseconds(self) -> float:
        """Nanoseconds of a call."""
        return self.cycles * 1e9 / self.frequency_hz

    @property
    def cycles_per_iteration(self) -> float:
        """Cycles of one round of the call's own loop."""
        return self.cycles / self.iterations

    @property
    def nanoseconds_per_iteration(self) -> float:
        """Nanoseconds of the same."""
        return self.nanoseconds / self.iterations

    @property
    def noisy(self) -> bool:
        """Whether the rounds differ too much among each other to trust the median."""
        spread = self.high - self.low
        return spread > _RESOLUTION and spread > _TRUSTED_SPREAD * max(self.cycles, 0.0)

    @property
    def too_short(self) -> bool:
        """Whether a call cannot be told from an empty one."""
        return self.cycles < _RESOLUTION

    def report(self) -> str:
        """The numbers, and whether to believe them."""
        lines = [
            f"{self.calls:,} calls in {self.rounds} rounds, cycles of the time-stamp counter",
            f"    a call        {self.cycles:12,.1f} cycles {self.nanoseconds:12,.1f} ns",
        ]
        if self.iterations != 1:
            lines.append(
                f"    an iteration  {self.cycles_per_iteration:12,.2f} cycles "
                f"{self.nanoseconds_per_iteration:12,.2f} ns    ({self.iterations:,} in a call)"
            )
        lines.append(f"    middle half   {self.low:12,.1f} to {self.high:,.1f} cycles")
        lines.append(f"    subtracted    {self.overhead:12,.1f} cycles, what an empty call takes")
        if self.supervised:
            lines.append("    it makes system calls: the time is that of the supervisor, which answers them")
        if self.too_short:
            lines.append("    too short to tell from an empty call: let it do its work more than once")
        elif self.noisy:
            lines.append("    too noisy to tell: other work runs on this machine, or its clock rate changes; try again")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.report()


@functools.lru_cache(8)
def _stopwatch(address: int) -> Program:
    """The harness, assembled for the place it lies at."""
    source = resources.files(__package__).joinpath("bench.s").read_text()
    return assemble(f".set table, {_TABLE:#x}\n{source}", address=address)


def bench(
    source_or_program: str | Program,
    registers: Mapping[str, int | str] | None = None,
    buffers: Mapping[str, Buffer | BytesLike | int] | None = None,
    entry: str | None = None,
    iterations: int = 1,
    timeout_s: float = 10.0,
    syntax: Literal["intel", "att"] = "intel",
) -> Timing:
    """Time a program: called again and again, each call with the same registers, in a process of its own.

    Buffers are not put back between calls: a program that sorts one is timed on sorted data from its second call on.
    A call is timed from the moment everything before it is done until everything in it is done. What takes no longer
    than a call and a return themselves (about 20 cycles) runs beside them, and costs nothing: let a short function go
    round more often, and give `iterations`.

    Args:
        source_or_program: Assembly source, or what `assemble` made of it.
        registers: What every call begins with, as for `run`.
        buffers: Memory for it, as for `run`.
        entry: A label to call instead of the program's entry.
        iterations: How many times one call goes round its own loop; the result is then given for one round, too.
        timeout_s: Seconds for all calls together.
        syntax: Which syntax the source has.

    Raises:
        AssemblyError: The source is wrong.
        ValueError: A register, a buffer, the entry or `iterations` cannot be what was asked for.
        ProgramFault: The program did not return; the class and the message are those of the outcome.
    """
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; a call goes round at least once")
    program = source_or_program if isinstance(source_or_program, Program) else assemble(source_or_program, syntax)
    if entry is not None and entry not in program.labels:
        raise ValueError(f"entry {entry!r} is not a label of this program")
    function = program.entry if entry is None else program.labels[entry]
    address = page_ceil(max(segment.end for segment in program.segments)) + _GAP
    stopwatch = _stopwatch(address)
    code = Segment("rodata", address, stopwatch.code, len(stopwatch.code), "r-x")
    call = Call(
        program=dataclasses.replace(program, segments=(*program.segments, code)),
        registers=MappingProxyType(dict(registers or {})),
        buffers=MappingProxyType({name: as_buffer(name, value) for name, value in (buffers or {}).items()}),
        entry=stopwatch.labels["start"],
        limits=Limits(wall_s=timeout_s),
        real_counters=True,
    )
    _, warm, frequency, _ = _measure(call, function, stopwatch, calls=1, rounds=_FEWEST_ROUNDS)
    once_ns = max(min(warm) * 1e9 / frequency, 1.0)
    calls = max(1, min(_MOST_CALLS, round(_ROUND_NS / once_ns)))
    rounds = max(_FEWEST_ROUNDS, min(_ROUNDS, round(_BUDGET_NS / (calls * once_ns))))
    empty, times, frequency, supervised = _measure(call, function, stopwatch, calls, rounds)
    overhead = statistics.median(empty) / calls
    low, middle, high = statistics.quantiles([time / calls - overhead for time in times], n=4)
    return Timing(middle, low, high, overhead, frequency, calls * rounds, rounds, iterations, supervised)


def _measure(
    call: Call, function: int, stopwatch: Program, calls: int, rounds: int
) -> tuple[list[int], list[int], float, bool]:
    """The cycles of every round of empty calls and of the function's; the clock's frequency; `Timing.supervised`.

    One round more is made than is reported: the first one warms up caches, pages and the predictors of branches.
    """
    rounds += 1
    table = struct.pack("<5Q", function, calls, rounds, _TIMES, stopwatch.labels["empty"]).ljust(_TABLE_SIZE, b"\0")
    names = _name("stopwatch", call), _name("times", call)
    ours = {names[0]: Buffer(table, _TABLE), names[1]: Buffer(16 * rounds, _TIMES)}
    buffers = MappingProxyType({**call.buffers, **ours})
    outcome = run_in(manager(), dataclasses.replace(call, buffers=buffers), name="bench")
    outcome.raise_for_fault()
    if type(outcome) is not Returned:
        raise WorkerLostError("the stopwatch did not come back")
    times = struct.unpack(f"<{2 * rounds}Q", outcome.buffers[names[1]])
    tick, second, nano = struct.unpack_from("<3Q", outcome.buffers[names[0]], 56)
    tock, second_, nano_ = struct.unpack_from("<3Q", outcome.buffers[names[0]], 88)
    elapsed_ns = (second_ - second) * 1_000_000_000 + nano_ - nano
    supervised = len(outcome.system_calls) > _OWN_SYSTEM_CALLS
    return list(times[3::2]), list(times[2::2]), (tock - tick) * 1e9 / max(elapsed_ns, 1), supervised


def _name(wanted: str, call: Call) -> str:
    """A name for a buffer of ours that no buffer of the program's has."""
    while wanted in call.buffers:
        wanted += "'"
    return wanted
