"""The engine without ptrace: a signal handler in the program's process saves its state; outcomes are marked untrusted.

The same runner, addresses, limits, system calls, steps and explanations; but what ptrace would do from outside is done
by a signal handler in the program's process (runner.s, its second half). The handler stops its process, and waits; the
supervisor finds the registers where the kernel has put them for the handler, and changes them there. Stops are those of
job control, which waitpid(2) tells every parent. Memory is files that both processes have mapped, so it can be read and
written from outside, and outlives the process.

**Such a program can lie.** The handler's stack and the page it reports on are mapped in its process, and a program that
writes there, or jumps into the handler, can report a return that never was. Hence `witness="guest"`. Nothing more comes
of it: the filter carries out no system call but the handler's own, from one address, and these are no danger: to stop
its own process, to map pages of its own memory file (never executable), to unmap, to protect (never executable), and to
set fs_base.
"""

from __future__ import annotations

import dataclasses
import signal

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.outcome import Faulted, Outcome, Returned, TimedOut
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis import endings
from execmem_kernel.execution.engines.refusals import refusals_named
from execmem_kernel.execution.engines.run import Run
from execmem_kernel.execution.libc.library import Library, library_for
from execmem_kernel.execution.process import address_space
from execmem_kernel.execution.process.affinity import OneProcessor
from execmem_kernel.execution.process.self_reporting_child import UnreportedError
from execmem_kernel.execution.process.self_reporting_guest import SelfReportingGuest
from execmem_kernel.execution.trace.stepped_run import RunEnding


class SelfReportingEngine:
    """Runs every call in a process that reports for itself; it needs no ptrace."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            ValueError: A register or a buffer cannot be what was asked for.
            EngineUnavailableError: The host refuses more than ptrace.
            WorkerLostError: The runner itself broke.
        """
        call = _shared(call)
        with refusals_named(), SelfReportingGuest() as guest, library_for(call.program) as library, OneProcessor():
            return SelfReportedRun(call, address_space.plan(call, library), guest, library).outcome()

    def left_behind(self, call: Call, buffer: str) -> bytes | None:
        """What a call leaves in a buffer, however it ends; None if it made system calls. Nothing is explained.

        Raises:
            EngineUnavailableError: The host refuses more than ptrace.
        """
        call = _shared(call)
        with refusals_named():
            return SelfReportedRun(call, address_space.plan(call, None), SelfReportingGuest(), None).left_in(buffer)


def _shared(call: Call) -> Call:
    """The call with its code among the memory that both processes share."""
    return dataclasses.replace(call, backing=None)


class SelfReportedRun(Run):
    """One run, as its own process tells it; a process that dies in silence is an outcome like any other."""

    guest: SelfReportingGuest

    def to_the_end(self) -> RunEnding:
        """Run it; where it was ended without a report, say so."""
        try:
            return super().to_the_end()
        except UnreportedError as end:
            return self._unreported(end)

    def _unreported(self, end: UnreportedError) -> RunEnding:
        if self.before is None:
            raise end
        limits = self.call.limits
        if end.number in (signal.SIGKILL, signal.SIGXCPU) and self.guest.age_s >= limits.time_s:
            limit = limits.time_limit
            return TimedOut, {"limit": limit, "cause": endings.limit_reached(limit, limits)}
        if end.number == signal.SIGKILL:
            raise end
        name = signal.Signals(end.number).name
        return Faulted, {"signal": name, "cause": endings.unreported(name)}

    def _flushed(self, library: Library) -> RunEnding:
        try:
            return super()._flushed(library)
        except UnreportedError:
            return Returned, {}

    def _history(self) -> Trace | None:
        try:
            return super()._history()
        except UnreportedError:
            return None
