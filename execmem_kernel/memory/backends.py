"""The two ways to have executable pages: a memory file, or anonymous memory where the host refuses memory files.

memory file   mapped read-execute through a read-only descriptor, so that nothing can make the mapping writable;
              written by pwrite; sealed with F_SEAL_WRITE when frozen
anonymous     writable until it is frozen, read-execute from then on
"""

from __future__ import annotations

import errno
from time import perf_counter_ns

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.mapping import INT3, Backend, BackendName, Code, Protection, Region


class _MemoryFile:
    """Pages of a memory file (memfd)."""

    name: BackendName = "memfd"
    is_file = True

    def create(self, region: Region, name: str, code: Code) -> None:
        calls, size = region.calls, region.size
        region.write_descriptor = calls.make(
            "memfd_create", linux_memory.open_code_file, region.descriptors, f"execmem:{name}"
        )
        if region.mapped:
            calls.make("ftruncate", linux_memory.resize_file, region.write_descriptor, size)
        contents = bytes(code).ljust(size, INT3)
        if calls.make("pwrite", linux_memory.pwrite, region.write_descriptor, contents, 0) != size:
            raise no_memory_left()
        if region.mapped:
            region.read_descriptor = calls.make(
                "open", linux_memory.reopen_held_read_only, region.descriptors, region.write_descriptor
            )

    def map(self, region: Region, code: Code) -> None:
        protection = linux_memory.PROT_READ | linux_memory.PROT_EXEC
        flags = linux_memory.MAP_SHARED | linux_memory.MAP_FIXED
        # SAFETY: MAP_FIXED replaces only the address space that has been reserved for this region.
        region.calls.make(
            "mmap", linux_memory.map_pages, region.address, region.size, protection, flags, region.read_descriptor, 0
        )

    def write(self, region: Region, offset: int, data: Code) -> None:
        calls = region.calls
        start = perf_counter_ns()
        try:
            written = linux_memory.pwrite(region.write_descriptor, data, offset)
        except OSError as error:
            calls.failed("pwrite", error)
            raise
        finally:
            calls.writes += 1
            calls.write_ns += perf_counter_ns() - start
        if written != len(data):
            raise no_memory_left()

    def freeze(self, region: Region) -> None:
        descriptor = region.write_descriptor
        if descriptor < 0:
            region.drop_writing()
            return  # for the second time: an interrupt came behind this
        try:
            region.calls.make("fcntl", linux_memory.freeze_file, descriptor)
        except OSError:
            if not linux_memory.is_frozen(descriptor):  # it is where an interrupt came right behind the call
                raise
        if region.read_descriptor in (-1, descriptor):
            region.read_descriptor = descriptor  # it writes no more than one opened for reading
            region.write_descriptor = -1
        else:
            region.drop_writing()

    def is_frozen(self, region: Region) -> bool:
        return region.write_descriptor < 0 or linux_memory.is_frozen(region.write_descriptor)

    def protection(self, _region: Region) -> Protection:
        return "r-x"


class _Anonymous:
    """Anonymous pages, which belong to one block: to change their protection would stop neighbours that are running."""

    name: BackendName = "anonymous"
    is_file = False

    def create(self, _region: Region, _name: str, _code: Code) -> None:
        """Nothing: there are no pages before there is an address."""

    def map(self, region: Region, code: Code) -> None:
        protection = linux_memory.PROT_READ | linux_memory.PROT_WRITE
        region.calls.make("mprotect", linux_memory.protect_pages, region.address, region.size, protection)
        linux_memory.copy_to_memory(region.address, bytes(code).ljust(region.size, INT3))

    def write(self, region: Region, offset: int, data: Code) -> None:
        linux_memory.copy_to_memory(region.address + offset, bytes(data))

    def freeze(self, region: Region) -> None:
        protection = linux_memory.PROT_READ | linux_memory.PROT_EXEC
        region.calls.make("mprotect", linux_memory.protect_pages, region.address, region.size, protection)

    def is_frozen(self, region: Region) -> bool:
        return region.frozen

    def protection(self, region: Region) -> Protection:
        return "r-x" if region.frozen else "rw-"


def no_memory_left() -> OSError:
    """What a write that stored too little means: a memory file has no other reason to."""
    return OSError(errno.ENOSPC, "pwrite: the host has no memory left for code")


MEMORY_FILE: Backend = _MemoryFile()
ANONYMOUS: Backend = _Anonymous()

BACKENDS: tuple[Backend, ...] = (MEMORY_FILE, ANONYMOUS)
"""All of them, in the order of preference."""
