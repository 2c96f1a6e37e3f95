"""Addresses: an expression taken apart into base, index, scale and displacement."""

from __future__ import annotations

from typing import Literal

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.expressions import (
    Binary,
    Bracket,
    Expression,
    Number,
    RegisterLeaf,
    Unary,
    has_bracket,
    has_register,
)
from execmem_kernel.assembly.syntax.statements import Address, AddressTerm
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import is_vector, register_size

Reach = Literal["rel", "abs", ""]
"""What NASM's `rel` and `abs` ask for: an address relative to rip, or a plain one."""


def linear_address(
    tree: Expression, size: int | None, segment: Register | None, reach: Reach, start: int, end: int
) -> Address:
    """The address that an expression with registers is: a sum of registers times constants, and a displacement.

    Args:
        tree: The expression; square brackets in it add.
        size: Bytes of the operand, where the source says it.
        segment: The segment register before it.
        reach: NASM's `rel` or `abs` before it.
        start: The operand's first column, for errors.
        end: The column behind it.

    Raises:
        SourceError: The processor has no such address.
    """
    terms: list[AddressTerm] = []
    constants: list[tuple[int, Expression]] = []
    _linear(tree, 1, None, terms, constants, start, end)
    address = Address(tuple(terms), _sum(constants, start, end), size, segment, reach)
    if all(isinstance(term.factor, Number) for term in terms):
        arrange(address, [term.factor.value for term in terms if isinstance(term.factor, Number)], start, end)
    return address


def _sum(constants: list[tuple[int, Expression]], start: int, end: int) -> Expression | None:
    """The displacement: constants, each with its sign, added up as far as they are numbers already."""
    total: Expression | None = None
    for sign, constant in constants:
        if total is None:
            total = constant if sign > 0 else _negative(constant)
        elif isinstance(total, Number) and isinstance(constant, Number):
            total = Number(total.value + sign * constant.value)
        else:
            total = Binary("+" if sign > 0 else "-", total, constant, start, end)
    return total


def _negative(constant: Expression) -> Expression:
    return Number(-constant.value) if isinstance(constant, Number) else Unary("-", constant)


def _linear(
    tree: Expression,
    sign: int,
    factor: Expression | None,
    terms: list[AddressTerm],
    constants: list[tuple[int, Expression]],
    start: int,
    end: int,
) -> None:
    """Take an address apart: each register with its factor into `terms`, each constant with its sign into `constants`.

    `sign` and `factor` are what stands before the tree: in `rax + 4*(rbx - 2)` the inner sum has the factor 4.
    """
    if isinstance(tree, Bracket):
        _linear(tree.inner, sign, factor, terms, constants, start, end)
    elif isinstance(tree, RegisterLeaf):
        if sign < 0:
            raise SourceError(
                "ASM023", f"The register {tree.register.name} cannot be subtracted in an address.", tree.start, tree.end
            )
        terms.append(
            AddressTerm(
                tree.register, factor if factor is not None else Number(1), factor is not None, tree.start, tree.end
            )
        )
    elif not has_register(tree):
        plain = _without_brackets(tree)
        constants.append((sign, plain if factor is None else _product(plain, factor)))
    elif isinstance(tree, Binary) and tree.operator in "+-":
        _linear(tree.left, sign, factor, terms, constants, start, end)
        _linear(tree.right, sign if tree.operator == "+" else -sign, factor, terms, constants, start, end)
    elif (
        isinstance(tree, Binary) and tree.operator == "*" and not (has_register(tree.left) and has_register(tree.right))
    ):
        inner, scale = (tree.left, tree.right) if has_register(tree.left) else (tree.right, tree.left)
        _linear(inner, sign, scale if factor is None else _product(scale, factor), terms, constants, start, end)
    else:
        if isinstance(tree, Binary):
            start, end = tree.start, tree.end
        raise SourceError(
            "ASM023",
            "The CPU cannot work out this address.",
            start,
            end,
            "an address is base + index*1, 2, 4 or 8 + constant",
        )


def _without_brackets(tree: Expression) -> Expression:
    if isinstance(tree, Bracket):
        return tree.inner
    if isinstance(tree, Binary) and has_bracket(tree):
        return Binary(tree.operator, _without_brackets(tree.left), _without_brackets(tree.right), tree.start, tree.end)
    return tree


