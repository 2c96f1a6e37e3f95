"""One run of a program, from its first registers to its outcome; the same for every engine that has a `Guest`."""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import os
import signal
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.call import TIME_LIMITS, Call, LimitName
from execmem_kernel.execution.contract.calling_convention import SYSTEM_CALL_ARGUMENTS
from execmem_kernel.execution.contract.details import SystemCall
from execmem_kernel.execution.contract.outcome import Exited, Faulted, Outcome, Returned, TimedOut
from execmem_kernel.execution.contract.pointers import describe_place
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.execution.contract.signal_codes import SI_KERNEL
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis import abi, endings, faults
from execmem_kernel.execution.diagnosis.call_alignment import check_calls
from execmem_kernel.execution.diagnosis.final_state import FinalState
from execmem_kernel.execution.diagnosis.stop import Mapped, Stop
from execmem_kernel.execution.engines.canaries import overruns
from execmem_kernel.execution.engines.initial_registers import initial_registers
from execmem_kernel.execution.libc import system_calls
from execmem_kernel.execution.libc.faults import with_origins
from execmem_kernel.execution.libc.library import Library, library_for
from execmem_kernel.execution.process import address_space, clocks, interrupts, stops
from execmem_kernel.execution.process.affinity import OneProcessor
from execmem_kernel.execution.process.guest import Guest
from execmem_kernel.execution.process.nondeterminism import Answers, counter_size
from execmem_kernel.execution.process.stops import CLOCKS, SYNCHRONOUS
from execmem_kernel.execution.syscalls import formatting, handlers, numbers, verdicts
from execmem_kernel.execution.trace.stepped_run import RunEnding
from execmem_kernel.execution.trace.stepping import SingleStepper
from execmem_kernel.execution.values import xsave
from execmem_kernel.linux import process as linux_process
from execmem_kernel.program.program import ListingRow
from execmem_kernel.x86.registers import GENERAL, MASK, RESUME_FLAG

_SHOWN = (*GENERAL, "rip", "rflags")
_shown = operator.itemgetter(*_SHOWN)
_REPLAYED = 5_000
"""Steps of a replay: a tenth of a second; what a program does later stays unexplained."""
_FIRST = 500
"""Steps that tell what the counter of an endless loop does."""
_OF_LOOPS = (*TIME_LIMITS, "system calls", "output")
"""Limits that an endless loop reaches."""
_LOGGED = 1_000
"""System calls that an outcome lists."""
_fresh_states: dict[type[linux_process.Child], bytes] = {}


def _initial_state(child: linux_process.Child) -> bytes:
    """The x87 and vector state of a process that has used neither: the same for all, so it is read once."""
    kind = type(child)
    if kind not in _fresh_states:
        _fresh_states[kind] = child.extended_state()
    return _fresh_states[kind]


def replay(call: Call, steps: int, new_guest: Callable[[], Guest], whole: bool = True) -> tuple[Trace | None, int]:
    """The first steps of a call, run again and recorded, and the address where they end.

    Args:
        call: What was run.
        steps: How many steps are recorded at most; a program that takes more has no trace.
        new_guest: Makes the process.
        whole: Whether only a trace counts that leads to the program's end.
    """
    call = dataclasses.replace(
        call, trace=True, limits=dataclasses.replace(call.limits, trace_steps=steps, steps=steps)
    )
    guest = new_guest()
    with library_for(call.program) as library, guest:
        run = Run(call, address_space.plan(call, library), guest, library)
        kind, _ = run.to_the_end()
        return (None, 0) if kind is TimedOut and whole else (run.trace, run.raw["rip"])


