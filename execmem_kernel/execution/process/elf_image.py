"""The executable that a program's process starts from: the runner's code and a table, as a static ELF file."""

from __future__ import annotations

import functools
import math
import struct

from execmem_kernel.execution.contract.address_map import RUNNER
from execmem_kernel.execution.contract.call import Limits
from execmem_kernel.execution.process.runner import CODE_AT, HEADERS, runner
from execmem_kernel.execution.process.seccomp_filter import filter_program
from execmem_kernel.linux import limits as linux_limits

_RLIMITS = {"FSIZE": 1, "CORE": 4, "NPROC": 6, "NOFILE": 7, "MEMLOCK": 8, "AS": 9, "CPU": 0}
"""asm-generic/resource.h."""
_TSC_ENABLE, _TSC_SIGSEGV = 1, 2
"""PR_TSC_ENABLE and PR_TSC_SIGSEGV. Source: linux/prctl.h."""
_KILL = struct.pack("<QII48x", 0, 9, 0)  # struct sigevent: SIGKILL by SIGEV_SIGNAL (asm-generic/siginfo.h)
_ROOM = 32 * 1024 * 1024
"""Bytes of address space for the runner; the program's own segments, stack and buffers are counted apart."""


def _timer(seconds: float, interval: float) -> bytes:
    """A struct itimerval; zero seconds is no timer."""

    def pair(value: float) -> tuple[int, int]:
        micros = math.ceil(value * 1_000_000)  # the shortest of times is not none at all
        return micros // 1_000_000, micros % 1_000_000

    return struct.pack("<4q", *pair(interval), *pair(seconds))


def last_second(limits: Limits, timed: bool, watched: bool) -> float:
    """How many seconds after its start the kernel kills the process whatever happens: long after every limit.

    Args:
        limits: What the program may use up.
        timed: Whether the process has clocks of its own.
        watched: Whether ptrace watches it.

    A recorded step takes no 10 ms. An unwatched program may have destroyed the handler that reports its clocks; then
    RLIMIT_CPU ends it, and where it waits in the handler, this.
    """
    steps = 0 if timed else max(limits.steps or 0, limits.trace_steps)
    seconds = limits.net_s + (5 if watched else 0.5)
    return seconds + steps / 100


@functools.lru_cache(64)
def build(
    rows: tuple[tuple[int, int, int, int, int, int], ...],
    first: tuple[int, int],
    limits: Limits,
    timed: bool = True,
    watched: bool = True,
    real_counters: bool = False,
) -> bytes:
    """The whole executable.

    Args:
        rows: The mappings to make: the six arguments of each mmap.
        first: Where the stack begins, and the word that lies there.
        limits: What the program may use up.
        timed: Whether the process sets clocks of its own; a stepped program is timed from outside.
        watched: Whether ptrace watches it; otherwise its own handler reports its stops.
        real_counters: Whether it may read the time-stamp counter; otherwise that faults.
    """
    code = runner().code
    mapped = sum(row[1] for row in rows)
    # A stepped program is stopped from outside; this limit is then far off.
    cpu_s = int(limits.time_s) + (2 if timed else 3600)
    resource = [(_RLIMITS[name], 0, 0) for name in ("FSIZE", "CORE", "NPROC", "NOFILE", "MEMLOCK")]
    space = mapped + limits.memory_size + _ROOM
    resource.append((_RLIMITS["AS"], space, space))
    # Whoever is not watched may have lost its handlers: SIGKILL at once, and no SIGXCPU before.
    resource.append((_RLIMITS["CPU"], cpu_s, cpu_s + 1 if watched else cpu_s))
    # Where this process is limited itself, a program gets no more than is left.
    resource = [
        (which, min(soft, most), min(hard, most))
        for which, soft, hard in resource
        for most in [linux_limits.hard_limit(which)]
    ]
    table = [int(watched), _TSC_ENABLE if real_counters else _TSC_SIGSEGV, len(rows)]
    for row in rows:
        table += row
    table += [*first, len(resource)]
    for limit in resource:
        table += limit
    # Processor time decides; the clock on the wall is a net for a process that is hardly ever let run.
    parts = [struct.pack(f"<{len(table)}Q", *table)]
    parts += [_timer(seconds if timed else 0, 0.05) for seconds in (limits.net_s, limits.time_s)]
    last = divmod(math.ceil(last_second(limits, timed, watched) * 1e9), 1_000_000_000)
    parts.append(_KILL + bytes(16) + struct.pack("<2q", *last))
    rules = filter_program(watched)
    rules_at = CODE_AT + len(code) + sum(map(len, parts)) + 16
    parts += [struct.pack("<QQ", len(rules) // 8, rules_at), rules]
    body = code + b"".join(parts)
    size = HEADERS.size + len(body)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")  # 64 bits, little-endian, version 1
    executable, amd64, load, stack, read_execute, read_write = 2, 62, 1, 0x6474E551, 5, 6
    headers = HEADERS.pack(
        *(identity, executable, amd64, 1, CODE_AT, 64, 0, 0, 64, 56, 2, 0, 0, 0),
        *(load, read_execute, 0, RUNNER, RUNNER, size, size, 0x1000),
        *(stack, read_write, 0, 0, 0, 0, 0, 16),
    )
    return headers + body
