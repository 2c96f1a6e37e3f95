"""What the kernel says about a process: the oracle of the tests, read here without the package."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from typing import NamedTuple

RETURN_42 = b"\xb8\x2a\x00\x00\x00\xc3"
RETURN_43 = b"\xb8\x2b\x00\x00\x00\xc3"

Pid = int | str
"""A process by its number, or "self"."""


class Mapping(NamedTuple):
    """One line of a process's memory map."""

    start: int
    end: int
    protection: str
    path: str


def mappings(process: Pid = "self") -> list[Mapping]:
    """Every mapping of a process; none if it has ended and nobody has waited for it."""
    found = []
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
        assert match is not None, line
        found.append(Mapping(int(match[1], 16), int(match[2], 16), match[3], match[4]))
    return found


def protection_at(address: int) -> str | None:
    """How the page at an address is mapped, or None."""
    return next((each.protection for each in mappings() if each.start <= address < each.end), None)


def executable_mappings() -> list[tuple[int, int]]:
    """Every executable mapping that is not a file on disk or the kernel's own."""
    return [
        (start, end)
        for start, end, protection, path in mappings()
        if "x" in protection and not (path.startswith("/") and not path.startswith("/memfd")) and "[v" not in path
    ]


def writable_and_executable(process: Pid = "self") -> list[Mapping]:
    """Mappings that must not exist."""
    return [each for each in mappings(process) if "w" in each.protection and "x" in each.protection]


def bytes_of_code_files() -> int:
    """How much of every memory file of the package's is mapped now, whoever mapped it."""
    return sum(end - start for start, end, _, path in mappings() if path.startswith("/memfd:execmem"))


def mappings_of_ours() -> list[Mapping]:
    """Every mapping in the two windows where regions are placed."""
    return [each for each in mappings() if 0x0FFF_F000 <= each.start < 0x7000_0000]


def children(process: Pid = "self") -> set[int]:
    """The processes that a process has started and not waited for."""
    found = set()
    for task in Path(f"/proc/{process}/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def _stat(process: Pid) -> list[str]:
    """What /proc/PID/stat says from the state on, its third field."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def state(process: Pid) -> str:
    """R for running or ready, t for stopped by its tracer, Z for a process that has ended."""
    return _stat(process)[0]


def processor_ticks(process: Pid) -> int:
    """How long a process has computed outside the kernel, in hundredths of a second."""
    return int(_stat(process)[11])


def open_files() -> int:
    """How many descriptors this process holds."""
    return len(os.listdir("/proc/self/fd"))


def holdings() -> dict[str, object]:
    """What this process holds and a test must give back; where it may run must not change either."""
    return {
        "descriptors": open_files(),
        "executable mappings": executable_mappings(),
        "writable and executable": writable_and_executable(),
        "children": children(),
        "processor affinity": os.sched_getaffinity(0),
    }


def call(address: int) -> int:
    """Call machine code that takes nothing and returns an int."""
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())
