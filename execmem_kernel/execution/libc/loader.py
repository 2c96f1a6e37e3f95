"""Runs the host's loader (ld-linux) in a program's process, and answers its system calls.

The libraries are mapped already, by the runner, behind a seccomp filter like every program's. So what the loader
"opens" are numbers that stand for them, what it maps is where it already lies, and the world it reads has no
environment, no files and no random numbers.
"""

from __future__ import annotations

import errno
import os
import signal
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution.contract.address_map import (
    BREAK,
    LIBRARIES,
    PAGE,
    RETURN,
    page_ceil,
)
from execmem_kernel.execution.contract.calling_convention import SYSTEM_CALL_ARGUMENTS
from execmem_kernel.execution.libc.constants import (
    LOADER_MAPPINGS,
    LOADER_MAPPINGS_SIZE,
    LOADER_STACK,
    LOADER_STACK_SIZE,
)
from execmem_kernel.execution.libc.host_files import OpenLibrary
from execmem_kernel.execution.libc.link_table import LinkTable
from execmem_kernel.execution.libc.system_calls import put_status
from execmem_kernel.execution.process import interrupts
from execmem_kernel.execution.process.guest import Guest
from execmem_kernel.execution.process.nondeterminism import counter_size
from execmem_kernel.execution.process.stops import SECCOMP_STOP
from execmem_kernel.execution.syscalls.guest_memory import GuestMemory
from execmem_kernel.execution.syscalls.handlers import PID
from execmem_kernel.execution.syscalls.numbers import NAMES, NUMBERS
from execmem_kernel.execution.syscalls.verdicts import Carried
from execmem_kernel.linux import process as linux_process
from execmem_kernel.linux.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from execmem_kernel.x86.registers import MASK

_MOST_CALLS = 2_000
"""System calls that the loader may make; it makes about forty."""
_MOST_OUTPUT = 4096
"""Bytes of what it writes that are kept, to say why it gave up."""
INITIAL_RFLAGS = 0x202
"""The interrupt flag, and bit 1, which is always set."""
_SONAMES = ("", "libc.so.6", "libm.so.6")
"""The libraries that it can open, by their place among those that are opened for the run; the first is itself."""
_FIRST_FILE = 500
"""The number that it gets for the first library it opens; nothing is open under it."""
_ARCH_SET_FS = 0x1002  # asm/prctl.h
_REGULAR_FILE = 0o100755

_Result = int | Carried
"""What a system call returns, or what the process is to call in its place."""


