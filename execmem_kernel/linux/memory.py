"""Mappings, memory files and `/proc/self/maps`: every system call about memory, typed and checked.

Each function raises OSError with the errno and the name of the call. Numbers come from the Linux UAPI headers
(linux/mman.h, linux/fcntl.h, linux/memfd.h) and the man page named with each.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import starmap
from typing import Any

from execmem_kernel.linux.descriptors import Descriptors
from execmem_kernel.linux.libc import fail, prototype

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
"""Bytes of a page."""

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC = 0, 1, 2, 4

MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 0x01, 0x02, 0x10, 0x20, 0x4000

MAP_FIXED_NOREPLACE = 0x100000
"""Fail with EEXIST instead of unmapping what is there. Source: mmap(2), since Linux 4.17."""

MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL = 0x1, 0x2, 0x8
"""Source: memfd_create(2); MFD_NOEXEC_SEAL since Linux 6.3: it forbids execve of the file, not PROT_EXEC mappings."""

F_ADD_SEALS, F_GET_SEALS = 1033, 1034

F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE = 0x1, 0x2, 0x4, 0x8
"""Source: fcntl(2), "File Sealing"."""

_FROZEN = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE

_mmap = prototype(
    "mmap", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
)

_munmap = prototype("munmap", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)

_mprotect = prototype("mprotect", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

_MAP_FAILED = ctypes.c_void_p(-1).value

resize_file: Callable[[int, int], None] = os.ftruncate
"""Set a file's size. ftruncate(2)."""

pwrite: Callable[[int, bytes | bytearray | memoryview, int], int] = os.pwrite
"""Write bytes at an offset of a file, without a mapping: the only way code gets into executable pages. pwrite(2)."""


def whole_pages(size: int) -> int:
    """A number of bytes rounded up to whole pages."""
    return -(-size // PAGE_SIZE) * PAGE_SIZE


def _never_both(protection: int) -> None:
    """Hold the one rule of this package about pages, under `python -O` too, where an assert would be gone."""
    if protection & PROT_WRITE and protection & PROT_EXEC:
        raise AssertionError("never writable and executable at once")


def map_pages(address: int, size: int, protection: int, flags: int, descriptor: int = -1, offset: int = 0) -> int:
    """Map pages and return where they are. mmap(2).

    Args:
        address: Where they should lie; 0 leaves that to the kernel.
        size: Bytes, of whole pages.
        protection: PROT_* bits; never writable and executable at once.
        flags: MAP_* bits.
        descriptor: The file that is mapped, -1 for none.
        offset: From the start of the file, in bytes.

    Raises:
        OSError: The kernel refused; EEXIST if MAP_FIXED_NOREPLACE was asked for and the range is taken.
    """
    _never_both(protection)
    # SAFETY: without MAP_FIXED the kernel replaces nothing; a caller that passes MAP_FIXED owns the whole range.
    result = _mmap(address, size, protection, flags, descriptor, offset)
    if result == _MAP_FAILED:
        fail("mmap")
    if flags & MAP_FIXED_NOREPLACE and result != address:  # a kernel before 4.17 takes the address as a hint only
        _munmap(result, size)
        raise OSError(errno.EEXIST, "mmap: the range is taken")
    return int(result or 0)


def reserve_pages(held: list[tuple[int, int]], address: int, size: int, protection: int, flags: int) -> int:
    """Map anonymous pages, and put their start and size into a list, in one step that no interrupt can divide. mmap(2).

    Args:
        held: Gets the range as its last one; `unmap_pages` takes it.
        address: Where they should lie; 0 leaves that to the kernel.
        size: Bytes, of whole pages.
        protection: PROT_* bits; never writable and executable at once.
        flags: MAP_* bits.

    Raises:
        OSError: The kernel refused; EEXIST if MAP_FIXED_NOREPLACE was asked for and the range is taken.
    """
    _never_both(protection)
    # SAFETY: as for `map_pages`.
    held.extend(zip(map(_mmap, (address,), (size,), (protection,), (flags,), (-1,), (0,)), (size,), strict=False))
    start = held[-1][0]
    if start == _MAP_FAILED:
        held.pop()
        fail("mmap")
    if flags & MAP_FIXED_NOREPLACE and start != address:  # a kernel before 4.17 takes the address as a hint only
        unmap_pages(held)
        raise OSError(errno.EEXIST, "mmap: the range is taken")
    return start


def unmap_pages(held: list[tuple[int, int]]) -> None:
    """Give back the last of some ranges, start and size in bytes, and take it out of the list. munmap(2).

    Both are one step that no interrupt can divide. A signal handler of Python's runs between two of its instructions;
    here C takes the range out and unmaps it, so that an exception leaves pages neither mapped for ever nor unmapped
    twice.

    Raises:
        OSError: The kernel refused; the range is in the list again.
    """
    pages = held[-1]
    if pages[0] == _MAP_FAILED:  # an interrupt came between mmap's refusal and the word of it
        held.pop()
        return
    # SAFETY: the caller owns the range, and has made sure that no thread runs in it.
    if next(starmap(_munmap, iter(held.pop, None))):
        held.append(pages)
        fail("munmap")


def protect_pages(address: int, size: int, protection: int) -> None:
    """Change what may be done with pages. mprotect(2).

    Args:
        address: Where the first of them starts.
        size: Bytes, of whole pages.
        protection: PROT_* bits; never writable and executable at once.
    """
    _never_both(protection)
    if _mprotect(address, size, protection):
        fail("mprotect")


def copy_to_memory(address: int, data: bytes) -> None:
    """Store bytes into writable pages of ours."""
    # SAFETY: the caller owns [address, address + len(data)) and has mapped it writable.
    ctypes.memmove(address, data, len(data))


def read_memory(address: int, size: int) -> bytes:
    """Bytes as the processor would fetch them, out of pages of ours."""
    # SAFETY: the caller owns the range and has mapped it readable.
    return ctypes.string_at(address, size)


def view_memory(address: int, size: int) -> Any:
    """A window on pages of ours, whose slices are bytes; cheaper than `read_memory` where many are read."""
    # SAFETY: the caller drops it before the pages are unmapped, and has mapped them readable.
    return (ctypes.c_char * size).from_address(address)


def function_at(address: int) -> Callable[[int], int]:
    """Machine code of ours that makes system calls, as a function of one pointer; Python's lock is free meanwhile."""
    # SAFETY: the caller owns the code there, and keeps it mapped as long as the function.
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(address)


def code_file(name: str) -> int:
    """Open a new memory file for code: close-on-exec, sealable, and never a program by itself. memfd_create(2)."""
    try:
        return os.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: the kernel is older than 6.3 and does not know MFD_NOEXEC_SEAL
            raise
    return os.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)


