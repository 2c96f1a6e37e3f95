"""What tests of running programs share: the count of what a run must not leave behind, and one way to run a snippet."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


def left_behind() -> dict[str, object]:
    """What this process holds, by the kernel's own books: descriptors, executable mappings, children, files."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "executable mappings": sorted(line.split()[0] for line in maps if "x" in line.split()[1]),
        "writable and executable": [line for line in maps if "w" in line.split()[1] and "x" in line.split()[1]],
        "children": sorted(
            child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()
        ),
        "processor affinity": os.sched_getaffinity(0),
    }


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails a test that leaves a descriptor, an executable mapping or a process behind."""
    import execmem_kernel as em
    from execmem_kernel.execution import launcher, recorder

    em.run("ret")  # what is set up once (the encoder's process, the manager) is set up before the count
    recorder.machine()
    launcher.launcher(at_once=True)
    before = left_behind()
    yield
    gc.collect()  # an interrupted run may hang on its own traceback until then
    assert left_behind() == before
    assert before["writable and executable"] == []