class Loader:
    """The loader of one run."""

    def __init__(self, opened: tuple[OpenLibrary, ...], table: LinkTable) -> None:
        self._opened = opened
        self._file = opened[0]
        self._table = table
        self._next = LOADER_MAPPINGS

    @property
    def contents(self) -> tuple[tuple[int, bytes], ...]:
        """What is written to its memory before it runs: address and bytes."""
        last = self._file.object.pieces[-1]
        tail = self._file.base + last.address + last.file_size
        # The kernel would clear the rest of the last page from the file; the loader does so for the other libraries.
        return (tail, bytes(-tail % PAGE)), self._first_stack()

    def _first_stack(self) -> tuple[int, bytes]:
        """What the loader finds at its stack pointer: no arguments, no environment, the auxiliary vector."""
        top = LOADER_STACK + LOADER_STACK_SIZE - 64
        seed, name, platform = top, top + 16, top + 32
        vector = {
            3: self._table.headers, 4: 56, 5: self._table.headers_count,  # AT_PHDR, AT_PHENT, AT_PHNUM
            6: PAGE, 7: self._file.base, 9: RETURN,  # AT_PAGESZ, AT_BASE, AT_ENTRY
            11: 1000, 12: 1000, 13: 1000, 14: 1000, 23: 0,  # AT_UID, AT_EUID, AT_GID, AT_EGID, AT_SECURE
            15: platform, 17: 100, 25: seed, 31: name,  # AT_PLATFORM, AT_CLKTCK, AT_RANDOM, AT_EXECFN
        }  # fmt: skip
        words = [1, name, 0, 0]  # argc, argv[0], the ends of argv and of envp
        for kind, value in vector.items():
            words += [kind, value]
        words += [0, 0]
        block = struct.pack(f"<{len(words)}Q", *words)
        start = (top - len(block)) & -16
        fixed = bytes(range(0xA0, 0xB0))  # a real process has 16 random bytes here
        texts = b"program".ljust(16, b"\0") + b"x86_64".ljust(16, b"\0")
        return start, block.ljust(top - start, b"\0") + fixed + texts

    def run(self, guest: Guest) -> int:
        """Let the loader link everything; the process stops where the program would begin.

        Returns:
            The thread pointer: what fs's base has to be wherever the library runs.

        Raises:
            EngineUnavailableError: The loader gave up.
            WorkerLostError: It did what no loader does.
        """
        child = guest.child
        extended = child.extended_state()
        raw = child.registers()
        entry = self._file.base + self._file.object.entry
        raw.update(rip=entry, rsp=self._first_stack()[0], orig_rax=MASK, rflags=INITIAL_RFLAGS)
        child.set_registers(raw)
        written = b""
        for _ in range(_MOST_CALLS):
            child.resume(linux_process.PTRACE_CONT)
            status = interrupts.waiting(child.wait)
            if not os.WIFSTOPPED(status):
                raise WorkerLostError(f"the C library's loader ended (wait status {status:#x})")
            raw = child.registers()
            if status >> 8 == SECCOMP_STOP:
                written += self._system_call(guest, raw, written)
            elif raw["rip"] == RETURN:
                child.set_extended_state(extended)
                return raw["fs_base"]
            elif os.WSTOPSIG(status) == signal.SIGSEGV and (size := counter_size(guest.read(raw["rip"], 15))):
                # glibc times its loader for its own statistics.
                raw.update(rax=0, rdx=0, rip=raw["rip"] + size)
                child.set_registers(raw)
            elif os.WSTOPSIG(status) not in (signal.SIGALRM, signal.SIGPROF):
                raise WorkerLostError(f"the C library's loader was stopped by signal {os.WSTOPSIG(status)}")
        raise WorkerLostError("the C library's loader did not end")

    def _system_call(self, guest: Guest, raw: dict[str, int], written: bytes) -> bytes:
        """Answer the call that the loader has stopped at; returns what it writes, if it is a write."""
        name = NAMES.get(raw["orig_rax"], "")
        arguments = tuple(raw[register] for register in SYSTEM_CALL_ARGUMENTS)
        if name in ("exit_group", "exit"):
            raise EngineUnavailableError(f"the C library's loader gave up: {written.decode(errors='replace').strip()}")
        result = self._answer(guest, name, arguments)
        if isinstance(result, Carried):
            guest.carry_out(result, raw)
        else:
            raw.update(rax=result & MASK, orig_rax=MASK)
            if name == "arch_prctl" and result == 0:
                raw["fs_base"] = arguments[1]
            guest.child.set_registers(raw)
        return _written(guest, name, arguments)

    def _answer(self, guest: Guest, name: str, arguments: tuple[int, ...]) -> _Result:
        handler = self._handlers.get(name)
        if handler is not None:
            return handler(self, guest, *arguments)
        return -errno.ENOSYS if self._library(arguments[0]) is None else 0

    def _library(self, number: int) -> OpenLibrary | None:
        """The library that the loader has opened under a number."""
        index = (number & 0xFFFFFFFF) - _FIRST_FILE
        return self._opened[index] if 0 < index < len(self._opened) else None

    def _is_own(self, address: int, size: int) -> bool:
        return address >= LIBRARIES and address + size <= LOADER_MAPPINGS + LOADER_MAPPINGS_SIZE

    # ---- its system calls

    def _open(self, guest: Guest, path: int, *_: int) -> _Result:
        wanted = os.path.basename(guest.read(path, 256).partition(b"\0")[0].decode(errors="replace"))
        found = wanted in _SONAMES[1 : len(self._opened)]
        return _FIRST_FILE + _SONAMES.index(wanted) if found else -errno.ENOENT

    def _openat(self, guest: Guest, _folder: int, path: int, *_: int) -> _Result:
        return self._open(guest, path)

    def _mmap(self, _: Guest, address: int, size: int, protection: int, _flags: int, number: int, _at: int) -> _Result:
        library = self._library(number)
        if library is not None:
            # Mapped by the runner already, each piece in its place.
            return address or library.base
        if address:
            return address if self._is_own(address, size) else -errno.EINVAL
        place, self._next = self._next, self._next + page_ceil(size) + PAGE
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
        return Carried(NUMBERS["mmap"], (place, size, protection & (PROT_READ | PROT_WRITE), flags, MASK, 0))

    def _mprotect(self, _: Guest, address: int, size: int, protection: int, *_rest: int) -> _Result:
        if protection & PROT_EXEC or not self._is_own(address, size):
            return -errno.EACCES
        if protection == 0:  # the holes between a library's pieces, which are not mapped here
            return 0
        return Carried(NUMBERS["mprotect"], (address, size, protection))

    def _read(self, guest: Guest, number: int, address: int, size: int, *_: int) -> _Result:
        return self._pread(guest, number, address, size, 0)

    def _pread(self, guest: Guest, number: int, address: int, size: int, offset: int, *_: int) -> _Result:
        library = self._library(number)
        if library is None:
            return -errno.ENOSYS
        guest.poke(address, os.pread(library.descriptor, size, offset))
        return min(size, os.fstat(library.descriptor).st_size)

    def _fstat(self, guest: Guest, number: int, address: int, *_: int) -> _Result:
        library = self._library(number)
        return -errno.ENOSYS if library is None else _status(guest, address, library)

    def _newfstatat(self, guest: Guest, number: int, _path: int, address: int, *_: int) -> _Result:
        library = self._library(number)
        return -errno.ENOENT if library is None else _status(guest, address, library)

    def _arch_prctl(self, _: Guest, what: int, *_rest: int) -> _Result:
        return 0 if what == _ARCH_SET_FS else -errno.EINVAL

    def _prlimit(self, guest: Guest, _pid: int, _which: int, new: int, old: int, *_: int) -> _Result:
        if new:
            return -errno.ENOSYS
        guest.poke(old, struct.pack("<QQ", 1 << 20, 1 << 20))
        return 0

    def _getrandom(self, guest: Guest, address: int, size: int, *_: int) -> _Result:
        count = min(size, 255)
        guest.poke(address, bytes(range(1, 1 + count)))
        return count

    def _brk(self, _: Guest, *_arguments: int) -> _Result:
        return BREAK

    def _set_tid_address(self, _: Guest, *_arguments: int) -> _Result:
        return PID

    def _write(self, _: Guest, _number: int, _address: int, size: int, *_rest: int) -> _Result:
        return size

    def _done(self, _: Guest, *_arguments: int) -> _Result:
        return 0

    def _no_such_file(self, _: Guest, *_arguments: int) -> _Result:
        return -errno.ENOENT

    _handlers: Mapping[str, Callable[..., _Result]] = MappingProxyType(
        {
            "open": _open,
            "openat": _openat,
            "mmap": _mmap,
            "mprotect": _mprotect,
            "munmap": _done,
            "read": _read,
            "pread64": _pread,
            "fstat": _fstat,
            "newfstatat": _newfstatat,
            "arch_prctl": _arch_prctl,
            "prlimit64": _prlimit,
            "getrandom": _getrandom,
            "brk": _brk,
            "set_tid_address": _set_tid_address,
            "set_robust_list": _done,
            "close": _done,
            "write": _write,
            **dict.fromkeys(("access", "faccessat", "readlink", "readlinkat", "stat"), _no_such_file),
        }
    )
    """System call -> what answers it; every other is said not to exist."""


def _status(guest: Guest, address: int, library: OpenLibrary) -> int:
    return put_status(guest, address, library.base, _REGULAR_FILE, os.fstat(library.descriptor).st_size)


def _written(guest: GuestMemory, name: str, arguments: tuple[int, ...]) -> bytes:
    """The bytes that a write or a writev is given; nothing for any other call."""
    if name == "write":
        return guest.read(arguments[1], min(arguments[2], _MOST_OUTPUT))
    data = b""
    if name == "writev":
        vector = guest.read(arguments[1], 16 * min(arguments[2], 1024))
        for address, size in struct.iter_unpack("<QQ", vector[: len(vector) & -16]):
            data += guest.read(address, min(size, _MOST_OUTPUT - len(data)))
    return data
