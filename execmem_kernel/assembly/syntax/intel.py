"""Operands in Intel syntax, as GNU as, NASM and MASM write them: separated by commas, with decorations in braces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.intel_operand import parse_operand
from execmem_kernel.assembly.syntax.statements import Address, Statement, WrittenOperand
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import BROADCASTS, ROUNDINGS, is_branch
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import canonical_register

_TO = frozenset(("fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr"))
"""The x87 instructions whose destination NASM writes as `to st1`."""


_FAR = frozenset(("ljmp", "lcall"))


@dataclass(slots=True)
class _Decorations:
    """What stands in braces behind the operands."""

    mask: Register | None = None
    zeroing: bool = False
    rounding: str | None = None


def parse_operands(name: str, tokens: Sequence[Token], rules: DialectRules) -> Statement:
    """The operands of an Intel instruction, in a statement that has no name yet.

    Args:
        name: The mnemonic in lower case.
        tokens: What stands behind it.
        rules: The rules of the source's dialect.

    Raises:
        SourceError: They are no operands.
    """
    if (operands := _to_register(name, tokens)) is not None:
        return Statement(operands=operands)
    parser = Parser(tokens, rules)
    operands_: list[WrittenOperand] = []
    decorations = _Decorations()
    if tokens:
        _check_outside(name, tokens, rules)
    while parser.position < len(parser.tokens):
        begin = parser.tokens[parser.position]
        if begin.kind != "brace":
            operands_.append(parse_operand(parser, rules, branch=is_branch(name) or name in _FAR))
        _parse_decorations(parser, begin, operands_, decorations)
        tokens = parser.tokens  # those of the operand may be fewer now
        if parser.position == len(tokens):
            break
        token = tokens[parser.position]
        if token.text != ",":
            raise _left_over(token, tokens, parser.position)
        parser.position += 1
        if parser.position == len(tokens):
            raise SourceError("ASM010", "An operand is missing after the comma.", token.start, token.end)
    return Statement(
        operands=tuple(operands_),
        mask=decorations.mask,
        zeroing=decorations.zeroing,
        rounding=decorations.rounding,
    )


def _to_register(name: str, tokens: Sequence[Token]) -> tuple[WrittenOperand, ...] | None:
    """NASM's `fadd to st1` as `fadd st1, st0`; None for what is not written like that."""
    if len(tokens) != 2 or name not in _TO or tokens[0].text.lower() != "to":
        return None
    register = canonical_register(tokens[1].text)
    if register is None or not register.startswith("st("):
        return None
    top = WrittenOperand(Register("st(0)"), tokens[1].start, tokens[1].end)
    return top._replace(value=Register(register)), top


def _parse_decorations(parser: Parser, begin: Token, operands: list[WrittenOperand], decorations: _Decorations) -> None:
    """Read `{k1}{z}`, `{1to8}` and `{rn-sae}` behind an operand that begins with the token `begin`."""
    broadcast: int | None = None
    while parser.peek_kind() == "brace":
        token = parser.tokens[parser.position]
        word = token.text[1:-1].strip().lower()
        if word in ROUNDINGS:
            decorations.rounding = word
        elif word in BROADCASTS:
            broadcast = BROADCASTS[word]
        else:
            _mask(word, token, len(operands), decorations)
        parser.position += 1
    if broadcast is not None:
        if not operands:
            raise SourceError("ASM025", "A broadcast follows a memory operand.", begin.start, begin.end)
        operands[-1] = _broadcast(operands[-1], broadcast)


def _mask(word: str, token: Token, count: int, decorations: _Decorations) -> None:
    """`{k1}` and `{z}`, which follow the first operand; `count` are those read so far."""
    if count != 1:
        raise SourceError(
            "ASM025", f"`{token.text}` cannot stand here.", token.start, token.end, "a mask follows the destination"
        )
    if decorations.zeroing if word == "z" else decorations.mask is not None:
        raise SourceError("ASM025", f"`{token.text}` stands here already.", token.start, token.end)
    if word == "z":
        decorations.zeroing = True
    elif (register := canonical_register(word)) is not None and register[0] == "k":
        decorations.mask = Register(register)
    else:
        raise SourceError(
            "ASM025",
            f"`{token.text}` is no decoration of an operand.",
            token.start,
            token.end,
            "for example {k1}{z}, {1to8} or {rn-sae}",
        )


