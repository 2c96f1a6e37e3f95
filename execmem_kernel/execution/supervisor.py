"""Runs a program in a fresh, tiny process and watches it from outside.

The program shares nothing with the notebook but the read-only pages of its own code. It reports nothing: registers and
memory are read from outside with ptrace when it stops, so it can neither fake a result nor break the reporting.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import operator
import os
import random
import re
import signal
from collections.abc import Callable, Set
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from execmem_kernel import linux
from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import EngineUnavailableError, ExecutionError, WorkerLostError
from execmem_kernel.execution import (
    abi,
    faults,
    image,
    launcher,
    layout,
    libc,
    stepping,
    stop_button,
    syscalls,
    vectors,
)
from execmem_kernel.execution.engine import (
    GENERAL,
    PARTS,
    Call,
    Exited,
    Faulted,
    Outcome,
    Registers,
    Returned,
    SystemCall,
    TimedOut,
    Warned,
    describe_place,
)
from execmem_kernel.execution.recorder import RESUME_FLAG, TRAP_FLAG
from execmem_kernel.execution.tracing import Trace
from execmem_kernel.memory.capabilities import WORKS, Witness, register_watching

if TYPE_CHECKING:
    from execmem_kernel.assembly.program import Program

MASK = 2**64 - 1
_SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
CLOCKS = {signal.SIGALRM: "wall", signal.SIGPROF: "cpu", signal.SIGXCPU: "cpu"}
_BLOCKED = frozenset(range(1, 65)) - {int(number) for number in _SYNCHRONOUS | set(CLOCKS)} - {9, 19, 32, 33}
"""Signals from elsewhere (a stop button, a closing terminal) are for the notebook: a program does not see them."""
FRESH = MappingProxyType(
    dict.fromkeys(linux.USER_REGISTERS, 0)
    | {"rflags": 0x202, "cs": 0x33, "ss": 0x2B}
    | {"orig_rax": MASK}  # no system call is under way, so the kernel restarts none
)
"""A program's registers before any is given; the selectors are those of every 64-bit process."""
_STATUS_FLAGS = 0x8D5
"""CF, PF, AF, ZF, SF and OF."""
_SETTABLE = frozenset((*GENERAL, "rflags"))
_SHOWN = (*GENERAL, "rip", "rflags")
_shown = operator.itemgetter(*_SHOWN)
_VECTOR, _MASK_REGISTER = re.compile(r"([xyz])mm\d{1,2}"), re.compile(r"k\d{1,2}")


def maps_of(pid: int) -> list[tuple[int, int, str]]:
    """What is mapped in a process: start, end, protection; in address order."""
    rows = []
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as listing:
        for line in listing:
            extent, protection, _ = line.split(" ", 2)
            start, end = extent.split("-")
            rows.append((int(start, 16), int(end, 16), protection))
    return rows


_TAKEN = (
    "the program's process was ended from elsewhere, or what it reported was taken by something in this notebook that "
    "waits for every child: os.wait(), os.waitpid(-1, ...); let it wait for its own children only"
)


