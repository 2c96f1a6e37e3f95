"""Causes on the stack: overflow, underflow, a lost stack pointer, `leave` without a frame."""

from __future__ import annotations

import struct
from collections import Counter
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import PAGE, STACK_END, STACK_SIZE, STACK_START
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.wording import format_amount

_STACK_WORDS = ("push", "pop", "call", "ret", "pushfq", "popfq", "enter", "leave", "pushf", "popf")
_NEAR_PAGES = 64 * PAGE
"""How far above the stack an address still counts as one that missed it."""
_NEAR_STACKS = 64 * STACK_SIZE
"""The same below it, where a program may have pushed its way down."""
_DEEP = 1_000
"""So many equal return addresses on a full stack are a recursion, whatever the last instruction was."""


def leave_without_frame(context: FaultContext) -> Cause | None:
    """`leave` with an rbp that holds no frame."""
    if context.mnemonic != "leave" or context.access is None or context.place_of(context["rbp"]) == "stack":
        return None
    return Cause(
        "leave-without-frame",
        f"`leave` takes the stack back to rbp, and rbp is {context.describe(context['rbp'])}: there is no stack frame",
        context.evidence("rbp", "rsp"),
        "begin the function with `push rbp` and `mov rbp, rsp`, or leave out `leave`",
    )


def _uses_stack(context: FaultContext) -> bool:
    """Whether the fault is of the instruction's own push or pop, or of an operand on rsp."""
    return context.access is not None and context.access.operand.base in ("rsp", "esp")


def stack_pointer_lost(context: FaultContext) -> Cause | None:
    """An rsp that points nowhere near the stack."""
    if not _uses_stack(context) or not context.instruction:
        return None
    rsp = context.rsp
    near = STACK_START - _NEAR_STACKS <= rsp <= STACK_END + _NEAR_PAGES or _took_locals(context)
    place = context.place_of(rsp)
    if near or place == "stack":
        return None
    does = f"`{context.mnemonic}` uses the stack" if context.mnemonic in _STACK_WORDS else "uses the stack"
    if rsp == 0:
        holds = "rsp is 0"
    elif place is not None:
        holds = f"rsp points into {'the code' if place == 'code' else place}"
    else:
        holds = f"rsp is {context.address(rsp)}"
    return Cause(
        "stack-pointer-lost",
        f"{does}, but {holds}: the stack pointer was destroyed{_on_line(context, 'rsp')}",
        context.evidence("rsp"),
        "rsp may change only by what is pushed, popped, or taken for locals and given back",
    )


def _took_locals(context: FaultContext) -> bool:
    """Whether rsp lies where it does because a local area was taken off it."""
    step = context.last_write("rsp")
    return step is not None and step.text.startswith("sub rsp") and step.before["rsp"] > context.rsp


def _on_line(context: FaultContext, register: str) -> str:
    """` on line 3`, where the register got its value; empty where that is not known."""
    origin = context.origin(register)
    return origin.removeprefix(", set") if origin.startswith(", set") else ""


def stack_overflow(context: FaultContext) -> Cause | None:
    """The page below the stack, or one further down: a recursion, a loop that pushes, or too large a local area."""
    if context.access is None:
        return None
    below = STACK_START - context.access.address
    reach = STACK_START if _took_locals(context) else _NEAR_STACKS
    if not 0 < below <= reach or context.rsp > STACK_START + _NEAR_PAGES:
        return None
    size = STACK_SIZE // 1024**2
    if below > PAGE and context.rsp < STACK_START - PAGE:
        area = context.stop.plan.first[0] - context.rsp
        return Cause(
            "stack-too-small",
            f"a local area of {format_amount(area)}{_taken(context)} is larger than the stack, which has {size} MiB",
            MappingProxyType({}),
            "keep large data in the data section or in a buffer",
        )
    return _recursion(context) or Cause(
        "stack-overflow",
        f"stack overflow: the stack's {size} MiB are full; something is pushed again and again and never popped",
        context.evidence("rsp"),
        "take as much off the stack as you put on it, in every round of a loop",
    )


def _recursion(context: FaultContext) -> Cause | None:
    """The cause of a full stack with one return address on it again and again."""
    words = struct.unpack(f"<{STACK_SIZE // 8}Q", context.stop.read(STACK_START, STACK_SIZE))
    text = context.program.text
    returns = Counter(word for word in words if text.address < word <= text.end)
    if not returns:
        return None
    back, times = returns.most_common(1)[0]
    if times <= _DEEP and context.mnemonic != "call":
        return None
    row = context.program.row_at(back - 1)
    where = "" if row is None else f" on line {row.span.line}"
    return Cause(
        "stack-overflow-recursion",
        f"stack overflow: {times:,} calls deep, the call{where} again and again without coming back",
        context.evidence("rsp"),
        "a recursion needs a case that returns without calling itself",
    )


def _taken(context: FaultContext) -> str:
    """Where the local area was taken, in the middle of a sentence."""
    line = _on_line(context, "rsp")
    return f", taken{line}," if line else ""


def above_stack(context: FaultContext) -> Cause | None:
    """The page above the stack, used through rsp: too much was popped."""
    if context.access is None or not _uses_stack(context):
        return None
    if not STACK_END <= context.access.address < STACK_END + _NEAR_PAGES:
        return None
    if context.mnemonic == "ret":
        step = context.last_write("rsp")
        where = "" if step is None or step.line is None else f" on line {step.line}"
        return Cause(
            "return-address-popped",
            f"`ret` finds the stack empty: the return address is gone, there was one pop too many{where}",
            context.evidence("rsp"),
            "every pop needs a push of this function's own",
        )
    return Cause(
        "above-stack",
        f"{context.verb} {context.what} above the start of the stack{context.through}",
        context.evidence("rsp"),
        "nothing of the program's lies above the return address it was called with",
    )
