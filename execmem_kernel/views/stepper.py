"""A recorded run, walked forwards and backwards: each step's line, what it changed, what memory it touched.

    Outcome with a trace --> Story --> widget (a slider over the steps), and a table of the steps as text and HTML

Everything the widget shows is in its traits: the state at the start, and what each step changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import anywidget
import traitlets

from execmem_kernel.assembly.disassembler import Instruction, disassemble
from execmem_kernel.errors import ExecutionError
from execmem_kernel.execution.engine import GENERAL, Outcome, Registers
from execmem_kernel.execution.flags import undefined_after
from execmem_kernel.execution.tracing import Access, Trace
from execmem_kernel.views.cell import LISTING_ROWS, Report, Sentence, Table, counted, plain

STEPS_SHOWN = 2000
"""Steps that the widget holds; a longer trace is sliced by whoever wants to see its end."""
BYTES_SHOWN = 16

SHOWN = (*(name for name in GENERAL if name != "rsp"), "rsp", "flags")
"""What the widget shows of a state, in this order."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One step, ready to be shown."""

    number: int
    line: int
    """0 where the instruction has no source line."""
    text: str
    changed: tuple[tuple[str, str, str], ...]
    """Name, old and new, as people read them."""
    memory: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """A run as a start and the steps from it."""

    source: tuple[str, ...]
    start: tuple[tuple[str, str], ...]
    frames: tuple[Frame, ...]
    note: str

    def report(self) -> Report:
        """The first steps as a table."""
        shown = self.frames[:LISTING_ROWS]
        rows = tuple(
            (
                str(frame.number),
                str(frame.line or ""),
                frame.text,
                ", ".join([*(f"{name} {old} -> {new}" for name, old, new in frame.changed), *frame.memory]),
            )
            for frame in shown
        )
        more = len(self.frames) - len(shown)
        note = f"{counted(more, 'more step')}" if more else ""
        lead = Sentence(self.note, lead="steps")
        return Report((lead, Table("what each did", rows, ("step", "line", "instruction", "changes"), note=note)))


def story(outcome: Outcome) -> Story:
    """The steps of a run that was recorded.

    Raises:
        ExecutionError: It was not recorded.
    """
    trace = outcome.trace
    if not isinstance(trace, Trace):
        raise ExecutionError("this run was not recorded: run it again with trace=True, or with %%asm --trace")
    held = trace[:STEPS_SHOWN]
    start = trace.state(0) if len(trace) else outcome.before
    frames = tuple(_frames(outcome, held))
    note = counted(len(trace), "step") + ("" if trace.complete else " recorded; the program went on after them")
    if len(trace) > STEPS_SHOWN:
        note += f"; the first {STEPS_SHOWN:,} are here"
    return Story(
        tuple(plain(line.expandtabs(8)) for line in outcome.program.source.split("\n")),
        tuple((name, _value(outcome, start, name)) for name in SHOWN),
        frames,
        note,
    )


def _value(outcome: Outcome, state: Registers, name: str, undefined: frozenset[str] = frozenset()) -> str:
    if name == "flags":
        return " ".join(flag for flag in state.flags if flag not in undefined) or "none"
    return outcome.describe(state[name])


def _frames(outcome: Outcome, trace: Trace) -> Iterator[Frame]:
    instructions: dict[int, Instruction] = {}
    # What a processor may set as it likes is not shown: it would differ from one model to the next.
    undefined: frozenset[str] = frozenset()
    for step in trace:
        if step.address not in instructions:
            instructions[step.address] = disassemble(step.place.code, step.address)[0]
        left = undefined_after(instructions[step.address], undefined)
        changed = []
        for name in SHOWN:
            old, new = _value(outcome, step.before, name, undefined), _value(outcome, step.after, name, left)
            if old != new:
                changed.append((name, old, new))
        undefined = left
        memory = tuple(_access(outcome, access) for access in step.accesses)
        if "return" in instructions[step.address].groups:
            memory = tuple(f"takes its return address from [{outcome.describe(read.address)}]" for read in step.reads)
        yield Frame(step.index + 1, step.line or 0, plain(step.text), tuple(changed), memory)


def _access(outcome: Outcome, access: Access) -> str:
    """`[stack-0x8] 00 00 -> 2a 00` for a write, `reads [data] 05 00` for a read."""
    place, new = outcome.describe(access.address), _bytes(outcome, access.data)
    return f"reads [{place}] {new}" if access.before is None else f"[{place}] {_bytes(outcome, access.before)} -> {new}"


def _bytes(outcome: Outcome, data: bytes) -> str:
    """Bytes in hex; a pointer, like everywhere, as the place it points to."""
    if len(data) == 8:
        pointed = outcome.describe(int.from_bytes(data, "little"))
        if not pointed[0].isdigit():
            return pointed
    return data[:BYTES_SHOWN].hex(" ") + (" ..." if len(data) > BYTES_SHOWN else "")


_open_steppers: WeakSet[Stepper] = WeakSet()


class Stepper(anywidget.AnyWidget):
    """A slider over the steps of a recorded run; `position` is how many have been carried out."""

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")

    source = traitlets.List(traitlets.Unicode()).tag(sync=True)
    start = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    frames = traitlets.List(traitlets.Dict()).tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    def __init__(self, told: Story) -> None:
        self._story = told
        super().__init__(
            source=list(told.source),
            start=[list(pair) for pair in told.start],
            frames=[asdict(frame) for frame in told.frames],
            note=told.note,
        )
        _open_steppers.add(self)

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> int:
        return max(0, min(int(proposal["value"]), len(self._story.frames)))

    def __repr__(self) -> str:
        return self._story.report().text()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The slider, and beside it the table for readers without one."""
        shown = super()._repr_mimebundle_(**kwargs)
        data, metadata = shown if isinstance(shown, tuple) else (shown or {}, {})
        return {**data, **self._story.report()._repr_mimebundle_()}, metadata


def stepper(outcome: Outcome) -> Stepper:
    """Walk through a run that was recorded with `trace=True` or `%%asm --trace`.

    Raises:
        ExecutionError: It was not recorded.
    """
    return Stepper(story(outcome))


def close_all() -> None:
    """Close every stepper that is open."""
    for widget in list(_open_steppers):
        widget.close()
        _open_steppers.discard(widget)
