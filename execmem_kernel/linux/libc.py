"""The C library's functions, by ctypes: prototypes checked once, and `errno` as OSError."""

from __future__ import annotations

import ctypes
import os
from typing import Any, NoReturn

libc = ctypes.CDLL(None, use_errno=True)


def fail(call: str) -> NoReturn:
    """Raise the OSError that the last call of a C function has left in errno."""
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


def prototype(name: str, result: Any, *arguments: Any) -> Any:
    """A function of the C library with its types declared, so that no argument list can be misspelt silently.

    Args:
        name: Its name in C.
        result: The ctypes type that it returns.
        arguments: The ctypes types that it takes.
    """
    function = getattr(libc, name)
    function.restype = result
    function.argtypes = arguments
    return function
