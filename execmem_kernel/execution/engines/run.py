"""One run of a program, from its first registers to its outcome; the same for every engine that has a `Guest`."""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import os
import random
import re
import signal
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.details import SystemCall, Warned
from execmem_kernel.execution.contract.outcome import Exited, Faulted, Outcome, Returned, TimedOut
from execmem_kernel.execution.contract.pointers import describe_place
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis import abi, endings, faults
from execmem_kernel.execution.diagnosis.call_alignment import check_calls
from execmem_kernel.execution.diagnosis.final_state import FinalState
from execmem_kernel.execution.diagnosis.stop import Mapped, Stop
from execmem_kernel.execution.libc import system_calls
from execmem_kernel.execution.libc.library import Library, library_for
from execmem_kernel.execution.process import address_space, clocks, interrupts, stops
from execmem_kernel.execution.process.affinity import OneProcessor
from execmem_kernel.execution.process.guest import FRESH, MASK, Guest
from execmem_kernel.execution.process.stops import CLOCKS, SYNCHRONOUS, lost
from execmem_kernel.execution.syscalls import formatting, handlers, numbers, verdicts
from execmem_kernel.execution.trace import stepping
from execmem_kernel.execution.values import xsave
from execmem_kernel.linux import process as linux_process
from execmem_kernel.x86.registers import GENERAL, PARTS, RESUME_FLAG

_STATUS_FLAGS = 0x8D5
"""CF, PF, AF, ZF, SF and OF."""


_SETTABLE = frozenset((*GENERAL, "rflags"))


_SHOWN = (*GENERAL, "rip", "rflags")


_shown = operator.itemgetter(*_SHOWN)


_VECTOR, _MASK_REGISTER = re.compile(r"([xyz])mm\d{1,2}"), re.compile(r"k\d{1,2}")


_fresh_states: dict[type[linux_process.Child], bytes] = {}


def _initial_state(child: linux_process.Child) -> bytes:
    """The x87 and vector state of a process that has used neither: the same for all, so it is read once."""
    kind = type(child)
    if kind not in _fresh_states:
        _fresh_states[kind] = child.extended_state()
    return _fresh_states[kind]


def replay(call: Call, steps: int, new_guest: Callable[[], Guest]) -> tuple[Trace | None, int]:
    """The first steps of a call, run again and recorded, and where they end: how did it come to this?"""
    call = dataclasses.replace(
        call, trace=True, limits=dataclasses.replace(call.limits, trace_steps=steps, steps=steps)
    )
    guest = new_guest()
    with library_for(call.program) as library, guest:
        run = Run(call, address_space.plan(call, library), guest, library)
        kind, _ = run.to_the_end()
        return (None, 0) if kind is TimedOut else (run.trace, run.raw["rip"])


Ending = tuple[type[Outcome], dict[str, Any]]
"""What a run has come to: the kind of outcome, and what is said in it."""


_REPLAYED = 5_000
"""Steps of a replay: a tenth of a second; what a program does later stays unexplained."""


_LOGGED = 1_000
"""System calls that an outcome lists."""


