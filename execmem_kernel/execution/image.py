"""The executable that a program's process starts from: the runner's code and a table, as a static ELF in a memfd."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import math
import os
import struct
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from execmem_kernel import linux
from execmem_kernel.assembly.program import Program
from execmem_kernel.execution.engine import Limits
from execmem_kernel.execution.layout import (
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    RUNNER,
    WORLD_DESCRIPTOR,
)

_HEADERS = struct.Struct("<16sHHIQQQIHHHHHH" + "IIQQQQQQ" * 2)  # Elf64_Ehdr, then two Elf64_Phdr (elf.h)
_MFD_EXEC = 0x10  # linux/memfd.h
ARCHITECTURE = 0xC000003E  # AUDIT_ARCH_X86_64 (linux/audit.h)
_TRACE = 0x7FF00000  # SECCOMP_RET_TRACE (linux/seccomp.h)
OTHER_ARCHITECTURE, X32 = 1, 2
"""What the filter adds to its verdict: a call by the 32-bit interface, and one by the x32 interface."""

_RLIMITS = {"FSIZE": 1, "CORE": 4, "NPROC": 6, "NOFILE": 7, "MEMLOCK": 8, "AS": 9, "CPU": 0}
"""asm-generic/resource.h."""
_KILL = struct.pack("<QII48x", 0, 9, 0)  # struct sigevent: SIGKILL by SIGEV_SIGNAL (asm-generic/siginfo.h)
_ROOM = 32 * 1024 * 1024
"""Address space for the program's own segments, stack and buffers are counted apart; this is for the runner."""

PTRACE_STEP = 4
STEPS = {
    1: "its parent was gone when it started",
    2: "a mapping was refused",
    3: "a resource limit was refused",
    4: "ptrace was refused",
    5: "a timer was refused",
    6: "no_new_privs was refused",
    7: "seccomp was refused",
    8: "a signal handler was refused",
}
"""The runner's exit status -> what failed."""


@functools.cache
def runner() -> Program:
    """The runner, assembled by our own assembler once per process."""
    from execmem_kernel.assembly.assembler import assemble

    return assemble(resources.files("execmem_kernel.execution").joinpath("runner.s").read_text())


@functools.cache
def address_of(label: str) -> int:
    """Where a label of the runner's lies in a program's process."""
    program = runner()
    return RUNNER + _HEADERS.size + program.labels[label] - program.address


