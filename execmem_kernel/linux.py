"""Every system call this package makes itself: typed, checked, and nowhere else. The one file to edit for a port.

Each function raises OSError with the errno and the name of the call. Numbers come from the Linux UAPI headers
(asm/unistd_64.h, linux/mman.h, linux/ptrace.h, linux/seccomp.h) and the man page named with each.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any, NoReturn

_libc = ctypes.CDLL(None, use_errno=True)

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def _fail(call: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


def _prototype(name: str, result: Any, *arguments: Any) -> Any:
    """One line per C function, so that an argument list cannot be misspelt silently."""
    function = getattr(_libc, name)
    function.restype = result
    function.argtypes = arguments
    return function


# ---- memory: mappings, memfd, /proc/self/maps ------------------------------------------------------------------------


# ---- processes: spawning, ptrace, seccomp, pidfd ---------------------------------------------------------------------
