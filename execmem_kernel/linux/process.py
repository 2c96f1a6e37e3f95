"""Child processes: posix_spawn, ptrace, waiting; what this process may know of its processor and of `/proc`.

Each function raises OSError with the errno and the name of the call. Numbers come from the Linux UAPI headers
(asm/unistd_64.h, linux/ptrace.h, linux/seccomp.h) and the man page named with each.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import operator
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from execmem_kernel.linux.libc import fail, prototype

PTRACE_PEEKUSER, PTRACE_POKEUSER, PTRACE_CONT, PTRACE_SINGLESTEP = 3, 6, 7, 9
PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_SYSCALL = 12, 13, 24
PTRACE_SETOPTIONS, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO = 0x4200, 0x4201, 0x4202
PTRACE_GETREGSET, PTRACE_SETREGSET = 0x4204, 0x4205
PTRACE_O_TRACESYSGOOD, PTRACE_O_TRACESECCOMP, PTRACE_O_EXITKILL = 0x1, 0x80, 0x100000
PTRACE_EVENT_SECCOMP = 7
NT_X86_XSTATE = 0x202
WALL = 0x40000000
"""waitpid's __WALL: whatever kind of child."""
USER_CS, USER_SS = 0x33, 0x2B
"""What cs and ss hold in every 64-bit program. Source: Linux, arch/x86/include/asm/segment.h, __USER_CS, __USER_DS."""
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
_ptrace = prototype("ptrace", ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_posix_spawn = prototype("posix_spawn", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, *[ctypes.c_void_p] * 4)
_actions_init = prototype("posix_spawn_file_actions_init", ctypes.c_int, ctypes.c_void_p)
_actions_destroy = prototype("posix_spawn_file_actions_destroy", ctypes.c_int, ctypes.c_void_p)
_actions_dup2 = prototype("posix_spawn_file_actions_adddup2", ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
_attributes_init = prototype("posix_spawnattr_init", ctypes.c_int, ctypes.c_void_p)
_attributes_flags = prototype("posix_spawnattr_setflags", ctypes.c_int, ctypes.c_void_p, ctypes.c_short)
_attributes_mask = prototype("posix_spawnattr_setsigmask", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_attributes_default = prototype("posix_spawnattr_setsigdefault", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_getcpu = prototype("sched_getcpu", ctypes.c_int)
_getauxval = prototype("getauxval", ctypes.c_ulong, ctypes.c_ulong)


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


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


_Area: Any = ctypes.c_char * XSTATE_LIMIT
_LAUNCH = struct.Struct("<4Q2i3Q11Qi4x")
"""The table of launcher.s up to the pairs of descriptors; struct clone_args is in it (linux/sched.h)."""
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
    cannot lose it: what holds the `Child` can always `end` it.
    """

    __slots__ = ("_pid", "_pid_at", "_registers", "ended")

    def __init__(self) -> None:
        self._pid = ctypes.c_int(0)
        self._pid_at = ctypes.byref(self._pid)
        self.ended: bool = False
        self._registers = ctypes.create_string_buffer(_USER_REGISTERS.size)

    @property
    def pid(self) -> int:
        """Its process id; 0 before it is started."""
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
        """The same as `spawn` for an open file, by machine code of ours (execution/process/launcher.s).

        Args:
            start: That machine code, as a function of its table's address.
            file: Descriptor of the program's file.
            descriptors: Descriptor here -> the number it has there; what is not named is closed by its CLOEXEC flag.
            blocked: Signals the program starts with blocked; every signal starts with its default action.

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
            ChildProcessError: Other code of this process has waited for it: it is gone.
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
            # A child that has not been waited for keeps its number, so this can hit no other process.
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
            fail(f"ptrace({request:#x})")
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
