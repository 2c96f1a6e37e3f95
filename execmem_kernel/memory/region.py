"""Owned executable pages: `Region`, the pages; `Block`, the record of a part handed out; `ExecutableMemory`, its owner.

    ExecutableMemory ──owns──> Block ──lies in──> Region
    what you hold              what the manager    one mapping: a slab cut into
                               knows about it      many blocks, or one block's own pages

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
import warnings
from collections.abc import Callable, Iterable
from sys import _getframe
from time import perf_counter_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from execmem_kernel import linux
from execmem_kernel.errors import (
    ClosedMemoryError,
    InheritedMemoryError,
    MemoryInUseError,
    SealedMemoryError,
    UnreachableError,
    UnsealedMemoryError,
)
from execmem_kernel.memory import places

if TYPE_CHECKING:
    from execmem_kernel.memory.manager import CodeMemoryManager
    from execmem_kernel.memory.pool import Pool

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
                write = calls.make("memfd_create", linux.code_file, f"execmem:{name}")
                undo.callback(os.close, write)
                calls.make("ftruncate", linux.resize_file, write, size)
                _fill_file(calls, write, size, code)
                read = calls.make("open", linux.reopen_read_only, write)
                undo.callback(os.close, read)
            whole = size + 2 * guard
            start = _reserve(addresses, whole, guard, calls)
            if start is None:
                return None
            region = cls(start + guard, size, guard, backend, calls)
            undo.callback(region.close_or_keep, stuck)
            # SAFETY: MAP_FIXED replaces only what _reserve has just mapped for us.
            if backend == "memfd":
                protection, flags = linux.PROT_READ | linux.PROT_EXEC, linux.MAP_SHARED | linux.MAP_FIXED
                calls.make("mmap", linux.map_pages, region.address, size, protection, flags, read, 0)
            else:
                protection = linux.PROT_READ | linux.PROT_WRITE
                calls.make("mprotect", linux.protect_pages, region.address, size, protection)
                linux.copy_to_memory(region.address, bytes(code).ljust(size, INT3))
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
        region.write_descriptor = calls.make("memfd_create", linux.code_file, f"execmem:{name}")
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
        return "r-x" if self.backend == "memfd" or self.write_descriptor == _FROZEN else "rw-"

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store bytes; all of them, or OSError."""
        if self.backend == "memfd":
            written = self.calls.make("pwrite", linux.pwrite, self.write_descriptor, data, offset)
            if written != len(data):
                raise OSError(errno.ENOSPC, "pwrite: the host has no memory left for code")
        else:
            linux.copy_to_memory(self.address + offset, bytes(data))

    def freeze(self) -> None:
        """Take away for ever every way to write to these pages."""
        if self.backend == "memfd":
            self.calls.make("fcntl", linux.freeze_file, self.write_descriptor)
            descriptor, self.write_descriptor = self.write_descriptor, _FROZEN
            if self.read_descriptor < 0:
                self.read_descriptor = descriptor  # it writes no more than the other would
            else:
                os.close(descriptor)
        else:
            protection = linux.PROT_READ | linux.PROT_EXEC
            self.calls.make("mprotect", linux.protect_pages, self.address, self.size, protection)
            self.write_descriptor = _FROZEN

    def read(self, offset: int, size: int) -> bytes:
        """Bytes as the processor fetches them."""
        if not self.mapped:
            return os.pread(self.read_descriptor, size, offset)
        return linux.read_memory(self.address + offset, size)

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
                self.calls.make("munmap", linux.unmap_pages, self.address - self.guard, self.reserved)
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


_FROZEN = -2


def _fill_file(calls: SystemCalls, descriptor: int, size: int, code: bytes | bytearray | memoryview) -> None:
    if calls.make("pwrite", linux.pwrite, descriptor, bytes(code).ljust(size, INT3), 0) != size:
        raise OSError(errno.ENOSPC, "pwrite: the host has no memory left for code")


def _reserve(addresses: Iterable[int], size: int, guard: int, calls: SystemCalls) -> int | None:
    """Inaccessible address space at the first free one of the addresses; they are of the first byte after a guard."""
    flags = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS | linux.MAP_NORESERVE
    for address in addresses:
        try:
            if address == 0:
                return calls.make("mmap", linux.map_pages, 0, size, linux.PROT_NONE, flags)
            fixed = flags | linux.MAP_FIXED_NOREPLACE
            return calls.make("mmap", linux.map_pages, address - guard, size, linux.PROT_NONE, fixed)
        except OSError as error:
            # EEXIST: taken. EPERM, EINVAL: not an address a process may have.
            if address == 0 or error.errno not in (errno.EEXIST, errno.EPERM, errno.EINVAL):
                raise
    return None


