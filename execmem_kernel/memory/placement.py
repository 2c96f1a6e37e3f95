"""Where in the address space new regions go: at the address asked for, near one, or at the first free place.

    0x1000_0000  blocks with pages of their own   0x4000_0000  slabs   0x7000_0000

Both windows lie below 2 GiB, so that every function reaches every other by a 32-bit branch, and each is filled from
its start in a fixed order, so that runs repeat exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from execmem_kernel.errors import UnreachableError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.intervals import gaps
from execmem_kernel.memory.mapping import Backend, Code, Region, SystemCalls
from execmem_kernel.memory.pool import REACH
from execmem_kernel.wording import format_size


class Window(NamedTuple):
    """A range of addresses that regions of one kind are placed in."""

    low: int
    high: int


PAGES = Window(0x1000_0000, 0x4000_0000)
"""Where regions with pages of their own are placed."""
SLABS = Window(0x4000_0000, 0x7000_0000)
"""Where slabs are placed."""

_TRIES = 16
_BRANCH = 16
"""More bytes than any branch has: it counts from its own end."""
_USER_END = 0x7FFF_FFFF_F000
"""End of the address space of a process with four-level page tables. Source: Documentation/arch/x86/x86_64/mm.rst."""


class Placement:
    """Maps and unmaps regions of one manager, which locks it."""

    def __init__(self, calls: SystemCalls) -> None:
        self.calls: SystemCalls = calls
        self.stuck: list[Region] = []
        """Regions that munmap has refused to take: it may have to split a mapping first."""
        self.making: list[Region] = []
        """Regions that have no owner yet, or no more: what an interrupt leaves here is closed."""
        self._cursors: dict[Window, int] = {}
        """Window -> where in it to try first."""

    def map(
        self,
        size: int,
        name: str,
        backend: Backend,
        window: Window,
        address: int | None = None,
        near: int | None = None,
        code: Code = b"",
    ) -> Region:
        """A new region at the address asked for, or near one, or at the first free place of a window, or anywhere.

        Args:
            size: Bytes of whole pages.
            name: What the kernel's list of mappings is to say.
            backend: What the pages are made of.
            window: Where to look for room, unless it must be near an address.
            address: Where it should start, page-aligned; it lies elsewhere if that is taken.
            near: It must be within reach of a 32-bit branch from and to this address.
            code: What comes first in it; int3 to the end.

        Raises:
            UnreachableError: Nothing is free near `near`.
            OSError: A system call failed.
        """
        guard = linux_memory.PAGE_SIZE
        if near is not None:
            window = Window(max(near + size - REACH, PAGES.low), min(near + REACH - _BRANCH - size, _USER_END))
        possible = address is not None and 2 * guard <= address <= _USER_END - size - guard
        first = (address,) if possible and address is not None else ()
        starts = [*first, *(() if near is not None else (self._cursors.get(window, window.low),))]
        region = Region.map(size, name, starts, guard, backend, self.calls, self.stuck, self.making, code)
        if region is None:
            mapped = linux_memory.mappings()
            starts = [gap + guard for gap in gaps(mapped, window.low - guard, window.high + guard, size + 2 * guard)]
            if near is not None:
                starts.sort(key=lambda start: abs(start - near))
            anywhere = () if near is not None else (0,)
            starts = [*starts[:_TRIES], *anywhere]
            region = Region.map(size, name, starts, guard, backend, self.calls, self.stuck, self.making, code)
        if region is None:
            raise UnreachableError(
                f"{format_size(size)} asked for within 2 GiB of an address: nothing is free there; "
                "place the code first, and what it calls near it"
            )
        if window.low <= region.address < window.high:
            self._cursors[window] = region.end + 2 * guard
        return region

    def unmap(self, region: Region) -> None:
        """Unmap a region; where the kernel cannot, it is kept in `stuck`."""
        region.close_or_keep(self.stuck)
        if region in self.stuck:
            return
        for window, cursor in self._cursors.items():
            if window.low <= region.address < cursor:
                self._cursors[window] = region.address

    def retry(self) -> None:
        """Try again to unmap what the kernel could not unmap before."""
        for region in list(self.stuck):
            region.close_or_keep(self.stuck)
            if not region.held:
                self.stuck.remove(region)

    def settle(self, owned: Iterable[Region]) -> None:
        """Close what an interrupt has left without an owner; as often as it is asked for.

        Args:
            owned: The mappings of the manager's that have one.
        """
        owners = set(map(id, owned))
        for region in list(self.making):
            if id(region) not in owners:
                region.close_or_keep(self.stuck)
                region.close_descriptors()
        self.making.clear()
        self.retry()
