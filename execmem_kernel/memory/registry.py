"""Every manager of this process: locked together for an audit, and around a fork."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterable, Iterator
from typing import Protocol

from execmem_kernel.memory.locks import Lock
from execmem_kernel.memory.values import Inventory


class Lockable(Protocol):
    """What an audit and a fork need of a manager."""

    lock: Lock
    """Held while anything of it changes."""

    def inventory(self) -> Inventory:
        """What it holds; with its lock held."""

    def drop_unmapped(self, mapped: Iterable[tuple[int, int]]) -> None:
        """Strike off what has been unmapped past it; with its lock held."""

    def after_fork_in_child(self) -> None:
        """Make it the child's read-only copy, with a lock of its own."""


lock = Lock()
"""Held while the session's manager is made, while all managers are locked, and during a fork."""

_members: weakref.WeakSet[Lockable] = weakref.WeakSet()

_forking: list[Lockable] = []
"""Managers locked for a fork: no thread is in the middle of a change when the child is copied."""


def add(member: Lockable) -> None:
    """Have a manager locked with all others from now on, as long as it exists."""
    _members.add(member)


def members() -> list[Lockable]:
    """Every manager of this process."""
    return list(_members)


@contextlib.contextmanager
def all_held() -> Iterator[list[Lockable]]:
    """Every manager of this process, while none of them can change; for a comparison with the kernel's list."""
    with lock, contextlib.ExitStack() as locks:
        held = members()
        for each in held:
            locks.enter_context(each.lock)
        yield held


def _before_fork() -> None:
    lock.acquire()
    _forking.extend(_members)
    for each in _forking:
        each.lock.acquire()


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop().lock.release()
    lock.release()


def _after_fork_in_child() -> None:
    global lock
    lock = Lock()
    while _forking:
        _forking.pop().after_fork_in_child()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
