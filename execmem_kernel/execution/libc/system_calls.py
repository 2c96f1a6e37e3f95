"""The C library's own system calls: what stdio, malloc, time and abort need, and no more."""

from __future__ import annotations

import errno
import re
import signal
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import PAGE, page_ceil
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.syscalls.guest_memory import GuestMemory
from execmem_kernel.execution.syscalls.handlers import PID, SystemCallHandler
from execmem_kernel.execution.syscalls.numbers import NUMBERS
from execmem_kernel.execution.syscalls.reasons import REASON_OF
from execmem_kernel.execution.syscalls.verdicts import Answered, Carried, Exhausted, Raised, Refused, Verdict
from execmem_kernel.linux.memory import PROT_EXEC

_MOST_PIECES = 1024
"""UIO_MAXIOV: how many pieces writev takes. Source: linux/uio.h."""
_MAY_MOVE, _FIXED = 1, 2
"""MREMAP_MAYMOVE and MREMAP_FIXED. Source: linux/mman.h."""
_DONT_NEED = 4
"""MADV_DONTNEED. Source: asm-generic/mman-common.h."""
_OF_THE_HOST = (b"/etc/", b"/usr/share/zoneinfo", b"/usr/lib/locale", b"/usr/lib64/gconv", b"/proc/")
"""Where the library looks for settings of the host by itself."""
_SHARED_LIBRARY = re.compile(rb"(^|/)lib(32|64|x32)?(/|$)")
"""What it looks for when it wants another library, as pthread_exit and backtrace do: files and folders of the host."""


def put_status(guest: GuestMemory, address: int, inode: int, mode: int, size: int) -> int:
    """Write a struct stat that holds what the loader and stdio ask for: which file, what kind, how long.

    Args:
        guest: The memory to write to.
        address: Where.
        inode: Tells files apart.
        mode: st_mode: kind and permissions.
        size: Of the file, in bytes.

    Returns:
        What the system call returns.
    """
    status = struct.pack("<QQQIIIIQqqq", 1, inode, 1, mode, 1000, 1000, 0, 0x8800, size, 1024, 0)
    return 0 if guest.write(address, status.ljust(144, b"\0")) else -errno.EFAULT


