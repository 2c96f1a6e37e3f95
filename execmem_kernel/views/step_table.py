"""A recorded run as a table of steps: each step's line, what it changed, what memory it touched.

Outcome with a trace --> StepTable --> the stepper's slider, and a table of the steps as text and HTML
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from execmem_kernel.errors import ExecutionError, NotRecordedError
from execmem_kernel.execution.contract.address_map import RETURN
from execmem_kernel.execution.contract.calling_convention import SCRATCH
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.execution.contract.stretch import Access
from execmem_kernel.execution.contract.trace import Step, Trace
from execmem_kernel.execution.diagnosis.flags import undefined_after
from execmem_kernel.views.report import LISTING_ROWS, Part, Report, Sentence, Table
from execmem_kernel.wording import counted, printable
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import GENERAL, STATUS_FLAGS, whole_register

STEPS_SHOWN = 2000
"""Steps that the widget holds; of a longer trace the beginning, the end and some between."""
_FIRST, _LAST = 1200, 400
"""How many of those are the first steps, and how many the last."""
_ENDING_ROWS = 10
"""Rows of the table, of a long run, that show how it ended."""
_STACK_ROWS = 8
"""Places of the stack that are shown, of 8 bytes each."""
BYTES_SHOWN = 16
"""Bytes shown of one access to memory."""
_MOST_LOOPS = 5
"""Loops that are named."""
_CALLBACK_STACK = 64 * 1024
"""How far below its start the stack of a function that was called back reaches, in bytes."""
_UNKNOWN = "?"
_LEFT_OUT = "..."

SHOWN = (*(name for name in GENERAL if name != "rsp"), "rsp", "flags")
"""What the widget shows of a state, in this order."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step, ready to be shown; or some that are not."""

    number: int
    """From 1."""
    line: int
    """0 where the instruction has no source line."""
    text: str
    """Its instruction."""
    changed: tuple[tuple[str, str, str], ...]
    """Name, old and new value, as they are shown."""
    memory: tuple[str, ...]
    """What it read and wrote, one sentence each."""
    stack: tuple[tuple[str, str], ...] | None = None
    """The top of the stack after it, place and number; None where that is as it was."""
    skipped: int = 0
    """How many steps it stands for; 0 for a step."""


@dataclass(frozen=True, slots=True)
class StepTable:
    """A run as a start and the steps from it."""

    source: tuple[str, ...]
    start: tuple[tuple[str, str], ...]
    stack: tuple[tuple[str, str], ...]
    """The top of the stack at the start."""
    frames: tuple[StepRow, ...]
    note: str
    loops: str = ""
    """The loops that all the steps went round, shown or not."""
    ended: bool = True
    """Whether the last step is the program's last."""

    def report(self) -> Report:
        """The first steps as a table; of a long run the last ones, too."""
        shown = self.frames
        if len(shown) > LISTING_ROWS:
            shown = (*shown[: LISTING_ROWS - _ENDING_ROWS - 1], self._left_out(), *shown[-_ENDING_ROWS:])
        rows = tuple(
            (
                _numbers(frame),
                str(frame.line or ""),
                frame.text,
                ", ".join([*(f"{name} {old} -> {new}" for name, old, new in frame.changed), *frame.memory]),
            )
            for frame in shown
        )
        parts: list[Part] = [Sentence(self.note, lead="steps")]
        if self.loops:
            parts.append(Sentence(self.loops, lead="loops"))
        parts.append(Table("what each did", rows, ("step", "line", "instruction", "changes")))
        return Report(tuple(parts))

    def _left_out(self) -> StepRow:
        """What stands in the table for the steps between its first and its last rows."""
        before, after = self.frames[LISTING_ROWS - _ENDING_ROWS - 2], self.frames[-_ENDING_ROWS]
        first = before.number + max(before.skipped, 1)
        count = after.number - first
        return StepRow(first, 0, _LEFT_OUT, (), (), skipped=count)


def _numbers(frame: StepRow) -> str:
    if frame.skipped > 1:
        return f"{frame.number:,} to {frame.number + frame.skipped - 1:,}"
    return f"{frame.number:,}"


def step_table(outcome: Outcome) -> StepTable:
    """The steps of a run that was recorded.

    Raises:
        ExecutionError: It was not recorded.
    """
    trace = outcome.trace
    if not isinstance(trace, Trace):
        raise ExecutionError("this run was not recorded: run it again with trace=True, or with %%asm --trace")
    start = trace.state(0) if len(trace) else outcome.before
    formatter = _StepFormatter(outcome, trace)
    stack = formatter.stack(start)
    frames = tuple(formatter.frames(_chosen(len(trace))))
    return StepTable(
        tuple(printable(line.expandtabs(8)) for line in outcome.program.source.rstrip("\n").split("\n")),
        tuple((name, formatter.value(start, name)) for name in SHOWN),
        stack,
        frames,
        _note(trace, frames),
        _loops(trace),
        trace.ended,
    )


