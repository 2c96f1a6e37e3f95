"""Runs a program one instruction at a time, and hides from it what single-stepping changes.

Single-stepping shows through in a few places (the trap flag that `pushfq` and `syscall` save, `rep` stopping at every
round); each is undone here, so that a traced run ends as an untraced one does.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from execmem_kernel.errors import WorkerLostError
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.outcome import Returned
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.process import interrupts
from execmem_kernel.execution.process.clocks import alarm
from execmem_kernel.execution.process.guest import Guest
from execmem_kernel.execution.process.stops import SECCOMP_STOP, TRAPPED
from execmem_kernel.execution.trace.comparison import differences, unwatched, windows
from execmem_kernel.execution.trace.decoded import Decoded
from execmem_kernel.execution.trace.recorder import Recorder
from execmem_kernel.execution.trace.stepped_run import RunEnding, SteppedRun
from execmem_kernel.execution.trace.stepping_loop import DONE, INTERRUPTED, REFUSED, STOPPED
from execmem_kernel.linux import process as linux_process
from execmem_kernel.linux.process import USER_CS
from execmem_kernel.x86.addressing import effective_address
from execmem_kernel.x86.registers import PARTS, TRAP_FLAG

_RIP, _RSP, _RCX, _FLAGS, _CS = (
    linux_process.USER_REGISTERS.index(name) for name in ("rip", "rsp", "rcx", "rflags", "cs")
)
_STEPS_A_SECOND = 20_000
"""For so many steps a second of the limit on time is taken, so that what is recorded never depends on the machine."""
_STEPS_A_CALL = 20
"""A function of the C library takes as long as so many steps."""
_ROUNDS_A_STEP = 10_000
"""So many rounds of a `rep` take no longer than a step."""
_LONG_REP = 1_000_000
"""Rounds from which on a clock is set for a single `rep`."""
_KEPT = 1024 * 1024
"""Bytes that a trace keeps of what one piece of memory began with."""


class SingleStepper:
    """Takes a run's steps, from the first to the last that is recorded or counted."""

    def __init__(self, run: SteppedRun) -> None:
        self.trace: Trace | None = None
        self.own_trap: bool = False
        """Whether the program has set the trap flag itself."""
        self.flags_loaded: bool = False
        """Whether the program has loaded its flags while it was stepped."""
        self._run = run
        self._guest = run.guest
        self._child = run.guest.child
        self._limits = run.call.limits
        self._recorder = Recorder(run.call.program, run.guest, self._limits.trace_steps if run.call.trace else 0)
        self._called = 0
        """How often a function of the C library has been a step."""
        self._rounds = 0
        """How many rounds of `rep` there were."""
        self._functions = {address: name for name, address in run.call.program.externs.items()}
        self._calls: list[tuple[str, int, int]] = []
        """The functions of the C library that have not returned: name, rsp at their start, where they return to."""

    def to_the_end(self) -> RunEnding | None:
        """One instruction at a time; None where what is to be recorded is, and the rest may run at full speed."""
        values = self._values()
        self._recorder.begin(values, _contents(self._run) if self._run.call.trace else ())
        ending = None
        try:
            while ending is None:
                left = self._left()
                if left == 0 and self._limits.steps is None:
                    self._stop_stepping()
                    return None
                if self._out_of_time():
                    self._run.raw = dict(zip(linux_process.USER_REGISTERS, values, strict=True))
                    ending = self._run.limit_reached(self._limits.time_limit)
                elif left == 0:
                    self._run.raw = dict(zip(linux_process.USER_REGISTERS, values, strict=True))
                    ending = self._run.limit_reached("steps")
                elif not self.own_trap and values[_CS] == USER_CS and self._recorder.fast(values):
                    ending, values = self._steps(values, left)
                else:
                    ending, values = self._step(values)
                if ending is None and values[_RIP] == address_map.RETURN:
                    self._run.raw = dict(zip(linux_process.USER_REGISTERS, values, strict=True))
                    ending = Returned, {}
            return ending
        finally:
            if self._run.call.trace:
                self.trace = self._recorder.trace(ended=ending is not None)

    def _left(self) -> int:
        """How many steps are still to be taken one at a time."""
        limits = self._limits
        count = self._recorder.count
        if limits.steps is not None:
            return limits.steps - count
        sampled = int(limits.time_s * _STEPS_A_SECOND)
        left = limits.trace_steps + sampled - count - self._rounds // _ROUNDS_A_STEP
        if left > 0 and count < limits.trace_steps:
            return limits.trace_steps - count
        return max(0, left - self._called * _STEPS_A_CALL)

    def _out_of_time(self) -> bool:
        """Whether its `rep`s alone take all the time there is: a program whose steps are counted has no other clock."""
        return self._rounds // _ROUNDS_A_STEP > self._limits.time_s * _STEPS_A_SECOND

    def _steps(self, values: tuple[int, ...], most: int) -> tuple[RunEnding | None, tuple[int, ...]]:
        """Many plain steps, by machine code; the ending if the program ended in one of them, and the registers."""
        why, status, values = interrupts.waiting(lambda: self._recorder.go(values, most))
        values = self._without_trap_flag(values)
        if why in (INTERRUPTED, DONE):
            return None, values
        if why == REFUSED:
            status = self._run.wait()
            raise WorkerLostError(f"the program's process could not be stepped (wait status {status:#x})")
        if why == STOPPED:
            self._child.ended = not os.WIFSTOPPED(status)
            self._run.stopped(status)
            # A signal from elsewhere stops it before the step: then the step is tried again.
            return self._after_step(status, expected=True), values
        if self._recorder.fast(values):  # memory that it touches is not there: it will fault, or end before
            return self._step(values, known=True)
        return None, values

    def _step(self, values: tuple[int, ...], known: bool = False) -> tuple[RunEnding | None, tuple[int, ...]]:
        """One step of any kind; the ending if the program ended in it, and the registers.

        Args:
            values: The registers before it.
            known: Whether the machine code knows the instruction, and has left it to us.
        """
        library = self._run.library
        if library is not None and library.within(values[_RIP]) and not self.own_trap:
            return self._call(values)
        recorder = self._recorder
        decoded = recorder.decode(values[_RIP])
        if not known and not self.own_trap and values[_CS] == USER_CS and recorder.fast(values):
            return None, values  # it has just become known
        touched = recorder.before(decoded, values) if self._run.call.trace else []
        self._guest.noted = []
        try:
            ending = self._one_step(decoded, values)
            written = self._guest.noted
        finally:
            self._guest.noted = None
        if ending is not None:
            return ending, values
        values = self._values()
        self.flags_loaded |= decoded.flags_taken_at is not None
        if decoded.pushes_flags and not self.own_trap:
            _hide_trap_flag(self._guest, values[_RSP])
        recorder.after(decoded, touched, values, written)
        return None, values

    def _one_step(self, decoded: Decoded, values: tuple[int, ...]) -> RunEnding | None:
        """Carry out one instruction, whatever stops that takes; the ending if the program ended in it."""
        own_trap = self.own_trap
        if decoded.flags_taken_at is not None:
            # From here on the kernel can no longer tell the program's trap flag from the tracer's, so this does.
            taken = self._guest.read(values[_RSP] + decoded.flags_taken_at + 1, 1)
            self.own_trap = bool(taken and taken[0] & 1)
        if decoded.repeats and values[_RCX] > 1 and not own_trap:
            return self._repeat(decoded, values)
        if decoded.loads_stack_segment and not own_trap and _keeps_stack_segment(self._guest, decoded, values):
            # After such a load no stop is made: the next instruction would be carried out in the same step.
            registers = dict(zip(linux_process.USER_REGISTERS, values, strict=True))
            self._child.set_registers({**registers, "rip": values[_RIP] + len(decoded.place.code)})
            return None
        if values[_RIP] in self._guest.replaced and decoded.answered and not own_trap:
            self._run.raw = dict(zip(linux_process.USER_REGISTERS, values, strict=True))
            return self._run.answer_instruction()
        self._child.resume(linux_process.PTRACE_SINGLESTEP)
        return self._after_step(self._run.wait(), expected=not decoded.traps and not own_trap)

    def _repeat(self, decoded: Decoded, values: tuple[int, ...]) -> RunEnding | None:
        """All rounds of a `rep` as one step; the ending if the program ended in it, or they took all its time."""
        after = decoded.place.address + len(decoded.place.code)
        clock = alarm(self._child, self._limits) if values[_RCX] >= _LONG_REP else contextlib.nullcontext()
        with clock, _breakpoint_at(self._guest, after) as at_once:
            if at_once:
                self._stop_stepping()
                self._child.resume(linux_process.PTRACE_CONT)
                status = self._run.wait()
                if status == TRAPPED and self._child.instruction_pointer() == after + 1:  # an `int3` stopped it
                    self._child.set_registers({**self._child.registers(), "rip": after})
                ending = self._after_step(status, expected=True)
                if ending is None:
                    self._rounds += values[_RCX] - self._child.register_values()[_RCX]
                return ending
        while True:
            self._child.resume(linux_process.PTRACE_SINGLESTEP)
            ending = self._after_step(self._run.wait(), expected=True)
            now = self._values()
            if ending is not None or now[_RIP] != values[_RIP]:
                return ending
            self._rounds += _ROUNDS_A_STEP // 10  # a stop at every round
            if self._out_of_time():
                self._run.raw = dict(zip(linux_process.USER_REGISTERS, now, strict=True))
                return self._run.limit_reached(self._limits.time_limit)

    # ---- the C library

    def _call(self, values: tuple[int, ...]) -> tuple[RunEnding | None, tuple[int, ...]]:
        """A function of the C library, as one step: at full speed until the program's own code goes on.

        That is where it returns, or where it calls back: the program's own code is not executable meanwhile.
        """
        recorder = self._recorder
        self._called += 1
        name = self._functions.get(values[_RIP], "")
        if name:
            back = int.from_bytes(self._guest.read(values[_RSP], 8), "little")
            self._calls.append((name, values[_RSP], back))
        elif self._calls:
            name = self._calls[-1][0]
        decoded = recorder.decode(values[_RIP], name or "the C library")
        # What lies below is the library's own, and differs from one C library to the next.
        stack = self._calls[-1][1] if self._calls else values[_RSP]
        watched = list(windows(self._run.plan, stack)) if self._run.call.trace else []
        before = [self._guest.read(start, size) for start, size in watched]
        self._stop_stepping()
        self._guest.forbid_own_code(self._run.call.program, {back for _, _, back in self._calls})
        with alarm(self._child, self._limits):
            ending = self._until_its_own_code()
        if ending is not None:
            return ending, values
        now = self._values()
        if now[_RIP] != address_map.RETURN:
            self._guest.allow_own_code()
        while self._calls and now[_RSP] > self._calls[-1][1]:
            self._calls.pop()
        written, invalidated = [], []
        if self._run.call.trace:
            for (start, size), old in zip(watched, before, strict=True):
                written += differences(start, old, self._guest.read(start, size))
            invalidated = list(unwatched(self._run.plan, stack, watched))
        recorder.after(decoded, [], now, written, invalidated)
        return None, now

    def _until_its_own_code(self) -> RunEnding | None:
        """Let it run until it comes to code of its own; the ending if the program ended before."""
        while True:
            self._child.resume(linux_process.PTRACE_CONT)
            status = self._run.wait()
            if self._guest.came_to_its_own_code(status):
                return None
            if os.WSTOPSIG(status) == signal.SIGSEGV and self._child.instruction_pointer() == address_map.RETURN:
                return None
            ending = self._after_step(status, expected=False)
            if ending is not None:
                return ending

    def _stop_stepping(self) -> None:
        """Take the tracer's trap flag away, before the program runs at full speed.

        The kernel does so itself, but not for a program that has loaded its flags: there it takes it for the program's.
        """
        if self.flags_loaded and not self.own_trap:
            self._child.set_registers(dict(zip(linux_process.USER_REGISTERS, self._values(), strict=True)))
            self.flags_loaded = False

    def _after_step(self, status: int, expected: bool) -> RunEnding | None:
        """What the stop after a step means: that it is done (None), or that the program ended."""
        if status == TRAPPED and expected:
            return None
        self._run.raw = dict(zip(linux_process.USER_REGISTERS, self._values(), strict=True))
        if status >> 8 == SECCOMP_STOP:
            if not self.own_trap:
                self._run.raw["r11"] &= ~TRAP_FLAG  # where `syscall` saves the flags, the tracer's among them
                self._child.set_registers(self._run.raw)
            return self._run.system_call(to_exit=True)
        return self._run.signalled(os.WSTOPSIG(status))

    def _values(self) -> tuple[int, ...]:
        """The registers, without the trap flag that single-stepping sets."""
        return self._without_trap_flag(self._child.register_values())

    def _without_trap_flag(self, values: tuple[int, ...]) -> tuple[int, ...]:
        flags = values[_FLAGS]
        if not flags & TRAP_FLAG or self.own_trap:
            return values
        return (*values[:_FLAGS], flags & ~TRAP_FLAG, *values[_FLAGS + 1 :])


