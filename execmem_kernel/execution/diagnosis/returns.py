"""Causes of a `ret` that took something else than the return address for it."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from execmem_kernel.execution.contract.calling_convention import CALLEE_SAVED
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.contract.trace import Step
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.stack_balance import Balance, StackFrame, StackItem, balance, frame_of
from execmem_kernel.program.program import ListingRow
from execmem_kernel.wording import listed

_EXIT = ("mov eax, 60", "xor edi, edi", "syscall")


def bad_return(context: FaultContext, target: int, slot: int, row: ListingRow | None) -> Cause:
    """The cause of a `ret` to what was no return address.

    Which it is shows in where the address was taken from: below the place where the call had left the return address,
    above it, or there.

    Args:
        context: The stop.
        target: Where `ret` went.
        slot: The address of the stack that it took this from.
        row: The `ret`.
    """
    at_entry, _ = context.stop.plan.first
    took = f"`ret` took {context.address(target)} for its return address"
    frame = _frame(context)
    if context.stop.call.start == "process" and (frame is None or frame.slot == at_entry) and slot >= at_entry:
        value = context.address(target)
        given = f"the number of arguments, {value}," if slot == at_entry else value
        return Cause(
            "return-from-start",
            f"`ret` has nowhere to go: nobody has called `_start`, and it took {given} for its return address",
            _evidence(slot),
            f"a program that starts at `_start` ends with the system call exit: {context.lines(*_EXIT)}; one that "
            "starts at `main`, or has neither label, may end with `ret`",
        )
    if frame is None:
        return _without_steps(context, took, slot, at_entry)
    if slot != frame.slot:
        found = balance(frame.changes)
        if slot < frame.slot and found.left:
            return _left(context, took, slot, frame.slot - slot, found.left, row)
        if slot > frame.slot and found.surplus:
            return _surplus(context, took, found.surplus, slot)
    step = _last_write(context, slot, frame)
    if step is None:
        return _without_steps(context, took, slot, at_entry)
    return Cause(
        "return-address-overwritten",
        f"{took}: it was overwritten{_by(context, step)}",
        _evidence(slot),
        "something wrote past its place on the stack, over what the call had left there",
    )


def stack_is_empty(context: FaultContext) -> Cause | None:
    """The cause of a `ret` or `pop` above the start of the stack; None where too much taken off does not explain it."""
    frame = _frame(context)
    found = None if frame is None else balance(frame.changes)
    if found is None or not found.surplus:
        return None
    if context.mnemonic == "ret":
        return _surplus(context, "`ret` finds the stack empty: the return address is gone", found.surplus, context.rsp)
    if context.mnemonic == "pop":
        return Cause(
            "return-address-popped",
            f"`{context.typed}` finds the stack empty: {_taken_off(context, found)}",
            _evidence(context.rsp),
            "every pop needs a push of this function's own",
        )
    return None


def _taken_off(context: FaultContext, found: Balance) -> str:
    return f"the return address was taken off it on line {found.surplus[0].step.line}"


def _evidence(slot: int) -> MappingProxyType[str, int]:
    return MappingProxyType({"rsp": slot})


def _frame(context: FaultContext) -> StackFrame | None:
    """The function that the `ret` ends, before it is carried out."""
    trace = context.history
    if trace is None:
        return None
    if context.last_step is not None and context.last_step.place.mnemonic == "ret" and not context.in_code:
        trace = trace[:-1]
    return frame_of(trace, context.stop.plan.first[0])


def _last_write(context: FaultContext, slot: int, frame: StackFrame) -> Step | None:
    """The step that last wrote one of the 8 bytes at a place of the stack, since the function was entered."""
    found = [step for step in map(context.last_write, range(slot, slot + 8)) if step is not None]
    last = max(found, key=lambda step: step.index, default=None)
    return None if last is None or last.index < frame.entered else last


def _by(context: FaultContext, step: Step) -> str:
    """Which line wrote something, as the end of a sentence."""
    if step.line is not None:
        return f" on line {step.line}"
    call = context.call_of(step)
    return f" by {step.text}" + ("" if call is None or call.line is None else f", called on line {call.line}")


def _without_steps(context: FaultContext, took: str, slot: int, at_entry: int) -> Cause:
    """What is known where the steps that led to it are not."""
    if slot == at_entry:  # the program's own return address lies nowhere else
        return Cause(
            "return-address-overwritten",
            f"{took}: it was overwritten",
            _evidence(slot),
            "something wrote past its place on the stack, over what the call had left there",
        )
    return Cause(
        "bad-return",
        f"{took}, and no code is there",
        _evidence(slot),
        "when `ret` is carried out, rsp must be what it was when the function began",
    )


def _left(
    context: FaultContext, took: str, slot: int, size: int, left: Sequence[StackItem], row: ListingRow | None
) -> Cause:
    """The cause where something still lies upon the return address."""
    if all(item.is_push for item in left):
        return Cause(
            "push-without-pop",
            f"{took}: {_too_many('push', 'pushes', left)}",
            _evidence(slot),
            f"every push needs a pop before the ret: {_give_back(context, size, left, row)}",
        )
    parts = []
    for item in _grouped(left):
        name = context.quoted(item.step)
        whole = item.step.before["rsp"] - item.step.after["rsp"]
        if item.is_push:
            parts.append(f"what {name} pushed was not popped")
        elif item.size % whole:
            parts.append(f"of the {whole} bytes that {name} took, {item.size} were not given back")
        else:
            parts.append(f"what {name} took was not given back")
    return Cause(
        "stack-area-left",
        f"{took}, which lies {size} bytes higher: {listed(parts)}",
        _evidence(slot),
        f"give back what is taken: {_give_back(context, size, left, row)}",
    )


def _give_back(context: FaultContext, size: int, left: Sequence[StackItem], row: ListingRow | None) -> str:
    """The line that makes up for what was left, and where it belongs."""
    only = left[0]
    crossed = next((item.crossed for item in left if item.crossed is not None), None)
    place = row.span.line if crossed is None and row is not None else None if crossed is None else crossed.line
    line = f"add rsp, {size}"
    if len(left) == 1 and only.is_push and only.register in CALLEE_SAVED:
        line = f"pop {only.register}"
    where = "" if place is None else f" before line {place}"
    return f"write {context.lines(line)}{where}"


def _surplus(context: FaultContext, took: str, surplus: Sequence[StackItem], slot: int) -> Cause:
    """The cause where the return address has been taken off."""
    if all(item.is_push for item in surplus):
        lines = sorted({item.step.line for item in surplus if item.step.line is not None})
        leave = f"; leave out line {lines[0]}" if len(surplus) == 1 and lines else ""
        return Cause(
            "return-address-popped",
            f"{took}{':' if 'took' in took else ','} {_too_many('pop', 'pops', surplus)}",
            _evidence(slot),
            f"every pop needs a push of this function's own{leave}",
        )
    parts, fixes = [], []
    for item in surplus:
        name, moved = context.quoted(item.step), item.step.after["rsp"] - item.step.before["rsp"]
        parts.append(f"{name} took {item.size} bytes more off the stack than this function had put there")
        if item.step.text.startswith("add rsp, ") and item.step.line is not None:
            rest = moved - item.size
            fixes.append(
                f"write {context.lines(f'add rsp, {rest}')} on line {item.step.line}"
                if rest
                else f"leave out line {item.step.line}"
            )
    return Cause(
        "return-address-popped",
        f"{took}: {listed(parts)}",
        _evidence(slot),
        "; ".join(fixes) or "give back as much as was taken, and no more",
    )


def _too_many(one: str, many: str, items: Sequence[StackItem]) -> str:
    """`there was one push too many on line 2`, `there were 7 pushes too many on line 2`."""
    lines = sorted({item.step.line for item in items if item.step.line is not None})
    where = "" if not lines else f" on line {lines[0]}"
    if len(lines) > 1:
        where = f", on lines {listed([str(line) for line in lines])}"
    count = len(items)
    return f"there was one {one} too many{where}" if count == 1 else f"there were {count:,} {many} too many{where}"


def _grouped(items: Sequence[StackItem]) -> list[StackItem]:
    """One item for each instruction, with the bytes of all its rounds."""
    found: dict[int, StackItem] = {}
    for item in items:
        known = found.setdefault(item.step.address, StackItem(item.step, 0))
        known.size += item.size
    return list(found.values())
