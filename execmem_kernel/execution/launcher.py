"""The machine code that starts programs' processes faster than posix_spawn does, where a host allows it: launcher.s."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib import resources

from execmem_kernel import linux
from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import CodeMemoryError
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.region import ExecutableMemory

_lock = threading.Lock()
_machine: tuple[int, ExecutableMemory, CodeMemoryManager, Callable[[int], int]] | None = None
"""The process it belongs to, its memory and the manager of that, and the function."""
_asked = 0
_PATIENCE = 16
"""Processes started by posix_spawn before the machine code is assembled: a first cell does not wait for that."""
_refused: int | None = None
"""The process in which it cannot be had, or has failed."""


def launcher(at_once: bool = False) -> Callable[[int], int] | None:
    """The code as a function of its table's address, assembled once.

    Args:
        at_once: Whether it is wanted for the very first process too, which does not wait for its assembly otherwise.

    Returns:
        None where this host allows no such, and for the first processes.
    """
    global _machine, _asked
    machine = _machine
    if machine is None or machine[0] != os.getpid():
        with _lock:
            _asked += 1
            if _refused == os.getpid() or (_asked <= _PATIENCE and not at_once):
                return None
            code = assemble(resources.files("execmem_kernel.execution").joinpath("launcher.s").read_text()).code
            # A manager of its own: no cleanup() of anybody else's takes it from under a thread that runs in it.
            owner = CodeMemoryManager()
            try:
                memory = owner.allocate(code, name="launcher")
            except (CodeMemoryError, OSError):
                refuse()
                return None
            # SAFETY: the memory is never released, and sealed: nobody can change it.
            machine = _machine = os.getpid(), memory, owner, linux.function_at(memory.address)
    return None if _refused == machine[0] else machine[3]


def refuse() -> None:
    """Use it no more in this process: it has failed where posix_spawn may work."""
    global _refused
    _refused = os.getpid()
