"""What the host or a limit refuses, as errors that name the rule to look at."""

from __future__ import annotations

import errno

from execmem_kernel.errors import CodeMemoryError, OutOfCodeMemoryError, ProtectionDeniedError
from execmem_kernel.wording import format_size

_LOOK_AT = {
    errno.ENOMEM: "out of memory, over RLIMIT_AS, or over vm.max_map_count mappings",
    errno.ENOSPC: "no memory left for memory files",
    errno.EFBIG: "over RLIMIT_FSIZE",
    errno.EMFILE: "over RLIMIT_NOFILE: each region with pages of its own keeps a file open",
    errno.ENFILE: "the whole host has too many files open",
    errno.EAGAIN: "the host is short of something",
}
"""Error numbers that say a resource is short; every other one is a rule of the host."""


def is_shortage(error: OSError) -> bool:
    """Whether the kernel refused because it is short of something, and not by a rule."""
    return error.errno in _LOOK_AT


def host_error(error: OSError, size: int) -> CodeMemoryError:
    """The kernel's refusal, with the rule of the host to look at."""
    asked = f"{format_size(size)} of executable memory asked for"
    reason = error.strerror or str(error)
    if is_shortage(error):
        return OutOfCodeMemoryError(f"{asked}; the kernel refused ({reason}): {_LOOK_AT[error.errno or 0]}")
    return ProtectionDeniedError(
        f"{asked}; the kernel refused ({reason}): "
        "look at seccomp, SELinux (execmem) and the noexec policies of this host"
    )
