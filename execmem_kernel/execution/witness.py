"""The engine for hosts that refuse ptrace: the program's process reports what happened to it, and outcomes say so.

The same runner, the same addresses, the same limits; but a signal handler on a stack of its own writes the registers
into a page that is shared with us, and everything the program can write lies in one memory file that outlives its
process. The program could write such a report itself: hence `witness="guest"`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from execmem_kernel import linux
from execmem_kernel.assembly.disassembler import cpu_features
from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution import faults, image, layout, stop_button, supervisor, syscalls, vectors
from execmem_kernel.execution.engine import GENERAL, Call, Exited, Faulted, Outcome, Returned, SystemCall, TimedOut
from execmem_kernel.execution.tracing import Trace

WORLD_DESCRIPTOR = 4
"""The descriptor under which the runner finds the memory file."""
_REPORTED = (
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip",
    "rflags",
)  # fmt: skip
"""The order of struct sigcontext (asm/sigcontext.h)."""
_LOADED = (
    "rax",
    "rbx",
    "rcx",
    "rdx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    *[f"r{n}" for n in range(8, 16)],
    "rflags",
    "rip",
    "rsp",
)
_STATE_AT, _STATE_SIZE, _HAS_STATE_AT, _LOADED_AT = 0x400, 0x2C00, 0x3F8, 0x200
_GRACE_S = 0.5
"""How long after its time a program that has not reported is killed."""


class GuestWitness:
    """An engine that needs no ptrace: no steps, no emulated system calls but `write` and `exit`."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            ValueError: A register or a buffer cannot be what was asked for.
            EngineUnavailableError: What is asked for cannot be done without ptrace, or the host refuses more than that.
            WorkerLostError: The runner itself broke.
        """
        if call.trace or call.limits.steps is not None:
            raise EngineUnavailableError("this host refuses ptrace, and steps cannot be recorded or counted without it")
        if call.program.externs:
            raise EngineUnavailableError("this host refuses ptrace, and the C library cannot be linked without it")
        plan = layout.plan(call)
        world = _World(plan, call)
        with world:
            return _Testimony(call, plan, world).outcome()


class _World(supervisor.Guest):
    """A program's memory as one file, which can be read when its process is gone."""

    def __init__(self, plan: layout.Layout, call: Call) -> None:
        super().__init__()
        held = self._descriptors
        self.file = _high(held, held.open(os.memfd_create, "world", os.MFD_CLOEXEC))
        self.rows: list[tuple[int, int, int, int, int, int]] = []
        self._pieces: list[tuple[int, int, int, int]] = []
        shared = layout.MAP_SHARED | layout.MAP_FIXED_NOREPLACE
        at = 0
        extra = (
            layout.Mapping_(layout.CONTROL, layout.CONTROL_SIZE, "rw-"),
            layout.Mapping_(layout.ALTERNATE_STACK, layout.ALTERNATE_STACK_SIZE, "rw-"),
        )
        for mapping in (*plan.mappings, *extra):
            if mapping.offset is not None and call.backing is not None:
                self.rows.append(mapping.row)
                self._pieces.append((mapping.address, mapping.size, call.backing[0], mapping.offset))
            else:
                protection = layout.PROTECTIONS[mapping.protection]
                self.rows.append((mapping.address, mapping.size, protection, shared, WORLD_DESCRIPTOR, at))
                self._pieces.append((mapping.address, mapping.size, self.file, at))
                at += mapping.size
        os.ftruncate(self.file, at)
        for address, data in plan.contents:
            self.poke(address, data)

    def _at(self, address: int) -> tuple[int, int, int] | None:
        """The file, the offset in it, and how many bytes follow, for an address."""
        for start, size, descriptor, offset in self._pieces:
            if start <= address < start + size:
                return descriptor, offset + address - start, start + size - address
        return None

    def poke(self, address: int, data: bytes) -> None:
        """Write into the file what the process will find."""
        place = self._at(address)
        if place is None or os.pwrite(place[0], data, place[1]) != len(data):
            raise WorkerLostError("the program's memory could not be written")

    def read(self, address: int, size: int) -> bytes:
        """The bytes there; fewer where memory ends."""
        found = b""
        while len(found) < size and (place := self._at(address + len(found))):
            piece = os.pread(place[0], min(size - len(found), place[2]), place[1])
            if not piece:
                break
            found += piece
        return found

    def launch(self, call: Call) -> tuple[int, int]:
        """Start the process; the ends from which its stdout and stderr are read."""
        contents = image.build(tuple(self.rows), call.limits, True, False)
        held, theirs = self._descriptors, linux.Descriptors()
        try:
            pipes = []
            descriptors = {self.file: WORLD_DESCRIPTOR}
            for number in (1, 2):
                ours, other = os.pipe2(os.O_CLOEXEC)
                pipes.append(held.open(int, ours))
                descriptors[_high(theirs, theirs.open(int, other))] = number
            if call.backing is not None:
                descriptors[_high(theirs, call.backing[0])] = layout.CODE_DESCRIPTOR
            self._spawn(contents, descriptors)
        finally:
            theirs.close()
        return pipes[0], pipes[1]


