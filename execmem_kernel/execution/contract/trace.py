"""What a program did, step by step, as a value: iterate, slice, search, save and load it.

    Trace ──> stretches of consecutive steps ──> columns: states (18 numbers each), ends, a log of what was touched

A trace keeps columns, not objects: `Step`, `Access` and `Registers` are made when they are asked for. A short run is
one stretch. Of a long one the beginning and the end are held in full and single steps of what lies between: every step
has its true number, and what cannot be known of the gaps is said (`NotRecordedError`), never guessed.
"""

from __future__ import annotations

import bisect
import itertools
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import overload

from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.execution.contract.stretch import (
    BOTH,
    NUMBER,
    RIP,
    RSP,
    WIDTH,
    WRITTEN,
    Access,
    Between,
    Stretch,
    turns,
)
from execmem_kernel.execution.contract.trace_file import TraceParts, read_trace, write_trace
from execmem_kernel.execution.contract.trace_memory import KnownMemory
from execmem_kernel.execution.contract.traced_instruction import TracedInstruction, writes_memory, written_by
from execmem_kernel.x86.registers import FLAGS, GENERAL, PARTS, whole_register

_WORDS_SHOWN = 32


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction carried out: the state before it, the state after it, and the memory it touched."""

    index: int
    place: TracedInstruction
    before: Registers
    after: Registers
    accesses: tuple[Access, ...] = ()
    vectors: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Vector registers that changed, with their new bytes."""
    forgotten: tuple[tuple[int, int], ...] = ()
    """Memory that it may have written unseen, as a function of the C library may: address and size."""
    trace: Trace | None = field(default=None, repr=False, compare=False)
    """The trace it belongs to, which knows the memory around it."""

    @property
    def line(self) -> int | None:
        """The source line it came from; None where there is none."""
        return self.place.line

    @property
    def address(self) -> int:
        """Where its instruction lies."""
        return self.place.address

    @property
    def text(self) -> str:
        """Its instruction, as the listing writes it."""
        return self.place.text

    @property
    def reads(self) -> tuple[Access, ...]:
        """The memory that it read."""
        return tuple(access for access in self.accesses if not access.is_write)

    @property
    def writes(self) -> tuple[Access, ...]:
        """The memory that it wrote, with what was there before."""
        return tuple(access for access in self.accesses if access.is_write)

    @property
    def changed(self) -> dict[str, tuple[int, int]]:
        """General registers that the step changed, as (old, new); rip is left out."""
        return {
            name: (self.before[name], self.after[name])
            for name in (*GENERAL, "rflags")
            if self.before[name] != self.after[name]
        }

    @property
    def stack(self) -> tuple[tuple[int, int | None], ...]:
        """The stack after it, from rsp upwards: each address with its number, None where that is not known."""
        return () if self.trace is None else self.trace.stack(self.index + 1)

    def memory(self, address: int, size: int) -> tuple[int | None, ...]:
        """The bytes at an address after it; None for each that is not known."""
        return (None,) * size if self.trace is None else self.trace.memory(address, size, self.index + 1)


@dataclass(frozen=True, slots=True)
class Loop:
    """Steps that went round: the lines from first to last, and how many times the jump back was taken."""

    lines: tuple[int, ...]
    head: int
    """The address it comes back to."""
    times: int


