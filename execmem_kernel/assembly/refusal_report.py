"""A refusal of the encoder as a diagnostic: in the source's spelling, at the columns of the operand it blames."""

from __future__ import annotations

import re
from dataclasses import replace

from execmem_kernel.assembly.diagnostics.att_wording import in_att_syntax
from execmem_kernel.assembly.diagnostics.hints import wrong_operand_count_in_line
from execmem_kernel.assembly.encoding.refusals.phrases import number_text
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.sections import Fragment
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.semantics.word_hints import unknown_word
from execmem_kernel.assembly.syntax.expressions import symbols_in
from execmem_kernel.assembly.syntax.statements import Address, Constant
from execmem_kernel.x86.operands import Immediate, Refusal, Register
from execmem_kernel.x86.registers import full_register


def report_refusal(
    fragment: Fragment, refusal: Refusal, collector: DiagnosticCollector, symbols: SymbolTable | None = None
) -> None:
    """Report why a statement has no bytes.

    Args:
        fragment: What the statement was to make.
        refusal: Why it cannot.
        collector: What takes the error.
        symbols: What the source defines, where a hint may look at it.

    Raises:
        TooManyErrors: It was the twentieth error.
    """
    statement, text = fragment.statement, fragment.line.text
    start, end = statement.start, statement.end
    if refusal.code == "ASM100":
        refusal = _about_unknown_word(fragment, refusal, collector)
    if statement.att:
        pieces = sorted(statement.operands, key=lambda piece: piece.start)
        refusal = in_att_syntax(refusal, [text[piece.start : piece.end] for piece in pieces], text[start:end])
    if refusal.operand is not None:
        if 0 <= refusal.operand < len(statement.operands):
            blamed = statement.operands[refusal.operand]
            start, end = blamed.start, blamed.end
        elif statement.operands:
            end = max(piece.end for piece in statement.operands)
    if refusal.code in ("ASM106", "ASM108") and not statement.att and refusal.operand is not None:
        refusal = _about_number(fragment, refusal, text[start:end])
    hint = refusal.hint
    if refusal.code == "ASM104":
        hint = wrong_operand_count_in_line(text, start, end) or _first_operand_twice(fragment) or hint
    elif refusal.code == "ASM102" and statement.name in ("vmovss", "vmovsd"):
        hint = hint or _first_operand_twice(fragment)
    elif statement.name == "lea" and refusal.code == "ASM102" and len(statement.operands) == 2 and not statement.att:
        hint = _in_brackets(fragment) or hint
    elif refusal.code == "ASM105":
        hint = _through_register(fragment, symbols) or hint
    collector.report("error", fragment.line, refusal.code, refusal.message, start, end, hint, refusal.forms)


def _first_operand_twice(fragment: Fragment) -> str:
    """What NASM makes of an AVX instruction with an operand too few: the destination is the first source, too."""
    statement, text = fragment.statement, fragment.line.text
    if statement.att or statement.name[0] != "v" or len(statement.operands) != 2 or statement.mask is not None:
        return ""
    first, second = (text[piece.start : piece.end] for piece in statement.operands)
    return f"write the first operand twice, as NASM does: `{statement.name} {first}, {first}, {second}`"


def _about_number(fragment: Fragment, refusal: Refusal, written: str) -> Refusal:
    """A number that has no place here, as it was written; or a label, whose address it is."""
    operand = refusal.operand
    if operand is None or not 0 <= operand < len(fragment.statement.operands):
        return refusal
    value = fragment.statement.operands[operand].value
    if not isinstance(value, Constant) or fragment.operation is None:
        return refusal
    immediate = fragment.operation.operands[operand]
    if not isinstance(immediate, Immediate):
        return refusal
    if immediate.movable:
        if refusal.code == "ASM106":
            message = f"`{written}` alone is an address, and no destination."
            return replace(refusal, message=message, hint=f"for what is stored there write `[{written}]`")
        return replace(
            refusal,
            message=f"`{written}` is an address, which does not fit into so few bits.",
            hint=f"for what is stored there write `[{written}]`; the address itself goes into a 64-bit register",
        )
    if (symbols_in(value.value) and not written[0].isdigit()) or not re.fullmatch(r"-?[0-9]\w*", written):
        return refusal
    number = immediate.value
    message, hint = refusal.message, refusal.hint
    for text in (number_text(number), f"{number:#x}"):
        if message.startswith(f"{text} "):
            message = f"{written}{message[len(text) :]}"
        hint = hint.replace(f", {text}`", f", {written}`")
    return replace(refusal, message=message, hint=hint)


_THROUGH_REGISTER = frozenset(("mov", "add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"))
"""Instructions that take memory and a general register of any size."""


def _through_register(fragment: Fragment, symbols: SymbolTable | None) -> str:
    """Two lines for an instruction with two operands in memory, through a register that neither of them names."""
    statement, text = fragment.statement, fragment.line.text
    values = [piece.value for piece in statement.operands]
    if statement.att or len(values) != 2 or statement.name not in _THROUGH_REGISTER:
        return ""
    sizes = [value.size for value in values if not isinstance(value, Register) and value.size is not None]
    if not sizes and symbols is not None:
        trees = [
            value.displacement if isinstance(value, Address) else getattr(value, "value", None) for value in values
        ]
        declared = [symbols.declared_size(tree) for tree in trees if tree is not None]
        sizes = [size for size in declared if size is not None]
    size = sizes[0] if sizes and len(set(sizes)) == 1 else None
    used = {full_register(term.register.name) for value in values if isinstance(value, Address) for term in value.terms}
    spare = next(name for name in ("rax", "rcx", "rdx", "r8", "r9", "r10") if name not in used)
    register = _part(spare, size or 8)
    if size is None or register is None:
        return ""
    first, second = (text[piece.start : piece.end] for piece in statement.operands)
    return f"go through a register: `mov {register}, {second}`, then `{statement.name} {first}, {register}`"


def _in_brackets(fragment: Fragment) -> str:
    """`lea rdx, message`, which NASM takes for a number, with what is missing."""
    statement, text = fragment.statement, fragment.line.text
    first, second = statement.operands
    if not isinstance(second.value, Constant) or not symbols_in(second.value.value):
        return ""
    return f"write `lea {text[first.start : first.end]}, [{text[second.start : second.end]}]`"


def _part(register: str, size: int) -> str | None:
    """The part of a general register that has so many bytes."""
    if register[1:].isdigit():
        ending = {1: "b", 2: "w", 4: "d", 8: ""}.get(size)
        return None if ending is None else f"{register}{ending}"
    return {1: f"{register[1]}l", 2: register[1:], 4: f"e{register[1:]}", 8: register}.get(size)


def _about_unknown_word(fragment: Fragment, refusal: Refusal, collector: DiagnosticCollector) -> Refusal:
    """A word that is no instruction, spelt as in the source; a label without its colon where something names it."""
    statement = fragment.statement
    if any(line.text[error.start : error.end].lower() == statement.name for line, error in collector.cascading):
        return replace(refusal, hint=f"for a label write `{statement.name}:`")
    word = fragment.line.text[statement.start : statement.end]
    return replace(
        refusal,
        message=refusal.message.replace(f"`{statement.name}`", f"`{word}`"),
        hint=unknown_word(word, statement.tokens) or refusal.hint,
    )
