"""What a manager reports, as frozen values: events, region states, statistics, snapshots, leaks, cleanups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from execmem_kernel.memory.mapping import Protection
from execmem_kernel.wording import format_size, plural

EventKind = Literal[
    "allocated",
    "written",
    "sealed",
    "called",
    "moved",
    "handed over",
    "adopted",
    "released",
    "unmanaged",
    "damaged",
]
"""What can happen to executable memory: "unmanaged" was mapped past all owners, "damaged" was withdrawn because
something had written to it while it was free."""

State = Literal["allocated", "written", "sealed", "running", "closing"]
"""What a live block is: "running" while a call is in it, "closing" if it was closed meanwhile."""

Place = Literal["pool", "own pages"]
"""Where a block lies: in a slab beside others, or between guard pages of its own."""

OwnerKind = Literal["scope", "handle", "manual"]
"""What will free a block: a `with` statement, a handle, or a call of `manager.release(address)`."""

FindingKind = Literal["scoped", "reachable", "lost", "foreign", "vanished"]
"""What answers for a piece of executable memory: see audit.py."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to executable memory, and what was owned after it."""

    sequence: int
    kind: EventKind
    name: str | None
    size: int
    cell: str
    line: int | None
    owned: int
    """Bytes with an owner, after the event."""
    unowned: int
    """Bytes without an owner, after the event: unmanaged, or handed over and not yet given back."""


