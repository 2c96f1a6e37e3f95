"""Causes of SIGTRAP: breakpoints, the fill behind the code, the trap flag."""

from __future__ import annotations

from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import page_ceil
from execmem_kernel.execution.contract.cause import Cause, Explanation
from execmem_kernel.execution.contract.signal_codes import SI_KERNEL, TRAP_BRKPT
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.x86.registers import TRAP_FLAG

_INT3, _INT1 = b"\xcc", b"\xf1"


def _is_in_or_behind_code(context: FaultContext) -> bool:
    """Whether rip lies in the program's pages: a trap leaves it behind the instruction that trapped."""
    return context.in_code or context.program.address < context.rip <= page_ceil(context.program.text.end)


def icebp(context: FaultContext) -> Explanation | None:
    """`int1`, which traps as a hardware breakpoint does."""
    if not _is_in_or_behind_code(context) or context.stop.code != TRAP_BRKPT:
        return None
    at = next((at for at in (context.rip, context.rip - 1) if context.stop.read(at, 1) == _INT1), None)
    if at is None:
        return None
    cause = Cause(
        "icebp",
        "`int1` (icebp) is a breakpoint for hardware debuggers, and there is none here",
        look_at="for a breakpoint of your own, use `int3`",
    )
    return Explanation(cause, context.program.row_at(at))


def breakpoint_(context: FaultContext) -> Explanation | None:
    """`int3`: one of the program's own, or the fill between its functions and behind its last instruction."""
    if not _is_in_or_behind_code(context) or context.stop.code != SI_KERNEL:
        return None
    program, rip = context.program, context.rip
    short = context.stop.read(rip - 1, 1) == _INT3
    at = rip - 1 if short else rip - 2  # `int 3` has two bytes
    if short and at >= program.text.end:
        row = program.row_at(program.text.end - 1)
        last = next((one for one in reversed(program.listing) if one.segment == "text"), row)
        return Explanation(_ran_past(context, "ran past the last instruction: there is no `ret` at the end"), last)
    row = program.row_at(at)
    if row is not None and row.kind == "padding":
        return Explanation(
            _ran_past(context, "ran past the end of a function into the filling behind it: there is no `ret`"), row
        )
    cause = Cause(
        "breakpoint",
        f"`{'int3' if short else 'int 3'}` is a breakpoint: the program stopped itself here",
        look_at="take it out, or look at the registers as they are here",
    )
    return Explanation(cause, row)


def _ran_past(context: FaultContext, sentence: str) -> Cause:
    if context.stop.call.start == "process":  # nobody has called it: a `ret` would be the next fault
        sentence = sentence.replace("there is no `ret`", "nothing ends the program")
        exit_ = context.lines("mov eax, 60", "xor edi, edi", "syscall")
        return Cause(
            "ran-past-end", sentence.removesuffix(" at the end"), look_at=f"end it with the system call exit: {exit_}"
        )
    return Cause("ran-past-end", sentence, look_at="end the function with `ret`")


def trap_flag(context: FaultContext) -> Explanation | None:
    """Single stepping that the program has switched on for itself."""
    if not context.registers["rflags"] & TRAP_FLAG:
        return None
    cause = Cause(
        "trap-flag",
        "the program has set the trap flag, which stops it after the next instruction",
        MappingProxyType({"rflags": context.registers["rflags"]}),
        "bit 8 of the flags is for debuggers: leave it 0 in what `popfq` takes",
    )
    return Explanation(cause, context.row_of(context.last_step) or context.row)
