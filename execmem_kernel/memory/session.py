"""The session's own manager, made when it is first asked for."""

from __future__ import annotations

from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager

_session: CodeMemoryManager | None = None


def manager() -> CodeMemoryManager:
    """The session's own manager; a forked child gets a new one."""
    global _session
    session = _session
    if session is None or session.inherited:
        fresh = CodeMemoryManager()
        # Without a lock, since a finalizer may ask at any moment: looked at and stored side by side.
        if _session is session:
            _session = fresh
        session = _session
    assert session is not None
    return session


def allocate_executable_memory(size: int, name: str | None = None) -> ExecutableMemory:
    """Executable memory from the session's manager, owned by the handle that is returned."""
    return manager().allocate(size, name)