@dataclass(frozen=True, slots=True)
class RegionState:
    """One live block, as a value."""

    name: str | None
    cell: str
    line: int | None
    size: int
    state: State
    protection: Protection
    place: Place
    owner: OwnerKind
    sequence: int = field(compare=False)
    address: int = field(repr=False, compare=False)
    capacity: int = field(repr=False, compare=False)
    age_s: float = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Statistics:
    """All numbers of a manager at one instant. `payload + rounding + padding + metadata + free == reserved`."""

    live: int
    """Blocks that exist now."""
    peak: int
    """Most blocks that ever existed at once."""
    total: int
    """Blocks allocated so far."""
    payload: int
    """Bytes asked for by live blocks."""
    peak_payload: int
    rounding: int
    """Bytes lost because blocks are whole granules or whole pages."""
    padding: int
    """Address space of guard pages; it costs no memory."""
    metadata: int
    """Heads of slabs."""
    free: int
    """Bytes in slabs that are in no block, quarantined ones included."""
    quarantined: int
    """Bytes released a moment ago, filled with int3 and not yet handed out again."""
    reserved: int
    """Address space taken from the kernel."""
    slabs: int
    own_regions: int
    """Blocks with pages of their own."""
    age_s: float = field(repr=False, compare=False)
    """Mean age of the live blocks in seconds; each one's own is in the snapshot."""
    largest_free: int
    """Bytes of the largest run that could be handed out now."""
    calls: int
    """Times that a block was pinned to be called."""
    damaged: int
    """Blocks withdrawn because their int3 fill had been overwritten while they were free."""
    stuck: int
    """Regions that munmap has refused to take so far; `cleanup()` tries again."""
    events: int
    """Sequence number of the last event."""
    unmanaged: int
    """Bytes that `allocate_unmanaged` has mapped, which have no owner."""
    sizes: Mapping[int, int]
    """Histogram of all allocations: power of two -> how many blocks were that large or smaller (and over the half)."""
    by_cell: Mapping[str, tuple[int, int]]
    """Cell -> (live blocks, live bytes)."""
    by_name: Mapping[str, tuple[int, int]]
    """Name -> (live blocks, live bytes); blocks without a name are under ""."""
    system_calls: Mapping[str, int]
    """System call -> how often."""
    system_call_ns: Mapping[str, int] = field(repr=False, compare=False)
    """System call -> nanoseconds in all."""
    failures: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))
    """(system call, errno's name) -> how often."""

    @property
    def fragmentation(self) -> float:
        """External fragmentation: the part of free space that is not in the largest run, 0 where nothing is free."""
        usable = self.free - self.quarantined
        return 1 - self.largest_free / usable if usable else 0.0

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.live} live, {self.peak} at most at once, {self.total} allocated so far",
                f"reserved  {format_size(self.reserved)} in {plural(self.slabs, 'slab')}, "
                f"{plural(self.own_regions, 'block')} with pages of their own",
                f"payload   {format_size(self.payload)}",
                f"rounding  {format_size(self.rounding)}",
                f"padding   {format_size(self.padding)}",
                f"metadata  {format_size(self.metadata)}",
                f"free      {format_size(self.free)}, {format_size(self.largest_free)} in one piece",
            ]
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every live region and all numbers, at one instant."""

    regions: tuple[RegionState, ...]
    """In the order they were allocated."""
    statistics: Statistics

    def __str__(self) -> str:
        if not self.regions:
            return "no executable memory is owned"
        rows = [("name", "where", "size", "state", "protection", "owner")]
        for region in self.regions:
            where = region.cell if region.line is None else f"{region.cell}, line {region.line}"
            size = format_size(region.size)
            rows.append((region.name or "-", where, size, region.state, region.protection, region.owner))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )


@dataclass(frozen=True, slots=True)
class CleanupReport:
    """What `cleanup()` freed, and what it could not."""

    released: tuple[RegionState, ...]
    kept: tuple[RegionState, ...]
    """Still running, and so left alone."""

    def __str__(self) -> str:
        size = format_size(sum(region.size for region in self.released))
        text = f"{len(self.released)} released, {size}"
        for region in self.kept:
            text += f"\nkept {region.name or 'a region'}, {format_size(region.size)}: a call is running in it"
        return text


KIND_WORDS: Mapping[FindingKind, str] = {
    "scoped": "owned by an open scope",
    "reachable": "in no scope, kept alive",
    "lost": "lost: handed to a manual owner and not given back",
    "foreign": "owned by nobody",
    "vanished": "unmapped by somebody else",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of executable memory, and who answers for it."""

    kind: FindingKind
    name: str | None
    cell: str | None
    """Where it was allocated; None where that is not known."""
    line: int | None
    size: int
    held_by: tuple[str, ...] = ()
    """What keeps a reachable one alive: "variable add", "Out[3]", "a traceback, in f"."""
    sequence: int = field(default=0, repr=False, compare=False)
    address: int = field(default=0, repr=False, compare=False)
    age_s: float | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        where = (
            "" if self.cell is None else f", allocated in {self.cell}" + (f", line {self.line}" if self.line else "")
        )
        held = f" by {', '.join(self.held_by)}" if self.held_by else ""
        return f"{self.name or 'no name'}, {format_size(self.size)}{where}: {KIND_WORDS[self.kind]}{held}"


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The findings of one audit; true where something outlives its scope."""

    findings: tuple[Finding, ...]
    elsewhere: tuple[str, ...] = field(default=(), compare=False)
    """What other managers of this process own, by name: the machine code that this package itself needs among it."""

    def of(self, kind: FindingKind) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    @property
    def scoped(self) -> tuple[Finding, ...]:
        """What an open scope or a running call holds."""
        return self.of("scoped")

    @property
    def reachable(self) -> tuple[Finding, ...]:
        """What a handle owns, and no scope."""
        return self.of("reachable")

    @property
    def lost(self) -> tuple[Finding, ...]:
        """What was handed to a manual owner and not given back."""
        return self.of("lost")

    @property
    def foreign(self) -> tuple[Finding, ...]:
        """What no handle owns."""
        return self.of("foreign")

    @property
    def vanished(self) -> tuple[Finding, ...]:
        """What was ours, and has been unmapped past us."""
        return self.of("vanished")

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Everything that no open scope answers for."""
        return tuple(finding for finding in self.findings if finding.kind != "scoped")

    def __bool__(self) -> bool:
        return bool(self.leaks)

    def __str__(self) -> str:
        if not self.findings:
            return "no executable memory outside the libraries: nothing leaks"
        return "\n".join(str(finding) for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one manager holds at one instant, for an audit."""

    blocks: tuple[RegionState, ...]
    """Live blocks, in the order they were allocated."""
    scoped: frozenset[int]
    """Sequence numbers of those that an open scope or a running call holds."""
    elsewhere: frozenset[int]
    """Sequence numbers of those that are not mapped in this process."""
    unmanaged: tuple[Finding, ...]
    """What `allocate_unmanaged` has mapped, with whole pages as its size."""
    mappings: tuple[tuple[int, int], ...]
    """Start and end of every mapping of the manager's."""