def open_code_file(held: Descriptors, name: str) -> int:
    """The same, opened and held in one step that no interrupt can divide."""
    try:
        return held.open(os.memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return held.open(os.memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING)


def reopen_held_read_only(held: Descriptors, descriptor: int) -> int:
    """A second, read-only way into an open file, opened and held in one step that no interrupt can divide."""
    return held.open(os.open, f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)


def reopen_read_only(descriptor: int) -> int:
    """A second, read-only way into an open file: what is mapped through it can never be made writable."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)


def freeze_file(descriptor: int) -> None:
    """Forbid for ever, to every process, writing to a memory file or changing its size. fcntl(2), F_ADD_SEALS."""
    fcntl.fcntl(descriptor, F_ADD_SEALS, _FROZEN)


def is_frozen(descriptor: int) -> bool:
    """Whether `freeze_file` has been at a memory file. fcntl(2), F_GET_SEALS."""
    return bool(fcntl.fcntl(descriptor, F_GET_SEALS) & F_SEAL_WRITE)


_fallocate = prototype("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)

_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h


def empty_file(descriptor: int, offset: int, size: int) -> None:
    """Give a part of a memory file back: it reads as zeros, where it is mapped too. fallocate(2).

    Args:
        descriptor: The file, open for writing.
        offset: Where the part starts, in bytes.
        size: How long it is, in bytes.
    """
    if _fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, offset, size):
        fail("fallocate")


@dataclass(frozen=True, slots=True)
class KernelMapping:
    """One line of /proc/self/maps."""

    start: int
    end: int
    protection: str
    """As printed there: "r-xp", "rw-s"."""
    offset: int
    inode: int
    path: str
    """A file, "[stack]", "/memfd:name (deleted)", or nothing."""

    @property
    def size(self) -> int:
        """Bytes from start to end."""
        return self.end - self.start


def parse_mappings(text: str) -> list[KernelMapping]:
    """Read the text of /proc/PID/maps; a line torn by a change during the read is left out. proc_pid_maps(5)."""
    found = []
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        start, dash, end = fields[0].partition("-") if fields else ("", "", "")
        if len(fields) < 5 or not dash or len(fields[1]) != 4:
            continue
        try:
            found.append(
                KernelMapping(
                    int(start, 16), int(end, 16), fields[1], int(fields[2], 16), int(fields[4]),
                    fields[5] if len(fields) == 6 else "",
                )
            )  # fmt: skip
        except ValueError:
            continue
    return found


def mappings() -> list[KernelMapping]:
    """What the kernel has mapped in this process, now; the read is not atomic. proc_pid_maps(5)."""
    with open("/proc/self/maps", errors="replace") as file:
        return parse_mappings(file.read())


_TRACE_DOMAIN = 0x65786563  # "exec": tracemalloc keeps domains apart, so that addresses of ours hide none of Python's

_track = ctypes.pythonapi.PyTraceMalloc_Track
_track.restype, _track.argtypes = ctypes.c_int, (ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t)

_untrack = ctypes.pythonapi.PyTraceMalloc_Untrack
_untrack.restype, _untrack.argtypes = ctypes.c_int, (ctypes.c_uint, ctypes.c_size_t)


def trace_memory(address: int, size: int, filename: str, line: int) -> None:
    """Have tracemalloc count memory that Python did not allocate, as allocated at a line of a source file.

    tracemalloc takes the innermost frame, so the call is made by a function that says it stands at that line.
    Source: Python/C API manual, "tracemalloc C API".

    Args:
        address: Where the memory starts.
        size: How long it is, in bytes.
        filename: The source file.
        line: The line in it, from 1.
    """

    def stand_in() -> None:
        _track(_TRACE_DOMAIN, address, size)

    first = max(line, 2) - 1  # the body is one line below the function's first
    stand_in.__code__ = stand_in.__code__.replace(co_filename=filename, co_firstlineno=first)
    stand_in()


def untrace_memory(address: int) -> None:
    """Have tracemalloc count the memory no more."""
    _untrack(_TRACE_DOMAIN, address)
