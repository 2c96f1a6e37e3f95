"""The session's own manager, made when it is first asked for."""

from __future__ import annotations

from execmem_kernel.memory import registry
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager

_session: CodeMemoryManager | None = None


def manager() -> CodeMemoryManager:
    """The session's own manager; a forked child gets a new one."""
    global _session
    with registry.lock:
        if _session is None or _session.inherited:
            _session = CodeMemoryManager()
        return _session


def allocate_executable_memory(size: int, name: str | None = None) -> ExecutableMemory:
    """Executable memory from the session's manager, owned by the handle that is returned."""
    return manager().allocate(size, name)
