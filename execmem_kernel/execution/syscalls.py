"""System calls: their numbers and names, what a program in a cell may call, and what it is told about the others."""

from __future__ import annotations

import errno
import os
import random
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from execmem_kernel.execution.engine import Cause, Limits, Warned
from execmem_kernel.execution.layout import BREAK, MAPPINGS, PAGE, STACK_START, page_ceil

_NAMES = """
@0 read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask
rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise
shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept
sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt
getsockopt clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv
msgctl fcntl flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat
link unlink symlink readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo
times ptrace getuid syslog getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid
setregid getgroups setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget
capset rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib
personality ustat statfs fstatfs sysfs getpriority setpriority sched_setparam sched_getparam
sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval
mlock munlock mlockall munlockall vhangup modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex setrlimit
chroot sync acct settimeofday mount umount2 swapon swapoff reboot sethostname setdomainname iopl ioperm
create_module init_module delete_module get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg
afs_syscall tuxcall security gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr
listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr tkill time futex sched_setaffinity
sched_getaffinity set_thread_area io_setup io_destroy io_getevents io_submit io_cancel get_thread_area
lookup_dcookie epoll_create epoll_ctl_old epoll_wait_old remap_file_pages getdents64 set_tid_address
restart_syscall semtimedop fadvise64 timer_create timer_settime timer_gettime timer_getoverrun timer_delete
clock_settime clock_gettime clock_getres clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes
vserver mbind set_mempolicy get_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
mq_getsetattr kexec_load waitid add_key request_key keyctl ioprio_set ioprio_get inotify_init
inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat fchownat futimesat newfstatat
unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare set_robust_list
get_robust_list splice tee sync_file_range vmsplice move_pages utimensat epoll_pwait signalfd timerfd_create
eventfd fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2 epoll_create1 dup3 pipe2
inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark
prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns getcpu process_vm_readv
process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create
kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect
pkey_alloc pkey_free statx io_pgetevents rseq uretprobe uprobe @424 pidfd_send_signal io_uring_setup io_uring_enter
io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2
pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset
landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node
cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount
lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat
open_tree_attr file_getattr file_setattr listns rseq_slice_yield
"""


def _numbered() -> dict[int, str]:
    names = {}
    number = 0
    for word in _NAMES.split():
        if word.startswith("@"):
            number = int(word[1:])
        else:
            names[number] = word
            number += 1
    return names


NAMES: Mapping[int, str] = MappingProxyType(_numbered())
"""Number -> name of every x86-64 system call. Source: Linux, arch/x86/entry/syscalls/syscall_64.tbl."""

NUMBERS: Mapping[str, int] = MappingProxyType({name: number for number, name in NAMES.items()})

NAMES_32: Mapping[int, str] = MappingProxyType(
    {
        1: "exit", 2: "fork", 3: "read", 4: "write", 5: "open", 6: "close", 7: "waitpid", 8: "creat", 10: "unlink",
        11: "execve", 12: "chdir", 13: "time", 19: "lseek", 20: "getpid", 26: "ptrace", 37: "kill", 39: "mkdir",
        45: "brk", 54: "ioctl", 64: "getppid", 67: "sigaction", 78: "gettimeofday", 90: "mmap", 91: "munmap",
        102: "socketcall", 119: "sigreturn", 120: "clone", 125: "mprotect", 162: "nanosleep", 190: "vfork",
        192: "mmap2", 252: "exit_group",
    }
)  # fmt: skip
"""The calls of the 32-bit interface that old tutorials use. Source: Linux, arch/x86/entry/syscalls/syscall_32.tbl."""

OFFERED = (
    "write", "read", "exit", "exit_group", "getpid", "brk", "mmap", "munmap", "clock_gettime", "getrandom",
)  # fmt: skip
"""What a program in a cell may call."""

