"""A program's memory at one instant, as far as a trace knows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from execmem_kernel.execution.contract.address_map import PAGE
from execmem_kernel.execution.contract.stretch import Stretch


class KnownMemory:
    """A program's memory at one instant, as far as it is known: what it began with, and every write since."""

    def __init__(self, contents: Sequence[tuple[int, int, bytes]]) -> None:
        self._contents = contents
        self._pages: dict[int, tuple[bytearray, bytearray]] = {}
        """Each with a byte for every byte: 1 where it is known."""
        self._invalidated: dict[tuple[int, int], None] = {}

    def take(self, stretch: Stretch, index: int) -> None:
        """Take what a step wrote, and what it read, which is how it is now."""
        for address, size in stretch.invalidated(index):
            self.invalidate(address, size)
        for access in stretch.touched(index):
            self._put(access.address, access.data)

    def invalidate(self, address: int = 0, size: int = 1 << 64) -> None:
        """Mark a range as unknown from here on: something may have written to it; all memory if none is given."""
        self._invalidated[address, size] = None
        for at, (_, known) in self._pages.items():
            _blank(known, at, address, size)

    def read(self, address: int, size: int) -> tuple[int | None, ...]:
        """Bytes; None for each that is not known."""
        found: list[int | None] = []
        for at, here, there in _pieces(address, size):
            data, known = self._page(at)
            found += [byte if sure else None for byte, sure in zip(data[here:there], known[here:there], strict=True)]
        return tuple(found)

    def word(self, address: int) -> int | None:
        """The 8-byte number at an address, if all of it is known."""
        data = bytes(byte for byte in self.read(address, 8) if byte is not None)
        return int.from_bytes(data, "little") if len(data) == 8 else None

    def _put(self, address: int, data: bytes) -> None:
        taken = 0
        for at, here, there in _pieces(address, len(data)):
            page, known = self._page(at)
            page[here:there] = data[taken : taken + there - here]
            known[here:there] = b"\1" * (there - here)
            taken += there - here

    def _page(self, at: int) -> tuple[bytearray, bytearray]:
        found = self._pages.get(at)
        if found is None:
            found = self._pages[at] = bytearray(PAGE), bytearray(PAGE)
            for start, size, data in self._contents:
                low, high = max(start, at), min(start + size, at + PAGE)
                if low < high:
                    piece = data[low - start : high - start].ljust(high - low, b"\0")
                    found[0][low - at : high - at] = piece
                    found[1][low - at : high - at] = b"\1" * (high - low)
            for address, size in self._invalidated:
                _blank(found[1], at, address, size)
        return found


def _blank(known: bytearray, at: int, address: int, size: int) -> None:
    """Mark what of the page at `at` lies in a range as not known."""
    low, high = max(address - at, 0), min(address + size - at, PAGE)
    if low < high:
        known[low:high] = bytes(high - low)


def _pieces(address: int, size: int) -> Iterator[tuple[int, int, int]]:
    """A range cut at the ends of pages: the page, and from where to where in it."""
    end = address + size
    while address < end:
        page = address & -PAGE
        stop = min(end, page + PAGE)
        yield page, address - page, stop - page
        address = stop
