"""The C library's own system calls: what stdio, malloc, time and abort need, and no more."""

from __future__ import annotations

import errno
import re
import signal
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from execmem_kernel.execution.contract.address_map import BREAK, PAGE, STACK_START, page_ceil
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.syscalls import guest_memory, handlers, numbers, verdicts

if TYPE_CHECKING:
    from execmem_kernel.execution.process.guest import Guest


def put_status(guest: Guest, address: int, inode: int, mode: int, size: int) -> int:
    """Write a struct stat that tells what the loader and stdio ask: which file, what kind, how long."""
    status = struct.pack("<QQQIIIIQqqq", 1, inode, 1, mode, 1000, 1000, 0, 0x8800, size, 1024, 0)
    return 0 if guest.write(address, status.ljust(144, b"\0")) else -errno.EFAULT


# ---- its system calls ------------------------------------------------------------------------------------------------


class LibrarySystemCallHandler(handlers.SystemCallHandler):
    """Answers the C library's system calls too: what stdio, malloc, time and abort need, and no more."""

    def _writev(
        self, guest: guest_memory.GuestMemory, descriptor: int, vector: int, count: int, *_: int
    ) -> verdicts.Verdict:
        written = 0
        for address, size in struct.iter_unpack("<QQ", guest.read(vector, 16 * min(count, 1024))):
            verdict = self._write(guest, descriptor, address, size)
            if not isinstance(verdict, verdicts.Answered) or verdict.result < 0:
                return verdict
            written += verdict.result
        return verdicts.Answered(written)

    def _fstat(self, guest: Guest, descriptor: int, address: int, *_: int) -> verdicts.Verdict:
        if descriptor & 0xFFFFFFFF > 2:
            return verdicts.Answered(-errno.EBADF)
        return verdicts.Answered(put_status(guest, address, 2, 0o20620, 0))  # a terminal

    def _newfstatat(self, guest: Guest, descriptor: int, path: int, address: int, *_: int) -> verdicts.Verdict:
        if guest.read(path, 1) == b"\0":
            return self._fstat(guest, descriptor, address)
        return self._no_file(guest, path)

    def _openat(self, guest: Guest, descriptor: int, path: int, *_: int) -> verdicts.Verdict:
        return self._no_file(guest, path)

    def _no_file(self, guest: Guest, path: int) -> verdicts.Verdict:
        """The library looks for settings of the host by itself, and does without; no program names those files."""
        name = guest.read(path, 64).partition(b"\0")[0]
        if name.startswith((b"/etc/", b"/usr/share/zoneinfo", b"/usr/lib/locale", b"/usr/lib64/gconv", b"/proc/")):
            return verdicts.Answered(-errno.ENOENT)
        return verdicts.Refused("a program in a cell has no files", "give it memory with buffers=, or text with stdin=")

    def _ioctl(
        self, guest: guest_memory.GuestMemory, descriptor: int, request: int, address: int, *_: int
    ) -> verdicts.Verdict:
        # TCGETS: stdio asks whether a line is to be written as soon as it is complete. It is, as on a terminal.
        if descriptor & 0xFFFFFFFF <= 2 and request & 0xFFFFFFFF == 0x5401 and guest.write(address, bytes(36)):
            return verdicts.Answered(0)
        return verdicts.Answered(-errno.ENOTTY)

    def _lseek(self, guest: guest_memory.GuestMemory, descriptor: int, *_: int) -> verdicts.Verdict:
        return verdicts.Answered(-errno.ESPIPE if descriptor & 0xFFFFFFFF <= 2 else -errno.EBADF)

    def _reserve(
        self, guest: guest_memory.GuestMemory, address: int, size: int, protection: int, flags: int, *rest: int
    ) -> verdicts.Verdict:
        if not protection & 7:  # malloc reserves 128 MiB for a second arena, and does without
            return verdicts.Answered(-errno.ENOMEM)
        return self._mmap(guest, address, size, protection, flags, *rest)

    def _mremap(
        self, guest: guest_memory.GuestMemory, address: int, old: int, new: int, flags: int, *_: int
    ) -> verdicts.Verdict:
        old, new = page_ceil(old), page_ceil(new)
        if not self._mapped_here(address, old) or not new:
            return verdicts.Answered(-errno.EINVAL)
        if new <= old:
            self._mapped -= old - new
            return verdicts.Carried(numbers.NUMBERS["mremap"], (address, old, new, 0, 0))
        if not flags & 1:  # MREMAP_MAYMOVE
            return verdicts.Answered(-errno.ENOMEM)
        if self._next + new + PAGE > STACK_START or not self._grow(new - old):
            return verdicts.Exhausted("memory")
        place, self._next = self._next, self._next + new + PAGE
        return verdicts.Carried(numbers.NUMBERS["mremap"], (address, old, new, 3, place))  # MAYMOVE, FIXED

    def _mprotect(
        self, guest: guest_memory.GuestMemory, address: int, size: int, protection: int, *_: int
    ) -> verdicts.Verdict:
        if protection & 4 or not self._mapped_here(address, page_ceil(size)):
            return verdicts.Refused(
                "memory keeps its protection, so that nothing is ever writable and executable at once"
            )
        return verdicts.Carried(numbers.NUMBERS["mprotect"], (address, size, protection))

    def _madvise(
        self, guest: guest_memory.GuestMemory, address: int, size: int, advice: int, *_: int
    ) -> verdicts.Verdict:
        if advice != 4 or not self._mapped_here(address, page_ceil(size)):  # MADV_DONTNEED
            return verdicts.Answered(0)
        return verdicts.Carried(numbers.NUMBERS["madvise"], (address, size, advice))

    def _mapped_here(self, address: int, size: int) -> bool:
        return address >= BREAK and address + size <= self._next and address % PAGE == 0

    def _futex(self, guest: guest_memory.GuestMemory, address: int, operation: int, *_: int) -> verdicts.Verdict:
        if operation & 127 in (1, 10):  # FUTEX_WAKE, FUTEX_WAKE_BITSET: nobody waits
            return verdicts.Answered(0)
        return verdicts.Refused("it waits for a lock that nobody will release", "was a stream or a lock overwritten?")

    def _nothing(self, guest: guest_memory.GuestMemory, *_: int) -> verdicts.Verdict:
        return verdicts.Answered(0)

    def _tgkill(
        self, guest: guest_memory.GuestMemory, group: int, thread: int, number: int, *_: int
    ) -> verdicts.Verdict:
        if (group, thread, number) != (handlers.PID, handlers.PID, signal.SIGABRT):
            return verdicts.Refused("a program in a cell sends no signals, neither to others nor to itself")
        said = bytes(self.stderr).decode(errors="replace").rstrip().rpartition("\n")[2]
        why = f": {said}" if said else ""
        hint = (
            "the heap was overwritten, or given something that malloc did not return"
            if re.search(r"free\(\)|malloc|realloc|corrupt|chunk|munmap", said)
            else "what the C library wrote to stderr says why"
        )
        return verdicts.Raised("SIGABRT", Cause("abort", f"the program was aborted{why}", look_at=hint))

    def _sysinfo(self, guest: guest_memory.GuestMemory, address: int, *_: int) -> verdicts.Verdict:
        size = self.limits.memory_size
        data = struct.pack("<q3QQQQQQQHHIQQI", 0, 0, 0, 0, size, size, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
        return verdicts.Answered(0 if guest.write(address, data) else -errno.EFAULT)

    def _prlimit(
        self, guest: guest_memory.GuestMemory, _pid: int, _kind: int, new: int, old: int, *_: int
    ) -> verdicts.Verdict:
        if new or not old:
            return verdicts.Refused("how the program's process is set up stays as it is")
        return verdicts.Answered(0 if guest.write(old, struct.pack("<QQ", 1 << 20, 1 << 20)) else -errno.EFAULT)

    def _entropy(
        self, guest: guest_memory.GuestMemory, address: int, size: int, flags: int, *_: int
    ) -> verdicts.Verdict:
        if size == 8 and flags == 1:  # malloc marks freed memory with a number; a program may read it by mistake
            return verdicts.Answered(8 if guest.write(address, bytes(range(0xB0, 0xB8))) else -errno.EFAULT)
        return self._getrandom(guest, address, size)

    def _time(self, guest: guest_memory.GuestMemory, address: int, *_: int) -> verdicts.Verdict:
        seconds = self._now(0) // 1_000_000_000
        if address and not guest.write(address, struct.pack("<q", seconds)):
            return verdicts.Answered(-errno.EFAULT)
        return verdicts.Answered(seconds)

    def _gettimeofday(self, guest: guest_memory.GuestMemory, address: int, *_: int) -> verdicts.Verdict:
        now = self._now(0)
        data = struct.pack("<qq", now // 1_000_000_000, now % 1_000_000_000 // 1000)
        return verdicts.Answered(0 if guest.write(address, data) else -errno.EFAULT)

    _handlers: Mapping[str, Callable[..., verdicts.Verdict]] = MappingProxyType(
        {
            **handlers.SystemCallHandler._handlers,
            "writev": _writev,
            "fstat": _fstat,
            "newfstatat": _newfstatat,
            "openat": _openat,
            "ioctl": _ioctl,
            "lseek": _lseek,
            "mmap": _reserve,
            "mremap": _mremap,
            "mprotect": _mprotect,
            "madvise": _madvise,
            "futex": _futex,
            "rt_sigprocmask": _nothing,
            "close": _nothing,
            "sched_yield": _nothing,
            "gettid": handlers.SystemCallHandler._getpid,
            "tgkill": _tgkill,
            "sysinfo": _sysinfo,
            "prlimit64": _prlimit,
            "getrandom": _entropy,
            "time": _time,
            "gettimeofday": _gettimeofday,
        }
    )