_SIGNATURES = """
read:dpu write:dsu open:qxo close:d stat:qp fstat:dp lstat:qp poll:pud lseek:ddd mmap:puxxdd mprotect:pux munmap:pu
brk:p rt_sigaction:dppu rt_sigprocmask:dppu rt_sigreturn: ioctl:dxp pread64:dpud pwrite64:dpud readv:dpd writev:dpd
access:qd pipe:p select:dpppp sched_yield: mremap:puuxp msync:pux mincore:pup madvise:pud dup:d dup2:dd pause:
nanosleep:pp getitimer:dp alarm:u setitimer:dpp getpid: sendfile:ddpu socket:ddd connect:dpd accept:dpp sendto:dpuxpd
recvfrom:dpuxpp bind:dpd listen:dd socketpair:dddp clone:xpppp fork: vfork: execve:qpp exit:d wait4:dpdp kill:dd
uname:p fcntl:ddx flock:dd truncate:qd ftruncate:dd getdents:dpu getcwd:pu chdir:q fchdir:d rename:qq mkdir:qo
rmdir:q creat:qo link:qq unlink:q symlink:qq readlink:qpu chmod:qo fchmod:do chown:qdd umask:o gettimeofday:pp
getrlimit:dp getrusage:dp sysinfo:p times:p ptrace:ddpp getuid: getgid: setuid:d setgid:d geteuid: getegid: getppid:
getpgrp: setsid: sigaltstack:pp personality:x prctl:dxxxx arch_prctl:xp setrlimit:dp chroot:q mount:qqqxp umount2:qx
reboot:xxxp gettid: time:p futex:pddpp sched_setaffinity:dup sched_getaffinity:dup getdents64:dpu set_tid_address:p
exit_group:d epoll_create1:x clock_gettime:dp clock_nanosleep:dxpp tgkill:ddd tkill:dd openat:dqxo mkdirat:dqo
unlinkat:dqx execveat:dqppx eventfd2:ux pipe2:px dup3:ddx prlimit64:ddpp process_vm_readv:dpupux
process_vm_writev:dpupux seccomp:xxp getrandom:pux memfd_create:qx bpf:dpu userfaultfd:x membarrier:dxd
io_uring_setup:up pidfd_send_signal:ddpx clone3:pu close_range:uux pidfd_open:dx openat2:dqpu vhangup: sync:
uretprobe: uprobe:
"""
"""Arguments of a call: d signed, u unsigned, x hexadecimal, o octal, p pointer, q a string's address, s bytes of the
length in the next argument. Sources: Linux man pages, section 2."""

_ARGUMENTS = {name: kinds for name, _, kinds in (word.partition(":") for word in _SIGNATURES.split())}

_REASONS = {
    "a program in a cell has no files": (
        "open openat openat2 creat close stat fstat lstat access lseek ioctl pread64 pwrite64 readv writev pipe pipe2 "
        "dup dup2 dup3 fcntl flock truncate ftruncate getdents getdents64 getcwd chdir fchdir rename mkdir rmdir "
        "mkdirat link unlink unlinkat symlink readlink chmod fchmod chown umask sendfile memfd_create mount "
        "umount2 chroot eventfd2 epoll_create1 close_range sync poll select io_uring_setup"
    ),
    "a program in a cell is one process and can start no other": "fork vfork clone clone3 execve execveat wait4 waitid",
    "a program in a cell cannot reach other processes": (
        "ptrace uretprobe uprobe process_vm_readv process_vm_writev pidfd_open getppid setsid pidfd_getfd kcmp getpgrp"
    ),
    "a program in a cell sends no signals, neither to others nor to itself": (
        "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal"
    ),
    "a program in a cell has no signal handlers": (
        "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack rt_sigsuspend rt_sigpending rt_sigtimedwait signalfd4"
    ),
    "a program in a cell has no clock that rings; it may read one with clock_gettime": (
        "alarm setitimer getitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete "
        "timerfd_create timerfd_settime"
    ),
    "a program in a cell has no network": (
        "socket connect accept accept4 sendto recvfrom sendmsg recvmsg bind listen socketpair shutdown getsockname"
    ),
    "memory keeps its protection, so that nothing is ever writable and executable at once": ("mprotect pkey_mprotect"),
    "memory can only be asked for and given back: brk, mmap, munmap": (
        "mremap remap_file_pages map_shadow_stack userfaultfd madvise process_madvise msync mincore mlock mlock2 "
        "mlockall munlock munlockall mseal mbind pkey_alloc pkey_free shmget shmat shmdt shmctl"
    ),
    "a program in a cell may not wait: it would only use up its time": (
        "pause nanosleep clock_nanosleep futex sched_yield epoll_wait ppoll pselect6"
    ),
    "how the program's process is set up stays as it is": (
        "prctl arch_prctl seccomp setrlimit prlimit64 personality setuid setgid bpf set_tid_address "
        "sched_setaffinity modify_ldt iopl ioperm set_robust_list rseq set_thread_area unshare setns capset "
        "setpriority sched_setscheduler sched_setparam sched_setattr landlock_restrict_self"
    ),
}
_REASON = {name: reason for reason, names in _REASONS.items() for name in names.split()}