def lost(status: int) -> WorkerLostError:
    """The error for a process that has ended where it can only have stopped."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return WorkerLostError(_TAKEN)
    return WorkerLostError(f"the program's process was ended from elsewhere (wait status {status:#x})")


_NO_PROC = "this host shows nobody the memory of a process: /proc is not there, or it is another namespace's"


class PtraceRefusedError(EngineUnavailableError):
    """This host lets nobody watch a process of theirs; the process can still report for itself."""


class Guest:
    """A program's process, stopped before its first instruction; one thread's own, because ptrace is."""

    witness: Literal["supervisor", "guest"] = "supervisor"
    """Who says what happened in it."""

    def __init__(self) -> None:
        self.child: linux.Child = linux.Child()
        self._descriptors = linux.Descriptors()
        self._memory: int | None = None
        self._barred = 0, 0
        """From where to where code is barred."""
        self.noted: list[tuple[int, bytes, bytes]] | None = None
        """Where somebody wants to know of it, what has been written from outside: address, old and new bytes."""

    def start(self, plan: layout.Layout, call: Call, timed: bool = True) -> None:
        """Start the process and wait until the runner has built the program's world.

        Args:
            plan: The world to build.
            call: What is to run in it.
            timed: Whether its own clocks are set; a stepped program is timed from outside.

        Raises:
            EngineUnavailableError: This host refuses what the runner needs.
            WorkerLostError: The runner ended before it was ready, for no reason that we know.
        """
        self._launch(plan, call, timed)
        status = stop_button.waiting(self.child.wait)
        # A clock may run out in the runner: a program let go there, before the door is locked, would make real system
        # calls. The signal is dropped, and the clock rings again.
        while os.WIFSTOPPED(status) and os.WSTOPSIG(status) in CLOCKS:
            self.child.resume(linux.PTRACE_CONT)
            status = stop_button.waiting(self.child.wait)
        if os.WIFSTOPPED(status) and (
            status != stepping.TRAPPED or self.child.instruction_pointer() != image.address_of("ready")
        ):
            raise WorkerLostError(f"the runner was stopped before the program began (wait status {status:#x})")
        if not os.WIFSTOPPED(status):
            step = image.STEPS.get(os.WEXITSTATUS(status)) if os.WIFEXITED(status) else None
            if step is None:
                raise lost(status)
            raise (PtraceRefusedError if os.WEXITSTATUS(status) == image.PTRACE_STEP else EngineUnavailableError)(
                f"this host does not let a program be run apart from the notebook: {step}"
            )
        self.child.set_options(linux.PTRACE_O_EXITKILL | linux.PTRACE_O_TRACESECCOMP | linux.PTRACE_O_TRACESYSGOOD)
        for address, data in plan.contents:
            self.poke(address, data)

    def _launch(self, plan: layout.Layout, call: Call, timed: bool) -> None:
        """Start the runner with a table of the world to build."""
        rows = tuple(mapping.row for mapping in plan.mappings)
        contents = image.build(rows, plan.first, call.limits, timed)
        descriptors = {} if call.backing is None else {call.backing[0]: layout.CODE_DESCRIPTOR}
        descriptors |= {number: number for number in plan.descriptors}
        self._spawn(contents, descriptors)

    def _spawn(self, contents: bytes, descriptors: dict[int, int]) -> None:
        """Execute the runner from memory, or from a file where the host does not allow that."""
        start = launcher.launcher()
        if start is not None:
            try:
                with image.opened(contents) as file:
                    self.child.launch(start, file, descriptors, _BLOCKED)
                return
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    launcher.refuse()
        refusals = []
        for place in (image.in_our_memory, image.in_memory, image.in_file):
            try:
                with place(contents) as path:
                    self.child.spawn(path, descriptors, _BLOCKED)
                return
            except OSError as error:
                if error.errno == errno.EAGAIN:
                    raise EngineUnavailableError(
                        "no process can be started for the program: this user may have no more (ulimit -u)"
                    ) from error
                refusals.append(f"{place.__name__.replace('_', ' ')}: {error.strerror}")
        raise EngineUnavailableError(
            f"this host does not execute the runner that programs start from ({'; '.join(refusals)}); "
            "a cache folder (XDG_CACHE_HOME) on a file system without noexec would do"
        )

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_error: object) -> None:
        """End the process whatever happens: a stop button pressed during the clean-up comes after the clean-up."""
        try:
            self.end()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Kill the process, wait for it, and close what reads its memory; harmless twice."""
        self._descriptors.close()
        self.child.end()

    def _open(self) -> int:
        if self._memory is None:
            path = f"/proc/{self.child.pid}/mem"
            if not linux.proc_is_ours(os.getpid()):  # that would be the memory of some other process
                raise PtraceRefusedError(_NO_PROC)
            try:
                self._memory = self._descriptors.open(os.open, path, os.O_RDWR | os.O_CLOEXEC)
            except (FileNotFoundError, PermissionError) as error:
                raise PtraceRefusedError(_NO_PROC) from error
        return self._memory

    def poke(self, address: int, data: bytes) -> None:
        """Write anywhere that is mapped privately, read-only memory too: how read-only data gets its contents."""
        if os.pwrite(self._open(), data, address) != len(data):
            raise WorkerLostError("the program's memory could not be written")

    def write(self, address: int, data: bytes) -> bool:
        """Write where the program could write itself; False, and nothing written, where it could not."""
        if not self._may_write(address, len(data)):
            return False
        if self.noted is not None:
            self.noted.append((address, self.read(address, len(data)), data))
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
        found = bytearray()
        while len(found) < size and address + len(found) < layout.USER_END:
            try:
                piece = os.pread(self._open(), size - len(found), address + len(found))
            except OSError:
                break
            if not piece:
                break
            found += piece
        return bytes(found)

    def carry_out(self, verdict: syscalls.Carried, raw: dict[str, int]) -> int:
        """Let the program's process make a call with our arguments; it is seen by nobody but the kernel."""
        names = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
        ours = dict(zip(names, (*verdict.arguments, *[0] * 6)[:6], strict=True))
        # SAFETY: the process has one thread, and it is stopped: nothing can change the arguments after this.
        self.child.set_registers({**raw, **ours, "orig_rax": verdict.number})
        self.child.resume(linux.PTRACE_SYSCALL)
        status = stop_button.waiting(self.child.wait)
        if not os.WIFSTOPPED(status):
            raise lost(status)
        result = self.child.registers()["rax"]
        signed = result - 2**64 if result >> 63 else result
        if signed >= 0 and verdict.result is not None:
            signed = verdict.result
        raw.update(rax=signed & MASK, orig_rax=MASK)
        self.child.set_registers(raw)
        return signed

    # ---- while a function of the C library is one step of a trace

    def bar(self, program: Program, backs: Set[int]) -> None:
        """Have the process stop when it comes to the program's own code: where a function returns, or calls back.

        The code is not executable until `unbar`, so that coming to it is a fault.

        Args:
            program: The program.
            backs: Where the functions that have not returned were called from.
        """
        self._barred = program.text.address, layout.page_ceil(program.text.end)
        self._protect(linux.PROT_READ)

    def unbar(self) -> None:
        """Let the program's own code be executed again."""
        self._protect(linux.PROT_READ | linux.PROT_EXEC)

    def came_to_its_own_code(self, status: int) -> bool:
        """Whether the process, which has stopped, has come to code that is barred."""
        if os.WSTOPSIG(status) != signal.SIGSEGV or status >> 16:
            return False
        _, code, address = self.child.signal_information()
        low, high = self._barred
        return code == faults.PROTECTED and address == self.child.instruction_pointer() and low <= address < high

    def _protect(self, protection: int) -> None:
        """Let the process change the protection of the barred code, which is never writable."""
        raw = self.child.registers()
        number = syscalls.NUMBERS["mprotect"]
        ours = {"rip": image.system_call_at(), "rax": number, "orig_rax": MASK, "rflags": FRESH["rflags"]}
        self.child.set_registers({**raw, **ours})
        self.child.resume(linux.PTRACE_CONT)
        status = stop_button.waiting(self.child.wait)
        if not os.WIFSTOPPED(status) or status >> 8 != stepping.SECCOMP_STOP:
            raise lost(status)
        low, high = self._barred
        if self.carry_out(syscalls.Carried(number, (low, high - low, protection)), self.child.registers()) < 0:
            raise WorkerLostError("the protection of the program's code could not be changed for a step")
        self.child.set_registers({**raw, "orig_rax": MASK, "rflags": raw["rflags"] & ~TRAP_FLAG})