def _contents(run: SteppedRun) -> tuple[tuple[int, int, bytes], ...]:
    """What memory holds before the first step: start, size, and its first bytes; what is not here is not known."""
    rows: list[tuple[int, int, bytes]] = []
    text = run.call.program.text
    rows.append((text.address, len(text.data), text.data))
    for mapping in run.plan.mappings:
        start, end = mapping.address, mapping.address + mapping.size
        if mapping.protection == "r-x" or address_map.LIBRARIES <= start < address_map.LIBRARIES_END:
            continue
        given = [(address, data) for address, data in run.plan.contents if start <= address < end]
        if sum(len(data) for _, data in given) <= _KEPT:
            rows.append((start, mapping.size, b""))
            rows += [(address, len(data), data) for address, data in given]
    stack = run.raw["rsp"]
    top = (
        run.guest.read(stack, address_map.STACK_END - stack)
        if address_map.STACK_LOWEST <= stack < address_map.STACK_END
        else b""
    )
    return (*rows, (stack, len(top), top))


def _hide_trap_flag(guest: Guest, rsp: int) -> None:
    """Take the tracer's trap flag out of the flags that `pushfq` has just pushed."""
    byte = guest.read(rsp + 1, 1)
    if byte and byte[0] & 1:
        guest.poke(rsp + 1, bytes([byte[0] & ~1]))


