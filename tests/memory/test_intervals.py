"""Ranges of addresses: the gaps between mappings, and what is left of some when others are taken away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from execmem_kernel.linux.memory import KernelMapping
from execmem_kernel.memory.intervals import gaps, subtract, total_size


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30))),
    st.integers(1, 20),
    st.integers(0, 50),
    st.integers(51, 140),
)
def test_gaps_are_free_and_in_the_window(spans: list[tuple[int, int]], size: int, low: int, high: int) -> None:
    taken = {page for start, length in spans for page in range(start, start + length)}
    mappings, page = [], 0
    while page < 131:
        if page in taken:
            start = page
            while page in taken:
                page += 1
            mappings.append(KernelMapping(start, page, "r--p", 0, 0, ""))
        page += 1
    found = list(gaps(mappings, low, high, size))
    fits = [start for start in range(low, high - size + 1) if not taken & set(range(start, start + size))]
    assert set(found) <= set(fits)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (fits[0], fits[-1]) if fits else not found


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=8)


def points(intervals: list[tuple[int, int]]) -> set[int]:
    return {point for start, end in intervals for point in range(start, end)}


@given(SPANS, SPANS)
def test_subtracting_leaves_every_point_that_is_not_taken(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    intervals = [(start, start + size) for start, size in some]
    taken = [(start, start + size) for start, size in others]
    left = subtract(intervals, taken)
    assert points(left) == points(intervals) - points(taken)
    assert all(start < end for start, end in left)


def test_sizes_add_up() -> None:
    assert total_size([(0, 4), (10, 11)]) == 5
    assert total_size([]) == 0
