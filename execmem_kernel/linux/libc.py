"""The C library's functions, by ctypes: prototypes checked once, and `errno` as OSError."""

from __future__ import annotations

import ctypes
import os
from typing import Any, NoReturn

libc = ctypes.CDLL(None, use_errno=True)


def fail(call: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


def prototype(name: str, result: Any, *arguments: Any) -> Any:
    """One line per C function, so that an argument list cannot be misspelt silently."""
    function = getattr(libc, name)
    function.restype = result
    function.argtypes = arguments
    return function
