"""`ExecutableMemory`: the one owner of a block.

ExecutableMemory ──owns──> Block ──lies in──> Region
what you hold              what the manager    one mapping: a slab cut into
                           knows about it      many blocks, or one block's own pages
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from sys import _getframe
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from execmem_kernel.errors import UnreachableError, UnsealedMemoryError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory import hooks
from execmem_kernel.memory.block import Block, closed_error
from execmem_kernel.wording import format_size

if TYPE_CHECKING:
    from execmem_kernel.memory.manager import CodeMemoryManager


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
        return hooks.function_factory(self, prototype)

    def backing(self) -> tuple[int, int, int] | None:
        """The pages behind it, to map them elsewhere too: read-only descriptor, offset in the file, size of the pages.

        Both numbers are of whole pages; a block from the pool has neighbours on them. None where this host has no
        memory files. The descriptor stays ours, and is good until this memory is closed.
        """
        block = self._open()
        region = block.region
        if region.backend != "memfd":
            return None
        start = block.offset // linux_memory.PAGE_SIZE * linux_memory.PAGE_SIZE
        end = -(-(block.offset + block.capacity) // linux_memory.PAGE_SIZE) * linux_memory.PAGE_SIZE
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
