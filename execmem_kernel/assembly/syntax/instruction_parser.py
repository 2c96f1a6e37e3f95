"""Instruction parser: prefixes, mnemonic and operands of one instruction, in either syntax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from execmem_kernel.assembly.diagnostics.hints import other_processor
from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import Dialect
from execmem_kernel.assembly.syntax.evaluation import Value, evaluate
from execmem_kernel.assembly.syntax.expressions import Expression, Number
from execmem_kernel.assembly.syntax.intel import parse_operands
from execmem_kernel.assembly.syntax.lowering import build
from execmem_kernel.assembly.syntax.statements import Address, Constant, LabelDefinition, Statement
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import PREFIXES, SEGMENTS, SIZES, Syntax, is_branch
from execmem_kernel.x86.mnemonics import is_mnemonic, resolve
from execmem_kernel.x86.operands import Operation, Register
from execmem_kernel.x86.registers import canonical_register

_STACK_INSTRUCTIONS = frozenset(("push", "pop", "ret", "call", "jmp", "leave", "enter"))


_REPEATED_NAMES = {"bsf": "tzcnt", "bsr": "lzcnt", "nop": "pause"}


_STRINGS = frozenset(("movs", "cmps", "stos", "lods", "scas", "ins", "outs"))
"""String instructions whose size is in their operands."""


_PSEUDO_PREFIXES = frozenset(
    (
        "{vex}",
        "{vex2}",
        "{vex3}",
        "{evex}",
        "{disp8}",
        "{disp32}",
        "{load}",
        "{store}",
        "{rex}",
        "{rex2}",
        "{nooptimize}",
    )
)


_ENDINGS = {".s": "{swap}", ".d8": "{disp8}", ".d32": "{disp32}"}
"""What objdump puts behind a name whose displacement is longer than need be, or whose opcode is the other of two."""


def cannot_begin_line(token: Token, tokens: list[Token], position: int) -> SourceError:
    if token.text == "%":
        name = tokens[position + 1].text if position + 1 < len(tokens) else ""
        if canonical_register(name) is not None:
            return SourceError(
                "ASM020", f"`%{name}` is AT&T syntax, and no instruction.", token.start, tokens[position + 1].end
            )
        return SourceError(
            "ASM050",
            f"There is no directive named `%{name}`.",
            token.start,
            tokens[min(position + 1, len(tokens) - 1)].end,
        )
    hint = "a line is a label, an instruction, or a directive"
    if HEX_BYTE.match(token.text) and position + 1 < len(tokens):
        hint = "is this a disassembler's listing? Leave out its addresses and bytes, and keep the instructions"
    if token.kind == "number" and ((position and tokens[position - 1].text == ":") or len(tokens) == 1):
        hint = "to store a number, name its size: `.byte 5`, `.long 5` or `.quad 5` (db, dd or dq in NASM)"
    elif token.kind == "string":
        hint = f"to store a text write `.asciz {token.text}` (in NASM `db {token.text}, 0`)"
    elif token.text in ("{", "}"):
        hint = "there are no braces: a function is a label and ends with ret"
    elif token.text == "=" and position:
        hint = f"a constant is `{tokens[position - 2].text} = 5`"
    elif (position + 1 < len(tokens) and tokens[position + 1].text == "<") or token.text == "=":
        hint = "is this a disassembler's listing? Leave out its addresses and bytes, and keep the instructions"
    elif token.text in ("/", "*", "-", "\\", "!", "@"):
        hint = "a comment begins with `#` or `;`"
    elif token.text in ("$", ">"):
        hint = "leave out the prompt"
    return SourceError("ASM003", f"A line cannot begin with `{token.text}`.", token.start, token.end, hint)


HEX_BYTE = re.compile(r"[0-9a-fA-F]{2}\Z")


# ---- instructions ----------------------------------------------------------------------------------------------------


def parse_instruction(
    tokens: list[Token], position: int, labels: list[LabelDefinition], syntax: Syntax, dialect: Dialect
) -> Statement:
    prefixes: list[str] = []
    first = tokens[position]
    while position < len(tokens):
        token = tokens[position]
        word = token.text.lower()
        if token.kind == "brace":
            word = word.replace(" ", "")
            if word not in _PSEUDO_PREFIXES:
                raise SourceError("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end)
            prefixes.append(word)
        elif word in PREFIXES:
            prefixes += [PREFIXES[word]] if PREFIXES[word] else []  # `o32` and `a64` say what is so anyway
        elif word in SEGMENTS and _goes_on(tokens, position + 1):
            prefixes.append(word)  # as objdump shows it: cs nopw 0x0(%rax,%rax,1)
        else:
            break
        position += 1
    if position == len(tokens):
        complaint = SourceError(
            "ASM032",
            f"The prefix `{tokens[-1].text}` has no instruction.",
            first.start,
            tokens[-1].end,
            "put the instruction on the same line",
        )
        return Statement(tuple(labels), prefixes=tuple(prefixes), complaint=complaint)
    token = tokens[position]
    name = token.text.lower()
    if token.kind != "name":
        raise cannot_begin_line(token, tokens, position)
    if canonical_register(name) is not None or name in SIZES:
        hint = other_processor(name) if name in ("bl",) else _assignment(token, tokens[position + 1 :])
        if name in SIZES and canonical_register(name) is None:
            hint = "data are `name: .byte 5`, .word, .long or .quad; in NASM `name db 5`, dw, dd or dq"
        raise SourceError(
            "ASM003",
            f"A line cannot begin with `{token.text}`.",
            token.start,
            token.end,
            hint or "first comes the instruction, for example mov",
        )
    position += 1
    for ending, meaning in _ENDINGS.items():
        if name.endswith(ending) and not is_mnemonic(name) and is_mnemonic(name.removesuffix(ending)):
            name = name.removesuffix(ending)
            prefixes.append(meaning)
    following = tokens[position] if position < len(tokens) else None
    if name == "int" and following is not None and following.kind == "name" and not labels:
        function = position + 1 < len(tokens) and tokens[position + 1].text == "("
        raise SourceError(
            "ASM102",
            "`int` calls an interrupt here; it declares nothing.",
            token.start,
            following.end,
            f"a function is a label, `{following.text}:`, and ends with ret"
            if function
            else f"a variable is `{following.text}: .long 5` in .data, a constant `{following.text} = 5`",
        )
    if not is_mnemonic(name) and not other_processor(name):
        following = tokens[position] if position < len(tokens) else None
        if following is None and dialect == "nasm" and not prefixes and not labels:
            # A NASM label may stand alone without its colon; whether it is one, the whole source tells.
            labels.append(LabelDefinition(token.text, token.start, token.end, colon=False))
            return Statement(labels=tuple(labels))
        if following is not None and following.kind == "name" and is_mnemonic(following.text) and not prefixes:
            if dialect != "nasm":
                raise SourceError(
                    "ASM033",
                    f"`{token.text}` looks like a label without its colon.",
                    token.start,
                    token.end,
                    f"write `{token.text}:`",
                )
            labels.append(LabelDefinition(token.text, token.start, token.end, colon=False))
            return parse_instruction(tokens, position, labels, syntax, dialect)
    rest = tokens[position:]
    unknown = Statement(
        tuple(labels),
        name,
        token.start,
        token.end,
        tokens=tuple(rest),
        prefixes=tuple(prefixes),
        ready=Operation(name),
        last=tokens[-1].end,
    )
    if syntax == "intel" and not is_mnemonic(name) and name not in _STRINGS:
        return unknown  # the encoder says what is near
    if syntax == "att":
        from execmem_kernel.assembly.syntax import att

        statement = att.parse_att_operands(name, rest, dialect)
        if not is_mnemonic(statement.name) and statement.name not in _STRINGS:
            return unknown
    else:
        statement = parse_operands(name, rest, dialect)
    if "rep" in prefixes and (scan := _REPEATED_NAMES.get(statement.name or name)) is not None:
        # Compilers write tzcnt so: the same bytes, which older processors run as bsf; and kernels write pause.
        statement = statement._replace(name=scan)  # the rest follows below
        prefixes.remove("rep")
    statement = _with_letter(statement, name, token)
    statement = Statement(
        tuple(labels),
        statement.name or name,
        token.start,
        token.end,
        operands=statement.operands,
        prefixes=tuple(prefixes),
        mask=statement.mask,
        zeroing=statement.zeroing,
        rounding=statement.rounding,
        last=max([token.end, *(piece.end for piece in statement.operands)]),
        att=syntax == "att",
    )
    return statement._replace(ready=_ready(statement))


_ASSIGNMENTS = {"+": "add", "-": "sub", "*": "imul", "&": "and", "|": "or", "^": "xor"}


def _assignment(register: Token, rest: Sequence[Token]) -> str:
    """`rax++` and `rax += 5`, as C has them, in a hint."""
    texts = [token.text for token in rest]
    if texts in (["+", "+"], ["-", "-"]):
        return f"write `{'inc' if texts[0] == '+' else 'dec'} {register.text}`"
    if len(texts) > 2 and texts[1] == "=" and texts[0] in _ASSIGNMENTS:
        return f"write `{_ASSIGNMENTS[texts[0]]} {register.text}, {' '.join(texts[2:])}`"
    return ""


def with_prefixes(prefixes: tuple[str, ...], statement: Statement) -> Statement | None:
    """The instruction with prefixes that stood on a line of their own before it; None for what is no instruction."""
    if not statement.name or statement.directive is not None or statement.labels or statement.complaint is not None:
        return None
    joined = statement._replace(prefixes=(*prefixes, *statement.prefixes), ready=None)
    return joined._replace(ready=_ready(joined))


def _goes_on(tokens: Sequence[Token], position: int) -> bool:
    """Whether an instruction stands there, perhaps behind more prefixes."""
    if position >= len(tokens) or tokens[position].kind != "name":
        return False
    word = tokens[position].text.lower()
    return is_mnemonic(word) or word in PREFIXES or word in SEGMENTS


def _with_letter(statement: Statement, name: str, token: Token) -> Statement:
    """What the size letter of `pushw` and `retw` says, where no register and no memory says it."""
    resolved = resolve(name)
    if resolved is None or resolved.size in (None, 8) or resolved.mnemonic not in _STACK_INSTRUCTIONS:
        return statement
    segment = any(isinstance(piece.value, Register) and piece.value.name in SEGMENTS for piece in statement.operands)
    if resolved.mnemonic in ("push", "pop") and resolved.size == 2 and not segment:
        pieces = tuple(
            piece._replace(value=replace(piece.value, size=2))
            if isinstance(piece.value, Constant) and piece.value.size is None
            else piece
            for piece in statement.operands
        )
        return statement._replace(operands=pieces)
    raise SourceError(
        "ASM048",
        f"`{name}` works on a stack of another width than a 64-bit program has.",
        token.start,
        token.end,
        f"write `{resolved.mnemonic}`",
    )


def _ready(statement: Statement) -> Operation | None:
    """The finished operation where no operand waits for a name."""
    for piece in statement.operands:
        value = piece.value
        if isinstance(value, Constant):
            if not isinstance(value.value, Number) or is_branch(statement.name):
                return None
        elif isinstance(value, Address):
            if value.displacement is not None and not isinstance(value.displacement, Number):
                return None
            if value.reach == "rel" or any(not isinstance(term.factor, Number) for term in value.terms):
                return None
    return build(statement, _no_names, 0, "")


def _no_names(tree: Expression) -> Value:
    return evaluate(tree, _unexpected)


def _unexpected(tree: Expression) -> NoReturn:
    raise AssertionError(tree)
