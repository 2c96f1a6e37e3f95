"""Instruction parser: prefixes, mnemonic and operands of one instruction, in either syntax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from execmem_kernel.assembly.diagnostics.hints import other_processor
from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.cursor import Cursor
from execmem_kernel.assembly.syntax.dialects import UNDECLARED
from execmem_kernel.assembly.syntax.evaluation import Value, evaluate
from execmem_kernel.assembly.syntax.expressions import Expression, Number
from execmem_kernel.assembly.syntax.intel import parse_operands
from execmem_kernel.assembly.syntax.lowering import build
from execmem_kernel.assembly.syntax.misplaced import cannot_begin_line
from execmem_kernel.assembly.syntax.statements import Address, Constant, Statement
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import PREFIXES, SIZES, is_branch
from execmem_kernel.x86.mnemonics import is_mnemonic, resolve
from execmem_kernel.x86.operands import Operation, Register
from execmem_kernel.x86.registers import SEGMENTS, canonical_register

_STACK_INSTRUCTIONS = frozenset(("push", "pop", "ret", "call", "jmp", "leave", "enter"))
_REPEATED_NAMES = {"bsf": "tzcnt", "bsr": "lzcnt", "nop": "pause"}
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
_ONCE = frozenset(("lock", "rep", "repne", "xacquire", "xrelease", "notrack", "bnd"))
"""Prefixes that change what an instruction does: twice, one of them would mean nothing."""
_ENDINGS = {".s": "{swap}", ".d8": "{disp8}", ".d32": "{disp32}"}
"""What objdump puts behind a name whose displacement is longer than need be, or whose opcode is the other of two."""


def parse_instruction(cursor: Cursor) -> Statement:
    """One instruction with its prefixes; a word before it that is none is taken for NASM's label without a colon.

    Raises:
        SourceError: It is no instruction.
    """
    first = cursor.tokens[cursor.position]
    prefixes = _parse_prefixes(cursor)
    token = cursor.peek()
    if token is None:
        return _lone_prefix(cursor, prefixes, first)
    if token.kind != "name":
        raise cannot_begin_line(cursor.tokens, cursor.position)
    cursor.position += 1
    name = token.text.lower()
    if canonical_register(name) is not None or name in SIZES:
        raise _no_mnemonic(name, token, cursor.rest())
    for ending, meaning in _ENDINGS.items():
        if name.endswith(ending) and not is_mnemonic(name) and is_mnemonic(name.removesuffix(ending)):
            name = name.removesuffix(ending)
            prefixes.append(meaning)
    if name == "int" and not cursor.labels:
        _check_is_no_declaration(cursor, token)
    written = _att_operands(cursor, name) if cursor.syntax == "att" and not is_mnemonic(name) else None
    if written is None and not prefixes and not is_mnemonic(name) and not other_processor(name):
        labelled = _behind_label_without_colon(cursor, token)
        if labelled is not None:
            return labelled
    written = written or _parse_operands(cursor, name)
    if written is None:
        return _unknown(cursor, name, token, prefixes)
    if "rep" in prefixes and (repeated := _REPEATED_NAMES.get(written.name or name)) is not None:
        # Compilers write tzcnt so: the same bytes, which older processors run as bsf; and kernels write pause.
        written = written._replace(name=repeated)
        prefixes.remove("rep")
    written = _with_letter(written, name, token)
    statement = Statement(
        tuple(cursor.labels),
        written.name or name,
        token.start,
        token.end,
        operands=written.operands,
        prefixes=tuple(prefixes),
        mask=written.mask,
        zeroing=written.zeroing,
        rounding=written.rounding,
        last=max([token.end, *(operand.end for operand in written.operands)]),
        att=cursor.syntax == "att",
    )
    return statement._replace(ready=_ready(statement))


def _parse_prefixes(cursor: Cursor) -> list[str]:
    """Read every prefix, in the spelling that `Operation.prefixes` has."""
    prefixes: list[str] = []
    while (token := cursor.peek()) is not None:
        word = token.text.lower()
        if token.kind == "brace":
            word = word.replace(" ", "")
            if word not in _PSEUDO_PREFIXES:
                raise SourceError("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end)
            prefixes.append(word)
        elif word in PREFIXES:
            if PREFIXES[word] in _ONCE and PREFIXES[word] in prefixes:
                raise SourceError(
                    "ASM032", f"The prefix `{token.text}` stands here already.", token.start, token.end, "write it once"
                )
            if PREFIXES[word]:
                prefixes.append(PREFIXES[word])  # `o32` and `a64` say what is so anyway
        elif word in SEGMENTS and _goes_on(cursor.peek(1)):
            prefixes.append(word)  # as objdump shows it: cs nopw 0x0(%rax,%rax,1)
        else:
            break
        cursor.position += 1
    return prefixes


def _goes_on(token: Token | None) -> bool:
    """Whether an instruction begins with the token, perhaps with more prefixes."""
    if token is None or token.kind != "name":
        return False
    word = token.text.lower()
    return is_mnemonic(word) or word in PREFIXES or word in SEGMENTS


def _lone_prefix(cursor: Cursor, prefixes: list[str], first: Token) -> Statement:
    """Prefixes that no instruction follows on their line; it may stand on the next."""
    last = cursor.tokens[-1]
    error = SourceError(
        "ASM032",
        f"The prefix `{last.text}` has no instruction.",
        first.start,
        last.end,
        "put the instruction on the same line",
    )
    return Statement(tuple(cursor.labels), prefixes=tuple(prefixes), error=error)


def _no_mnemonic(name: str, token: Token, rest: Sequence[Token]) -> SourceError:
    """The error about a register, or the size of an operand, where the instruction should stand."""
    if canonical_register(name) is None:
        hint = "data are `name: .byte 5`, .word, .long or .quad; in NASM `name db 5`, dw, dd or dq"
    else:
        hint = other_processor(name) if name == "bl" else _assignment(token, rest)
    return SourceError(
        "ASM003",
        f"A line cannot begin with `{token.text}`.",
        token.start,
        token.end,
        hint or "first comes the instruction, for example mov",
    )


def _check_is_no_declaration(cursor: Cursor, token: Token) -> None:
    """`int x` and `int main()`, as C has them."""
    following, behind = cursor.peek(), cursor.peek(1)
    if following is None or following.kind != "name":
        return
    function = behind is not None and behind.text == "("
    raise SourceError(
        "ASM102",
        "`int` calls an interrupt here; it declares nothing.",
        token.start,
        following.end,
        f"a function is a label, `{following.text}:`, and ends with ret"
        if function
        else f"a variable is `{following.text}: .long 5` in .data, a constant `{following.text} = 5`",
    )


def _behind_label_without_colon(cursor: Cursor, token: Token) -> Statement | None:
    """What follows an unknown word, where that can be a label without its colon; None where it cannot."""
    following = cursor.peek()
    if following is None:
        if not cursor.rules.optional_colons or cursor.labels:
            return None
        # A NASM label may stand alone without its colon; whether it is one, the whole source tells.
        cursor.add_label(token, colon=False)
        return Statement(labels=tuple(cursor.labels))
    if following.kind != "name" or not is_mnemonic(following.text):
        return None
    if not cursor.rules.optional_colons:
        raise SourceError(
            "ASM033",
            f"`{token.text}` looks like a label without its colon.",
            token.start,
            token.end,
            f"write `{token.text}:`",
        )
    cursor.add_label(token, colon=False)
    return parse_instruction(cursor)


def _parse_operands(cursor: Cursor, name: str) -> Statement | None:
    """The operands, in a statement with Intel's name where the source has AT&T's; None for an unknown mnemonic."""
    if cursor.syntax == "att":
        from execmem_kernel.assembly.syntax import att

        statement = att.parse_att_operands(name, cursor.rest(), cursor.rules)
        return statement if is_mnemonic(statement.name) else None
    return parse_operands(name, cursor.rest(), cursor.rules) if is_mnemonic(name) else None


def _att_operands(cursor: Cursor, name: str) -> Statement | None:
    """The operands behind a word that only AT&T syntax may have for an instruction; None where it is none."""
    try:
        return _parse_operands(cursor, name)
    except SourceError:
        return None  # said again where the word turns out to be no label


def _unknown(cursor: Cursor, name: str, token: Token, prefixes: list[str]) -> Statement:
    """A statement whose mnemonic nothing is known of: the encoder refuses it and says what is near."""
    return Statement(
        tuple(cursor.labels),
        name,
        token.start,
        token.end,
        tokens=tuple(cursor.rest()),
        prefixes=tuple(prefixes),
        ready=Operation(name),
        last=cursor.tokens[-1].end,
    )


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
    if not statement.name or statement.directive is not None or statement.labels or statement.error is not None:
        return None
    joined = statement._replace(prefixes=(*prefixes, *statement.prefixes), ready=None)
    return joined._replace(ready=_ready(joined))


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
    return build(statement, _no_names, 0, UNDECLARED)


def _no_names(tree: Expression) -> Value:
    return evaluate(tree, _unexpected)


def _unexpected(tree: Expression) -> NoReturn:
    raise AssertionError(tree)