def _keeps_stack_segment(guest: Guest, decoded: Decoded, values: tuple[int, ...]) -> bool:
    """Whether a `mov ss, ...` would load what is there already, in 64-bit mode: the only load that does not fault."""
    registers = dict(zip(linux_process.USER_REGISTERS, values, strict=True))
    if registers["cs"] != USER_CS:
        return False
    if decoded.accesses:
        address = effective_address(decoded.accesses[0], registers)
        selector = guest.read(address, 2)
    else:
        name = decoded.place.text.removeprefix("mov ss, ")
        selector = (registers[PARTS[name][0] if name in PARTS else name] & 0xFFFF).to_bytes(2, "little")
    return len(selector) == 2 and int.from_bytes(selector, "little") == registers["ss"]


@contextlib.contextmanager
def _breakpoint_at(guest: Guest, address: int) -> Iterator[bool]:
    """A breakpoint behind a `rep`, so that its rounds are one step; False where nothing is that could hold one.

    Where the host has no debug registers, it is an `int3` in the process's own copy of the code.
    """
    child = guest.child
    try:
        child.set_breakpoint(address)
    except OSError:
        byte = guest.read(address, 1)
        instead = guest.replaced[address].instead[:1] if address in guest.replaced else byte
        if not byte:
            yield False
            return
        guest.poke(address, address_map.BREAKPOINT)
        yield True
        if not child.ended:
            guest.poke(address, instead)
        return
    yield True
    if not child.ended:
        child.set_breakpoint(None)
