"""A bounded, seeded part of the two fuzzers: random programs against GNU as and NASM, and damaged text."""

from __future__ import annotations

import random

import pytest

from tests.assembly import program_fuzz, source_fuzz
from tests.assembly.linked import HAVE_GNU, HAVE_NASM


@pytest.mark.skipif(not HAVE_GNU, reason="needs GNU as, ld and objcopy")
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("kind", ["gnu", "att"])
def test_a_random_program_is_what_gnu_as_makes_of_it(kind: str, seed: int) -> None:
    assert program_fuzz.check(kind, seed) is None


@pytest.mark.skipif(not HAVE_NASM, reason="needs NASM and ld")
@pytest.mark.parametrize("seed", range(24))
def test_a_random_program_is_what_nasm_makes_of_it(seed: int) -> None:
    assert program_fuzz.check("nasm", seed) is None


@pytest.mark.parametrize("start", range(0, 600, 100))
def test_damaged_text_gets_an_answer(start: int) -> None:
    for seed in range(start, start + 100):
        assert source_fuzz.check(source_fuzz.damaged(seed), "att" if seed % 5 == 0 else "intel") is None, seed


def test_a_megabyte_of_anything_gets_an_answer() -> None:
    chance = random.Random(1)
    for alphabet in ("abc[](),;:%$ \n\t0123xmovrax+-*'\"", "\n", "(", "/*", "'", "mov eax, 1\n", "%", "a:"):
        text = "".join(chance.choices(alphabet, k=1 << 20)) if "mov e" not in alphabet else alphabet * 100_000
        assert source_fuzz.check(text) is None, alphabet
