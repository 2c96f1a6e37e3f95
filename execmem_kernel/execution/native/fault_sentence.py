"""What the error of a fault in native code says: the cause, found by replaying the call in a process of its own."""

from __future__ import annotations

import dataclasses
import functools
import signal
from types import MappingProxyType

from execmem_kernel.errors import ExecmemError
from execmem_kernel.execution.contract.call import Call, Limits
from execmem_kernel.execution.engines.argument_places import with_arguments
from execmem_kernel.execution.engines.placed_run import run_in
from execmem_kernel.execution.native.guard import Arrived, Guard
from execmem_kernel.execution.values.prototype import Passed
from execmem_kernel.program.program import Program

SENTENCES = MappingProxyType(
    {
        "SIGSEGV": "uses memory in a way that its page does not allow, or jumps to where there is no code",
        "SIGBUS": "uses an address that cannot be one",
        "SIGILL": "is not an instruction of this processor",
        "SIGFPE": "divides, and there is no result",
        "SIGTRAP": "is a breakpoint, or the end of the code was run past",
    }
)
"""What a signal means where a replay could not find out more."""
_REPLAY = Limits(wall_s=0.5)


class FaultSentence:
    """What a fault's error says, worked out when it is first read.

    The call is replayed in a process of its own, where the cause of everything can be found. That takes a thousand
    times as long as the fault itself, and a program that catches its faults may never ask.
    """

    def __init__(self, program: Program, start: int, guard: Guard, arrived: Arrived, passed: Passed) -> None:
        """Keep what a replay needs.

        Args:
            program: What was called.
            start: The address of its code in this process.
            guard: Its manager gives the replay its memory: another one after a fork.
            arrived: What ended the call.
            passed: Its arguments.
        """
        self.program = program
        self.guard = guard
        self.signal_name: str = signal.Signals(arrived.number).name
        self.offset: int = arrived.rip - start
        self.inside: bool = 0 <= self.offset <= len(program.code)
        self.passed = passed

    @functools.cached_property
    def text(self) -> str:
        """The sentence: `line 2: reads 8 bytes at address 0 ...`."""
        return self._replayed() or self._without_replay()

    def _replayed(self) -> str | None:
        """The first sentence of a replay's report, if it ended in the same way."""
        # Here what is const could be written all the same.
        buffers = {name: dataclasses.replace(buffer, writable=True) for name, buffer in self.passed.buffers.items()}
        passed = dataclasses.replace(self.passed, buffers=buffers)
        try:
            call = with_arguments(Call(self.program, limits=_REPLAY), passed)
            outcome = run_in(self.guard.manager, call, name="replay")
        except ExecmemError:  # this host cannot run programs apart
            return None
        offset = outcome.registers["rip"] - self.program.address
        inside = 0 <= offset <= len(self.program.code)
        if outcome.signal != self.signal_name or inside != self.inside or (inside and offset != self.offset):
            return None
        place = f"code+{self.offset:#x}: " if inside and outcome.line is None else ""
        return place + outcome.headline

    def _without_replay(self) -> str:
        row = self.program.row_at(self.program.address + self.offset) if self.inside else None
        place = f"line {row.span.line}" if row else f"code+{self.offset:#x}" if self.inside else "outside its code"
        return f"{place}: {SENTENCES[self.signal_name]}"

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return repr(self.text)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (self.text,)