class Supervisor:
    """The engine behind `run`: every call gets a process of its own."""

    def run(self, call: Call) -> Outcome:
        """Run it to its end or to a limit.

        Raises:
            ValueError: A register or a buffer cannot be what was asked for.
            EngineUnavailableError: This host refuses what the runner needs.
            WorkerLostError: The runner itself broke.
        """
        guest = Guest()
        try:
            with libc.library_for(call.program) as library:
                plan = layout.plan(call, library)
                with OneProcessor(), guest:
                    return Run(call, plan, guest, library).outcome()
        except ChildProcessError as error:
            raise WorkerLostError(_TAKEN) from error
        except PtraceRefusedError:
            from execmem_kernel.execution.witness import GuestWitness

            return GuestWitness().run(call)


def _watching() -> tuple[Witness | None, str]:
    """Watch the shortest program there is: who can tell what it did, and "works" or why nobody could watch it."""
    call = Call(assemble("ret"))
    guest = Guest()
    try:
        with OneProcessor(), guest:
            Run(call, layout.plan(call), guest, None).to_the_end()
    except PtraceRefusedError as error:
        return "guest", str(error)
    except (ExecutionError, OSError) as error:
        return None, str(error)
    return "supervisor", WORKS


register_watching(_watching)


_fresh_states: dict[type[linux.Child], bytes] = {}


