"""The option line by itself: which options go together."""

from __future__ import annotations

import pytest

from execmem_kernel.errors import MagicError
from execmem_kernel.magics.options import COMBINATIONS, check_combinations, options


def test_every_combination_is_of_options_that_exist() -> None:
    known = vars(options(""))
    named = {name for rule in COMBINATIONS for name in (rule.option, rule.needs, *rule.excludes) if name}
    assert named <= set(known)
    assert all(bool(rule.needs) != bool(rule.excludes) for rule in COMBINATIONS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--iterations 3", "--iterations needs --bench"),
        ("--limit steps=3 --bench", "--limit goes with a program that runs apart, not with --bench"),
        ("--limit steps=3 --native", "--limit goes with a program that runs apart, not with --native"),
        ("--limit steps=3 --native --bench", "--limit goes with a program that runs apart, not with --bench"),
        ("--native", '--native needs a prototype: --function "int64_t add(int64_t a, int64_t b)"'),
        ("--native --bench", '--native needs a prototype: --function "int64_t add(int64_t a, int64_t b)"'),
        (
            'rdi=1 rsi=2 --function "int64_t add(int64_t a)"',
            "rdi=1: with --function, arguments are given when it is called",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(line: str, message: str) -> None:
    with pytest.raises(MagicError) as raised:
        check_combinations(options(line))
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "line",
    [
        "", "rdi=1", "--bench --iterations 3", "--limit steps=3", '--function "int64_t f(void)" --native',
        '--function "" --bench', "--bench rdi=1",
    ],
)  # fmt: skip
def test_options_that_go_together_pass(line: str) -> None:
    check_combinations(options(line))
