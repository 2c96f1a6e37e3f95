"""A file that the kernel executes: in memory, or in the cache folder where memory files are refused."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.linux import process as linux_process
from execmem_kernel.linux.descriptors import Descriptors

_MFD_EXEC = 0x10
"""Source: linux/memfd.h."""
_kept: tuple[bytes, Descriptors, int] = (b"", Descriptors(), -1)
"""The last executable that was needed, its file and the descriptor: most runs need the one of the run before."""


@contextlib.contextmanager
def in_memory(contents: bytes, process: str = "self") -> Iterator[str]:
    """A path in memory under which the bytes can be executed, good until the block ends."""
    with opened(contents) as descriptor:
        yield f"/proc/{process}/fd/{descriptor}"


@contextlib.contextmanager
def opened(contents: bytes) -> Iterator[int]:
    """A descriptor of a memory file that holds the bytes and can be executed, good until the block ends."""
    global _kept
    kept = _kept
    if kept[0] != contents:
        # The old file is closed with its last reference: another thread may be starting it now.
        kept = _kept = (b"", Descriptors(), -1)
        kept = _kept = _memory_file(contents)
    yield kept[2]


def in_our_memory(contents: bytes) -> contextlib.AbstractContextManager[str]:
    """The same by our own process id, where the kernel has the entries of /proc ready; some hosts refuse it."""
    number = os.getpid()
    return in_memory(contents, str(number) if linux_process.proc_is_ours(number) else "self")


def _memory_file(contents: bytes) -> tuple[bytes, Descriptors, int]:
    """A sealed executable in memory: its bytes, what owns its descriptor, and the number of that."""
    made, held = Descriptors(), Descriptors()
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        descriptor = made.open(os.memfd_create, "runner", flags | _MFD_EXEC)
    except OSError:  # before Linux 6.3 there is no such flag, and no need for it
        descriptor = made.open(os.memfd_create, "runner", flags)
    os.write(descriptor, contents)
    linux_memory.freeze_file(descriptor)
    # Out of the way of the numbers that a spawn gives to descriptors of its own on the way to exec.
    number = held.copy(descriptor, 16)
    made.close()
    return contents, held, number


@contextlib.contextmanager
def in_file(contents: bytes) -> Iterator[str]:
    """The same as a file in the cache folder, for hosts that execute no memory files; removed when the block ends."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "execmem_kernel"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as private:
        path = Path(private, "runner")
        path.touch(mode=0o700)
        path.write_bytes(contents)
        yield str(path)
