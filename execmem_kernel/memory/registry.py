"""Every manager of this process: locked together for an audit, and around a fork."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from execmem_kernel.memory.locks import Lock

if TYPE_CHECKING:
    from execmem_kernel.memory.manager import CodeMemoryManager

lock = Lock()
"""Held while the session's manager is made, while all managers are locked, and during a fork."""

managers: weakref.WeakSet[CodeMemoryManager] = weakref.WeakSet()


@contextlib.contextmanager
def all_held() -> Iterator[list[CodeMemoryManager]]:
    """Every manager of this process, while none of them can change; for a comparison with the kernel's list."""
    with lock, contextlib.ExitStack() as locks:
        held = list(managers)
        for each in held:
            locks.enter_context(each._lock)
        yield held


_forking: list[CodeMemoryManager] = []
"""Managers locked for a fork: no thread is in the middle of a change when the child is copied."""


def _before_fork() -> None:
    lock.acquire()
    _forking.extend(managers)
    for each in _forking:
        each._lock.acquire()


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop()._lock.release()
    lock.release()


def _after_fork_in_child() -> None:
    global lock
    lock = Lock()
    while _forking:
        _forking.pop()._after_fork_in_child()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
