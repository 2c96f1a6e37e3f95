"""Why a program stopped: signal, address and instruction to a named cause, in one table.

The kernel's own word is not enough: SIGSEGV with address 0 may be a null pointer, an address that cannot exist, a
misaligned vector or a privileged instruction. So the instruction is decoded and the address it used is computed from
the registers. `TABLE` at the end lists every cause in the order in which they are tried; the first that fits is the
answer.
"""

from __future__ import annotations

from collections.abc import Callable

from execmem_kernel.execution.contract.cause import Explanation
from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.diagnosis.arithmetic import arithmetic, division, floating_point
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.instructions import (
    general_protection,
    kernels_own_call,
    mxcsr,
    privileged,
    ran_into_data,
    segment_register,
    software_interrupt,
    too_long,
    undefined,
)
from execmem_kernel.execution.diagnosis.jumps import non_canonical_jump, wild_jump
from execmem_kernel.execution.diagnosis.memory import (
    alignment_check,
    beside_buffer,
    beside_mapping,
    beside_segment,
    kernel_half,
    misaligned,
    negative_offset,
    non_canonical,
    null_pointer,
    thread_storage,
    unmapped,
    write_to_code,
)
from execmem_kernel.execution.diagnosis.stack import (
    above_stack,
    leave_without_frame,
    stack_overflow,
    stack_pointer_lost,
)
from execmem_kernel.execution.diagnosis.stop import Stop
from execmem_kernel.execution.diagnosis.traps import trap


def explain(stop: Stop) -> Explanation:
    """Find the first row of the table that fits."""
    scene = FaultContext(stop)
    for signals, rule in TABLE:
        if stop.signal in signals:
            found = rule(scene)
            if found is not None:
                if isinstance(found, Cause):
                    found = Explanation(found, scene.row, scene.access[1] if scene.access else None)
                return found
    return Explanation(Cause("unknown", f"stopped by {stop.signal}, for a reason that is not known"), scene.row)


Rule = Callable[[FaultContext], Cause | Explanation | None]


_MEMORY = ("SIGSEGV", "SIGBUS")


TABLE: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("SIGTRAP",), trap),
    (("SIGFPE",), division),
    (("SIGFPE",), floating_point),
    (("SIGFPE",), arithmetic),
    (("SIGBUS",), alignment_check),
    ((*_MEMORY, "SIGILL", "SIGTRAP"), wild_jump),
    ((*_MEMORY, "SIGILL"), ran_into_data),
    (_MEMORY, software_interrupt),
    (_MEMORY, non_canonical_jump),
    (_MEMORY, leave_without_frame),
    (_MEMORY, stack_pointer_lost),
    (_MEMORY, stack_overflow),
    (_MEMORY, above_stack),
    (_MEMORY, thread_storage),
    (_MEMORY, write_to_code),
    (_MEMORY, null_pointer),
    (_MEMORY, negative_offset),
    (_MEMORY, non_canonical),
    (_MEMORY, kernel_half),
    (_MEMORY, beside_buffer),
    (_MEMORY, beside_segment),
    (_MEMORY, beside_mapping),
    (_MEMORY, unmapped),
    (_MEMORY, privileged),
    (_MEMORY, segment_register),
    (_MEMORY, misaligned),
    (_MEMORY, mxcsr),
    (_MEMORY, too_long),
    (_MEMORY, general_protection),
    (("SIGILL",), kernels_own_call),
    (("SIGILL",), privileged),
    (("SIGILL",), undefined),
)
"""Signals -> a rule that gives the cause, if it is this one; tried in this order."""
