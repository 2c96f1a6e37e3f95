"""Limits are checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest

import execmem_kernel as em


@pytest.mark.parametrize(
    "limits", [{"wall_s": 0}, {"cpu_s": -1}, {"steps": -1}, {"memory_size": 2**41}, {"system_calls": 10**9 + 1}]
)
def test_a_limit_that_the_kernel_cannot_hold_is_refused(limits: dict[str, Any]) -> None:
    (name,) = limits
    with pytest.raises(ValueError, match=f"the limit {name} is .*; it can be "):
        em.Limits(**limits)


def test_a_limit_is_a_number() -> None:
    with pytest.raises(TypeError, match=r"the limit steps is a whole number, not 1\.5"):
        em.Limits(steps=1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the limit wall_s is seconds, not '2'"):
        em.Limits(wall_s="2")  # type: ignore[arg-type]


def test_counts_may_be_zero_and_steps_unlimited() -> None:
    limits = em.Limits(steps=None, output_size=0, system_calls=0)
    assert limits.steps is None
