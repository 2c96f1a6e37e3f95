"""Which steps a trace holds: the first ones, the last ones, and samples of those between."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from types import MappingProxyType

from execmem_kernel.execution.contract.stretch import WIDTH, Between, Stretch, turns

_ROOM = 16 * 1024 * 1024
"""Bytes of memory recorded of the first steps."""
_LAST = 1_000
"""Steps before the end that are held in full, at least."""
_SAMPLES = 500
"""Single steps held of what lies between; when there are more, every second one goes."""
CHUNK = 500
"""Steps that the machine code takes in one call: an interrupt waits no longer than that."""


class Columns:
    """A stretch that is still growing."""

    __slots__ = ("ends", "first", "log", "states")

    def __init__(self, first: int, state: array[int]) -> None:
        self.first = first
        self.states = state
        self.ends = array("Q")
        self.log = array("Q")

    def __len__(self) -> int:
        return len(self.ends)

    def stretch(self) -> Stretch:
        """It as it is now; the columns are shared, not copied."""
        return Stretch(self.first, self.states, self.ends, self.log)


class StepLog:
    """Which steps are held: the first ones, the last ones, and samples of those between."""

    def __init__(self, in_full: int) -> None:
        self.count = 0
        """Steps taken so far."""
        self._in_full = in_full
        self._room = _ROOM // 8
        self._head: Columns | None = None
        """The first steps, in full."""
        self._tail: deque[Columns] = deque()
        """The last steps, in pieces of `CHUNK`; the oldest piece is thinned once the others are enough."""
        self._samples: list[Stretch] = []
        """Single steps of what lies between, whose numbers are multiples of `_interval`."""
        self._interval = 1
        self._counts: Counter[int] = Counter()
        self._turns: Counter[tuple[int, int]] = Counter()
        """How often each instruction and each jump back was taken in what was thinned."""

    def begin(self, state: array[int]) -> None:
        """Take the state before the first step."""
        self._head = Columns(0, state)

    def open(self) -> tuple[Columns, int]:
        """The columns that the next steps go to, and how many of them at most."""
        assert self._head is not None
        if not self._tail:
            if len(self._head) < self._in_full and len(self._head.log) < self._room:
                return self._head, self._in_full - len(self._head)
            self._tail.append(Columns(self.count, self._head.states[-WIDTH:]))
        last = self._tail[-1]
        if len(last) >= CHUNK:
            last = Columns(self.count, last.states[-WIDTH:])
            self._tail.append(last)
            if self.count - len(self._tail[0]) - self._tail[0].first >= _LAST:
                self._thin(self._tail.popleft().stretch())
        return last, CHUNK - len(last)

    def _thin(self, stretch: Stretch) -> None:
        """Keep a few steps of a stretch, and count the others."""
        addresses = stretch.addresses()
        self._turns.update(turns(addresses))
        self._counts.update(addresses[:-1])  # the last one is where the next stretch begins
        offset = -stretch.first % self._interval
        for index in range(offset, len(stretch), self._interval):
            self._samples.append(stretch.part(index, index + 1))
        while len(self._samples) > _SAMPLES:
            self._interval *= 2  # so a run of any length has at most `_SAMPLES`, evenly spread
            self._samples = [sample for sample in self._samples if sample.first % self._interval == 0]

    def stretches(self) -> tuple[tuple[Stretch, ...], Between]:
        """All that is held, in order, and what is known of the rest."""
        assert self._head is not None
        counts, jumped = Counter(self._counts), Counter(self._turns)
        for sample in self._samples:  # held themselves, so they are not among the steps in gaps
            addresses = sample.addresses()
            counts[addresses[0]] -= 1
            jumped.subtract(turns(addresses))
        held = [self._head.stretch(), *self._samples]
        if self._tail:
            states, ends, log = array("Q"), array("Q"), array("Q")
            for columns in self._tail:
                # Each piece begins with the state that the one before it ends with.
                states += columns.states if not states else columns.states[WIDTH:]
                ends.extend(end + len(log) for end in columns.ends)
                log += columns.log
            held.append(Stretch(self._tail[0].first, states, ends, log))
        joined = [held[0]]
        for stretch in held[1:]:
            if len(stretch) or len(held) == 1:
                joined.append(stretch)
        return tuple(joined), Between(MappingProxyType(+counts), MappingProxyType(+jumped))
