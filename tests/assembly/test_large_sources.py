"""Sources of many thousand lines: what has to be looked up among all the others must not be looked for one by one."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError

COUNT = 10_000
SOURCES: dict[str, Callable[[int], str]] = {
    "a local label under every plain one": lambda count: "".join(f"p{n}:\n.x: jmp .x\n" for n in range(count)),
    "a length behind every piece of data": lambda count: (
        "a:\n" + "".join(f"dq 1\nn{n} equ $ - a\n" for n in range(count))
    ),
    "a constant that is set again and again": lambda count: "".join(f".set x, {n}\nmov eax, x\n" for n in range(count)),
    "repetitions in repetitions": lambda count: ".rept 1\n" * 3 * count + ".endr\n" * 3 * count,
    "names that are nearly right": lambda count: (
        "".join(f"label_{n:05}:\n" for n in range(3 * count)) + "jmp label_0000\n" * 20
    ),
}


def processor_time(source: str) -> float:
    """Seconds on the processor, without those of other processes, and of collections among what other tests made."""
    gc.disable()
    before = time.process_time()
    try:
        with contextlib.suppress(AssemblyError):
            assemble(source)
        return time.process_time() - before
    finally:
        gc.enable()


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_long_source_takes_no_time_in_the_square_of_its_length(source: Callable[[int], str]) -> None:
    processor_time(source(10))  # what is set up once
    short, long = processor_time(source(COUNT // 10)), processor_time(source(COUNT))
    # Ten times as long, where nothing is wrong; when every line looked through all the others, 40 to 60 times.
    assert long < 20 * short
