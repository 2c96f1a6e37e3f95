"""What stepping needs of the run that it is part of; engines/run.py has it."""

from __future__ import annotations

from typing import Any, Protocol

from execmem_kernel.execution.contract.call import Call, LimitName
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.execution.process.address_space import AddressSpace
from execmem_kernel.execution.process.guest import Guest

RunEnding = tuple[type[Outcome], dict[str, Any]]
"""What a run has come to: the kind of outcome, and the fields that this kind has."""


class CodeRange(Protocol):
    """Code that is stepped over as a whole: the C library's."""

    def within(self, address: int) -> bool:
        """Whether an address lies in it."""
        ...


class SteppedRun(Protocol):
    """A run whose process has been started and stands before its first instruction."""

    raw: dict[str, int]
    """The registers at the last stop that was more than the end of a step."""

    @property
    def call(self) -> Call:
        """What is run."""
        ...

    @property
    def plan(self) -> AddressSpace:
        """The memory that the program began with."""
        ...

    @property
    def guest(self) -> Guest:
        """The process."""
        ...

    @property
    def library(self) -> CodeRange | None:
        """The C library in the process; None for a program that calls none of it."""
        ...

    def wait(self) -> int:
        """Wait for the process's next stop, and return the wait status.

        Raises:
            WorkerLostError: It has ended, where it could only stop.
        """
        ...

    def stopped(self, status: int) -> int:
        """Check that a wait status is that of a stop, and return it.

        Raises:
            WorkerLostError: The process has ended, where it could only stop.
        """
        ...

    def signalled(self, number: int) -> RunEnding | None:
        """The ending that a signal makes; None where the program goes on."""
        ...

    def system_call(self, to_exit: bool = False) -> RunEnding | None:
        """Answer the system call that the process is stopped at; the ending if that ends the program.

        Args:
            to_exit: Whether to go on to the stop at the call's end, which is where a step ends.
        """
        ...

    def answer_instruction(self) -> RunEnding | None:
        """Do what the instruction at rip would do, where the supervisor answers it; None where the program goes on."""
        ...

    def limit_reached(self, limit: LimitName) -> RunEnding:
        """The ending that a limit makes."""
        ...
