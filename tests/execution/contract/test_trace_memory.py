"""Memory at one instant of a trace: known, or said not to be."""

from __future__ import annotations

from execmem_kernel.execution.contract.trace_memory import KnownMemory

CONTENTS = ((0x1000, 0x2000, b"abc"), (0x5FFE, 4, b"wxyz"))


def test_what_memory_began_with_is_known_and_ends_in_zeros() -> None:
    memory = KnownMemory(CONTENTS)
    assert memory.read(0x1000, 5) == (97, 98, 99, 0, 0)
    assert memory.read(0x2FFF, 2) == (0, None)
    assert memory.read(0x5FFD, 6) == (None, *b"wxyz", None)


def test_a_word_is_known_if_all_its_bytes_are() -> None:
    memory = KnownMemory(CONTENTS)
    assert memory.word(0x1000) == int.from_bytes(b"abc", "little")
    assert memory.word(0x2FFC) is None


def test_an_invalidated_range_is_unknown_whether_it_was_read_before_or_not() -> None:
    memory = KnownMemory(CONTENTS)
    assert memory.read(0x1000, 1) == (97,)
    memory.invalidate(0x1001, 1)
    memory.invalidate(0x2010, 0x10)
    assert memory.read(0x1000, 3) == (97, None, 99)
    assert memory.read(0x200F, 3) == (0, None, None)
    memory.invalidate()
    assert memory.read(0x1000, 3) == (None, None, None)
