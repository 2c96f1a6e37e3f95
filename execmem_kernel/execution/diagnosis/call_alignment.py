"""Warnings of calls that are made with a stack that is not 16-aligned."""

from __future__ import annotations

from execmem_kernel.execution.contract.call import Start
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.diagnosis import alignment
from execmem_kernel.execution.diagnosis.final_state import FinalState
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.x86.disassembler import disassemble


def check_calls(ending: FinalState) -> tuple[Warned, ...]:
    """Calls made with a stack that is not 16-aligned: what the code proves, and what was seen where it proves nothing.

    A compiler calls functions of the same file as it likes (System V ABI, AMD64 supplement, 3.2: local functions may
    use conventions of their own), so what it has written is held to that for calls out of the file only.
    """
    program, before = ending.call.program, ending.before["rsp"]
    never_return = frozenset(at for name, at in program.externs.items() if name in alignment.NEVER_RETURN)
    proved = alignment.stack_at_calls(program.code, program.address, ending.entry, before % 16, never_return)
    found = {address: rest for address, rest in proved.items() if rest}
    if ending.trace is not None:
        for step in ending.trace.where("call"):
            if step.before["rsp"] % 16 and proved.get(step.address) is None:
                found.setdefault(step.address, step.before["rsp"] % 16)
    if ending.misaligned is not None:
        row = program.row_at(ending.misaligned - 1)
        if row is not None and proved.get(row.address) is None:
            found.setdefault(row.address, 8)
    if not found:
        return ()
    return tuple(
        _misaligned(row, found[row.address], ending.call.start, _stays_inside(program, row))
        for row in sorted(filter(None, map(program.row_at, found)), key=lambda row: row.address)
        if not (program.compiled and _stays_inside(program, row))
    )


def _stays_inside(program: Program, row: ListingRow) -> bool:
    target = disassemble(row.code, row.address)[0].target
    return target is not None and program.text.address <= target < program.text.end


def _misaligned(row: ListingRow, rest: int, start: Start, inside: bool) -> Warned:
    hint = "at a function's first instruction rsp is 16n+8: `sub rsp, 8` before the call, `add rsp, 8` after it"
    if inside:
        hint += "; it does no harm until something that is called there uses aligned vectors, as the C library does"
    if start == "process":
        hint = (
            "at `_start` rsp is a multiple of 16, at a function's first instruction 16n+8: `sub rsp, 8` makes up for it"
        )
    return Warned(
        "stack-alignment",
        f"`{row.text}` with rsp = 16n+{rest}: at a call it must be a multiple of 16",
        row.span.line,
        hint,
    )
