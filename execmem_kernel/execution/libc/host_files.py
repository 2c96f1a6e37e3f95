"""The host's own C library: its files, their program headers and dynamic symbols, opened for one run."""

from __future__ import annotations

import functools
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from execmem_kernel.errors import EngineUnavailableError
from execmem_kernel.execution.contract.address_map import page_ceil, page_floor
from execmem_kernel.execution.libc.constants import EM_X86_64, PT_LOAD, SHT_DYNSYM
from execmem_kernel.execution.process.address_space import PlannedMapping
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.linux.descriptors import Descriptors


@dataclass(frozen=True, slots=True)
class LoadSegment:
    """A PT_LOAD entry of a library."""

    offset: int
    """In the file, of its first byte."""
    address: int
    """From the library's base."""
    file_size: int
    memory_size: int
    protection: str


@dataclass(frozen=True, slots=True)
class SharedObject:
    """A shared library on the disk: what must be known to map it, and what it defines."""

    path: str
    entry: int
    pieces: tuple[LoadSegment, ...]
    symbols: Mapping[str, tuple[int, int]]
    """Name -> type and size, of what others may use."""

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, from the start of its first piece, in whole pages."""
        return page_ceil(max(piece.address + piece.memory_size for piece in self.pieces))


@functools.lru_cache(8)
def _read(path: str, changed: int) -> SharedObject:
    """Read a library's headers and its table of symbols; `changed` is the file's time, so an upgrade is read anew."""
    data = Path(path).read_bytes()
    header = struct.unpack_from("<16sHHIQQQIHHHHHH", data)
    if data[:5] != b"\x7fELF\x02" or header[2] != EM_X86_64:
        raise EngineUnavailableError("the C library of this host is not one for x86-64")
    pieces = []
    for index in range(header[10]):
        kind, flags, offset, address, _, file_size, memory_size, _ = struct.unpack_from(
            "<IIQQQQQQ", data, header[5] + index * header[9]
        )
        if kind == PT_LOAD:
            protection = {4: "r--", 5: "r-x", 6: "rw-"}.get(flags)
            if protection is None:
                raise EngineUnavailableError("the C library of this host wants memory of a kind that is never given")
            pieces.append(LoadSegment(offset, address, file_size, memory_size, protection))
    return SharedObject(path, header[4], tuple(pieces), MappingProxyType(_symbols(data, header)))


def _symbols(data: bytes, header: tuple[int, ...]) -> dict[str, tuple[int, int]]:
    """The dynamic symbols that are defined, by way of the section headers."""
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, header[6] + index * header[11]) for index in range(header[12])]
    found = {}
    for section in sections:
        if section[1] != SHT_DYNSYM:
            continue
        strings = sections[section[6]][4]
        for name, info, _, where, _, size in struct.iter_unpack("<IBBHQQ", data[section[4] : section[4] + section[5]]):
            if where and name:
                end = data.index(b"\0", strings + name)
                found[data[strings + name : end].decode()] = info & 15, size
    return found


@dataclass(frozen=True, slots=True)
class HostLibraries:
    """The C library that this Python runs on: the loader's file, libc's and libm's."""

    loader: str
    libc: str
    libm: str


@functools.cache
def host_libraries() -> HostLibraries:
    """Find them among this process's own mappings: they are there, they fit each other, they work on this machine.

    Raises:
        EngineUnavailableError: This Python does not run on the GNU C library.
    """
    paths = {
        os.path.basename(mapping.path): mapping.path for mapping in linux_memory.mappings() if mapping.path[:1] == "/"
    }
    libc = next((paths[name] for name in paths if re.fullmatch(r"libc(\.so\.6|-2\.\d+\.so)", name)), None)
    loader = next((paths[name] for name in paths if re.fullmatch(r"ld-(linux-x86-64\.so\.2|2\.\d+\.so)", name)), None)
    if libc is None or loader is None:
        musl = any("musl" in name for name in paths)
        there = "this host's C library is musl" if musl else "this Python does not run on it"
        raise EngineUnavailableError(
            f"calling C functions needs the GNU C library, and {there}; a program without `extern` runs here"
        )
    return HostLibraries(loader, libc, os.path.join(os.path.dirname(libc), "libm.so.6"))


@dataclass(slots=True)
class OpenLibrary:
    """A library's file while a run lasts."""

    object: SharedObject
    descriptor: int
    base: int

    def mappings(self) -> Iterator[PlannedMapping]:
        """The mappings that the loader would make for it."""
        for piece in self.object.pieces:
            start, offset = page_floor(self.base + piece.address), page_floor(piece.offset)
            file_end = page_ceil(self.base + piece.address + piece.file_size)
            yield PlannedMapping(start, file_end - start, piece.protection, offset, self.descriptor)
            end = page_ceil(self.base + piece.address + piece.memory_size)
            if end > file_end:
                yield PlannedMapping(file_end, end - file_end, piece.protection)

    @property
    def end(self) -> int:
        """The address behind its last page."""
        return self.base + self.object.size


def open_library(held: Descriptors, path: str, base: int) -> OpenLibrary:
    """Open a library's file for one run.

    Args:
        held: Closes the descriptor when the run ends.
        path: The file.
        base: The address it is to lie at.

    Raises:
        EngineUnavailableError: The file is gone, or no library for x86-64.
    """
    try:
        low = held.open(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
        # Out of the way of the numbers that a spawn gives to descriptors of its own.
        descriptor = held.copy(low, 16)
        return OpenLibrary(_read(path, os.stat(path).st_mtime_ns), descriptor, base)
    except FileNotFoundError:
        raise EngineUnavailableError(
            "the C library's files are not where this Python loaded them from: after an upgrade, restart the kernel"
        ) from None
