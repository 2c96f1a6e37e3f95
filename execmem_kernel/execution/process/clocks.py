"""Clocks that stop a program from outside its process."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from execmem_kernel.execution.contract.call import Limits
from execmem_kernel.linux import process as linux_process

_AGAIN_S = 0.05
"""How often a clock rings once it has run out: a program that reports for itself may miss it once."""
_CPU_TIME = 2
"""CPUCLOCK_SCHED: the processor time of a whole process, as clock_getcpuclockid(3) makes a clock of a process id.
Source: linux/posix-timers_types.h."""


@contextlib.contextmanager
def alarm(child: linux_process.Child, limits: Limits) -> Iterator[None]:
    """A clock outside the program's process, for runs that were stepped first: its own has not been set."""
    over = threading.Event()
    clock_of_child = ~child.pid << 3 | _CPU_TIME
    started, net_s = time.clock_gettime(clock_of_child), time.monotonic() + limits.net_s

    def ring() -> None:
        wait_s = limits.time_s
        while not over.wait(wait_s) and not child.ended:
            try:
                left_s = limits.time_s - (time.clock_gettime(clock_of_child) - started)
            except OSError:  # it has ended, and has been waited for
                return
            if left_s > 0 and time.monotonic() < net_s:
                wait_s = max(left_s, _AGAIN_S)
            else:
                child.send(signal.SIGPROF)
                wait_s = _AGAIN_S

    clock = threading.Thread(target=ring, daemon=True)
    clock.start()
    try:
        yield
    finally:
        # It must not ring for another process with the same id; the child has not been waited for, so it has it still.
        over.set()
        clock.join()