_PROTECTION = MappingProxyType({1: "PROT_READ", 2: "PROT_WRITE", 4: "PROT_EXEC"})
_MAP_FIXED, _MAP_ANONYMOUS = 0x10, 0x20  # linux/mman.h
PID = 1000
"""What getpid answers: the same number in every run."""
_SHOWN = 40
"""Characters of a string that the log shows."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The supervisor did what was asked: the program goes on with this result."""

    result: int


@dataclass(frozen=True, slots=True)
class Carried:
    """The program's process makes this call itself, with these arguments; then it goes on with `result`, if given."""

    number: int
    arguments: tuple[int, ...]
    result: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The program asked to end."""

    status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The program may not do this."""

    reason: str
    look_at: str = ""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A limit was reached."""

    limit: str


@dataclass(frozen=True, slots=True)
class Raised:
    """The program sent itself a signal that ends it."""

    signal: str
    cause: Cause


Verdict = Answered | Carried | Ended | Refused | Exhausted | Raised


class Guest(Protocol):
    """What answering a call needs of the process that made it."""

    def read(self, address: int, size: int) -> bytes:
        """The bytes there; fewer where memory ends."""
        ...

    def write(self, address: int, data: bytes) -> bool:
        """Write there as the program could itself; False where it could not."""
        ...


class Desk:
    """Answers one program's system calls, and remembers what must be remembered between them."""

    def __init__(self, limits: Limits, stdin: bytes = b"", seed: int | None = None) -> None:
        self.limits = limits
        self.stdin: bytes = stdin
        self.stdout: bytearray = bytearray()
        self.stderr: bytearray = bytearray()
        self.warnings: list[Warned] = []
        self.count: int = 0
        self._seed = seed
        self._random: random.Random | None = None
        self._started = time.monotonic_ns()
        self._clock = 0
        self._break = BREAK
        self._next = MAPPINGS
        self._mapped = 0

    def answer(self, guest: Guest, number: int, arguments: tuple[int, ...]) -> Verdict:
        """Decide one call, and do it where it may be done."""
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
        return Refused(_REASON.get(name, "it is not among the calls a program in a cell may make"), offered)

    def _write(self, guest: Guest, descriptor: int, address: int, size: int, *_: int) -> Verdict:
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

    def _read(self, guest: Guest, descriptor: int, address: int, size: int, *_: int) -> Verdict:
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

    def _exit(self, guest: Guest, status: int, *_: int) -> Verdict:
        return Ended(status & 0xFF)

    def _getpid(self, guest: Guest, *_: int) -> Verdict:
        return Answered(PID)

    def _grow(self, size: int) -> bool:
        """Count memory that the program asked for; False where it would be more than its limit."""
        if self._mapped + size > self.limits.memory_size:
            return False
        self._mapped += size
        return True

    def _brk(self, guest: Guest, wanted: int, *_: int) -> Verdict:
        if wanted < BREAK or wanted >= MAPPINGS:
            if wanted >= MAPPINGS and wanted - BREAK > self.limits.memory_size:
                return Exhausted("memory")
            return Answered(self._break)
        old, new = page_ceil(self._break), page_ceil(wanted)
        if new > old:
            if not self._grow(new - old):
                return Exhausted("memory")
            self._break = wanted
            return Carried(NUMBERS["mmap"], (old, new - old, 3, 0x100022, 2**64 - 1, 0), wanted)
        self._break = wanted
        if new < old:
            self._mapped -= old - new
            return Carried(NUMBERS["munmap"], (new, old - new), wanted)
        return Answered(wanted)

    def _mmap(self, guest: Guest, address: int, size: int, protection: int, flags: int, *_: int) -> Verdict:
        if protection & 4:
            return Refused(
                "memory that a program asks for is never executable",
                "leave PROT_EXEC (4) out of rdx: code belongs in the program's text",
            )
        if not flags & _MAP_ANONYMOUS:
            return Refused("a program in a cell has no files to map", "add MAP_ANONYMOUS (0x20) to r10")
        if flags & _MAP_FIXED or flags & 0x100000:
            return Refused("where memory lies is not the program's choice", "leave MAP_FIXED out of r10")
        if size == 0:
            return Answered(-errno.EINVAL)
        size = page_ceil(size)
        if self._next + size + PAGE > STACK_START or not self._grow(size):
            return Exhausted("memory")
        place, self._next = self._next, self._next + size + PAGE
        return Carried(NUMBERS["mmap"], (place, size, protection & 3, 0x100022, 2**64 - 1, 0))

    def _munmap(self, guest: Guest, address: int, size: int, *_: int) -> Verdict:
        if address % PAGE or size == 0:
            return Answered(-errno.EINVAL)
        size = page_ceil(size)
        if address < MAPPINGS or address + size > max(self._next, MAPPINGS + PAGE):
            return Refused("a program may unmap only what it has mapped", "give munmap the address that mmap returned")
        self._mapped = max(0, self._mapped - size)
        return Carried(NUMBERS["munmap"], (address, size))

    def _now(self, clock: int) -> int:
        """Nanoseconds on a clock: since 1970, or since the run began."""
        if self._seed is not None:
            self._clock += 1_000_000
            return self._clock
        return time.time_ns() if clock in (0, 5) else time.monotonic_ns() - self._started

    def _clock_gettime(self, guest: Guest, clock: int, address: int, *_: int) -> Verdict:
        clock &= 0xFFFFFFFF
        if clock not in (0, 1, 2, 3, 4, 5, 6, 7):
            return Answered(-errno.EINVAL)
        now = self._now(clock)
        if not guest.write(address, struct.pack("<qq", *divmod(now, 1_000_000_000))):
            return self._bad_address("clock_gettime")
        return Answered(0)

    def _getrandom(self, guest: Guest, address: int, size: int, *_: int) -> Verdict:
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


