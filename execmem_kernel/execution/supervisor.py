"""Runs a program in a fresh, tiny process and watches it from outside.

The program shares nothing with the notebook but the read-only pages of its own code. It reports nothing: registers and
memory are read from outside with ptrace when it stops, so it can neither fake a result nor break the reporting.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from execmem_kernel import linux
from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution import faults, image, layout, syscalls, vectors
from execmem_kernel.execution.engine import (
    GENERAL,
    Call,
    Cause,
    Exited,
    Faulted,
    Outcome,
    Registers,
    Returned,
    SystemCall,
    TimedOut,
)  # fmt: skip

MASK = 2**64 - 1
_SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
_CLOCKS = {signal.SIGALRM: "wall", signal.SIGPROF: "cpu", signal.SIGXCPU: "cpu"}
_BLOCKED = frozenset(range(1, 65)) - {int(number) for number in _SYNCHRONOUS | set(_CLOCKS)} - {9, 19, 32, 33}
"""Signals from elsewhere (a stop button, a closing terminal) are for the notebook: a program does not see them."""
_SECCOMP_STOP = signal.SIGTRAP | linux.PTRACE_EVENT_SECCOMP << 8


def maps_of(pid: int) -> list[tuple[int, int, str]]:
    """What is mapped in a process: start, end, protection; in address order."""
    rows = []
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as listing:
        for line in listing:
            extent, protection, _ = line.split(" ", 2)
            start, end = extent.split("-")
            rows.append((int(start, 16), int(end, 16), protection))
    return rows


class Guest:
    """A program's process, stopped before its first instruction; one thread's own, because ptrace is."""

    def __init__(self) -> None:
        self.child = linux.Child()
        self._memory = -1

    def start(self, plan: layout.Layout, call: Call) -> None:
        """Start the process and wait until the runner has built the program's world.

        Raises:
            EngineUnavailableError: This host refuses what the runner needs.
            WorkerLostError: The runner ended before it was ready, for no reason that we know.
        """
        rows = tuple(mapping.row for mapping in plan.mappings)
        contents = image.build(rows, call.limits, os.getpid())
        descriptors = {} if call.backing is None else {call.backing[0]: layout.CODE_DESCRIPTOR}
        with image.executable(contents) as path:
            self.child.spawn(path, descriptors, _BLOCKED)
        status = self.child.wait()
        if not os.WIFSTOPPED(status):
            step = image.STEPS.get(os.WEXITSTATUS(status)) if os.WIFEXITED(status) else None
            if step is None:
                raise WorkerLostError(f"the runner ended before the program began (wait status {status:#x})")
            raise EngineUnavailableError(f"this host does not let a program be run apart from the notebook: {step}")
        self.child.set_options(linux.PTRACE_O_EXITKILL | linux.PTRACE_O_TRACESECCOMP | linux.PTRACE_O_TRACESYSGOOD)
        for address, data in plan.contents:
            self.poke(address, data)

    def end(self) -> None:
        """Kill the process, wait for it, and close what reads its memory; harmless twice."""
        memory, self._memory = self._memory, -1
        if memory >= 0:
            os.close(memory)
        self.child.end()

    def _open(self) -> int:
        if self._memory < 0:
            self._memory = os.open(f"/proc/{self.child.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
        return self._memory

    def poke(self, address: int, data: bytes) -> None:
        """Write anywhere that is mapped privately, read-only memory too: how read-only data gets its contents."""
        if os.pwrite(self._open(), data, address) != len(data):
            raise WorkerLostError("the program's memory could not be written")

    def write(self, address: int, data: bytes) -> bool:
        """Write where the program could write itself; False, and nothing written, where it could not."""
        if not self._may_write(address, len(data)):
            return False
        self.poke(address, data)
        return True

    def _may_write(self, address: int, size: int) -> bool:
        end = address + size
        for low, high, protection in maps_of(self.child.pid):
            if low <= address < high and "w" in protection:
                address = high
                if address >= end:
                    return True
        return size == 0

    def read(self, address: int, size: int) -> bytes:
        """The bytes there; fewer where memory ends."""
        found = b""
        while len(found) < size and address + len(found) < layout.USER_END:
            try:
                piece = os.pread(self._open(), size - len(found), address + len(found))
            except OSError:
                break
            if not piece:
                break
            found += piece
        return found


class Supervisor:
    """The engine behind `run`: every call gets a process of its own."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            ValueError: A register or a buffer cannot be what was asked for.
            EngineUnavailableError: This host refuses what the runner needs.
            WorkerLostError: The runner itself broke.
        """
        plan = layout.plan(call)
        guest = Guest()
        with _one_cpu(), _ended(guest):
            return _Run(call, plan, guest).outcome()


@contextlib.contextmanager
def _one_cpu() -> Iterator[None]:
    """Keep this thread, and the process it starts, on the processor it is on.

    Every stop hands the processor over; to an idle other one, that costs ten times as much.
    """
    allowed: set[int] = set()
    try:
        with contextlib.suppress(OSError):
            allowed = os.sched_getaffinity(0)
            cpu = linux.current_cpu()
            if cpu is not None and len(allowed) > 1:
                os.sched_setaffinity(0, {cpu})
        yield
    finally:
        if len(allowed) > 1:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def _ended(guest: Guest) -> Iterator[None]:
    """End the process whatever happens: a stop button pressed during the clean-up comes after the clean-up."""
    try:
        yield
    finally:
        try:
            guest.end()
        except BaseException:
            guest.end()
            raise


class _Run:
    """One run, from the first register set to the outcome."""

    def __init__(self, call: Call, plan: layout.Layout, guest: Guest) -> None:
        self.call = call
        self.plan = plan
        self.guest = guest
        self.desk = syscalls.Desk(call.limits, call.stdin)
        self.log: list[SystemCall] = []

    def outcome(self) -> Outcome:
        self.guest.start(self.plan, self.call)
        child = self.guest.child
        raw = child.registers()
        raw.update(dict.fromkeys(GENERAL, 0), rsp=layout.STACK_AT_ENTRY, rflags=0x202, fs_base=0, gs_base=0)
        raw["rip"] = self.call.program.entry if self.call.entry is None else self.call.entry
        raw["orig_rax"] = MASK  # no system call is under way, so the kernel restarts none
        wide = {}
        for name, value in self.call.registers.items():
            number = self._value(name, value)
            if name in raw and (name in GENERAL or name == "rflags"):
                raw[name] = number
            else:
                wide[name] = number
        child.set_registers(raw)
        if wide:
            child.set_extended_state(vectors.write(child.extended_state(), wide))
        before = self._registers(raw)
        while True:
            child.resume(linux.PTRACE_CONT)
            status = child.wait()
            if not os.WIFSTOPPED(status):
                raise WorkerLostError(f"the program's process was ended from elsewhere (wait status {status:#x})")
            raw = child.registers()
            ending = self._system_call(raw) if status >> 8 == _SECCOMP_STOP else self._signal(os.WSTOPSIG(status), raw)
            if ending is not None:
                break
        kind, details = ending
        return kind(
            program=self.call.program,
            before=before,
            registers=self._registers(raw),
            stdout=bytes(self.desk.stdout),
            stderr=bytes(self.desk.stderr),
            buffers=MappingProxyType(
                {name: self.guest.read(place.start, place.size) for name, place in self.plan.buffers.items()}
            ),
            system_calls=tuple(self.log),
            places=self.plan.places,
            **details,
        )

    def _value(self, name: str, value: int | str) -> int:
        if isinstance(value, str):
            if value not in self.plan.buffers:
                raise ValueError(f"register {name} is given {value!r}, and there is no buffer of that name")
            return self.plan.buffers[value].start
        bits = {"x": 128, "y": 256, "z": 512}[name[0]] if name[1:3] == "mm" else 64
        if not -(1 << bits - 1) <= value < 1 << bits:
            raise ValueError(f"register {name} has {bits} bits and cannot hold {value}")
        return value & ((1 << bits) - 1)

    def _registers(self, raw: Mapping[str, int]) -> Registers:
        values = {name: raw[name] for name in (*GENERAL, "rip", "rflags")}
        return Registers(MappingProxyType(values), MappingProxyType(vectors.read(self.guest.child.extended_state())))

    def _signal(self, number: int, raw: dict[str, int]) -> tuple[type[Outcome], dict[str, Any]] | None:
        program = self.call.program
        if number == signal.SIGSEGV and raw["rip"] == layout.RETURN:
            return Returned, {}
        if number in _CLOCKS:
            limit = _CLOCKS[signal.Signals(number)]
            cause = faults.limit_reached(limit, self.call.limits)
            return TimedOut, {"limit": limit, "row": program.row_at(raw["rip"]), "cause": cause}
        if number not in _SYNCHRONOUS:
            return None
        number, code, address = self.guest.child.signal_information()
        name = signal.Signals(number).name
        stop = faults.Stop(
            signal=name, code=code, address=address, registers=raw, program=program, places=self.plan.places,
            read=self.guest.read,
        )  # fmt: skip
        cause, row, accessed = faults.explain(stop)
        return Faulted, {"signal": name, "signal_code": code, "accessed": accessed, "row": row, "cause": cause}

    def _system_call(self, raw: dict[str, int]) -> tuple[type[Outcome], dict[str, Any]] | None:
        program = self.call.program
        number = raw["orig_rax"]
        row = program.row_at(raw["rip"] - 2)
        arguments = tuple(raw[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
        name = syscalls.NAMES.get(number, f"system call {number}")
        verdict = self.desk.answer(self.guest, number, arguments)
        line = None if row is None else row.span.line
        allowed = not isinstance(verdict, syscalls.Refused)
        self.log.append(SystemCall(number, name, name, line, allowed))
        if isinstance(verdict, syscalls.Answered):
            raw.update(rax=verdict.result & MASK, orig_rax=MASK)
            self.guest.child.set_registers(raw)
            return None
        if isinstance(verdict, syscalls.Ended):
            cause = Cause("exit", f"the program asked to exit with status {verdict.status} instead of returning")
            return Exited, {"status": verdict.status, "row": row, "cause": cause}
        if isinstance(verdict, syscalls.Exhausted):
            cause = faults.limit_reached(verdict.limit, self.call.limits)
            return TimedOut, {"limit": verdict.limit, "row": row, "cause": cause}
        cause = Cause("forbidden-system-call", f"asked for the system call {name}: {verdict.reason}")
        return Faulted, {"signal": "SIGSYS", "row": row, "cause": cause}