def _initial_state(child: linux.Child) -> bytes:
    """The x87 and vector state of a process that has used neither: the same for all, so it is read once."""
    kind = type(child)
    if kind not in _fresh_states:
        _fresh_states[kind] = child.extended_state()
    return _fresh_states[kind]


class OneProcessor:
    """Keeps this thread, and the process it starts, on the processor it is on.

    Every stop hands the processor over; to an idle other one, that costs ten times as much.
    """

    __slots__ = ("_allowed",)

    def __enter__(self) -> None:
        self._allowed: set[int] = set()
        try:
            self._allowed = os.sched_getaffinity(0)
            cpu = linux.current_cpu()
            if cpu is not None and len(self._allowed) > 1:
                os.sched_setaffinity(0, {cpu})
        except OSError:
            pass

    def __exit__(self, *_error: object) -> None:
        if len(self._allowed) > 1:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self._allowed)


def replay(call: Call, steps: int, new_guest: Callable[[], Guest]) -> tuple[Trace | None, int]:
    """The first steps of a call, run again and recorded, and where they end: how did it come to this?"""
    call = dataclasses.replace(
        call, trace=True, limits=dataclasses.replace(call.limits, trace_steps=steps, steps=steps)
    )
    guest = new_guest()
    with libc.library_for(call.program) as library, guest:
        run = Run(call, layout.plan(call, library), guest, library)
        kind, _ = run.to_the_end()
        return (None, 0) if kind is TimedOut else (run.trace, run.raw["rip"])


def left_behind(call: Call, buffer: str) -> bytes | None:
    """What a call leaves in one of its buffers, however it ends; None if it made system calls. Nothing is explained.

    Raises:
        EngineUnavailableError: This host refuses what the runner needs.
    """
    try:
        return Run(call, layout.plan(call, None), Guest(), None).left_in(buffer)
    except PtraceRefusedError:
        from execmem_kernel.execution.witness import GuestWitness

        return GuestWitness().left_behind(call, buffer)


Ending = tuple[type[Outcome], dict[str, Any]]
"""What a run has come to: the kind of outcome, and what is said in it."""
_REPLAYED = 5_000
"""Steps of a replay: a tenth of a second; what a program does later stays unexplained."""
_LOGGED = 1_000
"""System calls that an outcome lists."""