def _chosen(count: int) -> list[int]:
    """The positions of the steps to show: all, or the first, the last, and some at even distances between."""
    if count <= STEPS_SHOWN:
        return list(range(count))
    between = STEPS_SHOWN - _FIRST - _LAST
    middle = [_FIRST + index * (count - _FIRST - _LAST) // between for index in range(between)]
    return [*range(_FIRST), *middle, *range(count - _LAST, count)]


def _note(trace: Trace, frames: tuple[StepRow, ...]) -> str:
    note = counted(trace.taken - trace.first, "step")
    if not trace.ended:
        note += " taken one at a time; the program went on after them, at full speed"
    if trace.gaps:
        note += f"; {len(trace):,} recorded, of steps {trace.gaps[0][0] + 1:,} to {trace.gaps[-1][1]:,} samples only"
    shown = sum(not frame.skipped for frame in frames)
    if shown < len(trace):
        note += f"; {shown:,} are here: the first {_FIRST:,}, the last {_LAST:,} and some between"
    return note


def _loops(trace: Trace) -> str:
    try:
        found = trace.loops()
    except NotRecordedError:
        return ""
    sentences = []
    for loop in found:
        if loop.lines:
            first, last = loop.lines[0], loop.lines[-1]
            lines = f"line {first}" if first == last else f"lines {first} to {last}"
            sentences.append(f"{lines}, {counted(loop.times, 'time')} back to the start")
    return "; ".join(sentences[:_MOST_LOOPS]) + ("; ..." if len(sentences) > _MOST_LOOPS else "")


class _StepFormatter:
    """Describes steps; keeps track of what would differ from one machine to the next, and does not show it.

    A processor may set some flags as it likes, and a function of the C library leaves in registers and on the stack
    what the next version of it would not.
    """

    def __init__(self, outcome: Outcome, trace: Trace) -> None:
        self._outcome = outcome
        self._trace = trace
        self._memory = trace.memory_before(trace.first)
        self._instructions: dict[int, Instruction] = {}
        self._undefined: frozenset[str] = frozenset()
        self._foreign: frozenset[str] = frozenset()
        """Registers with something of the C library's in them."""
        self._stained: set[int] = set()
        """Addresses where such a register was stored."""
        self._inside: list[int] = []
        """rsp at the start of each function of the C library that has not returned."""
        self._base: int | None = None
        """rsp at the start of the function that it has called back."""
        self._externs = frozenset(outcome.program.externs.values())

    def frames(self, chosen: Sequence[int]) -> Iterator[StepRow]:
        """The frames of some steps, by position, and of the gaps between them."""
        wanted, seen = frozenset(chosen), self._trace.first
        last_values = {name: self.value(self._trace.state(0), name) for name in SHOWN} if len(self._trace) else {}
        last_stack = self.stack(self._trace.state(0)) if len(self._trace) else ()
        gaps = {end for _, end in self._trace.gaps}
        calls_c = any(place.foreign for place in self._trace.places.values())
        for position in range(len(self._trace)):
            stretch, index = self._trace.locate(position)
            if stretch.first + index in gaps:
                self._skip()
            if position not in wanted and not calls_c:  # then it matters for memory and for the flags only
                self._memory.take(stretch, index)
                self._undefined = undefined_after(self._instruction(self._trace.at(position)[0]), self._undefined)
                continue
            step = self._trace[position]
            if position in wanted and seen < step.index:
                now = {name: self.value(step.before, name) for name in SHOWN}
                stack = self.stack(step.before)
                yield StepRow(
                    seen + 1, 0, counted(step.index - seen, "step") + " not shown", _changes(last_values, now), (),
                    None if stack == last_stack else stack, step.index - seen,
                )  # fmt: skip
                last_values, last_stack = now, stack
            self._memory.take(stretch, index)
            memory = self._step(step)
            if position in wanted:
                now = {name: self.value(step.after, name) for name in SHOWN}
                stack = self.stack(step.after)
                changed = _changes(last_values, now)
                yield StepRow(
                    step.index + 1, step.line or 0, printable(step.text), changed, memory,
                    None if stack == last_stack else stack,
                )  # fmt: skip
                last_values, last_stack = now, stack
                seen = step.index + 1

    def value(self, state: Registers, name: str) -> str:
        """A register as it is shown."""
        if name == "flags":
            return " ".join(flag for flag in state.flags if flag not in self._undefined) or "none"
        return _UNKNOWN if name in self._foreign else self._place(state[name])

    def stack(self, state: Registers) -> tuple[tuple[str, str], ...]:
        """The top of the stack: each place and the number there."""
        if self._inside:
            return ()
        rows = []
        start, end = self._outcome.places.get("stack", (0, 0))
        for address in range(
            state["rsp"], min(state["rsp"] + 8 * _STACK_ROWS, end) - 7 if state["rsp"] >= start else 0, 8
        ):
            number = None if address in self._stained else self._memory.word(address)
            shown = _UNKNOWN if number is None else "the way back" if number == RETURN else self._place(number)
            rows.append((self._place(address), shown))
        return tuple(rows)

    def _skip(self) -> None:
        """Carry out the steps of a gap, of which only the memory at its end is known."""
        self._trace.skip(self._memory)
        self._undefined = frozenset(STATUS_FLAGS)
        if any(place.foreign for place in self._trace.places.values()):
            self._foreign |= frozenset(SCRATCH)

    def _step(self, step: Step) -> tuple[str, ...]:
        """Carry out a step; what it did to memory, in words."""
        if step.place.foreign:
            return self._foreign_step(step)
        instruction = self._instruction(step.address)
        self._undefined = undefined_after(instruction, self._undefined)
        words = tuple(self._access(access, self._is_foreign(instruction, access)) for access in step.accesses)
        if "return" in instruction.groups:
            words = tuple(f"takes its return address from [{self._place(read.address)}]" for read in step.reads)
        self._stain(step, instruction)
        return words

    def _instruction(self, address: int) -> Instruction:
        found = self._instructions.get(address)
        if found is None:
            found = self._instructions[address] = self._trace.places[address].instruction
        return found

    def _foreign_step(self, step: Step) -> tuple[str, ...]:
        """A function of the C library: until it returns, or until it calls back."""
        if step.address in self._externs:
            self._inside.append(step.before["rsp"])
        while self._inside and step.after["rsp"] > self._inside[-1]:
            self._inside.pop()
        self._undefined = frozenset(STATUS_FLAGS)
        if self._inside:
            self._base = step.after["rsp"]
            given = {name for name in ("rdi", "rsi") if self._is_ours(step.after[name])}
            self._foreign = frozenset(GENERAL) - given - {"rsp"}
        else:
            self._base = None
            self._foreign = frozenset(SCRATCH)
        return tuple(self._access(access, False) for access in step.accesses)

    def _is_ours(self, value: int) -> bool:
        place = self._outcome.describe(value)
        return not place[0].isdigit() and not place.startswith(("libc", "stack", "code"))

    def _is_foreign(self, instruction: Instruction, access: Access) -> bool:
        """Whether what an instruction puts there, or finds there, is the C library's."""
        if not access.is_write:
            return access.address in self._stained
        sources = {whole_register(name) for name in instruction.operands}
        return bool(sources & self._foreign)

    def _stain(self, step: Step, instruction: Instruction) -> None:
        """Follow what is the C library's through registers and memory."""
        if not self._foreign and not self._stained:
            return
        read = {whole_register(name) for name in instruction.registers_read} - {"rsp"}
        stained = bool(read & self._foreign) or any(access.address in self._stained for access in step.reads)
        words = instruction.operands
        if instruction.mnemonic in ("xor", "sub") and len(words) == 2 and words[0] == words[1]:
            stained = False
        written = {whole_register(name) for name in instruction.registers_written} - {"rsp"}
        self._foreign = self._foreign | written if stained else self._foreign - written
        for access in step.writes:
            if self._is_foreign(instruction, access):
                self._stained.add(access.address)
            else:
                self._stained.discard(access.address)

    def _place(self, value: int) -> str:
        if self._below_the_call(value):
            assert self._base is not None
            offset = value - self._base
            if offset > 0:
                return "the C library's stack"
            return f"call back's stack{offset:+#x}" if offset else "call back's stack"
        return self._outcome.describe(value)

    def _below_the_call(self, address: int) -> bool:
        """Whether it is stack that a function of the C library uses, or what that has called back."""
        return self._base is not None and self._base - _CALLBACK_STACK <= address < self._inside[-1]

    def _access(self, access: Access, foreign: bool) -> str:
        """`[stack-0x8] 00 00 -> 2a 00` for a write, `reads [data] 05 00` for a read."""
        place, new = self._place(access.address), _UNKNOWN if foreign else self._bytes(access.data)
        if access.before is None:
            return f"reads [{place}] {new}"
        unknown = access.address in self._stained or self._below_the_call(access.address)
        old = _UNKNOWN if unknown else self._bytes(access.before)
        return f"[{place}] {old} -> {new}"

    def _bytes(self, data: bytes) -> str:
        """Bytes in hex; a pointer, like everywhere, as the place it points to."""
        if len(data) == 8:
            pointed = self._place(int.from_bytes(data, "little"))
            if not pointed[0].isdigit():
                return pointed
        return data[:BYTES_SHOWN].hex(" ") + (" ..." if len(data) > BYTES_SHOWN else "")


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    return tuple((name, old[name], new[name]) for name in SHOWN if old[name] != new[name])
