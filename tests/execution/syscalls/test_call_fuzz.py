"""A bounded, seeded part of the fuzzer of system calls: whatever a program asks for, its run ends in an outcome."""

from __future__ import annotations

import pytest

from tests.execution.syscalls import call_fuzz


@pytest.mark.parametrize("witness", call_fuzz.ENGINES)
@pytest.mark.parametrize("kind", call_fuzz.CALLS)
def test_a_program_with_hostile_arguments_ends_in_an_outcome(kind: str, witness: str) -> None:
    for seed in range(60):
        assert call_fuzz.check(seed, kind, witness, trace=seed % 8 == 0) is None
