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
from execmem_kernel.x86.registers import register_size

# ---- addresses -------------------------------------------------------------------------------------------------------


def linear_address(
    tree: Expression, size: int | None, segment: Register | None, reach: Literal["rel", "abs", ""], start: int, end: int
) -> Address:
    terms: list[AddressTerm] = []
    constants: list[tuple[int, Expression]] = []
    _linear(tree, 1, None, terms, constants, start, end)
    displacement: Expression | None = None
    for sign, constant in constants:
        if displacement is None:
            displacement = (
                constant
                if sign > 0
                else Number(-constant.value)
                if isinstance(constant, Number)
                else Unary("-", constant)
            )
        elif isinstance(displacement, Number) and isinstance(constant, Number):
            displacement = Number(displacement.value + sign * constant.value)
        else:
            displacement = Binary("+" if sign > 0 else "-", displacement, constant, start, end)
    address = Address(tuple(terms), displacement, size, segment, reach)
    if all(isinstance(term.factor, Number) for term in terms):
        arrange(address, [term.factor.value for term in terms if isinstance(term.factor, Number)], start, end)
    return address


def _linear(
    tree: Expression,
    sign: int,
    factor: Expression | None,
    terms: list[AddressTerm],
    constants: list[tuple[int, Expression]],
    start: int,
    end: int,
) -> None:
    """Take an address apart into registers times constants, plus constants."""
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


def arrange(address: Address, factors: list[int], start: int, end: int) -> tuple[Register | None, Register | None, int]:
    """Base, index and scale of an address, its factors being known.

    Raises:
        Complaint: No such address exists.
    """
    terms = address.terms
    if not terms:
        return None, None, 1
    for term in terms:
        name = term.register.name
        if name in ("rip", "eip"):
            if len(terms) > 1 or term.explicit:
                raise SourceError(
                    "ASM023", f"{name} cannot be combined with another register in an address.", term.start, term.end
                )
        elif name[1:3] == "mm" and name[0] in "xyz":
            continue
        elif register_size(name) not in (4, 8) or not (name[0] == "r" or name[0] == "e"):
            hint = "the address is in a 64-bit register, for example rax"
            raise SourceError(
                "ASM023", f"The register {name} cannot be part of an address.", term.start, term.end, hint
            )
    if len(terms) == 2 and terms[0].register == terms[1].register and (terms[0].explicit or terms[1].explicit):
        total = factors[0] + factors[1]
        if total in (3, 5, 9) or 1 in factors:
            # rax + rax*2, whichever comes first.
            plain = 0 if factors[0] == 1 else 1
            return _checked(terms[plain].register, terms[1 - plain], factors[1 - plain])
    if len(terms) > 2:
        raise SourceError(
            "ASM024",
            "An address has at most two registers: a base and an index.",
            start,
            end,
            "add the third beforehand, with lea or add",
        )
    if len(terms) == 1:
        term, factor = terms[0], factors[0]
        vector = term.register.name[1:3] == "mm"
        if not term.explicit and not vector:
            return term.register, None, 1
        if factor in (3, 5, 9) and not vector:
            return _checked(term.register, term, factor - 1)
        return _checked(None, term, factor)
    first, second = terms
    base, index, scale = first, second, factors[1]
    if (first.explicit and not second.explicit) or (
        first.register.name[1:3] == "mm" and first.register.name[0] in "xyz"
    ):
        base, index, scale = second, first, factors[0]
    elif first.explicit and second.explicit:
        if factors[0] != 1:
            base, index, scale = second, first, factors[0]
            if factors[1] != 1:
                raise SourceError("ASM024", "Only one register of an address can be multiplied.", start, end)
    elif not second.explicit and second.register.name in ("rsp", "esp") and first.register.name not in ("rsp", "esp"):
        # rsp has no encoding as an index; with a scale of 1 the two may change places.
        base, index = second, first
    if register_size(base.register.name) != register_size(index.register.name) and index.register.name[1:3] != "mm":
        raise SourceError(
            "ASM023",
            f"{base.register.name} and {index.register.name} have different sizes.",
            index.start,
            index.end,
            "both registers of an address are 64 bits wide",
        )
    return _checked(base.register, index, scale)


def _checked(base: Register | None, index: AddressTerm, scale: int) -> tuple[Register | None, Register | None, int]:
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
