"""A program's process that reports for itself, where a host refuses ptrace: its memory is two files of ours."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import struct
import time
from collections.abc import Callable, Set
from dataclasses import dataclass

from execmem_kernel.errors import EngineUnavailableError, WorkerLostError
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.details import Witness
from execmem_kernel.execution.process import address_space, elf_image, guest
from execmem_kernel.execution.process.self_reporting_child import SelfReportingChild
from execmem_kernel.execution.syscalls import numbers, verdicts
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.linux import process as linux_process
from execmem_kernel.linux.descriptors import Descriptors
from execmem_kernel.program.program import Program
from execmem_kernel.x86.registers import MASK

_REPORT = struct.Struct("<16Q")
"""The page of reports, which runner.s describes."""
_COMMAND_AT, _CAN_READ_BASES_AT, _RANG_AT = 0x20, 0x60, 0x78
"""Where in that page a command is left, whether bases can be read is said, and a clock that rang is noted."""

_NOT_EXECUTABLE = linux_memory.PROT_READ | linux_memory.PROT_WRITE
"""What a program can have of a protection: the filter lets no memory become executable."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the program's memory, and where it lies in one of the two files."""

    start: int
    size: int
    file: int
    offset: int
    protection: str

    @property
    def end(self) -> int:
        return self.start + self.size

    def part(self, start: int, end: int) -> _Piece:
        """What of it lies between two addresses."""
        start, end = max(start, self.start), min(end, self.end)
        return dataclasses.replace(self, start=start, size=end - start, offset=self.offset + start - self.start)


