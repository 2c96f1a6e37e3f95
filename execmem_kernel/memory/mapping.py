"""`Region`: one mapping of executable pages, its guard pages and, where it has one, its memory file.

    guard │ code pages, r-x, filled with int3 until written │ guard

No page is ever writable and executable at once. What the pages are made of, and so how code gets into them, is the
region's `Backend` (backends.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import Any, Literal, Protocol, TypeVar

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.linux.descriptors import Descriptors

_Result = TypeVar("_Result")

INT3 = b"\xcc"
"""The breakpoint instruction, one byte long: a jump into unwritten or freed space stops at once, by SIGTRAP."""

Code = bytes | bytearray | memoryview
"""Machine code, in whatever holds bytes."""

BackendName = Literal["memfd", "anonymous"]

Protection = Literal["r-x", "rw-"]
"""What may be done with pages; "rwx" is not among them."""


class SystemCalls:
    """Counts, nanoseconds and failures of every system call that one manager makes."""

    __slots__ = ("_made", "failures", "write_ns", "writes")

    def __init__(self) -> None:
        self._made: dict[str, list[int]] = {}
        """Name -> how often, and nanoseconds in all."""
        self.failures: dict[tuple[str, int], int] = {}
        self.writes: int = 0
        self.write_ns: int = 0
        """pwrite alone, which every allocation and release makes: two numbers cost less than a dict."""

    def make(self, name: str, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Make one system call and account for it.

        Args:
            name: What it is called in statistics.
            function: The call.
            arguments: What it is given.
        """
        start = perf_counter_ns()
        try:
            return function(*arguments)
        except OSError as error:
            self.failed(name, error)
            raise
        finally:
            made = self._made.get(name)
            if made is None:
                made = self._made[name] = [0, 0]
            made[0] += 1
            made[1] += perf_counter_ns() - start

    def failed(self, name: str, error: OSError) -> None:
        """Account for a call that was refused."""
        key = (name, error.errno or 0)
        self.failures[key] = self.failures.get(key, 0) + 1

    def totals(self) -> tuple[dict[str, int], dict[str, int]]:
        """How often each call was made, and the nanoseconds of all of them; both by name."""
        counts = {name: made[0] for name, made in self._made.items()}
        nanoseconds = {name: made[1] for name, made in self._made.items()}
        counts["pwrite"] = counts.get("pwrite", 0) + self.writes
        nanoseconds["pwrite"] = nanoseconds.get("pwrite", 0) + self.write_ns
        return counts, nanoseconds


class Backend(Protocol):
    """What a region's pages are made of, and how code gets into them.

    A backend holds no state: a region keeps its own, two descriptors and whether it is frozen.
    """

    @property
    def name(self) -> BackendName:
        """What it is called in `Capabilities`."""

    @property
    def is_file(self) -> bool:
        """Whether the pages are those of a file: blocks of several owners may share them, other processes map them."""

    def create(self, region: Region, name: str, code: Code) -> None:
        """Make what is to be mapped, before there is an address for it; `code` first, int3 to the end.

        Args:
            region: Gets the descriptors.
            name: What the kernel's list of mappings is to say.
            code: What comes first.

        Raises:
            OSError: A system call failed; what was made until then is in the region.
        """

    def map(self, region: Region, code: Code) -> None:
        """Put the pages where the region's address space has been reserved.

        Raises:
            OSError: A system call failed.
        """

    def write(self, region: Region, offset: int, data: Code) -> None:
        """Store bytes; all of them, or OSError.

        Args:
            region: Where; it is not frozen.
            offset: From its start, in bytes.
            data: What.

        Raises:
            OSError: The host refused, or has no memory left.
        """

    def freeze(self, region: Region) -> None:
        """Take away for ever every way to write to the pages.

        Raises:
            OSError: A system call failed.
        """

    def is_frozen(self, region: Region) -> bool:
        """Whether `freeze` has been at the pages, be it that an interrupt kept it from its end."""

    def protection(self, region: Region) -> Protection:
        """What may be done with the pages now."""


