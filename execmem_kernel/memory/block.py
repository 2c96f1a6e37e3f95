"""`Block`: the manager's record of one piece of memory handed out, and the errors that name it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from execmem_kernel.errors import ClosedMemoryError, InheritedMemoryError, MemoryInUseError, SealedMemoryError
from execmem_kernel.memory import callsites
from execmem_kernel.memory.mapping import Region
from execmem_kernel.wording import format_size

if TYPE_CHECKING:
    from execmem_kernel.memory.pool import Pool


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
    caught: callsites.CallSite
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
    ended_at: callsites.CallSite | None = None

    @property
    def title(self) -> str:
        """What to call it in a sentence."""
        return f"region {self.name!r}" if self.name else f"a region of {format_size(self.size)}"

    @property
    def made(self) -> str:
        """Where it was allocated, for a sentence."""
        return callsites.describe(self.cell, self.caught)

    @property
    def ended(self) -> str:
        """Where it was released, for a sentence."""
        return callsites.describe(self.ended_in, self.ended_at) if self.ended_at else "an unknown place"

    @property
    def story(self) -> str:
        """Both places, for an error."""
        return f"{self.title}: allocated in {self.made}, released in {self.ended}"


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
