"""Lowering: a statement and the values of its names to the operation to encode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.addresses import arrange
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.evaluation import LATE, Evaluate, Value
from execmem_kernel.assembly.syntax.expressions import Expression, Symbol, Unary
from execmem_kernel.assembly.syntax.spelling import expression_text
from execmem_kernel.assembly.syntax.statements import Address, Constant, Statement, WrittenOperand
from execmem_kernel.assembly.syntax.words import is_branch
from execmem_kernel.x86.operands import Immediate, Memory, Operand, Operation, Register, Target
from execmem_kernel.x86.registers import is_vector, register_size

_SIZED_BY_NUMBER = frozenset(("mov", "add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"))


DeclaredSize = Callable[[Expression], int | None]
"""Bytes of one item of the variable that an address names; None where it names none."""


def build(
    statement: Statement,
    evaluate: Evaluate,
    address: int,
    rules: DialectRules,
    declared_size: DeclaredSize | None = None,
) -> Operation:
    """The operation to encode.

    Args:
        statement: An instruction.
        evaluate: The value of an expression where the instruction stands.
        address: Where the instruction will lie.
        rules: The rules of the source's dialect, which say what a bare label is.
        declared_size: How wide variables are, where that decides how wide an operand is.

    Raises:
        SourceError: A name is unknown, or an operand has no meaning.
    """
    operands: list[Operand] = []
    for written in statement.operands:
        value = written.value
        if isinstance(value, Register):
            operands.append(value)
        elif isinstance(value, Address):
            operands.append(_memory(statement.name, value, written, evaluate))
        else:
            operands.append(_constant(statement, value, written, evaluate, rules))
    if declared_size is not None and rules.typed_labels:
        operands = _with_declared_sizes(statement, operands, declared_size)
    match operands:
        case [Memory(size=None) as memory, Immediate(size=int(size)) as immediate] if (
            statement.name in _SIZED_BY_NUMBER
        ):
            # NASM lets the number say the size: mov [rdi], byte 5.
            operands = [replace(memory, size=size), replace(immediate, size=None)]
        case [Register() | Memory() as first, Immediate() as immediate] if statement.name in _SIZED_BY_NUMBER:
            value = statement.operands[1].value
            if isinstance(value, Constant) and isinstance(value.value, Unary) and value.value.operator == "~":
                width = register_size(first.name) if isinstance(first, Register) else first.size
                operands = [first, replace(immediate, value=complement(immediate.value, width or 8))]
    name = statement.name
    if rules.wide_address_moves and name == "mov" and _is_address_for_register(statement, operands):
        name = "movabs"  # NASM leaves room for any address, so `$ + 19` counts ten bytes
    return Operation(
        name,
        tuple(operands),
        statement.prefixes,
        address,
        statement.mask,
        statement.zeroing,
        statement.rounding,
    )


def _with_declared_sizes(statement: Statement, operands: list[Operand], declared_size: DeclaredSize) -> list[Operand]:
    """The operands with memory as wide as the variable that it names, as MASM has it."""
    name = statement.name
    vector = any(isinstance(operand, Register) and is_vector(operand.name) for operand in operands)
    sized: list[Operand] = []
    for operand, written in zip(operands, statement.operands, strict=True):
        value = written.value
        tree = value.displacement if isinstance(value, Address) else getattr(value, "value", None)
        size = declared_size(tree) if tree is not None else None
        if isinstance(operand, Target) and size is not None and isinstance(tree, Symbol):
            raise SourceError(
                "ASM035",
                f"`{tree.name}` is a variable: to MASM this goes where the address stored there leads.",
                written.start,
                written.end,
                f"write `{name} qword ptr [{tree.name}]`",
            )
        takes = not vector or name.removeprefix("v").startswith("cvtsi2")
        if isinstance(operand, Memory) and operand.size is None and size is not None and takes and name != "lea":
            operand = replace(operand, size=size)
        sized.append(operand)
    return sized


def _is_address_for_register(statement: Statement, operands: list[Operand]) -> bool:
    """`mov rsi, message`: an address without a size for a 64-bit register."""
    match operands:
        case [Register(name), Immediate(size=None, movable=True)]:
            return register_size(name) == 8 and name[0] == "r"
    return False


def complement(value: int, size: int) -> int:
    """What `~` makes of an unsigned number of that size: ~0x80 is 0x7f in a byte."""
    bits = 8 * size
    return value + (1 << bits) if -(1 << bits) <= value < -(1 << (bits - 1)) else value


def _weight(value: Value, written: WrittenOperand) -> int:
    """1 for an address, 0 for a number; nothing else can stand in an instruction."""
    if value.weight not in (0, 1):
        raise SourceError(
            "ASM034",
            "Two addresses cannot be added.",
            written.start,
            written.end,
            "the difference of two labels is a number",
        )
    return value.weight


def _memory(name: str, address: Address, written: WrittenOperand, evaluate: Evaluate) -> Memory:
    factors: list[int] = []
    for term in address.terms:
        factor = evaluate(term.factor)
        if factor.terms:
            raise SourceError("ASM029", "An address cannot be what a register is multiplied by.", term.start, term.end)
        factors.append(factor.number)
    base, index, scale = arrange(address, factors, written.start, written.end)
    size, segment, broadcast = address.size, address.segment, address.broadcast
    value = None if address.displacement is None else evaluate(address.displacement)
    if value is None:
        return Memory(base, index, scale, 0, size, segment, None, base is None and index is None, broadcast)
    weight = _weight(value, written)
    if base is not None and base.name in ("rip", "eip"):
        if weight:
            return Memory(base, None, 1, 0, size, segment, value.number, False, broadcast)
        return Memory(base, None, 1, value.number, size, segment, None, False, broadcast, bool(value.terms))
    if base is None and index is None:
        # A bare label means rip-relative in every dialect: nearer to what compilers write, and right at any address.
        # Only movabs, which has no such form, means the address itself.
        relative = (weight == 1 and address.reach != "abs" and name != "movabs") or address.reach == "rel"
        if relative and segment is None:
            return Memory(Register("rip"), None, 1, 0, size, None, value.number, False, broadcast)
        return Memory(None, None, 1, value.number, size, segment, None, True, broadcast, bool(value.terms))
    return Memory(base, index, scale, value.number, size, segment, None, False, broadcast, bool(value.terms))


def _constant(
    statement: Statement, constant: Constant, written: WrittenOperand, evaluate: Evaluate, rules: DialectRules
) -> Operand:
    value = evaluate(constant.value)
    weight = _weight(value, written)
    name = statement.name
    if rules.bare_label == "memory" and not constant.offset and LATE[0] in value.terms and not is_branch(name):
        raise SourceError(
            "ASM036",
            f"`{expression_text(constant.value)}` is defined only further down: GNU as would read memory here.",
            written.start,
            written.end,
            "define it above its first use",
        )
    if constant.pointer and (weight or is_branch(name)):
        if weight == 0:
            return Memory(None, None, 1, value.number, constant.size, None, None, True, None, bool(value.terms))
        if name == "movabs":
            return Memory(None, None, 1, value.number, constant.size, None, None, True, None, True)
        return Memory(Register("rip"), None, 1, 0, constant.size, None, value.number)
    if weight and name == "movabs" and rules.bare_label == "memory" and not constant.offset:
        return Memory(None, None, 1, value.number, constant.size, None, None, True, None, True)
    if is_branch(name) and not constant.offset and len(statement.operands) == 1:
        return Target(value.number, constant.form)
    if weight == 0 or constant.offset or rules.bare_label == "address":
        return Immediate(value.number, constant.size, bool(value.terms))
    if name == "lea" or rules.bare_label == "memory":
        return Memory(Register("rip"), None, 1, 0, constant.size, None, value.number)
    label = expression_text(constant.value)
    is_destination = written is statement.operands[0] and len(statement.operands) > 1
    raise SourceError(
        "ASM035",
        f"`{label}` alone can mean its address (NASM) or what is stored there (GNU, MASM).",
        written.start,
        written.end,
        f"write [{label}] for what is stored there"
        + ("" if is_destination else f", `offset {label}` or lea for the address"),
    )
