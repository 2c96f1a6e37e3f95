"""A program's process that reports for itself, with the verbs of one that is watched by ptrace.

Its handler (runner.s) stops it after every signal; the supervisor reads and changes the registers where the kernel has
put them for the handler, in memory that both share, and lets it go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import struct
import weakref
from collections.abc import Mapping
from operator import itemgetter
from typing import Protocol

from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.process import runner, seccomp_filter
from execmem_kernel.execution.syscalls import numbers
from execmem_kernel.linux import process as linux_process
from execmem_kernel.wording import signed
from execmem_kernel.x86.registers import MASK, TRAP_FLAG

_SAVED = ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "rflags")  # fmt: skip
"""The order of struct sigcontext (asm/sigcontext.h); then the selectors, three words, and where the vector state is."""
_CONTEXT = struct.Struct("<24Q")
_SELECTORS, _VECTORS = 18, 23
_CONTEXT_AT = 40
"""Where a ucontext_t holds its sigcontext."""
_RIP, _RSP, _RAX, _FLAGS = (_SAVED.index(name) for name in ("rip", "rsp", "rax", "rflags"))
_first = linux_process.USER_REGISTERS.index("orig_rax")
_before_orig_rax = itemgetter(*[_SAVED.index(name) for name in linux_process.USER_REGISTERS[:_first]])


class SharedMemory(Protocol):
    """The memory of the program's process, and in it the page of reports, through which the two processes speak."""

    def report(self) -> tuple[int, ...]:
        """The numbers of the page of reports."""
        ...

    def command(self, number: int, *arguments: int) -> None:
        """Leave what the handler is to do next: a system call with its arguments, or nothing (0)."""
        ...

    def set_bases(self, fs: int, gs: int) -> None:
        """Write fs_base and gs_base into the page of reports."""
        ...

    def forget_clock(self) -> None:
        """Take away the note of a clock that rang."""
        ...

    def read(self, address: int, size: int) -> bytes:
        """The bytes there; fewer where memory ends."""
        ...

    def poke(self, address: int, data: bytes) -> None:
        """Write anywhere, read-only memory too."""
        ...

    def code_at(self, address: int) -> bytes:
        """The byte there if it is code."""
        ...