def system_call_filter(watched: bool) -> bytes:
    """A seccomp program that hands every system call to the supervisor; whichever interface it came by is noted.

    Where nobody watches, every call is a SIGSYS, but for those of the handler that the supervisor speaks to.
    """
    load, jump_equal, jump_at_least, verdict = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
    number, architecture = 0, 4  # offsets in struct seccomp_data
    if not watched:
        return _gate_filter()
    instructions = (
        (load, 0, 0, architecture),
        (jump_equal, 1, 0, ARCHITECTURE),
        (verdict, 0, 0, _TRACE | OTHER_ARCHITECTURE),
        (load, 0, 0, number),
        (jump_at_least, 0, 1, 0x40000000),
        (verdict, 0, 0, _TRACE | X32),
        (verdict, 0, 0, _TRACE),
    )
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def _gate_filter() -> bytes:
    """Of all system calls, only those that the handler's one `syscall` makes are carried out, and only harmless ones.

    A program can jump there, with arguments of its own. It then can stop its own process, map pages of the file that
    its memory comes from, unmap and protect pages, never make any executable, and set its fs_base and gs_base.
    """
    passed = address_of("passed")
    load, equal, verdict = 0x20, 0x15, 0x06  # linux/bpf_common.h
    number, architecture, came_from = 0, 4, 8  # offsets in struct seccomp_data
    first, second, third, fourth, fifth = range(16, 56, 8)  # the lower halves of arguments; all here have 32 bits
    # Each row: what is loaded, and where to go for which value; a row ends in a refusal, or goes on to the next one.
    rows: list[tuple[str, int, dict[int, str], str]] = [
        ("", architecture, {ARCHITECTURE: "from"}, "trap"),
        ("from", came_from, {passed: "from high"}, "trap"),
        ("from high", came_from + 4, {0: "which"}, "trap"),
        ("which", number, {62: "kill", 9: "mmap", 10: "protection", 11: "allow", 158: "arch_prctl"}, "trap"),
        ("kill", first, {0: "which signal"}, "trap"),  # the process's own group
        ("which signal", second, {19: "allow"}, "trap"),  # SIGSTOP
        ("mmap", fourth, {MAP_SHARED | MAP_FIXED_NOREPLACE: "file"}, "trap"),
        ("file", fifth, {WORLD_DESCRIPTOR: "protection"}, "trap"),
        ("protection", third, {0: "allow", 1: "allow", 3: "allow"}, "trap"),  # nothing, reading, reading and writing
        ("arch_prctl", first, {0x1001: "allow", 0x1002: "allow"}, "trap"),  # ARCH_SET_GS, ARCH_SET_FS
    ]
    starts, at = {}, 0
    for name, _, ways, _ in rows:
        starts[name] = at
        at += 2 + len(ways)
    starts |= {"trap": at, "allow": at + 1}
    instructions = []
    for _, offset, ways, otherwise in rows:
        instructions.append((load, 0, 0, offset))
        for value, target in ways.items():
            instructions.append((equal, starts[target] - len(instructions) - 1, 0, value))
        instructions.append((0x05, 0, 0, starts[otherwise] - len(instructions) - 1))  # a jump
    instructions += [(verdict, 0, 0, 0x00030000), (verdict, 0, 0, 0x7FFF0000)]  # SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def _timer(seconds: float, interval: float) -> bytes:
    """A struct itimerval; zero seconds is no timer."""

    def pair(value: float) -> tuple[int, int]:
        micros = math.ceil(value * 1_000_000)  # the shortest of times is not none at all
        return micros // 1_000_000, micros % 1_000_000

    return struct.pack("<4q", *pair(interval), *pair(seconds))


def system_call_at() -> int:
    """Where the runner has a `syscall` instruction, for calls that a program's process is to make for us."""
    return RUNNER + _HEADERS.size + runner().code.index(b"\x0f\x05")


def _last_second(limits: Limits, timed: bool, watched: bool) -> bytes:
    """When a process is killed whoever still waits for it, as a struct timespec: long after every limit.

    A recorded step takes no 10 ms. Where nobody watches, a program may have destroyed what reports its clocks; then
    this ends it, and soon.
    """
    steps = 0 if timed else max(limits.steps or 0, limits.trace_steps)
    seconds = max(limits.wall_s, limits.cpu_s) + 5 if watched else limits.wall_s + 0.5
    return struct.pack("<2q", *divmod(math.ceil((seconds + steps / 100) * 1e9), 1_000_000_000))


