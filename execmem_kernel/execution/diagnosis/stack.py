"""Causes on the stack: overflow, underflow, a lost stack pointer, `leave` without a frame."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import PAGE, STACK_END
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.diagnosis import flow
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.returns import stack_is_empty
from execmem_kernel.program.program import ListingRow
from execmem_kernel.wording import format_amount, listed

_STACK_WORDS = ("push", "pop", "call", "ret", "pushfq", "popfq", "enter", "leave", "pushf", "popf")
_NEAR_PAGES = 64 * PAGE
"""How far above the stack an address still counts as one that missed it."""
_NEAR_STACKS = 64 * 1024 * 1024
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
    near = _start(context) - _NEAR_STACKS <= rsp <= STACK_END + _NEAR_PAGES or _took_locals(context)
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


def _start(context: FaultContext) -> int:
    """Where the stack begins."""
    return context.stop.plan.places["stack"][0]


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
    start = _start(context)
    below = start - context.access.address
    reach = start if _took_locals(context) else _NEAR_STACKS
    if not 0 < below <= reach or context.rsp > start + _NEAR_PAGES:
        return None
    size = format_amount(context.stop.call.limits.stack_size)
    if below > PAGE and context.rsp < start - PAGE:
        area = context.stop.plan.first[0] - context.rsp
        return Cause(
            "stack-too-small",
            f"a local area of {format_amount(area)}{_taken(context)} is larger than the stack, which has {size}",
            MappingProxyType({}),
            "keep large data in the data section or in a buffer",
        )
    return _recursion(context) or Cause(
        "stack-overflow",
        f"stack overflow: the stack's {size} are full; something is pushed again and again and never popped",
        context.evidence("rsp"),
        "take as much off the stack as you put on it, in every round of a loop",
    )


def _recursion(context: FaultContext) -> Cause | None:
    """The cause of a full stack with the same return addresses on it again and again."""
    start, end = context.stop.plan.places["stack"]
    words = array("Q", context.stop.read(start, (end - start) // 8 * 8))
    text = context.program.text
    returns = Counter(word for word in words if text.address < word <= text.end)
    if not returns:
        return None
    most = max(returns.values())
    if most <= _DEEP and context.mnemonic != "call":
        return None
    # Each of several functions that call each other in turn has as many calls on the stack, give or take a last round.
    calls = {context.program.row_at(back - 1): times for back, times in returns.items() if 2 * times >= most}
    rows = sorted((row for row in calls if row is not None), key=lambda row: row.address)
    lines = sorted({row.span.line for row in rows})
    where = "the call" if len(rows) == 1 else "the calls"
    if lines:
        where += f" on line {lines[0]}" if len(lines) == 1 else f" on lines {listed([str(line) for line in lines])}"
    deep = sum(calls.values())
    amount = format_amount(context.stop.call.limits.stack_size)
    sentence = f"stack overflow: {deep:,} calls deep, {where} again and again without coming back"
    evidence = context.evidence("rsp")
    way_out = _way_out(context, rows)
    if way_out is None:
        look_at = "a recursion needs a case that returns without calling itself"
        return Cause("stack-overflow-recursion", sentence, evidence, look_at)
    each = (end - start) // deep
    return Cause(
        "stack-overflow-recursion",
        f"{sentence}: at about {each} bytes a call the stack's {amount} are full",
        evidence,
        f"line {way_out} can end the recursion, and was not reached in time: check that each call comes nearer to it; "
        "if it only takes too many calls, use a loop",
    )


def _way_out(context: FaultContext, calls: Sequence[ListingRow]) -> int | None:
    """The line of a conditional jump around the calls of a recursion; None where each way through makes the call."""
    program = context.program
    entry = program.entry if context.stop.call.entry is None else context.stop.call.entry
    graph = flow.flow_of(program.code, program.address, (entry,))
    making = {row.address for row in calls}
    for row in calls:
        called = graph.instructions.get(row.address)
        if called is None or called.target is None:
            return None  # what a computed call leads to is not known
        ways = flow.ways_to_return(graph, called.target, making)
        if ways is not None:
            line = program.line_at(ways)
            if line is not None:
                return line
    return None


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
    found = stack_is_empty(context)
    if found is not None:
        return found
    return Cause(
        "above-stack",
        f"{context.verb} {context.what} above the start of the stack{context.through}",
        context.evidence("rsp"),
        "nothing of the program's lies above the return address it was called with",
    )
