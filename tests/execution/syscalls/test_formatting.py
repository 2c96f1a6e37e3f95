"""System calls as text."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.execution.syscalls import formatting
from execmem_kernel.execution.syscalls.numbers import NUMBERS


class Memory:
    """Memory that holds some bytes at 0x1000, and nothing elsewhere."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, address: int, size: int) -> bytes:
        return self.data[address - 0x1000 :][:size] if address >= 0x1000 else b""

    def write(self, address: int, data: bytes) -> bool:
        return False


def written(name: str, *arguments: int, data: bytes = b"") -> str:
    six = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    return formatting.decode(Memory(data), NUMBERS[name], six, hex)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("close(-1)", "close", (0xFFFFFFFF,)),
        ("munmap(0x2000, 4096)", "munmap", (0x2000, 4096)),
        ("umask(0o755)", "umask", (0o755,)),
        ("memfd_create(NULL, 0x3)", "memfd_create", (0, 3)),
        ("mprotect(NULL, 1, PROT_READ | PROT_EXEC)", "mprotect", (0, 1, 5)),
        ("mprotect(NULL, 1, PROT_NONE)", "mprotect", (0, 1, 0)),
        ("mprotect(NULL, 1, PROT_WRITE | 0x10)", "mprotect", (0, 1, 0x12)),
        ('write(1, "ab", 2)', "write", (1, 0x1000, 2)),
        ('chdir("abc")', "chdir", (0x1000,)),
        ("shmget(...)", "shmget", (1, 2, 3)),
    ],
)
def test_each_kind_of_argument_is_written_as_it_is_meant(text: str, name: str, arguments: tuple[int, ...]) -> None:
    assert written(name, *arguments, data=b"abc\0") == text


def test_every_kind_of_argument_has_a_way_to_be_written() -> None:
    kinds = {kind for signature in formatting._ARGUMENTS.values() for kind in signature}
    assert kinds == {*formatting._NUMBERS, "p", "q", "s"}


def test_results_are_numbers_places_or_names_of_errors() -> None:
    assert formatting.result_text(NUMBERS["write"], 6, hex) == "6"
    assert formatting.result_text(NUMBERS["write"], -9, hex) == "-EBADF"
    assert formatting.result_text(NUMBERS["mmap"], 0x4000, hex) == "0x4000"


def test_strings_in_the_log_are_cut_and_quoted() -> None:
    source = "mov eax, 1\nmov edi, 1\nmov rsi, rbx\nmov edx, 100\nsyscall"
    outcome = em.run(source + "\nret", registers={"rbx": "b"}, buffers={"b": b'a"\n\x00' * 25})
    assert outcome.system_calls[-1].text.startswith('write(1, "a\\"\\n\\x00a')
    assert outcome.system_calls[-1].text.endswith('"..., 100) = 100')
