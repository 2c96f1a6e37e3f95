"""What the memory manager knows, as tables: the map of a moment, the findings of an audit, what a cleanup did.

Snapshot, events --> Picture --> Report        LeakReport, CleanupReport --> Report
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from execmem_kernel.views.cell import Report, Sentence, Table, plain

if TYPE_CHECKING:
    from execmem_kernel.memory.audit import LeakReport
    from execmem_kernel.memory.manager import CleanupReport, Event, Snapshot

RELEASED_ROWS = 6
"""Regions that stay in the map for a while after they were released; the oldest leave first."""

OWNERS = {"scope": "a with block", "handle": "a handle", "manual": "handed over"}


@dataclass(frozen=True, slots=True)
class Row:
    """One region in the map, ready to be shown."""

    key: int
    """Number of the event that made it."""
    kind: Literal["live", "unowned", "released"]
    name: str
    size: int
    protection: str
    owner: str
    made: str
    state: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The map at one instant."""

    rows: tuple[Row, ...]
    totals: str

    def report(self) -> Report:
        """The map as a table."""
        lead = Sentence(self.totals, lead="executable memory")
        if not self.rows:
            return Report((lead,))
        headings = ("name", "size", "protection", "owner", "made in", "state")
        rows = tuple(
            (row.name, f"{row.size:,} bytes", row.protection, row.owner, row.made, row.state) for row in self.rows
        )
        return Report((lead, Table("regions", rows, headings)))


def picture(snapshot: Snapshot, events: Sequence[Event]) -> Picture:
    """The map of a moment: live regions, memory that nobody owns, and the regions released last."""
    known = [event for event in events if event.sequence <= snapshot.statistics.events]
    live = {region.sequence for region in snapshot.regions}
    rows = [
        Row(
            region.sequence,
            "unowned" if region.owner == "manual" else "live",
            plain(region.name or "(no name)"),
            region.size,
            region.protection,
            OWNERS[region.owner],
            _place(region.cell, region.line),
            region.state,
        )
        for region in snapshot.regions
    ]
    for event in known:
        if event.kind == "unmanaged":
            place = _place(event.cell, event.line)
            rows.append(
                Row(event.sequence, "unowned", "(unmanaged)", event.size, "r-x", "nobody", place, "leaked: no owner")
            )
    gone = [event for event in known if event.kind == "allocated" and event.sequence not in live]
    for event in gone[-RELEASED_ROWS:]:
        name = plain(event.name or "(no name)")
        rows.append(
            Row(event.sequence, "released", name, event.size, "none", "-", _place(event.cell, event.line), "released")
        )
    rows.sort(key=lambda row: row.key)
    count, size = len(snapshot.regions), sum(region.size for region in snapshot.regions)
    regions = "1 live region" if count == 1 else f"{count:,} live regions"
    totals = f"{regions}, {size:,} bytes"
    unowned = sum(row.size for row in rows if row.kind == "unowned")
    return Picture(tuple(rows), f"{totals}; {unowned:,} bytes that nobody owns" if unowned else totals)


def _place(cell: str, line: int | None) -> str:
    return plain(cell if line is None else f"{cell}, line {line}")
