"""What the stops of a program's process mean: wait statuses, the signals of faults and of clocks."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from types import MappingProxyType

from execmem_kernel.errors import WorkerLostError
from execmem_kernel.execution.contract.call import LimitName
from execmem_kernel.linux import process as linux_process

SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
"""The signals that an instruction of the program's own causes."""
CLOCKS: Mapping[int, LimitName] = MappingProxyType(
    {signal.SIGALRM: "wall", signal.SIGPROF: "cpu", signal.SIGXCPU: "cpu"}
)
"""The signal of a clock -> the limit that has been reached."""
SECCOMP_STOP = signal.SIGTRAP | linux_process.PTRACE_EVENT_SECCOMP << 8
"""The wait status, without its low byte, of a stop that the seccomp filter made. Source: ptrace(2)."""
TRAPPED = signal.SIGTRAP << 8 | 0x7F
"""The wait status of a plain SIGTRAP stop."""
BLOCKED = frozenset(range(1, 65)) - {int(number) for number in SYNCHRONOUS | set(CLOCKS)} - {9, 19, 32, 33}
"""Signals from elsewhere (a stop button, a closing terminal) are for the notebook: a program does not see them. SIGKILL
and SIGSTOP cannot be blocked; 32 and 33 are glibc's own."""
TAKEN = (
    "the program's process was ended from elsewhere, or what it reported was taken by something in this notebook that "
    "waits for every child: os.wait(), os.waitpid(-1, ...); let it wait for its own children only"
)


def lost(status: int) -> WorkerLostError:
    """The error for a process that has ended where it can only have stopped."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return WorkerLostError(TAKEN)
    return WorkerLostError(f"the program's process was ended from elsewhere (wait status {status:#x})")
