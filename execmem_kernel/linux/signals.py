"""Signal handlers and their stacks, past Python's own: rt_sigaction(2), sigaltstack(2)."""

from __future__ import annotations

import ctypes

from execmem_kernel.linux.libc import fail, prototype

SA_SIGINFO, SA_RESTORER, SA_ONSTACK = 0x4, 0x0400_0000, 0x0800_0000
"""asm/signal.h."""
_RT_SIGACTION = 13
_SS_DISABLE = 2
_syscall = prototype(
    "syscall", ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long
)
_sigaltstack = prototype("sigaltstack", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_pthread_self = prototype("pthread_self", ctypes.c_void_p)


def signal_action(number: int, action: bytes | None = None) -> bytes:
    """The kernel's own record of a signal's handler, replaced if `action` is given: rt_sigaction(2).

    Args:
        number: The signal.
        action: Four 8-byte numbers: handler, flags, restorer, mask (struct kernel_sigaction).

    Returns:
        The record that stood there.
    """
    old = ctypes.create_string_buffer(32)
    new = None if action is None else ctypes.create_string_buffer(action, 32)
    # SAFETY: both buffers hold a whole record; what the handler's address leads to is the caller's promise.
    if _syscall(_RT_SIGACTION, number, None if new is None else ctypes.addressof(new), ctypes.addressof(old), 8) != 0:
        fail("rt_sigaction")
    return old.raw


def has_signal_stack() -> bool:
    """Whether this thread has a stack for signal handlers: sigaltstack(2)."""
    old = (ctypes.c_uint64 * 3)()
    if _sigaltstack(None, ctypes.addressof(old)) != 0:
        fail("sigaltstack")
    return not old[1] & _SS_DISABLE


def set_signal_stack(address: int, size: int) -> None:
    """Give this thread a stack for signal handlers; a size of 0 takes it away."""
    new = (ctypes.c_uint64 * 3)(address, 0 if size else _SS_DISABLE, size)
    # SAFETY: the caller keeps that memory mapped until it takes the stack away.
    if _sigaltstack(ctypes.addressof(new), None) != 0:
        fail("sigaltstack")


def thread_address() -> int:
    """This thread's own address, which glibc keeps at fs:[0]."""
    return int(_pthread_self())