class Block:
    """What the manager knows about one part handed out. The defaults are those of a block just reserved."""

    address: int
    size: int
    capacity: int
    """Bytes it takes up: `size` rounded up to granules or pages."""
    region: Region
    offset: int
    """From the start of its region."""
    group: list[int]
    """Live blocks and live bytes of its cell and name, shared with all others of these."""
    pool: Pool
    """Whose slab its region is; not there for a block with pages of its own."""
    own_pages: bool = False
    name: str | None
    cell: str | None
    caught: places.Caught
    sequence: int
    """Number of the event that made it."""
    born_ns: int
    state: Literal["allocated", "written", "sealed", "released"] = "allocated"
    scopes: int = 0
    """How many `with` statements hold it open."""
    pins: int = 0
    """How many calls are running in it now."""
    manual: bool = False
    """Handed to a manual owner by `release()`."""
    doomed: bool = False
    """Closed while a call was running: freed when the last call ends."""
    gate: Any = None
    """Two numbers that machine code reads where it calls the block: 1 while it may, and how many calls are running."""
    ended_in: str | None = None
    ended_at: places.Caught | None = None

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return f"region {self.name!r}" if self.name else f"a region of {format_size(self.size)}"

    @property
    def made(self) -> str:
        """Where it was allocated, for a sentence."""
        return places.describe(self.cell, self.caught)

    @property
    def ended(self) -> str:
        """Where it was released, for a sentence."""
        return places.describe(self.ended_in, self.ended_at) if self.ended_at else "an unknown place"

    @property
    def story(self) -> str:
        """Both places, for an error."""
        return f"{self.title}: allocated in {self.made}, released in {self.ended}"


def format_size(size: int) -> str:
    """A size for people: "64 bytes", "12 KiB", "1.5 MiB"."""
    if size < 1024:
        return f"{size} byte" + ("s" if size != 1 else "")
    for unit, factor in (("KiB", 1024), ("MiB", 1024**2), ("GiB", 1024**3)):
        if size < 1024 * factor or unit == "GiB":
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    raise AssertionError("unreachable")


FunctionFactory = Callable[["ExecutableMemory", str], Any]
_function_factory: FunctionFactory | None = None


def register_function_factory(factory: FunctionFactory) -> None:
    """Say who makes a callable out of memory and a C prototype; the room that can call code does."""
    global _function_factory
    _function_factory = factory


