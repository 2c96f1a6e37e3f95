"""What the functions that a program calls inside itself keep and give back: seen step by step, in a traced run.

Each call is matched with the `ret` that comes back from it, by the return address that lies between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.calling_convention import CALLEE_SAVED
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.contract.trace import Step, Trace
from execmem_kernel.x86.registers import FLAGS

KEEP = "push {0} first and pop it before the ret, or use rax, rcx, rdx, rsi, rdi or r8 to r11"
"""What to do about a register of the caller's."""


def check(trace: Trace, call: Call) -> Iterator[Warned]:
    """Every breach of the convention between a call and its return, once for each function."""
    seen: set[tuple[str, str]] = set()
    for made, returned in _pairs(trace):
        name = made.text.partition(" ")[2]
        for breach, warned in _between(trace, made, returned, name):
            if (name, breach) not in seen:
                seen.add((name, breach))
                yield warned
    yield from dict.fromkeys(_overwritten(trace, call))


def _pairs(trace: Trace) -> Iterator[tuple[Step, Step]]:
    """Each call, and the step that came back from it."""
    steps = sorted((*trace.where("call"), *trace.where("ret")), key=lambda step: step.index)
    open_calls: list[Step] = []
    for step in steps:
        if step.text.startswith("call"):
            open_calls.append(step)
            continue
        for depth in range(len(open_calls) - 1, -1, -1):
            made = open_calls[depth]
            if _behind(made) == step.after["rip"] and step.before["rsp"] <= made.after["rsp"]:
                del open_calls[depth:]
                yield made, step
                break


def _behind(made: Step) -> int:
    """Where a call comes back to."""
    return made.address + len(made.place.code)


def _between(trace: Trace, made: Step, returned: Step, name: str) -> Iterator[tuple[str, Warned]]:
    before, after = made.before, returned.after
    for register in CALLEE_SAVED:
        if before[register] != after[register]:
            step = trace.last_write(register, before=returned)
            yield (
                register,
                Warned(
                    "callee-saved",
                    f"{register} is the caller's, and `{name}`, called on line {made.line}, has changed it",
                    None if step is None else step.line,
                    KEEP.format(register),
                ),
            )
    if before["rsp"] != after["rsp"]:
        off = after["rsp"] - before["rsp"]
        yield (
            "rsp",
            Warned(
                "stack-pointer",
                f"`{name}`, called on line {made.line}, leaves rsp {abs(off)} bytes {'above' if off > 0 else 'below'} "
                "where it was",
                returned.line,
                "take off the stack what was put on it, and no more",
            ),
        )
    if after["rflags"] >> FLAGS["DF"] & 1 and not before["rflags"] >> FLAGS["DF"] & 1:
        inside = trace[made.index - trace.first : returned.index - trace.first].where("DF set")
        yield (
            "DF",
            Warned(
                "direction-flag",
                f"`{name}`, called on line {made.line}, leaves the direction flag set",
                inside[0].line if inside else None,
                "clear it with `cld` before the ret",
            ),
        )


_Slot = tuple[int, str]
"""Where a return address lies on the stack, and whose it is."""


def _overwritten(trace: Trace, call: Call) -> Iterator[Warned]:
    """Return addresses that were written over: the program's own, and those of what it calls."""
    waiting: list[_Slot] = [] if call.start == "process" else [(trace.state(0)["rsp"], "the program")]
    calls = {address for address, place in trace.places.items() if place.mnemonic == "call"}
    for position, address, size in trace.stores():
        rip, rsp = trace.at(position)
        while waiting and waiting[-1][0] < rsp:
            waiting.pop()  # it has been taken off the stack: by a `ret`, most likely
        if rip in calls:
            if address == rsp - 8:
                waiting.append((address, f"`{trace[position].text.partition(' ')[2]}`"))
        elif any(address < slot + 8 and address + size > slot for slot, _ in waiting):
            yield from _changed(trace[position], address, size, waiting)


def _changed(step: Step, address: int, size: int, slots: Sequence[_Slot]) -> Iterator[Warned]:
    """The return addresses that a store of a step has changed; one that writes the same bytes does no harm."""
    for access in step.writes:
        if (access.address, len(access.data)) != (address, size) or access.before is None:
            continue
        for slot, whose in slots:
            if not (address < slot + 8 and address + size > slot):
                continue
            first = slot - address
            part = slice(max(first, 0), first + 8)
            if access.data[part] != access.before[part]:
                yield Warned(
                    "return-address",
                    f"the return address of {whose} was written over",
                    step.line,
                    "what lies at rsp when a function begins is its caller's: take room below it first",
                )
