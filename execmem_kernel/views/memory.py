"""What the memory manager knows, as tables: the map of a moment, the findings of an audit, what a cleanup did.

Snapshot, events --> Picture --> Report        LeakReport, CleanupReport --> Report
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from execmem_kernel.execution.contract.address_map import page_ceil
from execmem_kernel.memory.values import CleanupReport, Event, FindingKind, LeakReport, OwnerKind, Snapshot
from execmem_kernel.views.report import Report, Sentence, Table
from execmem_kernel.wording import counted, printable

RELEASED_ROWS = 6
"""Regions that stay in the map for a while after they were released; the oldest leave first."""
OWNERS: Mapping[OwnerKind, str] = {"scope": "a with block", "handle": "a handle", "manual": "handed over"}
"""What will free a region, in words."""
ANSWERERS: Mapping[FindingKind, str] = {
    "scoped": "an open scope",
    "reachable": "no scope; kept alive",
    "lost": "nobody: handed over and not given back",
    "foreign": "nobody: mapped past the manager",
    "vanished": "unmapped by somebody else",
}


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
        rows = tuple((row.name, counted(row.size), row.protection, row.owner, row.made, row.state) for row in self.rows)
        return Report((lead, Table("regions", rows, headings)))


def picture(snapshot: Snapshot, events: Sequence[Event]) -> Picture:
    """The map of a moment: live regions, memory without an owner, and the regions released last."""
    known = [event for event in events if event.sequence <= snapshot.statistics.events]
    live = {region.sequence for region in snapshot.regions}
    rows = [
        Row(
            region.sequence,
            "unowned" if region.owner == "manual" else "live",
            printable(region.name or "(no name)"),
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
            pages = page_ceil(event.size)  # what has no owner is lost in whole pages
            rows.append(
                Row(event.sequence, "unowned", "(unmanaged)", pages, "r-x", "nobody", place, "leaked: no owner")
            )
    gone = [event for event in known if event.kind == "allocated" and event.sequence not in live]
    for event in gone[-RELEASED_ROWS:]:
        name = printable(event.name or "(no name)")
        rows.append(
            Row(event.sequence, "released", name, event.size, "none", "-", _place(event.cell, event.line), "released")
        )
    rows.sort(key=lambda row: row.key)
    count, size = len(snapshot.regions), sum(region.size for region in snapshot.regions)
    regions = counted(count, "live region")
    totals = f"{regions}, {counted(size)}"
    unowned = known[-1].unowned if known else 0
    return Picture(tuple(rows), f"{totals}; {counted(unowned)} that nobody owns" if unowned else totals)


def _place(cell: str, line: int | None) -> str:
    return printable(cell if line is None else f"{cell}, line {line}")


# ---- Audits and cleanups ---------------------------------------------------------------------------------------------


def leaks_report(leaks: LeakReport) -> Report:
    """What an audit found: each piece of executable memory, and who answers for it."""
    if not leaks.findings:
        return Report((Sentence("no executable memory outside the libraries", lead="audit", tone="good"),))
    count, size = len(leaks.leaks), sum(finding.size for finding in leaks.leaks)
    if count:
        pieces = counted(count, "piece")
        verdict = Sentence(f"{pieces}, {counted(size)}, that no scope answers for", lead="audit", tone="bad")
    else:
        verdict = Sentence("all executable memory is owned by an open scope", lead="audit", tone="good")
    rows = tuple(
        (
            printable(finding.name or "(no name)"),
            counted(finding.size),
            "unknown" if finding.cell is None else _place(finding.cell, finding.line),
            ANSWERERS[finding.kind] + (f" by {printable(', '.join(finding.held_by))}" if finding.held_by else ""),
        )
        for finding in leaks.findings
    )
    return Report((verdict, Table("findings", rows, ("name", "size", "made in", "who answers for it"))))


def cleanup_report(done: CleanupReport) -> Report:
    """What a cleanup released, and what it had to leave."""
    count, size = len(done.released), sum(region.size for region in done.released)
    regions = counted(count, "region")
    parts = [Sentence(f"{regions} released, {counted(size)}", lead="cleanup", tone="good")]
    parts += [
        Sentence(f"{printable(region.name or 'a region')} stays, {counted(region.size)}: a call is running in it")
        for region in done.kept
    ]
    return Report(tuple(parts))
