"""Which engine runs a program where none is named: ptrace, or where a host refuses that, the program's own process."""

from __future__ import annotations

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import ExecutionError
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.details import Witness
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine
from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine
from execmem_kernel.execution.process.guest import PtraceRefusedError
from execmem_kernel.memory.capabilities import WORKS


class DefaultEngine:
    """Tries ptrace at every run, because what a host allows can change, and falls back on self-reporting."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            ValueError: A register or a buffer cannot be what was asked for.
            EngineUnavailableError: This host refuses what both engines need.
            WorkerLostError: The runner itself broke.
        """
        try:
            return PtraceEngine().run(call)
        except PtraceRefusedError:
            return SelfReportingEngine().run(call)

    def left_behind(self, call: Call, buffer: str) -> bytes | None:
        """What a call leaves in a buffer, however it ends; None if it made system calls. Nothing is explained.

        Raises:
            EngineUnavailableError: This host refuses what both engines need.
        """
        try:
            return PtraceEngine().left_behind(call, buffer)
        except PtraceRefusedError:
            return SelfReportingEngine().left_behind(call, buffer)


def watching() -> tuple[Witness | None, str]:
    """Run the shortest program there is: who can report what it did, and "works" or what refuses ptrace."""
    call = Call(assemble("ret"))
    try:
        PtraceEngine().run(call)
    except PtraceRefusedError as refused:
        try:
            SelfReportingEngine().run(call)
        except ExecutionError as error:
            return None, str(error)
        return "guest", str(refused)
    except ExecutionError as error:
        return None, str(error)
    return "supervisor", WORKS
