"""Sources of many thousand lines: what has to be looked up among all the others must not be looked for one by one."""

from __future__ import annotations

import contextlib
import time

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError

COUNT = 10_000
SOURCES = {
    "a local label under every plain one": "".join(f"p{number}:\n.x: jmp .x\n" for number in range(COUNT)),
    "a length behind every piece of data": "a:\n" + "".join(f"dq 1\nn{n} equ $ - a\n" for n in range(COUNT)),
    "a constant that is set again and again": "".join(f".set x, {n}\nmov eax, x\n" for n in range(COUNT)),
    "repetitions in repetitions": ".rept 1\n" * 3 * COUNT + ".endr\n" * 3 * COUNT,
    "names that are nearly right": "".join(f"label_{n:05}:\n" for n in range(3 * COUNT)) + "jmp label_0000\n" * 20,
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_long_source_takes_no_time_in_the_square_of_its_length(source: str) -> None:
    before = time.process_time()
    with contextlib.suppress(AssemblyError):
        assemble(source)
    # When every line looked through all the others, each took 5 to 12 seconds.
    assert time.process_time() - before < 3
