"""The engine that watches programs from outside, with ptrace.

The program shares nothing with the notebook but the read-only pages of its own code. It reports nothing: registers and
memory are read from outside when it stops, so it can neither fake a result nor break the reporting.
"""

from __future__ import annotations

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import ExecutionError, WorkerLostError
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.execution.engines.run import Run
from execmem_kernel.execution.libc.library import library_for
from execmem_kernel.execution.process import address_space
from execmem_kernel.execution.process.affinity import OneProcessor
from execmem_kernel.execution.process.guest import Guest, PtraceRefusedError
from execmem_kernel.execution.process.stops import TAKEN
from execmem_kernel.memory.capabilities import WORKS
from execmem_kernel.memory.hooks import Witness


class PtraceEngine:
    """The engine behind `run`: every call gets a process of its own."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            ValueError: A register or a buffer cannot be what was asked for.
            EngineUnavailableError: This host refuses what the runner needs.
            WorkerLostError: The runner itself broke.
        """
        guest = Guest()
        try:
            with library_for(call.program) as library:
                plan = address_space.plan(call, library)
                with OneProcessor(), guest:
                    return Run(call, plan, guest, library).outcome()
        except ChildProcessError as error:
            raise WorkerLostError(TAKEN) from error
        except PtraceRefusedError:
            from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine

            return SelfReportingEngine().run(call)


def _watching() -> tuple[Witness | None, str]:
    """Watch the shortest program there is: who can tell what it did, and "works" or why nobody could watch it."""
    call = Call(assemble("ret"))
    guest = Guest()
    try:
        with OneProcessor(), guest:
            Run(call, address_space.plan(call), guest, None).to_the_end()
    except PtraceRefusedError as error:
        return "guest", str(error)
    except (ExecutionError, OSError) as error:
        return None, str(error)
    return "supervisor", WORKS


def left_behind(call: Call, buffer: str) -> bytes | None:
    """What a call leaves in one of its buffers, however it ends; None if it made system calls. Nothing is explained.

    Raises:
        EngineUnavailableError: This host refuses what the runner needs.
    """
    try:
        return Run(call, address_space.plan(call, None), Guest(), None).left_in(buffer)
    except PtraceRefusedError:
        from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine

        return SelfReportingEngine().left_behind(call, buffer)
