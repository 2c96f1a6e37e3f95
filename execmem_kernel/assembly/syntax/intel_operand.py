"""One operand in Intel syntax: `qword ptr fs:[rax + rcx*8]`, `offset flat:x`, `[rel x]`, `short done`.

Three steps: the words before the operand (`_LEADING_WORDS` has a function for each), the words that NASM lets stand
inside its brackets, then one expression, which the words make a register, an address or a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.addresses import linear_address
from execmem_kernel.assembly.syntax.dialects import DialectRules
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
from execmem_kernel.assembly.syntax.statements import Constant, WrittenOperand
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import SIZES
from execmem_kernel.x86.operands import SIZE_NAMES, Register
from execmem_kernel.x86.registers import SEGMENTS, register_size

_NOT_BEHIND_A_WORD = ("]", "+", "-", "*", "")
"""What shows that a word in brackets is a name after all: `[byte]`, `[rel + 8]`."""


@dataclass(slots=True)
class _Words:
    """What the words around an operand say of it."""

    size: int | None = None
    """In bytes."""
    pointer: bool = False
    """`ptr` behind a size: what lies there is meant."""
    offset: bool = False
    """`offset`: the address itself is meant."""
    broadcast: bool = False
    """`dword bcst [rax]` is MASM's and GNU as' spelling of `dword ptr [rax]{1to16}`."""
    form: Literal["short", "near"] | None = None
    far: bool = False
    distance: Token | None = None
    """The `short`, `near` or `far` that says how far away it goes."""
    segment: Register | None = None
    reach: Literal["rel", "abs", ""] = ""
    byte: Token | None = None
    """`byte` inside of brackets, which asks for a displacement of one byte."""


def parse_operand(parser: Parser, rules: DialectRules, *, branch: bool = False) -> WrittenOperand:
    """Read one operand up to its comma, its decoration or its end.

    The parser's tokens are fewer afterwards where words in brackets have been taken out of them.

    Args:
        parser: Where it stands.
        rules: The rules of the source's dialect.
        branch: Whether it is where an instruction goes, which can be short, near or far.

    Raises:
        SourceError: It is no operand.
    """
    first = parser.tokens[parser.position]
    words = _Words()
    _read_leading_words(parser, words)
    if parser.peek() == "[":
        _take_words_in_brackets(parser, words)
    if any(token.text.lower() == "wrt" for token in parser.tokens):
        parser.tokens = _with_relocations(parser.tokens)
    if parser.position >= len(parser.tokens):
        last = parser.tokens[-1]
        raise SourceError("ASM010", "An operand is missing here.", last.start, last.end)
    begin = parser.position
    tree = parser.expression(memory=True)
    start, end = first.start, parser.tokens[parser.position - 1].end
    if words.distance is not None and (not branch or isinstance(tree, RegisterLeaf)):
        _check_distance(words.distance, branch=branch)
    if isinstance(tree, RegisterLeaf):
        in_parentheses = parser.position - begin > 1 and parser.tokens[begin].text == "("
        return _register(tree.register, words, in_parentheses, start, end)
    if has_bracket(tree) or words.segment is not None or words.reach:
        return _address(tree, words, rules, start, end)
    return _constant(tree, words, start, end)


# ---- the words before it ---------------------------------------------------------------------------------------------


def _read_leading_words(parser: Parser, words: _Words) -> None:
    """Read the words before the operand. One that nothing follows is no such word but a name."""
    tokens = parser.tokens
    while parser.position < len(tokens) and tokens[parser.position].kind == "name" and not words.offset:
        token = tokens[parser.position]
        following = tokens[parser.position + 1].text if parser.position + 1 < len(tokens) else ""
        take = _LEADING_WORDS.get(token.text.lower())
        if take is None or not following or not take(words, parser, token, following):
            return
        parser.position += 1


def _size(words: _Words, _parser: Parser, token: Token, following: str) -> bool:
    if following in (",", ":", "*"):
        return False  # a label may have the name of a size
    if words.size is not None:
        raise SourceError("ASM026", f"A size stands here already, before `{token.text}`.", token.start, token.end)
    words.size = SIZES[token.text.lower()]
    return True


def _bcst(words: _Words, _parser: Parser, _token: Token, _following: str) -> bool:
    if words.size is None:
        return False
    words.broadcast = True
    return True


def _ptr(words: _Words, parser: Parser, token: Token, _following: str) -> bool:
    said = words.size is not None or words.form is not None or words.far
    if not said or parser.tokens[parser.position - 1].text == ":":
        raise SourceError(
            "ASM027", "`ptr` needs a size before it.", token.start, token.end, "for example dword ptr [rax]"
        )
    # `near ptr x` is where to go, `dword ptr x` is what lies there.
    words.pointer = words.size is not None
    words.form = None
    return True


def _offset(words: _Words, parser: Parser, _token: Token, following: str) -> bool:
    words.offset = True
    behind = parser.position + 2
    if following.lower() == "flat" and behind < len(parser.tokens) and parser.tokens[behind].text == ":":
        parser.position += 2
    return True


def _short(words: _Words, _parser: Parser, token: Token, _following: str) -> bool:
    words.form, words.distance = "short", token
    return True


def _near(words: _Words, _parser: Parser, token: Token, _following: str) -> bool:
    words.form, words.distance = "near", token
    return True


def _far(words: _Words, _parser: Parser, token: Token, _following: str) -> bool:
    words.far, words.distance = True, token
    return True


def _strict(_words: _Words, _parser: Parser, _token: Token, _following: str) -> bool:
    return True  # NASM's "do not optimise this", which no encoding here depends on


def _segment(words: _Words, parser: Parser, token: Token, following: str) -> bool:
    if following != ":":
        return False
    words.segment = _only_segment(words.segment, token)
    parser.position += 1
    return True


_LEADING_WORDS: dict[str, Callable[[_Words, Parser, Token, str], bool]] = {
    **dict.fromkeys(SIZES, _size),
    "bcst": _bcst,
    "ptr": _ptr,
    "offset": _offset,
    "short": _short,
    "near": _near,
    "far": _far,
    "strict": _strict,
    **dict.fromkeys(SEGMENTS, _segment),
}
"""Word before an operand -> what it changes; each says whether the word, with this text behind it, is one."""


# ---- the words inside of its brackets --------------------------------------------------------------------------------


def _take_words_in_brackets(parser: Parser, words: _Words) -> None:
    """Take out of the tokens what NASM lets stand inside: [rel x], [abs x], [qword rel x], [fs:0]."""
    tokens = parser.tokens
    inside = parser.position + 1
    taken: list[int] = []
    while inside < len(tokens) and tokens[inside].kind == "name":
        token = tokens[inside]
        word = token.text.lower()
        following = tokens[inside + 1].text if inside + 1 < len(tokens) else ""
        if word in SEGMENTS and following == ":":
            words.segment = _only_segment(words.segment, token)
            taken += [inside, inside + 1]
            inside += 1
        elif following in _NOT_BEHIND_A_WORD:
            break
        elif word in ("rel", "abs"):
            words.reach = "rel" if word == "rel" else "abs"
            taken.append(inside)
        elif word in SIZES:
            taken.append(inside)
            if word == "byte":
                words.byte = token
            if following.lower() == "ptr":
                # gcc writes `jmp [QWORD PTR table[0+rax*8]]`: the outer brackets say nothing.
                if words.size not in (None, SIZES[word]):
                    raise SourceError("ASM026", f"Another size stands before `{token.text}`.", token.start, token.end)
                words.size = SIZES[word]
                taken += [parser.position, inside + 1, _closing(tokens, parser.position)]
                inside += 1
        else:
            break
        inside += 1
    if taken:
        parser.tokens = [token for index, token in enumerate(tokens) if index not in taken]


def _closing(tokens: Sequence[Token], position: int) -> int:
    """Where the bracket that opens at `position` is closed; the last token where it is not."""
    depth = 0
    for index in range(position, len(tokens)):
        depth += {"[": 1, "]": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index
    return len(tokens) - 1


def _only_segment(before: Register | None, token: Token) -> Register:
    """The segment of an address, which can have one only: of `fs:gs:[rax]` one would be lost."""
    name = token.text.lower()
    if before is not None and before.name != name:
        raise SourceError("ASM022", f"The segment {before.name} stands here already.", token.start, token.end)
    return Register(name)


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


def _check_distance(word: Token, *, branch: bool) -> None:
    """Refuse `mov eax, far ebx`: only where something goes can be short, near or far."""
    text = word.text.lower()
    if branch and text == "near":
        return  # `jmp near rax`: a register holds the whole address
    raise SourceError(
        "ASM022",
        f"`{word.text}` says how far a jump goes{', which a register does not' if branch else '; nothing jumps here'}.",
        word.start,
        word.end,
        f"leave out `{word.text}`",
    )


# ---- what it is ------------------------------------------------------------------------------------------------------


def _register(register: Register, words: _Words, in_parentheses: bool, start: int, end: int) -> WrittenOperand:
    """A register, with which hardly any word goes."""
    memory = f"write [{register.name}] for the memory it points to"
    if in_parentheses:
        raise SourceError(
            "ASM022", "A register cannot stand in parentheses.", start, end, f"for memory write [{register.name}]"
        )
    if words.segment is not None:
        raise SourceError(
            "ASM022",
            "A segment goes with an address, not with a register.",
            start,
            end,
            f"write {words.segment.name}:[{register.name}]",
        )
    if words.offset:
        raise SourceError("ASM022", "`offset` goes with a label, not with a register.", start, end)
    if words.broadcast:
        raise SourceError("ASM025", "Only memory can be broadcast.", start, end, "write it in square brackets")
    if words.pointer:
        raise SourceError("ASM027", "A size with `ptr` needs an address in square brackets.", start, end, memory)
    if words.size is not None and words.size != register_size(register.name):
        raise SourceError(
            "ASM027", f"The register {register.name} is not a {SIZE_NAMES[words.size]}.", start, end, memory
        )
    return WrittenOperand(register, start, end)


def _address(tree: Expression, words: _Words, rules: DialectRules, start: int, end: int) -> WrittenOperand:
    """A memory operand: brackets stand in it, or a segment or `rel` says so."""
    if words.offset:
        raise SourceError("ASM022", "`offset` goes with a label, not with an address in brackets.", start, end)
    if (outside := _register_outside(tree)) is not None and has_bracket(tree):
        raise SourceError(
            "ASM022",
            f"The register {outside.name} stands outside of the square brackets.",
            start,
            end,
            "put the whole address into them: [rax + rcx*2 + 8]",
        )
    size = words.size
    if words.far:
        # What lies there is a selector of two bytes behind the offset.
        size = {None: rules.far_pointer_size, 4: 6, 8: 10}.get(size, size)
    address = linear_address(tree, size, words.segment, words.reach, start, end)
    if words.byte is not None and isinstance(address.displacement, Number):
        distance = address.displacement.value
        if not -128 <= distance <= 127:
            raise SourceError(
                "ASM053",
                f"`byte` in brackets asks for a displacement of one byte, and {distance} does not fit.",
                words.byte.start,
                words.byte.end,
                "leave it out there; the size of the operand stands before the bracket: byte [rax]",
            )
    return WrittenOperand(replace(address, broadcast=0) if words.broadcast else address, start, end)


def _constant(tree: Expression, words: _Words, start: int, end: int) -> WrittenOperand:
    """A number, or a label whose meaning the dialect decides when the statement is lowered."""
    if words.broadcast:
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
    if words.far:
        raise SourceError("ASM028", "A far jump to an address does not exist in 64-bit mode.", start, end)
    pointer = words.pointer and not words.offset
    return WrittenOperand(Constant(tree, words.size, words.offset, pointer, words.form), start, end)


def _register_outside(tree: Expression) -> Register | None:
    """A register that no square brackets stand around, as in `rax[rbx]`."""
    if isinstance(tree, RegisterLeaf):
        return tree.register
    if isinstance(tree, Binary):
        return _register_outside(tree.left) or _register_outside(tree.right)
    return _register_outside(tree.operand) if isinstance(tree, Unary) else None
