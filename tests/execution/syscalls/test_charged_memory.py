"""What counts against a program's limit on memory is exactly what it holds."""

from __future__ import annotations

import random

import execmem_kernel as em
from execmem_kernel.execution.syscalls.charged_memory import ChargedMemory


def test_the_books_are_those_of_a_set_of_pages() -> None:
    chance = random.Random(3)
    for _ in range(200):
        books, pages = ChargedMemory(1 << 30), set[int]()
        for _ in range(40):
            start = chance.randrange(60)
            end = start + chance.randrange(12)
            wanted = set(range(start, end))
            if chance.random() < 0.5 and wanted and not wanted & pages:
                books.add(start, end)
                pages |= wanted
            else:
                books.remove(start, end)
                pages -= wanted
            assert books.size == len(pages)
            start = chance.randrange(60)
            assert books.covers(start, start + 5) == (set(range(start, start + 5)) <= pages)


def test_the_limit_is_the_most_that_is_held_at_once() -> None:
    books = ChargedMemory(100)
    books.add(0, 60)
    assert books.allows(40)
    assert not books.allows(41)


MAP = "mov eax, 9\nxor edi, edi\nmov esi, {size}\nmov edx, 3\nmov r10d, 0x22\nmov r8, -1\nxor r9d, r9d\nsyscall\n"
UNMAP = "lea rdi, [r12 + 0x1000]\nmov esi, 0x1000\nmov eax, 11\nsyscall\n"


def test_giving_the_same_pages_back_twice_gives_nothing() -> None:
    """Neither a hole nor what was given back already makes room for more."""
    source = MAP.format(size="0x10000") + "mov r12, rax\nmov r13d, 40\nl:\n" + UNMAP + MAP.format(size="0x1000")
    outcome = em.run(source + "dec r13d\njnz l\nret", limits=em.Limits(memory_size=0x11000))
    assert isinstance(outcome, em.TimedOut)
    assert outcome.limit == "memory"
    assert sum(call.name == "mmap" for call in outcome.system_calls) == 4  # the third page more is too much