class ExecutableMemory:
    """The one owner of a block of executable memory; made by `manager.allocate`.

        with manager.allocate(64, name="answer") as memory:
            memory.write(b"\\xb8\\x2a\\x00\\x00\\x00\\xc3")
            memory.seal()
        # freed here, also when an exception ended the block

    It cannot be copied or pickled, since two owners would free the same pages; `move()` passes it on, and leaves
    this handle closed. An owner that is forgotten frees its memory and says so with a ResourceWarning.
    """

    __slots__ = ("__weakref__", "_block", "_gone", "_manager")

    _block: Block
    _manager: CodeMemoryManager
    _gone: str | None
    """Why this handle owns nothing any more: "closed", "moved", "released"; None while it does."""

    def __init__(self, *_arguments: object) -> None:
        raise TypeError("ExecutableMemory is made by manager.allocate(size) or allocate_executable_memory(size)")

    # ---- what it is

    @property
    def address(self) -> int:
        """Where it starts.

        Raises:
            UnreachableError: It was allocated for another process to map.
        """
        return self._here().address

    @property
    def size(self) -> int:
        """Bytes asked for."""
        return self._block.size

    @property
    def name(self) -> str | None:
        """What it was called when it was allocated."""
        return self._block.name

    @property
    def closed(self) -> bool:
        """Whether this handle has given its memory up: closed, moved or released."""
        return self._gone is not None or self._block.state == "released"

    @property
    def sealed(self) -> bool:
        """Whether it is finished: it can be called, and never be written again."""
        return self._gone is None and self._block.state == "sealed"

    def __len__(self) -> int:
        return self._block.size

    def __repr__(self) -> str:
        block = self._block
        name = f" {block.name!r}" if block.name else ""
        return f"<ExecutableMemory{name}, {format_size(block.size)}, {self._gone or block.state}>"

    # ---- what is in it

    def write(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """Store bytes at an offset; possible until `seal()`.

        Raises:
            SealedMemoryError: It has been sealed.
            ClosedMemoryError: This handle owns nothing any more.
            ValueError: The bytes do not fit.
        """
        self._manager._write(self, data, offset)

    def seal(self) -> None:
        """Finish it: from now on it can be called, and not be written. Sealing twice is harmless."""
        self._manager._seal(self)

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes through the executable view, as the processor would fetch them."""
        block = self._open()
        size = block.size - offset if size is None else size
        if offset < 0 or size < 0 or offset + size > block.size:
            raise ValueError(f"{size} bytes at offset {offset} asked for; {block.title} has {format_size(block.size)}")
        with self._manager._pin(block):
            return block.region.read(block.offset + offset, size)

    def function(self, prototype: str) -> Any:
        """A callable for the code in it, from a C prototype: `memory.function("int64_t add(int64_t, int64_t)")`.

        Raises:
            UnsealedMemoryError: It has not been sealed.
            PrototypeError: The prototype cannot be read.
        """
        block = self._here()
        if block.state != "sealed":
            raise UnsealedMemoryError(f"{block.title} has not been sealed: call seal() once its code is complete")
        if _function_factory is None:
            import execmem_kernel

            execmem_kernel._attach_functions()
        assert _function_factory is not None, "the room that calls code registers itself when it is imported"
        return _function_factory(self, prototype)

    def backing(self) -> tuple[int, int, int] | None:
        """The pages behind it, to map them elsewhere too: read-only descriptor, offset in the file, size of the pages.

        Both numbers are of whole pages; a block from the pool has neighbours on them. None where this host has no
        memory files. The descriptor stays ours, and is good until this memory is closed.
        """
        block = self._open()
        region = block.region
        if region.backend != "memfd":
            return None
        start = block.offset // linux.PAGE_SIZE * linux.PAGE_SIZE
        end = -(-(block.offset + block.capacity) // linux.PAGE_SIZE) * linux.PAGE_SIZE
        return region.read_descriptor, start, end - start

    # ---- how it ends

    def pinned(self) -> Pin:
        """A context in which it cannot go away: a call is running in it. Closing waits for the last one to end.

        Raises:
            UnsealedMemoryError: It has not been sealed.
        """
        block = self._open()
        if block.state != "sealed":
            raise UnsealedMemoryError(f"{block.title} has not been sealed: call seal() once its code is complete")
        return self._manager._pin(block, called=True)

    def close(self) -> None:
        """Free it; twice is harmless. If a call is running in it, it is freed when that call ends."""
        self._manager._close(self, _getframe(1))

    def move(self) -> ExecutableMemory:
        """Hand ownership to a new handle; this one is closed from now on."""
        return self._manager._move(self)

    def release(self) -> int:
        """Give up ownership: nobody frees it but `manager.release(address)`, or `manager.adopt(address)` owns it again.

        Raises:
            MemoryInUseError: A call is running in it.
        """
        return self._manager._hand_over(self)

    def __enter__(self) -> ExecutableMemory:
        self._open().scopes += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._manager.inherited:
            return  # a forked child leaves its parent's memory alone
        if self._gone is None:
            self._block.scopes -= 1
            self._manager._close(self, _getframe(1))

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        try:
            if self._gone is not None or self._block.state == "released":
                return
        except AttributeError:  # never finished: allocate failed before there was anything to own
            return
        manager, block = self._manager, self._block
        if finalizing() or manager.inherited:
            return  # the kernel frees everything with the process, which for a child is the parent
        if block.state == "released":
            return  # by cleanup(): nothing was forgotten
        self._gone = "closed"
        manager._forgotten(block)
        warnings.warn(
            f"{block.title}, allocated in {block.made}, was forgotten and has been freed: close it, or use `with`",
            ResourceWarning,
            source=self,
            stacklevel=2,
        )

    def __copy__(self) -> NoReturn:
        raise TypeError(f"{self._block.title} cannot be copied: two owners would free it twice; move() passes it on")

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__copy__()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{self._block.title} cannot be pickled: its pages exist in this process only; send the bytes")

    def _here(self) -> Block:
        """The block, if it is mapped in this process."""
        block = self._open()
        if not block.region.mapped:
            raise UnreachableError(f"{block.title} is for a program's own process to map: it is nowhere in this one")
        return block

    def _open(self) -> Block:
        """The block, if this handle still owns it."""
        block = self._block
        if self._gone is not None or block.state == "released":
            raise closed_error(block, self._gone or "closed")
        return block


def closed_error(block: Block, gone: str) -> ClosedMemoryError:
    """What to say to the user of a handle that owns nothing any more."""
    if gone == "moved":
        return ClosedMemoryError(
            f"{block.title}, allocated in {block.made}, has been moved: use the handle that move() gave"
        )
    if gone == "released":
        return ClosedMemoryError(
            f"{block.title}, allocated in {block.made}, has been handed to a manual owner by release(); "
            "manager.adopt(address) makes a new owner"
        )
    return ClosedMemoryError(f"{block.title} is closed: it was allocated in {block.made} and closed in {block.ended}")


def sealed_error(block: Block) -> SealedMemoryError:
    """What to say to someone who writes too late."""
    return SealedMemoryError(
        f"{block.title}, allocated in {block.made}, is sealed: executable code is not changed; allocate a new region"
    )


def in_use_error(block: Block, verb: str) -> MemoryInUseError:
    """What to say to someone who takes the floor from under a running call."""
    return MemoryInUseError(f"{block.title} cannot be {verb} now: a call is running in it; wait until it returns")


def inherited_error(verb: str) -> InheritedMemoryError:
    """What to say to a forked child that wants to change its parent's code."""
    return InheritedMemoryError(
        f"this manager belongs to the process this one was forked from: its code may be called here, not {verb}; "
        "make a CodeMemoryManager of your own"
    )


class Pin:
    """Keeps a block where it is while a call runs in it."""

    __slots__ = ("_block", "_called", "_manager")

    def __init__(self, manager: CodeMemoryManager, block: Block, called: bool) -> None:
        self._manager = manager
        self._block = block
        self._called = called

    def __enter__(self) -> None:
        self._manager._enter(self._block, self._called)

    def __exit__(self, *_error: object) -> None:
        self._manager._leave(self._block)
