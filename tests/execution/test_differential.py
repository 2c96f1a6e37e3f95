"""The same program ends the same way here and in an emulator, stepped or not."""

from __future__ import annotations

import pytest

from tests.execution.random_programs import difference


@pytest.mark.parametrize("block", range(4))
def test_random_programs_end_as_in_an_emulator(block: int) -> None:
    assert [text for seed in range(40 * block, 40 * block + 40) if (text := difference(seed))] == []


def test_random_programs_end_as_in_an_emulator_when_stepped() -> None:
    assert [text for seed in range(1000, 1020) if (text := difference(seed, trace=True))] == []
