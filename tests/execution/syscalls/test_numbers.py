"""The table of system calls is the kernel's."""

from __future__ import annotations

import re
from pathlib import Path

from execmem_kernel.execution.syscalls import numbers


def test_names_are_those_of_the_kernel_headers() -> None:
    # Debian's place and everybody else's; scripts/test installs them where they are missing.
    places = [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")]
    header = next(place for place in places if place.exists())
    for name, number in re.findall(r"__NR_(\w+) (\d+)", header.read_text()):
        assert numbers.NAMES[int(number)] == name


def test_what_has_no_name_is_called_by_its_number() -> None:
    assert numbers.name_of(39) == "getpid"
    assert numbers.name_of(1000) == "system call 1000"
    assert numbers.name_of(2**64 - 1) == "system call -1"
