"""What the kernel says about this process: the oracle of the memory tests, read here without the package."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

RETURN_42 = b"\xb8\x2a\x00\x00\x00\xc3"
RETURN_43 = b"\xb8\x2b\x00\x00\x00\xc3"


def lines() -> list[tuple[int, int, str, str]]:
    """(start, end, protection, path) of every mapping."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)", line)
        assert match is not None, line
        found.append((int(match[1], 16), int(match[2], 16), match[3], match[4]))
    return found


def protection_at(address: int) -> str | None:
    """How the page at an address is mapped, or None."""
    return next((protection for start, end, protection, _ in lines() if start <= address < end), None)


def executable_mappings() -> list[tuple[int, int]]:
    """Every executable mapping that is not a file on disk or the kernel's own."""
    return [
        (start, end)
        for start, end, protection, path in lines()
        if "x" in protection and not (path.startswith("/") and not path.startswith("/memfd")) and "[v" not in path
    ]


def writable_and_executable() -> list[tuple[int, int, str, str]]:
    """Mappings that must not exist."""
    return [line for line in lines() if "w" in line[2] and "x" in line[2]]


def bytes_of_code_files() -> int:
    """How much of every memory file of the package's is mapped now, whoever mapped it."""
    return sum(end - start for start, end, _, path in lines() if path.startswith("/memfd:execmem"))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def call(address: int) -> int:
    """Call machine code that takes nothing and returns an int."""
    return int(ctypes.CFUNCTYPE(ctypes.c_int)(address)())


def lines_of_ours() -> list[tuple[int, int, str, str]]:
    """Every mapping in the two windows where regions are placed."""
    return [line for line in lines() if 0x0FFF_F000 <= line[0] < 0x7000_0000]
