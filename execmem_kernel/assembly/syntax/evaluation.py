"""Evaluation of expression trees to a number and the relocatable terms that it depends on.

A value that contains labels remembers which rigid stretches of the program they lie in, so that the layout knows which
numbers are final (`end - start` inside one block of data) and which move while branches find their size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.expressions import Binary, Bracket, Expression, Number, RegisterLeaf, Unary

_NUMBER_LIMIT = 1 << 128


def apply_unary(operator: str, value: int) -> int:
    if operator == "-":
        return -value
    if operator == "~":
        return ~value
    return int(value == 0)


_MASK = (1 << 64) - 1


def apply_operator(operator: str, left: int, right: int, start: int, end: int) -> int:
    true = -1
    match operator:
        case "+":
            value = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case "/" | "%" | "u/" | "u%":
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
            operator = operator[-1]
            quotient = abs(left) // abs(right)
            if (left < 0) != (right < 0):
                quotient = -quotient
            value = quotient if operator == "/" else left - quotient * right
        case "<<":
            value = (left << right) & _MASK if 0 <= right < 64 else 0
            if left < 0 and 0 <= right < 64:
                value = left << right
        case ">>":
            value = (left & _MASK) >> right if 0 <= right < 64 else 0
        case "&":
            value = left & right
        case "|":
            value = left | right
        case "^":
            value = left ^ right
        case "!":
            value = left | ~right
        case "==":
            value = true * (left == right)
        case "!=" | "<>":
            value = true * (left != right)
        case "<":
            value = true * (left < right)
        case ">":
            value = true * (left > right)
        case "<=":
            value = true * (left <= right)
        case ">=":
            value = true * (left >= right)
        case "&&":
            value = int(left != 0 and right != 0)
        case _:
            value = int(left != 0 or right != 0)
    if not -_NUMBER_LIMIT < value < _NUMBER_LIMIT:
        raise SourceError("ASM017", "The result is larger than any register.", start, end)
    return value


# ---- values ----------------------------------------------------------------------------------------------------------


class Value(NamedTuple):
    """A number and the rigid stretches of the program it hangs on, each with how often it counts (+1 a label, -1 one
    subtracted). No stretches: a final constant. Counts that sum to 0: a constant that moves. Sum 1: an address.
    """

    number: int
    terms: tuple[tuple[int, int], ...] = ()

    @property
    def weight(self) -> int:
        return sum(count for _, count in self.terms)


LATE = ((-3, 1), (-4, -1))
"""Terms of a constant that is defined only further down: it does not move, but GNU as leaves room as if it did."""


Lookup = Callable[[Expression], Value]
"""What a Symbol, Here or SectionStart is worth; raises Complaint for what is not known."""


def evaluate(tree: Expression, lookup: Lookup) -> Value:
    """Work an expression out."""
    kind = type(tree)
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
