"""One instruction at a time: a run that is watched in single steps, and what must be hidden from the program then.

Single-stepping shows through in a few places (the trap flag that `pushfq` and `syscall` save, `rep` stopping at every
round); each is undone here, so that a traced run ends as an untraced one does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from execmem_kernel import linux
from execmem_kernel.execution import layout
from execmem_kernel.execution.engine import PARTS, Limits, Returned
from execmem_kernel.execution.recorder import TRAP_FLAG, Decoded, Recorder, effective_address
from execmem_kernel.execution.tracing import Trace

if TYPE_CHECKING:
    from execmem_kernel.execution.supervisor import Ending, Guest, Run

SECCOMP_STOP = signal.SIGTRAP | linux.PTRACE_EVENT_SECCOMP << 8
TRAPPED = signal.SIGTRAP << 8 | 0x7F
"""The wait status of a plain SIGTRAP stop."""
_CODE_SELECTOR = 0x33
_AGAIN_S = 0.05
"""How often a clock rings once it has run out: a program that reports for itself may miss it once."""
_RIP, _RSP, _RCX, _FLAGS = (linux.USER_REGISTERS.index(name) for name in ("rip", "rsp", "rcx", "rflags"))


class Walk:
    """A run's steps, from the first to the last that is recorded or counted."""

    def __init__(self, run: Run) -> None:
        self.trace: Trace | None = None
        self.own_trap = False
        """Whether the program has set the trap flag itself."""
        self.flags_loaded = False
        """Whether the program has loaded its flags while it was stepped."""
        self._run = run
        self._guest = run.guest
        self._child = run.guest.child

    def to_the_end(self) -> Ending | None:
        """One instruction at a time; None where what is to be recorded is, and the rest may run at full speed."""
        limits = self._run.call.limits
        recorder = Recorder(self._run.call.program, self._guest)
        values = self._values()
        recorder.begin(values)
        kept = limits.trace_steps if self._run.call.trace else 0
        taken = 0
        ending = None
        try:
            while True:
                if limits.steps is not None and taken >= limits.steps:
                    self._run.raw = dict(zip(linux.USER_REGISTERS, values, strict=True))
                    ending = self._run.limit_reached("steps")
                    return ending
                recording = taken < kept and not recorder.full
                if not recording and limits.steps is None:
                    self._stop_stepping()
                    return None
                decoded = recorder.decode(values[_RIP])
                touched = recorder.before(decoded, values) if recording else []
                ending = self._one_step(decoded, values)
                if ending is not None:
                    return ending
                values = self._values()
                self.flags_loaded |= decoded.flags_taken_at is not None
                if decoded.pushes_flags and not self.own_trap:
                    _hide_trap_flag(self._guest, values[_RSP])
                if recording:
                    recorder.after(decoded, touched, values)
                taken += 1
                if values[_RIP] == layout.RETURN:
                    self._run.raw = dict(zip(linux.USER_REGISTERS, values, strict=True))
                    ending = Returned, {}
                    return ending
        finally:
            self.trace = recorder.trace(complete=ending is not None)

    def _one_step(self, decoded: Decoded, values: tuple[int, ...]) -> Ending | None:
        """Carry out one instruction, whatever stops that takes; the ending if the program ended in it."""
        own_trap = self.own_trap
        if decoded.flags_taken_at is not None:
            # From here on the kernel can no longer tell the program's trap flag from the tracer's, so this does.
            taken = self._guest.read(values[_RSP] + decoded.flags_taken_at + 1, 1)
            self.own_trap = bool(taken and taken[0] & 1)
        if self._run.library is not None and self._run.library.within(values[_RIP]) and not own_trap:
            back = int.from_bytes(self._guest.read(values[_RSP], 8), "little")
            with _breakpoint_at(self._child, back) as at_once, alarm(self._child, self._run.call.limits):
                if at_once:
                    self._stop_stepping()
                    return self._until(back, values[_RSP])
        if decoded.repeats and values[_RCX] > 1 and not own_trap:
            after = decoded.place.address + len(decoded.place.code)
            with _breakpoint_at(self._child, after) as at_once:
                if at_once:
                    self._stop_stepping()
                    self._child.resume(linux.PTRACE_CONT)
                    return self._after_step(self._run.wait(), expected=True)
            while True:
                self._child.resume(linux.PTRACE_SINGLESTEP)
                ending = self._after_step(self._run.wait(), expected=True)
                if ending is not None or self._child.register_values()[_RIP] != values[_RIP]:
                    return ending
        if decoded.loads_stack_segment and not own_trap and _keeps_stack_segment(self._guest, decoded, values):
            # After such a load no stop is made: the next instruction would be carried out in the same step.
            registers = dict(zip(linux.USER_REGISTERS, values, strict=True))
            self._child.set_registers({**registers, "rip": values[_RIP] + len(decoded.place.code)})
            return None
        self._child.resume(linux.PTRACE_SINGLESTEP)
        return self._after_step(self._run.wait(), expected=not decoded.traps and not own_trap)

    def _stop_stepping(self) -> None:
        """Take the tracer's trap flag away, before the program runs at full speed.

        The kernel does so itself, but not for a program that has loaded its flags: there it takes it for the program's.
        """
        if self.flags_loaded and not self.own_trap:
            self._child.set_registers(dict(zip(linux.USER_REGISTERS, self._values(), strict=True)))
            self.flags_loaded = False

    def _until(self, back: int, stack: int) -> Ending | None:
        """Let a function of the C library run until it returns, as one step; what it calls back runs along."""
        while True:
            self._child.resume(linux.PTRACE_CONT)
            status = self._run.wait()
            values = self._child.register_values()
            if status == TRAPPED and values[_RIP] == back and values[_RSP] <= stack:
                continue  # a call of the same line, further down in a recursion
            ending = self._after_step(status, expected=values[_RIP] == back)
            if ending is not None or values[_RIP] == back:
                return ending

    def _after_step(self, status: int, expected: bool) -> Ending | None:
        """What the stop after a step means: that it is done (None), or that the program ended."""
        if status == TRAPPED and expected:
            return None
        self._run.raw = dict(zip(linux.USER_REGISTERS, self._values(), strict=True))
        if status >> 8 == SECCOMP_STOP:
            if not self.own_trap:
                self._run.raw["r11"] &= ~TRAP_FLAG  # where `syscall` saves the flags, the tracer's among them
                self._child.set_registers(self._run.raw)
            return self._run.system_call(to_exit=True)
        return self._run.signalled(os.WSTOPSIG(status))

    def _values(self) -> tuple[int, ...]:
        """The registers, without the trap flag that single-stepping sets."""
        values = self._child.register_values()
        flags = values[_FLAGS]
        if not flags & TRAP_FLAG or self.own_trap:
            return values
        return (*values[:_FLAGS], flags & ~TRAP_FLAG, *values[_FLAGS + 1 :])


