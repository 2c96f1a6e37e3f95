"""The ledger: numbers that are kept up to date are those that the blocks add up to, and every event has its entry."""

from __future__ import annotations

import os
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.handle import block_of
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.values import EventKind
from tests.kernel import RETURN_42

NUMBERS = ("payload", "rounding", "born_ns", "handed_over", "unowned", "metadata", "padding", "reserved", "own")


def numbers_of(manager: CodeMemoryManager) -> dict[str, int]:
    return {name: getattr(manager._ledger, name) for name in NUMBERS}


@given(st.lists(st.tuples(st.integers(1, 9000), st.sampled_from(["keep", "close", "release", "own pages"]))))
@settings(max_examples=30, deadline=None)
def test_recounting_finds_the_numbers_that_were_kept(steps: list[tuple[int, str]]) -> None:
    with CodeMemoryManager() as manager:
        held = []
        for size, what in steps:
            memory = manager.allocate(size, name=what, pages=what == "own pages")
            if what == "close":
                memory.close()
            elif what == "release":
                memory.release()
            else:
                held.append(memory)
        before = numbers_of(manager), manager.statistics().by_name
        manager._ledger.recount(manager._pools, list(manager._regions()), manager._withdrawn)
        assert (numbers_of(manager), manager.statistics().by_name) == before


def test_every_kind_of_event_can_happen(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(64)
    memory.write(RETURN_42)
    memory.seal()
    with memory.pinned():
        pass
    manager.adopt(memory.move().release()).close()
    linux_memory.unmap_pages([(manager.allocate_unmanaged(64), 4096)])
    spoilt = manager.allocate(64)
    block = block_of(spoilt)
    spoilt.close()
    os.pwrite(block.region.write_descriptor, RETURN_42, block.offset)
    for _ in range(70):  # until it leaves quarantine, and is found not to be int3 any more
        manager.allocate(64).close()
    assert {event.kind for event in manager.events()} == set(get_args(EventKind))


def test_events_of_code_that_came_whole_are_three(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42) as memory:
        assert manager.life_of(memory) == ("allocated", "written", "sealed")
        last = manager.events()[-1]
        assert [event.kind for event in manager.events(since=last.sequence - 2)] == ["written", "sealed"]
