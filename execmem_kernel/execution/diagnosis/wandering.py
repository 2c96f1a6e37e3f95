"""Code that is not what was typed: rip inside an instruction, and data that are carried out.

Both do no harm at first: what faults comes later. So the way to the fault is walked back as long as it is straight.
"""

from __future__ import annotations

from collections.abc import Iterator

from execmem_kernel.execution.contract.cause import Cause, Explanation
from execmem_kernel.execution.contract.trace import Step
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.hint_lines import typed
from execmem_kernel.program.program import ListingRow
from execmem_kernel.x86.registers import GENERAL


def inside_instruction(context: FaultContext) -> Explanation | None:
    """An rip that is not where an instruction of the source begins: what went there is to blame."""
    found = [(before, row) for before, at, row in _way_back(context) if row is not None and _is_inside(row, at)]
    if not found:
        return None
    jumper, target = found[-1]
    row = context.row_of(jumper)
    place = jumper.place.instruction
    name = jumper.text.split()[0] if row is None else typed(row)
    why = ""
    if "return" in place.groups:
        slot = jumper.before["rsp"]
        steps = [context.last_write(at, jumper) for at in range(slot, slot + 8)]
        last = max((step for step in steps if step is not None), key=lambda step: step.index, default=None)
        if last is not None and last.line is not None and last.place.mnemonic != "call":
            why = f": what it took for its return address was written on line {last.line}"
    elif "indirect" in place.groups and place.operands and place.operands[0] in GENERAL:
        step = context.last_write(place.operands[0], jumper)
        if step is not None and step.line is not None:
            why = f": {place.operands[0]} was set on line {step.line}"
    cause = Cause(
        "inside-instruction",
        f"`{name}` went into the middle of line {target.span.line} (`{typed(target)}`), "
        f"and its bytes are other instructions from there on{why}",
        look_at="an instruction can be carried out from its first byte only: check where the address comes from",
    )
    return Explanation(cause, row)


def ran_into_data(context: FaultContext) -> Explanation | None:
    """Data among the instructions, carried out as one."""
    last: tuple[Step, ListingRow] | None = None
    for before, _, row in _way_back(context):
        came_from = context.row_of(before)
        if row is None or not _is_data(context, row) or came_from is row or came_from is None:
            continue
        last = before, row
    if last is None:
        here = context.row
        if here is None or here.kind != "data" or here.item == "b":
            return None  # single bytes in the text are instructions spelled out, more often than not
        return Explanation(_ran(context, "", ""), here)
    before, row = last
    came_from = context.row_of(before)
    straight = came_from is not None and before.address + len(before.place.code) == row.address
    end = ("mov eax, 60", "xor edi, edi", "syscall") if context.stop.call.start == "process" else ("ret",)
    write = f"write {context.lines(*end)} before line {row.span.line}, or a `jmp` over the data" if straight else ""
    since = f", after line {came_from.span.line} (`{typed(came_from)}`)" if came_from is not None and straight else ""
    return Explanation(_ran(context, since, write), row)


def _ran(context: FaultContext, since: str, write: str) -> Cause:
    return Cause(
        "ran-into-data",
        f"ran into data and took it for instructions{since}",
        look_at=f"{write or 'put a `ret` or a `jmp` before the data'}, or put the data in section .data",
    )


def _way_back(context: FaultContext) -> Iterator[tuple[Step, int, ListingRow | None]]:
    """From the stop back to the last jump: each step, where it led, and the row there."""
    trace = context.history
    if trace is None:
        return
    end = len(trace)
    here = trace.state(end)["rip"]
    if not context.in_code and end:  # what jumped there is to blame, and what led to that
        end -= 1
        here = trace.at(end)[0]
    for position in range(end - 1, -1, -1):
        step = trace[position]
        yield step, here, context.program.row_at(here)
        straight = step.address + len(step.place.code) == here
        here = step.address
        row = context.program.row_at(here)
        is_code = row is not None and row.kind == "instruction" and not _is_inside(row, here)
        if step.place.foreign or (is_code and not straight):
            return


def _is_inside(row: ListingRow | None, address: int) -> bool:
    return row is not None and row.kind == "instruction" and address != row.address


def _is_data(context: FaultContext, row: ListingRow) -> bool:
    """Whether a row of the code is data: bytes that have neither a label nor text are instructions spelled out."""
    if row.kind != "data":
        return False
    return row.item != "b" or "'" in row.source or '"' in row.source or row.address in context.program.labels.values()
