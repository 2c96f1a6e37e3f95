"""Why a program stopped: signal, address and instruction to a named cause, in one table.

The kernel's own word is not enough: SIGSEGV with address 0 may be a null pointer, an address that cannot exist, a
misaligned vector or a privileged instruction. So the instruction is decoded and the address it used is computed from
the registers. `TABLE` at the end lists every cause in the order in which they are tried; the first that fits is the
answer.
"""

from __future__ import annotations

from collections.abc import Callable

from execmem_kernel.execution.contract.cause import Cause, Explanation
from execmem_kernel.execution.diagnosis import arithmetic, instructions, jumps, memory, stack, traps, wandering
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.stop import Stop

Rule = Callable[[FaultContext], Cause | Explanation | None]

_MEMORY = ("SIGSEGV", "SIGBUS")

TABLE: tuple[tuple[tuple[str, ...], Rule], ...] = (
    ((*_MEMORY, "SIGILL", "SIGFPE", "SIGTRAP"), wandering.ran_into_data),
    ((*_MEMORY, "SIGILL", "SIGFPE", "SIGTRAP"), wandering.inside_instruction),
    (("SIGTRAP",), traps.icebp),
    (("SIGTRAP",), traps.breakpoint_),
    (("SIGTRAP",), traps.trap_flag),
    (("SIGFPE",), arithmetic.division),
    (("SIGFPE",), arithmetic.floating_point),
    (("SIGFPE",), arithmetic.arithmetic),
    (("SIGBUS",), memory.alignment_check),
    ((*_MEMORY, "SIGILL", "SIGTRAP"), jumps.wild_jump),
    (_MEMORY, instructions.software_interrupt),
    (_MEMORY, jumps.non_canonical_jump),
    (_MEMORY, stack.leave_without_frame),
    (_MEMORY, stack.stack_pointer_lost),
    (_MEMORY, stack.stack_overflow),
    (_MEMORY, stack.above_stack),
    (_MEMORY, memory.thread_storage),
    (_MEMORY, memory.write_to_code),
    (_MEMORY, memory.null_pointer),
    (_MEMORY, memory.negative_offset),
    (_MEMORY, memory.non_canonical),
    (_MEMORY, memory.kernel_half),
    (_MEMORY, memory.beside_buffer),
    (_MEMORY, memory.beside_segment),
    (_MEMORY, memory.beside_mapping),
    (_MEMORY, memory.unmapped),
    (_MEMORY, instructions.privileged),
    (_MEMORY, instructions.segment_register),
    (_MEMORY, memory.misaligned),
    (_MEMORY, instructions.mxcsr),
    (_MEMORY, instructions.too_long),
    (_MEMORY, instructions.general_protection),
    (("SIGILL",), instructions.kernels_own_call),
    (("SIGILL",), instructions.privileged),
    (("SIGILL",), instructions.undefined_on_purpose),
    (("SIGILL",), instructions.no_sysenter),
    (("SIGILL",), instructions.lock_misused),
    (("SIGILL",), instructions.not_an_instruction),
    (("SIGILL",), instructions.missing_feature),
    (("SIGILL",), instructions.illegal_instruction),
)
"""Signals -> a rule that gives the cause, if it is this one; tried in this order."""


def explain(stop: Stop) -> Explanation:
    """The cause of a stop: that of the first row of the table that fits."""
    context = FaultContext(stop)
    for signals, rule in TABLE:
        found = rule(context) if stop.signal in signals else None
        if isinstance(found, Cause):
            return Explanation(found, context.row, None if context.access is None else context.access.address)
        if found is not None:
            return found
    return Explanation(Cause("unknown", f"stopped by {stop.signal}, for a reason that is not known"), context.row)
