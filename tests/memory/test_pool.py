"""Blocks of granules: best fit, coalescing, int3, quarantine, and reach."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from execmem_kernel.errors import UnreachableError
from execmem_kernel.memory.growth import Fixed
from execmem_kernel.memory.handle import block_of
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.pool import GRANULE, REACH, Pool, within_reach
from tests import kernel
from tests.kernel import RETURN_42


class Slab:
    """An address range without pages behind it: a pool does sums only."""

    def __init__(self, address: int, size: int) -> None:
        self.address, self.size, self.end = address, size, address + size


def pool_with(size: int) -> Pool:
    pool = Pool()
    pool.add(Slab(0x10000, size))  # type: ignore[arg-type]
    return pool


def test_blocks_start_after_the_head_and_do_not_overlap() -> None:
    pool = pool_with(4096)
    starts = [pool.reserve(1) for _ in range(63)]
    assert sorted(start for start in starts if start) == [0x10000 + GRANULE * number for number in range(1, 64)]
    assert pool.reserve(1) is None


def test_the_smallest_run_that_fits_is_taken() -> None:
    pool = pool_with(8192)
    blocks = [pool.reserve(granules) for granules in (10, 1, 3, 1, 5, 1, 96, 10)]
    assert None not in blocks
    for index, granules in ((0, 10), (2, 3), (4, 5)):
        pool.release(blocks[index], granules)  # type: ignore[arg-type]
    assert pool.reserve(4) == blocks[4]
    assert pool.reserve(3) == blocks[2]
    assert pool.reserve(6) == blocks[0]


def test_neighbours_join_at_once_in_any_order() -> None:
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)):
        pool = pool_with(4096)
        blocks = [pool.reserve(21) for _ in range(3)]
        for index in order:
            pool.release(blocks[index], 21)  # type: ignore[arg-type]
        assert pool.free_runs() == [(0x10000 + GRANULE, 63 * GRANULE)]
        assert pool.largest_free == 63 * GRANULE


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 700)), max_size=120), st.randoms(use_true_random=False))
def test_the_free_runs_are_what_is_not_taken(steps: list[tuple[bool, int]], order: random.Random) -> None:
    size = 256 * 1024
    pool, taken = pool_with(size), dict[int, int]()
    everything = set(range(0x10000 + GRANULE, 0x10000 + size, GRANULE))
    for reserve, granules in steps:
        if reserve:
            start = pool.reserve(granules)
            if start is None:
                assert pool.largest_free < granules * GRANULE
            else:
                taken[start] = granules
        elif taken:
            start = order.choice(sorted(taken))
            pool.release(start, taken.pop(start))
        used = [start + GRANULE * index for start, count in taken.items() for index in range(count)]
        assert len(used) == len(set(used))
        runs = pool.free_runs()
        free = {start + offset for start, length in runs for offset in range(0, length, GRANULE)}
        assert free == everything - set(used)
        assert all(start + length < following for (start, length), (following, _) in pairwise(runs))
        assert pool.largest_free == max((length for _, length in runs), default=0)
        assert pool.free_granules * GRANULE == sum(length for _, length in runs)


def test_a_thousand_functions_cost_the_kernel_few_mappings(manager: CodeMemoryManager) -> None:
    before = len(kernel.mappings())
    held = [manager.allocate(RETURN_42) for _ in range(1000)]
    assert len(kernel.mappings()) - before <= 4
    assert [kernel.call(memory.address) for memory in held[::100]] == [42] * 10
    for memory in held:
        memory.close()


def test_released_space_is_int3_at_once_and_stays_out_of_use_for_a_while(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42):
        memory = manager.allocate(RETURN_42)
        address = memory.address
        memory.close()
        with open("/proc/self/mem", "rb") as view:
            view.seek(address)
            assert view.read(64) == b"\xcc" * 64
        assert manager.statistics().quarantined == 64
        with manager.allocate(RETURN_42) as following:
            assert following.address != address


def test_a_stale_call_is_a_clean_trap() -> None:
    script = (
        "import ctypes, execmem_kernel as em\n"
        "m = em.CodeMemoryManager()\n"
        "memory = m.allocate(b'\\xb8\\x2a\\x00\\x00\\x00\\xc3')\n"
        "call = ctypes.CFUNCTYPE(ctypes.c_int)(memory.address)\n"
        "print(call(), flush=True)\n"
        "memory.close()\n"
        "call()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "42\n"
    assert done.returncode == -5  # SIGTRAP


def test_free_space_that_was_written_to_is_never_handed_out(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42):
        memory = manager.allocate(64)
        address, region, offset = memory.address, block_of(memory).region, block_of(memory).offset
        memory.close()
        os.pwrite(region.write_descriptor, b"\xc3", offset + 5)
        held = [manager.allocate(64) for _ in range(1200)]
        assert address not in [each.address for each in held]
        statistics = manager.statistics()
        assert statistics.damaged == 1
        assert [event.kind for event in manager.events()].count("damaged") <= 1
        assert (
            statistics.payload + statistics.rounding + statistics.padding + statistics.metadata + statistics.free
            == statistics.reserved
        )
        for each in held:
            each.close()


def test_an_empty_slab_goes_back_but_the_last() -> None:
    with CodeMemoryManager(growth=Fixed(8192)) as manager:
        held = [manager.allocate(7000) for _ in range(10)]
        assert manager.statistics().slabs == 10
        for memory in held:
            memory.close()
        held = [manager.allocate(64) for _ in range(100)]
        for memory in held:
            memory.close()
        assert manager.statistics().slabs <= 4  # the quarantine holds 64 blocks, spread over a few slabs
        manager.cleanup()
        assert manager.statistics().reserved == 0


def test_two_hundred_thousand_pairs_leave_what_they_found(manager: CodeMemoryManager) -> None:
    chance = random.Random(7)
    held = []
    with manager.allocate(64):
        before = len(kernel.mappings())
        first = manager.statistics().reserved
        for _ in range(200_000):
            if len(held) > 40 or (held and chance.random() < 0.5):
                held.pop(chance.randrange(len(held))).close()
            held.append(manager.allocate(chance.randrange(1, 3000)))
        for memory in held:
            memory.close()
        statistics = manager.statistics()
        assert statistics.total == 200_001
        assert statistics.slabs <= 3
        for _ in range(100):
            manager.allocate(64).close()
        statistics = manager.statistics()
        assert statistics.free + 64 == statistics.reserved - statistics.padding - statistics.metadata
        assert len(kernel.mappings()) - before <= 3
        assert statistics.reserved <= first + 3 * 1024 * 1024
    manager.cleanup()
    assert manager.statistics().reserved == 0


# ---- near


def reaches(start: int, end: int, target: int) -> bool:
    """Whether `call rel32` of five bytes, anywhere in [start, end), can hold the way to the target, and back."""
    ways = (target - (start + 5), target - (end + 5), start - (target + 5), end - (target + 5))
    return all(-(2**31) <= way < 2**31 for way in ways)


@pytest.mark.parametrize("pages", [False, True], ids=["pool", "own pages"])
def test_near_places_code_within_reach_of_a_branch(manager: CodeMemoryManager, pages: bool) -> None:
    library = next(start for start, _, protection, path in kernel.mappings() if "libc" in path and "x" in protection)
    with manager.allocate(RETURN_42, near=library, pages=pages) as memory:
        assert reaches(memory.address, memory.address + memory.size, library)
        assert kernel.call(memory.address) == 42
        with manager.allocate(RETURN_42, near=memory.address, pages=pages) as other:
            assert reaches(other.address, other.address + other.size, memory.address)


def test_functions_from_the_pool_reach_each_other(manager: CodeMemoryManager) -> None:
    held = [manager.allocate(RETURN_42) for _ in range(300)]
    assert max(memory.address for memory in held) - min(memory.address for memory in held) < 2**31
    for memory in held:
        memory.close()


@pytest.mark.parametrize("pages", [False, True], ids=["pool", "own pages"])
def test_where_nothing_is_within_reach_it_says_so(manager: CodeMemoryManager, pages: bool) -> None:
    with pytest.raises(UnreachableError, match="within 2 GiB of an address: nothing is free there"):
        manager.allocate(64, near=0x7000_0000_0000_0000, pages=pages)
    assert manager.statistics().live == 0


@given(st.integers(0, 2**47), st.integers(1, 2**24), st.integers(0, 2**47))
def test_within_reach_agrees_with_the_arithmetic_of_a_branch(start: int, size: int, target: int) -> None:
    if within_reach(start, size, target):
        assert reaches(start, start + size - 1, target)
    elif abs(target - start) < REACH - size - 64:
        pytest.fail("within reach, and not seen")