def _hide_trap_flag(guest: Guest, rsp: int) -> None:
    """Take the tracer's trap flag out of the flags that `pushfq` has just pushed."""
    byte = guest.read(rsp + 1, 1)
    if byte and byte[0] & 1:
        guest.poke(rsp + 1, bytes([byte[0] & ~1]))


def _keeps_stack_segment(guest: Guest, decoded: Decoded, values: tuple[int, ...]) -> bool:
    """Whether a `mov ss, ...` would load what is there already, in 64-bit mode: the only load that does not fault."""
    registers = dict(zip(linux.USER_REGISTERS, values, strict=True))
    if registers["cs"] != _CODE_SELECTOR:
        return False
    if decoded.accesses:
        address = effective_address(decoded.accesses[0], registers)
        selector = guest.read(address, 2)
    else:
        name = decoded.place.text.removeprefix("mov ss, ")
        selector = (registers[PARTS[name][0] if name in PARTS else name] & 0xFFFF).to_bytes(2, "little")
    return len(selector) == 2 and int.from_bytes(selector, "little") == registers["ss"]


@contextlib.contextmanager
def _breakpoint_at(child: linux.Child, address: int) -> Iterator[bool]:
    """A breakpoint behind a `rep`, so that its rounds are one step; False where the host has no debug registers."""
    try:
        child.set_breakpoint(address)
    except OSError:
        yield False
        return
    yield True
    if not child.ended:
        child.set_breakpoint(None)


@contextlib.contextmanager
def alarm(child: linux.Child, limits: Limits) -> Iterator[None]:
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
        # It must not ring for whoever gets the number next; the child has not been waited for, so it has it still.
        over.set()
        clock.join()
