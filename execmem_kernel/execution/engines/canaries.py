"""Buffers that a program wrote beside: the bytes between a buffer and the ends of its pages have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from execmem_kernel.execution.contract.address_map import CANARY
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.process.address_space import PlacedBuffer
from execmem_kernel.execution.process.guest import Guest

_CANARY = bytes([CANARY])


def overruns(buffers: Mapping[str, PlacedBuffer], guest: Guest) -> Iterator[Warned]:
    """A warning for each end of a buffer that was written beyond."""
    for name, place in buffers.items():
        if not (place.canary and place.writable):
            continue
        after = guest.read(place.end, place.page_end - place.end)
        before = guest.read(place.page_start, place.start - place.page_start)
        for data, where in ((after, "past its end"), (before[::-1], "before its start")):
            if data.replace(_CANARY, b""):
                first = next(index for index, byte in enumerate(data) if byte != CANARY)
                nth = "just" if first == 0 else f"{first} bytes"
                yield Warned(
                    "buffer-overrun",
                    f"wrote outside buffer {name} ({place.size} bytes), {nth} {where}",
                    hint="check the size that the loop or the copy counts to",
                )
