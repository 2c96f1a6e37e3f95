"""A program's process, traced with ptrace: starting it, reading and writing its memory, system calls made in it."""

from __future__ import annotations

import errno
import math
import os
import signal
import time
from collections.abc import Mapping, Set
from types import MappingProxyType

from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution.contract import address_map, signal_codes
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.calling_convention import SYSTEM_CALL_ARGUMENTS
from execmem_kernel.execution.contract.details import Witness
from execmem_kernel.execution.process import (
    address_space,
    elf_image,
    executable_file,
    interrupts,
    launcher,
    runner,
    stops,
)
from execmem_kernel.execution.process.nondeterminism import Replaced
from execmem_kernel.execution.process.stops import BLOCKED, CLOCKS, LATE, lost
from execmem_kernel.execution.syscalls import numbers, verdicts
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.linux import process as linux_process
from execmem_kernel.linux.descriptors import Descriptors
from execmem_kernel.program.program import Program
from execmem_kernel.wording import signed
from execmem_kernel.x86.registers import MASK, TRAP_FLAG

FRESH = MappingProxyType(
    dict.fromkeys(linux_process.USER_REGISTERS, 0)
    | {"rflags": 0x202, "cs": linux_process.USER_CS, "ss": linux_process.USER_SS}
    | {"orig_rax": MASK}  # no system call is under way, so the kernel restarts none
)
"""A program's registers before any is given. rflags: interrupts are on, and bit 1 is always set."""


def maps_of(pid: int) -> list[tuple[int, int, str]]:
    """What is mapped in a process: start, end, protection; in address order."""
    rows = []
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as listing:
        for line in listing:
            extent, protection, _ = line.split(" ", 2)
            start, end = extent.split("-")
            rows.append((int(start, 16), int(end, 16), protection))
    return rows


_NO_PROC = "this host shows nobody the memory of a process: /proc is not there, or it is another namespace's"


class PtraceRefusedError(EngineUnavailableError):
    """This host refuses ptrace, or the memory of a traced process; a process can still report for itself."""


