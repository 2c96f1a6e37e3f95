"""What a call into the C library changed, found by comparing memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import execmem_kernel as em
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.process import address_space
from execmem_kernel.execution.trace import comparison

CHANGES = st.dictionaries(st.integers(0, 199), st.integers(0, 255))


@given(st.binary(min_size=200, max_size=200), CHANGES)
def test_the_differences_turn_the_old_bytes_into_the_new_ones(old: bytes, changes: dict[int, int]) -> None:
    new = bytearray(old)
    for at, value in changes.items():
        new[at] = value
    patched = bytearray(old)
    for address, before, after in comparison.differences(0x1000, old, bytes(new)):
        at = address - 0x1000
        assert patched[at : at + len(before)] == before != after
        patched[at : at + len(after)] = after
    assert patched == new


def test_neighbours_are_one_piece_and_others_are_not() -> None:
    old, new = bytes(64), bytes(8) + b"\1" * 16 + bytes(24) + b"\2" + bytes(15)
    assert [(at, len(after)) for at, _, after in comparison.differences(0, old, new)] == [(8, 16), (48, 8)]


def test_data_and_buffers_and_the_callers_stack_are_compared_and_the_rest_is_named() -> None:
    program = em.assemble("ret\nsection .data\nx: dd 5")
    plan = address_space.plan(em.Call(program, buffers={"b": em.Buffer(10), "huge": em.Buffer(1 << 20)}))
    stack = address_map.STACK_END - 64
    watched = list(comparison.windows(plan, stack))
    starts = [start for start, _ in watched]
    assert stack in starts
    assert plan.buffers["b"].page_start in starts
    unwatched = list(comparison.unwatched(plan, stack, watched))
    start, _ = plan.places["stack"]
    assert (start, stack - start) in unwatched
    assert plan.buffers["huge"].page_start in [start for start, _ in unwatched]
    assert {address_map.BREAK, address_map.MAPPINGS} <= {start for start, _ in unwatched}
