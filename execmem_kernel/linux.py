"""Every system call this package makes itself: typed, checked, and nowhere else. The one file to edit for a port.

Each function raises OSError with the errno and the name of the call. Numbers come from the Linux UAPI headers
(asm/unistd_64.h, linux/mman.h, linux/ptrace.h, linux/seccomp.h) and the man page named with each.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import operator
import os
import resource
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

_libc = ctypes.CDLL(None, use_errno=True)

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


def _fail(call: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


def _prototype(name: str, result: Any, *arguments: Any) -> Any:
    """One line per C function, so that an argument list cannot be misspelt silently."""
    function = getattr(_libc, name)
    function.restype = result
    function.argtypes = arguments
    return function


# ---- memory: mappings, memfd, /proc/self/maps ------------------------------------------------------------------------

PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC = 0, 1, 2, 4
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 0x01, 0x02, 0x10, 0x20, 0x4000
MAP_FIXED_NOREPLACE = 0x100000
"""Fail with EEXIST instead of unmapping what is there. Source: mmap(2), since Linux 4.17."""
MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL = 0x1, 0x2, 0x8
"""Source: memfd_create(2); MFD_NOEXEC_SEAL since Linux 6.3: it forbids execve of the file, not PROT_EXEC mappings."""
F_ADD_SEALS = 1033
F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE = 0x1, 0x2, 0x4, 0x8
"""Source: fcntl(2), "File Sealing"."""

_mmap = _prototype(
    "mmap", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long
)
_munmap = _prototype("munmap", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
_mprotect = _prototype("mprotect", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_MAP_FAILED = ctypes.c_void_p(-1).value

resize_file: Callable[[int, int], None] = os.ftruncate
"""Set a file's size. ftruncate(2)."""
pwrite: Callable[[int, bytes | bytearray | memoryview, int], int] = os.pwrite
"""Write bytes at an offset of a file, without a mapping: the only way code gets into executable pages. pwrite(2)."""


def _never_both(protection: int) -> None:
    """Hold the one rule of this package about pages, under `python -O` too, where an assert would be gone."""
    if protection & PROT_WRITE and protection & PROT_EXEC:
        raise AssertionError("never writable and executable at once")


def map_pages(address: int, size: int, protection: int, flags: int, descriptor: int = -1, offset: int = 0) -> int:
    """Map pages and return where they are. mmap(2)."""
    _never_both(protection)
    # SAFETY: without MAP_FIXED the kernel replaces nothing; who passes MAP_FIXED owns the whole range.
    result = _mmap(address, size, protection, flags, descriptor, offset)
    if result == _MAP_FAILED:
        _fail("mmap")
    if flags & MAP_FIXED_NOREPLACE and result != address:  # a kernel before 4.17 takes the address as a hint only
        _munmap(result, size)
        raise OSError(errno.EEXIST, "mmap: the range is taken")
    return int(result or 0)


def unmap_pages(address: int, size: int) -> None:
    """Give pages back. munmap(2)."""
    # SAFETY: the caller owns the range, and has made sure that no thread runs in it.
    if _munmap(address, size):
        _fail("munmap")


def protect_pages(address: int, size: int, protection: int) -> None:
    """Change what may be done with pages. mprotect(2)."""
    _never_both(protection)
    if _mprotect(address, size, protection):
        _fail("mprotect")


def copy_to_memory(address: int, data: bytes) -> None:
    """Store bytes into writable pages of ours."""
    # SAFETY: the caller owns [address, address + len(data)) and has mapped it writable.
    ctypes.memmove(address, data, len(data))


def read_memory(address: int, size: int) -> bytes:
    """Bytes as the processor would fetch them, out of pages of ours."""
    # SAFETY: the caller owns the range and has mapped it readable.
    return ctypes.string_at(address, size)


def view_memory(address: int, size: int) -> Any:
    """A window on pages of ours, whose slices are bytes; cheaper than `read_memory` where many are read."""
    # SAFETY: the caller drops it before the pages are unmapped, and has mapped them readable.
    return (ctypes.c_char * size).from_address(address)


