"""`CodeMemoryManager`: which bytes are executable, and whose they are.

    manager.allocate ──> pool of slabs   small functions share pages: one mapping for thousands
                     └─> own pages       a cell, or on request: guard pages, a file that is frozen when sealed

Everything is under one lock. Four things happen at a moment nothing chose: the finalizer of a dropped handle queues
its block and waits for nothing; a forked child starts with a new lock; after an interrupt (the stop button) in the
middle of a change all counters are recomputed from the live blocks; and the end of the process frees nothing, since
the kernel does, and a thread may still be inside.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from sys import _getframe
from time import perf_counter_ns
from tracemalloc import is_tracing

from execmem_kernel.errors import (
    CodeMemoryError,
    DoubleReleaseError,
    ForeignAddressError,
    InteriorAddressError,
    OutOfCodeMemoryError,
    StaleAddressError,
)
from execmem_kernel.linux import limits as linux_limits
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory import callsites, capabilities, registry
from execmem_kernel.memory.accounting import WHOLE, Ledger, events_of
from execmem_kernel.memory.backends import ANONYMOUS, MEMORY_FILE, no_memory_left
from execmem_kernel.memory.block import Block, closed_error, in_use_error, inherited_error
from execmem_kernel.memory.callsites import CallSite
from execmem_kernel.memory.capabilities import Capabilities
from execmem_kernel.memory.growth import MIB, Doubling, Growth
from execmem_kernel.memory.handle import ExecutableMemory, block_of, new_handle
from execmem_kernel.memory.locks import Lock
from execmem_kernel.memory.mapping import INT3, Backend, Code, Region
from execmem_kernel.memory.placement import PAGES, SLABS, Placement
from execmem_kernel.memory.pool import GRANULE, PAGE_BITS, Pool
from execmem_kernel.memory.refusals import host_error, is_shortage
from execmem_kernel.memory.values import (
    CleanupReport,
    Event,
    Finding,
    Inventory,
    LeakReport,
    OwnerKind,
    RegionState,
    Snapshot,
    State,
    Statistics,
)
from execmem_kernel.wording import format_size, plural

POOLED_SIZE = 16 * 1024
"""Blocks up to this size come from the pool unless they ask for pages of their own."""

_QUARANTINED_BLOCKS, _QUARANTINED_BYTES = 64, 64 * 1024
_ELSEWHERE_BITS = 40
"""Blocks that are not mapped here have numbers below zero for addresses, so far apart that none reaches another."""
_new = ExecutableMemory.__new__


class CodeMemoryManager:
    """Tracks and owns executable memory; hands it out as `ExecutableMemory`.

    Args:
        growth: How large the next slab is to be; see growth.py.
        limit: Most bytes of executable memory at once, slabs and own pages together.

    Thread-safe. After fork() the child may call what is there; to allocate it makes a manager of its own.
    """

    def __init__(self, growth: Growth | None = None, limit: int = 64 * MIB) -> None:
        self.growth: Growth = growth or Doubling()
        self.limit: int = limit
        self.inherited: bool = False
        """Whether this is a forked child's copy of its parent's manager."""
        self.lock: Lock = Lock()
        """Held while anything changes."""
        self.dropped: deque[Block] = deque()
        """Blocks of handles that were dropped, until the lock is free."""
        self._ledger = Ledger()
        self._calls = self._ledger.calls
        self._placement = Placement(self._calls)
        self._backend: Backend = MEMORY_FILE
        self._backend_reason = "this host has memory files"
        self._pools: list[Pool] = [Pool()]
        self._withdrawn: list[Block] = []
        """Blocks that are kept out of use for good."""
        self._quarantine: deque[Block] = deque()
        self._quarantined = 0
        """Bytes in quarantine."""
        registry.add(self)

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
            InheritedMemoryError: The manager belongs to the process that this one was forked from.
            ValueError: No bytes are asked for, or options that exclude each other.
        """
        # This and `end_block` are what every user pays for, so they are written out flat. `with` enters the lock,
        # though acquire and release cost half: an interrupt between acquire and try would leave it closed for ever.
        kind = type(size_or_code)
        if kind is bytes:
            code: Code | None = size_or_code  # type: ignore[assignment]
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
        inside = caller.co_filename.startswith(callsites.PACKAGE)
        call_site = callsites.catch(frame) if inside else (caller, frame.f_lasti)
        if self.dropped:
            self.collect()
        with self.lock:
            if self.inherited:
                raise inherited_error("added to")
            if pages is None:
                pages = address is not None or size > POOLED_SIZE
            elif not pages and address is not None:
                raise ValueError("a block from the pool cannot be placed at an address: ask for pages=True")
            block = None
            try:
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
                block.cell = callsites.current_cell
                block.call_site = call_site
                block.born_ns = start = perf_counter_ns()
                if code is None:
                    self._ledger.add(block, "allocated")
                else:
                    try:
                        if block.own_pages:
                            block.region.freeze()
                        else:
                            written = linux_memory.pwrite(block.region.write_descriptor, code, block.offset)
                            calls = self._calls
                            calls.writes += 1
                            calls.write_ns += perf_counter_ns() - start
                            if written != size:
                                raise no_memory_left()
                    except OSError as error:
                        if not block.own_pages:
                            self._calls.failed("pwrite", error)
                        self._ledger.add(block, "allocated")
                        self.end_block(block, call_site)
                        raise host_error(error, size) from error
                    block.state = "sealed"
                    self._ledger.add(block, WHOLE)
                if is_tracing() and block.region.mapped:
                    _trace(block)
                memory = _new(ExecutableMemory)  # `new_handle`, without a call
                memory._owner = self
                memory._block = block
                memory._gone = None
            except (CodeMemoryError, ValueError):
                raise  # nothing was changed, or all of it was taken back
            except BaseException:
                self._rebuild(block)  # the stop button, most likely
                raise
        return memory

    def allocate_unmanaged(self, size: int) -> int:
        """Map read-execute pages and forget them: what a program without RAII does. Returns their address.

        For the lesson only. Nothing owns these pages and nothing will ever free them; `audit()` finds them.

        Raises:
            InheritedMemoryError: The manager belongs to the process that this one was forked from.
            OutOfCodeMemoryError: The host allows no more.
            ProtectionDeniedError: The host forbids executable memory.
            ValueError: No bytes are asked for.
        """
        if size <= 0:
            raise ValueError(f"{size} bytes of executable memory asked for: ask for at least 1")
        call_site = callsites.here()
        whole = linux_memory.whole_pages(size)
        with self.lock:
            if self.inherited:
                raise inherited_error("added to")
            flags = linux_memory.MAP_PRIVATE | linux_memory.MAP_ANONYMOUS
            try:
                protection = linux_memory.PROT_READ | linux_memory.PROT_EXEC
                address = self._calls.make("mmap", linux_memory.map_pages, 0, whole, protection, flags)
            except OSError as error:
                raise host_error(error, size) from error
            block = Block()
            block.address, block.size, block.capacity, block.name = address, size, whole, None
            block.cell, block.call_site, block.born_ns = callsites.current_cell, call_site, perf_counter_ns()
            self._ledger.add_unmanaged(block)
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
        if not self._backend.is_file:
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
        need = linux_memory.whole_pages(need)
        wanted = self.growth(need, history)
        if wanted < need:
            raise self._exhausted(need, f"the growth policy {self.growth} allows {format_size(max(wanted, 0))} more")
        wanted = linux_memory.whole_pages(wanted)
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
                region = self._placement.map(size, f"slab {len(history) + 1}", MEMORY_FILE, SLABS, near=near)
            except OSError as error:
                failure = error
                if not is_shortage(error):
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
            self._ledger.metadata += GRANULE
            self._ledger.add_region(region)
            return pool
        assert failure is not None
        self._without_memory_files(failure)
        return None

    def _withdraw(self, block: Block, near: int | None) -> Block | None:
        """Keep a block whose fill was overwritten out of use for good, and take another one."""
        block.size, block.name, block.cell, block.call_site = block.capacity, None, None, callsites.here()
        self._keep_out(block)
        self._ledger.note("damaged", block)
        return self._reserve(block.capacity, near)

    def _keep_out(self, block: Block) -> None:
        """Never hand a block out again; it counts as space lost until its whole slab goes."""
        self._ledger.damaged += 1
        self._ledger.rounding += block.capacity
        self._withdrawn.append(block)

    def _file_block(self, size: int, name: str | None, code: Code) -> Block | None:
        """A block with pages of its own that are not mapped here; None where this host has no memory files."""
        ledger = self._ledger
        if not self._backend.is_file:
            return None
        capacity = linux_memory.whole_pages(size)
        if self.limit - ledger.reserved + ledger.padding < capacity:
            return None  # `_map_block` says what the rule is
        address = -(ledger.sequence + 1) << _ELSEWHERE_BITS
        try:
            region = Region.file(capacity, _title(name), address, self._backend, self._calls, code)
        except OSError as error:
            self._without_memory_files(error)
            return None
        return self._own_block(region)

    def _map_block(self, size: int, name: str | None, address: int | None, near: int | None, code: Code) -> Block:
        """A block with pages and guards of its own."""
        capacity = linux_memory.whole_pages(size)
        room, rule = self._room()
        if room < capacity:
            raise self._exhausted(size, rule)
        failure: OSError | None = None
        for backend in dict.fromkeys((self._backend, ANONYMOUS)):
            try:
                region = self._placement.map(capacity, _title(name), backend, PAGES, address, near, code)
            except OSError as error:
                failure = error
                if backend.is_file:
                    self._without_memory_files(error)
            else:
                return self._own_block(region)
        assert failure is not None
        raise host_error(failure, size) from failure

    def _own_block(self, region: Region) -> Block:
        """The block that is the whole of a region."""
        block = Block()
        block.address, block.capacity, block.region, block.offset = region.address, region.size, region, 0
        block.own_pages = True
        self._ledger.own += 1
        self._ledger.add_region(region)
        return block

    def _room(self) -> tuple[int, str]:
        """Bytes that one new region may have at most, and the rule that says so."""
        committed = self._ledger.reserved - self._ledger.padding
        room, rule = self.limit - committed, f"this manager's limit is {format_size(self.limit)}"
        address_space = linux_limits.address_space_limit()
        if address_space is not None:
            left = max(address_space - linux_limits.address_space_in_use() - 2 * linux_memory.PAGE_SIZE, 0)
            if left < room:
                room, rule = left, f"RLIMIT_AS leaves this process {format_size(left)} of address space"
        return room // linux_memory.PAGE_SIZE * linux_memory.PAGE_SIZE, rule

    def _exhausted(self, need: int, rule: str) -> OutOfCodeMemoryError:
        ledger = self._ledger
        return OutOfCodeMemoryError(
            f"{format_size(need)} of executable memory asked for; {rule}; in use: {format_size(ledger.payload)} in "
            f"{plural(len(ledger.live), 'block')}, {format_size(ledger.reserved - ledger.padding)} reserved. "
            "Close what is not needed any more, or give the manager a higher limit"
        )

    def _without_memory_files(self, error: OSError) -> None:
        """Note that the host refused a memory file; for good, unless it was only short of something."""
        if not is_shortage(error):
            self._backend = ANONYMOUS
            self._backend_reason = f"memory files are refused: {error.strerror or error}"

    def _free_oldest(self) -> None:
        """Let the block that has been longest in quarantine be used again; give back a slab that is empty."""
        block = self._quarantine.popleft()
        pool, capacity = block.pool, block.capacity
        self._quarantined -= capacity
        pool.release(block.address, capacity // GRANULE)
        slab = block.region
        if len(pool.slabs) > 1 and pool.is_empty(slab):
            self._remove_slab(pool, slab)

    def _remove_slab(self, pool: Pool, slab: Region) -> None:
        pool.remove(slab)
        self._ledger.metadata -= GRANULE
        self._unmap(slab)

    def _empty_quarantine(self) -> None:
        while self._quarantine:
            self._free_oldest()

    def _unmap(self, region: Region) -> None:
        self._ledger.remove_region(region)
        self._placement.unmap(region)

    # ---- for handles (handle.Owner); up to `end_block` the lock is held

    def write_block(self, block: Block, offset: int, data: Code) -> None:
        """Store bytes at an offset of a block, which they fit into.

        Args:
            block: Where; it is not sealed.
            offset: From its start, in bytes.
            data: What.
        """
        region = block.region
        try:
            region.backend.write(region, block.offset + offset, data)
        except OSError as error:
            raise host_error(error, len(data)) from error
        block.state = "written"
        self._ledger.note("written", block)

    def seal_block(self, block: Block) -> None:
        """Make a block's bytes final."""
        if block.own_pages:
            try:
                block.region.freeze()
            except OSError as error:
                raise host_error(error, block.size) from error
        block.state = "sealed"
        self._ledger.note("sealed", block)

    def move_block(self, block: Block) -> None:
        """Note that another handle owns a block now."""
        self._ledger.note("moved", block)

    def hand_over_block(self, block: Block) -> None:
        """Note that no handle owns a block now."""
        self._ledger.hand_over(block)

    def end_block(self, block: Block, call_site: CallSite) -> None:
        """Free a block, or leave that to the last call running in it."""
        if block.state == "released":
            return
        gate = block.gate
        if gate is not None:
            gate[0] = 0  # no call begins any more
        if block.pins or (gate is not None and gate[1]):
            block.close_pending = True
            return
        try:
            block.state = "released"
            block.ended_in = callsites.current_cell
            block.ended_at = call_site
            if is_tracing() and block.region.mapped:
                linux_memory.untrace_memory(block.address)
            if block.own_pages:
                self._ledger.own -= 1
                self._unmap(block.region)
            else:
                # Filled with int3, and kept out of use for a while.
                capacity = block.capacity
                calls = self._calls
                start = perf_counter_ns()
                try:
                    written = linux_memory.pwrite(block.region.write_descriptor, INT3 * capacity, block.offset)
                except OSError as error:
                    calls.failed("pwrite", error)
                    written = 0
                calls.writes += 1
                calls.write_ns += perf_counter_ns() - start
                if written == capacity:
                    quarantine = self._quarantine
                    quarantine.append(block)
                    self._quarantined += capacity
                    while len(quarantine) > _QUARANTINED_BLOCKS or self._quarantined > _QUARANTINED_BYTES:
                        self._free_oldest()
                else:
                    self._keep_out(block)  # its old bytes could not be wiped out
            self._ledger.remove(block)
        except BaseException:
            self._rebuild(block)  # the stop button, most likely
            raise

    def pin_block(self, block: Block, called: bool) -> None:
        """Keep a block where it is until `unpin_block`.

        Raises:
            ClosedMemoryError: It has been closed.
        """
        with self.lock:
            if block.state == "released" or block.close_pending:
                raise closed_error(block, "closed")
            block.pins += 1
            if called:
                self._ledger.pins += 1
                self._ledger.note("called", block)

    def unpin_block(self, block: Block) -> None:
        """Let a block go that has been closed meanwhile."""
        with self.lock:
            block.pins -= 1
            if block.close_pending and not block.pins and not self.inherited:
                block.close_pending = False
                self.end_block(block, callsites.here())

    def settle_block(self, block: Block) -> None:
        """Free a block that was closed while machine code ran in it, if none does now."""
        with self.lock:
            if block.close_pending and not block.pins and not block.gate[1] and not self.inherited:
                block.close_pending = False
                self.end_block(block, callsites.here())

    def drop_block(self, block: Block) -> None:
        """Free the block of a handle that was dropped; a finalizer may run at any moment, so this waits for nothing."""
        self.dropped.append(block)
        # Locked: by this very thread, in which the collector has struck, or by another; the next one to come frees it.
        if not self.lock.locked():
            self.collect()

    def collect(self) -> None:
        """Free the blocks of handles that were dropped while the lock was held."""
        with self.lock:
            self._end_dropped()

    def _end_dropped(self) -> None:
        while self.dropped:
            self.end_block(self.dropped[0], callsites.NOWHERE)
            self.dropped.popleft()

    # ---- after an interrupt

    def _rebuild(self, block: Block | None) -> None:
        """Recompute all counters after an interrupt in the middle of a change; one more interrupt starts that afresh.

        Args:
            block: The one that was being made or freed; it is freed.
        """
        done = False
        while not done:
            with contextlib.suppress(KeyboardInterrupt):  # the first one is being raised already
                self._rebuild_once(block)
                done = True

    def _rebuild_once(self, block: Block | None) -> None:
        """Free a block that was in the making or going, and compute every number from the blocks there are."""
        ledger = self._ledger
        live, stuck = ledger.live, self._placement.stuck
        if block is not None:
            if live.get(block.address) is block:
                del live[block.address]
            block.state = "released"
            if block.own_pages and block.region not in stuck:
                block.region.close_or_keep(stuck)
            elif not block.own_pages and block not in self._quarantine and block not in self._withdrawn:
                try:
                    block.region.write(block.offset, INT3 * block.capacity)
                except OSError:
                    self._withdrawn.append(block)
        for pool in self._pools:
            taken = (each for each in (*live.values(), *self._quarantine, *self._withdrawn) if not each.own_pages)
            pool.rebuild((each.address, each.capacity // GRANULE) for each in taken if each.pool is pool)
        self._quarantined = sum(each.capacity for each in self._quarantine)
        ledger.recount(self._pools, (region for region in self._regions() if region not in stuck), self._withdrawn)
        if block is not None and hasattr(block, "born_ns"):
            ledger.note("released", block)  # the last event says what is owned now, whatever was to come

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
        with self.lock:
            block = self._manual(address, "released")
            if block.pins:
                raise in_use_error(block, "released")
            self.end_block(block, callsites.here())

    def adopt(self, address: int) -> ExecutableMemory:
        """A new owner for the block that starts at an address that `memory.release()` gave; errors as `release`."""
        with self.lock:
            block = self._manual(address, "adopted")
            self._ledger.adopt(block)
            return new_handle(self, block)

    def story_of(self, address: int) -> str:
        """What lies, or last lay, at an address, for a sentence; empty where it was never ours."""
        with self.lock:
            for block in self._ledger.live.values():
                if block.address <= address < block.address + block.capacity:
                    return f"{block.title}, allocated in {block.made}"
            for block in reversed(self._ledger.released):
                if block.address <= address < block.address + block.capacity:
                    return f"{block.title}, released in {block.ended}"
        return ""

    def _manual(self, address: int, verb: str) -> Block:
        """The block a manual owner means by an address, or the error that says what the address is."""
        if self.inherited:
            raise inherited_error(verb)
        ledger = self._ledger
        block = ledger.live.get(address)
        if block is not None:
            if block.manual:
                return block
            raise ForeignAddressError(
                f"this is the address of {block.title}, allocated in {block.made}, which a handle owns: "
                "close that handle, or call its release() first"
            )
        for block in ledger.live.values():
            if block.address < address < block.address + block.capacity:
                raise InteriorAddressError(
                    f"this address is {block.title}+{address - block.address:#x}, allocated in {block.made}: "
                    "give the address of its start"
                )
        for block in reversed(ledger.released):
            if block.address == address:
                raise DoubleReleaseError(f"this address has been released before. {block.story}")
            if block.address < address < block.address + block.capacity:
                raise StaleAddressError(
                    f"this address was +{address - block.address:#x} of a block that is gone. {block.story}"
                )
        if address in ledger.unmanaged:
            block = ledger.unmanaged[address]
            raise ForeignAddressError(
                f"{format_size(block.size)} were mapped here by allocate_unmanaged() in {block.made}: "
                "nobody owns them, and so nobody can release them"
            )
        raise ForeignAddressError("this address was never handed out by this manager")

    # ---- looking at it

    def snapshot(self) -> Snapshot:
        """Every live block and all numbers, at one instant."""
        with self.lock:
            self._end_dropped()
            now = perf_counter_ns()
            return Snapshot(tuple(_state_of(block, now) for block in self._ledger.blocks()), self._statistics())

    def statistics(self) -> Statistics:
        """All numbers, at one instant; costs the same however many blocks are live."""
        with self.lock:
            self._end_dropped()
            return self._statistics()

    def _statistics(self) -> Statistics:
        return self._ledger.statistics(self._pools, self._quarantined, len(self._placement.stuck))

    def events(self, since: int = 0) -> tuple[Event, ...]:
        """What happened after the event numbered `since`, as far back as the ring reaches."""
        with self.lock:
            self._end_dropped()
            entries = self._ledger.entries(since)
        return events_of(entries, since)

    def life_of(self, memory: ExecutableMemory) -> tuple[str, ...]:
        """What happened to one piece of memory, in order, as far back as the ring reaches; also when it is closed."""
        with self.lock:
            return self._ledger.kinds_of(block_of(memory))

    @property
    def current_cell(self) -> str | None:
        """What to call the cell that is running now; all managers share it."""
        return callsites.current_cell

    @current_cell.setter
    def current_cell(self, label: str | None) -> None:
        """Label what is allocated from now on, by any manager."""
        callsites.current_cell = label

    def audit(self, namespace: Mapping[str, object] | None = None) -> LeakReport:
        """Compare what is recorded here with what the kernel has mapped; see audit.py.

        Args:
            namespace: The user's variables, to say which of them keeps a region alive.
        """
        from execmem_kernel.memory import audit  # what it needs of the standard library is slow to import

        return audit.audit(self, namespace)

    def inventory(self) -> Inventory:
        """What this manager holds, for an audit; with the lock held."""
        self._end_dropped()
        now = perf_counter_ns()
        blocks = self._ledger.blocks()
        unmanaged = sorted(self._ledger.unmanaged.values(), key=lambda block: block.sequence)
        return Inventory(
            blocks=tuple(_state_of(block, now) for block in blocks),
            scoped=frozenset(block.sequence for block in blocks if block.scopes or block.pins),
            elsewhere=frozenset(block.sequence for block in blocks if not block.region.mapped),
            unmanaged=tuple(_foreign(block, now) for block in unmanaged),
            mappings=tuple((region.address, region.end) for region in self._regions()),
        )

    def drop_unmapped(self, mapped: Iterable[tuple[int, int]]) -> None:
        """Strike off what `allocate_unmanaged` mapped and has been unmapped by hand since; with the lock held.

        Args:
            mapped: Start and end of everything that the kernel has mapped.
        """
        self._ledger.drop_unmapped(mapped)

    def capabilities(self) -> Capabilities:
        """What this host allows, tried now, and which way this manager takes."""
        found = capabilities.probe()
        if found.backend is not None and found.backend != self._backend.name:
            found = replace(found, backend=self._backend.name, reason=self._backend_reason)
        return found

    # ---- ending it

    def cleanup(self) -> CleanupReport:
        """Free everything that no call is running in; the handles of all of it are closed from now on.

        Raises:
            InheritedMemoryError: The manager belongs to the process that this one was forked from.
        """
        released: list[RegionState] = []
        kept: list[RegionState] = []
        with self.lock:
            if self.inherited:
                raise inherited_error("released")
            self._end_dropped()
            now = perf_counter_ns()
            for block in self._ledger.blocks():
                (kept if block.pins else released).append(_state_of(block, now))
                if not block.pins:
                    self.end_block(block, callsites.here())
            self._empty_quarantine()
            in_use = {id(block.region) for block in self._ledger.live.values()}
            for block in self._withdrawn:
                if id(block.region) not in in_use:
                    block.pool.release(block.address, block.capacity // GRANULE)
                    self._ledger.rounding -= block.capacity
            self._withdrawn = [block for block in self._withdrawn if id(block.region) in in_use]
            for pool in self._pools:
                for slab in list(pool.slabs.values()):
                    if pool.is_empty(slab):
                        self._remove_slab(pool, slab)
            self._placement.retry()
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
        return f"<CodeMemoryManager: {len(self._ledger.live)} live, {format_size(self._ledger.payload)}>"

    def _regions(self) -> Iterator[Region]:
        """Every mapping that is ours."""
        for pool in self._pools:
            yield from pool.slabs.values()
        yield from (block.region for block in self._ledger.live.values() if block.own_pages)
        yield from self._placement.stuck

    def after_fork_in_child(self) -> None:
        """Make this the child's read-only copy: nothing here may write to pages that the parent shares."""
        self.lock = Lock()
        self.inherited = True
        self.dropped.clear()
        for region in self._regions():
            region.drop_writing()


def _title(name: str | None) -> str:
    """What the kernel's list of mappings is to say: it takes 249 bytes, and shows them to every user of the host."""
    if name is None:
        return "code"
    if name.isascii() and name.isprintable():
        return name[:100]
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)[:100]


def _size_and_code(given: object) -> tuple[int, Code]:
    if isinstance(given, memoryview):
        return given.nbytes, given.cast("B")
    if isinstance(given, bytearray):
        return len(given), given
    raise TypeError(f"a number of bytes, or the bytes themselves, asked for; got {type(given).__name__}")


def _state_of(block: Block, now: int) -> RegionState:
    assert block.state != "released", "only live blocks are looked at"
    state: State = "closing" if block.close_pending else "running" if block.pins else block.state
    owner: OwnerKind = "manual" if block.manual else "scope" if block.scopes else "handle"
    return RegionState(
        name=block.name,
        cell=callsites.name_of(block.cell, block.call_site),
        line=callsites.line_in(block.cell, block.call_site),
        size=block.size,
        state=state,
        protection=block.region.protection,
        place="own pages" if block.own_pages else "pool",
        owner=owner,
        sequence=block.sequence,
        address=block.address,
        capacity=block.capacity,
        age_s=(now - block.born_ns) / 1e9,
    )


def _foreign(block: Block, now: int) -> Finding:
    """Pages that `allocate_unmanaged` has mapped, as an audit finds them."""
    return Finding(
        kind="foreign",
        name=block.name,
        cell=callsites.name_of(block.cell, block.call_site),
        line=callsites.line_in(block.cell, block.call_site),
        size=block.capacity,
        sequence=block.sequence,
        address=block.address,
        age_s=(now - block.born_ns) / 1e9,
    )


def _trace(block: Block) -> None:
    code, _ = block.call_site
    linux_memory.trace_memory(block.address, block.size, code.co_filename, callsites.line_of(block.call_site) or 1)
