"""Many threads, one manager: nothing is lost, nothing overlaps, nothing is unmapped under a running call."""

from __future__ import annotations

import random
import threading

from execmem_kernel.errors import ClosedMemoryError, MemoryInUseError
from execmem_kernel.memory.handle import ExecutableMemory, block_of
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel
from tests.running import HANGS_S


def returns(number: int) -> bytes:
    """mov eax, number; ret"""
    return b"\xb8" + number.to_bytes(4, "little") + b"\xc3"


def run_all(*works: object) -> None:
    """Run each in a thread of its own; raises what any of them raised."""
    failures: list[BaseException] = []

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_that_allocate_call_move_and_release(manager: CodeMemoryManager) -> None:
    def worker(seed: int) -> None:
        chance = random.Random(seed)
        mine: list[tuple[int, ExecutableMemory]] = []
        for step in range(400):
            if mine and chance.random() < 0.45:
                number, memory = mine.pop(chance.randrange(len(mine)))
                with memory.pinned():
                    assert kernel.call(memory.address) == number
                if chance.random() < 0.3:
                    memory = memory.move()
                if chance.random() < 0.3:
                    manager.release(memory.release())
                else:
                    memory.close()
            else:
                number = seed * 1000 + step
                memory = manager.allocate(returns(number), pages=chance.random() < 0.1)
                mine.append((number, memory))
        for number, memory in mine:
            with memory:
                assert kernel.call(memory.address) == number

    run_all(*(lambda seed=seed: worker(seed) for seed in range(6)))
    numbers = manager.statistics()
    assert numbers.live == numbers.payload == 0
    assert manager.audit().vanished == ()


def test_one_thread_closes_what_others_are_calling(manager: CodeMemoryManager) -> None:
    for round_ in range(40):
        memory = manager.allocate(returns(round_), pages=round_ % 2 == 0)
        barrier = threading.Barrier(3)

        def calls(
            memory: ExecutableMemory = memory, number: int = round_, barrier: threading.Barrier = barrier
        ) -> None:
            barrier.wait()
            for _ in range(20):
                try:
                    with memory.pinned():
                        assert kernel.call(block_of(memory).address) == number
                except ClosedMemoryError:
                    return

        def closes(memory: ExecutableMemory = memory, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            memory.close()

        run_all(calls, calls, closes)
        assert manager.statistics().live == 0


def test_two_threads_that_move_the_same_handle_leave_one_owner(manager: CodeMemoryManager) -> None:
    for _ in range(50):
        memory = manager.allocate(returns(7))
        owners: list[ExecutableMemory] = []
        barrier = threading.Barrier(2)

        def moves(
            memory: ExecutableMemory = memory,
            owners: list[ExecutableMemory] = owners,
            barrier: threading.Barrier = barrier,
        ) -> None:
            barrier.wait()
            try:
                owners.append(memory.move())
            except (ClosedMemoryError, MemoryInUseError):
                return

        run_all(moves, moves)
        assert len(owners) == 1
        owners[0].close()


def test_cleanup_spares_what_is_running_and_only_that(manager: CodeMemoryManager) -> None:
    inside, leave = threading.Event(), threading.Event()
    busy = manager.allocate(returns(1))
    idle = [manager.allocate(returns(2)) for _ in range(20)]

    def calls() -> None:
        with busy.pinned():
            inside.set()
            assert leave.wait(HANGS_S)
            assert kernel.call(busy.address) == 1

    def cleans() -> None:
        assert inside.wait(HANGS_S)
        report = manager.cleanup()
        assert (len(report.released), len(report.kept)) == (20, 1)
        leave.set()

    run_all(calls, cleans)
    assert all(memory.closed for memory in idle)
    busy.close()
