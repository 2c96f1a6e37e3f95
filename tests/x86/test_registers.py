"""Registers: names, sizes, classes, and which is a part of which."""

# ruff: noqa: E501 (cases are read by row)

from __future__ import annotations

import pytest

from execmem_kernel.x86 import registers


@pytest.mark.parametrize(
    ("name", "canonical", "size"),
    [("RAX", "rax", 8), ("st", "st(0)", 10), ("ST3", "st(3)", 10), ("r8l", "r8b", 1), ("r15d", "r15d", 4), ("ah", "ah", 1), ("zmm31", "zmm31", 64),
     ("k7", "k7", 8), ("fs", "fs", 2), ("tmm0", "tmm0", 1024), ("eip", "eip", 4), ("db7", "dr7", 8)],
)  # fmt: skip
def test_a_register_has_one_name_and_a_size(name: str, canonical: str, size: int) -> None:
    assert registers.canonical_register(name) == canonical
    assert registers.register_size(name) == size


@pytest.mark.parametrize("name", ["rax1", "xmm32", "r16", "k8", "st(8)", "ax2", "", "ip", "mm8", "foo"])
def test_what_is_no_register(name: str) -> None:
    assert registers.canonical_register(name) is None
    with pytest.raises(KeyError):
        registers.register_size(name)


def test_parts_of_a_register_know_the_whole() -> None:
    for names, whole in (
        (("al", "ah", "ax", "eax", "rax"), "rax"),
        (("r9b", "r9w", "r9d"), "r9"),
        (("sil", "si", "esi"), "rsi"),
        (("xmm3", "ymm3"), "zmm3"),
        (("spl", "sp", "esp"), "rsp"),
    ):
        assert {registers.full_register(name) for name in names} == {whole}
    assert registers.full_register("k1") == "k1"
    assert registers.full_register("st(0)") == "st(0)"


def test_every_register_has_a_class_and_is_a_member_of_it() -> None:
    for name in registers.known_registers():
        assert name in registers.CLASS_MEMBERS[registers.register_class(name)]
    assert sum(map(len, registers.CLASS_MEMBERS.values())) == len(registers.known_registers())


def test_vector_registers_are_xmm_ymm_and_zmm_and_the_upper_half_needs_evex() -> None:
    vectors = {name for name in registers.known_registers() if registers.is_vector(name)}
    assert {registers.register_class(name) for name in vectors} == {"xmm", "ymm", "zmm"}
    assert sum(registers.needs_evex(name) for name in vectors) == len(vectors) // 2


@pytest.mark.parametrize(("name", "part"), [("AH", ("rax", 8, 8)), ("r9d", ("r9", 0, 32)), ("sil", ("rsi", 0, 8))])
def test_a_part_knows_where_it_lies_in_the_whole(name: str, part: tuple[str, int, int]) -> None:
    assert registers.PARTS[name.lower()] == part
    assert registers.whole_register(name) == part[0]
