"""Causes by name: each name has a rule that gives it, and each rule a row of the one table."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import execmem_kernel
from execmem_kernel.execution.contract.call import LimitName
from execmem_kernel.execution.contract.cause import CauseName
from execmem_kernel.execution.diagnosis import (
    arithmetic,
    endings,
    faults,
    instructions,
    jumps,
    memory,
    stack,
    traps,
    wandering,
)

EXECUTION = Path(execmem_kernel.__file__).parent / "execution"
NAMES = frozenset(get_args(CauseName))


def names_in_rules() -> set[str]:
    """Every name of a cause that stands in the code that makes causes: `Cause("null-read", ...)`, or chosen before."""
    found = set()
    for path in (*EXECUTION.glob("diagnosis/*.py"), *EXECUTION.glob("libc/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and node.value in NAMES:
                found.add(str(node.value))
    return found


def test_every_name_of_a_cause_has_a_rule_that_gives_it() -> None:
    assert names_in_rules() == NAMES


def test_every_rule_is_a_row_of_the_table() -> None:
    rules = {
        value
        for module in (arithmetic, instructions, jumps, memory, stack, traps, wandering)
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    }
    assert rules == {rule for _, rule in faults.TABLE}


def test_every_limit_has_a_cause_of_its_own() -> None:
    limits = execmem_kernel.Limits(steps=5)
    causes = {limit: endings.limit_reached(limit, limits) for limit in get_args(LimitName)}
    assert {cause.name for cause in causes.values()} == {name for name in NAMES if name.startswith("limit-")}
    assert len({cause.sentence for cause in causes.values()}) == len(causes)
