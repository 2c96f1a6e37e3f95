"""`Ledger`: every number of one manager, and the ring of what happened last.

    add(block) ── one live block more, its event ──┐
    remove(block) ── one less ─────────────────────┼──> statistics, events, groups by cell and name
    note(kind, block) ── an event alone ───────────┘

Nothing is locked here: each method is called with the manager's lock held. Numbers are kept up to date rather than
computed, so that `statistics()` costs the same however many blocks are live; `recount` computes them from the blocks
after an interrupt in the middle of a change.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable, Mapping
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any, Literal

from execmem_kernel.memory import callsites
from execmem_kernel.memory.block import Block
from execmem_kernel.memory.mapping import Region, SystemCalls
from execmem_kernel.memory.pool import GRANULE, Pool
from execmem_kernel.memory.values import Event, EventKind, Statistics

_RELEASED_KEPT = 256
"""Released blocks whose addresses are still recognised."""
_RING = 1024
"""Entries of the ring of events."""
_GROUPS = 256
"""Groups of blocks, by cell and name, before those without a live one are dropped."""

EntryKind = EventKind | Literal["allocated, written, sealed"]
"""Kind of an entry of the ring: one event, or the three of code that was allocated, written and sealed at once."""
WHOLE: Literal["allocated, written, sealed"] = "allocated, written, sealed"
_PARTS: Mapping[EntryKind, tuple[EventKind, ...]] = {WHOLE: ("allocated", "written", "sealed")}

Entry = tuple[int, EntryKind, Block, int, int]
"""Sequence number of the (first) event, kind, block, bytes owned and not owned after it."""


class Ledger:
    """All counters of one manager, its live blocks and its last events."""

    __slots__ = (
        "born_ns", "calls", "damaged", "events", "groups", "groups_limit", "handed_over", "live", "metadata", "own",
        "padding", "payload", "peak", "peak_payload", "pins", "released", "reserved", "rounding", "sequence", "sizes",
        "unmanaged", "unowned",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls: SystemCalls = SystemCalls()
        self.live: dict[int, Block] = {}
        """Address -> block."""
        self.released: deque[Block] = deque(maxlen=_RELEASED_KEPT)
        self.unmanaged: dict[int, Block] = {}
        """Address -> what `allocate_unmanaged` has mapped there."""
        self.events: deque[Entry] = deque(maxlen=_RING)
        self.sequence: int = 0
        self.sizes: list[int] = [0] * 65
        self.groups: dict[tuple[str | None, str | None, str], list[int]] = {}
        """Cell, name and file -> live blocks and live bytes."""
        self.groups_limit: int = _GROUPS
        self.peak: int = 0
        self.payload: int = 0
        self.peak_payload: int = 0
        self.rounding: int = 0
        self.padding: int = 0
        self.metadata: int = 0
        self.reserved: int = 0
        self.own: int = 0
        """Blocks with pages of their own."""
        self.born_ns: int = 0
        """Sum of the times at which live blocks were made: their mean age without a walk."""
        self.handed_over: int = 0
        self.unowned: int = 0
        self.pins: int = 0
        """Times that a block was pinned to be called."""
        self.damaged: int = 0

    # ---- blocks come and go

    def add(self, block: Block, kind: EntryKind) -> None:
        """Count a block that is live from now on, and note how it became so."""
        size = block.size
        live = self.live
        live[block.address] = block
        payload = self.payload = self.payload + size
        self.rounding += block.capacity - size
        sizes, power = self.sizes, (size - 1).bit_length()
        block.counted = counted = sizes[power]
        sizes[power] = counted + 1
        self.born_ns += block.born_ns
        key = (block.cell, block.name, block.call_site[0].co_filename)
        block.group = group = self.groups.get(key) or self._new_group(key)
        group[0] += 1
        group[1] += size
        block.sequence = sequence = self.sequence + 1
        self.sequence = sequence if kind is not WHOLE else sequence + 2
        self.events.append((sequence, kind, block, payload - self.handed_over, self.unowned))
        if payload > self.peak_payload:
            self.peak_payload = payload
        count = len(live)
        if count > self.peak:
            self.peak = count

    def remove(self, block: Block) -> None:
        """Count a block that is live no more, and note its end."""
        size = block.size
        del self.live[block.address]
        payload = self.payload = self.payload - size
        self.rounding -= block.capacity - size
        self.born_ns -= block.born_ns
        if block.generation < 0:
            self.unowned -= size
            self.handed_over -= size
        group = block.group
        group[0] -= 1
        group[1] -= size
        self.released.append(block)
        self.sequence = sequence = self.sequence + 1
        self.events.append((sequence, "released", block, payload - self.handed_over, self.unowned))

    def note(self, kind: EntryKind, block: Block) -> None:
        """Put an event into the ring."""
        self.sequence = sequence = self.sequence + 1
        self.events.append((sequence, kind, block, self.payload - self.handed_over, self.unowned))

    def hand_over(self, block: Block) -> None:
        """Count a block as one that no handle owns."""
        self.handed_over += block.size
        self.unowned += block.size
        self.note("handed over", block)

    def adopt(self, block: Block) -> None:
        """Count a block as one that a handle owns again."""
        self.handed_over -= block.size
        self.unowned -= block.size
        self.note("adopted", block)

    def add_unmanaged(self, block: Block) -> None:
        """Count pages that were mapped past all owners."""
        self.unmanaged[block.address] = block
        self.unowned += block.capacity
        self.note("unmanaged", block)
        block.sequence = self.sequence

    def drop_unmapped(self, mapped: Iterable[tuple[int, int]]) -> None:
        """Strike off unmanaged pages that have been unmapped by hand since.

        Args:
            mapped: Start and end of everything that the kernel has mapped.
        """
        intervals = list(mapped)
        for address, block in list(self.unmanaged.items()):
            if not any(start <= address < end for start, end in intervals):
                del self.unmanaged[address]
                self.unowned -= block.capacity

    def add_region(self, region: Region) -> None:
        """Count the address space of a mapping."""
        self.padding += 2 * region.guard
        self.reserved += region.reserved

    def remove_region(self, region: Region) -> None:
        """Count the address space of a mapping no more."""
        self.padding -= 2 * region.guard
        self.reserved -= region.reserved

    def _new_group(self, key: tuple[str | None, str | None, str]) -> list[int]:
        """Counters for a cell and name not seen before; those without a live block go now and then."""
        groups = self.groups
        if len(groups) >= self.groups_limit:
            self.groups = groups = {known: group for known, group in groups.items() if group[0]}
            self.groups_limit = max(_GROUPS, 2 * len(groups))
        group = groups[key] = [0, 0]
        return group

    # ---- after an interrupt

    def detached(self) -> Ledger:
        """A copy whose numbers may be computed anew while this one's are being changed."""
        copy = Ledger()
        for name in ("born_ns", "calls", "damaged", "events", "groups_limit", "peak", "peak_payload", "pins"):
            setattr(copy, name, getattr(self, name))
        copy.live, copy.unmanaged, copy.sizes = dict(self.live), dict(self.unmanaged), list(self.sizes)
        copy.sequence = self._last_number()
        return copy

    def has_told(self, kind: EntryKind, block: Block) -> bool:
        """Whether the last thing that happened to a block is an event of this kind."""
        return next((entry[1] for entry in reversed(self.events) if entry[2] is block), None) == kind

    def take_back(self, block: Block) -> None:
        """Count a block no more whose making or end was interrupted; harmless twice."""
        told = self._is_told(block)
        if told:
            self.peak, self.peak_payload = max(self.peak, len(self.live)), max(self.peak_payload, self.payload)
        elif block.counted is not None:
            self.sizes[(block.size - 1).bit_length()] = block.counted
        if self.live.get(getattr(block, "address", 0)) is block:
            del self.live[block.address]
        if told and block not in self.released:
            self.released.append(block)

    def tell_end(self, block: Block) -> None:
        """Note the end of a block that `take_back` has seen, if its beginning was noted; harmless twice."""
        if self._is_told(block) and not self.has_told("released", block):
            self.note("released", block)

    def announce(self) -> None:
        """Count and note the live blocks that were made in the middle of another change; harmless twice."""
        known = {id(entry[2]) for entry in self.events}
        oldest = self.events[0][0] if self.events else 0
        for block in list(self.live.values()):
            if block.sequence > 0 and (block.sequence < oldest or id(block) in known):
                continue
            if block.counted is None:
                block.counted = self.sizes[(block.size - 1).bit_length()]
            self.sizes[(block.size - 1).bit_length()] = block.counted + 1
            block.sequence = self._last_number() + 1
            self.note(WHOLE if block.state == "sealed" else "allocated", block)
            self.sequence = self._last_number()
        self.peak, self.peak_payload = max(self.peak, len(self.live)), max(self.peak_payload, self.payload)

    def _is_told(self, block: Block) -> bool:
        """Whether the beginning of a block has been noted."""
        number = block.sequence
        return (
            number > 0
            and bool(self.events)
            and (number < self.events[0][0] or any(entry[2] is block for entry in self.events))
        )

    def _last_number(self) -> int:
        """The number of the last event, as the ring has it."""
        if not self.events:
            return 0
        number, kind, *_ = self.events[-1]
        return number + len(_parts(kind)) - 1

    def recount(self, pools: Iterable[Pool], regions: Iterable[Region], withdrawn: Iterable[Block]) -> None:
        """Compute every number from what there is, after an interrupt in the middle of a change; as often as asked.

        Args:
            pools: All pools.
            regions: Every mapping of the manager's that munmap has not refused to take.
            withdrawn: Blocks that are kept out of use for good.
        """
        blocks = list(self.live.values())
        mappings = list(regions)
        self.sequence = self._last_number()
        self.own = sum(each.own_pages for each in blocks)
        self.payload = sum(each.size for each in blocks)
        self.born_ns = sum(each.born_ns for each in blocks)
        self.handed_over = sum(each.size for each in blocks if each.manual)
        self.unowned = self.handed_over + sum(each.capacity for each in self.unmanaged.values())
        self.rounding = sum(each.capacity - each.size for each in blocks) + sum(each.capacity for each in withdrawn)
        self.metadata = GRANULE * sum(len(pool.slabs) for pool in pools)
        self.padding = sum(2 * region.guard for region in mappings)
        self.reserved = sum(region.reserved for region in mappings)
        groups: dict[tuple[str | None, str | None, str], list[int]] = {}
        for each in blocks:
            group = groups.setdefault((each.cell, each.name, each.call_site[0].co_filename), [0, 0])
            group[0] += 1
            group[1] += each.size
        self.groups = groups

    def regroup(self) -> None:
        """Have every block count in the groups that `recount` has made."""
        for each in list(self.live.values()):
            each.group = self.groups[each.cell, each.name, each.call_site[0].co_filename]

    # ---- what is asked of it

    def blocks(self) -> list[Block]:
        """Live blocks, in the order they were allocated."""
        return sorted(self.live.values(), key=lambda block: block.sequence)

    def statistics(self, pools: Iterable[Pool], quarantined: int, stuck: int) -> Statistics:
        """All numbers at this instant.

        Args:
            pools: All pools.
            quarantined: Bytes in quarantine.
            stuck: How many regions munmap has refused to take.
        """
        pools = list(pools)
        by_cell, by_name = self._by_cell_and_name()
        counts, nanoseconds = self.calls.totals()
        live = len(self.live)
        return Statistics(
            live=live,
            peak=self.peak,
            total=sum(self.sizes),
            payload=self.payload,
            peak_payload=self.peak_payload,
            rounding=self.rounding,
            padding=self.padding,
            metadata=self.metadata,
            free=sum(pool.free_granules for pool in pools) * GRANULE + quarantined,
            quarantined=quarantined,
            reserved=self.reserved,
            slabs=sum(len(pool.slabs) for pool in pools),
            own_regions=self.own,
            age_s=(perf_counter_ns() - self.born_ns / live) / 1e9 if live else 0.0,
            largest_free=max(pool.largest_free for pool in pools),
            calls=self.pins,
            damaged=self.damaged,
            stuck=stuck,
            events=self.sequence,
            unmanaged=sum(block.capacity for block in list(self.unmanaged.values())),
            sizes=MappingProxyType({1 << power: count for power, count in enumerate(self.sizes) if count}),
            by_cell=MappingProxyType(by_cell),
            by_name=MappingProxyType(by_name),
            system_calls=MappingProxyType(counts),
            system_call_ns=MappingProxyType(nanoseconds),
            failures=MappingProxyType(
                {
                    (name, errno.errorcode.get(number, str(number))): count
                    for (name, number), count in self.calls.failures.items()
                }
            ),
        )

    def _by_cell_and_name(self) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
        by_cell: dict[str, tuple[int, int]] = {}
        by_name: dict[str, tuple[int, int]] = {}
        for (cell, name, file), (count, size) in list(self.groups.items()):
            if count:
                where = cell or callsites.title_of(file)
                for table, key in ((by_cell, where), (by_name, name or "")):
                    old = table.get(key, (0, 0))
                    table[key] = (old[0] + count, old[1] + size)
        return by_cell, by_name

    def entries(self, since: int) -> list[Entry]:
        """The entries of the ring with an event after the one numbered `since`, oldest first."""
        found: list[Entry] = []
        for entry in reversed(list(self.events)):
            if entry[0] + 2 <= since:
                break
            found.append(entry)
        found.reverse()
        return found

    def kinds_of(self, block: Block) -> tuple[EventKind, ...]:
        """What happened to one block, in order, as far back as the ring reaches."""
        found: list[EventKind] = []
        for entry in reversed(list(self.events)):
            if entry[0] < block.sequence:
                break
            if entry[2] is block:
                found += reversed(_parts(entry[1]))
        return tuple(reversed(found))


def events_of(entries: Iterable[Entry], since: int) -> tuple[Event, ...]:
    """Entries of the ring as events, those after the one numbered `since`; needs no lock."""
    return tuple(
        Event(
            number, kind, block.name, block.size, callsites.name_of(block.cell, block.call_site),
            callsites.line_in(block.cell, block.call_site), owned, unowned,
        )
        for sequence, kinds, block, owned, unowned in entries
        for number, kind in enumerate(_parts(kinds), sequence)
        if number > since
    )  # fmt: skip


def _parts(kind: EntryKind) -> tuple[Any, ...]:
    return _PARTS.get(kind, (kind,))
