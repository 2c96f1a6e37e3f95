"""Every manager of this process: locked together for an audit, and around a fork.

What runs around a fork is a callback of Python's, whose exceptions are printed and dropped: an interrupt may end one
anywhere, or keep it from beginning. So locks are given back, and managers become the parent's, by callbacks that are
one step of C each; those in Python do what may be left out, or are done twice.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from execmem_kernel.memory.locks import Lock, holding
from execmem_kernel.memory.values import Inventory

_Result = TypeVar("_Result")


class Lockable(Protocol):
    """What an audit and a fork need of a manager."""

    lock: Lock
    """Held while anything of it changes."""

    def inventory(self) -> Inventory:
        """What it holds; with its lock held."""

    def handles(self) -> Sequence[object]:
        """Every handle that owns something of it."""

    def drop_unmapped(self, mapped: Iterable[tuple[int, int]]) -> None:
        """Strike off what has been unmapped past it; with its lock held."""

    def after_fork_in_child(self) -> None:
        """Make it the child's read-only copy, with a lock of its own."""


lock = Lock()
"""Held while all managers are locked, and during a fork."""

_members: weakref.WeakSet[Lockable] = weakref.WeakSet()

_thread = threading.local()
"""`held`: what a thread holds while it forks; no other thread is in the middle of a change when the child is copied."""

_own: list[bool] = []
"""Not empty in the process that made it; each manager keeps the list of the process that it was made in."""


def own() -> list[bool]:
    """A list that has something in it in this process, and nothing in those that are forked from it."""
    global _own
    if not _own:
        mine = [True]
        os.register_at_fork(after_in_child=mine.clear)
        _own = mine
    return _own


def add(member: Lockable) -> None:
    """Have a manager locked with all others from now on, as long as it exists."""
    _members.add(member)


def members() -> list[Lockable]:
    """Every manager of this process."""
    return list(_members)


_AT_ONCE = 8


def with_all_held(action: Callable[[list[Lockable]], _Result]) -> _Result:
    """What an action finds of every manager of this process while none of them can change.

    The locks are nested `with` statements, which nothing can interrupt on their way out.
    """

    def held_from(waiting: list[Lock], held: list[Lockable]) -> _Result:
        if not waiting:
            return action(held)
        first = [*waiting[:_AT_ONCE], *(Lock() for _ in range(_AT_ONCE - len(waiting)))]
        with first[0], first[1], first[2], first[3], first[4], first[5], first[6], first[7]:
            return held_from(waiting[_AT_ONCE:], held)

    with lock:
        managers = members()
        return held_from([each.lock for each in managers], managers)


def _locks() -> Iterator[Lock]:
    yield lock
    yield from [each.lock for each in members()]


def _before_fork() -> None:
    held: list[object] = []
    _thread.held = held
    for each in _locks():
        holder = holding(each)
        next(holder)
        held.append(holder)


_copied: set[int] = set()
"""Ids of the managers that this child has been through already; it keeps them all alive meanwhile."""


def _after_fork_in_child() -> None:
    global lock
    everyone = members()
    for each in everyone:
        if id(each) not in _copied:
            each.after_fork_in_child()
            _copied.add(id(each))
    lock = Lock()


_give_back = partial(setattr, _thread, "held", None)
os.register_at_fork(before=_before_fork, after_in_parent=_give_back, after_in_child=_give_back)
for _ in range(2):  # the second does what an interrupt has kept the first from
    os.register_at_fork(after_in_child=_after_fork_in_child)
os.register_at_fork(after_in_child=_copied.clear)
