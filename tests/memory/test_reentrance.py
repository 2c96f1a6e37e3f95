"""Whatever runs at a moment nothing chose may use the manager, also in the middle of a change of its own thread."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence

import pytest

from execmem_kernel.memory import session
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel
from tests.kernel import RETURN_42
from tests.memory.test_fork import in_child


@pytest.fixture
def often() -> Iterator[None]:
    """A garbage collection at every allocation of a container."""
    before = gc.get_threshold()
    gc.set_threshold(1)
    yield
    gc.set_threshold(*before)


class Jit:
    """A user's class whose finalizer closes, in a cycle so that only the collector ends it."""

    def __init__(self, memory: ExecutableMemory) -> None:
        self.memory = memory
        self.itself = self

    def __del__(self) -> None:
        self.memory.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # in a cycle the handle may be finalized before its user
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_finalizers_close_while_the_collector_strikes_at_every_allocation(
    manager: CodeMemoryManager, often: None
) -> None:
    for number in range(300):
        Jit(manager.allocate(RETURN_42, pages=number % 10 == 0))
        owner = type("Owner", (), {})()
        owner.itself = owner
        weakref.finalize(owner, manager.allocate(64).close)
        del owner
        manager.allocate(RETURN_42).close()
    gc.collect()
    assert manager.statistics().live == 0


USES: Sequence[Callable[[CodeMemoryManager], object]] = (
    lambda manager: manager.statistics(),
    lambda manager: manager.snapshot(),
    lambda manager: manager.events(),
    lambda manager: manager.audit({}),
    lambda manager: manager.allocate(RETURN_42).close(),
    lambda manager: manager.allocate(RETURN_42, pages=True).move().close(),
    lambda manager: manager.allocate_unmanaged(1),
    lambda manager: manager.adopt(manager.allocate(64).release()).close(),
)


@pytest.mark.parametrize("use", USES[:6] + USES[7:])
def test_a_growth_policy_may_use_its_manager(use: Callable[[CodeMemoryManager], object]) -> None:
    seen = []

    def growth(need: int, history: Sequence[int]) -> int:
        numbers = manager.statistics()
        seen.append(numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free)
        assert seen[-1] == numbers.reserved
        use(manager)
        return max(need, 16 * 1024)

    with CodeMemoryManager(growth=growth) as manager:
        held = [manager.allocate(9000) for _ in range(4)]
        assert len(seen) == 4
        assert manager.statistics().live == 4
        for memory in held:
            memory.close()
        assert manager.statistics().live == 0


def _use_the_session() -> None:
    with session.manager().allocate(RETURN_42) as memory:
        assert kernel.call(memory.address) == 42


FORKS = {
    "fork": lambda: in_child(_use_the_session),
    "multiprocessing": lambda: _joined(multiprocessing.get_context("fork").Process(target=_use_the_session)),
    "preexec_fn": lambda: subprocess.run([sys.executable, "-S", "-c", ""], preexec_fn=os.getpid, check=True),
}


def _joined(process: multiprocessing.context.ForkProcess) -> None:
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("how", FORKS)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_interrupted_fork_leaves_no_lock_taken(how: str) -> None:
    """In a child: an interrupt may come anywhere in the hooks, in the parent and in the child."""

    def rounds() -> str:
        def interrupt(number: int, frame: object) -> None:
            raise KeyboardInterrupt

        sys.unraisablehook = lambda _: None  # Python prints what is raised in a hook
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 2)
        signal.signal(signal.SIGALRM, interrupt)
        managers = [session.manager(), CodeMemoryManager()]
        parent = os.getpid()
        for number in range(60):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.00002 + number % 30 * 0.00004)
                FORKS[how]()
            except BaseException:
                if os.getpid() != parent:
                    os._exit(0)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            for manager in managers:
                assert not manager.lock.locked()
                manager.allocate(RETURN_42).close()
                assert manager.statistics().live == 0
        return "fine"

    assert in_child(rounds) == "fine"
