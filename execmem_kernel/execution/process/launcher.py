"""The machine code that starts programs' processes faster than posix_spawn does, where a host allows it: launcher.s."""

from __future__ import annotations

import os
from collections.abc import Callable

from execmem_kernel.execution.embedded.code import EmbeddedCode

_code = EmbeddedCode(__package__, "launcher")
_asked = 0
"""Processes that were started before there was machine code."""
_PATIENCE = 16
"""Processes started by posix_spawn before the machine code is assembled: a first cell does not wait for that."""
_refused: int | None = None
"""The process in which it cannot be had, or has failed."""


def launcher(at_once: bool = False) -> Callable[[int], int] | None:
    """The code as a function of its table's address.

    Args:
        at_once: Whether it is wanted for the very first process too, which does not wait for its assembly otherwise.

    Returns:
        None where this host allows no such, and for the first processes.
    """
    global _asked
    if _refused == os.getpid():
        return None
    if not _code.is_there:
        _asked += 1
        if _asked <= _PATIENCE and not at_once:
            return None
    function = _code.function()
    if function is None:
        refuse()
    return function


def refuse() -> None:
    """Use it no more in this process: it has failed where posix_spawn may work."""
    global _refused
    _refused = os.getpid()
