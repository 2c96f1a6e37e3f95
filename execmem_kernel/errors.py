"""Every error this package raises, on one page.

What a student's program does (a segmentation fault, an endless loop) is an `Outcome`, a value; it becomes one of
the `ProgramFault` errors only where a cell must turn red. Misuse and the world raise the others.

    ExecmemError
        AssemblyError                       the source text is wrong: all its diagnostics, not the first
        EncoderLostError                    our encoder process broke, not the student's text
        MagicError                          %%asm was given an option or a value it cannot use
        PrototypeError        (ValueError)  a C prototype cannot be read, or an argument does not fit it
        CodeMemoryError
            ClosedMemoryError     (ValueError)       used after it was closed
            SealedMemoryError     (ValueError)       written to after it was sealed
            UnsealedMemoryError   (ValueError)       called before it was sealed
            MemoryInUseError      (RuntimeError)     a call is still running in it
            InheritedMemoryError  (RuntimeError)     belongs to the process this one was forked from
            AddressError          (ValueError)
                ForeignAddressError                  not an address of ours
                InteriorAddressError                 inside a block, not its start
                StaleAddressError                    was ours, was released, and is not in use now
                DoubleReleaseError                   released before
            OutOfCodeMemoryError  (MemoryError)      asked, available, limit of the policy
            UnreachableError      (MemoryError)      no room within reach of the address asked for
            ProtectionDeniedError (PermissionError)  the kernel refused; says which rule to look at
            LeakError             (AssertionError)   something outlived the block that should have freed it
        ExecutionError
            EngineUnavailableError                   what is missing on this host and how to get it
            WorkerLostError                          our runner broke, not the student's code
            NotRecordedError      (LookupError)      a trace was asked for what lies in its gaps
        ProgramFault                                 what a student's program did, raised to make a cell red
            SegmentationFault
            BusError
            IllegalInstruction
            ArithmeticFault
            BreakpointTrap
            ForbiddenSystemCall
            TimeLimitExceeded
            LimitExceeded
            ProgramExited
            ExpectationFailed                        --expect named something else than what happened
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from execmem_kernel.program.diagnostic import Diagnostic


class ExecmemError(Exception):
    """Any failure this package reports."""

    def _render_traceback_(self) -> list[str]:
        """Show one line in a notebook: the frames between the cell and us teach a student nothing."""
        return [f"{type(self).__name__}: {self}"]


class AssemblyError(ExecmemError):
    """The source text cannot be assembled; `diagnostics` has every error found, in the order of the lines."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(tuple(diagnostics))
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)

    def __str__(self) -> str:
        return "\n".join(str(diagnostic) for diagnostic in self.diagnostics)


class EncoderLostError(ExecmemError):
    """The encoder's process died or hung twice on the same request; the text may still be right."""


class MagicError(ExecmemError):
    """A magic was given an option or a value that it cannot use."""


class PrototypeError(ExecmemError, ValueError):
    """A C prototype cannot be read, or an argument does not fit it."""


class CodeMemoryError(ExecmemError):
    """Executable memory was misused, or could not be had."""


class ClosedMemoryError(CodeMemoryError, ValueError):
    """The memory was used after it had been closed (by you; a stale raw address is a StaleAddressError)."""


class SealedMemoryError(CodeMemoryError, ValueError):
    """The memory was written to after it had been sealed."""


class UnsealedMemoryError(CodeMemoryError, ValueError):
    """The memory was called before it had been sealed."""


class MemoryInUseError(CodeMemoryError, RuntimeError):
    """The memory cannot be given up or moved now: a call is still running in it."""


class InheritedMemoryError(CodeMemoryError, RuntimeError):
    """The memory belongs to the process this one was forked from: it may be called here, not changed."""


class AddressError(CodeMemoryError, ValueError):
    """A raw address was given where the start of a live block is needed."""


class ForeignAddressError(AddressError):
    """The address was never one of ours."""


class InteriorAddressError(AddressError):
    """The address lies inside a live block, but is not its start."""


class StaleAddressError(AddressError):
    """The address belonged to a block that has been released."""


class DoubleReleaseError(AddressError):
    """The address is the start of a block that has been released before."""


class OutOfCodeMemoryError(CodeMemoryError, MemoryError):
    """The growth policy or the host allows no more code memory; says what was asked and what there is."""


class UnreachableError(CodeMemoryError, MemoryError):
    """There is no room within reach of the address that the code was to be placed near."""


class ProtectionDeniedError(CodeMemoryError, PermissionError):
    """The kernel refused a protection or a mapping; says which rule of the host to look at."""


class LeakError(CodeMemoryError, AssertionError):
    """Executable memory outlived the block that should have freed it."""


class ExecutionError(ExecmemError):
    """A program could not be run, for a reason that lies with us or with the host."""


class EngineUnavailableError(ExecutionError):
    """This host lacks what an engine needs; says what, and how to get it."""


class WorkerLostError(ExecutionError):
    """Our runner broke before or after the student's code ran; the code is not to blame."""


class NotRecordedError(ExecutionError, LookupError):
    """A trace holds samples only of the steps that would have to be looked at."""


class ProgramFault(ExecmemError):
    """A student's program did not end as a function should; the message is the first sentence of the report."""


class SegmentationFault(ProgramFault):
    """SIGSEGV: memory was used in a way its page does not allow."""


class BusError(ProgramFault):
    """SIGBUS: an address that cannot be a stack address, or an alignment that was asked to be checked."""


class IllegalInstruction(ProgramFault):
    """SIGILL: bytes this CPU does not execute."""


class ArithmeticFault(ProgramFault):
    """SIGFPE: a division that has no result, or an unmasked floating-point exception."""


class BreakpointTrap(ProgramFault):
    """SIGTRAP: a breakpoint or a trap flag in the program, or its end was run past."""


class ForbiddenSystemCall(ProgramFault):
    """SIGSYS: a system call that a program in a cell may not make."""


class TimeLimitExceeded(ProgramFault):
    """The program did not end within its time."""


class LimitExceeded(ProgramFault):
    """The program went past a limit other than time: steps, output, memory, system calls."""


class ProgramExited(ProgramFault):
    """The program asked the operating system to end it instead of returning."""


class ExpectationFailed(ProgramFault):
    """`--expect` named something else than what happened."""
