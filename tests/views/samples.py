"""One report of each kind, for tests that hold of all of them."""

from __future__ import annotations

from execmem_kernel.execution.contract.details import SystemCall, Warned
from execmem_kernel.execution.contract.outcome import Exited, TimedOut
from execmem_kernel.program.diagnostic import Diagnostic, Span
from execmem_kernel.views.listing import diagnostics_report, program_report
from execmem_kernel.views.outcome import outcome_report
from execmem_kernel.views.report import Report
from tests.views.outcomes import NULL_READ, STACK_END, null_read, registers, returned

BAD_WORD = Diagnostic(
    "error", "ASM001", "there is no instruction 'mvo'", Span(2, 3, 6), "  mvo eax, 1", hint="did you mean mov?"
)


def samples() -> dict[str, Report]:
    loud = returned(
        after={"rax": 42, "rcx": STACK_END - 24, "rdx": 2**64 - 5, "rflags": 0x246},
        stdout=b"hello <b>\x1b[31m\n",
        stderr=b"\xff",
        buffers={"text": b"HI\0"},
        warnings=(Warned("ABI001", "rbx was not put back", 1, "push it first"),),
        system_calls=(SystemCall(1, "write", 'write(1, "hello", 5) = 5', 1, True),),
    )
    late = TimedOut(
        program=NULL_READ, before=registers(), registers=registers(), cause=null_read().cause, row=NULL_READ.listing[0]
    )
    return {
        "returned": outcome_report(returned(after={"rax": 42})),
        "loud": outcome_report(loud, show=("rbx", "rflags"), buffers={"text": b"hi\0"}),
        "fault": outcome_report(null_read()),
        "timeout": outcome_report(late),
        "exit": outcome_report(Exited(program=NULL_READ, before=registers(), registers=registers(), status=3)),
        "program": program_report(NULL_READ),
        "diagnostics": diagnostics_report([BAD_WORD]),
    }


SAMPLES = samples()
