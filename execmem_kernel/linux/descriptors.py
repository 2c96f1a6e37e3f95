"""Open file descriptors that no interrupt can lose."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable
from itertools import chain, starmap


class Descriptors:
    """Open descriptors that no interrupt can lose.

    A signal handler of Python's runs between two of its instructions, so an exception may arrive after a descriptor has
    been opened and before it has been stored. Here C opens and stores, and C forgets and closes, in one step each.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[int] = []

    def open(self, call: Callable[..., int], *arguments: object) -> int:
        """Make a call that returns a descriptor, and hold that; the last one is the one returned."""
        self._held.extend(map(call, *[(argument,) for argument in arguments]))
        return self._held[-1]

    def copy(self, descriptor: int, least: int) -> int:
        """A copy of a descriptor under a number that is not smaller than `least`.

        Raises:
            OSError: EMFILE where no such number is free, or allowed at all (the kernel says EINVAL then).
        """
        try:
            return self.open(fcntl.fcntl, descriptor, fcntl.F_DUPFD_CLOEXEC, least)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE)) from None

    def pipe(self) -> tuple[int, int]:
        """Hold both ends of a new pipe: the one to read from, the one to write to."""
        self._held.extend(chain.from_iterable(starmap(os.pipe, ((),))))
        return self._held[-2], self._held[-1]

    def close_one(self, descriptor: int) -> None:
        """Close one of those that are held, in one step like all of them."""
        if descriptor in self._held:
            deque(map(os.close, map(self._held.pop, (self._held.index(descriptor),))), maxlen=0)

    def close_others(self, kept: int) -> None:
        """Close all that are held but one; harmless twice."""
        for descriptor in list(self._held):
            if descriptor != kept:
                self.close_one(descriptor)

    def close(self) -> None:
        """Close all that are held; harmless twice."""
        with contextlib.suppress(IndexError):  # how popping the last one ends
            deque(map(os.close, iter(self._held.pop, None)), maxlen=0)

    def __del__(self) -> None:
        """Close what is held still: an interrupt may have come between a `finally:` and its `close()`."""
        if self._held:
            self.close()