@functools.lru_cache(64)
def build(
    rows: tuple[tuple[int, int, int, int, int, int], ...],
    first: tuple[int, int],
    limits: Limits,
    timed: bool = True,
    watched: bool = True,
) -> bytes:
    """The whole executable, for the mappings to make, where the stack begins with which word, and the limits."""
    code = runner().code
    mapped = sum(row[1] for row in rows)
    # A program that is stepped is stopped by the supervisor; this limit is then far off.
    cpu_s = int(max(limits.cpu_s, limits.wall_s)) + (2 if timed else 3600)
    resource = [(_RLIMITS[name], 0, 0) for name in ("FSIZE", "CORE", "NPROC", "NOFILE", "MEMLOCK")]
    space = mapped + limits.memory_size + _ROOM
    resource.append((_RLIMITS["AS"], space, space))
    resource.append((_RLIMITS["CPU"], cpu_s, cpu_s + 1))
    # Where this process is limited itself, a program gets no more than is left.
    resource = [
        (which, min(soft, most), min(hard, most))
        for which, soft, hard in resource
        for most in [linux.hard_limit(which)]
    ]
    table = [int(watched), len(rows)]
    for row in rows:
        table += row
    table += [*first, len(resource)]
    for limit in resource:
        table += limit
    parts = [struct.pack(f"<{len(table)}Q", *table), _timer(limits.wall_s if timed else 0, 0.05)]
    # The wall clock is reached first or at the same instant: only an earlier limit on processor time needs a timer.
    parts.append(_timer(limits.cpu_s, 0.05) if timed and limits.cpu_s < limits.wall_s else _timer(0, 0))
    parts.append(_KILL + bytes(16) + _last_second(limits, timed, watched))
    rules = system_call_filter(watched)
    rules_at = RUNNER + _HEADERS.size + len(code) + sum(map(len, parts)) + 16
    parts += [struct.pack("<QQ", len(rules) // 8, rules_at), rules]
    body = code + b"".join(parts)
    size = _HEADERS.size + len(body)
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")  # 64 bits, little-endian, version 1
    executable, amd64, load, stack, read_execute, read_write = 2, 62, 1, 0x6474E551, 5, 6
    headers = _HEADERS.pack(
        *(identity, executable, amd64, 1, RUNNER + _HEADERS.size, 64, 0, 0, 64, 56, 2, 0, 0, 0),
        *(load, read_execute, 0, RUNNER, RUNNER, size, size, 0x1000),
        *(stack, read_write, 0, 0, 0, 0, 0, 16),
    )
    return headers + body


_kept: tuple[bytes, linux.Descriptors, int] = (b"", linux.Descriptors(), -1)
"""The last executable that was needed, its file and the descriptor: most runs need the one of the run before."""


@contextlib.contextmanager
def in_memory(contents: bytes, process: str = "self") -> Iterator[str]:
    """A path in memory under which the bytes can be executed, good until the block ends."""
    with opened(contents) as descriptor:
        yield f"/proc/{process}/fd/{descriptor}"


@contextlib.contextmanager
def opened(contents: bytes) -> Iterator[int]:
    """A descriptor of a memory file that holds the bytes and can be executed, good until the block ends."""
    global _kept
    kept = _kept
    if kept[0] != contents:
        # The old file is closed by whoever lets go of it last: another thread may be starting it now.
        kept = _kept = (b"", linux.Descriptors(), -1)
        kept = _kept = _memory_file(contents)
    yield kept[2]


def in_our_memory(contents: bytes) -> contextlib.AbstractContextManager[str]:
    """The same by our own process id, where the kernel has the entries of /proc ready; some hosts refuse it."""
    number = os.getpid()
    return in_memory(contents, str(number) if linux.proc_is_ours(number) else "self")


def _memory_file(contents: bytes) -> tuple[bytes, linux.Descriptors, int]:
    """An executable in memory that nobody can change any more."""
    made, held = linux.Descriptors(), linux.Descriptors()
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        descriptor = made.open(os.memfd_create, "runner", flags | _MFD_EXEC)
    except OSError:  # before Linux 6.3 there is no such flag, and no need for it
        descriptor = made.open(os.memfd_create, "runner", flags)
    os.write(descriptor, contents)
    linux.freeze_file(descriptor)
    # Out of the way of the numbers that a spawn gives to descriptors of its own on the way to exec.
    number = held.open(fcntl.fcntl, descriptor, fcntl.F_DUPFD_CLOEXEC, 16)
    made.close()
    return contents, held, number


@contextlib.contextmanager
def in_file(contents: bytes) -> Iterator[str]:
    """The same as a file in the cache folder, for hosts that execute no memory files; removed when the block ends."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "execmem_kernel"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as private:
        path = Path(private, "runner")
        path.touch(mode=0o700)
        path.write_bytes(contents)
        yield str(path)
