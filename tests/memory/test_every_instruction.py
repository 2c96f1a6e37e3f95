"""An interrupt before any instruction of the manager's own code, and a second one behind it, lose nothing.

The whole of it, every instruction and a second interrupt at many distances, is `scripts/interrupt_everywhere.py`.
"""

from __future__ import annotations

import warnings

import pytest

from tests.memory.interrupting import CASES, Case, sweep

STEP = 23
"""Every so-manyth instruction, so that all verbs together take seconds; a prime, so that loops are hit all over."""


class TimeIsUp(Exception):
    """What an alarm's handler raises."""


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in a finalizer is printed and dropped by Python."""
    warnings.simplefilter("ignore")
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_interrupt_anywhere_loses_nothing(case: Case) -> None:
    tried, failures = sweep(case, KeyboardInterrupt, STEP)
    assert failures == []
    assert tried > 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_another_exception_and_one_more_behind_it_lose_nothing(case: Case) -> None:
    tried, failures = sweep(case, TimeIsUp, 5 * STEP, seconds=(40,))
    assert failures == []
    assert tried > 1
