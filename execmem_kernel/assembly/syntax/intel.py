"""Operands in Intel syntax, as GNU as, NASM and MASM write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.addresses import linear_address
from execmem_kernel.assembly.syntax.dialects import Dialect
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import (
    Binary,
    Expression,
    Number,
    RegisterLeaf,
    Unary,
    has_bracket,
    has_register,
)
from execmem_kernel.assembly.syntax.statements import Address, Constant, Statement, WrittenOperand
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import BROADCASTS, ROUNDINGS, SEGMENTS, SIZE_NAMES, SIZES, is_branch
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import canonical_register, register_size

_TO = frozenset(("fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr"))


def parse_operands(name: str, tokens: Sequence[Token], dialect: Dialect) -> Statement:
    pieces: list[WrittenOperand] = []
    mask: Register | None = None
    zeroing = False
    rounding: str | None = None
    if len(tokens) == 2 and name in _TO and tokens[0].text.lower() == "to":
        register = canonical_register(tokens[1].text)
        if register is not None and register.startswith("st("):
            top = WrittenOperand(Register("st(0)"), tokens[1].start, tokens[1].end)
            return Statement(operands=(top._replace(value=Register(register)), top))  # NASM's `fadd to st1`
    parser = Parser(tokens, dialect)
    count = len(tokens)
    if count:
        _check_outside(name, tokens, dialect)
    while parser.position < count:
        begin = parser.position
        if tokens[begin].kind != "brace":
            pieces.append(_intel_operand(parser, dialect))
            tokens = parser.tokens
            count = len(tokens)
        broadcast: int | None = None
        while parser.peek_kind() == "brace":
            token = tokens[parser.position]
            word = token.text[1:-1].strip().lower()
            if word in ROUNDINGS:
                rounding = word
            elif word in BROADCASTS:
                broadcast = BROADCASTS[word]
            elif len(pieces) != 1:
                raise SourceError(
                    "ASM025",
                    f"`{token.text}` cannot stand here.",
                    token.start,
                    token.end,
                    "a mask follows the destination",
                )
            elif (word == "z" and zeroing) or (mask is not None and word != "z"):
                raise SourceError("ASM025", f"`{token.text}` stands here already.", token.start, token.end)
            elif word == "z":
                zeroing = True
            elif (register := canonical_register(word)) is not None and register[0] == "k":
                mask = Register(register)
            else:
                raise SourceError(
                    "ASM025",
                    f"`{token.text}` is no decoration of an operand.",
                    token.start,
                    token.end,
                    "for example {k1}{z}, {1to8} or {rn-sae}",
                )
            parser.position += 1
        if broadcast is not None:
            if not pieces:
                raise SourceError(
                    "ASM025", "A broadcast follows a memory operand.", tokens[begin].start, tokens[begin].end
                )
            pieces[-1] = _broadcast(pieces[-1], broadcast)
        if parser.position == count:
            break
        token = tokens[parser.position]
        if token.text != ",":
            raise _left_over(token, tokens, parser.position)
        parser.position += 1
        if parser.position == count:
            raise SourceError("ASM010", "An operand is missing after the comma.", token.start, token.end)
    return Statement(operands=tuple(pieces), mask=mask, zeroing=zeroing, rounding=rounding)


def _check_outside(name: str, tokens: Sequence[Token], dialect: Dialect) -> None:
    """`mov, rax, rbx` and `mov(rax, rbx)`: what stands around the operands and belongs nowhere."""
    first, last = tokens[0], tokens[-1]
    if is_branch(name) and first.kind == "string" and (dialect != "gnu" or first.text[0] != '"'):
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
    word = tokens[position - 1].text.lower() if position else ""
    hint = _LEFT_OVER.get(token.text.lower(), "operands are separated by commas")
    if token.kind == "name" and is_mnemonic(token.text):
        hint = "each instruction stands on a line of its own"
    if word in ("lengthof", "sizeof", "type", "length", "size"):
        hint = f"MASM's {word} is not known here: count with `({token.text}_end - {token.text}) / 8`"
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


def _broadcast(piece: WrittenOperand, count: int) -> WrittenOperand:
    if not isinstance(piece.value, Address):
        raise SourceError("ASM025", "Only memory can be broadcast.", piece.start, piece.end)
    return piece._replace(value=replace(piece.value, broadcast=count))


def _intel_operand(parser: Parser, dialect: Dialect) -> WrittenOperand:
    tokens = parser.tokens
    first = tokens[parser.position]
    size: int | None = None
    pointer = offset = repeated = False
    form: Literal["short", "near"] | None = None
    segment: Register | None = None
    far = False
    while parser.position < len(tokens) and tokens[parser.position].kind == "name":
        token = tokens[parser.position]
        word = token.text.lower()
        following = tokens[parser.position + 1].text if parser.position + 1 < len(tokens) else ""
        if word in SIZES and following not in (",", ":", "*", ""):
            if size is not None:
                raise SourceError(
                    "ASM026", f"A size stands here already, before `{token.text}`.", token.start, token.end
                )
            size = SIZES[word]
        elif word == "bcst" and size is not None and following:
            repeated = True  # `dword bcst [rax]` is MASM's and GNU as' spelling of `dword ptr [rax]{1to16}`
        elif word == "ptr" and following:
            if (size is None and form is None and not far) or tokens[parser.position - 1].text == ":":
                raise SourceError(
                    "ASM027", "`ptr` needs a size before it.", token.start, token.end, "for example dword ptr [rax]"
                )
            # `near ptr x` is where to go, `dword ptr x` is what lies there.
            pointer = size is not None
            form = None
        elif word == "offset" and following:
            offset = True
            parser.position += 1
            if (
                following.lower() == "flat"
                and parser.position + 1 < len(tokens)
                and tokens[parser.position + 1].text == ":"
            ):
                parser.position += 2
            break
        elif word in ("short", "near") and following:
            form = "short" if word == "short" else "near"
        elif word == "far" and following:
            far = True
        elif word == "strict" and following:
            pass
        elif word in SEGMENTS and following == ":":
            segment = _only_segment(segment, word, token)
            parser.position += 1
        else:
            break
        parser.position += 1
    reach: Literal["rel", "abs", ""] = ""
    narrow: Token | None = None
    if parser.peek() == "[":
        # Words that NASM lets stand inside: [rel x], [abs x], [qword rel x], [fs:0].
        inside = parser.position + 1
        words: list[int] = []
        while inside < len(tokens) and tokens[inside].kind == "name":
            word = tokens[inside].text.lower()
            following = tokens[inside + 1].text if inside + 1 < len(tokens) else ""
            if word in ("rel", "abs") and following not in ("]", "+", "-", "*", ""):
                reach = "rel" if word == "rel" else "abs"
                words.append(inside)
            elif word in SEGMENTS and following == ":":
                segment = _only_segment(segment, word, tokens[inside])
                words += [inside, inside + 1]
                inside += 1
            elif word in SIZES and following not in ("]", "+", "-", "*", ""):
                words.append(inside)
                narrow = tokens[inside] if word == "byte" else narrow
                if following.lower() == "ptr":
                    # gcc writes `jmp [QWORD PTR table[0+rax*8]]`: the outer brackets say nothing.
                    if size not in (None, SIZES[word]):
                        token = tokens[inside]
                        raise SourceError(
                            "ASM026", f"Another size stands before `{token.text}`.", token.start, token.end
                        )
                    size = SIZES[word]
                    closing = _closing(tokens, parser.position)
                    words += [parser.position, inside + 1, closing]
                    inside += 1
            else:
                break
            inside += 1
        if words:
            parser.tokens = tokens = [token for index, token in enumerate(tokens) if index not in words]
    if any(token.text.lower() == "wrt" for token in tokens):
        parser.tokens = tokens = _with_relocations(tokens)
    if parser.position >= len(tokens):
        last = tokens[-1]
        raise SourceError("ASM010", "An operand is missing here.", last.start, last.end)
    begin = parser.position
    tree = parser.expression(memory=True)
    end = tokens[parser.position - 1].end
    start = first.start
    if isinstance(tree, RegisterLeaf):
        if parser.position - begin > 1 and tokens[begin].text == "(":
            raise SourceError(
                "ASM022",
                "A register cannot stand in parentheses.",
                start,
                end,
                f"for memory write [{tree.register.name}]",
            )
        if segment is not None:
            raise SourceError(
                "ASM022",
                "A segment goes with an address, not with a register.",
                start,
                end,
                f"write {segment.name}:[{tree.register.name}]",
            )
        if offset:
            raise SourceError("ASM022", "`offset` goes with a label, not with a register.", start, end)
        if (size is not None or pointer) and not (size == register_size(tree.register.name) and not pointer):
            if size is None or pointer:
                hint = f"write [{tree.register.name}] for the memory it points to"
                raise SourceError("ASM027", "A size with `ptr` needs an address in square brackets.", start, end, hint)
            raise SourceError(
                "ASM027",
                f"The register {tree.register.name} is not a {SIZE_NAMES[size]}.",
                start,
                end,
                f"write [{tree.register.name}] for the memory it points to",
            )
        return WrittenOperand(tree.register, start, end)
    if has_bracket(tree) or segment is not None or reach:
        if offset:
            raise SourceError("ASM022", "`offset` goes with a label, not with an address in brackets.", start, end)
        if (leaf := _register_outside(tree)) is not None and has_bracket(tree):
            raise SourceError(
                "ASM022",
                f"The register {leaf.register.name} stands outside of the square brackets.",
                start,
                end,
                "put the whole address into them: [rax + rcx*2 + 8]",
            )
        if far:
            # NASM's far pointer has a 64-bit offset where nothing else is said, GNU as' a 32-bit one.
            size = {None: 10 if dialect == "nasm" else 6, 4: 6, 8: 10}.get(size, size)
        address = linear_address(tree, size, segment, reach, start, end)
        if narrow is not None and isinstance(address.displacement, Number):
            distance = address.displacement.value
            if not -128 <= distance <= 127:
                raise SourceError(
                    "ASM053",
                    f"`byte` in brackets asks for a displacement of one byte, and {distance} does not fit.",
                    narrow.start,
                    narrow.end,
                    "leave it out there; the size of the operand stands before the bracket: byte [rax]",
                )
        return WrittenOperand(replace(address, broadcast=0) if repeated else address, start, end)
    if repeated:
        raise SourceError("ASM025", "Only memory can be broadcast.", start, end, "write it in square brackets")
    if has_register(tree):
        if isinstance(tree, Binary) and tree.operator in ("==", "!=", "<", ">", "<=", ">="):
            raise SourceError(
                "ASM022",
                "A register cannot be compared here.",
                start,
                end,
                "`cmp rax, 5` compares; je, jne, jl, jg and the like jump accordingly",
            )
        raise SourceError(
            "ASM022",
            "A register cannot be part of a constant.",
            start,
            end,
            "for memory, put the whole address in square brackets; to add registers, `lea rax, [rbx + 5]` or add",
        )
    if far:
        raise SourceError("ASM028", "A far jump to an address does not exist in 64-bit mode.", start, end)
    return WrittenOperand(Constant(tree, size, offset, pointer and not offset, form), start, end)


_TABLES = {"..plt": "PLT", "..got": "GOTPCREL", "..gotpcrel": "GOTPCREL"}


def _with_relocations(tokens: Sequence[Token]) -> list[Token]:
    """NASM's `printf wrt ..plt` written as GNU's `printf@PLT`, which is the same."""
    joined: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.text.lower() == "wrt" and joined and index + 1 < len(tokens):
            kind = _TABLES.get(tokens[index + 1].text.lower())
            if kind is not None and joined[-1].kind == "name":
                symbol = joined[-1]
                joined[-1] = symbol._replace(text=f"{symbol.text}@{kind}", end=tokens[index + 1].end)
                index += 2
                continue
        joined.append(token)
        index += 1
    return joined


def _only_segment(before: Register | None, name: str, token: Token) -> Register:
    """The segment of an address, which can have one only: of `fs:gs:[rax]` one would be lost."""
    if before is not None and before.name != name:
        raise SourceError("ASM022", f"The segment {before.name} stands here already.", token.start, token.end)
    return Register(name)


def _register_outside(tree: Expression) -> RegisterLeaf | None:
    """A register that no square brackets stand around, as in `rax[rbx]`."""
    if isinstance(tree, RegisterLeaf):
        return tree
    if isinstance(tree, Binary):
        return _register_outside(tree.left) or _register_outside(tree.right)
    return _register_outside(tree.operand) if isinstance(tree, Unary) else None


def _closing(tokens: Sequence[Token], position: int) -> int:
    """Where the bracket that opens at `position` is closed; the last token where it is not."""
    depth = 0
    for index in range(position, len(tokens)):
        depth += {"[": 1, "]": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index
    return len(tokens) - 1
