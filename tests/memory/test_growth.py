"""Growth policies are pure: same need and history, same answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execmem_kernel.errors import OutOfCodeMemoryError
from execmem_kernel.memory.growth import Bounded, Doubling, Fixed
from execmem_kernel.memory.manager import CodeMemoryManager

KIB = 1024


def test_fixed_slabs_are_all_alike() -> None:
    policy = Fixed(8 * KIB)
    assert [policy(4 * KIB, [8 * KIB] * count) for count in range(4)] == [8 * KIB] * 4
    assert policy(20 * KIB, []) == 20 * KIB


def test_doubling_doubles_up_to_its_largest() -> None:
    policy, history = Doubling(), []
    for _ in range(7):
        history.append(policy(4 * KIB, history))
    assert history == [64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, 1024 * KIB, 1024 * KIB, 1024 * KIB]


def test_doubling_never_gives_less_than_is_needed() -> None:
    assert Doubling()(3 * 1024 * KIB, []) == 3 * 1024 * KIB


def test_a_bound_gives_what_is_left_and_then_nothing() -> None:
    policy = Bounded(Doubling(), 100 * KIB)
    assert policy(4 * KIB, []) == 64 * KIB
    assert policy(4 * KIB, [64 * KIB]) == 36 * KIB
    assert policy(40 * KIB, [64 * KIB]) == 0


@given(st.integers(1, 10**6), st.lists(st.integers(4096, 10**6)), st.integers(4096, 10**6), st.integers(0, 10**7))
def test_a_policy_answers_with_enough_or_with_nothing(need: int, history: list[int], size: int, limit: int) -> None:
    for policy in (Fixed(size), Doubling(size, 4 * size), Bounded(Doubling(size), limit), Bounded(Fixed(size), limit)):
        answer = policy(need, history)
        assert answer >= need or answer == 0
        if isinstance(policy, Bounded):
            assert answer + sum(history) <= max(limit, sum(history))


def test_the_manager_grows_as_the_policy_says() -> None:
    with CodeMemoryManager(growth=Fixed(8 * KIB)) as manager:
        held = [manager.allocate(4000) for _ in range(3)]
        statistics = manager.statistics()
        assert statistics.slabs == 2
        assert statistics.reserved - statistics.padding == 16 * KIB
        for memory in held:
            memory.close()


def test_any_callable_is_a_policy() -> None:
    asked = []

    def policy(need: int, history: object) -> int:
        asked.append((need, list(history)))  # type: ignore[call-overload]
        return need

    with CodeMemoryManager(growth=policy) as manager, manager.allocate(100), manager.allocate(5000):
        assert asked == [(4096, []), (8192, [4096])]


def test_running_out_says_what_was_asked_and_what_there_is() -> None:
    with CodeMemoryManager(growth=Bounded(Fixed(8 * KIB), 8 * KIB)) as manager, manager.allocate(7 * KIB):
        with pytest.raises(OutOfCodeMemoryError) as caught:
            manager.allocate(2 * KIB)
        assert (
            "4 KiB of executable memory asked for; the growth policy Bounded(policy=Fixed(size=8192), limit=8192)"
            in str(caught.value)
        )
        assert "in use: 7 KiB in 1 block, 8 KiB reserved" in str(caught.value)
        assert isinstance(caught.value, MemoryError)
        with manager.allocate(500):
            assert manager.statistics().live == 2


def test_the_limit_counts_slabs_and_pages_together_and_nothing_is_lost() -> None:
    with CodeMemoryManager(limit=128 * KIB) as manager, manager.allocate(64), manager.allocate(40 * KIB, pages=True):
        with pytest.raises(
            OutOfCodeMemoryError, match="32 KiB of executable memory asked for; this manager's limit is 128 KiB"
        ):
            manager.allocate(32 * KIB, pages=True)
        with manager.allocate(20 * KIB, pages=True):
            assert manager.statistics().live == 3
        # EEXIST only says that an address was taken, by another manager's slab perhaps.
        assert {errno for _, errno in manager.statistics().failures} <= {"EEXIST"}


def test_a_slab_shrinks_to_what_the_limit_leaves() -> None:
    with CodeMemoryManager(limit=20 * KIB) as manager, manager.allocate(64):
        assert manager.statistics().reserved - manager.statistics().padding == 20 * KIB