class Guest:
    """A program's process, stopped before its first instruction; one thread's own, because ptrace is."""

    witness: Witness = "supervisor"

    def __init__(self) -> None:
        self.child: linux_process.Child = linux_process.Child()
        self._last_at = math.inf
        """When its last clock kills it, by time.monotonic()."""
        self._descriptors = Descriptors()
        self._memory: int | None = None
        self._own_code = 0, 0
        """Start and end of the program's code, while it is not executable."""
        self.noted: list[tuple[int, bytes, bytes]] | None = None
        """A list, while what is written from outside is recorded in it: address, old and new bytes."""
        self.replaced: Mapping[int, Replaced] = MappingProxyType({})
        """Instructions that other bytes stand for in the process; `read` gives those that were typed."""

    def start(self, plan: address_space.AddressSpace, call: Call, timed: bool = True) -> None:
        """Start the process and wait until the runner has built the program's address space.

        Args:
            plan: The address space to build.
            call: What is to run in it.
            timed: Whether its own clocks are set; a stepped program is timed from outside.

        Raises:
            EngineUnavailableError: This host refuses what the runner needs.
            WorkerLostError: The runner ended before it was ready, for no reason that we know.
        """
        last_s = elf_image.last_second(call.limits, timed, self.witness == "supervisor")
        self._last_at = time.monotonic() + last_s
        try:
            self._begin(plan, call, timed)
        except (ChildProcessError, ProcessLookupError):
            raise  # its stop, or the process itself, was taken by others: no refusal of the host's
        except OSError as error:
            raise self.refused(error) from error

    def refused(self, error: OSError) -> EngineUnavailableError:
        """What it means that the host refuses a step of the start."""
        return PtraceRefusedError(f"this host refuses ptrace, or a part of it: {error.strerror}")

    def _begin(self, plan: address_space.AddressSpace, call: Call, timed: bool) -> None:
        """Start the process, wait for it, and put in its memory what is to be there."""
        self._launch(plan, call, timed)
        status = interrupts.waiting(self.child.wait)
        # A clock may run out in the runner: a program let go there, before its seccomp filter is installed, would make
        # real system calls. The signal is dropped, and the clock rings again.
        while os.WIFSTOPPED(status) and os.WSTOPSIG(status) in CLOCKS:
            self.child.resume(linux_process.PTRACE_CONT)
            status = interrupts.waiting(self.child.wait)
        if os.WIFSTOPPED(status) and (
            status != stops.TRAPPED or self.child.instruction_pointer() != runner.address_of("ready")
        ):
            raise WorkerLostError(f"the runner was stopped before the program began (wait status {status:#x})")
        if not os.WIFSTOPPED(status):
            step = runner.STEPS.get(os.WEXITSTATUS(status)) if os.WIFEXITED(status) else None
            if step is None:
                raise self.lost(status)
            raise (PtraceRefusedError if os.WEXITSTATUS(status) == runner.PTRACE_STEP else EngineUnavailableError)(
                f"this host does not let a program be run apart from the notebook: {step}"
            )
        self.child.set_options(
            linux_process.PTRACE_O_EXITKILL | linux_process.PTRACE_O_TRACESECCOMP | linux_process.PTRACE_O_TRACESYSGOOD
        )
        for address, data in plan.contents:
            self.poke(address, data)
        self.replaced = plan.nondeterminism.replaced
        for one in self.replaced.values():
            self.poke(one.address, one.instead)

    def lost(self, status: int) -> WorkerLostError:
        """The error for a wait status that says it has ended, where it can only have stopped."""
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return WorkerLostError(LATE) if killed and time.monotonic() >= self._last_at else lost(status)

    def _launch(self, plan: address_space.AddressSpace, call: Call, timed: bool) -> None:
        """Start the runner with a table of the mappings to make."""
        rows = tuple(mapping.row for mapping in plan.mappings)
        contents = elf_image.build(rows, plan.first, call.limits, timed, real_counters=call.real_counters)
        descriptors = {} if call.backing is None else {call.backing[0]: address_map.CODE_DESCRIPTOR}
        descriptors |= {number: number for number in plan.descriptors}
        self._spawn(contents, descriptors)

    def _spawn(self, contents: bytes, descriptors: dict[int, int]) -> None:
        """Execute the runner from memory, or from a file where the host does not allow that."""
        start = launcher.launcher()
        if start is not None:
            try:
                with executable_file.opened(contents) as file:
                    self.child.launch(start, file, descriptors, BLOCKED)
                return
            except OSError as error:
                if error.errno != errno.EAGAIN:
                    launcher.refuse()
        refusals = []
        for place in (executable_file.in_our_memory, executable_file.in_memory, executable_file.in_file):
            try:
                with place(contents) as path:
                    self.child.spawn(path, descriptors, BLOCKED)
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
        """End the process whatever happens: an interrupt during the clean-up is raised after the clean-up."""
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
        """The descriptor of the process's memory, opened when it is first needed."""
        if self._memory is None:
            path = f"/proc/{self.child.pid}/mem"
            if not linux_process.proc_is_ours(os.getpid()):  # that would be the memory of some other process
                raise PtraceRefusedError(_NO_PROC)
            try:
                self._memory = self._descriptors.open(os.open, path, os.O_RDWR | os.O_CLOEXEC)
            except (FileNotFoundError, PermissionError) as error:
                raise PtraceRefusedError(_NO_PROC) from error
        return self._memory

    def poke(self, address: int, data: bytes) -> None:
        """Write anywhere that is mapped privately, read-only memory too: how read-only data gets its contents.

        Raises:
            WorkerLostError: Not all of it could be written.
            PtraceRefusedError: This host does not open the memory of a process, or lets nobody write there.
        """
        try:
            written = os.pwrite(self._open(), data, address)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EFAULT):  # nothing is mapped there
                raise PtraceRefusedError(
                    f"this host lets nobody write the memory of a process: {error.strerror}"
                ) from error
            written = 0
        if written != len(data):
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
        """Whether all of a range is writable for the program; a range may go over several mappings."""
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
        memory = self._open() if size else -1
        while len(found) < size and address + len(found) < address_map.USER_END:
            try:
                piece = os.pread(memory, size - len(found), address + len(found))
            except OSError:
                break
            if not piece:
                break
            found += piece
        return self._as_typed(address, found) if self.replaced else bytes(found)

    def _as_typed(self, address: int, data: bytes | bytearray) -> bytes:
        """What was read at an address, with the instructions of the program's that others stand for."""
        found = bytearray(data)
        for at, one in self.replaced.items():
            if at < address + len(data) and address < at + len(one.code):
                for offset, byte in enumerate(one.code, at - address):
                    if 0 <= offset < len(data):
                        found[offset] = byte
        return bytes(found)

    def carry_out(self, verdict: verdicts.Carried, raw: dict[str, int]) -> int:
        """Have the program's process make a system call, at its stop before one, and return the result, signed.

        Args:
            verdict: The call, its arguments, and the result that the program is to see.
            raw: The registers at that stop; rax is changed.
        """
        ours = dict(zip(SYSTEM_CALL_ARGUMENTS, (*verdict.arguments, *[0] * 6)[:6], strict=True))
        # SAFETY: the process has one thread, and it is stopped: nothing can change the arguments after this.
        self.child.set_registers({**raw, **ours, "orig_rax": verdict.number})
        self.child.resume(linux_process.PTRACE_SYSCALL)
        status = interrupts.waiting(self.child.wait)
        if not os.WIFSTOPPED(status):
            raise self.lost(status)
        result = signed(self.child.registers()["rax"])
        if result >= 0 and verdict.result is not None:
            result = verdict.result
        raw.update(rax=result & MASK, orig_rax=MASK)
        self.child.set_registers(raw)
        return result

    # ---- while a function of the C library is one step of a trace

    def forbid_own_code(self, program: Program, returns: Set[int]) -> None:
        """Have the process make the program's text segment PROT_READ, so that the next fetch from it faults.

        That is where a function of the C library returns, or calls back.

        Args:
            program: The program.
            returns: Where the functions that have not returned will return to.
        """
        self._own_code = program.text.address, address_map.page_ceil(program.text.end)
        self._protect(linux_memory.PROT_READ)

    def allow_own_code(self) -> None:
        """Let the program's own code be executed again."""
        self._protect(linux_memory.PROT_READ | linux_memory.PROT_EXEC)

    def came_to_its_own_code(self, status: int) -> bool:
        """Whether the process, stopped with a wait status, has fetched from the program's own code."""
        if os.WSTOPSIG(status) != signal.SIGSEGV or status >> 16:
            return False
        _, code, address = self.child.signal_information()
        low, high = self._own_code
        return (
            code == signal_codes.SEGV_ACCERR and address == self.child.instruction_pointer() and low <= address < high
        )

    def _protect(self, protection: int) -> None:
        """Have the process change the protection of the program's own code, which is never writable."""
        raw = self.child.registers()
        number = numbers.NUMBERS["mprotect"]
        ours = {"rip": runner.system_call_at(), "rax": number, "orig_rax": MASK, "rflags": FRESH["rflags"]}
        self.child.set_registers({**raw, **ours})
        self.child.resume(linux_process.PTRACE_CONT)
        status = interrupts.waiting(self.child.wait)
        if not os.WIFSTOPPED(status) or status >> 8 != stops.SECCOMP_STOP:
            raise self.lost(status)
        low, high = self._own_code
        if self.carry_out(verdicts.Carried(number, (low, high - low, protection)), self.child.registers()) < 0:
            raise WorkerLostError("the protection of the program's code could not be changed for a step")
        self.child.set_registers({**raw, "orig_rax": MASK, "rflags": raw["rflags"] & ~TRAP_FLAG})
