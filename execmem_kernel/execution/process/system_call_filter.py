"""The seccomp filters under which programs run."""

from __future__ import annotations

import struct

from execmem_kernel.execution.contract.address_map import MAP_FIXED_NOREPLACE, MAP_SHARED, WORLD_DESCRIPTOR
from execmem_kernel.execution.process.runner import address_of

ARCHITECTURE = 0xC000003E  # AUDIT_ARCH_X86_64 (linux/audit.h)


_TRACE = 0x7FF00000  # SECCOMP_RET_TRACE (linux/seccomp.h)


OTHER_ARCHITECTURE, X32 = 1, 2
"""What the filter adds to its verdict: a call by the 32-bit interface, and one by the x32 interface."""


def system_call_filter(watched: bool) -> bytes:
    """A seccomp program that hands every system call to the supervisor; whichever interface it came by is noted.

    Where nobody watches, every call is a SIGSYS, but for those of the handler that the supervisor speaks to.
    """
    load, jump_equal, jump_at_least, verdict = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
    number, architecture = 0, 4  # offsets in struct seccomp_data
    if not watched:
        return _gate_filter()
    instructions = (
        (load, 0, 0, architecture),
        (jump_equal, 1, 0, ARCHITECTURE),
        (verdict, 0, 0, _TRACE | OTHER_ARCHITECTURE),
        (load, 0, 0, number),
        (jump_at_least, 0, 1, 0x40000000),
        (verdict, 0, 0, _TRACE | X32),
        (verdict, 0, 0, _TRACE),
    )
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def _gate_filter() -> bytes:
    """Of all system calls, only those that the handler's one `syscall` makes are carried out, and only harmless ones.

    A program can jump there, with arguments of its own. It then can stop its own process, map pages of the file that
    its memory comes from, unmap and protect pages, never make any executable, and set its fs_base and gs_base.
    """
    passed = address_of("passed")
    load, equal, verdict = 0x20, 0x15, 0x06  # linux/bpf_common.h
    number, architecture, came_from = 0, 4, 8  # offsets in struct seccomp_data
    first, second, third, fourth, fifth = range(16, 56, 8)  # the lower halves of arguments; all here have 32 bits
    # Each row: what is loaded, and where to go for which value; a row ends in a refusal, or goes on to the next one.
    rows: list[tuple[str, int, dict[int, str], str]] = [
        ("", architecture, {ARCHITECTURE: "from"}, "trap"),
        ("from", came_from, {passed: "from high"}, "trap"),
        ("from high", came_from + 4, {0: "which"}, "trap"),
        ("which", number, {62: "kill", 9: "mmap", 10: "protection", 11: "allow", 158: "arch_prctl"}, "trap"),
        ("kill", first, {0: "which signal"}, "trap"),  # the process's own group
        ("which signal", second, {19: "allow"}, "trap"),  # SIGSTOP
        ("mmap", fourth, {MAP_SHARED | MAP_FIXED_NOREPLACE: "file"}, "trap"),
        ("file", fifth, {WORLD_DESCRIPTOR: "protection"}, "trap"),
        ("protection", third, {0: "allow", 1: "allow", 3: "allow"}, "trap"),  # nothing, reading, reading and writing
        ("arch_prctl", first, {0x1001: "allow", 0x1002: "allow"}, "trap"),  # ARCH_SET_GS, ARCH_SET_FS
    ]
    starts, at = {}, 0
    for name, _, ways, _ in rows:
        starts[name] = at
        at += 2 + len(ways)
    starts |= {"trap": at, "allow": at + 1}
    instructions = []
    for _, offset, ways, otherwise in rows:
        instructions.append((load, 0, 0, offset))
        for value, target in ways.items():
            instructions.append((equal, starts[target] - len(instructions) - 1, 0, value))
        instructions.append((0x05, 0, 0, starts[otherwise] - len(instructions) - 1))  # a jump
    instructions += [(verdict, 0, 0, 0x00030000), (verdict, 0, 0, 0x7FFF0000)]  # SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
