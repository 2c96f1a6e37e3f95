"""A bounded, seeded part of the two fuzzers: random programs against GNU as and NASM, and damaged text."""

from __future__ import annotations

import random

import pytest

from tests.assembly import program_fuzz, source_fuzz


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("kind", ["gnu", "att"])
def test_a_random_program_is_what_gnu_as_makes_of_it(kind: str, seed: int) -> None:
    assert program_fuzz.check(kind, seed) is None


@pytest.mark.parametrize("seed", range(24))
def test_a_random_program_is_what_nasm_makes_of_it(seed: int) -> None:
    assert program_fuzz.check("nasm", seed) is None


@pytest.mark.parametrize("start", range(0, 600, 100))
def test_damaged_text_gets_an_answer(start: int) -> None:
    for seed in range(start, start + 100):
        assert source_fuzz.check(source_fuzz.damaged(seed), "att" if seed % 5 == 0 else "intel") is None, seed


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        "(",
        "/*",
        "/* x\n",
        "'",
        '"\n',
        '"\\',
        "%",
        "a:",
        "é",
        "\0",
        "x y\n",
        ".if 1\n",
        "a equ a\n",
        "1: jmp 1f\n",
        "%define a b\n",
        "a ",
        "[" * 99 + "\n",
    ],
)
def test_a_megabyte_of_anything_gets_an_answer(piece: str) -> None:
    assert source_fuzz.check(piece * ((1 << 20) // len(piece))) is None


def test_a_megabyte_of_noise_gets_an_answer() -> None:
    chance = random.Random(1)
    assert source_fuzz.check("".join(chance.choices("abc[](),;:%$ \n\t0123xmovrax+-*'\"", k=1 << 20))) is None


def test_padding_that_swallows_what_grows_before_it_leaves_the_jumps_behind_it_short() -> None:
    """Where all jumps of this program grow at once, its second padding moves on by 32 bytes, and more have to grow."""
    assert program_fuzz.check("gnu", 20261421) is None
