"""Emulates the permitted system calls of one program, and refuses the others."""

from __future__ import annotations

import errno
import os
import random
import struct
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import BREAK, BREAK_END, MAPPINGS, MAPPINGS_END, PAGE, page_ceil
from execmem_kernel.execution.contract.call import Limits
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.syscalls.charged_memory import ChargedMemory
from execmem_kernel.execution.syscalls.guest_memory import GuestMemory
from execmem_kernel.execution.syscalls.numbers import NAMES, NUMBERS
from execmem_kernel.execution.syscalls.reasons import REASON_OF
from execmem_kernel.execution.syscalls.verdicts import Answered, Carried, Ended, Exhausted, Refused, Verdict
from execmem_kernel.linux.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from execmem_kernel.x86.registers import MASK

OFFERED = (
    "write", "read", "exit", "exit_group", "getpid", "brk", "mmap", "munmap", "clock_gettime", "getrandom",
)  # fmt: skip
"""What a program in a cell may call."""
_CHOOSES_PLACE = MAP_FIXED | MAP_FIXED_NOREPLACE
"""Flags by which a program chooses where mmap puts memory."""
_NEW_MEMORY = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
"""Flags with which mmap is carried out, at a place that is chosen here."""
_WRITABLE = PROT_READ | PROT_WRITE
_NO_FILE = MASK
"""-1, as a descriptor."""
PID = 1000
"""What getpid answers: the same number in every run."""


