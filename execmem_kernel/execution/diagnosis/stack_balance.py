"""What a function has put on the stack and taken off it, step by step: the lines that do not balance, and by how much.

    Trace --frame_of--> StackFrame(slot, changes) --balance--> Balance(left, surplus)

What is left lies between rsp and the return address: the sizes add up to that distance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from execmem_kernel.execution.contract.trace import Step, Trace


@dataclass(slots=True)
class StackItem:
    """Bytes that one step put on the stack, or took off it, without a counterpart."""

    step: Step
    size: int
    crossed: Step | None = None
    """The first step that took off what lies below it: it should have gone before that."""

    @property
    def is_push(self) -> bool:
        """Whether a `push` put them there, or a `pop` took them."""
        return self.step.text.startswith(("push", "pop"))

    @property
    def register(self) -> str:
        """What was pushed or popped."""
        return self.step.text.partition(" ")[2]


@dataclass(slots=True)
class StackFrame:
    """A function that has been entered: where its return address lies, and how it has moved rsp so far."""

    slot: int
    entered: int
    """The number of the first step in it."""
    changes: list[tuple[Step, int]] = field(default_factory=list)
    """Steps that moved rsp, with bytes: positive where the stack grew."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What does not balance in a function, oldest first."""

    left: tuple[StackItem, ...]
    """What was put on the stack and not taken off."""
    surplus: tuple[StackItem, ...]
    """What was taken off though this function had not put it there."""


def frame_of(trace: Trace, slot: int) -> StackFrame | None:
    """The function that a program is in after the steps of a trace; None where that is not known.

    Args:
        trace: Steps from the program's first.
        slot: Where the program's own return address lies.
    """
    if trace.first or trace.gaps:
        return None
    frames = [StackFrame(slot, 0)]
    for _ in _followed(trace, frames):
        pass
    return frames[-1]


def frames_of(trace: Trace, slot: int) -> Iterator[tuple[StackFrame, Step]]:
    """Each function with the `ret` that ended it, whether that took its return address or another.

    Args:
        trace: Steps from the program's first, without gaps.
        slot: Where the program's own return address lies.
    """
    yield from _followed(trace, [StackFrame(slot, 0)])


def _followed(trace: Trace, frames: list[StackFrame]) -> Iterator[tuple[StackFrame, Step]]:
    """Follow the steps, changing the functions that are entered; each that is left by a `ret`, with that."""
    before = trace.state(0)["rsp"]
    for position in range(len(trace)):
        rip = trace.at(position)[0]
        after = trace.at(position + 1)[1] if position + 1 < len(trace) else trace.state(position + 1)["rsp"]
        place = trace.places[rip]
        if place.mnemonic == "call":
            frames.append(StackFrame(after, position + 1))
        elif (place.foreign or place.mnemonic == "ret") and before >= frames[-1].slot:
            if not place.foreign:
                yield frames[-1], trace[position]
            while len(frames) > 1 and frames[-1].slot < after:
                frames.pop()
        elif before != after:
            frames[-1].changes.append((trace[position], before - after))
        before = after


def balance(changes: Iterable[tuple[Step, int]]) -> Balance:
    """Match what was taken off the stack with what was put there: a pop with a push, room given back with room taken.

    Args:
        changes: Steps that moved rsp, with bytes: positive where the stack grew.
    """
    items: list[StackItem] = []
    surplus: list[StackItem] = []
    for step, size in changes:
        if size > 0:
            items.append(StackItem(step, size))
            continue
        rest = -size
        for item in _matching(items, step, rest):
            took = min(item.size, rest)
            item.size -= took
            rest -= took
            for lower in items[items.index(item) + 1 :]:
                if lower.size and lower.crossed is None:
                    lower.crossed = step
            if not rest:
                break
        for item in items:
            if item.crossed is step and not item.size:
                item.crossed = None
        items = [item for item in items if item.size]
        if rest:
            surplus.append(StackItem(step, rest))
    while items and surplus:  # put back later what had been taken too much
        took = min(items[-1].size, surplus[-1].size)
        for side in (items, surplus):
            side[-1].size -= took
            if not side[-1].size:
                side.pop()
    return Balance(tuple(items), tuple(surplus))


def _matching(items: list[StackItem], step: Step, size: int) -> list[StackItem]:
    """Which items a step takes off, in order of preference."""
    newest = items[::-1]
    if step.text.startswith("pop"):
        register = step.text.partition(" ")[2]
        pushes = [item for item in newest if item.is_push and item.size == size]
        same = [item for item in pushes if item.register == register]
        return same[:1] or pushes[:1] or newest
    together = 0
    for count, item in enumerate(newest, 1):
        together += item.size
        if together == size:
            return newest[:count]
    equal = [item for item in newest if item.size == size and not item.is_push]
    return equal[:1] or newest