def function_at(address: int) -> Callable[[int], int]:
    """Machine code of ours that makes system calls, as a function of one pointer; Python's lock is free meanwhile."""
    # SAFETY: whoever asks owns the code there, and keeps it mapped as long as the function.
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(address)


def code_file(name: str) -> int:
    """Open a new memory file for code: close-on-exec, sealable, and never a program by itself. memfd_create(2)."""
    try:
        return os.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:  # EINVAL: the kernel is older than 6.3 and does not know MFD_NOEXEC_SEAL
            raise
    return os.memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)


def reopen_read_only(descriptor: int) -> int:
    """A second, read-only way into an open file: what is mapped through it can never be made writable."""
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)


def freeze_file(descriptor: int) -> None:
    """Forbid, for ever and to everybody, writing to a memory file or changing its size. fcntl(2), F_ADD_SEALS."""
    fcntl.fcntl(descriptor, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)


_fallocate = _prototype("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h


def empty_file(descriptor: int, offset: int, size: int) -> None:
    """Give a part of a memory file back: it reads as zeros, for whoever has mapped it too. fallocate(2)."""
    if _fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, offset, size):
        _fail("fallocate")


@dataclass(frozen=True, slots=True)
class KernelMapping:
    """One line of /proc/self/maps."""

    start: int
    end: int
    protection: str
    """As printed there: "r-xp", "rw-s"."""
    offset: int
    inode: int
    path: str
    """A file, "[stack]", "/memfd:name (deleted)", or nothing."""

    @property
    def size(self) -> int:
        return self.end - self.start


def parse_mappings(text: str) -> list[KernelMapping]:
    """Read the text of /proc/PID/maps; a line torn by a change during the read is left out. proc_pid_maps(5)."""
    found = []
    for line in text.splitlines():
        fields = line.split(maxsplit=5)
        start, dash, end = fields[0].partition("-") if fields else ("", "", "")
        if len(fields) < 5 or not dash or len(fields[1]) != 4:
            continue
        try:
            found.append(
                KernelMapping(
                    int(start, 16), int(end, 16), fields[1], int(fields[2], 16), int(fields[4]),
                    fields[5] if len(fields) == 6 else "",
                )
            )  # fmt: skip
        except ValueError:
            continue
    return found


def mappings() -> list[KernelMapping]:
    """What the kernel has mapped in this process, now; the read is not atomic. proc_pid_maps(5)."""
    with open("/proc/self/maps", errors="replace") as file:
        return parse_mappings(file.read())


def _soft_limit(which: int) -> int | None:
    soft = resource.getrlimit(which)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def hard_limit(which: int) -> int:
    """What a limit may be raised to at most, 2**64 - 1 if there is no such bound. getrlimit(2)."""
    return resource.getrlimit(which)[1] % 2**64  # RLIM_INFINITY is -1 in Python


def address_space_limit() -> int | None:
    """Bytes of address space that this process may have, or None. getrlimit(2), RLIMIT_AS."""
    return _soft_limit(resource.RLIMIT_AS)


def file_size_limit() -> int | None:
    """Bytes that a file written by this process may have, or None. getrlimit(2), RLIMIT_FSIZE."""
    return _soft_limit(resource.RLIMIT_FSIZE)


def open_files_limit() -> int | None:
    """How many files this process may have open, or None. getrlimit(2), RLIMIT_NOFILE."""
    return _soft_limit(resource.RLIMIT_NOFILE)


