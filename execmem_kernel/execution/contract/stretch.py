"""Consecutive steps of a trace as columns: states (18 numbers each), ends, a log of the memory touched.

`Access` and `Registers` objects are made from them when they are asked for.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.x86.registers import GENERAL, VECTOR_SIZES

STATE = (*GENERAL, "rip", "rflags")
"""What a state holds, in the order of its 18 numbers."""
WIDTH = len(STATE)
RIP, RSP = STATE.index("rip"), STATE.index("rsp")
NUMBER = {name: position for position, name in enumerate(STATE)}
"""A register's name -> its position in a state."""
READ, WRITTEN, BOTH, VECTOR, INVALIDATED = 1, 2, 3, 4, 5
"""Kinds of entries in a stretch's log: `kind << 56 | size`, an address, the bytes before, the bytes after.

A vector register has its number (`MASKS` and up: k0...) at bit 32, no address, and only the bytes after. An invalidated
range is memory that something may have written unseen: no bytes at all, and the size in a number of its own. recorder.s
writes the first four too.
"""
_LETTERS = {size: letter for letter, size in VECTOR_SIZES.items()}
MASKS = 32
"""The number of k0 among vector registers."""


@dataclass(frozen=True, slots=True)
class Access:
    """Bytes of memory that a step read or wrote; `before` is None where the step only read them."""

    address: int
    data: bytes
    before: bytes | None = None

    @property
    def is_write(self) -> bool:
        """Whether the bytes were written."""
        return self.before is not None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive steps, as columns."""

    first: int
    """The number of its first step."""
    states: array[int]
    """18 numbers for each state; one state more than steps."""
    ends: array[int]
    """For each step where its part of the log ends."""
    log: array[int]
    """What each step touched: entries of the kinds above, their bytes padded to whole numbers."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def end(self) -> int:
        """The number of the step after its last."""
        return self.first + len(self.ends)

    def addresses(self) -> array[int]:
        """Where each step's instruction lies, and where the next one would."""
        return self.states[RIP::WIDTH]

    def part(self, start: int, stop: int) -> Stretch:
        """Some of its steps, by position."""
        begins = self._begins(start)
        ends = self.ends[start:stop]
        if begins:
            ends = array("Q", [end - begins for end in ends])
        log = self.log[begins : self._begins(stop)]
        return Stretch(self.first + start, self.states[start * WIDTH : (stop + 1) * WIDTH], ends, log)

    def state(self, index: int) -> Registers:
        """The registers before step `index`."""
        at = index * WIDTH
        return Registers(MappingProxyType(dict(zip(STATE, self.states[at : at + WIDTH], strict=True))))

    def touched(self, index: int) -> Iterator[Access]:
        """The memory that a step touched."""
        for kind, _, address, size, at in self.entries(index):
            before = self._bytes(at, size)
            if kind in (READ, BOTH):
                yield Access(address, before)
            if kind in (WRITTEN, BOTH):
                yield Access(address, self._bytes(at + (size + 7) // 8, size), before)

    def invalidated(self, index: int) -> Iterator[tuple[int, int]]:
        """Memory that may have been written unseen in a step: address and size."""
        return ((address, size) for kind, _, address, size, _ in self.entries(index) if kind == INVALIDATED)

    def vectors(self, index: int) -> Mapping[str, bytes]:
        """The vector registers that a step changed."""
        found = {}
        for kind, number, _, size, at in self.entries(index):
            if kind == VECTOR:
                width = _LETTERS.get(size, "")
                name = f"k{number - MASKS}" if number >= MASKS else f"{width}mm{number}"
                found[name] = self._bytes(at, size)
        return MappingProxyType(found)

    def _begins(self, index: int) -> int:
        return self.ends[index - 1] if index else 0

    def _bytes(self, at: int, size: int) -> bytes:
        return self.log[at : at + (size + 7) // 8].tobytes()[:size]

    def entries(self, index: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Kind, number, address and size of each entry of a step, and where its bytes begin."""
        at, end, log = self._begins(index), self.ends[index], self.log
        while at < end:
            head = log[at]
            kind, number, size = head >> 56, head >> 32 & 0xFFFFFF, head & 0xFFFF
            if kind == INVALIDATED:
                yield kind, number, log[at + 1], log[at + 2], at + 3
                at += 3
            elif kind == VECTOR:
                yield kind, number, 0, size, at + 1
                at += 1 + (size + 7) // 8
            else:
                yield kind, number, log[at + 1], size, at + 2
                at += 2 + (size + 7) // 8 * (1 if kind == READ else 2)


@dataclass(frozen=True, slots=True)
class Between:
    """What is known of the steps in the gaps: how often each instruction was carried out, and which jumps back."""

    counts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """Address -> steps."""
    turns: Mapping[tuple[int, int], int] = field(default_factory=lambda: MappingProxyType({}))
    """A jump back, from where to where -> times."""


def turns(addresses: Sequence[int]) -> Counter[tuple[int, int]]:
    """Jumps back among consecutive addresses, those to themselves too: from where to where, and how often."""
    pairs = Counter(itertools.pairwise(addresses))
    return Counter({pair: times for pair, times in pairs.items() if pair[1] <= pair[0]})
