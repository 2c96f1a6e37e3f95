"""Evaluation of expression trees to a number and the relocatable terms that it depends on.

A value that contains labels remembers which rigid stretches of the program they lie in, so that the layout knows which
numbers are final (`end - start` inside one block of data) and which move while branches find their size.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from typing import NamedTuple

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.expressions import Binary, Bracket, Expression, Number, RegisterLeaf, Unary

_NUMBER_LIMIT = 1 << 128
_MASK = (1 << 64) - 1


def apply_unary(operator: str, value: int) -> int:
    """What `-`, `~` or `!` makes of a number."""
    if operator == "-":
        return -value
    if operator == "~":
        return ~value
    return int(value == 0)


def apply_operator(operator: str, left: int, right: int, start: int, end: int) -> int:
    """What a binary operator makes of two numbers, as GNU as has it: a comparison that holds is -1.

    Args:
        operator: Its sign; `u/` and `u%` are NASM's unsigned division.
        left: The number before it.
        right: The number behind it.
        start: The operator's first column, for errors.
        end: The column behind it.

    Raises:
        SourceError: It divides by zero, or its result is larger than any register.
    """
    compute = _OPERATORS.get(operator)
    value = compute(left, right) if compute is not None else _divide(operator, left, right, start, end)
    if not -_NUMBER_LIMIT < value < _NUMBER_LIMIT:
        raise SourceError("ASM017", "The result is larger than any register.", start, end)
    return value


def _divide(operator: str, left: int, right: int, start: int, end: int) -> int:
    """Division truncates towards zero, as C's does, and the remainder has the sign of the dividend."""
    if right == 0:
        raise SourceError("ASM019", "This divides by zero.", start, end)
    if operator[0] == "u" and (left < 0 or right < 0):
        signed = "//" if operator == "u/" else "%%"
        raise SourceError(
            "ASM019",
            f"To NASM `{operator[1]}` has no sign: a negative number would be a huge one.",
            start,
            end,
            f"write `{signed}`, which has",
        )
    quotient = abs(left) // abs(right)
    if (left < 0) != (right < 0):
        quotient = -quotient
    return quotient if operator[-1] == "/" else left - quotient * right


def _shift_left(left: int, right: int) -> int:
    if not 0 <= right < 64:
        return 0
    return left << right if left < 0 else (left << right) & _MASK


def _shift_right(left: int, right: int) -> int:
    return (left & _MASK) >> right if 0 <= right < 64 else 0


_OPERATORS: dict[str, Callable[[int, int], int]] = {
    "+": operators.add,
    "-": operators.sub,
    "*": operators.mul,
    "<<": _shift_left,
    ">>": _shift_right,
    "&": operators.and_,
    "|": operators.or_,
    "^": operators.xor,
    "!": lambda left, right: left | ~right,
    "==": lambda left, right: -(left == right),
    **dict.fromkeys(("!=", "<>"), lambda left, right: -(left != right)),
    "<": lambda left, right: -(left < right),
    ">": lambda left, right: -(left > right),
    "<=": lambda left, right: -(left <= right),
    ">=": lambda left, right: -(left >= right),
    "&&": lambda left, right: int(left != 0 and right != 0),
    "||": lambda left, right: int(left != 0 or right != 0),
}
"""Operator -> what it computes; division is apart, because it can fail."""


# ---- values ----------------------------------------------------------------------------------------------------------


class Value(NamedTuple):
    """A number and the rigid stretches of the program that it depends on.

    Each stretch has its coefficient: +1 for a label in it, -1 for one subtracted. No stretches: a final constant.
    Coefficients whose sum is 0: a constant that moves with the layout. Sum 1: an address.
    """

    number: int
    terms: tuple[tuple[int, int], ...] = ()

    @property
    def weight(self) -> int:
        """The sum of the coefficients: 0 for a constant, 1 for an address; nothing else has a meaning."""
        return sum(count for _, count in self.terms)


LATE = ((-3, 1), (-4, -1))
"""Terms of a constant that is defined only further down: it does not move, but GNU as leaves room as if it did."""
Lookup = Callable[[Expression], Value]
"""The value of a Symbol, Here or SectionStart; raises SourceError for what is not known."""
Evaluate = Callable[[Expression], Value]
"""The value of a whole expression at the place of a statement."""


def evaluate(tree: Expression, lookup: Lookup) -> Value:
    """The value of an expression.

    Raises:
        SourceError: It combines addresses in a way that has no meaning, or something in it is not known.
    """
    kind = type(tree)  # by type and not isinstance: this runs for every operand of every pass
    if kind is Number:
        return Value(tree.value)  # type: ignore[union-attr]
    if kind is Binary:
        assert isinstance(tree, Binary)
        left, right = evaluate(tree.left, lookup), evaluate(tree.right, lookup)
        if not left.terms and not right.terms:
            return Value(apply_operator(tree.operator, left.number, right.number, tree.start, tree.end))
        if tree.operator == "+":
            return Value(left.number + right.number, _merge(left.terms, right.terms, 1))
        if tree.operator == "-":
            return Value(left.number - right.number, _merge(left.terms, right.terms, -1))
        if left.weight or right.weight:
            raise SourceError(
                "ASM034",
                f"An address cannot be used with `{tree.operator.removeprefix('u')}`.",
                tree.start,
                tree.end,
                "only + and - make sense with one label; a difference of two labels is a plain number",
            )
        return Value(
            apply_operator(tree.operator, left.number, right.number, tree.start, tree.end),
            tuple({**dict(left.terms), **dict(right.terms)}.items()),
        )
    if kind is Unary:
        assert isinstance(tree, Unary)
        inner = evaluate(tree.operand, lookup)
        if inner.terms and tree.operator == "-":
            return Value(-inner.number, tuple((run, -count) for run, count in inner.terms))
        if inner.weight:
            raise SourceError(
                "ASM034", f"An address cannot be used with `{tree.operator}`.", 0, 0,
                "only + and - make sense with one label; a difference of two labels is a plain number",
            )  # fmt: skip
        return Value(apply_unary(tree.operator, inner.number), inner.terms)
    if isinstance(tree, RegisterLeaf):
        raise SourceError(
            "ASM022",
            f"The register {tree.register.name} cannot stand here.",
            tree.start,
            tree.end,
            "only constants can",
        )
    if isinstance(tree, Bracket):
        raise SourceError("ASM014", "Square brackets cannot stand here.", tree.start, tree.end)
    return lookup(tree)


def _merge(
    left: tuple[tuple[int, int], ...], right: tuple[tuple[int, int], ...], sign: int
) -> tuple[tuple[int, int], ...]:
    counts = dict(left)
    for run, count in right:
        counts[run] = counts.get(run, 0) + sign * count
    return tuple((run, count) for run, count in counts.items() if count)
