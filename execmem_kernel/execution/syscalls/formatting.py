"""System calls as text, for logs and messages: `write(1, "hello", 5)`."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from types import MappingProxyType

from execmem_kernel.execution.syscalls.guest_memory import GuestMemory
from execmem_kernel.execution.syscalls.numbers import NAMES, name_of
from execmem_kernel.wording import signed

_SIGNATURES = """
read:dpu write:dsu open:qxo close:d stat:qp fstat:dp lstat:qp poll:pud lseek:ddd mmap:pumxdd mprotect:pum munmap:pu
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
"""Arguments of a call: d signed, u unsigned, x hexadecimal, o octal, m a memory protection, p pointer, q a string's
address, s bytes of the length in the next argument. Sources: Linux man pages, section 2."""
_ARGUMENTS = {name: kinds for name, _, kinds in (word.partition(":") for word in _SIGNATURES.split())}
_PROTECTION = MappingProxyType({1: "PROT_READ", 2: "PROT_WRITE", 4: "PROT_EXEC"})


def _protection(value: int) -> str:
    known = [word for bit, word in _PROTECTION.items() if value & bit]
    rest = value & ~7
    return " | ".join(known + ([f"{rest:#x}"] if rest else [])) or "PROT_NONE"


_NUMBERS: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {
        "d": lambda value: str(signed(value & 0xFFFFFFFF, 32)),
        "u": str,
        "o": lambda value: f"0o{value & 0xFFFFFFFF:o}",
        "x": hex,
        "m": _protection,
    }
)
"""How the kinds of arguments are written that are numbers; the others need the program's memory."""
_SHOWN = 40
"""Characters of a string that the log shows."""


def result_text(number: int, result: int, describe: Callable[[int], str]) -> str:
    """What a call returned, in words: `6`, `-EBADF`, or the place that a pointer points to.

    Args:
        number: The system call.
        result: What it returned, signed.
        describe: How a pointer is shown.
    """
    if -4096 < result < 0:
        return f"-{errno.errorcode.get(-result, -result)}"
    return describe(result) if NAMES.get(number) in ("mmap", "brk") else str(result)


def decode(guest: GuestMemory, number: int, arguments: tuple[int, ...], describe: Callable[[int], str]) -> str:
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
        if kind in _NUMBERS:
            shown.append(_NUMBERS[kind](value))
        elif kind == "p":
            shown.append("NULL" if value == 0 else describe(value))
        else:
            size = min(arguments[position + 1], 4096) if kind == "s" else None
            shown.append(_string(guest, value, size, describe))
    return f"{name}({', '.join(shown)})"


def _string(guest: GuestMemory, address: int, size: int | None, describe: Callable[[int], str]) -> str:
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
