"""Causes on the stack: overflow, underflow, a lost stack pointer, `leave` without a frame."""

from __future__ import annotations

import struct
from collections import Counter
from types import MappingProxyType

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.wording import format_amount

# ---- the stack -------------------------------------------------------------------------------------------------------

_STACK_WORDS = ("push", "pop", "call", "ret", "pushfq", "popfq", "enter", "leave", "pushf", "popf")


def leave_without_frame(scene: FaultContext) -> Cause | None:
    if scene.mnemonic != "leave" or scene.access is None or scene.place_of(scene["rbp"]) == "stack":
        return None
    return Cause(
        "leave-without-frame",
        f"`leave` takes the stack back to rbp, and rbp is {scene.describe(scene['rbp'])}: there is no stack frame",
        scene.evidence("rbp", "rsp"),
        "begin the function with `push rbp` and `mov rbp, rsp`, or leave out `leave`",
    )


def _uses_stack(scene: FaultContext) -> bool:
    """Whether the fault is of the instruction's own push or pop, or of an operand on rsp."""
    return scene.access is not None and scene.access[0].base in ("rsp", "esp")


def stack_pointer_lost(scene: FaultContext) -> Cause | None:
    if not _uses_stack(scene) or not scene.instruction:
        return None
    rsp = scene.rsp
    near = address_map.STACK_START - 64 * address_map.STACK_SIZE <= rsp <= address_map.STACK_END + 64 * address_map.PAGE
    near = near or _took_locals(scene)
    place = scene.place_of(rsp)
    if near or place == "stack":
        return None
    does = f"`{scene.mnemonic}` uses the stack" if scene.mnemonic in _STACK_WORDS else "uses the stack"
    if rsp == 0:
        holds = "rsp is 0"
    elif place is not None:
        holds = f"rsp points into {'the code' if place == 'code' else place}"
    else:
        holds = f"rsp is {scene.address(rsp)}"
    return Cause(
        "stack-pointer-lost",
        f"{does}, but {holds}: the stack pointer was destroyed{_on_line(scene, 'rsp')}",
        scene.evidence("rsp"),
        "rsp may change only by what is pushed, popped, or taken for locals and given back",
    )


def _took_locals(scene: FaultContext) -> bool:
    """Whether rsp lies where it does because a local area was taken off it."""
    step = scene.last_write("rsp")
    return step is not None and step.text.startswith("sub rsp") and step.before["rsp"] > scene.rsp


def _on_line(scene: FaultContext, register: str) -> str:
    origin = scene.origin(register)
    return origin.removeprefix(", set") if origin.startswith(", set") else ""


def stack_overflow(scene: FaultContext) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    below = address_map.STACK_START - address
    reach = address_map.STACK_START if _took_locals(scene) else 64 * address_map.STACK_SIZE
    if not 0 < below <= reach or scene.rsp > address_map.STACK_START + 64 * address_map.PAGE:
        return None
    size = address_map.STACK_SIZE // 1024**2
    if below > address_map.PAGE and scene.rsp < address_map.STACK_START - address_map.PAGE:
        area = scene.stop.plan.first[0] - scene.rsp
        return Cause(
            "stack-too-small",
            f"a local area of {format_amount(area)}{_taken(scene)} is larger than the stack, which has {size} MiB",
            MappingProxyType({}),
            "keep large data in the data section or in a buffer",
        )
    words = struct.unpack(
        f"<{address_map.STACK_SIZE // 8}Q", scene.stop.read(address_map.STACK_START, address_map.STACK_SIZE)
    )
    text = scene.program.text
    returns = Counter(word for word in words if text.address < word <= text.end)
    if returns:
        back, times = returns.most_common(1)[0]
        row = scene.program.row_at(back - 1)
        if times > 1000 or scene.mnemonic == "call":
            where = "" if row is None else f" on line {row.span.line}"
            return Cause(
                "stack-overflow-recursion",
                f"stack overflow: {times:,} calls deep, the call{where} again and again without coming back",
                scene.evidence("rsp"),
                "a recursion needs a case that returns without calling itself",
            )
    return Cause(
        "stack-overflow",
        f"stack overflow: the stack's {size} MiB are full; something is pushed again and again and never popped",
        scene.evidence("rsp"),
        "take as much off the stack as you put on it, in every round of a loop",
    )


def _taken(scene: FaultContext) -> str:
    """Where the local area was taken, in the middle of a sentence."""
    line = _on_line(scene, "rsp")
    return f", taken{line}," if line else ""


def above_stack(scene: FaultContext) -> Cause | None:
    if scene.access is None or not _uses_stack(scene):
        return None
    if not address_map.STACK_END <= scene.access[1] < address_map.STACK_END + 64 * address_map.PAGE:
        return None
    if scene.mnemonic == "ret":
        step = scene.last_write("rsp")
        where = "" if step is None or step.line is None else f" on line {step.line}"
        return Cause(
            "return-address-popped",
            f"`ret` finds the stack empty: the return address is gone, there was one pop too many{where}",
            scene.evidence("rsp"),
            "every pop needs a push of this function's own",
        )
    return Cause(
        "above-stack",
        f"{scene.verb} {scene.what} above the start of the stack{scene.through}",
        scene.evidence("rsp"),
        "nothing of the program's lies above the return address it was called with",
    )
