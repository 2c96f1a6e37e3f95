"""The lock of the managers: taken by `with`, so that no interrupt can leave it taken, and as often as a thread likes.

A finalizer, a weak reference's callback or a signal handler runs at a moment nothing chose, also while its own thread
holds the lock; it gets in, and finds out by `depth` whether it is in the middle of something.
"""

from __future__ import annotations

import _thread
import contextlib
import operator
import sys
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

_call: Callable[[Callable[[], object]], object] = operator.call


class Lock(_thread.RLock):  # type: ignore[misc]  # final for type checkers only
    """A lock that one thread may take several times; taken and given back by C, in one step each."""

    def depth(self) -> int:
        """How often the thread that asks has taken it."""
        return int(self._recursion_count())  # type: ignore[attr-defined]

    def locked(self) -> bool:
        """Whether any thread has taken it; waits for nothing."""
        if self.depth():
            return True
        both: tuple[Callable[[], object], ...] = (partial(self.acquire, False), self.release)
        try:
            # Taken and given back in one step of C: an interrupt in between would leave it taken.
            deque(map(_call, both), maxlen=0)
        except RuntimeError:  # what another thread has taken cannot be given back
            return True
        return False

    if sys.version_info >= (3, 14):
        # From this version on, `with` calls `__enter__` by an instruction that looks for interrupts when the call is
        # over: the lock would be taken for ever. `__exit__` is in C, and an interrupt comes after it.
        def __enter__(self) -> Any:
            before = self.depth()
            try:
                return self.acquire()
            except BaseException:
                with contextlib.suppress(RuntimeError):
                    while self.depth() > before:
                        self.release()
                raise


def holding(lock: Lock) -> Generator[None]:
    """Holds a lock from its first `next` until it is dropped.

    Dropping a generator that stands in a `with` goes from its finalizer straight to the lock's `__exit__`, all of it in
    C: nothing can interrupt it, and what holds the generator (a list, a thread's local) can be emptied by C as well.
    """
    with lock:
        yield
