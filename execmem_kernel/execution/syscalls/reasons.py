"""Why a program in a cell may not make a system call, by the call's name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

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
REASON_OF: Mapping[str, str] = MappingProxyType(
    {name: reason for reason, names in _REASONS.items() for name in names.split()}
)
"""A system call that is refused -> why; the reasons are sentences of messages."""
