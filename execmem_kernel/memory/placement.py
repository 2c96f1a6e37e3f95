"""Where in the address space there is room: a pure function over the kernel's list of mappings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from execmem_kernel.linux import KernelMapping


def gaps(mappings: Iterable[KernelMapping], low: int, high: int, size: int) -> Iterator[int]:
    """Places for `size` bytes in the unmapped stretches within [low, high), in address order.

    Each stretch gives its first place, and its last where that is another: the one to take when what it is to be
    near lies above.
    """
    start = low
    for taken, end in [*((mapping.start, mapping.end) for mapping in mappings), (high, high)]:
        stop = min(taken, high)
        if stop - start >= size:
            yield start
            if stop - start > size:
                yield stop - size
        start = max(start, end)
