"""Random bytes run as code: whatever they do, the notebook lives, and a second run ends as the first.

The suite runs a few hundred; by hand, as many as you like:

    python -m tests.execution.test_random_bytes 10000 --seed 7
    python -m tests.execution.test_random_bytes 1000 --traced      (the second time one instruction at a time)
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter

import pytest

from execmem_kernel.execution.contract.outcome import Outcome, Returned, TimedOut
from execmem_kernel.execution.trace import stepping_loop
from execmem_kernel.program.program import CODE_ADDRESS, Program, Segment
from tests import kernel
from tests.conftest import set_up_what_stays
from tests.running import run

TELLS_TIME_OR_PLACE = re.compile(
    rb"\x0f\x31|\x0f\x01[\xd0\xf9]|\x0f\xc7|\x0f\xa2|\x0f\x01[\x08-\x0f]|\x0f\x00|\x0f\x34", re.DOTALL
)
"""rdtsc, xgetbv, rdtscp, rdrand, rdseed, rdpid, cpuid, sidt, sldt, str, sysenter: they tell time, chance, or the
processor; the last leads to where the kernel's own page would lie."""
OPCODES = (
    b"\x0f\x05", b"\xcd\x80", b"\xeb\xfe", b"\xe8\x00\x00\x00\x00", b"\xc3", b"\xcc", b"\xf4", b"\x9d",
    b"\xc9", b"\xcf", b"\x48\x89\xe5", b"\x48\x31\xe4", b"\x0f\x0b", b"\xf3\xaa", b"\x66\x0f\xef\xc0",
    b"\xc5\xf8\x77", b"\x0f\xae\x17", b"\xdb\xe3", b"\x68\x00\x10\x00\x20", b"\x50", b"\x58", b"\xff\xe0",
    b"\xff\xd0", b"\xf7\xf1", b"\x9c", b"\xfd",
)  # fmt: skip
"""Instructions that chance alone would rarely hit on: system calls, loops, jumps, stack and flags."""


def random_code(chance: random.Random) -> bytes:
    """Some bytes: pure chance, or chance between instructions that do mischief."""
    if chance.random() < 0.5:
        return chance.randbytes(chance.randrange(1, 65))
    pieces = [chance.choice((chance.choice(OPCODES), chance.randbytes(chance.randrange(1, 5)))) for _ in range(12)]
    return b"".join(pieces)


def end_of(code: bytes, chance: random.Random, traced: bool = False) -> Outcome:
    """Where they end, with registers that point to a buffer as often as not."""
    registers: dict[str, int | str] = {
        name: "memory" if chance.random() < 0.5 else chance.choice((0, 1, 60, chance.getrandbits(64)))
        for name in ("rax", "rcx", "rdx", "rsi", "rdi", "rbx", "r8")
    }
    program = Program("", "intel", (Segment("text", CODE_ADDRESS, code, len(code), "r-x"),))
    buffers = {"memory": bytes(range(256)) * 16}
    return run(program, registers=registers, buffers=buffers, seed=1, trace=traced)


def told(outcome: Outcome, traced: bool = False) -> tuple[object, ...]:
    """Everything about an end that must repeat; how far an endless loop got need not.

    A traced run is compared without its warnings: it knows more, and warns of more.
    """
    end = (type(outcome).__name__, outcome.signal, getattr(outcome, "limit", None), getattr(outcome, "status", None))
    if isinstance(outcome, TimedOut) and outcome.limit in ("wall", "cpu"):
        return end
    words = outcome.headline if traced else outcome.report()
    return (*end, words, dict(outcome.registers), outcome.buffers, outcome.stdout, outcome.stderr)


def trial(seed: int, number: int, traced: bool = False) -> tuple[Outcome, Outcome, bytes]:
    """The same bytes, twice; the second time as they are or traced."""
    chance = random.Random(f"{seed} {number}")
    code = random_code(chance)
    while TELLS_TIME_OR_PLACE.search(code):
        code = random_code(chance)
    state = chance.getstate()
    first = end_of(code, chance)
    chance.setstate(state)
    return first, end_of(code, chance, traced), code


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_end_twice_in_the_same_way_and_leave_nothing(seed: int) -> None:
    for number in range(40):
        first, second, code = trial(seed, number)
        assert told(first) == told(second), code.hex()


def test_random_bytes_end_in_the_same_way_when_they_are_traced() -> None:
    assert stepping_loop.machine() is not None  # so that it takes the steps, from the first one on
    for number in range(100, 130):
        first, second, code = trial(1, number, traced=True)
        assert told(first, traced=True) == told(second, traced=True), code.hex()


def test_some_random_bytes_return_and_some_do_not() -> None:
    ends = [trial(0, number)[0] for number in range(60)]
    assert any(type(end) is Returned for end in ends)
    assert len({end.signal for end in ends}) > 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traced", action="store_true")
    options = parser.parse_args()
    set_up_what_stays()
    before, started = kernel.holdings(), time.monotonic()
    kinds: Counter[str] = Counter()
    for number in range(options.count):
        first, second, code = trial(options.seed, number, options.traced)
        kinds[first.signal or type(first).__name__] += 1
        if told(first, options.traced) != told(second, options.traced):
            print(
                f"string {number} of seed {options.seed} ended differently: {code.hex()}\n{told(first)}\n{told(second)}"
            )
            return 1
        if number % 200 == 199 and kernel.holdings() != before:
            print(f"something was left by string {number - 199} to {number}: {before} {kernel.holdings()}")
            return 1
    print(f"{options.count} strings, twice, the same: {dict(kinds)}; {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
