"""Regions: they are there when they are made, and gone when they are dropped."""

from __future__ import annotations

from execmem_kernel.memory.backends import MEMORY_FILE
from execmem_kernel.memory.mapping import Region, SystemCalls
from tests import kernel


def test_a_region_that_is_dropped_is_unmapped() -> None:
    before = kernel.holdings()
    region = Region.map(4096, "dropped", (0,), 4096, MEMORY_FILE, SystemCalls(), [], [])
    assert region is not None
    assert kernel.protection_at(region.address) == "r-xs"
    del region
    assert kernel.holdings() == before


def test_where_every_address_is_taken_nothing_is_left_behind() -> None:
    before = kernel.holdings()
    calls = SystemCalls()
    first = Region.map(4096, "first", (0,), 4096, MEMORY_FILE, calls, [], [])
    assert first is not None
    assert Region.map(4096, "second", (first.address,), 4096, MEMORY_FILE, calls, [], []) is None
    first.close()
    assert kernel.holdings() == before


def test_every_call_is_counted_and_timed() -> None:
    calls = SystemCalls()
    region = Region.map(4096, "counted", (0,), 4096, MEMORY_FILE, calls, [], [])
    assert region is not None
    region.write(0, b"\xc3")
    region.close()
    counts, nanoseconds = calls.totals()
    assert counts == {"memfd_create": 1, "ftruncate": 1, "pwrite": 2, "open": 1, "mmap": 2, "munmap": 1}
    assert set(nanoseconds) == set(counts)