class LibrarySystemCallHandler(SystemCallHandler):
    """Answers the C library's system calls too: what stdio, malloc, time and abort need, and no more."""

    def _writev(self, guest: GuestMemory, descriptor: int, vector: int, count: int, *_: int) -> Verdict:
        count = count & 0xFFFFFFFF  # an int
        if count > _MOST_PIECES:
            return Answered(-errno.EINVAL)
        table = guest.read(vector, 16 * count)
        if len(table) < 16 * count:
            return self._bad_address("writev")
        pieces = list(struct.iter_unpack("<QQ", table))
        if sum(size for _, size in pieces) >> 63:
            return Answered(-errno.EINVAL)
        written = 0
        for address, size in pieces:
            if not size:
                continue
            verdict = self._write(guest, descriptor, address, size)
            if not isinstance(verdict, Answered):
                return verdict
            if verdict.result < 0:  # what came before it has been written
                return Answered(written) if written else verdict
            written += verdict.result
        return Answered(written)

    def _fstat(self, guest: GuestMemory, descriptor: int, address: int, *_: int) -> Verdict:
        if descriptor & 0xFFFFFFFF > 2:
            return Answered(-errno.EBADF)
        return Answered(put_status(guest, address, 2, 0o20620, 0))  # a terminal

    def _newfstatat(self, guest: GuestMemory, descriptor: int, path: int, address: int, *_: int) -> Verdict:
        if guest.read(path, 1) == b"\0":
            return self._fstat(guest, descriptor, address)
        return self._no_file(guest, path)

    def _openat(self, guest: GuestMemory, descriptor: int, path: int, *_: int) -> Verdict:
        return self._no_file(guest, path)

    def _no_file(self, guest: GuestMemory, path: int) -> Verdict:
        """The library looks for settings of the host by itself, and does without; no program names those files."""
        name = guest.read(path, 4096).partition(b"\0")[0]
        if name.startswith(_OF_THE_HOST) or (self.inside_library and _SHARED_LIBRARY.search(name)):
            return Answered(-errno.ENOENT)
        return Refused("a program in a cell has no files", "give it memory with buffers=, or text with stdin=")

    def _dup(self, guest: GuestMemory, *_: int) -> Verdict:
        """`perror` asks for a second stderr, and does without."""
        if self.inside_library:
            return Answered(-errno.EMFILE)
        return Refused(REASON_OF["dup"])

    def _ioctl(self, guest: GuestMemory, descriptor: int, request: int, address: int, *_: int) -> Verdict:
        # TCGETS: stdio asks whether a line is to be written as soon as it is complete. It is, as on a terminal.
        if descriptor & 0xFFFFFFFF <= 2 and request & 0xFFFFFFFF == 0x5401 and guest.write(address, bytes(36)):
            return Answered(0)
        return Answered(-errno.ENOTTY)

    def _lseek(self, guest: GuestMemory, descriptor: int, *_: int) -> Verdict:
        return Answered(-errno.ESPIPE if descriptor & 0xFFFFFFFF <= 2 else -errno.EBADF)

    def _reserve(self, guest: GuestMemory, address: int, size: int, protection: int, flags: int, *rest: int) -> Verdict:
        if not protection & 7:  # malloc reserves 128 MiB for a second arena, and does without
            return Answered(-errno.ENOMEM)
        return self._mmap(guest, address, size, protection, flags, *rest)

    def _mremap(self, guest: GuestMemory, address: int, old: int, new: int, flags: int, *_: int) -> Verdict:
        old, new = page_ceil(old), page_ceil(new)
        if address % PAGE or not old or not new or flags & ~_MAY_MOVE:
            return Answered(-errno.EINVAL)
        if not self._mapped_here(address, old):
            return Answered(-errno.EFAULT)
        if new <= old:
            self._charged.remove(address + new, address + old)
            return Carried(NUMBERS["mremap"], (address, old, new, 0, 0))
        if not flags:
            return Answered(-errno.ENOMEM)
        self._charged.remove(address, address + old)
        place = self._new_place(new)
        if place is None:
            self._charged.add(address, address + old)
            return Exhausted("memory")
        return Carried(NUMBERS["mremap"], (address, old, new, _MAY_MOVE | _FIXED, place))

    def _mprotect(self, guest: GuestMemory, address: int, size: int, protection: int, *_: int) -> Verdict:
        size = page_ceil(size)
        if address % PAGE:
            return Answered(-errno.EINVAL)
        if not size:
            return Answered(0)
        if protection & PROT_EXEC or not self._mapped_here(address, size):
            return Refused("memory keeps its protection, so that nothing is ever writable and executable at once")
        return Carried(NUMBERS["mprotect"], (address, size, protection))

    def _madvise(self, guest: GuestMemory, address: int, size: int, advice: int, *_: int) -> Verdict:
        size = page_ceil(size)
        if address % PAGE:
            return Answered(-errno.EINVAL)
        if advice & 0xFFFFFFFF != _DONT_NEED or not size:
            return Answered(0)
        if not self._mapped_here(address, size):
            return Answered(-errno.ENOMEM)
        return Carried(NUMBERS["madvise"], (address, size, advice))

    def _mapped_here(self, address: int, size: int) -> bool:
        """Whether all of a range of pages is what brk, mmap or mremap have given."""
        return self._charged.covers(address, address + size)

    def _futex(self, guest: GuestMemory, address: int, operation: int, *_: int) -> Verdict:
        if operation & 127 in (1, 10):  # FUTEX_WAKE, FUTEX_WAKE_BITSET: there is no other thread
            return Answered(0)
        return Refused("it waits for a lock that nobody will release", "was a stream or a lock overwritten?")

    def _nothing(self, guest: GuestMemory, *_: int) -> Verdict:
        return Answered(0)

    def _tgkill(self, guest: GuestMemory, group: int, thread: int, number: int, *_: int) -> Verdict:
        if (group, thread, number) != (PID, PID, signal.SIGABRT):
            return Refused("a program in a cell sends no signals, neither to others nor to itself")
        said = bytes(self.stderr).decode(errors="replace").rstrip().rpartition("\n")[2]
        why = f": {said}" if said else ""
        hint = (
            "the heap was overwritten, or given something that malloc did not return"
            if re.search(r"free\(\)|malloc|realloc|corrupt|chunk|munmap", said)
            else "what the C library wrote to stderr says why"
        )
        return Raised("SIGABRT", Cause("abort", f"the program was aborted{why}", look_at=hint))

    def _sysinfo(self, guest: GuestMemory, address: int, *_: int) -> Verdict:
        size = self.limits.memory_size
        data = struct.pack("<q3QQQQQQQHHIQQI", 0, 0, 0, 0, size, size, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
        return Answered(0 if guest.write(address, data) else -errno.EFAULT)

    def _prlimit(self, guest: GuestMemory, _pid: int, _kind: int, new: int, old: int, *_: int) -> Verdict:
        if new or not old:
            return Refused("how the program's process is set up stays as it is")
        return Answered(0 if guest.write(old, struct.pack("<2Q", *[self.limits.stack_size] * 2)) else -errno.EFAULT)

    def _entropy(self, guest: GuestMemory, address: int, size: int, flags: int, *_: int) -> Verdict:
        if size == 8 and flags == 1:  # malloc marks freed memory with a number; a program may read it by mistake
            return Answered(8 if guest.write(address, bytes(range(0xB0, 0xB8))) else -errno.EFAULT)
        return self._getrandom(guest, address, size)

    def _time(self, guest: GuestMemory, address: int, *_: int) -> Verdict:
        seconds = self._now(0) // 1_000_000_000
        if address and not guest.write(address, struct.pack("<q", seconds)):
            return Answered(-errno.EFAULT)
        return Answered(seconds)

    def _gettimeofday(self, guest: GuestMemory, address: int, *_: int) -> Verdict:
        now = self._now(0)
        data = struct.pack("<qq", now // 1_000_000_000, now % 1_000_000_000 // 1000)
        return Answered(0 if guest.write(address, data) else -errno.EFAULT)

    _handlers: Mapping[str, Callable[..., Verdict]] = MappingProxyType(
        {
            **SystemCallHandler._handlers,
            "writev": _writev,
            "fstat": _fstat,
            "newfstatat": _newfstatat,
            "openat": _openat,
            "dup": _dup,
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
            "gettid": SystemCallHandler._getpid,
            "tgkill": _tgkill,
            "sysinfo": _sysinfo,
            "prlimit64": _prlimit,
            "getrandom": _entropy,
            "time": _time,
            "gettimeofday": _gettimeofday,
        }
    )