@dataclass(frozen=True, slots=True)
class Trace:
    """The recorded steps of a run, in order; a sequence of `Step`."""

    stretches: tuple[Stretch, ...]
    places: Mapping[int, TracedInstruction] = field(default_factory=lambda: MappingProxyType({}))
    ended: bool = True
    """Whether the last step here was the program's last; False where it went on, or this is a slice."""
    between: Between | None = field(default_factory=Between)
    """The steps in the gaps; None for a slice with some of the gaps in it, of which nothing is known."""
    contents: tuple[tuple[int, int, bytes], ...] = ()
    """Memory before step 0: start, size, and its first bytes, which zeros follow."""
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = tuple(itertools.accumulate(map(len, self.stretches), initial=0))
        object.__setattr__(self, "_starts", starts)

    def __repr__(self) -> str:
        held = f"{len(self):,} of {self.taken - self.first:,}" if self.gaps else f"{len(self):,}"
        return f"<trace of {held} steps>"

    def __len__(self) -> int:
        """How many steps are held."""
        return self._starts[-1]

    @property
    def first(self) -> int:
        """The number of the first step here: a slice keeps the numbers of the whole."""
        return self.stretches[0].first

    @property
    def taken(self) -> int:
        """The number of the step after the last one here: how many steps the program had taken then."""
        return self.stretches[-1].end

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Steps that were taken here and are not held: the number of the first of each gap, and of the step after."""
        pairs = itertools.pairwise(self.stretches)
        return tuple((one.end, other.first) for one, other in pairs if one.end != other.first)

    @property
    def complete(self) -> bool:
        """Whether every step is here up to the program's last."""
        return self.ended and not self.gaps

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> Trace: ...
    def __getitem__(self, index: int | slice) -> Step | Trace:
        if isinstance(index, slice):
            start, stop, stride = index.indices(len(self))
            if stride != 1:
                raise ValueError("a trace is sliced without a stride: a step leads to the next")
            return self._slice(start, max(start, stop))
        if not -len(self) <= index < len(self):
            raise IndexError(f"the trace has {len(self)} steps, and {index} is not one of them")
        index %= len(self)
        stretch, at = self.locate(index)
        before = stretch.state(at)
        return Step(
            stretch.first + at,
            self.places[before["rip"]],
            before,
            stretch.state(at + 1),
            tuple(stretch.touched(at)),
            stretch.vectors(at),
            tuple(stretch.invalidated(at)),
            self,
        )

    def locate(self, index: int) -> tuple[Stretch, int]:
        """The stretch that the step at a position lies in, and its position there."""
        which = bisect.bisect_right(self._starts, index) - 1
        return self.stretches[which], index - self._starts[which]

    def _slice(self, start: int, stop: int) -> Trace:
        parts = []
        for stretch, begins in zip(self.stretches, self._starts, strict=False):
            low, high = max(start - begins, 0), min(stop - begins, len(stretch))
            if low < high:
                parts.append(stretch if high - low == len(stretch) else stretch.part(low, high))
        if not parts:
            stretch, at = self.locate(min(start, len(self) - 1)) if len(self) else (self.stretches[0], 0)
            at += start == len(self) and len(self) > 0
            parts = [stretch.part(at, at)]
        part = Trace(tuple(parts), self.places, self.ended and stop == len(self), Between(), self.contents)
        if not part.gaps:
            return part
        between = self.between if part.gaps == self.gaps else None
        return Trace(part.stretches, self.places, part.ended, between, self.contents)

    def __iter__(self) -> Iterator[Step]:
        return (self[index] for index in range(len(self)))

    def step(self, number: int) -> Step:
        """The step with a number.

        Raises:
            NotRecordedError: It is not held: it lies in a gap, or outside.
        """
        which = bisect.bisect_right([stretch.first for stretch in self.stretches], number) - 1
        if which < 0 or not number < self.stretches[which].end:
            raise NotRecordedError(f"step {number + 1:,} is not in this trace{self._advice()}")
        return self[self._starts[which] + number - self.stretches[which].first]

    def _advice(self) -> str:
        if not self.gaps:
            return ""
        first, after = self.gaps[0][0], self.gaps[-1][1]
        return f": of steps {first + 1:,} to {after:,} there are samples only"

    def state(self, index: int) -> Registers:
        """The registers before the step at position `index`; `state(len(trace))` is the last state."""
        if index == len(self):
            last = self.stretches[-1]
            return last.state(len(last))
        stretch, at = self.locate(index)
        return stretch.state(at)

    def at(self, position: int) -> tuple[int, int]:
        """rip and rsp before the step at a position."""
        stretch, index = self.locate(position)
        return stretch.states[index * WIDTH + RIP], stretch.states[index * WIDTH + RSP]

    def addresses(self) -> array[int]:
        """Where each step's instruction lies, in order."""
        found = array("Q")
        for stretch in self.stretches:
            found += stretch.addresses()[:-1]
        return found

    def where(self, condition: str) -> tuple[Step, ...]:
        """The steps that a condition picks, of those that are held.

        Args:
            condition: `"rax changes"`, `"rax == 5"` (also `!=`, `<`, `<=`, `>`, `>=`: after the step), `"ZF set"`,
                `"ZF clear"`, `"ZF changes"`, `"line 3"`, `"memory written"`, `"memory read"`, or the start of an
                instruction's text: `"call"`.

        Raises:
            ValueError: The condition is none of these.
        """
        words = condition.split()
        match words:
            case ["line", number] if number.isdigit():
                return self._at({address for address, place in self.places.items() if place.line == int(number)})
            case ["memory", "written"]:
                return tuple(self[position] for position in dict.fromkeys(one[0] for one in self.stores()))
            case ["memory", "read"]:
                return tuple(step for step in self if step.reads)
            case [flag, "set" | "clear" | "changes" as verb] if flag.upper() in FLAGS:
                return tuple(step for step in self if _flag_is(step, flag.upper(), verb))
            case [name, "changes"] if name.lower() in PARTS or name.lower() in NUMBER:
                return tuple(self[position] for position, old, new in self._values(name) if old != new)
            case [name, ("==" | "!=" | "<" | "<=" | ">" | ">=") as operator, number] if _is_register(name):
                compare, wanted = _COMPARE[operator], int(number, 0)
                if wanted < 0:  # registers are unsigned, conditions need not be
                    wanted += 1 << (PARTS[name.lower()][2] if name.lower() in PARTS else 64)
                return tuple(self[position] for position, _, new in self._values(name) if compare(new, wanted))
            case [mnemonic] if re.fullmatch(r"[a-z][a-z0-9]*", mnemonic):
                return self._at({address for address, place in self.places.items() if place.mnemonic == mnemonic})
        raise ValueError(f"{condition!r} is not a condition; try 'rax changes', 'rax == 5', 'ZF set', 'line 3', 'call'")

    def _values(self, name: str) -> Iterator[tuple[int, int, int]]:
        """A register, or a part of one, before and after each step, without the step around it; with its position."""
        whole, shift, bits = PARTS.get(name.lower(), (name.lower(), 0, 64))
        mask = (1 << bits) - 1
        for stretch, begins in zip(self.stretches, self._starts, strict=False):
            column = stretch.states[NUMBER[whole] :: WIDTH]
            for index, (old, new) in enumerate(itertools.pairwise(column)):
                yield begins + index, old >> shift & mask, new >> shift & mask

    def _at(self, addresses: set[int]) -> tuple[Step, ...]:
        """The steps of some instructions; made for these alone."""
        return tuple(self[index] for index, address in enumerate(self.addresses()) if address in addresses)

    def stores(self) -> Iterator[tuple[int, int, int]]:
        """Every write to memory, without the step around it: the position of that, the address, the size."""
        for stretch, begins in zip(self.stretches, self._starts, strict=False):
            at = 0
            for index, end in enumerate(stretch.ends):
                if at < end:
                    for kind, _, address, size, _ in stretch.entries(index):
                        if kind in (WRITTEN, BOTH):
                            yield begins + index, address, size
                    at = end

    def last_write(self, what: str | int, before: int | Step | None = None) -> Step | None:
        """The last step that wrote a register, or the byte at an address; also when it wrote what was there.

        Args:
            what: A register's name, or an address.
            before: A step, or its number: only earlier ones count. None: all.

        Raises:
            NotRecordedError: It may have been a step in a gap.
        """
        if isinstance(before, Step):
            before = before.index
        end = self.taken if before is None else min(before, self.taken)
        writers = self._writers_of(what)
        for position in range(len(self.stretches) - 1, -1, -1):
            stretch = self.stretches[position]
            if stretch.first >= end:
                continue
            if end > stretch.end:
                self._known(writers, f"the last write to {what if isinstance(what, str) else 'that byte'}")
            for index in range(min(end, stretch.end) - stretch.first - 1, -1, -1):
                at = stretch.states[index * WIDTH + RIP]
                if at in writers and self._wrote(stretch, index, self.places[at], what):
                    return self[self._starts[position] + index]
            end = stretch.first
        return None

    def _writers_of(self, what: str | int) -> set[int]:
        """The instructions that may write a register or memory; a function of the C library may write anything."""
        if isinstance(what, str):
            whole = whole_register(what)
            return {at for at, place in self.places.items() if place.foreign or whole in written_by(place.code, at)}
        return {at for at, place in self.places.items() if place.foreign or writes_memory(place.code, at)}

    def _wrote(self, stretch: Stretch, index: int, place: TracedInstruction, what: str | int) -> bool:
        """Whether a step that may have written something did so."""
        if isinstance(what, int):
            written = (access for access in stretch.touched(index) if access.is_write)
            return any(access.address <= what < access.address + len(access.data) for access in written)
        whole = whole_register(what)
        if not place.foreign or whole not in NUMBER:
            return True
        # A call into the C library, taken as one step.
        at = index * WIDTH + NUMBER[whole]
        return whole == "rax" or (whole != "rsp" and stretch.states[at] != stretch.states[at + WIDTH])

    def _known(self, addresses: set[int], what: str) -> None:
        """Raise where steps of these instructions lie in the gaps, or may do so."""
        if self.between is None or addresses & self.between.counts.keys():
            raise NotRecordedError(f"{what} is not known{self._advice()}")

    @property
    def counts(self) -> Mapping[int, int]:
        """Source line -> how many steps it took, those in the gaps among them.

        Raises:
            NotRecordedError: This is a slice with some of the gaps in it.
        """
        if self.between is None:
            raise NotRecordedError(f"how often each line ran is not known for this slice{self._advice()}")
        lines: Counter[int] = Counter()
        for address, count in (Counter(self.addresses()) + Counter(self.between.counts)).items():
            line = self.places[address].line
            if line is not None:
                lines[line] += count
        return MappingProxyType(dict(sorted(lines.items())))

    def loops(self) -> tuple[Loop, ...]:
        """The loops that the steps went round, in the order of their heads; a call is not a loop.

        Raises:
            NotRecordedError: This is a slice with some of the gaps in it.
        """
        if self.between is None:
            raise NotRecordedError(f"which loops it went round is not known for this slice{self._advice()}")
        times: Counter[tuple[int, int]] = Counter(self.between.turns)
        for stretch in self.stretches:
            addresses = stretch.addresses()
            if stretch is self.stretches[-1]:
                addresses.pop()  # where the last step led, nothing has been carried out
            times.update(turns(addresses))
        found = []
        for (tail, head), count in sorted(times.items(), key=lambda item: (item[0][1], item[0][0])):
            if self.places[tail].text.startswith(("call", "ret")) or self.places[tail].foreign:
                continue
            inside = {self.places[address].line for address in self.places if head <= address <= tail}
            found.append(Loop(tuple(sorted(line for line in inside if line is not None)), head, count))
        return tuple(found)

    def memory(self, address: int, size: int, before: int) -> tuple[int | None, ...]:
        """The bytes at an address before the step with a number; None for each that is not known.

        Known is what the program began with (its data, its buffers, its stack) and what a step that is held has read or
        written since; in a gap, or in a function of the C library, anything may have been written.

        Args:
            address: Where they begin.
            size: How many.
            before: The number of a step.
        """
        return self.memory_before(before).read(address, size)

    def stack(self, before: int) -> tuple[tuple[int, int | None], ...]:
        """The stack before the step with a number, from rsp upwards: each address, and its number if it is known."""
        state = self.state(len(self)) if before == self.taken else self.step(before).before
        memory = self.memory_before(before)
        start = state["rsp"]
        end = next((row[0] + row[1] for row in self.contents if row[0] <= start < row[0] + row[1]), start)
        # The top of the stack is a piece of its own where something lies there.
        while more := next((row[0] + row[1] for row in self.contents if row[0] == end), 0):
            end = more
        words = range(start, min(end, start + 8 * _WORDS_SHOWN) - 7, 8)
        return tuple((address, memory.word(address)) for address in words)

    def memory_before(self, number: int) -> KnownMemory:
        """The whole memory before the step with a number, as far as it is known."""
        memory = KnownMemory(self.contents if self.first == 0 else ())
        gaps = {end: start for start, end in self.gaps}
        for stretch in self.stretches:
            if gaps.get(stretch.first, number) < number:
                self.skip(memory)
            for index in range(min(len(stretch), number - stretch.first)):
                memory.take(stretch, index)
        return memory

    def skip(self, memory: KnownMemory) -> None:
        """Take a gap: what may have been written in it is not known any more."""
        if self.between is None or self._writers_of(0) & self.between.counts.keys():
            memory.invalidate()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, compressed; `Trace.load` reads it back."""
        held = self.contents if self.first == 0 else ()
        write_trace(path, TraceParts(self.stretches, self.places, self.ended, self.between, held))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read what `save` wrote.

        Raises:
            ValueError: The file is not a saved trace.
        """
        return cls(*read_trace(path))


_COMPARE = {
    "==": int.__eq__,
    "!=": int.__ne__,
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
}


def _is_register(name: str) -> bool:
    return name.lower() in PARTS or name.lower() in NUMBER


def _flag_is(step: Step, flag: str, verb: str) -> bool:
    was, now = flag in step.before.flags, flag in step.after.flags
    return was != now if verb == "changes" else now == (verb == "set")
