"""`ExecutableMemory`: the one owner of a block.

    ExecutableMemory ──owns──> Block ──lies in──> Region
    what you hold              the manager's       one mapping: a slab cut into
                               record of it        many blocks, or one block's own pages

What a handle changes, it changes with its owner's lock held: two threads may close, move or write through one handle.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Callable
from sys import _getframe
from types import FrameType, TracebackType
from typing import Any, Literal, NoReturn, Protocol

from execmem_kernel.errors import UnreachableError, UnsealedMemoryError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory import callsites, hooks
from execmem_kernel.memory.block import Block, Gone, closed_error, in_use_error, inherited_error, sealed_error
from execmem_kernel.memory.callsites import CallSite
from execmem_kernel.memory.locks import Lock
from execmem_kernel.memory.mapping import Code
from execmem_kernel.wording import format_size

Handover = Literal["moved", "handed over", "adopted"]
"""How a block can change hands."""


class Owner(Protocol):
    """What a handle needs of the manager that its block belongs to."""

    lock: Lock
    """Held while anything of a block changes; the methods below up to `end_block` want it held."""
    dropped: deque[Block]
    """Blocks to be freed as soon as nothing is in the way."""
    unsettled: object
    """What is being changed, or was when an interrupt came; None if nothing is."""
    mine: list[bool]
    """Empty if it belongs to the process that this one was forked from."""

    @property
    def inherited(self) -> bool:
        """Whether it belongs to the process that this one was forked from."""

    def write_block(self, block: Block, offset: int, data: Code) -> None:
        """Store bytes at an offset of a block, which they fit into.

        Args:
            block: Where; it is not sealed.
            offset: From its start, in bytes.
            data: What.
        """

    def seal_block(self, block: Block) -> None:
        """Make a block's bytes final."""

    def pass_on_block(self, kind: Handover, block: Block, generation: int, handle: object) -> None:
        """Make a block another owner's.

        Args:
            kind: What happens to it.
            block: Which.
            generation: The new owner's.
            handle: The new owner; the old one, where that is no handle.
        """

    def end_block(self, block: Block, call_site: CallSite) -> None:
        """Free a block, or leave that to the last call running in it."""

    def settle(self) -> None:
        """Take back or finish what an interrupt has left half done; takes the lock itself."""

    def pin_block(self, pin: object, block: Block) -> None:
        """Keep a block where it is until `unpin_block`, or until the pin is gone; takes the lock itself."""

    def unpin_block(self, pin: object, block: Block) -> None:
        """Let a block go that has been closed meanwhile; takes the lock itself."""

    def settle_block(self, block: Block) -> None:
        """Free a block that was closed while machine code ran in it, if none does now; takes the lock itself."""

    def drop_block(self, block: Block) -> None:
        """Free the block of a handle that was dropped; waits for nothing, since a finalizer may run at any moment."""

    def collect(self) -> None:
        """Free the blocks of handles that were dropped while the lock was held; takes the lock itself."""