class SystemCallHandler:
    """Emulates the permitted system calls of one program; holds its break, mmap cursor and the rest of its stdin."""

    def __init__(self, limits: Limits, stdin: bytes = b"", seed: int | None = None) -> None:
        self.limits = limits
        self.stdin: bytes = stdin
        self.stdout: bytearray = bytearray()
        self.stderr: bytearray = bytearray()
        self.warnings: list[Warned] = []
        self.count: int = 0
        self.inside_library: bool = False
        """Whether the call that is being answered was made by the C library, not by the program itself."""
        self._seed = seed
        self._random: random.Random | None = None
        self._started = time.monotonic_ns()
        self._clock = 0
        self._break = BREAK
        self._next = MAPPINGS
        self._charged = ChargedMemory(limits.memory_size)

    def answer(self, guest: GuestMemory, number: int, arguments: tuple[int, ...]) -> Verdict:
        """Decide one call, and do it where it may be done.

        Args:
            guest: The memory of the program's process.
            number: The system call.
            arguments: Its six registers.
        """
        self.count += 1
        if self.count > self.limits.system_calls:
            return Exhausted("system calls")
        name = NAMES.get(number)
        handler = self._handlers.get(name or "")
        if handler is not None:
            return handler(self, guest, *arguments)
        offered = "a program in a cell may call " + ", ".join(OFFERED)
        if name is None:
            return Refused("there is no system call of that number", "check the number in rax")
        return Refused(REASON_OF.get(name, "it is not among the calls a program in a cell may make"), offered)

    def _write(self, guest: GuestMemory, descriptor: int, address: int, size: int, *_: int) -> Verdict:
        descriptor &= 0xFFFFFFFF
        if descriptor not in (1, 2):
            return self._not_open("write", descriptor, "1 is stdout and 2 is stderr")
        stream = self.stdout if descriptor == 1 else self.stderr
        room = self.limits.output_size - len(self.stdout) - len(self.stderr)
        data = guest.read(address, min(size, room + 1))
        if size and not data:
            return self._bad_address("write")
        stream += data[:room]
        if len(data) > room:
            return Exhausted("output")
        return Answered(len(data))

    def _read(self, guest: GuestMemory, descriptor: int, address: int, size: int, *_: int) -> Verdict:
        descriptor &= 0xFFFFFFFF
        if descriptor != 0:
            return self._not_open("read", descriptor, "0 is stdin")
        data, rest = self.stdin[:size], self.stdin[size:]
        if data and not guest.write(address, data):
            return self._bad_address("read")
        self.stdin = rest
        return Answered(len(data))

    def _not_open(self, call: str, descriptor: int, known: str) -> Verdict:
        number = descriptor - 2**32 if descriptor >> 31 else descriptor
        message = f"{call} was given descriptor {number}, which is not open: {known}"
        return self._failed(errno.EBADF, Warned("bad-descriptor", message))

    def _bad_address(self, call: str) -> Verdict:
        return self._failed(errno.EFAULT, Warned("bad-address", f"{call} was given an address the program may not use"))

    def _failed(self, number: int, warning: Warned) -> Verdict:
        if warning not in self.warnings:
            self.warnings.append(warning)
        return Answered(-number)

    def _exit(self, guest: GuestMemory, status: int, *_: int) -> Verdict:
        return Ended(status & 0xFF)

    def _getpid(self, guest: GuestMemory, *_: int) -> Verdict:
        return Answered(PID)

    def _brk(self, guest: GuestMemory, wanted: int, *_: int) -> Verdict:
        if wanted < BREAK or wanted >= BREAK_END:
            if wanted >= BREAK_END and wanted - BREAK > self.limits.memory_size:
                return Exhausted("memory")
            return Answered(self._break)
        old, new = page_ceil(self._break), page_ceil(wanted)
        if new > old:
            if not self._charged.allows(new - old):
                return Exhausted("memory")
            self._charged.add(old, new)
            self._break = wanted
            return Carried(NUMBERS["mmap"], (old, new - old, _WRITABLE, _NEW_MEMORY, _NO_FILE, 0), wanted)
        self._break = wanted
        if new < old:
            self._charged.remove(new, old)
            return Carried(NUMBERS["munmap"], (new, old - new), wanted)
        return Answered(wanted)

    def _mmap(self, guest: GuestMemory, address: int, size: int, protection: int, flags: int, *_: int) -> Verdict:
        if protection & PROT_EXEC:
            return Refused(
                "memory that a program asks for is never executable",
                "leave PROT_EXEC (4) out of rdx: code belongs in the program's text",
            )
        if not flags & MAP_ANONYMOUS:
            return Refused("a program in a cell has no files to map", "add MAP_ANONYMOUS (0x20) to r10")
        if flags & _CHOOSES_PLACE:
            return Refused("where memory lies is not the program's choice", "leave MAP_FIXED out of r10")
        if size == 0:
            return Answered(-errno.EINVAL)
        size = page_ceil(size)
        place = self._new_place(size)
        if place is None:
            return Exhausted("memory")
        return Carried(NUMBERS["mmap"], (place, size, protection & _WRITABLE, _NEW_MEMORY, _NO_FILE, 0))

    def _new_place(self, size: int) -> int | None:
        """Addresses for new memory of whole pages, which is counted; None where that is more than the limit allows."""
        if self._next + size + PAGE > MAPPINGS_END or not self._charged.allows(size):
            return None
        place, self._next = self._next, self._next + size + PAGE
        self._charged.add(place, place + size)
        return place

    def _munmap(self, guest: GuestMemory, address: int, size: int, *_: int) -> Verdict:
        if address % PAGE or size == 0:
            return Answered(-errno.EINVAL)
        size = page_ceil(size)
        if address < MAPPINGS or address + size > max(self._next, MAPPINGS + PAGE):
            return Refused("a program may unmap only what it has mapped", "give munmap the address that mmap returned")
        self._charged.remove(address, address + size)
        return Carried(NUMBERS["munmap"], (address, size))

    def _now(self, clock: int) -> int:
        """Nanoseconds on a clock: since 1970, or since the run began."""
        if self._seed is not None:
            self._clock += 1_000_000
            return self._clock
        return time.time_ns() if clock in (0, 5) else time.monotonic_ns() - self._started

    def _clock_gettime(self, guest: GuestMemory, clock: int, address: int, *_: int) -> Verdict:
        clock &= 0xFFFFFFFF
        if clock not in (0, 1, 2, 3, 4, 5, 6, 7):
            return Answered(-errno.EINVAL)
        now = self._now(clock)
        if not guest.write(address, struct.pack("<qq", *divmod(now, 1_000_000_000))):
            return self._bad_address("clock_gettime")
        return Answered(0)

    def _getrandom(self, guest: GuestMemory, address: int, size: int, *_: int) -> Verdict:
        size = min(size, 65536)
        if self._seed is None:
            data = os.urandom(size)
        else:
            self._random = self._random or random.Random(self._seed)
            data = self._random.randbytes(size)
        if size and not guest.write(address, data):
            return self._bad_address("getrandom")
        return Answered(size)

    _handlers: Mapping[str, Callable[..., Verdict]] = MappingProxyType(
        {
            "write": _write,
            "read": _read,
            "exit": _exit,
            "exit_group": _exit,
            "getpid": _getpid,
            "brk": _brk,
            "mmap": _mmap,
            "munmap": _munmap,
            "clock_gettime": _clock_gettime,
            "getrandom": _getrandom,
        }
    )