class Run:
    """One run, from the first register set to the outcome."""

    def __init__(self, call: Call, plan: layout.Layout, guest: Guest, library: libc.Library | None) -> None:
        self.call = call
        self.plan = plan
        self.guest = guest
        self.library = library
        self.desk: syscalls.Desk = (syscalls.Desk if library is None else libc.Desk)(call.limits, call.stdin, call.seed)
        self.log: list[SystemCall] = []
        self.mapped: list[faults.Mapped] = []
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
            found = abi.Ending(
                self.call, self.before, registers, self.raw, self.extended, self.trace, self._history, outcome.describe,
                None if self.library is None else self.library.misaligned_call(self.guest),
            )  # fmt: skip
            warnings += abi.check(found) if kind is Returned else abi.check_calls(found)
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
            self.extended = vectors.write(self.extended, wide)
            child.set_extended_state(self.extended)
        self.raw = raw
        self.before = self._registers()
        ending = None
        if stepped:
            walk = stepping.Walk(self)
            ending = walk.to_the_end()
            self.trace = walk.trace
        if ending is None:
            with stepping.alarm(child, self.call.limits) if stepped else contextlib.nullcontext():
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

    def _flushed(self, library: libc.Library) -> Ending:
        """Write what the C library still holds back; the program has returned, its registers have been read."""
        # A run at full speed has clocks of its own, and they go on.
        stepped = self.call.trace or self.call.limits.steps is not None
        with stepping.alarm(self.guest.child, self.call.limits) if stepped else contextlib.nullcontext():
            exhausted = library.flush(self.guest, self.desk, self.raw)
        return (Returned, {}) if exhausted is None else self.limit_reached(exhausted.limit)

    def _free(self) -> Ending:
        """At full speed, from stop to stop."""
        child = self.guest.child
        while True:
            child.resume(linux.PTRACE_CONT)
            status = self.wait()
            self.raw = child.registers()
            ending = self.system_call() if status >> 8 == stepping.SECCOMP_STOP else self.signalled(os.WSTOPSIG(status))
            if ending is not None:
                return ending

    def wait(self) -> int:
        """Wait for its next stop, and return the wait status.

        Raises:
            WorkerLostError: It has ended where it could only stop.
        """
        return self.stopped(stop_button.waiting(self.guest.child.wait))

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
        return Registers(MappingProxyType(values), vectors.Lazy(self.extended))

    def _history(self) -> Trace | None:
        """The steps that led here, recorded already or run again; None where they do not lead here."""
        trace, end = self.trace, self.raw["rip"]
        if trace is None or not self.call.trace:
            trace, end = replay(self.call, _REPLAYED, type(self.guest))
        return trace if trace is not None and trace.ended and end == self.raw["rip"] else None

    def signalled(self, number: int) -> Ending | None:
        raw = self.raw
        if number == signal.SIGSEGV and raw["rip"] == layout.RETURN:
            return Returned, {}
        if number in CLOCKS:
            return self.limit_reached(CLOCKS[signal.Signals(number)])
        if number not in _SYNCHRONOUS:
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
        stop = faults.Stop(
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
            cause = faults.limit_reached(limit, self.call.limits)
            return TimedOut, {"limit": limit, "row": self.library.row(self.guest, self.raw), "cause": cause}
        if limit in ("wall", "cpu", "steps"):
            cause, row, steady = faults.endless(limit, self.call, self.raw)
            return TimedOut, {"limit": limit, "row": row, "cause": cause, "steady": steady}
        cause = faults.limit_reached(limit, self.call.limits)
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
        if way or raw["rip"] >= layout.USER_END:
            return Faulted, {"signal": "SIGSYS", **faults.other_interface(way, self.call.program, raw, self.guest.read)}
        arguments = tuple(raw[name] for name in ("rdi", "rsi", "rdx", "r10", "r8", "r9"))
        text = syscalls.decode(self.guest, number, arguments, self._describe)
        verdict = self.desk.answer(self.guest, number, arguments)
        name = syscalls.name_of(number)
        result: int | None = None
        if isinstance(verdict, syscalls.Carried):
            result = self.guest.carry_out(verdict, raw)
            if result < 0 and verdict.number == syscalls.NUMBERS["mmap"]:
                verdict, result = syscalls.Exhausted("memory"), None
            elif name in ("mmap", "munmap") and result >= 0 and len(self.mapped) < _LOGGED:
                start = result if name == "mmap" else arguments[0]
                end = start + layout.page_ceil(arguments[1])
                self.mapped.append(faults.Mapped(start, end, line, name == "munmap"))
        elif isinstance(verdict, syscalls.Answered):
            result = verdict.result
            raw.update(rax=result & MASK, orig_rax=MASK)
            child.set_registers(raw)
            if to_exit:
                child.resume(linux.PTRACE_SYSCALL)
                self.wait()
        if len(self.log) < _LOGGED and not (self.library and self.library.keeps_to_itself(name, raw["rip"], verdict)):
            shown = "" if result is None else f" = {syscalls.result_text(number, result, self._describe)}"
            self.log.append(SystemCall(number, name, text + shown, line, not isinstance(verdict, syscalls.Refused)))
        if isinstance(verdict, syscalls.Ended):
            cause = faults.exited(name, verdict.status, self.call.program)
            if self.library is not None and self.library.within(raw["rip"]):
                cause = self.library.exited(self.guest, raw, verdict.status)
            return Exited, {"status": verdict.status, "row": row, "cause": cause}
        if isinstance(verdict, syscalls.Exhausted):
            return self.limit_reached(verdict.limit)
        if isinstance(verdict, syscalls.Raised):
            return Faulted, {"signal": verdict.signal, "row": row, "cause": verdict.cause}
        if isinstance(verdict, syscalls.Refused):
            cause = faults.refused(text, verdict.reason, verdict.look_at, raw)
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
                clean = data.replace(bytes([layout.CANARY]), b"")
                if clean:
                    first = next(index for index, byte in enumerate(data) if byte != layout.CANARY)
                    nth = "just" if first == 0 else f"{first} bytes"
                    found.append(
                        Warned(
                            "buffer-overrun",
                            f"wrote outside buffer {name} ({place.size} bytes), {nth} {where}",
                            hint="check the size that the loop or the copy counts to",
                        )
                    )
        return tuple(found)