class Region:
    """A mapping we own, with a guard page on both sides where asked; unmapped when it is dropped or closed."""

    __slots__ = (
        "address", "backend", "calls", "descriptors", "frozen", "guard", "held", "process", "read_descriptor",
        "size", "view", "write_descriptor",
    )  # fmt: skip

    def __init__(self, address: int, size: int, guard: int, backend: Backend, calls: SystemCalls) -> None:
        self.address: int = address
        self.size: int = size
        self.guard: int = guard
        """Bytes of inaccessible address space on each side."""
        self.backend: Backend = backend
        self.calls: SystemCalls = calls
        self.held: list[tuple[int, int]] = []
        """Start and size of the address space to give back: one pair, or none."""
        self.process: int = 0
        """The process that mapped it, and unmaps it."""
        self.descriptors: Descriptors = Descriptors()
        """Holds the two that follow."""
        self.write_descriptor: int = -1
        self.read_descriptor: int = -1
        self.frozen: bool = False
        self.view: Any = None
        """A slab's bytes as the processor sees them; slices are bytes."""

    @classmethod
    def map(
        cls,
        size: int,
        name: str,
        addresses: Iterable[int],
        guard: int,
        backend: Backend,
        calls: SystemCalls,
        stuck: list[Region],
        making: list[Region],
        code: Code = b"",
    ) -> Region | None:
        """Map pages at the first address that is free.

        The pages are all there from now on, `code` first and int3 to the end: a host without memory fails here, not
        later by SIGBUS.

        Args:
            size: Bytes of whole pages.
            name: What the kernel's list of mappings is to say.
            addresses: Where it may lie, the best first; 0: wherever the kernel likes.
            guard: Bytes of inaccessible address space on each side.
            backend: What the pages are made of.
            calls: Counts the system calls.
            stuck: Gets what munmap refuses to take where something fails.
            making: Gets the region before it holds anything, so that no interrupt can lose it; the caller takes it
                out when it has an owner.
            code: What comes first.

        Returns:
            The region, or None if none of the addresses is free.

        Raises:
            OSError: A system call failed; nothing is left behind but what went into `stuck`.
        """
        region = cls(0, size, guard, backend, calls)
        region.process = os.getpid()
        making.append(region)
        try:
            backend.create(region, name, code)
            start = _reserve(region.held, addresses, region.reserved, guard, calls)
            if start is not None:
                region.address = start + guard
                backend.map(region, code)
                return region
        except BaseException:
            region.give_up(stuck, making)
            raise
        region.give_up(stuck, making)
        return None

    @classmethod
    def file(
        cls, size: int, name: str, address: int, backend: Backend, calls: SystemCalls, making: list[Region], code: Code
    ) -> Region:
        """Code in a memory file that is for another process to map, and is not mapped in this one.

        Args:
            size: Bytes of whole pages.
            name: What the file is called.
            address: A number below zero that no other region has.
            backend: One whose pages are those of a file.
            calls: Counts the system calls.
            making: Gets the region before it holds anything; the caller takes it out when it has an owner.
            code: What comes first; int3 to the end.

        Raises:
            OSError: A system call failed; nothing is left behind.
        """
        region = cls(address, size, 0, backend, calls)
        making.append(region)
        try:
            backend.create(region, name, code)
        except BaseException:
            region.give_up([], making)
            raise
        return region

    @property
    def mapped(self) -> bool:
        """Whether it lies in this process's memory."""
        return self.address >= 0

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.address + self.size

    @property
    def reserved(self) -> int:
        """Bytes of address space, guard pages included."""
        return self.size + 2 * self.guard

    @property
    def protection(self) -> Protection:
        """What may be done with the pages now."""
        return self.backend.protection(self)

    @property
    def held_frozen(self) -> bool:
        """Whether the pages can be written no more, though `freeze` may not have come to its end."""
        return self.backend.is_frozen(self)

    def write(self, offset: int, data: Code) -> None:
        """Store bytes; all of them, or OSError."""
        self.backend.write(self, offset, data)

    def freeze(self) -> None:
        """Take away for ever every way to write to these pages."""
        self.backend.freeze(self)
        self.frozen = True

    def read(self, offset: int, size: int) -> bytes:
        """Bytes as the processor fetches them."""
        if not self.mapped:
            return os.pread(self.read_descriptor, size, offset)
        return linux_memory.read_memory(self.address + offset, size)

    def close(self) -> None:
        """Unmap, and close the descriptors; twice is harmless.

        Raises:
            OSError: munmap failed (at the limit of mappings it may have to split one); the region is still whole.
        """
        if self.held:
            if self.process != os.getpid():
                self.held.clear()  # the parent's: a child leaves it alone
                return
            self.calls.make("munmap", linux_memory.unmap_pages, self.held)
        self.view = None
        self.close_descriptors()

    def close_or_keep(self, stuck: list[Region]) -> None:
        """Close; where munmap refuses, put this among those that are tried again."""
        try:
            self.close()
        except OSError:
            if self not in stuck:
                stuck.append(self)

    def give_up(self, stuck: list[Region], making: list[Region]) -> None:
        """Close what could not be made; where munmap refuses, put it among those that are tried again."""
        self.close_or_keep(stuck)
        self.close_descriptors()
        making.remove(self)

    def close_descriptors(self) -> None:
        """Close both descriptors; twice is harmless."""
        self.write_descriptor = self.read_descriptor = -1
        self.descriptors.close()

    def drop_writing(self) -> None:
        """Close the descriptor for writing, as a forked child does first."""
        self.write_descriptor = -1
        self.descriptors.close_others(self.read_descriptor)

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # At the interpreter's end the pages stay: another thread may still be inside, and the kernel frees them.
        if self.held and not finalizing():  # its descriptors close themselves
            with contextlib.suppress(OSError):
                self.close()


def _reserve(
    held: list[tuple[int, int]], addresses: Iterable[int], size: int, guard: int, calls: SystemCalls
) -> int | None:
    """Inaccessible address space at the first free one of the addresses; they are of the first byte after a guard.

    Args:
        held: Gets the range.
        addresses: Where to try.
        size: Bytes, both guards included.
        guard: Bytes of one guard.
        calls: Counts the system calls.
    """
    none = linux_memory.PROT_NONE
    flags = linux_memory.MAP_PRIVATE | linux_memory.MAP_ANONYMOUS | linux_memory.MAP_NORESERVE
    for address in addresses:
        try:
            if address == 0:
                return calls.make("mmap", linux_memory.reserve_pages, held, 0, size, none, flags)
            fixed = flags | linux_memory.MAP_FIXED_NOREPLACE
            return calls.make("mmap", linux_memory.reserve_pages, held, address - guard, size, none, fixed)
        except OSError as error:
            # EEXIST: taken. EPERM, EINVAL: not an address a process may have.
            if address == 0 or error.errno not in (errno.EEXIST, errno.EPERM, errno.EINVAL):
                raise
    return None
