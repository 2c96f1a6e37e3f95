"""`CodeMemoryManager`: who owns which executable bytes, all numbers about them, and what happened to them.

    manager.allocate ──> pool of slabs   small functions share pages: one mapping for thousands
                     └─> own pages       a cell, or whoever asks: guard pages, a file that is frozen when sealed

Everything is under one lock. Four things happen at a moment nobody chose: the finalizer of a forgotten handle queues
its block and waits for nothing; a forked child starts with a new lock; an interrupt (the stop button) in the middle of
a change lets the books be worked out again from the blocks; and the end of the process frees nothing, since the kernel
does, and a thread may still be inside.
"""

from __future__ import annotations

import contextlib
import errno
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from sys import _getframe
from time import perf_counter_ns
from tracemalloc import is_tracing
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING

from execmem_kernel.errors import (
    CodeMemoryError,
    DoubleReleaseError,
    ForeignAddressError,
    InteriorAddressError,
    OutOfCodeMemoryError,
    ProtectionDeniedError,
    StaleAddressError,
    UnreachableError,
)
from execmem_kernel.linux import limits as linux_limits
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory import callsites, capabilities
from execmem_kernel.memory.block import Block, closed_error, in_use_error, inherited_error, sealed_error
from execmem_kernel.memory.capabilities import Capabilities
from execmem_kernel.memory.growth import MIB, Doubling, Growth
from execmem_kernel.memory.handle import ExecutableMemory, Pin
from execmem_kernel.memory.intervals import gaps
from execmem_kernel.memory.locks import Lock
from execmem_kernel.memory.mapping import INT3, Backend, Region, SystemCalls
from execmem_kernel.memory.pool import GRANULE, PAGE_BITS, REACH, Pool
from execmem_kernel.memory.registry import managers
from execmem_kernel.memory.values import CleanupReport, Event, RegionState, Snapshot, Statistics
from execmem_kernel.wording import format_size, plural

if TYPE_CHECKING:
    from execmem_kernel.memory.values import LeakReport


PAGES_START, PAGES_END = 0x1000_0000, 0x4000_0000
"""Where regions with pages of their own are placed: a fixed sequence below 2 GiB, so that runs repeat exactly."""


SLABS_START, SLABS_END = 0x4000_0000, 0x7000_0000
"""Where slabs are placed: below 2 GiB too, so that every function reaches every other by a 32-bit branch."""


POOLED_SIZE = 16 * 1024
"""Blocks up to this size come from the pool unless they ask for pages of their own."""


_RESOURCES = {errno.ENOMEM, errno.ENOSPC, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.EAGAIN}


_QUARANTINED_BLOCKS, _QUARANTINED_BYTES = 64, 64 * 1024


_REMEMBERED = 256


_RING = 1024


_WHOLE = "allocated, written, sealed"
"""One entry of the ring for three events that came together."""


_PARTS = {_WHOLE: ("allocated", "written", "sealed")}


_TRIES = 16


_ELSEWHERE_BITS = 40
"""Blocks that are not mapped here have numbers below zero for addresses, so far apart that none reaches another."""


_GROUPS = 256


_ANONYMOUS: Backend = "anonymous"


_USER_END = 0x7FFF_FFFF_F000
"""End of the address space of a process with four-level page tables. Source: Documentation/arch/x86/x86_64/mm.rst."""


_new_handle = ExecutableMemory.__new__


