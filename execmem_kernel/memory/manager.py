"""`CodeMemoryManager`: which bytes are executable, and whose they are.

    manager.allocate ──> pool of slabs   small functions share pages: one mapping for thousands
                     └─> own pages       a cell, or on request: guard pages, a file that is frozen when sealed

Everything is under one lock. Some things happen at a moment nothing chose:

interrupts   The truth is what one store or one call of C changes: which blocks are live and whose, which slabs, what
             is in quarantine. All else is computed from it. Before the truth and the rest differ, `unsettled` says
             what is being changed; while it does, the next verb begins by taking that back or finishing it, and
             computes the rest anew. That can be interrupted too, and begun again.
reentrance   A finalizer, a weak reference's callback, a signal handler or a growth policy may ask for anything in the
             middle of a change of its own thread. It is told the truth, gets pages of its own, and what it closes is
             closed when the change has ended.
forks        A forked child starts with a new lock, and owns nothing.
the end      The end of the process frees nothing, since the kernel does, and a thread may still be inside.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from sys import _getframe
from time import perf_counter_ns
from tracemalloc import is_tracing
from typing import Literal

from execmem_kernel.errors import (
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
from execmem_kernel.memory.growth import MIB, Bounded, Doubling, Fixed, Growth
from execmem_kernel.memory.handle import ExecutableMemory, Handover, block_of, new_handle
from execmem_kernel.memory.locks import Lock
from execmem_kernel.memory.mapping import INT3, Backend, Code, Region
from execmem_kernel.memory.placement import PAGES, SLABS, Placement
from execmem_kernel.memory.pool import GRANULE, PAGE_BITS, Pool
from execmem_kernel.memory.refusals import host_error, is_shortage
from execmem_kernel.memory.values import (
    CleanupReport,
    Event,
    EventKind,
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
_reference = weakref.ref

_Change = tuple[Handover | Literal["written", "sealed"], Block, int, str, Callable[[], object | None]]
"""A change of one block: the kind of its event, the block, and its generation, state and handle before."""

_STALE = object()
"""What is unsettled where the truth has changed, and no block is half made or half freed."""


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
        self.mine: list[bool] = registry.own()
        """Empty in a forked child's copy of its parent's manager."""
        self.lock: Lock = Lock()
        """Held while anything changes."""
        self.dropped: deque[Block] = deque()
        """Blocks to be freed as soon as nothing is in the way: dropped, or closed while they could not be freed."""
        self.unsettled: object = None
        """What is being changed: a block that is made or freed, a `_Change`, `_STALE`, or None."""
        self._later: object = None
        """What is unsettled when the change has ended: `_STALE` if another one came in the middle of it."""
        self._untold: list[tuple[EventKind, Block]] = []
        """Events that happened in the middle of a change, to be noted after it."""
        self._elsewhere = itertools.count(1)
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
        if pages is None:
            pages = address is not None or size > POOLED_SIZE
        elif not pages and address is not None:
            raise ValueError("a block from the pool cannot be placed at an address: ask for pages=True")
        if address is not None or not mapped:
            _check_place(address, near, mapped)
        if self.dropped:
            self.collect()
        try:
            with self.lock:
                if not self.mine:
                    raise inherited_error("added to")
                block = Block()
                memory = _new(ExecutableMemory)  # `new_handle`, without a call
                memory._owner = self
                memory._block = block
                memory._gone = None
                memory._generation = 0
                block.handle = _reference(memory)
                block.size = size
                block.name = name
                block.cell = callsites.current_cell
                block.call_site = call_site
                # What is looked at and what is stored lie side by side, so that nothing comes between them.
                if self.unsettled is not None and self.amid_change():
                    self._allocate_amid(block, address, near, mapped, code)
                    return memory
                self.unsettled = block
                if not (self._reserve(block, near) if mapped and not pages else self._file_block(block, mapped, code)):
                    self._map_block(block, address, near, code or b"")
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
                        if error.errno is None:
                            raise  # a signal handler's, not the kernel's
                        raise host_error(error, size) from error
                    block.state = "sealed"
                    self._ledger.add(block, WHOLE)
                if block.own_pages:
                    self._placement.making.remove(block.region)
                if is_tracing() and block.region.mapped:
                    _trace(block)
                self.unsettled = self._later
        except BaseException:
            self.settle()  # the stop button, or a refusal
            raise
        if self.dropped:
            self.collect()
        return memory

    def allocate_unmanaged(self, size: int) -> UnmanagedAddress:
        """Map read-execute pages and forget them: what a program without RAII does. Returns their address.

        Args:
            size: Bytes wanted. There is no code to give: the pages are never writable, and stay zero.

        For the lesson only. Nothing owns these pages and nothing will ever free them; `audit()` finds them.

        Raises:
            InheritedMemoryError: The manager belongs to the process that this one was forked from.
            OutOfCodeMemoryError: The host allows no more.
            ProtectionDeniedError: The host forbids executable memory.
            TypeError: Code was given instead of its size.
            ValueError: No bytes are asked for.
        """
        if isinstance(size, bytes | bytearray | memoryview):
            raise TypeError(
                "allocate_unmanaged takes a number of bytes, and leaves them zero: it cannot store code, which "
                "allocate(code) does"
            )
        if size <= 0:
            raise ValueError(f"{size} bytes of executable memory asked for: ask for at least 1")
        call_site = callsites.here()
        whole = linux_memory.whole_pages(size)
        try:
            with self.lock:
                if not self.mine:
                    raise inherited_error("added to")
                making = self._placement.making
                region = Region(0, whole, 0, ANONYMOUS, self._calls)
                block = Block()
                block.size, block.capacity, block.name, block.region = size, whole, None, region
                block.cell, block.call_site, block.born_ns = callsites.current_cell, call_site, perf_counter_ns()
                amid = self.begin(_STALE)
                making.append(region)
                flags = linux_memory.MAP_PRIVATE | linux_memory.MAP_ANONYMOUS
                protection = linux_memory.PROT_READ | linux_memory.PROT_EXEC
                try:
                    block.address = self._calls.make(
                        "mmap", linux_memory.reserve_pages, region.held, 0, whole, protection, flags
                    )
                except OSError as error:
                    if error.errno is None:
                        raise  # a signal handler's, not the kernel's
                    raise host_error(error, size) from error
                address = UnmanagedAddress(block.address)
                address.size = size
                self._ledger.unmanaged[block.address] = block
                region.held.clear()  # from now on nobody owns it, as was asked for
                making.remove(region)
                self.tell("unmanaged", block, amid)
        except BaseException:
            self.settle()
            raise
        return address

    def _allocate_amid(
        self, block: Block, address: int | None, near: int | None, mapped: bool, code: Code | None
    ) -> None:
        """Pages of its own for what is asked for in the middle of a change; counted when that has ended.

        Args:
            block: What they are for.
            address: Where they should start.
            near: What they must be within reach of.
            mapped: Whether they are to lie in this process.
            code: What is to be in them.
        """
        self._later = _STALE
        if mapped or not self._file_block(block, False, code):
            self._map_block(block, address, near, code or b"")
        block.born_ns = perf_counter_ns()
        if code is not None:
            block.region.freeze()
            block.state = "sealed"
        self._ledger.live[block.address] = block
        self._placement.making.remove(block.region)

    def _reserve(self, block: Block, near: int | None) -> bool:
        """Give a block its place in a slab, a new one if need be; whether this host has slabs."""
        granules = (block.size + GRANULE - 1) // GRANULE
        capacity = granules * GRANULE
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
                    return False
                pool, start = found
            block.address = start
            block.pool = pool
            block.region = region = pool.slab_at[start >> PAGE_BITS]
            block.offset = offset = start - region.address
        block.capacity = capacity
        if region.view[offset : offset + capacity] != INT3 * capacity:
            self._withdraw(block)
            return self._reserve(block, near)
        return True

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
        wanted = int(self.growth(need, history))
        if wanted < need:
            raise self._exhausted(need, f"{_policy_name(self.growth)} allows {format_size(max(wanted, 0))} more")
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
                if error.errno is None:
                    raise  # a signal handler's, not the kernel's
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
            self._placement.making.remove(region)
            return pool
        assert failure is not None
        self._without_memory_files(failure)
        return None

    def _withdraw(self, found: Block) -> None:
        """Keep the place that a block was given, whose fill was overwritten, out of use for good."""
        block = Block()
        block.address, block.capacity, block.size = found.address, found.capacity, found.capacity
        block.pool, block.region, block.offset = found.pool, found.region, found.offset
        block.name, block.cell, block.call_site = None, None, callsites.here()
        self._keep_out(block)
        self._ledger.note("damaged", block)

    def _keep_out(self, block: Block) -> None:
        """Never hand a block out again; it counts as space lost until its whole slab goes."""
        self._withdrawn.append(block)
        self._ledger.damaged += 1
        self._ledger.rounding += block.capacity

    def _file_block(self, block: Block, mapped: bool, code: Code | None) -> bool:
        """Give a block pages of its own that are not mapped here; whether it was to have some, and the host does."""
        ledger = self._ledger
        if mapped or not self._backend.is_file:
            return False
        capacity = linux_memory.whole_pages(block.size)
        if self.limit - ledger.reserved + ledger.padding < capacity:
            return False  # `_map_block` says what the rule is
        address = -next(self._elsewhere) << _ELSEWHERE_BITS
        making = self._placement.making
        try:
            region = Region.file(capacity, _title(block.name), address, self._backend, self._calls, making, code or b"")
        except OSError as error:
            if error.errno is None:
                raise  # a signal handler's, not the kernel's
            self._without_memory_files(error)
            return False
        self._own_block(block, region)
        return True

    def _map_block(self, block: Block, address: int | None, near: int | None, code: Code) -> None:
        """Give a block pages and guards of its own."""
        size = block.size
        capacity = linux_memory.whole_pages(size)
        room, rule = self._room()
        if room < capacity:
            raise self._exhausted(size, rule)
        failure: OSError | None = None
        for backend in dict.fromkeys((self._backend, ANONYMOUS)):
            try:
                region = self._placement.map(capacity, _title(block.name), backend, PAGES, address, near, code)
            except OSError as error:
                if error.errno is None:
                    raise  # a signal handler's, not the kernel's
                failure = error
                if backend.is_file:
                    self._without_memory_files(error)
            else:
                self._own_block(block, region)
                return
        assert failure is not None
        raise host_error(failure, size) from failure

    def _own_block(self, block: Block, region: Region) -> None:
        """Make a block the whole of a region."""
        block.region = region
        block.own_pages = True
        block.offset, block.capacity, block.address = 0, region.size, region.address
        self._ledger.own += 1
        self._ledger.add_region(region)

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
        self._placement.making.append(slab)  # until it is unmapped: it is no pool's any more
        pool.remove(slab)
        self._ledger.metadata -= GRANULE
        self._unmap(slab)
        self._placement.making.remove(slab)

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
        amid = self.begin(("written", block, block.generation, block.state, block.handle))
        try:
            region.backend.write(region, block.offset + offset, data)
        except OSError as error:
            if error.errno is None:
                raise  # a signal handler's, not the kernel's
            raise host_error(error, len(data)) from error
        block.state = "written"
        self.tell("written", block, amid)

    def seal_block(self, block: Block) -> None:
        """Make a block's bytes final."""
        amid = self.begin(("sealed", block, block.generation, block.state, block.handle))
        if block.own_pages:
            try:
                block.region.freeze()
            except OSError as error:
                if error.errno is None:
                    raise  # a signal handler's, not the kernel's
                raise host_error(error, block.size) from error
        block.state = "sealed"
        self.tell("sealed", block, amid)

    def pass_on_block(self, kind: Handover, block: Block, generation: int, handle: object) -> None:
        """Make a block another owner's.

        Args:
            kind: What happens to it.
            block: Which.
            generation: The new owner's.
            handle: The new owner; the old one, where that is no handle.
        """
        amid = self.begin((kind, block, block.generation, block.state, block.handle))
        block.generation = generation
        block.handle = _reference(handle)
        self.tell(kind, block, amid)
        block.scopes = 0

    def end_block(self, block: Block, call_site: CallSite) -> None:
        """Free a block, or leave that to the last call running in it."""
        if block.state == "released":
            return
        gate = block.gate
        if gate is not None:
            gate[0] = 0  # no call begins any more
        block.ended_in = callsites.current_cell
        block.ended_at = call_site
        if (block.pins and block.running) or (gate is not None and gate[1]):
            self._end_later(block)
            return
        # What is looked at and what is stored lie side by side, so that nothing comes between them.
        if self.unsettled is not None and self.amid_change():
            self._end_later(block)
            return
        self.unsettled = block
        try:
            block.state = "released"
            if is_tracing() and block.region.mapped:
                linux_memory.untrace_memory(block.address)
            if block.own_pages:
                # Out of the books first: in the middle of this a signal handler may be given the same address.
                self._ledger.own -= 1
                self._ledger.remove(block)
                self._unmap(block.region)
            else:
                # Filled with int3, and kept out of use for a while.
                capacity = block.capacity
                calls = self._calls
                start = perf_counter_ns()
                try:
                    written = linux_memory.pwrite(block.region.write_descriptor, INT3 * capacity, block.offset)
                except OSError as error:
                    if error.errno is None:
                        raise  # a signal handler's, not the kernel's
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
            self.unsettled = self._later
        except BaseException:
            self.settle()  # the stop button, most likely
            raise

    def _end_later(self, block: Block) -> None:
        """Free a block as soon as nothing is in the way."""
        if block not in self.dropped:
            self.dropped.append(block)
        block.close_pending = True

    def pin_block(self, pin: object, block: Block) -> None:
        """Keep a block where it is, to be called, until `unpin_block` or until the pin is gone.

        Raises:
            ClosedMemoryError: It has been closed.
        """
        try:
            with self.lock:
                if block.state == "released" or block.close_pending:
                    raise closed_error(block, "closed")
                amid = self.begin(_STALE)
                if not block.pins:
                    block.pins = []
                block.pins.append(weakref.ref(pin))  # type: ignore[attr-defined]
                self._ledger.pins += 1
                self.tell("called", block, amid)
        except BaseException:
            self.unpin_block(pin, block)
            self.settle()
            raise

    def unpin_block(self, pin: object, block: Block) -> None:
        """Let a block go that has been closed meanwhile."""
        held, reference = block.pins, weakref.ref(pin)
        if reference in held:
            held.remove(reference)  # type: ignore[attr-defined]
        if block.close_pending:
            self.collect()

    def settle_block(self, block: Block) -> None:
        """Free a block that was closed while machine code ran in it, if none does now."""
        if block.close_pending:
            self.collect()

    def drop_block(self, block: Block) -> None:
        """Free the block of a handle that was dropped; a finalizer may run at any moment, so this waits for nothing."""
        self.dropped.append(block)
        # Locked: by this very thread, in which the collector has struck, or by another; the next one to come frees it.
        if not self.lock.locked():
            self.collect()

    def collect(self) -> None:
        """Free the blocks that had to wait, as far as nothing is in the way now."""
        with self.lock:
            self._end_dropped()

    def _end_dropped(self) -> None:
        if not self.dropped or not self.mine or (self.unsettled is not None and self.amid_change()):
            return
        for block in list(self.dropped):
            gate = block.gate
            if not block.running and not (gate is not None and gate[1]):
                self.end_block(block, block.ended_at or callsites.NOWHERE)
                if block in self.dropped:
                    self.dropped.remove(block)

    # ---- changes, and what an interrupt leaves of them

    def begin(self, change: object) -> bool:
        """Say what is going to be changed; with the lock held. Whether this is in the middle of another change."""
        # What is looked at and what is stored lie side by side, so that nothing comes between them.
        if self.unsettled is not None and self.amid_change():
            self._later = _STALE
            return True
        self.unsettled = change
        return False

    def tell(self, kind: EventKind, block: Block, amid: bool) -> None:
        """Note a change that has been made, and that it is settled; in the middle of another, when that has ended.

        Args:
            kind: What happened.
            block: To what.
            amid: What `begin` has said.
        """
        if amid:
            self._untold.append((kind, block))
            return
        ledger = self._ledger
        if kind == "handed over":
            ledger.hand_over(block)
        elif kind == "adopted":
            ledger.adopt(block)
        elif kind == "unmanaged":
            ledger.add_unmanaged(block)
        else:
            ledger.note(kind, block)
        self.unsettled = self._later

    def amid_change(self) -> bool:
        """Whether this is asked for in the middle of a change of this very thread; with the lock held.

        If not, an interrupt has left `unsettled` behind, and it is settled now.
        """
        if self.lock.depth() > 1:
            return True
        while self.unsettled is not None:
            self._later = None
            self._recover(self.unsettled)
            self.unsettled = self._later
        return False

    def settle(self) -> None:
        """Take back or finish what an interrupt has left half done, unless this is still in the middle of it.

        An interrupt here does no harm: the next verb begins with the same.
        """
        with self.lock:
            if self.unsettled is not None:
                self.amid_change()
        if self.dropped:
            self.collect()

    def _recover(self, change: object) -> None:
        """Take back or finish a change, and compute everything from the truth; harmless twice, whole or in part."""
        ledger, stuck = self._ledger, self._placement.stuck
        ended = change if isinstance(change, Block) else None
        if self.mine:
            if ended is not None:
                self._take_back(ended)
            elif isinstance(change, tuple):
                self._take_back_or_finish(change)
            self._placement.settle(self._owned())
        for pool in self._pools:
            pool.rebuild(self._taken(pool))
        self._quarantined = sum(each.capacity for each in self._quarantine)
        ledger.recount(self._pools, (region for region in self._regions() if region not in stuck), self._withdrawn)
        ledger.announce()
        ledger.recount(self._pools, (region for region in self._regions() if region not in stuck), self._withdrawn)
        ledger.regroup()
        while self._untold:
            kind, block = self._untold[0]
            ledger.note(kind, block)
            if kind == "unmanaged":
                block.sequence = ledger.sequence
            del self._untold[0]
        if ended is not None:
            ledger.tell_end(ended)
        elif isinstance(change, tuple) and not ledger.has_told(change[0], change[1]):
            kind, block, generation, state, _ = change
            if (block.generation, block.state) != (generation, state):
                ledger.note(kind, block)

    def _take_back(self, block: Block) -> None:
        """Free a block that was being made or freed."""
        self._ledger.take_back(block)
        block.state = "released"
        if block.own_pages:
            block.region.close_or_keep(self._placement.stuck)
        elif hasattr(block, "capacity") and block not in self._quarantine and block not in self._withdrawn:
            try:
                block.region.write(block.offset, INT3 * block.capacity)
            except OSError:
                self._withdrawn.append(block)

    def _take_back_or_finish(self, change: _Change) -> None:
        """Give a block back to whom it was to be taken from; what cannot be taken back is finished."""
        kind, block, generation, _, handle = change
        if kind in ("moved", "handed over", "adopted"):
            if not self._ledger.has_told(kind, block):
                block.handle = handle
                block.generation = generation
        elif kind == "sealed" and block.state != "sealed" and block.own_pages and block.region.held_frozen:
            block.region.freeze()
            block.state = "sealed"

    def _taken(self, pool: Pool) -> list[tuple[int, int]]:
        """Which parts of a pool's slabs are in blocks, as (start, granules)."""
        blocks = [*list(self._ledger.live.values()), *list(self._quarantine), *list(self._withdrawn)]
        return [(each.address, each.capacity // GRANULE) for each in blocks if not each.own_pages and each.pool is pool]

    def _books(self) -> tuple[Ledger, list[Pool]]:
        """All numbers and free space; in the middle of a change, copies that are computed from the truth."""
        if self.unsettled is None or not self.amid_change():
            return self._ledger, self._pools
        pools = [pool.computed(self._taken(pool)) for pool in list(self._pools)]
        ledger, stuck = self._ledger.detached(), list(self._placement.stuck)
        ledger.recount(pools, [each for each in self._regions() if each not in stuck], list(self._withdrawn))
        return ledger, pools

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
            if block.running:
                raise in_use_error(block, "released")
            self.end_block(block, callsites.here())

    def adopt(self, address: int) -> ExecutableMemory:
        """A new owner for the block that starts at an address that `memory.release()` gave; errors as `release`."""
        try:
            with self.lock:
                block = self._manual(address, "adopted")
                memory = new_handle(self, block, 1 - block.generation)
                self.pass_on_block("adopted", block, memory._generation, memory)
        except BaseException:
            self.settle()
            raise
        return memory

    def story_of(self, address: int) -> str:
        """What lies, or last lay, at an address, for a sentence; empty where it was never ours."""
        with self.lock:
            for block in list(self._ledger.live.values()):
                if block.address <= address < block.address + block.capacity:
                    return f"{block.title}, allocated in {block.made}"
            for block in reversed(list(self._ledger.released)):
                if block.address <= address < block.address + block.capacity:
                    return f"{block.title}, released in {block.ended}"
        return ""

    def _manual(self, address: int, verb: str) -> Block:
        """The block a manual owner means by an address, or the error that says what the address is."""
        if not self.mine:
            raise inherited_error(verb)
        if self.unsettled is not None:
            self.amid_change()
        ledger = self._ledger
        block = ledger.live.get(address)
        if block is not None and block.close_pending:
            raise DoubleReleaseError(f"this address has been released before. {block.story}")
        if block is not None:
            if block.manual:
                return block
            raise ForeignAddressError(
                f"this is the address of {block.title}, allocated in {block.made}, which a handle owns: "
                "close that handle, or call its release() first"
            )
        for block in list(ledger.live.values()):
            if block.address < address < block.address + block.capacity:
                raise InteriorAddressError(
                    f"this address is {block.title}+{address - block.address:#x}, allocated in {block.made}: "
                    "give the address of its start"
                )
        for block in reversed(list(ledger.released)):
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
            while True:
                ledger, pools = self._books()
                number, now = self._ledger.sequence, perf_counter_ns()
                snapshot = Snapshot(
                    tuple(_state_of(block, now) for block in ledger.blocks()), self._statistics(ledger, pools)
                )
                if self._ledger.sequence == number:  # else something was changed in the middle of this
                    return snapshot

    def statistics(self) -> Statistics:
        """All numbers, at one instant; costs the same however many blocks are live."""
        with self.lock:
            self._end_dropped()
            while True:
                ledger, pools = self._books()
                number = self._ledger.sequence
                statistics = self._statistics(ledger, pools)
                if self._ledger.sequence == number:  # else something was changed in the middle of this
                    return statistics

    def _statistics(self, ledger: Ledger, pools: list[Pool]) -> Statistics:
        quarantined = self._quarantined
        if ledger is not self._ledger:
            waiting = [each for each in list(self._quarantine) if ledger.live.get(each.address) is not each]
            quarantined = sum(block.capacity for block in waiting)
        return ledger.statistics(pools, quarantined, len(self._placement.stuck))

    def events(self, since: int = 0) -> tuple[Event, ...]:
        """What happened after the event numbered `since`, as far back as the ring reaches."""
        with self.lock:
            self._end_dropped()
            entries = self._books()[0].entries(since)
        return events_of(entries, since)

    def life_of(self, memory: ExecutableMemory) -> tuple[str, ...]:
        """What happened to one piece of memory, in order, as far back as the ring reaches; also when it is closed."""
        with self.lock:
            return self._books()[0].kinds_of(block_of(memory))

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
        if self.mine and (self.unsettled is None or not self.amid_change()):
            self.dropped.extend(block for block in list(self._ledger.live.values()) if block.orphaned)
        self._end_dropped()
        now = perf_counter_ns()
        ledger, _ = self._books()
        blocks = ledger.blocks()
        unmanaged = sorted(ledger.unmanaged.values(), key=lambda block: block.sequence)
        return Inventory(
            blocks=tuple(_state_of(block, now) for block in blocks),
            scoped=frozenset(block.sequence for block in blocks if block.scopes or block.running),
            elsewhere=frozenset(block.sequence for block in blocks if not block.region.mapped),
            unmanaged=tuple(_foreign(block, now) for block in unmanaged),
            mappings=tuple((region.address, region.end) for region in self._regions()),
        )

    def handles(self) -> list[ExecutableMemory]:
        """Every handle that owns something of this manager's."""
        with self.lock:
            found = [block.handle() for block in list(self._ledger.live.values()) if not block.manual]
        return [handle for handle in found if isinstance(handle, ExecutableMemory)]

    def drop_unmapped(self, mapped: Iterable[tuple[int, int]]) -> None:
        """Strike off what `allocate_unmanaged` mapped and has been unmapped by hand since; with the lock held.

        Args:
            mapped: Start and end of everything that the kernel has mapped.
        """
        if self.unsettled is None or not self.amid_change():
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
        try:
            with self.lock:
                if not self.mine:
                    raise inherited_error("released")
                self._end_dropped()
                now = perf_counter_ns()
                for block in self._books()[0].blocks():
                    if block.state == "released":
                        continue  # by a finalizer, in the middle of this
                    (kept if block.running else released).append(_state_of(block, now))
                    if not block.running:
                        self.end_block(block, callsites.here())
                if not self.begin(_STALE):
                    self._give_back_slabs()
                    self.unsettled = self._later
        except BaseException:
            self.settle()
            raise
        return CleanupReport(tuple(released), tuple(kept))

    def _give_back_slabs(self) -> None:
        """Unmap every slab that no block lies in; an interrupt is settled by `_recover`."""
        self._empty_quarantine()
        in_use = {id(block.region) for block in self._ledger.live.values()}
        for block in list(self._withdrawn):
            if id(block.region) not in in_use:
                self._withdrawn.remove(block)
                self._ledger.rounding -= block.capacity
                block.pool.release(block.address, block.capacity // GRANULE)
        for pool in self._pools:
            for slab in list(pool.slabs.values()):
                if pool.is_empty(slab):
                    self._remove_slab(pool, slab)
        self._placement.retry()

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
        yield from self._owned()
        yield from list(self._placement.stuck)

    def _owned(self) -> Iterator[Region]:
        """Every mapping that a pool or a block has."""
        for pool in list(self._pools):
            yield from list(pool.slabs.values())
        yield from [block.region for block in list(self._ledger.live.values()) if block.own_pages]

    @property
    def inherited(self) -> bool:
        """Whether this is a forked child's copy of its parent's manager."""
        return not self.mine

    def after_fork_in_child(self) -> None:
        """Make this the child's read-only copy: nothing here may write to pages that the parent shares."""
        self.lock = Lock()
        self.dropped.clear()
        for region in self._regions():
            region.drop_writing()


class UnmanagedAddress(int):
    """An address as a number to calculate with, which shows itself by what lies there: addresses differ in each run."""

    size: int
    """Bytes asked for."""

    def __repr__(self) -> str:
        return f"unmanaged mapping of {self.size:,} bytes"


def _check_place(address: int | None, near: int | None, mapped: bool) -> None:
    """Refuse a place that no memory can have.

    Args:
        address: Where it should start.
        near: What it must be within reach of.
        mapped: Whether it is to lie in this process.
    """
    if not mapped and (address is not None or near is not None):
        raise ValueError("memory that is not mapped here has no address: leave out address= and near=")
    if address is not None and address % linux_memory.PAGE_SIZE:
        raise ValueError(f"code can be placed at a multiple of {linux_memory.PAGE_SIZE} only: a page starts there")


def _policy_name(policy: Growth) -> str:
    """What to call a growth policy in a sentence: a function's own text would show its address."""
    if isinstance(policy, Doubling | Fixed | Bounded):
        return f"the growth policy {policy}"
    name = getattr(policy, "__name__", type(policy).__name__)
    return "the growth policy" if name == "<lambda>" else f"the growth policy {name}"


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
    before = block.state
    assert before != "released", "only live blocks are looked at"
    state: State = "closing" if block.close_pending else "running" if block.running else before
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