def name_of(number: int) -> str:
    """The call's name, or its number where it has none."""
    signed = number - 2**64 if number >> 63 else number
    return NAMES.get(number, f"system call {signed}")


def result_text(number: int, result: int, describe: Callable[[int], str]) -> str:
    """What a call returned, in words: `6`, `-EBADF`, or the place that a pointer points to."""
    if -4096 < result < 0:
        return f"-{errno.errorcode.get(-result, -result)}"
    return describe(result) if NAMES.get(number) in ("mmap", "brk") else str(result)


def decode(guest: Guest, number: int, arguments: tuple[int, ...], describe: Callable[[int], str]) -> str:
    """A call in words: `write(1, "hello\\n", 6)`.

    Args:
        guest: Where strings are read.
        number: The system call.
        arguments: Its six registers.
        describe: How a pointer is shown.
    """
    name = NAMES.get(number)
    if name is None:
        return name_of(number)
    kinds = _ARGUMENTS.get(name)
    if kinds is None:
        return f"{name}(...)"
    shown = []
    for position, (kind, value) in enumerate(zip(kinds, arguments, strict=False)):
        low = value & 0xFFFFFFFF
        if kind == "d":
            text = str(low - 2**32 if low >> 31 else low)
        elif kind == "u":
            text = str(value)
        elif kind == "o":
            text = f"0o{low:o}"
        elif kind == "x":
            named = name in ("mmap", "mprotect") and position == 2
            text = _protection(value) if named else f"{value:#x}"
        elif kind == "p":
            text = "NULL" if value == 0 else describe(value)
        else:
            size = min(arguments[position + 1], 4096) if kind == "s" else None
            text = _string(guest, value, size, describe)
        shown.append(text)
    return f"{name}({', '.join(shown)})"


def _protection(value: int) -> str:
    known = [word for bit, word in _PROTECTION.items() if value & bit]
    rest = value & ~7
    return " | ".join(known + ([f"{rest:#x}"] if rest else [])) or "PROT_NONE"


def _string(guest: Guest, address: int, size: int | None, describe: Callable[[int], str]) -> str:
    """The bytes at an address as a C string literal, cut where they get long; the address where there are none."""
    data = guest.read(address, min(256 if size is None else size, 256))
    if size is None:
        data = data.partition(b"\0")[0]
    elif size == 0:
        return '""'
    if not data and not (size is None and guest.read(address, 1)):
        return "NULL" if address == 0 else describe(address)
    special = {10: "\\n", 9: "\\t", 34: '\\"', 92: "\\\\"}
    text = "".join(special.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data[:_SHOWN])
    cut = len(data) > _SHOWN or (size is not None and size > _SHOWN)
    return f'"{text}"' + ("..." if cut else "")
