"""`Block`: the manager's record of one piece of memory handed out, and the errors that name it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from execmem_kernel.errors import ClosedMemoryError, InheritedMemoryError, MemoryInUseError, SealedMemoryError
from execmem_kernel.memory import callsites
from execmem_kernel.memory.mapping import Region
from execmem_kernel.wording import format_size

if TYPE_CHECKING:
    from execmem_kernel.memory.pool import Pool

BlockState = Literal["allocated", "written", "sealed", "released"]
"""How far a block has come; a snapshot says more (values.State)."""

Gone = Literal["closed", "moved", "released"]
"""Why a handle owns nothing any more."""


class Block:
    """The manager's record of one piece of memory. The defaults are those of a block just reserved."""

    address: int
    """Where it starts; below zero, and unique, if it is not mapped in this process."""
    size: int
    """Bytes asked for."""
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
    call_site: callsites.CallSite
    """Where it was allocated."""
    counted: int | None = None
    """What the histogram of sizes said before this block was counted."""
    sequence: int = 0
    """Number of the event that made it; 0 before that."""
    born_ns: int
    state: BlockState = "allocated"
    scopes: int = 0
    """How many `with` statements hold it open."""
    pins: Sequence[weakref.ref[Any]] = ()
    """A weak reference to each pin that keeps it where it is: a pin that is gone keeps nothing, however it went."""
    generation: int = 0
    """Whose it is: the handle's of the same generation. Below zero: a manual owner's. One store changes hands."""
    handle: Callable[[], object | None]
    """A weak reference to the handle that owns it: its finalizer may have been kept from its work."""
    close_pending: bool = False
    """Closed while a call was running in it, or in the middle of another change: freed when that has ended."""
    gate: Any = None
    """Two numbers that machine code reads where it calls the block: 1 while it may, and how many calls are running."""
    ended_in: str | None = None
    """The cell in which it was released."""
    ended_at: callsites.CallSite | None = None

    @property
    def manual(self) -> bool:
        """Whether it was handed to a manual owner by `release()`."""
        return self.generation < 0

    @property
    def running(self) -> bool:
        """Whether a call is running in it now that pins it."""
        return bool(self.pins) and any(pin() is not None for pin in list(self.pins))

    @property
    def orphaned(self) -> bool:
        """Whether the handle that owned it is gone and could not say so."""
        return not self.manual and not self.running and self.handle() is None

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return f"region {self.name!r}" if self.name else f"a region of {format_size(self.size)}"

    @property
    def made(self) -> str:
        """Where it was allocated, for a sentence."""
        return callsites.describe(self.cell, self.call_site)

    @property
    def ended(self) -> str:
        """Where it was released, for a sentence."""
        return callsites.describe(self.ended_in, self.ended_at) if self.ended_at else "an unknown place"

    @property
    def story(self) -> str:
        """Both places, for an error."""
        return f"{self.title}: allocated in {self.made}, released in {self.ended}"


def closed_error(block: Block, gone: Gone) -> ClosedMemoryError:
    """The error for a handle that owns nothing any more."""
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
    """The error for a write after `seal()`."""
    return SealedMemoryError(
        f"{block.title}, allocated in {block.made}, is sealed: executable code is not changed; allocate a new region"
    )


def in_use_error(block: Block, verb: str) -> MemoryInUseError:
    """The error for releasing or moving memory that a call is running in."""
    return MemoryInUseError(f"{block.title} cannot be {verb} now: a call is running in it; wait until it returns")


def inherited_error(verb: str) -> InheritedMemoryError:
    """The error for a forked child that would change its parent's code."""
    return InheritedMemoryError(
        f"this manager belongs to the process this one was forked from: its code may be called here, not {verb}; "
        "make a CodeMemoryManager of your own"
    )
