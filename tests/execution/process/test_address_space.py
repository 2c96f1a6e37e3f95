"""A program's memory is planned so that nothing overlaps, and mistakes fault."""

from __future__ import annotations

import itertools

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.process import address_space

PROGRAM = em.assemble("mov eax, [rip + x]\nret\nsection .data\nx: dd 5\nsection .bss\ny: resb 5000")
BUFFERS = {"a": em.Buffer(b"123"), "b": em.Buffer(5000), "c": em.Buffer(b"x", writable=False), "empty": em.Buffer(0)}


def test_mappings_are_pages_that_never_overlap() -> None:
    plan = address_space.plan(em.Call(PROGRAM, buffers=BUFFERS))
    rows = sorted((one.address, one.address + one.size) for one in plan.mappings)
    for (_, end), (start, _) in itertools.pairwise(rows):
        assert end <= start
    assert all(start % address_map.PAGE == 0 and end > start for start, end in rows)


def test_nothing_is_mapped_around_a_buffer() -> None:
    plan = address_space.plan(em.Call(PROGRAM, buffers=BUFFERS))
    mapped = {page for one in plan.mappings for page in range(one.address, one.address + one.size, address_map.PAGE)}
    for one in plan.buffers.values():
        assert one.page_start - address_map.PAGE not in mapped
        assert address_map.page_ceil(one.page_end) not in mapped
        assert one.page_end - one.end < 64
        assert one.start % 64 == 0


def test_contents_and_canaries_are_written_where_buffers_lie() -> None:
    plan = address_space.plan(em.Call(PROGRAM, buffers=BUFFERS))
    contents = dict(plan.contents)
    a = plan.buffers["a"]
    page = contents[a.page_start]
    canary = bytes([address_map.CANARY])
    assert page[a.start - a.page_start :][:3] == b"123"
    assert page.replace(canary, b"") == b"123"
    assert len(page) == address_map.PAGE


def test_no_mapping_is_writable_and_executable() -> None:
    plan = address_space.plan(em.Call(PROGRAM, buffers=BUFFERS))
    assert {one.protection for one in plan.mappings} <= set(address_map.PROTECTIONS)
    assert not any("w" in protection and "x" in protection for protection in address_map.PROTECTIONS)


def test_a_function_returns_to_a_page_that_is_not_mapped() -> None:
    plan = address_space.plan(em.Call(PROGRAM))
    assert plan.first == (address_map.STACK_AT_ENTRY, address_map.RETURN)
    assert not any(one.address <= address_map.RETURN < one.address + one.size for one in plan.mappings)


@pytest.mark.parametrize("arguments", [(), (b"one",), (b"", b"two", b"a" * 99)])
def test_a_process_finds_its_arguments_as_the_kernel_leaves_them(arguments: tuple[bytes, ...]) -> None:
    plan = address_space.plan(em.Call(PROGRAM, start="process", arguments=arguments))
    rsp, count = plan.first
    assert rsp % 16 == 0
    assert count == 1 + len(arguments)
    block = dict(plan.contents)[rsp + 8]
    texts = []
    for index in range(count):
        at = int.from_bytes(block[8 * index : 8 * index + 8], "little") - rsp - 8
        texts.append(block[at : block.index(b"\0", at)])
    assert texts == [address_map.PROGRAM_NAME, *arguments]
    assert block[8 * count : 8 * count + 32] == bytes(32)  # the ends of argv, envp and the auxiliary vector


def test_main_is_called_with_them() -> None:
    plan = address_space.plan(em.Call(PROGRAM, start="main", arguments=(b"x",)))
    assert plan.registers["rsp"] % 16 == 8
    assert plan.first_word == address_map.RETURN
    assert plan.registers["rdi"] == 2
    assert plan.registers["rdx"] == plan.registers["rsi"] + 24


@pytest.mark.parametrize(
    ("buffers", "words"),
    [
        ({"b": em.Buffer(-1)}, "negative size"),
        ({"b": em.Buffer(1 << 30)}, "all together"),
        ({"b": em.Buffer(8, address=0x1000_0000)}, "the text is there"),
        ({"b": em.Buffer(8, address=0x1000)}, "does not reach there"),
        ({"code": em.Buffer(8)}, "reports use that word"),
        ({"": em.Buffer(8)}, "a buffer's name is a word"),
    ],
)
def test_what_cannot_lie_there_is_refused(buffers: dict[str, em.Buffer], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        address_space.plan(em.Call(PROGRAM, buffers=buffers))
