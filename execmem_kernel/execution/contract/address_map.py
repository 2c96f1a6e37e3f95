"""Where everything lies in a program's process: fixed addresses, so that every run is the same run.

0x10000000      the program's code, then its data (or wherever its source says)
0x71000000      the return address: a page that is never mapped, so that `ret` stops the program by itself
0x72000000      the C library, its loader and their memory, for a program that calls it (execution/libc/)
0x7fe00000      the runner, one read-only page of code that the program has no use for
0x7ff00000      only where a host refuses ptrace: the page of reports, and the stack of the handler that reports
0x5555a0000000  what `brk` hands out
0x7e00a0000000  what `mmap` hands out
0x7f10a0000000  buffers, each between two pages that are not mapped
0x7ff0d0000000  the end of the stack: below it what a caller has there already, or what a whole program is given, then
                the stack's 8 MiB, or what a limit says; nothing is mapped on either side

Stack, buffers and all memory that is asked for lie above 4 GiB, as on any Linux, and so that the lower half of such an
address is one where nothing lies: a pointer that lost its upper half faults. They lie below where the kernel puts the
stack of a new process and its vdso, which one that seals its own mappings does not let be unmapped.
"""

from __future__ import annotations

from types import MappingProxyType

PAGE = 4096
"""Bytes in a page of every x86-64 Linux."""
BUFFERS = 0x7F10_A000_0000
BUFFERS_SIZE = 0xC00_0000
"""Bytes that all buffers may have together: a notebook holds each of them twice."""
BREAK, BREAK_END = 0x5555_A000_0000, 0x6555_A000_0000
MAPPINGS, MAPPINGS_END = 0x7E00_A000_0000, 0x7F10_0000_0000
STACK_END = 0x7FF0_D000_0000
CALLER_SIZE = PAGE
"""Bytes at the end of the stack that a function's caller has, or that lie above a program's arguments: what is read or
written past a frame is memory, as it is below any main."""
STACK_AT_ENTRY = STACK_END - CALLER_SIZE - 8
"""rsp when a function starts: the return address lies there, so rsp is 16n+8, as after a call."""
LARGEST_STACK = 1 << 30
STACK_LOWEST = STACK_END - LARGEST_STACK - 0x10_0000
"""No stack begins below."""
ARGUMENTS_SIZE = 0x1_0000
"""Bytes of its stack that a program's arguments may have, pointers and all."""
PROGRAM_NAME = b"program"
"""argv[0]."""
RETURN = 0x7100_0000
LIBRARIES, LIBRARIES_END = 0x7200_0000, 0x7F00_0000
RUNNER = 0x7FE0_0000
CONTROL, CONTROL_SIZE = 0x7FF0_0000, 0x1000
ALTERNATE_STACK, ALTERNATE_STACK_SIZE = 0x7FF1_0000, 0x1_0000
USER_END = 0x7FFF_FFFF_F000
"""The end of the half of memory that belongs to programs."""
BREAKPOINT = b"\xcc"
"""The bytes of `int3`, which fills what no code fills, and stops a program."""
CANARY = 0xA5
"""Fills what lies between a buffer's end and the end of its last page, so that a write there is noticed."""
PROTECTIONS = MappingProxyType({"r--": 1, "rw-": 3, "r-x": 5})
"""A protection as the kernel's list of mappings writes it -> the bits that mmap takes. Source: mmap(2)."""
WORLD_DESCRIPTOR, CODE_DESCRIPTOR = 0, 3
"""The descriptors under which the runner finds the memory that it shares with us where a host refuses ptrace, and the
pages that hold the program's code."""
LOW_HALF_END, KERNEL_HALF = 0x8000_0000_0000, 0xFFFF_8000_0000_0000
"""Addresses between the two cannot exist. Source: Intel SDM vol. 1, 3.3.7.1, "Canonical Addressing"."""
NULL_PAGE = 0x1000
"""An access below is one through a null pointer."""


def page_floor(address: int) -> int:
    """The start of the page that an address lies in."""
    return address & -PAGE


def page_ceil(address: int) -> int:
    """An address, or a size in bytes, rounded up to whole pages."""
    return (address + PAGE - 1) & -PAGE


def canonical(address: int) -> bool:
    """Whether an address can exist: bits 63 to 47 are all equal."""
    return address < LOW_HALF_END or address >= KERNEL_HALF
