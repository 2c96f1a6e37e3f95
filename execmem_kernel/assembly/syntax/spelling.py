"""Statements and expressions back to text in Intel syntax, for hints and messages."""

from __future__ import annotations

from execmem_kernel.assembly.syntax.expressions import Binary, Expression, Measure, Number, Unary
from execmem_kernel.assembly.syntax.statements import Address, Constant, Statement
from execmem_kernel.x86.operands import SIZE_NAMES, Register

# ---- back to text ----------------------------------------------------------------------------------------------------


def intel_text(statement: Statement) -> str:
    """A statement in Intel syntax, for hints; "" for what is no instruction."""
    if not statement.name or statement.directive is not None:
        return ""
    texts = [_operand_text(piece.value) for piece in statement.operands]
    vector = any(isinstance(piece.value, Register) and "mm" in piece.value.name for piece in statement.operands)
    name = "mov" if statement.name == "movq" and not vector else statement.name
    return f"{name} {', '.join(texts)}".strip()


def _operand_text(value: Register | Constant | Address) -> str:
    if isinstance(value, Register):
        return value.name
    if isinstance(value, Constant):
        text = expression_text(value.value)
        return (
            f"[{text}]"
            if value.pointer
            else f"offset {text}"
            if value.offset and not isinstance(value.value, Number)
            else text
        )
    parts: list[str] = []
    for term in value.terms:
        factor = f"*{expression_text(term.factor)}" if term.explicit else ""
        parts.append(f"{term.register.name}{factor}")
    text = " + ".join(parts)
    if value.displacement is not None:
        displacement = expression_text(value.displacement)
        text += (
            f" - {displacement[1:]}"
            if displacement.startswith("-") and text
            else f" + {displacement}"
            if text
            else displacement
        )
    size = f"{SIZE_NAMES[value.size]} ptr " if value.size else ""
    segment = f"{value.segment.name}:" if value.segment else ""
    return f"{size}{segment}[{text}]"


def expression_text(tree: Expression) -> str:
    """An expression as a reader would write it."""
    if isinstance(tree, Number):
        return str(tree.value)
    if isinstance(tree, Binary):
        operator = tree.operator.removeprefix("u")
        return f"{expression_text(tree.left)} {operator} {expression_text(tree.right)}"
    if isinstance(tree, Unary):
        return f"{tree.operator}{expression_text(tree.operand)}"
    if isinstance(tree, Measure):
        return f"{tree.word} {tree.name}"
    return getattr(tree, "name", "$")
