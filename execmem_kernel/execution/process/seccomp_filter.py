"""The seccomp filters under which programs run."""

from __future__ import annotations

import signal
import struct

from execmem_kernel.execution.contract.address_map import WORLD_DESCRIPTOR
from execmem_kernel.execution.process.runner import address_of
from execmem_kernel.execution.syscalls.numbers import NUMBERS
from execmem_kernel.linux.memory import MAP_FIXED_NOREPLACE, MAP_SHARED

ARCHITECTURE = 0xC000003E
"""AUDIT_ARCH_X86_64. Source: linux/audit.h."""
_RET_TRAP, _RET_TRACE, _RET_ALLOW = 0x0003_0000, 0x7FF0_0000, 0x7FFF_0000
"""SECCOMP_RET_TRAP, _TRACE, _ALLOW. Source: linux/seccomp.h."""
_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x06
"""BPF_LD | BPF_W | BPF_ABS, BPF_JMP | BPF_JA, _JEQ, _JGE, BPF_RET. Source: linux/bpf_common.h."""
_NUMBER, _ARCHITECTURE_AT, _CAME_FROM, _ARGUMENTS = 0, 4, 8, 16
"""Offsets in struct seccomp_data. Source: linux/seccomp.h."""
_X32_BIT = 0x4000_0000
"""__X32_SYSCALL_BIT. Source: asm/unistd.h."""
SET_GS, SET_FS = 0x1001, 0x1002
"""ARCHSET_GS and ARCHSET_FS. Source: asm/prctl.h."""
OTHER_ARCHITECTURE, X32 = 1, 2
"""What the filter adds to its verdict: a call by the 32-bit interface, and one by the x32 interface."""


def filter_program(watched: bool) -> bytes:
    """A seccomp program that reports every system call to the tracer, and by which interface it came.

    Without a tracer every call is a SIGSYS, but for those that the process's own handler makes when it is told to.
    """
    if not watched:
        return _gate_filter()
    instructions = (
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, ARCHITECTURE),
        (_RETURN, 0, 0, _RET_TRACE | OTHER_ARCHITECTURE),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _RET_TRACE | X32),
        (_RETURN, 0, 0, _RET_TRACE),
    )
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def _gate_filter() -> bytes:
    """Of all system calls, only those that the handler's one `syscall` makes are carried out, and only harmless ones.

    A program can jump there, with arguments of its own. It then can stop its own process, map pages of the file that
    its memory comes from, unmap and protect pages, never make any executable, and set its fs_base and gs_base.
    """
    passed = address_of("passed")
    # The lower halves of arguments; all here have 32 bits.
    first, second, third, fourth, fifth = range(_ARGUMENTS, _ARGUMENTS + 40, 8)
    calls = {"kill": "kill", "mmap": "mmap", "mprotect": "protection", "munmap": "allow", "arch_prctl": "arch_prctl"}
    # Each row: what is loaded, and where to go for which value; a row ends in a refusal, or goes on to the next one.
    rows: list[tuple[str, int, dict[int, str], str]] = [
        ("", _ARCHITECTURE_AT, {ARCHITECTURE: "from"}, "trap"),
        ("from", _CAME_FROM, {passed: "from high"}, "trap"),
        ("from high", _CAME_FROM + 4, {0: "which"}, "trap"),
        ("which", _NUMBER, {NUMBERS[name]: target for name, target in calls.items()}, "trap"),
        ("kill", first, {0: "which signal"}, "trap"),  # the process's own group
        ("which signal", second, {signal.SIGSTOP: "allow"}, "trap"),
        ("mmap", fourth, {MAP_SHARED | MAP_FIXED_NOREPLACE: "file"}, "trap"),
        ("file", fifth, {WORLD_DESCRIPTOR: "protection"}, "trap"),
        ("protection", third, {0: "allow", 1: "allow", 3: "allow"}, "trap"),  # nothing, reading, reading and writing
        ("arch_prctl", first, {SET_GS: "allow", SET_FS: "allow"}, "trap"),
    ]
    # A row takes a load, a jump for each value and one otherwise; jumps count from the instruction behind them.
    starts, at = {}, 0
    for name, _, ways, _ in rows:
        starts[name] = at
        at += 2 + len(ways)
    starts |= {"trap": at, "allow": at + 1}
    instructions = []
    for _, offset, ways, otherwise in rows:
        instructions.append((_LOAD, 0, 0, offset))
        for value, target in ways.items():
            instructions.append((_JUMP_EQUAL, starts[target] - len(instructions) - 1, 0, value))
        instructions.append((_JUMP, 0, 0, starts[otherwise] - len(instructions) - 1))
    instructions += [(_RETURN, 0, 0, _RET_TRAP), (_RETURN, 0, 0, _RET_ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
