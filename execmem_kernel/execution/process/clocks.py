"""Clocks that stop a program from outside its process."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from execmem_kernel.execution.contract.call import Limits
from execmem_kernel.linux import process as linux_process

_AGAIN_S = 0.05
"""How often a clock rings once it has run out: a program that reports for itself may miss it once."""


@contextlib.contextmanager
def alarm(child: linux_process.Child, limits: Limits) -> Iterator[None]:
    """A clock outside the program's process, for runs that were stepped first: its own has not been set."""
    number = signal.SIGPROF if limits.cpu_s < limits.wall_s else signal.SIGALRM

    over = threading.Event()

    def ring() -> None:
        wait_s = min(limits.cpu_s, limits.wall_s)
        while not over.wait(wait_s) and not child.ended:
            child.send(number)
            wait_s = _AGAIN_S

    clock = threading.Thread(target=ring, daemon=True)
    clock.start()
    try:
        yield
    finally:
        # It must not ring for another process with the same id; the child has not been waited for, so it has it still.
        over.set()
        clock.join()
