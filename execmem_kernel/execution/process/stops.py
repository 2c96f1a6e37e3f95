"""What the stops of a program's process mean: wait statuses, the signals of faults and of clocks."""

from __future__ import annotations

import os
import signal

from execmem_kernel.errors import WorkerLostError
from execmem_kernel.linux import process as linux_process

SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
"""The signals that an instruction of the program's own causes."""
CLOCKS = frozenset((signal.SIGALRM, signal.SIGPROF, signal.SIGXCPU))
"""The signals of clocks. All of them stand for the one limit on time that a run has (`Limits.time_limit`): what is said
must not depend on which of them was first."""
SECCOMP_STOP = signal.SIGTRAP | linux_process.PTRACE_EVENT_SECCOMP << 8
"""The wait status, without its low byte, of a stop that the seccomp filter made. Source: ptrace(2)."""
TRAPPED = signal.SIGTRAP << 8 | 0x7F
"""The wait status of a plain SIGTRAP stop."""
BLOCKED = frozenset(range(1, 65)) - {int(number) for number in SYNCHRONOUS | CLOCKS} - {9, 19, 32, 33}
"""Signals from elsewhere (a stop button, a closing terminal) are for the notebook: a program does not see them. SIGKILL
and SIGSTOP cannot be blocked; 32 and 33 are glibc's own."""
TAKEN = (
    "the program's process was ended from elsewhere, or what it reported was taken by something in this notebook that "
    "waits for every child: os.wait(), os.waitpid(-1, ...); let it wait for its own children only"
)

LATE = (
    "the last clock of the program's process has ended it: this notebook's own process was held up for so long that it "
    "could not see the run to its end"
)


def lost(status: int) -> WorkerLostError:
    """The error for a process that has ended where it can only have stopped."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return WorkerLostError(TAKEN)
    return WorkerLostError(f"the program's process was ended from elsewhere (wait status {status:#x})")
