"""Keeps a program's process on the processor of the thread that watches it."""

from __future__ import annotations

import contextlib
import os

from execmem_kernel.linux import process as linux_process


class OneProcessor:
    """Keeps this thread, and the process it starts, on the processor it is on.

    Every stop hands the processor over; to an idle other one, that costs ten times as much.
    """

    __slots__ = ("_allowed",)

    def __enter__(self) -> None:
        self._allowed: set[int] = set()
        try:
            self._allowed = os.sched_getaffinity(0)
            cpu = linux_process.current_cpu()
            if cpu is not None and len(self._allowed) > 1:
                os.sched_setaffinity(0, {cpu})
        except OSError:
            pass

    def __exit__(self, *_error: object) -> None:
        if len(self._allowed) > 1:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self._allowed)
