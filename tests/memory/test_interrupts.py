"""Jupyter's stop button may come at any instruction: the lock opens again, and the books are right."""

from __future__ import annotations

import random
import signal
import warnings
from itertools import pairwise

import pytest

from execmem_kernel.memory.growth import Fixed
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel
from tests.kernel import RETURN_42
from tests.memory.test_fork import in_child

ROUNDS = 200


def interrupt(number: int, frame: object) -> None:
    """What the stop button does, for signals of timers."""
    raise KeyboardInterrupt


def stop_again_and_again() -> int:
    """Allocate and release until interrupted, look at the books, and again; returns how often it was interrupted."""
    warnings.simplefilter("ignore", ResourceWarning)  # a handle that was interrupted before it was kept is forgotten
    signal.signal(signal.SIGALRM, interrupt)
    signal.signal(signal.SIGPROF, interrupt)
    before = kernel.executable_mappings()
    chance = random.Random(3)
    interrupted = 0
    with CodeMemoryManager(growth=Fixed(16 * 1024)) as manager:
        held: list[ExecutableMemory] = []
        for _ in range(ROUNDS):
            try:
                # Python drops an interrupt that arrives in a finalizer, so a second clock interrupts again. It counts
                # time on the processor: none passes between an interrupt and the end of both clocks.
                signal.setitimer(signal.ITIMER_PROF, 0.05, 0.05)
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00002, 0.0015))
                while True:
                    if len(held) > 20:
                        held.pop(chance.randrange(len(held))).close()
                    held.append(manager.allocate(RETURN_42 * chance.randrange(1, 200), pages=chance.random() < 0.02))
                    manager.allocate(64).close()
            except KeyboardInterrupt:
                signal.setitimer(signal.ITIMER_PROF, 0)
                interrupted += 1
            numbers = manager.statistics()
            parts = numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free
            assert parts == numbers.reserved
            spans = sorted((memory.address, memory.address + memory.size) for memory in held if not memory.closed)
            assert all(end <= start for (_, end), (start, _) in pairwise(spans))
            assert all(kernel.call(memory.address) == 42 for memory in held[-3:] if not memory.closed)
            last = [event.owned for event in manager.events(since=numbers.events - 5)] or [0]
            assert last[-1] == numbers.payload
        for memory in held:
            memory.close()
        assert manager.statistics().live == 0
    assert kernel.executable_mappings() == before
    return interrupted


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_interrupt_at_any_moment_leaves_a_working_manager() -> None:
    """In a child: an interrupt between a system call and the note of it may cost inaccessible address space."""
    assert in_child(stop_again_and_again) == str(ROUNDS)
