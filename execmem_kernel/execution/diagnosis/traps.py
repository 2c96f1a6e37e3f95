"""Causes of SIGTRAP: breakpoints, the fill behind the code, the trap flag."""

from __future__ import annotations

from types import MappingProxyType

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.cause import Explanation
from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.contract.signal_codes import SEGV_MAPERR, SI_KERNEL
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.x86.registers import TRAP_FLAG

# ---- traps -----------------------------------------------------------------------------------------------------------


def trap(scene: FaultContext) -> Explanation | None:
    """SIGTRAP: a breakpoint of the program's own, the filler behind its end, or the trap flag."""
    program, rip = scene.program, scene.rip
    behind = scene.stop.read(rip - 1, 1)
    if scene.in_code or program.address < rip <= address_map.page_ceil(program.text.end):
        for at in (rip, rip - 1):
            if scene.stop.code == SEGV_MAPERR and scene.stop.read(at, 1) == b"\xf1":
                cause = Cause(
                    "icebp",
                    "`int1` (icebp) is a breakpoint for hardware debuggers, and there is none here",
                    look_at="for a breakpoint of your own, use `int3`",
                )
                return Explanation(cause, program.row_at(at))
        if scene.stop.code == SI_KERNEL:
            short = behind == b"\xcc"
            at = rip - 1 if short else rip - 2
            if at >= program.text.end and short:
                row = program.row_at(program.text.end - 1)
                last = next((one for one in reversed(program.listing) if one.segment == "text"), row)
                cause = Cause(
                    "ran-past-end",
                    "ran past the last instruction: there is no `ret` at the end",
                    look_at="end the function with `ret`",
                )
                return Explanation(cause, last)
            row = program.row_at(at)
            if row is not None and row.kind == "padding":
                cause = Cause(
                    "ran-past-end",
                    "ran past the end of a function into the filling behind it: there is no `ret`",
                    look_at="end the function with `ret`",
                )
                return Explanation(cause, row)
            text = "int3" if short else "int 3"
            cause = Cause(
                "breakpoint",
                f"`{text}` is a breakpoint: the program stopped itself here",
                look_at="take it out, or look at the registers as they are here",
            )
            return Explanation(cause, row)
    if scene.registers["rflags"] & TRAP_FLAG:
        step = scene.last_step
        row = scene.row_of(step) or scene.row
        cause = Cause(
            "trap-flag",
            "the program has set the trap flag, which stops it after the next instruction",
            MappingProxyType({"rflags": scene.registers["rflags"]}),
            "bit 8 of the flags is for debuggers: leave it 0 in what `popfq` takes",
        )
        return Explanation(cause, row)
    return None