def _check_outside(name: str, tokens: Sequence[Token], rules: DialectRules) -> None:
    """`mov, rax, rbx` and `mov(rax, rbx)`: what stands around the operands and belongs nowhere."""
    first, last = tokens[0], tokens[-1]
    if is_branch(name) and first.kind == "string" and (not rules.quoted_names or first.text[0] != '"'):
        raise SourceError("ASM011", "A text is no place to go to.", first.start, first.end, "a label has no quotes")
    if is_branch(name) and first.text == "*" and len(tokens) > 1:
        raise SourceError(
            "ASM011",
            "`*` before the target is AT&T syntax.",
            first.start,
            first.end,
            f"write `{name} {tokens[1].text}`, or `{name} [{tokens[1].text}]` for an address that lies in memory",
        )
    if first.text == ",":
        raise SourceError(
            "ASM011",
            f"No comma stands between `{name}` and its operands.",
            first.start,
            first.end,
            "commas separate the operands only",
        )
    if first.text == "(" and last.text == ")":
        depths = 0
        for token in tokens[:-1]:
            depths += {"(": 1, ")": -1}.get(token.text, 0)
            if depths == 0:
                return
            if token.text == "," and depths == 1:
                raise SourceError(
                    "ASM011",
                    "The operands stand without parentheses.",
                    first.start,
                    last.end,
                    f"for example: {name} rax, rbx",
                )


def _left_over(token: Token, tokens: Sequence[Token], position: int) -> SourceError:
    if token.text == "(" and (address := _att_address(tokens, position)) is not None:
        text, start, end = address
        return SourceError("ASM020", "An address in parentheses is AT&T syntax.", start, end, f"write {text}")
    if token.text == ")":
        return SourceError("ASM013", "This `)` closes nothing.", token.start, token.end)
    if token.text == "]":
        before = tokens[position - 1] if position else None
        register = before is not None and canonical_register(before.text) is not None
        hint = f"for memory write [{before.text}]" if before is not None and register else ""
        return SourceError("ASM013", "This `]` closes nothing.", token.start, token.end, hint)
    hint = _LEFT_OVER.get(token.text.lower(), "operands are separated by commas")
    if token.kind == "name" and is_mnemonic(token.text):
        hint = "each instruction stands on a line of its own"
    return SourceError("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end, hint)


_LEFT_OVER = {
    "=": "operands are separated by commas: `mov rax, 5` puts 5 into rax",
    "ptr": "before `ptr` stands a size: byte, word, dword or qword",
    ">": "there is no `->`: a field is memory, [rax + 8]",
    "->": "there is no `->`: a field is memory, [rax + 8]",
    "<": "what a disassembler prints in <> is no part of the program: write a label",
}


def _att_address(tokens: Sequence[Token], position: int) -> tuple[str, int, int] | None:
    """`8(%rbx, rcx, 4)`, by its parenthesis, as Intel syntax has it, and its columns; None for what is no address."""
    inner: list[str] = []
    index = position + 1
    while index < len(tokens) and tokens[index].text != ")":
        if tokens[index].text != "%":
            inner.append(tokens[index].text)
        index += 1
    parts = " ".join(inner).replace(" ", "").split(",")
    if index == len(tokens) or not 1 <= len(parts) <= 3:
        return None
    if any(part and canonical_register(part) is None for part in parts[:2]) or not any(parts[:2]):
        return None
    texts = [part for part in parts[:1] if part]
    if len(parts) > 1 and parts[1]:
        texts.append(f"{parts[1]}*{parts[2]}" if len(parts) > 2 and parts[2] not in ("", "1") else parts[1])
    start = tokens[position].start
    before = tokens[position - 1] if position else None
    if before is not None and before.kind in ("name", "number") and before.end == start:
        start = before.start
        texts.append(before.text)
        if position > 1 and tokens[position - 2].text == "-":
            start = tokens[position - 2].start
            texts[-1] = f"-{before.text}"
    return f"[{' + '.join(texts)}]".replace("+ -", "- "), start, tokens[index].end


def _broadcast(operand: WrittenOperand, count: int) -> WrittenOperand:
    if not isinstance(operand.value, Address):
        raise SourceError("ASM025", "Only memory can be broadcast.", operand.start, operand.end)
    return operand._replace(value=replace(operand.value, broadcast=count))