class SelfReportingGuest(guest.Guest):
    """A program's process whose memory is two files of ours: one it may write, and one it may not, which holds code."""

    witness: Witness = "guest"

    def __init__(self) -> None:
        super().__init__()
        self._reporter = SelfReportingChild(self)
        self.child: linux_process.Child = self._reporter
        held = self._descriptors
        try:
            self._file = _high(held, held.open(linux_memory.code_file, "memory"))
            self._text = _high(held, held.open(linux_memory.code_file, "text"))
        except OSError as error:
            held.close()
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            raise EngineUnavailableError(
                f"this host refuses ptrace, and the memory files that would do instead: {error.strerror}"
            ) from error
        self._ends = {self._file: 0, self._text: 0}
        self._pieces: list[_Piece] = []
        self._began = 0.0
        self._breakpoints: dict[int, bytes] = {}
        """Where an `int3` stands in the program's own code, and the byte that belongs there."""

    # ---- starting

    def _launch(self, plan: address_space.AddressSpace, call: Call, timed: bool) -> None:
        """Build the program's memory as files, and start the process that maps them."""
        own = (
            address_space.PlannedMapping(address_map.CONTROL, address_map.CONTROL_SIZE, "rw-"),
            address_space.PlannedMapping(address_map.ALTERNATE_STACK, address_map.ALTERNATE_STACK_SIZE, "rw-"),
        )
        rows = []
        for mapping in (*own, *plan.mappings):
            piece = self._extend(mapping.address, mapping.size, mapping.protection)
            rows.append(
                (
                    piece.start,
                    piece.size,
                    address_map.PROTECTIONS[mapping.protection],
                    linux_memory.MAP_SHARED | linux_memory.MAP_FIXED_NOREPLACE,
                    address_map.WORLD_DESCRIPTOR if piece.file == self._file else address_map.CODE_DESCRIPTOR,
                    piece.offset,
                )
            )
            if mapping.descriptor is not None and mapping.offset is not None:
                self.poke(mapping.address, os.pread(mapping.descriptor, mapping.size, mapping.offset))
        self.poke(address_map.CONTROL + _CAN_READ_BASES_AT, struct.pack("<Q", linux_process.bases_are_readable()))
        contents = elf_image.build(tuple(rows), plan.first, call.limits, timed, False, call.real_counters)
        # Mapped from a file of its own; this is what a program may see of it.
        self._extend(address_map.RUNNER, len(contents), "r--")
        self.poke(address_map.RUNNER, contents)
        theirs = Descriptors()
        try:
            try:
                text = theirs.open(linux_memory.reopen_read_only, self._text)
            except OSError:  # no /proc
                text = self._text
            descriptors = {self._file: address_map.WORLD_DESCRIPTOR, _high(theirs, text): address_map.CODE_DESCRIPTOR}
            self._began = time.monotonic()
            self._spawn(contents, descriptors)
        finally:
            theirs.close()

    def refused(self, error: OSError) -> EngineUnavailableError:
        """What it means that the host refuses a step of the start."""
        return EngineUnavailableError(
            f"this host refuses what a program that reports for itself needs: {error.strerror}"
        )

    def _extend(self, start: int, size: int, protection: str) -> _Piece:
        """A new piece, at the end of its file."""
        file = self._file if "w" in protection else self._text
        size = address_map.page_ceil(size)
        piece = _Piece(start, size, file, self._ends[file], protection)
        try:
            linux_memory.resize_file(file, piece.offset + size)
        except OSError as error:
            raise EngineUnavailableError(
                f"this host gives a program's memory no file that is large enough: {error.strerror}"
            ) from error
        self._ends[file] += size
        self._pieces.append(piece)
        return piece

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    # ---- its reports

    def report(self) -> tuple[int, ...]:
        """The page of the report."""
        return _REPORT.unpack(self.read(address_map.CONTROL, _REPORT.size))

    def forget_clock(self) -> None:
        """The clock that the page tells of has been seen."""
        self.poke(address_map.CONTROL + _RANG_AT, bytes(8))

    def command(self, number: int, *arguments: int) -> None:
        """Leave what the handler is to do next: a system call with its arguments, or nothing (0)."""
        words = (number, *arguments, *[0] * 6)[:7]
        self.poke(address_map.CONTROL + _COMMAND_AT, struct.pack("<7Q", *(word & MASK for word in words)))

    def set_bases(self, fs: int, gs: int) -> None:
        """Write fs_base and gs_base into the page of reports, where the handler cannot read them itself."""
        self.poke(address_map.CONTROL + _CAN_READ_BASES_AT + 8, struct.pack("<QQ", fs, gs))

    # ---- its memory

    def _at(self, address: int) -> _Piece | None:
        return next((piece for piece in self._pieces if piece.start <= address < piece.end), None)

    def poke(self, address: int, data: bytes) -> None:
        """Write anywhere in its memory, read-only memory too.

        Raises:
            WorkerLostError: There is no memory, or not all of it could be written.
        """
        while data:
            piece = self._at(address)
            if piece is None:
                raise WorkerLostError("the program's memory could not be written")
            part = data[: piece.end - address]
            if os.pwrite(piece.file, part, piece.offset + address - piece.start) != len(part):
                raise WorkerLostError("the program's memory could not be written")
            address, data = address + len(part), data[len(part) :]

    def read(self, address: int, size: int) -> bytes:
        """The bytes there; fewer where memory ends."""
        found = self._held(address, size)
        return self._as_typed(address, found) if self.replaced else found

    def _held(self, address: int, size: int) -> bytes:
        """The bytes that the process itself would find."""
        found = b""
        while len(found) < size and (piece := self._at(address + len(found))) and piece.protection != "---":
            at = address + len(found)
            part = os.pread(piece.file, min(size - len(found), piece.end - at), piece.offset + at - piece.start)
            if not part:
                break
            found += part
        return found

    def _may_write(self, address: int, size: int) -> bool:
        end = address + size
        while address < end:
            piece = self._at(address)
            if piece is None or "w" not in piece.protection:
                return False
            address = piece.end
        return True

    def code_at(self, address: int) -> bytes:
        """The byte there if it is code."""
        piece = self._at(address)
        return self._held(address, 1) if piece is not None and piece.protection == "r-x" else b""

    def _cut(self, start: int, end: int) -> list[_Piece]:
        """Take what lies between two addresses out of its memory, and return it."""
        taken, left = [], []
        for piece in self._pieces:
            if piece.end <= start or end <= piece.start or start >= end:
                left.append(piece)
                continue
            taken.append(piece.part(start, end))
            left += [rest for rest in (piece.part(0, start), piece.part(end, MASK)) if rest.size > 0]
        self._pieces = left
        return taken

    # ---- while a function of the C library is one step of a trace

    def forbid_own_code(self, program: Program, returns: Set[int]) -> None:
        """Put an `int3` wherever the program's own code is entered: at its labels, and where functions return to."""
        labelled = set(program.labels.values())
        places = {row.address for row in program.listing if row.kind == "instruction" and row.address in labelled}
        found = {address: self.code_at(address) for address in places | returns}
        self._breakpoints = {address: byte for address, byte in found.items() if byte}
        for address in self._breakpoints:
            self.poke(address, address_map.BREAKPOINT)

    def allow_own_code(self) -> None:
        """Put back what was there."""
        for address, byte in self._breakpoints.items():
            self.poke(address, byte)
        self._breakpoints = {}

    def came_to_its_own_code(self, status: int) -> bool:
        """Whether the process, which has stopped, has come to one of those places; then it is put back there."""
        place = self.child.instruction_pointer() - 1
        if os.WSTOPSIG(status) != signal.SIGTRAP or status >> 16 or place not in self._breakpoints:
            return False
        self.child.set_registers({**self.child.registers(), "rip": place})
        return True

    # ---- system calls that its process makes

    def carry_out(self, verdict: verdicts.Carried, raw: dict[str, int]) -> int:
        """Have the program's process change its mappings; what is known of them here changes with them.

        Args:
            verdict: The call, its arguments, and the result that the program is to see.
            raw: The registers at its stop; rax is changed.
        """
        name = numbers.NAMES[verdict.number]
        result = _CARRIED[name](self, *verdict.arguments)
        if result >= 0 and verdict.result is not None:
            result = verdict.result
        raw.update(rax=result & MASK, orig_rax=MASK)
        self.child.set_registers(raw)
        return result

    # Each answers with what the kernel would: 0 or an address, or a negative error. The file that holds the memory
    # changes with the mapping: memory that is mapped again starts as zeros, and what is unmapped takes no room.

    def _mmap(self, address: int, size: int, protection: int, *_: int) -> int:
        piece = self._extend(address, size, "rw-")
        flags = linux_memory.MAP_SHARED | linux_memory.MAP_FIXED_NOREPLACE
        arguments = (
            address,
            piece.size,
            protection & _NOT_EXECUTABLE,
            flags,
            address_map.WORLD_DESCRIPTOR,
            piece.offset,
        )
        result = self._reporter.call(numbers.NUMBERS["mmap"], *arguments)
        if result != address:  # a kernel before 4.17 takes the address as a hint only
            self._cut(address, address + piece.size)
            if result > 0:
                self._reporter.call(numbers.NUMBERS["munmap"], result, piece.size)
            return min(result, -errno.ENOMEM)
        self._protected(address, piece.size, protection)
        return result

    def _munmap(self, address: int, size: int, *_: int) -> int:
        result = self._reporter.call(numbers.NUMBERS["munmap"], address, size)
        for piece in self._cut(address, address + address_map.page_ceil(size)):
            linux_memory.empty_file(piece.file, piece.offset, piece.size)
        return result

    def _mprotect(self, address: int, size: int, protection: int, *_: int) -> int:
        result = self._reporter.call(numbers.NUMBERS["mprotect"], address, size, protection & _NOT_EXECUTABLE)
        if result == 0:
            self._protected(address, address_map.page_ceil(size), protection)
        return result

    def _protected(self, address: int, size: int, protection: int) -> None:
        text = {0: "---", 1: "r--"}.get(protection & _NOT_EXECUTABLE, "rw-")
        self._pieces += [dataclasses.replace(piece, protection=text) for piece in self._cut(address, address + size)]

    def _mremap(self, address: int, old: int, new: int, _flags: int, place: int, *_: int) -> int:
        if new <= old:
            if new < old:
                self._munmap(address + new, old - new)
            return address
        result = self._mmap(place, new, linux_memory.PROT_READ | linux_memory.PROT_WRITE)
        moved = [piece for piece in self._pieces if piece.start < address + old and address < piece.end]
        protections = {piece.protection for piece in moved}
        if len(protections) > 1:  # the kernel moves one mapping at a time
            self._munmap(place, new)
            return -errno.EFAULT
        if result >= 0:
            # The contents move between the files' ranges; the kernel would move the pages.
            for piece in self._cut(address, address + old):
                self._pieces.append(piece)
                self.poke(place + piece.start - address, self.read(piece.start, piece.size))
            self._munmap(address, old)
            for protection in protections - {"rw-"}:
                self._mprotect(place, new, address_map.PROTECTIONS.get(protection, 0))
        return result

    def _madvise(self, address: int, size: int, *_: int) -> int:
        for piece in self._cut(address, address + address_map.page_ceil(size)):
            self._pieces.append(piece)
            linux_memory.empty_file(piece.file, piece.offset, piece.size)
        return 0


_CARRIED: dict[str, Callable[..., int]] = {
    "mmap": SelfReportingGuest._mmap,
    "munmap": SelfReportingGuest._munmap,
    "mprotect": SelfReportingGuest._mprotect,
    "mremap": SelfReportingGuest._mremap,
    "madvise": SelfReportingGuest._madvise,
}
"""A system call that is carried out in the process -> how its memory here changes with it."""


def _high(held: Descriptors, descriptor: int) -> int:
    """A copy of a descriptor far above those that the runner's process gets."""
    return held.copy(descriptor, 64)
