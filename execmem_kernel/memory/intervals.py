"""Arithmetic on address intervals: pure functions over the kernel's list of mappings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from execmem_kernel.linux.memory import KernelMapping

Interval = tuple[int, int]
"""Start and end of a range of addresses, the end not included."""


def gaps(mappings: Iterable[KernelMapping], low: int, high: int, size: int) -> Iterator[int]:
    """Places for `size` bytes in the unmapped stretches within [low, high), in address order.

    Each stretch gives its first place, and its last where that is another: the one to take when what it is to be
    near lies above.

    Args:
        mappings: What is mapped, in address order.
        low: First address that may be used.
        high: Address behind the last.
        size: Bytes of the place.
    """
    start = low
    for taken, end in [*((mapping.start, mapping.end) for mapping in mappings), (high, high)]:
        stop = min(taken, high)
        if stop - start >= size:
            yield start
            if stop - start > size:
                yield stop - size
        start = max(start, end)


def subtract(intervals: Iterable[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """The parts of some intervals that are in none of the others."""
    left = []
    obstacles = sorted(taken)
    for start, end in intervals:
        for low, high in obstacles:
            if high <= start or low >= end:
                continue
            if low > start:
                left.append((start, low))
            start = high
            if start >= end:
                break
        if start < end:
            left.append((start, end))
    return left


def total_size(intervals: Iterable[Interval]) -> int:
    """Bytes in all of some intervals together, which do not overlap."""
    return sum(end - start for start, end in intervals)
