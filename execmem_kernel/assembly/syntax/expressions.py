"""Expression trees: the nodes of a constant expression, and what can be asked of a tree without evaluating it."""

from __future__ import annotations

from dataclasses import dataclass

from execmem_kernel.x86.operands import Register

# ---- the tree --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    value: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name to be looked up; numeric labels ("1f") too."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Here:
    """`$` or `.`: the address of the statement."""


@dataclass(frozen=True, slots=True)
class SectionStart:
    """`$$`: the address of the section."""


@dataclass(frozen=True, slots=True)
class RegisterLeaf:
    """A register inside an address."""

    register: Register
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Bracket:
    """What stands in square brackets."""

    inner: Expression
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Measure:
    """MASM's `lengthof x`, `sizeof x` and `type x`: how much data stand at a name."""

    word: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expression
    right: Expression
    start: int
    end: int


Expression = Number | Symbol | Measure | Here | SectionStart | RegisterLeaf | Bracket | Unary | Binary


def symbols_in(tree: Expression | None) -> list[Symbol]:
    """Every name in the tree, from left to right."""
    if isinstance(tree, Symbol):
        return [tree]
    if isinstance(tree, Binary):
        return symbols_in(tree.left) + symbols_in(tree.right)
    if isinstance(tree, Unary):
        return symbols_in(tree.operand)
    return symbols_in(tree.inner) if isinstance(tree, Bracket) else []


def has_register(tree: Expression) -> bool:
    """Whether a register stands anywhere in the tree."""
    if isinstance(tree, RegisterLeaf):
        return True
    if isinstance(tree, Binary):
        return has_register(tree.left) or has_register(tree.right)
    if isinstance(tree, Unary):
        return has_register(tree.operand)
    return isinstance(tree, Bracket) and has_register(tree.inner)


def has_bracket(tree: Expression) -> bool:
    """Whether square brackets stand anywhere in the tree."""
    if isinstance(tree, Bracket):
        return True
    if isinstance(tree, Binary):
        return has_bracket(tree.left) or has_bracket(tree.right)
    return isinstance(tree, Unary) and has_bracket(tree.operand)