class UnreportedError(WorkerLostError):
    """The program's process was ended by a signal that not even its handler could report."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the program's process was ended by {signal.Signals(number).name}")
        self.number = number


class SelfReportingChild(linux_process.Child):
    """A child that reports for itself, with the verbs of one that is traced.

    A stop, here as there, is a wait status; what stopped it is asked for afterwards.
    """

    __slots__ = (
        "_breakpoint",
        "_context",
        "_context_at",
        "_forced",
        "_kept",
        "_memory",
        "_report",
        "_reports",
        "_through",
    )

    def __init__(self, memory: SharedMemory) -> None:
        super().__init__()
        # Weakly: the memory's owner holds this child. A cycle would be freed whenever the collector runs, and an
        # interrupt that comes just then would be lost in its finalizer.
        self._memory: SharedMemory = weakref.proxy(memory)
        self._report: tuple[int, ...] = (0,) * 16
        self._kept: tuple[int, ...] | None = None
        """A report that comes after that of a clock which rang meanwhile."""
        self._reports = 0
        self._context = [0] * 24
        self._context_at = 0
        self._forced = False
        """Whether the trap flag is there for a step of ours."""
        self._through = False
        """Whether it is to stop at the end of the system call that was answered."""
        self._breakpoint: tuple[int, bytes] | None = None

    # ---- stops

    def wait(self) -> int:
        """Wait until it reports or ends, and return what waitpid would say of a traced child.

        Raises:
            UnreportedError: It was ended by a signal.
            RunnerFailedError: It ended before the program began.
            ChildProcessError: Something else has waited for it: it is gone.
        """
        if self._through:
            self._through = False
            return (signal.SIGTRAP | 0x80) << 8 | 0x7F
        report, self._kept = self._kept, None
        while report is None:
            self._wait_for_stop()
            report = self._memory.report()
            if report[3] == self._reports:  # stopped from elsewhere, or by a program that says nothing
                report = None
                os.kill(self.pid, signal.SIGCONT)
            elif report[15]:
                self._memory.forget_clock()
                report, self._kept = (report[15], *report[1:15], 0), (*report[:15], 0)
        self._report, self._reports = report, report[3]
        number = self._take(report)
        if number == signal.SIGSYS:
            number = signal.SIGTRAP | linux_process.PTRACE_EVENT_SECCOMP << 8
        elif self._breakpoint and number == signal.SIGTRAP and self._context[_RIP] == self._breakpoint[0] + 1:
            self._set(_RIP, self._breakpoint[0])
        return number << 8 | 0x7F

    def _wait_for_stop(self) -> None:
        try:
            _, status = os.waitpid(self.pid, linux_process.WALL | os.WUNTRACED)
        except ChildProcessError:
            self.ended = True
            raise
        if not os.WIFSTOPPED(status):
            self.ended = True
            if os.WIFSIGNALED(status):
                raise UnreportedError(os.WTERMSIG(status))
            raise RunnerFailedError(os.WEXITSTATUS(status))

    def end(self) -> None:
        """Kill it and wait for it; harmless when it was never started or has ended."""
        while self.pid and not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                super().wait()

    def _take(self, report: tuple[int, ...]) -> int:
        """Read the registers that a report leads to, and return its signal; hostile numbers make no sense of it."""
        number, information, context = report[:3]
        room = address_map.ALTERNATE_STACK_SIZE
        self._context_at = context + _CONTEXT_AT
        inside = all(
            address_map.ALTERNATE_STACK <= at < address_map.ALTERNATE_STACK + room - 256
            for at in (information, context)
        )
        if not inside or not 0 < number < 65:
            raise self._senseless()
        self._context = list(_CONTEXT.unpack(self._memory.read(self._context_at, _CONTEXT.size)))
        return number

    def _senseless(self) -> UnreportedError:
        """What the page of the report says cannot be: the process is ended, as if it had not reported."""
        self.end()
        return UnreportedError(signal.SIGSEGV)

    def resume(self, how: int, signal_: int = 0) -> None:
        """Let it go on: PTRACE_CONT, PTRACE_SINGLESTEP, or PTRACE_SYSCALL to the end of a call that was answered."""
        if how == linux_process.PTRACE_SYSCALL:
            self._through = True
            return
        if self._kept is not None:
            return
        if (
            self._breakpoint is not None
            and self._context[_RIP] == self._breakpoint[0]
            and how == linux_process.PTRACE_CONT
        ):
            self._step_off(*self._breakpoint)
        flags = self._context[_FLAGS]
        if how == linux_process.PTRACE_SINGLESTEP:
            self._forced = True
            self._set(_FLAGS, flags | TRAP_FLAG)
        elif self._forced:
            self._forced = False
            self._set(_FLAGS, flags & ~TRAP_FLAG)
        os.kill(self.pid, signal.SIGCONT)

    def call(self, number: int, *arguments: int) -> int:
        """Let the handler make a system call, and return its result; the program does not go on meanwhile."""
        self._memory.command(number, *arguments)
        os.kill(self.pid, signal.SIGCONT)
        try:
            self._wait_for_stop()
        finally:
            self._memory.command(0)
        return signed(self._memory.report()[11])

    def _step_off(self, address: int, byte: bytes) -> None:
        """Carry out the instruction under the breakpoint."""
        self._memory.poke(address, byte)
        try:
            self.resume(linux_process.PTRACE_SINGLESTEP)
            self.wait()
        finally:
            self._memory.poke(address, address_map.BREAKPOINT)

    def set_breakpoint(self, address: int | None) -> None:
        """Stop it when it comes to an address, by an `int3` there; None takes the breakpoint away.

        Raises:
            OSError: There is no code of the program's.
        """
        if self._breakpoint is not None:
            self._memory.poke(*self._breakpoint)
            self._breakpoint = None
        if address is not None:
            byte = self._memory.code_at(address)
            if not byte:
                raise OSError(errno.EFAULT, "no code is there")
            self._breakpoint = address, byte
            self._memory.poke(address, address_map.BREAKPOINT)

    # ---- what a traced child would be asked

    def set_options(self, options: int) -> None:
        """Nothing to set: it dies with the thread that started it, and reports every signal."""

    def instruction_pointer(self) -> int:
        """Its rip alone."""
        return self._context[_RIP]

    def register_values(self) -> tuple[int, ...]:
        """The values of `USER_REGISTERS`, in their order."""
        context = self._context
        rip, rsp, called = context[_RIP], context[_RSP], MASK
        if self._report[0] == signal.SIGSYS:
            called = context[_RAX]
            came_from = self.signal_information()[2]
            if came_from >= address_map.USER_END:  # the kernel has returned from its own page already
                rip, rsp = came_from, rsp - 8
        selectors = context[_SELECTORS]
        cs, gs, fs, ss = (selectors >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        bases = self._report[13:15]
        return (*_before_orig_rax(context), called, rip, cs, context[_FLAGS], rsp, ss, *bases, 0, 0, fs, gs)

    def set_registers(self, registers: Mapping[str, int]) -> None:
        """Set all of `USER_REGISTERS` that a program has, while it is stopped."""
        context = self._context
        context[: len(_SAVED)] = [registers[name] for name in _SAVED]
        selectors = (registers[name] & 0xFFFF for name in ("cs", "gs", "fs", "ss"))
        context[_SELECTORS] = sum(value << 16 * index for index, value in enumerate(selectors))
        self._memory.poke(self._context_at, _CONTEXT.pack(*context)[: 8 * (_SELECTORS + 1)])
        for position, (name, code) in enumerate(
            (("fs_base", seccomp_filter.SET_FS), ("gs_base", seccomp_filter.SET_GS)), 13
        ):
            if registers[name] != self._report[position]:
                self.call(numbers.NUMBERS["arch_prctl"], code, registers[name])
                report = list(self._report)
                report[position] = registers[name]
                self._report = tuple(report)
                self._memory.set_bases(*report[13:15])

    def _set(self, position: int, value: int) -> None:
        if self._context[position] != value:
            self._context[position] = value
            self._memory.poke(self._context_at + 8 * position, struct.pack("<Q", value))

    def _vectors(self) -> tuple[int, int]:
        """Where its vector state lies, and how large it is."""
        at = self._context[_VECTORS]
        start, end = address_map.ALTERNATE_STACK, address_map.ALTERNATE_STACK + address_map.ALTERNATE_STACK_SIZE
        if not start <= at <= end - 512:
            raise self._senseless()
        magic, _, _, size = struct.unpack("<IIQI", self._memory.read(at + 464, 20))
        return at, min(size, end - at) if magic == 0x46505853 else 512  # FP_XSTATE_MAGIC1

    def extended_state(self) -> bytes:
        """Its x87 and vector state as an XSAVE area in the standard format (Intel SDM vol. 1, chapter 13)."""
        at, size = self._vectors()
        state = bytearray(self._memory.read(at, size))
        state[464:512] = state[472:480].ljust(48, b"\0")  # the components, where ptrace has them
        if size == 512:
            struct.pack_into("<Q", state, 464, 3)
            state += struct.pack("<Q56x", 3)
        return bytes(state)

    def set_extended_state(self, state: bytes) -> None:
        """Set what `extended_state` returns."""
        at, size = self._vectors()
        self._memory.poke(at, state[:464])
        self._memory.poke(at + 512, state[512:size])

    def signal_information(self) -> tuple[int, int, int]:
        """Signal, si_code and si_addr of the signal it is stopped with."""
        number, code, address = struct.unpack("<ixxxxi4xQ", self._memory.read(self._report[1], 24))
        return number, code, address

    def event_message(self) -> int:
        """By which interface a system call came: what the filter would have said."""
        number, architecture = struct.unpack("<II", self._memory.read(self._report[1] + 24, 8))
        if architecture != seccomp_filter.ARCHITECTURE:
            return seccomp_filter.OTHER_ARCHITECTURE
        return seccomp_filter.X32 if number >> 30 & 1 else 0


class RunnerFailedError(EngineUnavailableError):
    """The runner ended before the program began."""

    def __init__(self, step: int) -> None:
        reason = runner.STEPS.get(step, "no reason known")
        super().__init__(f"this host does not let a program be run apart from the notebook: {reason}")
