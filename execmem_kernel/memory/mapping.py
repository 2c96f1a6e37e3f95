"""`Region`: one mapping of executable pages, its guards and its memory file.

    guard │ code pages, r-x, filled with int3 until written │ guard

No page is ever writable and executable at once. Where the host allows memory files (memfd), a region is one,
mapped r-x through a read-only descriptor, so that nothing can make the mapping writable, and written by pwrite.
Elsewhere it is anonymous memory, rw- until it is sealed, r-x from then on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import Any, Literal, TypeVar

from execmem_kernel.linux import memory as linux_memory

_Result = TypeVar("_Result")


INT3 = b"\xcc"
"""The breakpoint instruction, one byte long: whoever runs into unwritten or freed space stops at once, by SIGTRAP."""


Backend = Literal["memfd", "anonymous"]


class SystemCalls:
    """Counts, nanoseconds and failures of every system call that one manager makes."""

    __slots__ = ("counts", "failures", "nanoseconds")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.nanoseconds: dict[str, int] = {}
        self.failures: dict[tuple[str, int], int] = {}

    def make(self, name: str, function: Callable[..., _Result], *arguments: object) -> _Result:
        """Make one system call and account for it."""
        start = perf_counter_ns()
        try:
            return function(*arguments)
        except OSError as error:
            self.failed(name, error)
            raise
        finally:
            self.counts[name] = self.counts.get(name, 0) + 1
            self.nanoseconds[name] = self.nanoseconds.get(name, 0) + perf_counter_ns() - start

    def failed(self, name: str, error: OSError) -> None:
        key = (name, error.errno or 0)
        self.failures[key] = self.failures.get(key, 0) + 1


class Region:
    """A mapping we own, with a guard page on both sides where asked; unmapped when it is dropped or closed."""

    __slots__ = ("address", "backend", "calls", "guard", "owner", "read_descriptor", "size", "view", "write_descriptor")

    def __init__(self, address: int, size: int, guard: int, backend: Backend, calls: SystemCalls) -> None:
        self.address: int = address
        self.size: int = size
        self.guard: int = guard
        """Bytes of inaccessible address space on each side."""
        self.backend: Backend = backend
        self.calls: SystemCalls = calls
        self.owner: int = os.getpid()
        self.write_descriptor: int = -1
        self.read_descriptor: int = -1
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
        code: bytes | bytearray | memoryview = b"",
    ) -> Region | None:
        """Map `size` bytes at the first of `addresses` that is free (0: wherever the kernel likes).

        The pages are all there from now on, `code` first and int3 to the end: a host without memory fails here, not
        later by SIGBUS.

        Returns:
            The region, or None if none of the addresses is free.

        Raises:
            OSError: A system call failed; nothing is left behind but what munmap then refused to take, in `stuck`.
        """
        with contextlib.ExitStack() as undo:
            write = read = -1
            if backend == "memfd":
                write = calls.make("memfd_create", linux_memory.code_file, f"execmem:{name}")
                undo.callback(os.close, write)
                calls.make("ftruncate", linux_memory.resize_file, write, size)
                _fill_file(calls, write, size, code)
                read = calls.make("open", linux_memory.reopen_read_only, write)
                undo.callback(os.close, read)
            whole = size + 2 * guard
            start = _reserve(addresses, whole, guard, calls)
            if start is None:
                return None
            region = cls(start + guard, size, guard, backend, calls)
            undo.callback(region.close_or_keep, stuck)
            # SAFETY: MAP_FIXED replaces only what _reserve has just mapped for us.
            if backend == "memfd":
                protection, flags = (
                    linux_memory.PROT_READ | linux_memory.PROT_EXEC,
                    linux_memory.MAP_SHARED | linux_memory.MAP_FIXED,
                )
                calls.make("mmap", linux_memory.map_pages, region.address, size, protection, flags, read, 0)
            else:
                protection = linux_memory.PROT_READ | linux_memory.PROT_WRITE
                calls.make("mprotect", linux_memory.protect_pages, region.address, size, protection)
                linux_memory.copy_to_memory(region.address, bytes(code).ljust(size, INT3))
            undo.pop_all()
        region.write_descriptor, region.read_descriptor = write, read
        return region

    @classmethod
    def file(
        cls, size: int, name: str, address: int, calls: SystemCalls, code: bytes | bytearray | memoryview
    ) -> Region:
        """Code in a memory file that is for another process to map, and is not mapped in this one.

        Args:
            size: Bytes of whole pages.
            name: What the file is called.
            address: A number below zero, by which the books tell it from the others.
            calls: Who counts the system calls.
            code: What comes first; int3 to the end.

        Raises:
            OSError: A system call failed; nothing is left behind.
        """
        region = cls(address, size, 0, "memfd", calls)
        region.owner = 0  # there is nothing to unmap
        region.write_descriptor = calls.make("memfd_create", linux_memory.code_file, f"execmem:{name}")
        try:
            _fill_file(calls, region.write_descriptor, size, code)
        except BaseException:
            region.drop_writing()
            raise
        return region

    @property
    def mapped(self) -> bool:
        """Whether it lies in this process's memory."""
        return self.address >= 0

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def reserved(self) -> int:
        """Bytes of address space, guard pages included."""
        return self.size + 2 * self.guard

    @property
    def protection(self) -> str:
        return "r-x" if self.backend == "memfd" or self.write_descriptor == FROZEN else "rw-"

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes; all of them, or OSError."""
        if self.backend == "memfd":
            written = self.calls.make("pwrite", linux_memory.pwrite, self.write_descriptor, data, offset)
            if written != len(data):
                raise OSError(errno.ENOSPC, "pwrite: the host has no memory left for code")
        else:
            linux_memory.copy_to_memory(self.address + offset, bytes(data))

    def freeze(self) -> None:
        """Take away for ever every way to write to these pages."""
        if self.backend == "memfd":
            self.calls.make("fcntl", linux_memory.freeze_file, self.write_descriptor)
            descriptor, self.write_descriptor = self.write_descriptor, FROZEN
            if self.read_descriptor < 0:
                self.read_descriptor = descriptor  # it writes no more than the other would
            else:
                os.close(descriptor)
        else:
            protection = linux_memory.PROT_READ | linux_memory.PROT_EXEC
            self.calls.make("mprotect", linux_memory.protect_pages, self.address, self.size, protection)
            self.write_descriptor = FROZEN

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
        owner, self.owner = self.owner, 0
        if owner:
            if owner != os.getpid():
                return  # the parent's: a child leaves it alone
            # Given up before the call: after an interrupt the pages may stay, but no second munmap hits somebody else.
            try:
                self.calls.make("munmap", linux_memory.unmap_pages, self.address - self.guard, self.reserved)
            except OSError:
                self.owner = owner
                raise
        self.view = None
        self.drop_writing()
        if self.read_descriptor >= 0:
            os.close(self.read_descriptor)
            self.read_descriptor = -1

    def close_or_keep(self, stuck: list[Region]) -> None:
        """Close; where munmap refuses, put this where somebody will try again."""
        try:
            self.close()
        except OSError:
            stuck.append(self)

    def drop_writing(self) -> None:
        """Close the descriptor for writing, as a forked child does first."""
        if self.write_descriptor >= 0:
            descriptor, self.write_descriptor = self.write_descriptor, -1
            os.close(descriptor)

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # At the interpreter's end the pages stay: another thread may still be inside, and the kernel frees them.
        if (self.owner or self.read_descriptor >= 0) and not finalizing():
            with contextlib.suppress(OSError):
                self.close()


FROZEN = -2


def _fill_file(calls: SystemCalls, descriptor: int, size: int, code: bytes | bytearray | memoryview) -> None:
    if calls.make("pwrite", linux_memory.pwrite, descriptor, bytes(code).ljust(size, INT3), 0) != size:
        raise OSError(errno.ENOSPC, "pwrite: the host has no memory left for code")


def _reserve(addresses: Iterable[int], size: int, guard: int, calls: SystemCalls) -> int | None:
    """Inaccessible address space at the first free one of the addresses; they are of the first byte after a guard."""
    flags = linux_memory.MAP_PRIVATE | linux_memory.MAP_ANONYMOUS | linux_memory.MAP_NORESERVE
    for address in addresses:
        try:
            if address == 0:
                return calls.make("mmap", linux_memory.map_pages, 0, size, linux_memory.PROT_NONE, flags)
            fixed = flags | linux_memory.MAP_FIXED_NOREPLACE
            return calls.make("mmap", linux_memory.map_pages, address - guard, size, linux_memory.PROT_NONE, fixed)
        except OSError as error:
            # EEXIST: taken. EPERM, EINVAL: not an address a process may have.
            if address == 0 or error.errno not in (errno.EEXIST, errno.EPERM, errno.EINVAL):
                raise
    return None
