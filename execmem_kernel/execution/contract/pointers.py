"""How a number of a program's is shown: a pointer as an offset from a named range of its memory."""

from __future__ import annotations

from collections.abc import Mapping

from execmem_kernel.execution.contract.address_map import CALLER_SIZE
from execmem_kernel.wording import signed


def describe(value: int, places: Mapping[str, tuple[int, int]]) -> str:
    """A number as a person reads it, given the named ranges of a program's memory; the stack counts from its start."""
    place = describe_place(value, places)
    return place or (f"{value:#x} ({signed(value)})" if value > 9 else str(value))


def describe_place(value: int, places: Mapping[str, tuple[int, int]]) -> str:
    """A pointer as `code+0x12` or `stack-0x8`; empty where it points into no named range."""
    for name, (start, end) in places.items():
        # One past the end counts: that is where a loop's pointer stops.
        if name != "stack" and start <= value <= end:
            return f"{name}+{value - start:#x}" if value != start else name
    start, end = places.get("stack", (0, 0))
    if end and start - 64 <= value <= end + CALLER_SIZE:
        offset = value - (end - 8)  # from rsp at the start, where the return address lies
        return f"stack{'-' if offset < 0 else '+'}{abs(offset):#x}" if offset else "stack"
    return ""