def _high(held: linux.Descriptors, descriptor: int) -> int:
    """A copy of a descriptor far above those that the runner's process gets."""
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 64)
    return held.open(int, copy)


class _Testimony(supervisor.Run):
    """One run, as its own process tells it."""

    guest: _World

    def __init__(self, call: Call, plan: layout.Layout, world: _World) -> None:
        super().__init__(call, plan, world, None)

    def to_the_end(self) -> tuple[type[Outcome], dict[str, Any]]:
        """Put its registers into the page it starts from, start it, and read its report when it is gone."""
        self._prepare()
        stdout, stderr = self.guest.launch(self.call)
        limit = self._collect({stdout: self.desk.stdout, stderr: self.desk.stderr})
        status = self.guest.child.wait() if limit is None else 0
        kind, details = self._told(status) if limit is None else self.limit_reached(limit)
        return kind, {**details, "witness": "guest"}

    def _prepare(self) -> None:
        raw = dict(supervisor.FRESH) | self._poison()
        raw["rip"] = self.call.program.entry if self.call.entry is None else self.call.entry
        wide = {}
        for name, value in self.call.registers.items():
            if name in GENERAL or name == "rflags":
                raw[name] = self._value(name, value)
            else:
                wide[name] = self._value(name, value)
        self.raw = raw
        area = bytearray(_STATE_SIZE)
        struct.pack_into("<H", area, vectors.CONTROL_WORD, 0x37F)
        struct.pack_into("<I", area, vectors.MXCSR, 0x1F80)
        features = cpu_features()
        has = 3 | (4 if "avx" in features else 0) | (0xE0 if "avx512f" in features else 0)
        struct.pack_into("<Q", area, vectors.PRESENT_AT, has)
        self.extended = bytes(area)
        if wide:
            self.extended = vectors.write(self.extended, wide)
            loaded = bytearray(self.extended)
            loaded[464:512] = bytes(48)  # what only ptrace keeps there
            self.guest.poke(layout.CONTROL + _STATE_AT, bytes(loaded))
            self.guest.poke(layout.CONTROL + _HAS_STATE_AT, struct.pack("<Q", 1))
        self.before = self._registers()
        values = struct.pack(f"<{len(_LOADED)}Q", *[raw[name] for name in _LOADED])
        self.guest.poke(layout.CONTROL + _LOADED_AT, values)

    def _collect(self, streams: dict[int, bytearray]) -> str | None:
        """Read its output until it has ended; the limit that it went over, if it did."""
        limits = self.call.limits
        deadline = time.monotonic() + limits.wall_s + _GRACE_S
        with _ending(self.guest.child.pid) as ended:
            waiting = {ended, *streams}
            while waiting:
                left = max(0.0, deadline - time.monotonic())
                ready, _, _ = stop_button.waiting(partial(select.select, list(waiting), [], [], left))
                if not ready:
                    return "wall"
                for descriptor in ready:
                    if descriptor == ended:
                        waiting.discard(ended)
                        continue
                    room = limits.output_size - sum(map(len, streams.values()))
                    data = os.read(descriptor, 65536)
                    streams[descriptor] += data[:room]
                    if len(data) > room:
                        return "output"
                    if not data:
                        waiting.discard(descriptor)
        return None

    def _told(self, status: int) -> tuple[type[Outcome], dict[str, Any]]:
        report = self.guest.read(layout.CONTROL, layout.CONTROL_SIZE)
        complete, number, code, address, call = struct.unpack_from("<QQqQQ", report)
        if not complete:
            return self._untold(status)
        values = struct.unpack_from("<19Q", report, 0x40)
        self.raw.update(zip(_REPORTED, values, strict=False))
        self.raw["cs"] = values[18] & 0xFFFF
        state = bytearray(report[_STATE_AT : _STATE_AT + _STATE_SIZE])
        state[464:472] = state[472:480]  # a signal frame keeps the components eight bytes further on
        if any(state):
            self.extended = bytes(state)
        name = signal.Signals(number)
        if name == signal.SIGSEGV and self.raw["rip"] == layout.RETURN:
            return Returned, {}
        if name in supervisor.CLOCKS:
            return self.limit_reached(supervisor.CLOCKS[name])
        if name == signal.SIGSYS:
            if address >= layout.USER_END:  # the kernel has returned from its own page already
                self.raw.update(rip=address, rsp=self.raw["rsp"] - 8)
            return self._refused(call & 0xFFFFFFFF, call >> 32)
        return Faulted, {"stopped_by": (number, code, address)}

    def _untold(self, status: int) -> tuple[type[Outcome], dict[str, Any]]:
        """It ended without a report: by `exit`, or because not even the handler could run."""
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            return Exited, {"status": code, "cause": faults.exited("exit", code)}
        number = os.WTERMSIG(status)
        if number in (signal.SIGKILL, signal.SIGXCPU):
            return TimedOut, {"limit": "cpu", "cause": faults.limit_reached("cpu", self.call.limits)}
        return Faulted, {"stopped_by": (number, faults.BY_KERNEL, 0)}

    def _refused(self, number: int, architecture: int) -> tuple[type[Outcome], dict[str, Any]]:
        raw, program = self.raw, self.call.program
        raw["orig_rax"] = number
        way = image.OTHER_ARCHITECTURE if architecture != image.ARCHITECTURE else image.X32 if number >> 30 & 1 else 0
        if way or raw["rip"] >= layout.USER_END:
            return Faulted, {"signal": "SIGSYS", **faults.other_interface(way, program, raw, self.guest.read)}
        row = program.row_at(raw["rip"] - 2)
        arguments = tuple(raw[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
        text = syscalls.decode(self.guest, number, arguments, self._describe)
        name = syscalls.name_of(number)
        reason, look_at = "it cannot be answered on this host, which refuses ptrace", "only write and exit can be"
        if name not in syscalls.OFFERED:
            verdict = self.desk.answer(self.guest, number, arguments)
            assert isinstance(verdict, syscalls.Refused)
            reason = verdict.reason
        self.log.append(SystemCall(number, name, text, None if row is None else row.span.line, False))
        return Faulted, {"signal": "SIGSYS", "row": row, "cause": faults.refused(text, reason, look_at, raw)}

    def _history(self) -> Trace | None:
        """Nobody has seen the steps."""
        return None

    def _explained(self, number: int, code: int, address: int) -> dict[str, Any]:
        return {**super()._explained(number, code, address), "witness": "guest"}


@contextlib.contextmanager
def _ending(pid: int) -> Iterator[int]:
    """A descriptor that can be read when the process has ended."""
    held = linux.Descriptors()
    try:
        yield held.open(os.pidfd_open, pid)
    finally:
        held.close()