def address_space_in_use() -> int:
    """Bytes of address space that this process has. proc_pid_statm(5)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * PAGE_SIZE


_TRACE_DOMAIN = 0x65786563  # "exec": tracemalloc keeps domains apart, so that addresses of ours hide none of Python's
_track = ctypes.pythonapi.PyTraceMalloc_Track
_track.restype, _track.argtypes = ctypes.c_int, (ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t)
_untrack = ctypes.pythonapi.PyTraceMalloc_Untrack
_untrack.restype, _untrack.argtypes = ctypes.c_int, (ctypes.c_uint, ctypes.c_size_t)


def trace_memory(address: int, size: int, filename: str, line: int) -> None:
    """Tell tracemalloc of memory that Python did not allocate, as allocated at a line of somebody's source.

    tracemalloc takes the innermost frame, so the call is made by a function that says it stands at that line.
    Source: Python/C API manual, "tracemalloc C API".
    """

    def stand_in() -> None:
        _track(_TRACE_DOMAIN, address, size)

    first = max(line, 2) - 1  # the body is one line below the function's first
    stand_in.__code__ = stand_in.__code__.replace(co_filename=filename, co_firstlineno=first)
    stand_in()


def untrace_memory(address: int) -> None:
    """Tell tracemalloc that the memory is gone."""
    _untrack(_TRACE_DOMAIN, address)


# ---- processes: spawning, ptrace, seccomp, pidfd ---------------------------------------------------------------------

PTRACE_PEEKUSER, PTRACE_POKEUSER, PTRACE_CONT, PTRACE_SINGLESTEP = 3, 6, 7, 9
PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_SYSCALL = 12, 13, 24
PTRACE_SETOPTIONS, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO = 0x4200, 0x4201, 0x4202
PTRACE_GETREGSET, PTRACE_SETREGSET = 0x4204, 0x4205
PTRACE_O_TRACESYSGOOD, PTRACE_O_TRACESECCOMP, PTRACE_O_EXITKILL = 0x1, 0x80, 0x100000
PTRACE_EVENT_SECCOMP = 7
NT_X86_XSTATE = 0x202
WALL = 0x40000000
"""waitpid's __WALL: whatever kind of child."""

USER_REGISTERS = (
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "rip", "cs", "rflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
)  # fmt: skip
"""The members of struct user_regs_struct (sys/user.h), in order."""

_USER_REGISTERS = struct.Struct(f"{len(USER_REGISTERS)}Q")
_in_order = operator.itemgetter(*USER_REGISTERS)
_SPAWN_SETSIGDEF, _SPAWN_SETSIGMASK, _SPAWN_SETSID = 0x04, 0x08, 0x80
_OPAQUE = 1024  # posix_spawn_file_actions_t, posix_spawnattr_t and sigset_t are 80, 336 and 128 bytes in glibc
_DEBUG_REGISTERS = 848  # offsetof(struct user, u_debugreg), sys/user.h
XSTATE_LIMIT = 16 * 1024
"""Bytes of the largest vector state there is; with AMX tiles it needs 11 KiB."""

