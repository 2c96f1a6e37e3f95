"""The same program ends the same way here, in an emulator, traced, and when it is run again."""

from __future__ import annotations

import random

import pytest

import execmem_kernel as em
from execmem_kernel.assembly.program import CODE_ADDRESS, Program, Segment
from execmem_kernel.execution.engine import Call
from execmem_kernel.execution.supervisor import Supervisor
from tests.execution.conftest import left_behind
from tests.execution.random_programs import difference

DIFFERS_BY_NATURE = (
    "rdtsc",
    "rdtscp",
    "rdrand",
    "rdseed",
    "cpuid",
    "rdpid",
    "xgetbv",
    "sgdt",
    "sidt",
    "str",
    "sldt",
    "smsw",
)


@pytest.mark.parametrize("block", range(4))
def test_random_programs_end_as_in_an_emulator(block: int) -> None:
    assert [text for seed in range(40 * block, 40 * block + 40) if (text := difference(seed))] == []


def test_random_programs_end_as_in_an_emulator_when_stepped() -> None:
    assert [text for seed in range(1000, 1020) if (text := difference(seed, trace=True))] == []


def end_of(code: bytes) -> tuple[object, ...]:
    """How random bytes end, in what every run must agree on."""
    program = Program("", "intel", (Segment("text", CODE_ADDRESS, code, len(code), "r-x"),))
    outcome = Supervisor().run(Call(program, limits=em.Limits(wall_s=0.1)))
    state = () if isinstance(outcome, em.TimedOut) else tuple(outcome.registers.values())
    return type(outcome).__name__, outcome.headline, state, outcome.stdout


def has_its_own_will(code: bytes) -> bool:
    """Whether an instruction is among the bytes whose result is not the program's to say."""
    return any(
        one.mnemonic in DIFFERS_BY_NATURE
        for start in range(len(code))
        for one in em.disassemble(code[start : start + 15])[:1]
    )


def test_random_bytes_end_the_same_way_twice_and_leave_nothing() -> None:
    generator = random.Random(20)
    em.run("ret")
    before = left_behind()
    tried = 0
    for _ in range(100):
        code = generator.randbytes(generator.randrange(1, 40))
        if not has_its_own_will(code):
            tried += 1
            assert end_of(code) == end_of(code), code.hex()
    assert left_behind() == before
    assert tried > 75
