"""What expressions are worth, and what depends on the layout."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import GNU
from execmem_kernel.assembly.syntax.evaluation import Value, apply_operator, evaluate
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import Expression, Symbol
from execmem_kernel.assembly.syntax.tokens import tokenize

PLACES = {"a": Value(10, ((1, 1),)), "b": Value(30, ((1, 1),)), "far": Value(100, ((2, 1),)), "five": Value(5)}
"""Two labels of one rigid stretch, one of another, and a constant."""


def worth(text: str) -> Value:
    def lookup(tree: Expression) -> Value:
        assert isinstance(tree, Symbol)
        return PLACES[tree.name]

    return evaluate(Parser(tokenize(text, GNU), GNU).expression(), lookup)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("five * 2 + 1", Value(11)),
        ("a + 1", Value(11, ((1, 1),))),
        ("b - a", Value(20)),
        ("far - a", Value(90, ((2, 1), (1, -1)))),
        ("(far - a) * 2", Value(180, ((2, 1), (1, -1)))),
        ("-(far - a)", Value(-90, ((2, -1), (1, 1)))),
    ],
)
def test_labels_of_one_stretch_have_a_distance_that_is_final(text: str, value: Value) -> None:
    assert worth(text) == value


@pytest.mark.parametrize("text", ["a * 2", "a & 1", "~a", "2 / a"])
def test_an_address_can_only_be_added_to_and_subtracted_from(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        worth(text)
    assert caught.value.code == "ASM034"


@pytest.mark.parametrize(
    ("operator", "left", "right", "result"),
    [
        ("/", -7, 2, -3), ("%", -7, 2, -1), ("u/", 7, 2, 3), ("<<", 1, 63, 1 << 63), ("<<", 1, 64, 0),
        ("<<", -1, 4, -16), (">>", -1, 60, 15), ("!", 5, 3, -3), ("<>", 1, 2, -1),
        ("&&", 2, 0, 0), ("||", 0, 3, 1), (">=", 3, 3, -1),
    ],
)  # fmt: skip
def test_operators_compute_as_gnu_as_does(operator: str, left: int, right: int, result: int) -> None:
    assert apply_operator(operator, left, right, 0, 1) == result


@pytest.mark.parametrize(
    ("operator", "left", "right", "code"),
    [("/", 1, 0, "ASM019"), ("u%", -1, 2, "ASM019"), ("*", 1 << 100, 1 << 100, "ASM017")],
)
def test_what_has_no_result_is_an_error(operator: str, left: int, right: int, code: str) -> None:
    with pytest.raises(SourceError) as caught:
        apply_operator(operator, left, right, 0, 1)
    assert caught.value.code == code