_ptrace = _prototype("ptrace", ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_posix_spawn = _prototype("posix_spawn", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, *[ctypes.c_void_p] * 4)
_actions_init = _prototype("posix_spawn_file_actions_init", ctypes.c_int, ctypes.c_void_p)
_actions_destroy = _prototype("posix_spawn_file_actions_destroy", ctypes.c_int, ctypes.c_void_p)
_actions_dup2 = _prototype(
    "posix_spawn_file_actions_adddup2", ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int
)
_attributes_init = _prototype("posix_spawnattr_init", ctypes.c_int, ctypes.c_void_p)
_attributes_flags = _prototype("posix_spawnattr_setflags", ctypes.c_int, ctypes.c_void_p, ctypes.c_short)
_attributes_mask = _prototype("posix_spawnattr_setsigmask", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_attributes_default = _prototype("posix_spawnattr_setsigdefault", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_getcpu = _prototype("sched_getcpu", ctypes.c_int)


_getauxval = _prototype("getauxval", ctypes.c_ulong, ctypes.c_ulong)


def bases_are_readable() -> bool:
    """Whether a program may read and write fs_base and gs_base itself: AT_HWCAP2, HWCAP2_FSGSBASE (asm/hwcap2.h)."""
    return bool(_getauxval(26) & 2)


@functools.lru_cache(1)
def proc_is_ours(pid: int) -> bool:
    """Whether /proc counts processes as this one, number `pid`, does: a container may see that of another namespace."""
    try:
        return os.readlink("/proc/self") == str(pid)
    except OSError:
        return False


def current_cpu() -> int | None:
    """The processor this thread runs on now, or None where the kernel does not say."""
    cpu = int(_getcpu())
    return cpu if cpu >= 0 else None


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

    def close(self) -> None:
        """Close all that are held; harmless twice."""
        with contextlib.suppress(IndexError):  # how popping the last one ends
            deque(map(os.close, iter(self._held.pop, None)), maxlen=0)

    def __del__(self) -> None:
        """Close what is held still: an interrupt may have come between a `finally:` and its `close()`."""
        if self._held:
            self.close()


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


_Area: Any = ctypes.c_char * XSTATE_LIMIT


_LAUNCH = struct.Struct("<4Q2i3Q11Qi4x")
"""The table of execution/launcher.s up to the pairs of descriptors; struct clone_args is in it (linux/sched.h)."""
_CLONE_FLAGS = 0x100 | 0x4000 | 0x1_0000_0000  # CLONE_VM, CLONE_VFORK, CLONE_CLEAR_SIGHAND
_SIGCHLD = 17


@functools.cache
def _mask(numbers: frozenset[int]) -> int:
    return sum(1 << number - 1 for number in numbers)


def _signal_set(numbers: Iterable[int]) -> Any:
    """A sigset_t, which is one bit per signal, from bit 0 for signal 1."""
    return ctypes.create_string_buffer(sum(1 << number - 1 for number in numbers).to_bytes(8, "little"), _OPAQUE)


class _Actions:
    """What a spawn does to descriptors, kept for the next one that does the same."""

    __slots__ = ("buffer",)

    def __init__(self, descriptors: tuple[tuple[int, int], ...]) -> None:
        self.buffer = ctypes.create_string_buffer(_OPAQUE)
        _actions_init(self.buffer)
        for here, there in descriptors:
            _actions_dup2(self.buffer, here, there)

    def __del__(self, destroy: Any = _actions_destroy) -> None:
        destroy(self.buffer)


_spawn_actions = functools.lru_cache(16)(_Actions)


@functools.lru_cache(1)
def _spawn_arguments(parent: int) -> Any:
    """argv of a child: its parent's process id in eight letters from `a` to `p`, which the child can check."""
    letters = bytes(ord("a") + (parent >> shift & 15) for shift in range(28, -4, -4))
    return (ctypes.c_char_p * 2)(letters, None)


_NO_ENVIRONMENT = (ctypes.c_char_p * 1)(None)


@functools.cache
def _spawn_attributes(blocked: frozenset[int]) -> Any:
    attributes = ctypes.create_string_buffer(_OPAQUE)
    _attributes_init(attributes)
    _attributes_flags(attributes, _SPAWN_SETSIGDEF | _SPAWN_SETSIGMASK | _SPAWN_SETSID)
    _attributes_mask(attributes, _signal_set(blocked))
    _attributes_default(attributes, _signal_set(set(range(1, 65)) - {9, 19}))
    return attributes


class Child:
    """A process of ours, from before it is started until it has been waited for.

    Its number is written by C before `spawn` returns, so an exception that arrives between any two steps of Python
    cannot lose it: whoever holds the `Child` can always `end` it.
    """

    __slots__ = ("_pid", "_pid_at", "_registers", "ended")

    def __init__(self) -> None:
        self._pid = ctypes.c_int(0)
        self._pid_at = ctypes.byref(self._pid)
        self.ended: bool = False
        self._registers = ctypes.create_string_buffer(_USER_REGISTERS.size)

    @property
    def pid(self) -> int:
        return self._pid.value

    def spawn(self, path: str, descriptors: Mapping[int, int], blocked: frozenset[int]) -> None:
        """Start the program at `path` in a session of its own, with no environment; its only argument says who we are.

        Args:
            path: The program's file.
            descriptors: Descriptor here -> the number it has there; what is not named is closed by its CLOEXEC flag.
            blocked: Signals the program starts with blocked; every signal starts with its default action.

        Raises:
            OSError: It could not be started; posix_spawn's own error number.
        """
        actions = _spawn_actions(tuple(descriptors.items()))
        # SAFETY: all six objects live until the call is over; C writes the pid before it returns.
        number = _posix_spawn(
            self._pid_at, os.fsencode(path), actions.buffer, _spawn_attributes(blocked),
            _spawn_arguments(os.getpid()), _NO_ENVIRONMENT,
        )  # fmt: skip
        if number:
            self._pid.value = 0
            raise OSError(number, f"posix_spawn: {os.strerror(number)}")

    def launch(
        self, start: Callable[[int], int], file: int, descriptors: Mapping[int, int], blocked: frozenset[int]
    ) -> None:
        """The same as `spawn` for an open file, by machine code of ours (execution/launcher.s).

        Raises:
            OSError: It could not be started; the error number of what the kernel refused.
        """
        pairs = [number for pair in descriptors.items() for number in pair]
        table = ctypes.create_string_buffer(
            _LAUNCH.pack(
                0, 2**64 - 1, _mask(blocked), ctypes.addressof(self._pid), 0, file,
                ctypes.addressof(_spawn_arguments(os.getpid())), ctypes.addressof(_NO_ENVIRONMENT), 0,
                _CLONE_FLAGS, 0, 0, 0, _SIGCHLD, 0, 0, 0, 0, 0, 0, len(descriptors),
            )
            + struct.pack(f"<{len(pairs)}i", *pairs)
        )  # fmt: skip
        # SAFETY: the table and all it leads to live until the call is over; the machine code writes nowhere else.
        number = start(ctypes.addressof(table))
        if number:
            raise OSError(number, f"clone3 or execveat: {os.strerror(number)}")

    def wait(self) -> int:
        """Wait until it stops or ends, and return its status; a Python signal handler may interrupt the wait.

        Raises:
            ChildProcessError: Somebody else has waited for it: it is gone.
        """
        try:
            _, status = os.waitpid(self._pid.value, WALL)
        except ChildProcessError:
            self.ended = True
            raise
        if not os.WIFSTOPPED(status):
            self.ended = True
        return status

    def end(self) -> None:
        """Kill it and wait for it; harmless when it was never started or has ended."""
        while self._pid.value and not self.ended:
            # A child that has not been waited for keeps its number, so this can hit nobody else.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid.value, 9)
            with contextlib.suppress(ChildProcessError):
                self.wait()

    def send(self, signal: int) -> None:
        """Send it a signal; from any thread."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid.value, signal)

    def _request(self, request: int, address: Any, data: Any) -> int:
        result = int(_ptrace(request, self._pid.value, address, data))
        if result == -1:
            _fail(f"ptrace({request:#x})")
        return result

    def set_options(self, options: int) -> None:
        """PTRACE_SETOPTIONS; the thread that started the child is the one that may."""
        self._request(PTRACE_SETOPTIONS, None, options)

    def resume(self, how: int, signal: int = 0) -> None:
        """Let it go on: PTRACE_CONT, PTRACE_SINGLESTEP or PTRACE_SYSCALL."""
        self._request(how, None, signal)

    def registers(self) -> dict[str, int]:
        """All of `USER_REGISTERS`, while it is stopped."""
        return dict(zip(USER_REGISTERS, self.register_values(), strict=True))

    def register_values(self) -> tuple[int, ...]:
        """The values of `USER_REGISTERS`, in their order: what a step has time for."""
        self._request(PTRACE_GETREGS, None, self._registers)
        return _USER_REGISTERS.unpack(self._registers)

    def set_breakpoint(self, address: int | None) -> None:
        """Stop it when it comes to an address, by a debug register; None takes the breakpoint away.

        Raises:
            OSError: This host gives a process no debug registers.
        """
        if address is not None:
            self._request(PTRACE_POKEUSER, _DEBUG_REGISTERS, address)
        self._request(PTRACE_POKEUSER, _DEBUG_REGISTERS + 7 * 8, 0 if address is None else 1)

    def set_registers(self, registers: Mapping[str, int]) -> None:
        """Set all of `USER_REGISTERS`, while it is stopped."""
        _USER_REGISTERS.pack_into(self._registers, 0, *_in_order(registers))
        self._request(PTRACE_SETREGS, None, self._registers)

    def instruction_pointer(self) -> int:
        """Its rip alone, while it is stopped in the half of memory that is a program's."""
        return self._request(PTRACE_PEEKUSER, 8 * USER_REGISTERS.index("rip"), None)

    def extended_state(self) -> bytes:
        """Its x87 and vector state as an XSAVE area in the standard format (Intel SDM vol. 1, chapter 13)."""
        area = _Area()
        vector = _Iovec(ctypes.addressof(area), XSTATE_LIMIT)
        self._request(PTRACE_GETREGSET, NT_X86_XSTATE, ctypes.byref(vector))
        return bytes(area[: vector.length])

    def set_extended_state(self, state: bytes) -> None:
        """Set what `extended_state` returns."""
        area = ctypes.create_string_buffer(state, len(state))
        vector = _Iovec(ctypes.addressof(area), len(state))
        self._request(PTRACE_SETREGSET, NT_X86_XSTATE, ctypes.byref(vector))

    def signal_information(self) -> tuple[int, int, int]:
        """Signal, si_code and si_addr of the signal it is stopped with."""
        words = (ctypes.c_int * 32)()
        self._request(PTRACE_GETSIGINFO, None, words)
        return words[0], words[2], int.from_bytes(bytes(words)[16:24], "little")

    def event_message(self) -> int:
        """The number that came with a ptrace event; for seccomp, the data of the rule that fired."""
        message = ctypes.c_ulong()
        self._request(PTRACE_GETEVENTMSG, None, ctypes.byref(message))
        return message.value


# ---- signals: handlers and their stacks ------------------------------------------------------------------------------

SA_SIGINFO, SA_RESTORER, SA_ONSTACK = 0x4, 0x0400_0000, 0x0800_0000
"""asm/signal.h."""
_RT_SIGACTION = 13
_SS_DISABLE = 2
_syscall = _prototype(
    "syscall", ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long
)
_sigaltstack = _prototype("sigaltstack", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_pthread_self = _prototype("pthread_self", ctypes.c_void_p)


def signal_action(number: int, action: bytes | None = None) -> bytes:
    """The kernel's own record of a signal's handler, replaced if `action` is given: rt_sigaction(2).

    Args:
        number: The signal.
        action: Four 8-byte numbers: handler, flags, restorer, mask (struct kernel_sigaction).

    Returns:
        The record that stood there.
    """
    old = ctypes.create_string_buffer(32)
    new = None if action is None else ctypes.create_string_buffer(action, 32)
    # SAFETY: both buffers hold a whole record; what the handler's address leads to is the caller's promise.
    if _syscall(_RT_SIGACTION, number, None if new is None else ctypes.addressof(new), ctypes.addressof(old), 8) != 0:
        _fail("rt_sigaction")
    return old.raw


def has_signal_stack() -> bool:
    """Whether this thread has a stack for signal handlers: sigaltstack(2)."""
    old = (ctypes.c_uint64 * 3)()
    if _sigaltstack(None, ctypes.addressof(old)) != 0:
        _fail("sigaltstack")
    return not old[1] & _SS_DISABLE


def set_signal_stack(address: int, size: int) -> None:
    """Give this thread a stack for signal handlers; a size of 0 takes it away."""
    new = (ctypes.c_uint64 * 3)(address, 0 if size else _SS_DISABLE, size)
    # SAFETY: the caller keeps that memory mapped until it takes the stack away.
    if _sigaltstack(ctypes.addressof(new), None) != 0:
        _fail("sigaltstack")


def thread_address() -> int:
    """This thread's own address, which glibc keeps at fs:[0]."""
    return int(_pthread_self())