class Run:
    """One run, from the first register set to the outcome."""

    def __init__(self, call: Call, plan: address_space.AddressSpace, guest: Guest, library: Library | None) -> None:
        self.call = call
        self.plan = plan
        self.guest = guest
        self.library = library
        self.desk: handlers.SystemCallHandler = (
            handlers.SystemCallHandler if library is None else system_calls.LibrarySystemCallHandler
        )(call.limits, call.stdin, call.seed)
        self.log: list[SystemCall] = []
        self.mapped: list[Mapped] = []
        """What mmap gave the program and munmap took back, the latest last."""
        self.trace: Trace | None = None
        self.before: Registers | None = None
        self.raw: dict[str, int] = {}
        self.extended: bytes = b""

    def outcome(self) -> Outcome:
        """Run it, and put everything there is to say about it into a value."""
        kind, details = self.to_the_end()
        if "stopped_by" in details:
            details = self._explained(*details["stopped_by"])
        assert self.before is not None
        registers = self._registers()
        buffers = {name: self.guest.read(place.start, place.size) for name, place in self.plan.buffers.items()}
        segments: dict[str, bytes] = {
            segment.name: self.guest.read(segment.address, segment.size)
            for segment in self.call.program.segments
            if segment.protection == "rw-"
        }
        if self.library is not None and kind is Returned:
            kind, details = self._flushed(self.library)
        outcome = kind(
            program=self.call.program,
            before=self.before,
            registers=registers,
            stdout=bytes(self.desk.stdout),
            stderr=bytes(self.desk.stderr),
            buffers=MappingProxyType(buffers),
            segments=MappingProxyType(segments),
            system_calls=tuple(self.log),
            trace=self.trace if self.call.trace else None,
            places=self.plan.places,
            witness=self.guest.witness,
            **details,
        )
        warnings = (*self.desk.warnings, *self._overrun())
        if kind in (Returned, Exited):
            found = FinalState(
                self.call, self.before, registers, self.raw, self.extended, self.trace, self._history, outcome.describe,
                None if self.library is None else self.library.misaligned_call(self.guest),
            )  # fmt: skip
            warnings += abi.check(found) if kind is Returned else check_calls(found)
        return dataclasses.replace(outcome, warnings=warnings) if warnings else outcome

    def to_the_end(self) -> Ending:
        """Start it, set its registers, and let it go until it ends."""
        stepped = self.call.trace or self.call.limits.steps is not None
        self.guest.start(self.plan, self.call, timed=not stepped)
        child = self.guest.child
        raw = self._first_registers()
        if self.library is not None:
            self.library.load(self.guest)
            raw["fs_base"] = self.library.thread_pointer
        wide = self._poisoned_vectors()
        for name, value in self.call.registers.items():
            number = self._value(name, value)
            if name in GENERAL or name == "rflags":
                raw[name] = number
            else:
                wide[name] = number
        child.set_registers(raw)
        self.extended = _initial_state(child) if self.library is None else child.extended_state()
        if wide:
            self.extended = xsave.write(self.extended, wide)
            child.set_extended_state(self.extended)
        self.raw = raw
        self.before = self._registers()
        ending = None
        if stepped:
            walk = stepping.Stepper(self)
            ending = walk.to_the_end()
            self.trace = walk.trace
        if ending is None:
            with clocks.alarm(child, self.call.limits) if stepped else contextlib.nullcontext():
                ending = self._free()
        if not child.ended:
            self.extended = child.extended_state()
        return ending

    def left_in(self, buffer: str) -> bytes | None:
        """Run it, and return what it leaves in a buffer; None if it made system calls."""
        place = self.plan.buffers[buffer]
        with OneProcessor(), self.guest:
            self.to_the_end()
            return None if self.log else self.guest.read(place.start, place.size)

    def _flushed(self, library: Library) -> Ending:
        """Write what the C library still holds back; the program has returned, its registers have been read."""
        # A run at full speed has clocks of its own, and they go on.
        stepped = self.call.trace or self.call.limits.steps is not None
        with clocks.alarm(self.guest.child, self.call.limits) if stepped else contextlib.nullcontext():
            exhausted = library.flush(self.guest, self.desk, self.raw)
        return (Returned, {}) if exhausted is None else self.limit_reached(exhausted.limit)

    def _free(self) -> Ending:
        """At full speed, from stop to stop."""
        child = self.guest.child
        while True:
            child.resume(linux_process.PTRACE_CONT)
            status = self.wait()
            self.raw = child.registers()
            ending = self.system_call() if status >> 8 == stops.SECCOMP_STOP else self.signalled(os.WSTOPSIG(status))
            if ending is not None:
                return ending

    def wait(self) -> int:
        """Wait for its next stop, and return the wait status.

        Raises:
            WorkerLostError: It has ended where it could only stop.
        """
        return self.stopped(interrupts.waiting(self.guest.child.wait))

    def stopped(self, status: int) -> int:
        """The wait status of a process that has stopped.

        Raises:
            WorkerLostError: It has ended, where it could only stop.
        """
        if not os.WIFSTOPPED(status):
            raise lost(status)
        return status

    def _first_registers(self) -> dict[str, int]:
        """What the program starts with where the call does not say anything else."""
        raw = {**FRESH, **self._poison(), **self.plan.registers}
        raw["rip"] = self.call.program.entry if self.call.entry is None else self.call.entry
        return raw

    def _poison(self) -> dict[str, int]:
        """Numbers for the registers that nobody has set."""
        if self.call.poison is None:
            return {}
        chance = random.Random(self.call.poison)
        general = {name: chance.getrandbits(64) for name in GENERAL if name != "rsp"}
        return general | {"rflags": FRESH["rflags"] | chance.getrandbits(64) & _STATUS_FLAGS}

    def _poisoned_vectors(self) -> dict[str, int]:
        """The same for vector registers; only the lowest 128 bits, since nobody leaves the others in use."""
        if self.call.poison is None:
            return {}
        chance = random.Random(self.call.poison + 1)
        return {f"xmm{number}": chance.getrandbits(128) for number in range(16)}

    def _value(self, name: str, value: int | str) -> int:
        bits = 64
        if name in _SETTABLE:
            pass
        elif vector := _VECTOR.fullmatch(str(name)):
            bits = {"x": 128, "y": 256, "z": 512}[vector[1]]
        elif not _MASK_REGISTER.fullmatch(str(name)):
            whole = PARTS.get(name, (None,))[0]
            hint = f"; set the whole of it, {whole}" if whole else ""
            if str(name) != (lower := str(name).lower()):
                hint = f"; names of registers are written small: {lower}"
            raise ValueError(f"{name!r} is not a register that can be set{hint}")
        if isinstance(value, str):
            if value not in self.plan.buffers:
                raise ValueError(f"register {name} is given {value!r}, and there is no buffer of that name")
            return self.plan.buffers[value].start
        try:
            number = operator.index(value)
        except TypeError:
            given = repr(value) if value is None or isinstance(value, (float, complex, bytes)) else type(value).__name__
            raise TypeError(f"register {name} takes a whole number or a buffer's name, not {given}") from None
        if not -(1 << bits - 1) <= number < 1 << bits:
            raise ValueError(f"register {name} has {bits} bits and cannot hold {number}")
        return number & ((1 << bits) - 1)

    def _registers(self) -> Registers:
        values = dict(zip(_SHOWN, _shown(self.raw), strict=True))
        values["rflags"] &= ~RESUME_FLAG
        return Registers(MappingProxyType(values), xsave.LazyVectors(self.extended))

    def _history(self) -> Trace | None:
        """The steps that led here, recorded already or run again; None where they do not lead here."""
        trace, end = self.trace, self.raw["rip"]
        if trace is None or not self.call.trace:
            trace, end = replay(self.call, _REPLAYED, type(self.guest))
        return trace if trace is not None and trace.ended and end == self.raw["rip"] else None

    def signalled(self, number: int) -> Ending | None:
        raw = self.raw
        if number == signal.SIGSEGV and raw["rip"] == address_map.RETURN:
            return Returned, {}
        if number in CLOCKS:
            return self.limit_reached(CLOCKS[signal.Signals(number)])
        if number not in SYNCHRONOUS:
            return None
        return Faulted, {"stopped_by": self.guest.child.signal_information()}

    def _explained(self, number: int, code: int, address: int) -> dict[str, Any]:
        """What a signal means, once every step that led to it is known."""
        name = signal.Signals(number).name
        blamed = None
        if self.library is not None and self.library.within(self.raw["rip"]):
            blamed = self.library.explain(self.guest, (name, code, address), self.raw, self._describe)
        elif self.library is not None and address == self.raw["rip"]:
            blamed = self.library.jumped_out(self.guest, self.raw, self._describe)
        if blamed is not None:
            return {
                "signal": name,
                "signal_code": code,
                "accessed": blamed.accessed,
                "row": blamed.row,
                "cause": blamed.cause,
            }
        stop = Stop(
            signal=name,
            code=code,
            address=address,
            registers=self.raw,
            call=self.call,
            plan=self.plan,
            read=self.guest.read,
            extended=self.extended,
            history=self._history,
            mapped=tuple(self.mapped),
        )
        found = faults.explain(stop)
        return {
            "signal": name,
            "signal_code": code,
            "accessed": found.accessed,
            "row": found.row,
            "cause": found.cause,
        }

    def limit_reached(self, limit: str) -> Ending:
        """The ending that a limit makes; for time, with the loop that the program was in."""
        rip = self.raw["rip"]
        if self.library is not None and self.library.within(rip):
            cause = endings.limit_reached(limit, self.call.limits)
            return TimedOut, {"limit": limit, "row": self.library.row(self.guest, self.raw), "cause": cause}
        if limit in ("wall", "cpu", "steps"):
            cause, row, steady = endings.endless(limit, self.call, self.raw)
            return TimedOut, {"limit": limit, "row": row, "cause": cause, "steady": steady}
        cause = endings.limit_reached(limit, self.call.limits)
        return TimedOut, {"limit": limit, "row": self.call.program.row_at(rip - 2), "cause": cause}

    def system_call(self, to_exit: bool = False) -> Ending | None:
        """Answer a system call; `to_exit` goes on to the stop at its end, which is where a step ends."""
        raw, child = self.raw, self.guest.child
        raw["rax"] = raw["orig_rax"]  # the kernel has put an error there already; the program had the number
        number = raw["rax"] & 0xFFFFFFFF  # the kernel takes 32 bits, and their sign
        if number >> 31:
            number |= MASK - 0xFFFFFFFF
        row = self.call.program.row_at(raw["rip"] - 2)
        if self.library is not None and self.library.within(raw["rip"]):
            row = self.library.row(self.guest, raw)
        line = None if row is None else row.span.line
        way = child.event_message() & 0xFFFF
        if way or raw["rip"] >= address_map.USER_END:
            return Faulted, {
                "signal": "SIGSYS",
                **endings.other_interface(way, self.call.program, raw, self.guest.read),
            }
        arguments = tuple(raw[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
        text = formatting.decode(self.guest, number, arguments, self._describe)
        verdict = self.desk.answer(self.guest, number, arguments)
        name = numbers.name_of(number)
        result: int | None = None
        if isinstance(verdict, verdicts.Carried):
            result = self.guest.carry_out(verdict, raw)
            if result < 0 and verdict.number == numbers.NUMBERS["mmap"]:
                verdict, result = verdicts.Exhausted("memory"), None
            elif name in ("mmap", "munmap") and result >= 0 and len(self.mapped) < _LOGGED:
                start = result if name == "mmap" else arguments[0]
                end = start + address_map.page_ceil(arguments[1])
                self.mapped.append(Mapped(start, end, line, name == "munmap"))
        elif isinstance(verdict, verdicts.Answered):
            result = verdict.result
            raw.update(rax=result & MASK, orig_rax=MASK)
            child.set_registers(raw)
            if to_exit:
                child.resume(linux_process.PTRACE_SYSCALL)
                self.wait()
        if len(self.log) < _LOGGED and not (self.library and self.library.keeps_to_itself(name, raw["rip"], verdict)):
            shown = "" if result is None else f" = {formatting.result_text(number, result, self._describe)}"
            self.log.append(SystemCall(number, name, text + shown, line, not isinstance(verdict, verdicts.Refused)))
        if isinstance(verdict, verdicts.Ended):
            cause = endings.exited(name, verdict.status, self.call.program)
            if self.library is not None and self.library.within(raw["rip"]):
                cause = self.library.exited(self.guest, raw, verdict.status)
            return Exited, {"status": verdict.status, "row": row, "cause": cause}
        if isinstance(verdict, verdicts.Exhausted):
            return self.limit_reached(verdict.limit)
        if isinstance(verdict, verdicts.Raised):
            return Faulted, {"signal": verdict.signal, "row": row, "cause": verdict.cause}
        if isinstance(verdict, verdicts.Refused):
            cause = endings.refused(text, verdict.reason, verdict.look_at, raw)
            return Faulted, {"signal": "SIGSYS", "row": row, "cause": cause}
        return None

    def _describe(self, value: int) -> str:
        """A pointer in the log of system calls."""
        return describe_place(value, self.plan.places) or f"{value:#x}"

    def _overrun(self) -> tuple[Warned, ...]:
        """Buffers that were written beside: what lies between a buffer and the end of its page has changed."""
        found = []
        for name, place in self.plan.buffers.items():
            if not (place.canary and place.writable):
                continue
            after = self.guest.read(place.end, place.page_end - place.end)
            before = self.guest.read(place.page_start, place.start - place.page_start)
            for data, where in ((after, "past its end"), (before[::-1], "before its start")):
                clean = data.replace(bytes([address_map.CANARY]), b"")
                if clean:
                    first = next(index for index, byte in enumerate(data) if byte != address_map.CANARY)
                    nth = "just" if first == 0 else f"{first} bytes"
                    found.append(
                        Warned(
                            "buffer-overrun",
                            f"wrote outside buffer {name} ({place.size} bytes), {nth} {where}",
                            hint="check the size that the loop or the copy counts to",
                        )
                    )
        return tuple(found)
