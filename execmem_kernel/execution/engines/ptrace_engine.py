"""The engine that watches programs from outside, with ptrace.

The program shares nothing with the notebook but the read-only pages of its own code. It reports nothing: registers and
memory are read from outside when it stops, so it can neither fake a result nor break the reporting.
"""

from __future__ import annotations

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.execution.engines.refusals import refusals_named
from execmem_kernel.execution.engines.run import Run
from execmem_kernel.execution.libc.library import library_for
from execmem_kernel.execution.process import address_space
from execmem_kernel.execution.process.affinity import OneProcessor
from execmem_kernel.execution.process.guest import Guest


class PtraceEngine:
    """Runs every call in a process of its own, which it traces."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            ValueError: A register or a buffer cannot be what was asked for.
            PtraceRefusedError: This host refuses ptrace; a process may still report for itself.
            EngineUnavailableError: This host refuses something else that the runner needs.
            WorkerLostError: The runner itself broke.
        """
        guest = Guest()
        with refusals_named(), library_for(call.program) as library:
            plan = address_space.plan(call, library)
            with OneProcessor(), guest:
                return Run(call, plan, guest, library).outcome()

    def left_behind(self, call: Call, buffer: str) -> bytes | None:
        """What a call leaves in a buffer, however it ends; None if it made system calls. Nothing is explained.

        Raises:
            PtraceRefusedError: This host refuses ptrace; a process may still report for itself.
            EngineUnavailableError: This host refuses something else that the runner needs.
        """
        with refusals_named():
            return Run(call, address_space.plan(call, None), Guest(), None).left_in(buffer)
