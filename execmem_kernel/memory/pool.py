"""Slabs cut into blocks of whole granules: best fit, immediate coalescing, and space that is never handed out dirty.

    slab   │ head │ block ·· │ free ········ │ block │ free │
             one granule      int3 to its last byte

A slab is one region, so a thousand small functions cost the kernel one mapping and not a thousand. Bookkeeping lives
in Python objects only, never in executable memory; the head granule keeps every block's address away from the first
byte of a page, where tools look for the start of a mapping, and off-by-ones find a guard.

Free space is a dict from start to granules, a dict from end to start (both for coalescing), and bins from granules to
the set of starts. Bins of up to `_SMALL` granules are found by one bit mask, larger ones by bisection: the cost does
not depend on how many blocks are live.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.mapping import Region

GRANULE = 64
"""Bytes; a cache line, so that no two functions share one."""
PAGE_BITS = linux_memory.PAGE_SIZE.bit_length() - 1
_BRANCH = 16
"""More bytes than any branch has: it counts from its own end."""
REACH = 1 << 31
"""How far a branch with a 32-bit displacement goes, either way. Source: Intel SDM vol. 2A, "CALL", "JMP"."""
_SMALL = 512
"""Granules up to which a size has its own bit."""


def within_reach(start: int, size: int, address: int) -> bool:
    """Whether a 32-bit branch anywhere in a range gets to an address, and one there gets back.

    Args:
        start: First address of the range.
        size: Its bytes.
        address: What is to be reached.
    """
    return start + size + _BRANCH - REACH <= address <= start + REACH - _BRANCH


class Pool:
    """Where blocks of one neighbourhood lie; knows addresses and granules, and nothing of owners.

    Not locked: its manager is.
    """

    __slots__ = ("_bins", "_ends", "_free", "_large", "_mask", "free_granules", "slab_at", "slabs")

    def __init__(self) -> None:
        self._free: dict[int, int] = {}
        """Start of a free run -> its granules."""
        self._ends: dict[int, int] = {}
        """End of a free run -> its start."""
        self._bins: dict[int, dict[int, None]] = {}
        """Granules -> starts of the free runs of exactly that size, as an ordered set; last freed is used first."""
        self._mask = 0
        """Bit n is set where a free run of n granules exists, n <= _SMALL."""
        self._large: list[int] = []
        """Sizes over _SMALL that have a bin, sorted."""
        self.slabs: dict[int, Region] = {}
        """First byte for blocks -> slab; in the order they were added."""
        self.slab_at: dict[int, Region] = {}
        """Page number -> slab."""
        self.free_granules: int = 0

    def reaches(self, address: int) -> bool:
        """Whether every byte of every slab is within reach of a branch from and to an address."""
        return all(within_reach(slab.address, slab.size, address) for slab in self.slabs.values())

    def add(self, slab: Region) -> None:
        """Take a slab in; all of it but its head is free."""
        self.slabs[slab.address] = slab
        for page in range(slab.address >> PAGE_BITS, slab.end >> PAGE_BITS):
            self.slab_at[page] = slab
        self._insert(slab.address + GRANULE, slab.size // GRANULE - 1)

    def remove(self, slab: Region) -> None:
        """Take an empty slab out."""
        start = slab.address + GRANULE
        assert self._free.get(start) == slab.size // GRANULE - 1, "only an empty slab can be taken out"
        self._extract(start, self._free[start])
        del self.slabs[slab.address]
        for page in range(slab.address >> PAGE_BITS, slab.end >> PAGE_BITS):
            del self.slab_at[page]

    def rebuild(self, taken: Iterable[tuple[int, int]]) -> None:
        """Compute everything from the slabs and the blocks that are taken, as (start, granules).

        An interrupt may end this anywhere: the slabs are only read, so it can be done again from its beginning.
        """
        fresh = self.computed(taken)
        self.slab_at, self.free_granules = fresh.slab_at, fresh.free_granules
        self._free, self._ends, self._bins = fresh._free, fresh._ends, fresh._bins
        self._mask, self._large = fresh._mask, fresh._large

    def computed(self, taken: Iterable[tuple[int, int]]) -> Pool:
        """A pool of the same slabs, with all else computed from the blocks that are taken, as (start, granules)."""
        fresh = Pool()
        blocks = sorted(set(taken))  # one that is being freed is live and in quarantine
        for slab in list(self.slabs.values()):
            fresh.slabs[slab.address] = slab
            for page in range(slab.address >> PAGE_BITS, slab.end >> PAGE_BITS):
                fresh.slab_at[page] = slab
            start = slab.address + GRANULE
            first, last = bisect_left(blocks, (slab.address, 0)), bisect_left(blocks, (slab.end, 0))
            for taken_from, granules in blocks[first:last]:
                fresh._insert(start, (taken_from - start) // GRANULE)
                start = taken_from + granules * GRANULE
            fresh._insert(start, (slab.end - start) // GRANULE)
        return fresh

    def reserve(self, granules: int) -> int | None:
        """The start of a block of so many granules out of the smallest free run that holds it, or None."""
        bits = self._mask >> granules if granules <= _SMALL else 0
        if bits:
            found = granules + (bits & -bits).bit_length() - 1
        else:
            index = bisect_left(self._large, granules)
            if index == len(self._large):
                return None
            found = self._large[index]
        runs = self._bins[found]
        start = runs.popitem()[0]
        if not runs:
            self._drop_bin(found)
        del self._free[start]
        if found == granules:
            del self._ends[start + granules * GRANULE]
            self.free_granules -= granules
        else:
            rest = start + granules * GRANULE
            self.free_granules -= found
            self._insert(rest, found - granules)
        return start

    def release(self, start: int, granules: int) -> tuple[int, int]:
        """Take a block back and join it with free neighbours; returns the free run it now lies in."""
        end = start + granules * GRANULE
        before = self._ends.get(start)
        if before is not None:
            granules += self._free[before]
            self._extract(before, self._free[before])
            start = before
        after = self._free.get(end)
        if after is not None:
            self._extract(end, after)
            granules += after
        self._insert(start, granules)
        return start, granules

    def is_empty(self, slab: Region) -> bool:
        """Whether all of a slab is free."""
        return self._free.get(slab.address + GRANULE) == slab.size // GRANULE - 1

    @property
    def largest_free(self) -> int:
        """Bytes of the largest free run."""
        if self._large:
            return self._large[-1] * GRANULE
        return max(self._mask.bit_length() - 1, 0) * GRANULE

    def free_runs(self) -> list[tuple[int, int]]:
        """Every free run as (start, bytes), in address order; a walk, for tests and maps."""
        return sorted((start, granules * GRANULE) for start, granules in self._free.items())

    def _insert(self, start: int, granules: int) -> None:
        if granules == 0:
            return
        self._free[start] = granules
        self._ends[start + granules * GRANULE] = start
        runs = self._bins.get(granules)
        if runs is None:
            self._bins[granules] = {start: None}
            if granules <= _SMALL:
                self._mask |= 1 << granules
            else:
                insort(self._large, granules)
        else:
            runs[start] = None
        self.free_granules += granules

    def _extract(self, start: int, granules: int) -> None:
        del self._free[start]
        del self._ends[start + granules * GRANULE]
        runs = self._bins[granules]
        del runs[start]
        if not runs:
            self._drop_bin(granules)
        self.free_granules -= granules

    def _drop_bin(self, granules: int) -> None:
        del self._bins[granules]
        if granules <= _SMALL:
            self._mask &= ~(1 << granules)
        else:
            del self._large[bisect_left(self._large, granules)]