def _product(left: Expression, right: Expression) -> Expression:
    if isinstance(left, Number) and isinstance(right, Number):
        return Number(left.value * right.value)
    return Binary("*", left, right, 0, 1)


Parts = tuple[Register | None, Register | None, int]
"""Base, index and scale of an address."""


def arrange(address: Address, factors: list[int], start: int, end: int) -> Parts:
    """Base, index and scale of an address.

    Args:
        address: The address.
        factors: What its registers are multiplied by, in the order of its terms.
        start: The operand's first column, for errors.
        end: The column behind it.

    Raises:
        SourceError: The processor has no such address.
    """
    terms = address.terms
    if not terms:
        return None, None, 1
    for term in terms:
        _check_register(term, alone=len(terms) == 1)
    if len(terms) == 1:
        return _one_register(terms[0], factors[0])
    if len(terms) == 2:
        return _two_registers(terms[0], terms[1], factors, start, end)
    raise SourceError(
        "ASM024",
        "An address has at most two registers: a base and an index.",
        start,
        end,
        "add the third beforehand, with lea or add",
    )


def _check_register(term: AddressTerm, *, alone: bool) -> None:
    """Only 64-bit, 32-bit and vector registers can be in an address, and rip only alone."""
    name = term.register.name
    if name in ("rip", "eip"):
        if not alone or term.explicit:
            raise SourceError(
                "ASM023", f"{name} cannot be combined with another register in an address.", term.start, term.end
            )
    elif not is_vector(name) and (register_size(name) not in (4, 8) or name[0] not in "re"):
        hint = "the address is in a 64-bit register, for example rax"
        raise SourceError("ASM023", f"The register {name} cannot be part of an address.", term.start, term.end, hint)


def _one_register(term: AddressTerm, factor: int) -> Parts:
    vector = is_vector(term.register.name)
    if not term.explicit and not vector:
        return term.register, None, 1
    if factor in (3, 5, 9) and not vector:
        return _checked(term.register, term, factor - 1)  # rax*3 is rax + rax*2
    return _checked(None, term, factor)


def _two_registers(first: AddressTerm, second: AddressTerm, factors: list[int], start: int, end: int) -> Parts:
    """Which of the two is the index: the one with a factor, the vector register, or else the second."""
    same = first.register == second.register and (first.explicit or second.explicit)
    if same and (sum(factors) in (3, 5, 9) or 1 in factors):
        # rax + rax*2, whichever comes first.
        multiplied, scale = (second, factors[1]) if factors[0] == 1 else (first, factors[0])
        return _checked(first.register, multiplied, scale)
    base, index, scale = first, second, factors[1]
    if (first.explicit and not second.explicit) or is_vector(first.register.name):
        base, index, scale = second, first, factors[0]
    elif first.explicit and second.explicit:
        if factors[0] != 1:
            base, index, scale = second, first, factors[0]
            if factors[1] != 1:
                raise SourceError("ASM024", "Only one register of an address can be multiplied.", start, end)
    elif not second.explicit and second.register.name in ("rsp", "esp") and first.register.name not in ("rsp", "esp"):
        # rsp has no encoding as an index; with a scale of 1 the two may change places.
        base, index = second, first
    if register_size(base.register.name) != register_size(index.register.name) and not is_vector(index.register.name):
        raise SourceError(
            "ASM023",
            f"{base.register.name} and {index.register.name} have different sizes.",
            index.start,
            index.end,
            "both registers of an address are 64 bits wide",
        )
    return _checked(base.register, index, scale)


def _checked(base: Register | None, index: AddressTerm, scale: int) -> Parts:
    """The parts, if the index can be one and its scale is one that an address has."""
    name = index.register.name
    if scale not in (1, 2, 4, 8):
        raise SourceError(
            "ASM029",
            f"A register in an address can be multiplied by 1, 2, 4 or 8, not by {scale}.",
            index.start,
            index.end,
            "use lea or imul to compute it first",
        )
    if name in ("rsp", "esp"):
        hint = "copy it to another register first" if scale > 1 else "it can be the base: write it once, without `*`"
        raise SourceError(
            "ASM021",
            f"{name} cannot be the index of an address: the CPU has no encoding for it.",
            index.start,
            index.end,
            hint,
        )
    return base, index.register, scale