class CodeMemoryManager:
    """Tracks and owns executable memory; hands it out as `ExecutableMemory`.

    Args:
        growth: How large the next slab is to be; see growth.py.
        limit: Most bytes of executable memory at once, slabs and own pages together.

    Thread-safe. After fork() the child may call what is there; to allocate it makes a manager of its own.
    """

    def __init__(self, growth: Growth | None = None, limit: int = 64 * MIB) -> None:
        self.growth: Growth = growth or Doubling()
        self.limit = limit
        self.inherited: bool = False
        """Whether this is a forked child's copy of its parent's manager."""
        self._lock = Lock()
        self._forgotten_blocks: deque[Block] = deque()
        self._calls = SystemCalls()
        self._backend: Backend = "memfd"
        self._backend_reason = "this host has memory files"
        self._pools: list[Pool] = [Pool()]
        self._live: dict[int, Block] = {}
        self._stuck: list[Region] = []
        self._withdrawn: list[Block] = []
        self._released: deque[Block] = deque(maxlen=_REMEMBERED)
        self._quarantine: deque[Block] = deque()
        self._quarantined = 0
        self._unmanaged: dict[int, Block] = {}
        self._events: deque[tuple[int, str, Block, int, int]] = deque(maxlen=_RING)
        self._sequence = 0
        self._peak = self._call_count = self._damaged = 0
        self._payload = self._peak_payload = self._rounding = 0
        self._padding = self._metadata = self._reserved = self._own = 0
        self._born_ns = 0
        """Sum of the times at which live blocks were made: their mean age without a walk."""
        self._handed_over = self._unowned = 0
        self._sizes = [0] * 65
        self._groups_limit = _GROUPS
        self._groups: dict[tuple[str | None, str | None, str], list[int]] = {}
        self._write_count = self._write_ns = 0
        self._cursors: dict[tuple[int, int], int] = {}
        """Window of addresses -> where in it to try first."""
        managers.add(self)

    # ---- allocating

    def allocate(
        self,
        size_or_code: int | bytes | bytearray | memoryview,
        name: str | None = None,
        *,
        address: int | None = None,
        near: int | None = None,
        pages: bool | None = None,
        mapped: bool = True,
    ) -> ExecutableMemory:
        """Hand out executable memory: so many bytes, filled with int3, or code, which is written and sealed at once.

        Args:
            size_or_code: Bytes wanted, or the code itself.
            name: What to call it in maps, reports and errors.
            address: Where it should start, page-aligned; it lies elsewhere if that is taken (`.address` says where).
            near: It must be within reach of a 32-bit branch from and to this address.
            pages: True for pages of its own between guard pages, False for a block from the pool; None lets the
                manager choose: the pool for small blocks.
            mapped: False for code that only another process is to map, from `backing()`: it has an owner here, and no
                address. Where this host has no memory files it is mapped here all the same.

        Raises:
            OutOfCodeMemoryError: The growth policy, the manager's limit or the host allows no more.
            UnreachableError: Nothing is free near `near`.
            ProtectionDeniedError: The host forbids executable memory.
        """
        # This and `_end` are what everybody pays for, so they are written out flat. The lock is entered by `with`,
        # though acquire and release cost half: an interrupt between acquire and try would leave it closed for ever.
        kind = type(size_or_code)
        if kind is bytes:
            code: bytes | bytearray | memoryview | None = size_or_code  # type: ignore[assignment]
            size = len(size_or_code)  # type: ignore[arg-type]
        elif kind is int:
            code = None
            size = size_or_code  # type: ignore[assignment]
        else:
            size, code = _size_and_code(size_or_code)
        if size <= 0:
            raise ValueError(f"{size} bytes of executable memory asked for: ask for at least 1")
        frame = _getframe(1)
        caller = frame.f_code
        file = caller.co_filename
        caught = callsites.catch(frame) if file.startswith(callsites.PACKAGE) else (caller, frame.f_lasti)
        if self._forgotten_blocks:
            self._collect()
        with self._lock:
            if self.inherited:
                raise inherited_error("added to")
            if pages is None:
                pages = address is not None or size > POOLED_SIZE
            elif not pages and address is not None:
                raise ValueError("a block from the pool cannot be placed at an address: ask for pages=True")
            block = None
            try:
                block = None
                if not mapped:
                    if address is not None or near is not None:
                        raise ValueError("memory that is not mapped here has no address: leave out address= and near=")
                    block = self._file_block(size, name, code or b"")
                elif not pages:
                    block = self._reserve(size, near)
                if block is None:
                    block = self._map_block(size, name, address, near, code or b"")
                block.size = size
                block.name = name
                block.cell = cell = callsites.current_cell
                block.caught = caught
                block.born_ns = start = perf_counter_ns()
                live = self._live
                live[block.address] = block
                if len(live) > self._peak:
                    self._peak = len(live)
                payload = self._payload = self._payload + size
                if payload > self._peak_payload:
                    self._peak_payload = payload
                self._rounding += block.capacity - size
                self._sizes[(size - 1).bit_length()] += 1
                group = self._groups.get((cell, name, file))
                if group is None:
                    group = self._new_group(cell, name, file)
                block.group = group
                group[0] += 1
                group[1] += size
                self._born_ns += start
                block.sequence = sequence = self._sequence + 1
                what = "allocated"
                if code is not None:
                    try:
                        if block.own_pages:
                            block.region.freeze()
                        else:
                            written = linux_memory.pwrite(block.region.write_descriptor, code, block.offset)
                            self._write_count += 1
                            self._write_ns += perf_counter_ns() - start
                            if written != size:
                                raise OSError(errno.ENOSPC, "pwrite: the host has no memory left for code")
                    except OSError as error:
                        if not block.own_pages:
                            self._calls.failed("pwrite", error)
                        self._note("allocated", block)
                        self._end(block, caught)
                        raise _host_error(error, size) from error
                    block.state = "sealed"
                    self._sequence = sequence + 2
                    what = _WHOLE
                else:
                    self._sequence = sequence
                self._events.append((sequence, what, block, payload - self._handed_over, self._unowned))
                if is_tracing() and block.region.mapped:
                    _trace(block)
                memory = _new_handle(ExecutableMemory)
                memory._manager = self
                memory._block = block
                memory._gone = None
            except (CodeMemoryError, ValueError):
                raise  # nothing was changed, or all of it was taken back
            except BaseException:
                self._rebuild(block)  # the stop button, most likely
                raise
        return memory

    def _new_group(self, cell: str | None, name: str | None, file: str) -> list[int]:
        """Counters for a cell and name not seen before; those of the dead go now and then, lest they pile up."""
        groups = self._groups
        if len(groups) >= self._groups_limit:
            self._groups = groups = {key: group for key, group in groups.items() if group[0]}
            self._groups_limit = max(_GROUPS, 2 * len(groups))
        group = groups[cell, name, file] = [0, 0]
        return group

    def allocate_unmanaged(self, size: int) -> int:
        """Map read-execute pages and forget them: what a program without RAII does. Returns their address.

        For the lesson only. Nobody owns these pages and nothing will ever free them; `audit()` finds them.
        """
        if size <= 0:
            raise ValueError(f"{size} bytes of executable memory asked for: ask for at least 1")
        caught = callsites.here()
        whole = -(-size // linux_memory.PAGE_SIZE) * linux_memory.PAGE_SIZE
        with self._lock:
            if self.inherited:
                raise inherited_error("added to")
            flags = linux_memory.MAP_PRIVATE | linux_memory.MAP_ANONYMOUS
            try:
                protection = linux_memory.PROT_READ | linux_memory.PROT_EXEC
                address = self._calls.make("mmap", linux_memory.map_pages, 0, whole, protection, flags)
            except OSError as error:
                raise _host_error(error, size) from error
            block = Block()
            block.address, block.size, block.capacity, block.name = address, size, whole, None
            block.cell, block.caught, block.born_ns = callsites.current_cell, caught, perf_counter_ns()
            self._unmanaged[address] = block
            self._unowned += whole
            self._note("unmanaged", block)
            block.sequence = self._sequence
        return address

    def _reserve(self, size: int, near: int | None) -> Block | None:
        """A block out of a slab, from a new slab if need be; None where this host has no slabs."""
        granules = (size + GRANULE - 1) // GRANULE
        capacity = granules * GRANULE
        block = Block()
        quarantine = self._quarantine
        if len(quarantine) == _QUARANTINED_BLOCKS and quarantine[0].capacity == capacity and near is None:
            # What has been longest in quarantine fits exactly, as nothing could better: no need to join and cut it.
            old = quarantine.popleft()
            self._quarantined -= capacity
            block.address = old.address
            block.pool = old.pool
            block.region = region = old.region
            block.offset = offset = old.offset
        else:
            pool = self._pools[0]
            start = pool.reserve(granules) if near is None else None
            if start is None:
                found = self._reserve_slowly(granules, near)
                if found is None:
                    return None
                pool, start = found
            block.address = start
            block.pool = pool
            block.region = region = pool.slab_at[start >> PAGE_BITS]
            block.offset = offset = start - region.address
        block.capacity = capacity
        if region.view[offset : offset + capacity] != INT3 * capacity:
            return self._withdraw(block, near)
        return block

    def _reserve_slowly(self, granules: int, near: int | None) -> tuple[Pool, int] | None:
        """Look in every pool within reach, empty the quarantine, and add a slab, in this order."""
        if self._backend != "memfd":
            return None
        for attempt in range(2):
            for pool in self._pools:
                if near is None and pool is not self._pools[0]:
                    continue
                if near is not None and not pool.reaches(near):
                    continue
                start = pool.reserve(granules)
                if start is not None:
                    return pool, start
            if attempt == 0:
                self._empty_quarantine()
        grown = self._grow(granules * GRANULE + GRANULE, near)
        if grown is None:
            return None
        start = grown.reserve(granules)
        assert start is not None, "a slab holds the block it was made for"
        return grown, start

    def _grow(self, need: int, near: int | None) -> Pool | None:
        """Add a slab of at least `need` bytes; returns its pool, or None where the host has no memory files."""
        history = [slab.size for pool in self._pools for slab in pool.slabs.values()]
        need = -(-need // linux_memory.PAGE_SIZE) * linux_memory.PAGE_SIZE
        wanted = self.growth(need, history)
        if wanted < need:
            raise self._exhausted(need, f"the growth policy {self.growth} allows {format_size(max(wanted, 0))} more")
        wanted = -(-wanted // linux_memory.PAGE_SIZE) * linux_memory.PAGE_SIZE
        room, rule = self._room()
        if room < need:
            raise self._exhausted(need, rule)
        file_size = linux_limits.file_size_limit()
        if file_size is not None:
            room = min(room, file_size // linux_memory.PAGE_SIZE * linux_memory.PAGE_SIZE)
            if room < need:
                return None
        failure: OSError | None = None
        for size in dict.fromkeys((min(wanted, room), need)):
            try:
                region = self._map(size, f"slab {len(history) + 1}", "memfd", None, near, SLABS_START, SLABS_END)
            except OSError as error:
                failure = error
                if error.errno not in _RESOURCES:
                    break
                continue
            if near is None:
                pool = self._pools[0]
            else:
                pool = next((pool for pool in self._pools[1:] if pool.reaches(near)), Pool())
                if pool not in self._pools:
                    self._pools.append(pool)
            region.view = linux_memory.view_memory(region.address, region.size)
            pool.add(region)
            self._metadata += GRANULE
            self._padding += 2 * region.guard
            self._reserved += region.reserved
            return pool
        assert failure is not None
        self._without_memory_files(failure)
        return None

    def _withdraw(self, block: Block, near: int | None) -> Block | None:
        """Keep a block whose fill was overwritten out of use for good, and take another one."""
        block.size, block.name, block.cell, block.caught = block.capacity, None, None, callsites.here()
        self._keep_out(block)
        self._note("damaged", block)
        return self._reserve(block.capacity, near)

    def _keep_out(self, block: Block) -> None:
        """Never hand a block out again; it counts as space lost until its whole slab goes."""
        self._damaged += 1
        self._rounding += block.capacity
        self._withdrawn.append(block)

    def _file_block(self, size: int, name: str | None, code: bytes | bytearray | memoryview) -> Block | None:
        """A block with pages of its own that are not mapped here; None where this host has no memory files."""
        if self._backend != "memfd":
            return None
        capacity = -(-size // linux_memory.PAGE_SIZE) * linux_memory.PAGE_SIZE
        if self.limit - self._reserved + self._padding < capacity:
            return None  # who maps pages here says what the rule is
        block = Block()
        block.address = -(self._sequence + 1) << _ELSEWHERE_BITS
        try:
            block.region = Region.file(capacity, _title(name), block.address, self._calls, code)
        except OSError as error:
            self._without_memory_files(error)
            return None
        block.capacity, block.offset, block.own_pages = capacity, 0, True
        self._own += 1
        self._reserved += capacity
        return block

    def _map_block(
        self, size: int, name: str | None, address: int | None, near: int | None, code: bytes | bytearray | memoryview
    ) -> Block:
        """A block with pages and guards of its own."""
        capacity = -(-size // linux_memory.PAGE_SIZE) * linux_memory.PAGE_SIZE
        room, rule = self._room()
        if room < capacity:
            raise self._exhausted(size, rule)
        title = _title(name)
        failure: OSError | None = None
        region: Region | None = None
        for backend in dict.fromkeys((self._backend, _ANONYMOUS)):
            try:
                region = self._map(capacity, title, backend, address, near, PAGES_START, PAGES_END, code)
                break
            except OSError as error:
                failure = error
                if backend == "memfd":
                    self._without_memory_files(error)
        if region is None:
            assert failure is not None
            raise _host_error(failure, size) from failure
        block = Block()
        block.address, block.capacity, block.region, block.offset = region.address, region.size, region, 0
        block.own_pages = True
        self._own += 1
        self._padding += 2 * region.guard
        self._reserved += region.reserved
        return block

    def _map(
        self,
        size: int,
        name: str,
        backend: Backend,
        address: int | None,
        near: int | None,
        low: int,
        high: int,
        code: bytes | bytearray | memoryview = b"",
    ) -> Region:
        """A new region at the address asked for, or near, or at the first free place from `low`, or anywhere."""
        guard = linux_memory.PAGE_SIZE
        if near is not None:
            low, high = max(near + size - REACH, PAGES_START), min(near + REACH - 16 - size, _USER_END)
        possible = address is not None and 2 * guard <= address <= _USER_END - size - guard
        first = (address,) if possible and address is not None else ()
        cursor = self._cursors.get((low, high), low)
        if address is not None and address % linux_memory.PAGE_SIZE:
            raise ValueError(f"code can be placed at a multiple of {linux_memory.PAGE_SIZE} only: a page starts there")
        starts = [*first, *(() if near is not None else (cursor,))]
        region = Region.map(size, name, starts, guard, backend, self._calls, self._stuck, code)
        if region is None:
            places_left = gaps(linux_memory.mappings(), low - guard, high + guard, size + 2 * guard)
            starts = [gap + guard for gap in places_left]
            if near is not None:
                starts.sort(key=lambda start: abs(start - near))
            last = () if near is not None else (0,)
            region = Region.map(size, name, (*starts[:_TRIES], *last), guard, backend, self._calls, self._stuck, code)
        if region is None:
            raise UnreachableError(
                f"{format_size(size)} asked for within 2 GiB of an address: nothing is free there; "
                "place the code first, and what it calls near it"
            )
        if low <= region.address < high:
            self._cursors[low, high] = region.end + 2 * guard
        return region

    def _room(self) -> tuple[int, str]:
        """Bytes that one new region may have at most, and the rule that says so."""
        committed = self._reserved - self._padding
        room, rule = self.limit - committed, f"this manager's limit is {format_size(self.limit)}"
        address_space = linux_limits.address_space_limit()
        if address_space is not None:
            left = max(address_space - linux_limits.address_space_in_use() - 2 * linux_memory.PAGE_SIZE, 0)
            if left < room:
                room, rule = left, f"RLIMIT_AS leaves this process {format_size(left)} of address space"
        return room // linux_memory.PAGE_SIZE * linux_memory.PAGE_SIZE, rule

    def _exhausted(self, need: int, rule: str) -> OutOfCodeMemoryError:
        return OutOfCodeMemoryError(
            f"{format_size(need)} of executable memory asked for; {rule}; in use: {format_size(self._payload)} in "
            f"{plural(len(self._live), 'block')}, {format_size(self._reserved - self._padding)} reserved. "
            "Close what is not needed any more, or give the manager a higher limit"
        )

    def _without_memory_files(self, error: OSError) -> None:
        """Note that the host refused a memory file; for good, unless it was only short of something."""
        if error.errno not in _RESOURCES:
            self._backend = "anonymous"
            self._backend_reason = f"memory files are refused: {error.strerror or error}"

    def _store(self, block: Block, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write into a block's region, at an offset in that."""
        region = block.region
        if region.backend != "memfd":
            region.write(offset, data)
            return
        start = perf_counter_ns()
        try:
            written = linux_memory.pwrite(region.write_descriptor, data, offset)
        except OSError as error:
            self._calls.failed("pwrite", error)
            raise
        finally:
            self._write_count += 1
            self._write_ns += perf_counter_ns() - start
        if written != len(data):
            raise OSError(errno.ENOSPC, "pwrite: the host has no memory left for code")

    def _free_oldest(self) -> None:
        """Let the block that has been longest in quarantine be used again; give back a slab that is empty."""
        block = self._quarantine.popleft()
        pool, capacity = block.pool, block.capacity
        self._quarantined -= capacity
        pool.release(block.address, capacity // GRANULE)
        slab = block.region
        if len(pool.slabs) > 1 and pool.is_empty(slab):
            pool.remove(slab)
            self._metadata -= GRANULE
            self._unmap(slab)

    def _empty_quarantine(self) -> None:
        while self._quarantine:
            self._free_oldest()

    def _unmap(self, region: Region) -> None:
        """Unmap a region; where the kernel cannot (it may have to split a mapping first), keep it for later."""
        self._padding -= 2 * region.guard
        self._reserved -= region.reserved
        region.close_or_keep(self._stuck)
        if region in self._stuck:
            return
        for window, cursor in self._cursors.items():
            if window[0] <= region.address < cursor:
                self._cursors[window] = region.address

    # ---- what a handle does; each takes the lock once

    def _write(self, memory: ExecutableMemory, data: bytes | bytearray | memoryview, offset: int) -> None:
        with self._lock:
            block = memory._open()
            if self.inherited:
                raise inherited_error("written to")
            if block.state == "sealed":
                raise sealed_error(block)
            if type(data) is not bytes:
                data = memoryview(data).cast("B")
            size = len(data)
            if offset < 0 or offset + size > block.size:
                raise ValueError(
                    f"{format_size(size)} at offset {offset} do not fit into {block.title}, "
                    f"which has {format_size(block.size)}"
                )
            try:
                self._store(block, block.offset + offset, data)
            except OSError as error:
                raise _host_error(error, size) from error
            block.state = "written"
            self._sequence = sequence = self._sequence + 1
            self._events.append((sequence, "written", block, self._payload - self._handed_over, self._unowned))

    def _seal(self, memory: ExecutableMemory) -> None:
        with self._lock:
            block = memory._open()
            if self.inherited:
                raise inherited_error("sealed")
            if block.state == "sealed":
                return
            if block.own_pages:
                try:
                    block.region.freeze()
                except OSError as error:
                    raise _host_error(error, block.size) from error
            block.state = "sealed"
            self._sequence = sequence = self._sequence + 1
            self._events.append((sequence, "sealed", block, self._payload - self._handed_over, self._unowned))

    def _close(self, memory: ExecutableMemory, frame: FrameType) -> None:
        """Free a handle's block, for a caller outside this package in `frame`."""
        if memory._gone is not None:
            return
        if self._forgotten_blocks:
            self._collect()
        code = frame.f_code
        caught = callsites.catch(frame) if code.co_filename.startswith(callsites.PACKAGE) else (code, frame.f_lasti)
        with self._lock:
            if memory._gone is not None:
                return
            if self.inherited:
                raise inherited_error("released")
            self._end(memory._block, caught)
            memory._gone = "closed"

    def _end(self, block: Block, caught: callsites.CallSite) -> None:
        """Free a block, or leave that to the last call running in it."""
        if block.state == "released":
            return
        gate = block.gate
        if gate is not None:
            gate[0] = 0  # no call begins any more
        if block.pins or (gate is not None and gate[1]):
            block.doomed = True
            return
        try:
            size = block.size
            block.state = "released"
            block.ended_in = callsites.current_cell
            block.ended_at = caught
            del self._live[block.address]
            payload = self._payload = self._payload - size
            self._rounding -= block.capacity - size
            self._born_ns -= block.born_ns
            if block.manual:
                self._unowned -= size
                self._handed_over -= size
            group = block.group
            group[0] -= 1
            group[1] -= size
            if is_tracing() and block.region.mapped:
                linux_memory.untrace_memory(block.address)
            if block.own_pages:
                self._own -= 1
                self._unmap(block.region)
            else:
                # Filled with int3, and kept out of use for a while.
                capacity = block.capacity
                start = perf_counter_ns()
                try:
                    written = linux_memory.pwrite(block.region.write_descriptor, INT3 * capacity, block.offset)
                except OSError as error:
                    self._calls.failed("pwrite", error)
                    written = 0
                self._write_count += 1
                self._write_ns += perf_counter_ns() - start
                if written == capacity:
                    quarantine = self._quarantine
                    quarantine.append(block)
                    self._quarantined += capacity
                    while len(quarantine) > _QUARANTINED_BLOCKS or self._quarantined > _QUARANTINED_BYTES:
                        self._free_oldest()
                else:
                    self._keep_out(block)  # its old bytes could not be wiped out
            self._released.append(block)
            self._sequence = sequence = self._sequence + 1
            self._events.append((sequence, "released", block, payload - self._handed_over, self._unowned))
        except BaseException:
            self._rebuild(block)  # the stop button, most likely
            raise

    def _rebuild(self, block: Block | None) -> None:
        """Put the books right after an interrupt in the middle of a change; one more interrupt only starts it afresh.

        Args:
            block: The one that was being made or freed; it is freed.
        """
        done = False
        while not done:
            with contextlib.suppress(KeyboardInterrupt):  # the first one is on its way to whoever pressed
                self._rebuild_once(block)
                done = True

    def _rebuild_once(self, block: Block | None) -> None:
        """Free a block that was in the making or going, and work out every number from the blocks there are."""
        live = self._live
        if block is not None:
            if live.get(block.address) is block:
                del live[block.address]
            block.state = "released"
            if block.own_pages:
                block.region.close_or_keep(self._stuck)
            elif block not in self._quarantine and block not in self._withdrawn:
                try:
                    self._store(block, block.offset, INT3 * block.capacity)
                except OSError:
                    self._withdrawn.append(block)
        blocks = list(live.values())
        for pool in self._pools:
            taken = (each for each in (*blocks, *self._quarantine, *self._withdrawn) if not each.own_pages)
            pool.rebuild((each.address, each.capacity // GRANULE) for each in taken if each.pool is pool)
        regions = [region for region in self._regions() if region not in self._stuck]
        self._own = sum(each.own_pages for each in blocks)
        self._payload = sum(each.size for each in blocks)
        self._born_ns = sum(each.born_ns for each in blocks)
        self._handed_over = sum(each.size for each in blocks if each.manual)
        self._unowned = self._handed_over + sum(each.capacity for each in self._unmanaged.values())
        self._rounding = sum(each.capacity - each.size for each in blocks)
        self._rounding += sum(each.capacity for each in self._withdrawn)
        self._quarantined = sum(each.capacity for each in self._quarantine)
        self._metadata = GRANULE * sum(len(pool.slabs) for pool in self._pools)
        self._padding = sum(2 * region.guard for region in regions)
        self._reserved = sum(region.reserved for region in regions)
        for group in self._groups.values():
            group[:] = 0, 0
        for each in blocks:
            each.group[0] += 1
            each.group[1] += each.size
        if block is not None and hasattr(block, "born_ns"):
            self._note("released", block)  # the last event says what is owned now, whatever was to come

    def _move(self, memory: ExecutableMemory) -> ExecutableMemory:
        with self._lock:
            block = memory._open()
            if self.inherited:
                raise inherited_error("moved")
            if block.pins:
                raise in_use_error(block, "moved")
            moved = self._handle(block)
            memory._gone = "moved"
            block.scopes = 0
            self._note("moved", block)
        return moved

    def _hand_over(self, memory: ExecutableMemory) -> int:
        with self._lock:
            block = memory._open()
            if self.inherited:
                raise inherited_error("released")
            if block.pins:
                raise in_use_error(block, "released")
            memory._gone = "released"
            block.manual, block.scopes = True, 0
            self._handed_over += block.size
            self._unowned += block.size
            self._note("handed over", block)
            return block.address

    def _pin(self, block: Block, called: bool = False) -> Pin:
        return Pin(self, block, called)

    def _enter(self, block: Block, called: bool) -> None:
        with self._lock:
            if block.state == "released" or block.doomed:
                raise closed_error(block, "closed")
            block.pins += 1
            if called:
                self._call_count += 1
                self._note("called", block)

    def _leave(self, block: Block) -> None:
        with self._lock:
            block.pins -= 1
            if block.doomed and not block.pins and not self.inherited:
                block.doomed = False
                self._end(block, callsites.here())

    def _settle(self, block: Block) -> None:
        """Free a block that was closed while machine code ran in it, now that it does not any more."""
        with self._lock:
            if block.doomed and not block.pins and not block.gate[1] and not self.inherited:
                block.doomed = False
                self._end(block, callsites.here())

    def _handle(self, block: Block) -> ExecutableMemory:
        memory = _new_handle(ExecutableMemory)
        memory._manager, memory._block, memory._gone = self, block, None
        return memory

    def _forgotten(self, block: Block) -> None:
        """Free the block of a handle that was dropped; a finalizer may run at any moment, so this waits for nothing."""
        self._forgotten_blocks.append(block)
        # Locked: by this very thread, in which the collector has struck, or by another; whoever comes next frees it.
        if not self._lock.locked():
            self._collect()

    def _collect(self) -> None:
        with self._lock:
            self._end_forgotten()

    def _end_forgotten(self) -> None:
        while self._forgotten_blocks:
            self._end(self._forgotten_blocks[0], callsites.NOWHERE)
            self._forgotten_blocks.popleft()

    def _note(self, kind: str, block: Block) -> None:
        self._sequence += 1
        self._events.append((self._sequence, kind, block, self._payload - self._handed_over, self._unowned))

    # ---- manual owners

    def release(self, address: int) -> None:
        """Free the block that starts at an address that `memory.release()` gave.

        Raises:
            DoubleReleaseError: It has been released before.
            StaleAddressError: Inside a block that has been released.
            InteriorAddressError: Inside a live block, not its start.
            ForeignAddressError: Never one of ours, or still owned by a handle.
            MemoryInUseError: A call is running in it.
        """
        with self._lock:
            block = self._manual(address, "released")
            if block.pins:
                raise in_use_error(block, "released")
            self._end(block, callsites.here())

    def adopt(self, address: int) -> ExecutableMemory:
        """A new owner for the block that starts at an address that `memory.release()` gave; errors as `release`."""
        with self._lock:
            block = self._manual(address, "adopted")
            block.manual = False
            self._handed_over -= block.size
            self._unowned -= block.size
            self._note("adopted", block)
            return self._handle(block)

    def story_of(self, address: int) -> str:
        """What lies, or last lay, at an address, for a sentence; empty where it was never ours."""
        with self._lock:
            for block in self._live.values():
                if block.address <= address < block.address + block.capacity:
                    return f"{block.title}, allocated in {block.made}"
            for block in reversed(self._released):
                if block.address <= address < block.address + block.capacity:
                    return f"{block.title}, released in {block.ended}"
        return ""

    def _manual(self, address: int, verb: str) -> Block:
        """The block a manual owner means by an address, or the error that says what the address is."""
        if self.inherited:
            raise inherited_error(verb)
        block = self._live.get(address)
        if block is not None:
            if block.manual:
                return block
            raise ForeignAddressError(
                f"this is the address of {block.title}, allocated in {block.made}, which a handle owns: "
                "close that handle, or call its release() first"
            )
        for block in self._live.values():
            if block.address < address < block.address + block.capacity:
                raise InteriorAddressError(
                    f"this address is {block.title}+{address - block.address:#x}, allocated in {block.made}: "
                    "give the address of its start"
                )
        for block in reversed(self._released):
            if block.address == address:
                raise DoubleReleaseError(f"this address has been released before. {block.story}")
            if block.address < address < block.address + block.capacity:
                raise StaleAddressError(
                    f"this address was +{address - block.address:#x} of a block that is gone. {block.story}"
                )
        if address in self._unmanaged:
            block = self._unmanaged[address]
            raise ForeignAddressError(
                f"{format_size(block.size)} were mapped here by allocate_unmanaged() in {block.made}: "
                "nobody owns them, and so nobody can release them"
            )
        raise ForeignAddressError("this address was never handed out by this manager")

    # ---- looking at it

    def snapshot(self) -> Snapshot:
        """Every live block and all numbers, at one instant."""
        with self._lock:
            self._end_forgotten()
            now = perf_counter_ns()
            regions = tuple(
                _state_of(block, now) for block in sorted(self._live.values(), key=lambda block: block.sequence)
            )
            return Snapshot(regions, self._statistics())

    def statistics(self) -> Statistics:
        """All numbers, at one instant; costs the same however many blocks are live."""
        with self._lock:
            self._end_forgotten()
            return self._statistics()

    def _statistics(self) -> Statistics:
        by_cell: dict[str, tuple[int, int]] = {}
        by_name: dict[str, tuple[int, int]] = {}
        for (cell, name, file), (count, size) in self._groups.items():
            if count:
                where = cell or callsites.title_of(file)
                for table, key in ((by_cell, where), (by_name, name or "")):
                    old = table.get(key, (0, 0))
                    table[key] = (old[0] + count, old[1] + size)
        calls = self._calls
        counts, nanoseconds = dict(calls.counts), dict(calls.nanoseconds)
        counts["pwrite"] = counts.get("pwrite", 0) + self._write_count
        nanoseconds["pwrite"] = nanoseconds.get("pwrite", 0) + self._write_ns
        return Statistics(
            live=len(self._live),
            peak=self._peak,
            total=sum(self._sizes),
            payload=self._payload,
            peak_payload=self._peak_payload,
            rounding=self._rounding,
            padding=self._padding,
            metadata=self._metadata,
            free=sum(pool.free_granules for pool in self._pools) * GRANULE + self._quarantined,
            quarantined=self._quarantined,
            reserved=self._reserved,
            slabs=sum(len(pool.slabs) for pool in self._pools),
            own_regions=self._own,
            age_s=(perf_counter_ns() - self._born_ns / len(self._live)) / 1e9 if self._live else 0.0,
            largest_free=max(pool.largest_free for pool in self._pools),
            calls=self._call_count,
            damaged=self._damaged,
            stuck=len(self._stuck),
            events=self._sequence,
            unmanaged=sum(block.capacity for block in self._unmanaged.values()),
            sizes=MappingProxyType({1 << power: count for power, count in enumerate(self._sizes) if count}),
            by_cell=MappingProxyType(by_cell),
            by_name=MappingProxyType(by_name),
            system_calls=MappingProxyType(counts),
            system_call_ns=MappingProxyType(nanoseconds),
            failures=MappingProxyType(
                {(name, errno.errorcode.get(number, str(number))): n for (name, number), n in calls.failures.items()}
            ),
        )

    def events(self, since: int = 0) -> tuple[Event, ...]:
        """What happened after the event numbered `since`, as far back as the ring reaches."""
        with self._lock:
            self._end_forgotten()
            raw: list[tuple[int, str, Block, int, int]] = []
            for entry in reversed(self._events):
                if entry[0] + 2 <= since:
                    break
                raw.append(entry)
        return tuple(
            Event(
                number, kind, block.name, block.size, callsites.name_of(block.cell, block.caught),
                callsites.line_in(block.cell, block.caught), owned, unowned,
            )
            for sequence, kinds, block, owned, unowned in reversed(raw)
            for number, kind in enumerate(_PARTS.get(kinds, (kinds,)), sequence)
            if number > since
        )  # fmt: skip

    def life_of(self, memory: ExecutableMemory) -> tuple[str, ...]:
        """What happened to one piece of memory, in order, as far back as the ring reaches; also when it is closed."""
        block = memory._block
        found: list[str] = []
        with self._lock:
            for entry in reversed(self._events):
                if entry[0] < block.sequence:
                    break
                if entry[2] is block:
                    found += reversed(_PARTS.get(entry[1], (entry[1],)))
        return tuple(reversed(found))

    def _forget_unmapped(self, mapped: Iterable[tuple[int, int]]) -> None:
        """Strike off what `allocate_unmanaged` mapped and somebody has unmapped by hand since."""
        starts = list(mapped)
        for address, block in list(self._unmanaged.items()):
            if not any(start <= address < end for start, end in starts):
                del self._unmanaged[address]
                self._unowned -= block.capacity

    @property
    def current_cell(self) -> str | None:
        """What to call the cell that is running now; all managers share it."""
        return callsites.current_cell

    @current_cell.setter
    def current_cell(self, label: str | None) -> None:
        callsites.current_cell = label

    def audit(self, namespace: Mapping[str, object] | None = None) -> LeakReport:
        """Compare what we think we hold with what the kernel has mapped; see audit.py.

        Args:
            namespace: The user's variables, to say which of them keeps a region alive.
        """
        from execmem_kernel.memory import audit

        return audit.audit(self, namespace)

    def capabilities(self) -> Capabilities:
        """What this host allows, tried now, and which way this manager takes."""
        found = capabilities.probe()
        if found.backend is not None and found.backend != self._backend:
            found = replace(found, backend=self._backend, reason=self._backend_reason)
        return found

    # ---- ending it

    def cleanup(self) -> CleanupReport:
        """Free everything that no call is running in, whoever owns it; their handles are closed from now on."""
        released: list[RegionState] = []
        kept: list[RegionState] = []
        with self._lock:
            if self.inherited:
                raise inherited_error("released")
            self._end_forgotten()
            now = perf_counter_ns()
            for block in sorted(self._live.values(), key=lambda block: block.sequence):
                (kept if block.pins else released).append(_state_of(block, now))
                if not block.pins:
                    self._end(block, callsites.here())
            self._empty_quarantine()
            in_use = {id(block.region) for block in self._live.values()}
            for block in self._withdrawn:
                if id(block.region) not in in_use:
                    block.pool.release(block.address, block.capacity // GRANULE)
                    self._rounding -= block.capacity
            self._withdrawn = [block for block in self._withdrawn if id(block.region) in in_use]
            for pool in self._pools:
                for slab in list(pool.slabs.values()):
                    if pool.is_empty(slab):
                        pool.remove(slab)
                        self._metadata -= GRANULE
                        self._unmap(slab)
            stuck, self._stuck = self._stuck, []
            for region in stuck:
                region.close_or_keep(self._stuck)
        return CleanupReport(tuple(released), tuple(kept))

    def close(self) -> None:
        """The same as `cleanup()`, for `with`; the manager stays usable."""
        self.cleanup()

    def __enter__(self) -> CodeMemoryManager:
        return self

    def __exit__(self, *_error: object) -> None:
        if not self.inherited:
            self.close()

    def __repr__(self) -> str:
        return f"<CodeMemoryManager: {len(self._live)} live, {format_size(self._payload)}>"

    def _regions(self) -> Iterator[Region]:
        """Every mapping that is ours."""
        for pool in self._pools:
            yield from pool.slabs.values()
        yield from (block.region for block in self._live.values() if block.own_pages)
        yield from self._stuck

    def _after_fork_in_child(self) -> None:
        """Make this the child's read-only copy: nothing here may write to pages that the parent shares."""
        self._lock = Lock()
        self.inherited = True
        self._forgotten_blocks.clear()
        for pool in self._pools:
            for slab in pool.slabs.values():
                slab.drop_writing()
        for block in self._live.values():
            if block.own_pages:
                block.region.drop_writing()


def _title(name: str | None) -> str:
    """What the kernel's list of mappings is to say: it takes 249 bytes, and shows them to everybody."""
    if name is None:
        return "code"
    if name.isascii() and name.isprintable():
        return name[:100]
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)[:100]


def _size_and_code(given: object) -> tuple[int, bytes | bytearray | memoryview]:
    if isinstance(given, memoryview):
        return given.nbytes, given.cast("B")
    if isinstance(given, bytearray):
        return len(given), given
    raise TypeError(f"a number of bytes, or the bytes themselves, asked for; got {type(given).__name__}")


def _state_of(block: Block, now: int) -> RegionState:
    state = "closing" if block.doomed else "running" if block.pins else block.state
    return RegionState(
        name=block.name,
        cell=callsites.name_of(block.cell, block.caught),
        line=callsites.line_in(block.cell, block.caught),
        size=block.size,
        state=state,
        protection=block.region.protection,
        place="own pages" if block.own_pages else "pool",
        owner="manual" if block.manual else "scope" if block.scopes else "handle",
        sequence=block.sequence,
        address=block.address,
        capacity=block.capacity,
        age_s=(now - block.born_ns) / 1e9,
    )


def _trace(block: Block) -> None:
    code, _ = block.caught
    linux_memory.trace_memory(block.address, block.size, code.co_filename, callsites.line_of(block.caught) or 1)


def _host_error(error: OSError, size: int) -> CodeMemoryError:
    """The kernel's refusal, with the rule of the host to look at."""
    asked = f"{format_size(size)} of executable memory asked for"
    reason = error.strerror or str(error)
    if error.errno in _RESOURCES:
        look = {
            errno.ENOMEM: "out of memory, over RLIMIT_AS, or over vm.max_map_count mappings",
            errno.ENOSPC: "no memory left for memory files",
            errno.EFBIG: "over RLIMIT_FSIZE",
            errno.EMFILE: "over RLIMIT_NOFILE: each region with pages of its own keeps a file open",
            errno.ENFILE: "the whole host has too many files open",
        }.get(error.errno or 0, "the host is short of something")
        return OutOfCodeMemoryError(f"{asked}; the kernel refused ({reason}): {look}")
    return ProtectionDeniedError(
        f"{asked}; the kernel refused ({reason}): "
        "look at seccomp, SELinux (execmem) and the noexec policies of this host"
    )