class Run:
    """One run, from the first registers to the outcome; `SteppedRun` says what stepping uses of it."""

    def __init__(self, call: Call, plan: address_space.AddressSpace, guest: Guest, library: Library | None) -> None:
        self.call = call
        self.plan = plan
        self.guest = guest
        self.library: Library | None = library
        self.handler: handlers.SystemCallHandler = (
            handlers.SystemCallHandler if library is None else system_calls.LibrarySystemCallHandler
        )(call.limits, call.stdin, call.seed)
        self._answers = Answers(call)
        self.log: list[SystemCall] = []
        self.mapped: list[Mapped] = []
        """What mmap gave the program and munmap took back, the latest last."""
        self.trace: Trace | None = None
        self.before: Registers | None = None
        self.raw: dict[str, int] = {}
        """The registers at the last stop, as ptrace reads them."""
        self.extended: bytes = b""

    def outcome(self) -> Outcome:
        """Run it, and put everything there is to say about it into a value."""
        kind, details = self.to_the_end()
        if "stopped_by" in details:
            details = self._explained(*details["stopped_by"])
        if kind is TimedOut and details["limit"] in _OF_LOOPS:
            cause = endings.with_steps(details["cause"], details.get("row"), self.call, self._first_steps)
            details = {**details, "cause": cause}
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
            stdout=bytes(self.handler.stdout),
            stderr=bytes(self.handler.stderr),
            buffers=MappingProxyType(buffers),
            segments=MappingProxyType(segments),
            system_calls=tuple(self.log),
            trace=self.trace if self.call.trace else None,
            places=self.plan.places,
            witness=self.guest.witness,
            **details,
        )
        warnings = (
            *self.handler.warnings,
            *overruns(self.plan.buffers, self.guest),
            *self._answers.warnings(),
            *self.plan.nondeterminism.warnings,
        )
        if kind in (Returned, Exited):
            found = FinalState(
                self.call, self.before, registers, self.raw, self.extended, self.trace, self._history, outcome.describe,
                None if self.library is None else self.library.misaligned_call(self.guest), self.plan.buffers,
            )  # fmt: skip
            warnings += abi.check(found) if kind is Returned else check_calls(found)
        return dataclasses.replace(outcome, warnings=warnings) if warnings else outcome

    def to_the_end(self) -> RunEnding:
        """Start it, set its registers, and let it go until it ends."""
        stepped = self.call.trace or self.call.limits.steps is not None
        self.guest.start(self.plan, self.call, timed=not stepped)
        child = self.guest.child
        if self.library is not None:
            self.library.stack_start = self.plan.places["stack"][0]
            self.library.load(self.guest)
        raw, wide = initial_registers(self.call, self.plan)
        if self.library is not None:
            raw["fs_base"] = self.library.thread_pointer
        child.set_registers(raw)
        self.extended = _initial_state(child) if self.library is None else child.extended_state()
        if wide:
            self.extended = xsave.write(self.extended, wide)
            child.set_extended_state(self.extended)
        self.raw = raw
        self.before = self._registers()
        ending = None
        if stepped:
            stepper = SingleStepper(self)
            ending = stepper.to_the_end()
            self.trace = stepper.trace
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

    def _flushed(self, library: Library) -> RunEnding:
        """Write what the C library still holds back; the program has returned, its registers have been read."""
        # A run at full speed has clocks of its own, and they go on.
        stepped = self.call.trace or self.call.limits.steps is not None
        with clocks.alarm(self.guest.child, self.call.limits) if stepped else contextlib.nullcontext():
            exhausted = library.flush(self.guest, self.handler, self.raw)
        return (Returned, {}) if exhausted is None else self.limit_reached(exhausted.limit)

    def _free(self) -> RunEnding:
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
        """Check that a wait status is that of a stop, and return it.

        Raises:
            WorkerLostError: It has ended, where it could only stop.
        """
        if not os.WIFSTOPPED(status):
            raise self.guest.lost(status)
        return status

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

    def _first_steps(self) -> Trace | None:
        """The first steps of a program that a limit ended, run again."""
        if self.trace is not None and self.call.trace:
            return self.trace
        return replay(self.call, _FIRST, type(self.guest), whole=False)[0]

    def signalled(self, number: int) -> RunEnding | None:
        """The ending that a signal makes; None where the program goes on."""
        if number == signal.SIGSEGV and self.raw["rip"] == address_map.RETURN:
            return Returned, {}
        if number in CLOCKS:
            return self.limit_reached(self.call.limits.time_limit)
        if number not in SYNCHRONOUS:
            return None
        if self._is_answered(number):
            return self.answer_instruction()
        return Faulted, {"stopped_by": self.guest.child.signal_information()}

    def _is_answered(self, number: int) -> bool:
        """Whether a signal comes of an instruction that is answered here; then rip is put back to it."""
        raw, child = self.raw, self.guest.child
        if number == signal.SIGTRAP and raw["rip"] - 1 in self.plan.nondeterminism.replaced:
            raw["rip"] -= 1
            return True
        # Where the time-stamp counter may not be read, the processor raises #GP.
        if number != signal.SIGSEGV or child.signal_information()[1] != SI_KERNEL:
            return False
        return counter_size(self.guest.read(raw["rip"], 15)) > 0

    def answer_instruction(self) -> RunEnding | None:
        """Do what the instruction at rip does, with the same result in every run; None where the program goes on."""
        self._answers.carry_out(self.guest.read(self.raw["rip"], 15), self.raw)
        if self._answers.exhausted:
            return self.limit_reached(self.call.limits.time_limit)
        self.guest.child.set_registers(self.raw)
        return None

    def _explained(self, number: int, code: int, address: int) -> dict[str, Any]:
        """What a signal means, once every step that led to it is known."""
        name = signal.Signals(number).name
        blamed = None
        if self.library is not None and self.library.within(self.raw["rip"]):
            blamed = self.library.explain(self.guest, (name, code, address), self.raw, self._describe)
        elif self.library is not None and address == self.raw["rip"]:
            blamed = self.library.jumped_out(self.guest, self.raw, self._describe)
        fields: dict[str, Any] = {"signal": name, "signal_code": code}
        if blamed is not None:
            blamed = with_origins(blamed, self._history() if blamed.cause.name == "library-fault" else None)
            return fields | {"accessed": blamed.accessed, "row": blamed.row, "cause": blamed.cause}
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
        return fields | {"accessed": found.accessed, "row": found.row, "cause": found.cause}

    def limit_reached(self, limit: LimitName) -> RunEnding:
        """The ending that a limit makes; for time, with the loop that the program was in."""
        rip = self.raw["rip"]
        if self.library is not None and self.library.within(rip):
            cause = endings.limit_reached(limit, self.call.limits)
            return TimedOut, {"limit": limit, "row": self.library.row(self.guest, self.raw), "cause": cause}
        if limit in TIME_LIMITS or limit == "steps":
            cause, row, steady = endings.endless(limit, self.call, self.raw)
            return TimedOut, {"limit": limit, "row": row, "cause": cause, "steady": steady}
        cause = endings.limit_reached(limit, self.call.limits)
        return TimedOut, {"limit": limit, "row": self.call.program.row_at(rip - 2), "cause": cause}

    def system_call(self, to_exit: bool = False) -> RunEnding | None:
        """Answer the system call that the process is stopped at; the ending if that ends the program.

        Args:
            to_exit: Whether to go on to the stop at the call's end, which is where a step ends.
        """
        raw = self.raw
        raw["rax"] = raw["orig_rax"]  # the kernel has put an error there already; the program had the number
        number = raw["rax"] & 0xFFFFFFFF  # the kernel takes 32 bits, and their sign
        if number >> 31:
            number |= MASK - 0xFFFFFFFF
        in_library = self.library if self.library is not None and self.library.within(raw["rip"]) else None
        row = self.call.program.row_at(raw["rip"] - 2) if in_library is None else in_library.row(self.guest, raw)
        line = None if row is None else row.span.line
        interface = self.guest.child.event_message() & 0xFFFF
        if interface or raw["rip"] >= address_map.USER_END:
            found = endings.other_interface(interface, self.call.program, raw, self.guest.read)
            return Faulted, {"signal": "SIGSYS", **found}
        arguments = tuple(raw[name] for name in SYSTEM_CALL_ARGUMENTS)
        text = formatting.decode(self.guest, number, arguments, self._describe)
        self.handler.inside_library = in_library is not None
        verdict = self.handler.answer(self.guest, number, arguments)
        name = numbers.name_of(number)
        result: int | None = None
        if isinstance(verdict, verdicts.Carried):
            result = self.guest.carry_out(verdict, raw)
            if result < 0 and verdict.number == numbers.NUMBERS["mmap"]:
                verdict, result = verdicts.Exhausted("memory"), None
            else:
                self._note_mapping(name, arguments, result, line)
        elif isinstance(verdict, verdicts.Answered):
            result = verdict.result
            self._put_result(result, to_exit)
        # What the C library calls for itself, while it loads or allocates, is no business of the program's log.
        if len(self.log) < _LOGGED and not (self.library and self.library.keeps_to_itself(name, raw["rip"], verdict)):
            shown = "" if result is None else f" = {formatting.result_text(number, result, self._describe)}"
            self.log.append(SystemCall(number, name, text + shown, line, not isinstance(verdict, verdicts.Refused)))
        if isinstance(verdict, verdicts.Ended) and in_library is not None:
            cause = in_library.exited(self.guest, raw, verdict.status)
            return Exited, {"status": verdict.status, "row": row, "cause": cause}
        return self._ending_of(verdict, name, text, row)

    def _ending_of(self, verdict: verdicts.Verdict, name: str, text: str, row: ListingRow | None) -> RunEnding | None:
        """The ending that a verdict on a system call makes; None where the program goes on.

        Args:
            verdict: The verdict.
            name: The call's name.
            text: The call as the log has it, without its result.
            row: Where it was made.
        """
        match verdict:
            case verdicts.Answered() | verdicts.Carried():
                return None
            case verdicts.Ended(status):
                cause = endings.exited(name, status, self.call.program)
                return Exited, {"status": status, "row": row, "cause": cause}
            case verdicts.Exhausted(limit):
                return self.limit_reached(limit)
            case verdicts.Raised(signal_name, cause):
                return Faulted, {"signal": signal_name, "row": row, "cause": cause}
            case verdicts.Refused(reason, look_at):
                cause = endings.refused(text, reason, look_at, self.raw)
                return Faulted, {"signal": "SIGSYS", "row": row, "cause": cause}

    def _note_mapping(self, name: str, arguments: tuple[int, ...], result: int, line: int | None) -> None:
        """Remember what mmap gave and munmap took back, for explanations of faults beside it."""
        if name in ("mmap", "munmap") and result >= 0 and len(self.mapped) < _LOGGED:
            start = result if name == "mmap" else arguments[0]
            self.mapped.append(Mapped(start, start + address_map.page_ceil(arguments[1]), line, name == "munmap"))

    def _put_result(self, result: int, to_exit: bool) -> None:
        """Give the program the result of a system call that was answered here."""
        self.raw.update(rax=result & MASK, orig_rax=MASK)
        self.guest.child.set_registers(self.raw)
        if to_exit:
            self.guest.child.resume(linux_process.PTRACE_SYSCALL)
            self.wait()

    def _describe(self, value: int) -> str:
        """A pointer in the log of system calls."""
        return describe_place(value, self.plan.places) or f"{value:#x}"
