"""What a call into the C library changed: the program's memory compared before and after it.

The library runs at full speed, so its writes are not seen one by one. Data, buffers and the caller's stack are
compared; the rest that it may have written (the heap, the stack below, what is too large) is reported as unwatched.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.process.address_space import AddressSpace

_WATCHED = 256 * 1024
"""Bytes of data, buffers and stack that are compared before and after a call."""
_LONGEST_RUN = 4096
"""Bytes of what has changed in one piece."""


def windows(plan: AddressSpace, stack: int) -> Iterator[tuple[int, int]]:
    """Memory to compare: data, buffers, and the stack from `stack` upwards, each as start and size."""
    room = _WATCHED
    for start, size in _writable(plan):
        if start + size == address_map.STACK_END:
            start, size = max(start, min(stack, start + size)), min(size, max(0, start + size - stack))
        if size and size <= room:
            room -= size
            yield start, size


def unwatched(plan: AddressSpace, stack: int, watched: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Memory that a call may have written unseen, each range as start and size.

    Args:
        plan: The program's memory.
        stack: rsp where the call was made: what lies below it is the library's own.
        watched: What `windows` said.
    """
    starts = {start for start, _ in watched}
    for start, size in _writable(plan):
        if start + size == address_map.STACK_END:
            yield start, max(0, min(stack - start, size)) if stack in starts else size
        elif start not in starts:
            yield start, size
    yield address_map.BREAK, address_map.BREAK_END - address_map.BREAK
    yield address_map.MAPPINGS, address_map.MAPPINGS_END - address_map.MAPPINGS


def differences(start: int, old: bytes, new: bytes) -> list[tuple[int, bytes, bytes]]:
    """Runs of 8-byte numbers that are no longer what they were: address, old and new bytes.

    Args:
        start: Where the bytes lie.
        old: The bytes before.
        new: The bytes after.
    """
    size = min(len(old), len(new)) & -8
    found: list[tuple[int, bytes, bytes]] = []
    if old == new:
        return found
    pairs = zip(struct.iter_unpack("<Q", old[:size]), struct.iter_unpack("<Q", new[:size]), strict=True)
    changed = [8 * index for index, (one, other) in enumerate(pairs) if one != other]
    while changed:
        at = end = changed.pop(0)
        while changed and changed[0] == end + 8 and end + 16 - at <= _LONGEST_RUN:
            end = changed.pop(0)
        found.append((start + at, old[at : end + 8], new[at : end + 8]))
    if old[size:] != new[size:]:
        found.append((start + size, old[size:], new[size:]))
    return found


def _writable(plan: AddressSpace) -> Iterator[tuple[int, int]]:
    """The program's writable mappings, without the C library's own."""
    for mapping in plan.mappings:
        own = address_map.LIBRARIES <= mapping.address < address_map.LIBRARIES_END
        if mapping.protection == "rw-" and not own:
            yield mapping.address, mapping.size
