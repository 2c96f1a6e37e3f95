"""Machine code of ours that runs in the notebook's process: assembled once, held as long as the process lives."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib import resources

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import CodeMemoryError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager


class EmbeddedCode:
    """A source file of a package as a function of an address, its table's; every process has it for itself."""

    def __init__(self, package: str, name: str) -> None:
        self._package = package
        self._name = name
        self._lock = threading.Lock()
        self._assembled = b""
        self._held: tuple[int, ExecutableMemory, CodeMemoryManager, Callable[[int], int]] | None = None
        """The process it belongs to, its memory and the manager of that, and the function."""
        self._inherited: list[object] = []
        """In a forked child, what its parent had: not its own to release."""
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # a thread that is not here may have held it

    @property
    def is_there(self) -> bool:
        """Whether this process has it already."""
        return self._held is not None and self._held[0] == os.getpid()

    def function(self) -> Callable[[int], int] | None:
        """The function, assembled when it is first asked for; None where this host allows no such."""
        with self._lock:
            if self._held is None or self._held[0] != os.getpid():
                if not self._assembled:
                    source = resources.files(self._package).joinpath(f"{self._name}.s").read_text()
                    self._assembled = assemble(source).code
                # A manager of its own: no cleanup() of anybody else's takes it from under a thread that runs in it.
                owner = CodeMemoryManager()
                try:
                    memory = owner.allocate(self._assembled, name=self._name)
                except (CodeMemoryError, OSError):
                    return None
                if self._held is not None:
                    self._inherited.append(self._held)
                # SAFETY: the memory is never released, and sealed: it cannot change.
                self._held = os.getpid(), memory, owner, linux_memory.function_at(memory.address)
            return self._held[3]