class ExecutableMemory:
    """The one owner of a block of executable memory; made by `manager.allocate`.

        with manager.allocate(64, name="answer") as memory:
            memory.write(b"\\xb8\\x2a\\x00\\x00\\x00\\xc3")
            memory.seal()
        # freed here, also when an exception ended the block

    It cannot be copied or pickled, since two owners would free the same pages; `move()` passes it on, and leaves
    this handle closed. An owner that is forgotten frees its memory and says so with a ResourceWarning.
    """

    __slots__ = ("__weakref__", "_block", "_generation", "_gone", "_owner")

    _block: Block
    _owner: Owner
    _generation: int
    """It owns the block as long as that is of the same generation."""
    _gone: Gone | None
    """Why this handle owns nothing any more; None while it does."""

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
        return self._end is not None

    @property
    def sealed(self) -> bool:
        """Whether it is finished: it can be called, and never be written again."""
        return self._end is None and self._block.state == "sealed"

    def __len__(self) -> int:
        return self._block.size

    def __repr__(self) -> str:
        block = self._block
        name = f" {block.name!r}" if block.name else ""
        return f"<ExecutableMemory{name}, {format_size(block.size)}, {self._end or block.state}>"

    # ---- what is in it

    def write(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """Store bytes at an offset; possible until `seal()`.

        Raises:
            SealedMemoryError: It has been sealed.
            ClosedMemoryError: This handle owns nothing any more.
            InheritedMemoryError: It belongs to the process that this one was forked from.
            ValueError: The bytes do not fit.
        """
        owner = self._owner
        try:
            with owner.lock:
                block = self._changeable("written to")
                if block.state == "sealed":
                    raise sealed_error(block)
                if type(data) is not bytes:
                    data = memoryview(data).cast("B")
                if offset < 0 or offset + len(data) > block.size:
                    raise ValueError(
                        f"{format_size(len(data))} at offset {offset} do not fit into {block.title}, "
                        f"which has {format_size(block.size)}"
                    )
                owner.write_block(block, offset, data)
        except BaseException:
            owner.settle()
            raise

    def seal(self) -> None:
        """Finish it: from now on it can be called, and not be written. Sealing twice is harmless.

        Raises:
            ClosedMemoryError: This handle owns nothing any more.
            InheritedMemoryError: It belongs to the process that this one was forked from.
        """
        owner = self._owner
        try:
            with owner.lock:
                block = self._changeable("sealed")
                if block.state != "sealed":
                    owner.seal_block(block)
        except BaseException:
            owner.settle()
            raise

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes through the executable view, as the processor would fetch them.

        Raises:
            ClosedMemoryError: This handle owns nothing any more.
            ValueError: There are not so many bytes at that offset.
        """
        with self._owner.lock:  # which keeps it where it is
            block = self._open()
            size = block.size - offset if size is None else size
            if offset < 0 or size < 0 or offset + size > block.size:
                raise ValueError(
                    f"{size} bytes at offset {offset} asked for; {block.title} has {format_size(block.size)}"
                )
            return block.region.read(block.offset + offset, size)

    def function(self, prototype: str) -> Any:
        """A callable for the code in it, from a C prototype: `memory.function("int64_t add(int64_t, int64_t)")`.

        Raises:
            UnsealedMemoryError: It has not been sealed.
            UnreachableError: It was allocated for another process to map.
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
        if not region.backend.is_file:
            return None
        start = block.offset // linux_memory.PAGE_SIZE * linux_memory.PAGE_SIZE
        end = linux_memory.whole_pages(block.offset + block.capacity)
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
        return Pin(self._owner, block)

    def close(self) -> None:
        """Free it; twice is harmless. If a call is running in it, it is freed when that call ends."""
        self._close(_getframe(1))

    def move(self) -> ExecutableMemory:
        """Hand ownership to a new handle; this one is closed from now on.

        Raises:
            MemoryInUseError: A call is running in it.
        """
        owner = self._owner
        try:
            with owner.lock:
                block = self._idle("moved")
                moved = new_handle(owner, block, block.generation + 1)
                owner.pass_on_block("moved", block, moved._generation, moved)
                self._gone = "moved"
        except BaseException:
            owner.settle()
            raise
        return moved

    def release(self) -> int:
        """Give up ownership, and return the address: only `manager.release(address)` frees it from now on, or
        `manager.adopt(address)` owns it again.

        Raises:
            MemoryInUseError: A call is running in it.
        """
        owner = self._owner
        try:
            with owner.lock:
                block = self._idle("released")
                owner.pass_on_block("handed over", block, -1 - block.generation, self)
                self._gone = "released"
        except BaseException:
            owner.settle()
            raise
        return block.address

    def __enter__(self) -> ExecutableMemory:
        block = self._open()
        block.scopes += 1  # no call comes after this, and so no interrupt
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owner.inherited:
            return  # a forked child leaves its parent's memory alone
        if self._end is None:
            self._block.scopes -= 1
            self._close(_getframe(1))

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        try:
            owner, block = self._owner, self._block
            if self._generation != block.generation or block.state == "released" or block.close_pending:
                return
            _ = block.address
        except AttributeError:  # never finished: allocate failed before there was anything to own
            return
        if finalizing() or not owner.mine:
            return  # the kernel frees everything with the process, which for a child is the parent
        if owner.unsettled is not None and not owner.lock.locked():
            owner.settle()
            if self.closed:
                return  # what made this the owner was interrupted, and is taken back
        owner.drop_block(block)
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

    def _close(self, frame: FrameType) -> None:
        """Free the block, for a caller outside this package in `frame`."""
        owner, block = self._owner, self._block
        if self._generation != block.generation or block.state == "released" or block.close_pending:
            return
        code = frame.f_code
        inside = code.co_filename.startswith(callsites.PACKAGE)
        call_site = callsites.catch(frame) if inside else (code, frame.f_lasti)
        with owner.lock:
            if self.closed:
                return
            if not owner.mine:
                raise inherited_error("released")
            owner.end_block(block, call_site)
        if owner.dropped:
            owner.collect()

    def _here(self) -> Block:
        """The block, if it is mapped in this process."""
        block = self._open()
        if not block.region.mapped:
            raise UnreachableError(f"{block.title} is for a program's own process to map: it is nowhere in this one")
        return block

    def _open(self) -> Block:
        """The block, if this handle still owns it."""
        block, end = self._block, self._end
        if end is not None:
            raise closed_error(block, end)
        return block

    @property
    def _end(self) -> Gone | None:
        """Why this handle owns nothing any more; None as long as it does."""
        block = self._block
        if self._generation != block.generation:
            # An interrupt may have come between the change and the word of it in `_gone`.
            return self._gone or ("released" if block.generation == -1 - self._generation else "moved")
        return "closed" if block.state == "released" or block.close_pending else None

    def _changeable(self, verb: str) -> Block:
        """The block, if this handle still owns it and this process may change it."""
        block = self._open()
        if self._owner.inherited:
            raise inherited_error(verb)
        return block

    def _idle(self, verb: str) -> Block:
        """The block, if this process may change it and no call is running in it."""
        block = self._changeable(verb)
        if block.running:
            raise in_use_error(block, verb)
        return block


_new = ExecutableMemory.__new__


def new_handle(owner: Owner, block: Block, generation: int) -> ExecutableMemory:
    """A handle that owns a block as soon as the block is of its generation.

    Args:
        owner: The block's manager.
        block: What to own.
        generation: One that no handle of the block has had.
    """
    memory = _new(ExecutableMemory)
    memory._owner = owner
    memory._block = block
    memory._gone = None
    memory._generation = generation
    return memory


def block_of(memory: ExecutableMemory) -> Block:
    """The manager's record of a handle's memory."""
    return memory._block


def owner_of(memory: ExecutableMemory) -> Owner:
    """The manager that a handle's memory belongs to."""
    return memory._owner


class Pin:
    """Keeps a block where it is while a call runs in it: from `__enter__` on, as long as this object exists at most.

    A `with` statement drops it on every way out, also where an interrupt keeps `__exit__` from its work.
    """

    __slots__ = ("__weakref__", "_block", "_owner")

    def __init__(self, owner: Owner, block: Block) -> None:
        self._owner: Owner = owner
        self._block: Block = block

    def __enter__(self) -> None:
        self._owner.pin_block(self, self._block)

    def __exit__(self, *_error: object) -> None:
        self._owner.unpin_block(self, self._block)
