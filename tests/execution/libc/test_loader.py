"""How the loader's system calls are answered, with a process that makes the calls of a list."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution.contract.address_map import RETURN
from execmem_kernel.execution.contract.calling_convention import SYSTEM_CALL_ARGUMENTS
from execmem_kernel.execution.libc.constants import LIBC_BASE, LOADER_BASE, LOADER_MAPPINGS
from execmem_kernel.execution.libc.host_files import LoadSegment, OpenLibrary, SharedObject
from execmem_kernel.execution.libc.link_table import build_link_table
from execmem_kernel.execution.libc.loader import Loader
from execmem_kernel.execution.process.stops import SECCOMP_STOP
from execmem_kernel.execution.syscalls.numbers import NUMBERS
from execmem_kernel.execution.syscalls.verdicts import Carried

TEXT = 0x5000
"""Where the process has the texts that its calls point to."""
CONTENTS = b"what the library's file holds"

SystemCall = tuple[str, Sequence[int]]


class ScriptedGuest:
    """A process whose loader makes some system calls, then ends as it should; remembers how each was answered."""

    def __init__(self, calls: Sequence[SystemCall], text: bytes = b"") -> None:
        self.child = self
        self.text = text
        self.answers: list[int | Carried] = []
        self.written: dict[int, bytes] = {}
        self._raw: dict[str, int] = {"rsp": 0, "rip": 0, "fs_base": 0, "orig_rax": 0, "rax": 0, "rflags": 0}
        self._stops = self._scripted(calls)
        self._begun = False

    def _scripted(self, calls: Sequence[SystemCall]) -> Iterator[int]:
        for name, arguments in calls:
            given = dict(zip(SYSTEM_CALL_ARGUMENTS, (*arguments, *[0] * 6)[:6], strict=True))
            self._raw |= {**given, "orig_rax": NUMBERS[name], "rip": LOADER_BASE}
            yield SECCOMP_STOP << 8 | 0x7F
        self._raw["rip"] = RETURN
        yield 5 << 8 | 0x7F

    def registers(self) -> dict[str, int]:
        return dict(self._raw)

    def set_registers(self, raw: dict[str, int]) -> None:
        if self._begun:
            value = raw["rax"]
            self.answers.append(value - 2**64 if value >> 63 else value)
        self._begun = True
        self._raw["fs_base"] = raw["fs_base"]

    def carry_out(self, verdict: Carried, _raw: dict[str, int]) -> int:
        self.answers.append(verdict)
        return 0

    def extended_state(self) -> bytes:
        return b""

    def set_extended_state(self, _state: bytes) -> None: ...

    def resume(self, _how: int) -> None: ...

    def wait(self) -> int:
        return next(self._stops)

    def read(self, address: int, size: int) -> bytes:
        assert address == TEXT
        return self.text[:size]

    def poke(self, address: int, data: bytes) -> None:
        self.written[address] = data

    def write(self, address: int, data: bytes) -> bool:
        self.poke(address, data)
        return True


@pytest.fixture
def loader(tmp_path: Path) -> Iterator[Loader]:
    file = tmp_path / "libc.so.6"
    file.write_bytes(CONTENTS)
    shared = SharedObject(str(file), 0x40, (LoadSegment(0, 0, 64, 4096, "r-x"),), {})
    with file.open("rb") as opened:
        libraries = tuple(OpenLibrary(shared, opened.fileno(), base) for base in (LOADER_BASE, LIBC_BASE))
        yield Loader(libraries, build_link_table(assemble("extern puts\ncall puts\nret"), False))


def answers(loader: Loader, *calls: SystemCall, text: bytes = b"") -> list[Any]:
    guest = ScriptedGuest(calls, text)
    loader.run(cast(Any, guest))
    return guest.answers


def test_a_library_that_is_mapped_already_can_be_opened_and_mapped(loader: Loader) -> None:
    number, place = answers(
        loader,
        ("openat", (-100 & 2**64 - 1, TEXT)),
        ("mmap", (0, 4096, 5, 2, 501, 0)),
        text=b"/usr/lib/libc.so.6\0",
    )
    assert (number, place) == (501, LIBC_BASE)


@pytest.mark.parametrize("name", [b"/etc/ld.so.cache\0", b"/lib/libm.so.6\0", b"/etc/passwd\0"])
def test_no_other_file_can_be_opened(loader: Loader, name: bytes) -> None:
    assert answers(loader, ("openat", (0, TEXT)), ("open", (TEXT,)), text=name) == [-errno.ENOENT] * 2


def test_a_library_is_read_from_its_file(loader: Loader) -> None:
    guest = ScriptedGuest([("read", (501, 0x9000, 8)), ("pread64", (501, 0xA000, 4, 5))])
    loader.run(cast(Any, guest))
    assert guest.answers == [8, 4]
    assert guest.written == {0x9000: CONTENTS[:8], 0xA000: CONTENTS[5:9]}


def test_memory_is_given_one_piece_after_the_other_and_never_executable(loader: Loader) -> None:
    first, second = answers(loader, *[("mmap", (0, 100, 7, 0x22, 2**64 - 1, 0))] * 2)
    assert (first.number, first.arguments[:3]) == (NUMBERS["mmap"], (LOADER_MAPPINGS, 100, 3))
    assert second.arguments[0] == LOADER_MAPPINGS + 2 * 4096


@pytest.mark.parametrize(
    ("address", "protection", "answer"),
    [(LIBC_BASE, 5, -errno.EACCES), (0x1000_0000, 1, -errno.EACCES), (LIBC_BASE, 0, 0)],
    ids=["executable", "the program's", "a hole"],
)
def test_protections_are_changed_within_the_libraries_only(
    loader: Loader, address: int, protection: int, answer: int
) -> None:
    assert answers(loader, ("mprotect", (address, 4096, protection))) == [answer]


def test_the_thread_pointer_is_what_the_loader_has_set(loader: Loader) -> None:
    assert loader.run(cast(Any, ScriptedGuest([("arch_prctl", (0x1002, 0x7777))]))) == 0x7777


def test_what_it_does_not_need_does_not_exist(loader: Loader) -> None:
    assert answers(loader, ("socket", (1, 2, 3)), ("fork", ())) == [-errno.ENOSYS] * 2


def test_why_it_gave_up_is_in_the_error(loader: Loader) -> None:
    guest = ScriptedGuest([("write", (2, TEXT, 20)), ("exit_group", (127,))], b"error: no libc\n")
    with pytest.raises(EngineUnavailableError, match=r"gave up: error: no libc$"):
        loader.run(cast(Any, guest))


def test_a_loader_without_end_is_stopped(loader: Loader) -> None:
    with pytest.raises(WorkerLostError, match="did not end"):
        loader.run(cast(Any, ScriptedGuest([("brk", ())] * 3_000)))
