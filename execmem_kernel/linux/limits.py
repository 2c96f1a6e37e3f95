"""Resource limits of this process, and what it has of them: getrlimit(2), proc_pid_statm(5)."""

from __future__ import annotations

import resource

from execmem_kernel.linux.memory import PAGE_SIZE


def _soft_limit(which: int) -> int | None:
    soft = resource.getrlimit(which)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def hard_limit(which: int) -> int:
    """What a limit may be raised to at most, 2**64 - 1 if there is no such bound. getrlimit(2)."""
    return resource.getrlimit(which)[1] % 2**64  # RLIM_INFINITY is -1 in Python


def address_space_limit() -> int | None:
    """Bytes of address space that this process may have, or None. getrlimit(2), RLIMIT_AS."""
    return _soft_limit(resource.RLIMIT_AS)


def file_size_limit() -> int | None:
    """Bytes that a file written by this process may have, or None. getrlimit(2), RLIMIT_FSIZE."""
    return _soft_limit(resource.RLIMIT_FSIZE)


def open_files_limit() -> int | None:
    """How many files this process may have open, or None. getrlimit(2), RLIMIT_NOFILE."""
    return _soft_limit(resource.RLIMIT_NOFILE)


def address_space_in_use() -> int:
    """Bytes of address space that this process has. proc_pid_statm(5)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * PAGE_SIZE
