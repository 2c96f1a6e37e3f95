"""The language: one line of text -> labels, then an instruction or a directive, every piece with its columns.

    "again: add rax, [rbx+8*N]"  -->  Statement(labels=(again,), name="add", operands=(Register, Address(...)))

Lines are read without knowing where they stand, so equal lines are read once. Names stay names here: what they are
worth is known only when the program has been laid out. `build` then turns a statement into the operation to encode.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple, NoReturn

from execmem_kernel.assembly.directives import DIRECTIVES, LINE_DIRECTIVES, NEEDS_NO_NAME, Directive, nearest_directives
from execmem_kernel.assembly.expressions import (
    LATE,
    Binary,
    Bracket,
    Complaint,
    Dialect,
    Expression,
    Lookup,
    Number,
    Parser,
    RegisterLeaf,
    Token,
    Unary,
    Value,
    evaluate,
    has_bracket,
    has_register,
    number,
    tokenize,
)
from execmem_kernel.assembly.forms import canonical_register, is_mnemonic, register_size, resolve
from execmem_kernel.assembly.habits import other_processor
from execmem_kernel.assembly.lines import QUOTED
from execmem_kernel.assembly.operands import REX_PREFIXES, Immediate, Memory, Operand, Operation, Register, Target

Syntax = Literal["intel", "att"]

PREFIXES = {
    "lock": "lock", "rep": "rep", "repe": "rep", "repz": "rep", "repne": "repne", "repnz": "repne",
    "xacquire": "xacquire",
    "xrelease": "xrelease", "notrack": "notrack", "bnd": "bnd", "data16": "data16", "addr32": "addr32",
    "rex64": "rex.w", "o64": "rex.w", "o16": "data16",
    "osp": "data16", "a32": "addr32", "asp": "addr32", "o32": "", "a64": "",
    **{name: name for name in REX_PREFIXES},
}  # fmt: skip

SIZES = {
    "byte": 1, "word": 2, "dword": 4, "fword": 6, "qword": 8, "mmword": 8, "tbyte": 10, "tword": 10, "oword": 16,
    "xmmword": 16, "dqword": 16,
    "ymmword": 32, "yword": 32, "qqword": 32, "zmmword": 64, "zword": 64, "real4": 4, "real8": 8, "real10": 10,
}  # fmt: skip
SIZE_NAMES = {
    1: "byte",
    2: "word",
    4: "dword",
    6: "fword",
    8: "qword",
    10: "tbyte",
    16: "xmmword",
    32: "ymmword",
    64: "zmmword",
}
KEYWORDS = frozenset(("ptr", "offset", "flat", "short", "near", "far", "strict", "rel", "abs", "not", "wrt"))
"""Words that say something about the operand they stand in."""
SEGMENTS = frozenset(("cs", "ds", "es", "fs", "gs", "ss"))
ROUNDINGS = frozenset(("rn-sae", "rd-sae", "ru-sae", "rz-sae", "sae"))
BROADCASTS = {f"1to{count}": count for count in (2, 4, 8, 16, 32)}
_SIZED_BY_NUMBER = frozenset(("mov", "add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"))
_STACK_INSTRUCTIONS = frozenset(("push", "pop", "ret", "call", "jmp", "leave", "enter"))
_REPEATED_NAMES = {"bsf": "tzcnt", "bsr": "lzcnt", "nop": "pause"}
_TO = frozenset(("fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr"))
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


@dataclass(frozen=True, slots=True)
class Constant:
    """An operand without registers and brackets: a number, or a label whose meaning others decide."""

    value: Expression
    size: int | None = None
    offset: bool = False
    """Written `offset x`, or `$x` in AT&T: the address itself."""
    pointer: bool = False
    """Written `dword ptr x`: what lies at the label x; a number stays a number."""
    form: Literal["short", "near"] | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A register in an address, with what it is multiplied by."""

    register: Register
    factor: Expression
    explicit: bool
    """Whether a factor is written, be it 1: then the register is the index."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Address:
    """A memory operand with its names unresolved."""

    terms: tuple[Term, ...] = ()
    displacement: Expression | None = None
    size: int | None = None
    segment: Register | None = None
    reach: Literal["rel", "abs", ""] = ""
    broadcast: int | None = None
    """The n of {1ton}; 0 where only `bcst` is written, and the registers tell it."""


class Piece(NamedTuple):
    """One operand and its columns."""

    value: Register | Constant | Address
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Name:
    """A label where it is defined."""

    name: str
    start: int
    end: int
    colon: bool = True


class Statement(NamedTuple):
    """One line, read. `name` is the mnemonic or the directive in lower case, "" where only labels stand."""

    labels: tuple[Name, ...] = ()
    name: str = ""
    start: int = 0
    end: int = 0
    directive: Directive | None = None
    tokens: tuple[Token, ...] = ()
    """What follows the name of a directive, or of nothing known."""
    operands: tuple[Piece, ...] = ()
    prefixes: tuple[str, ...] = ()
    mask: Register | None = None
    zeroing: bool = False
    rounding: str | None = None
    ready: Operation | None = None
    """The operation at address 0, where nothing in it waits for a name."""
    complaint: Complaint | None = None
    inner: Statement | None = None
    """What `times` repeats."""
    last: int = 0
    """Where the last operand ends."""
    att: bool = False
    """Whether it is an instruction written in AT&T syntax; its operands are in Intel's order all the same."""


EMPTY = Statement()


@lru_cache(maxsize=16384)
def read_line(text: str, syntax: Syntax, dialect: Dialect) -> Statement:
    """Read one line. What is wrong in it is in `complaint`; the labels before it stand all the same."""
    labels: list[Name] = []
    tokens: list[Token] = []
    try:
        tokens = tokenize(text, dialect)
        if not tokens:
            return EMPTY
        return _statement(tokens, labels, syntax, dialect)
    except Complaint as complaint:
        complaint.__traceback__ = None
        behind = text[complaint.end :].lstrip()
        if complaint.code == "ASM010" and behind.startswith("#") and tokens and tokens[-1].text == ",":
            complaint = complaint.with_hint("`#` begins a comment here; a number stands as it is: 5")
        if syntax == "intel" and complaint.code == "ASM020":
            complaint = _translated(complaint, tokens, dialect)
        return Statement(labels=tuple(labels), complaint=complaint)


@lru_cache(maxsize=4096)
def separated(text: str, macros: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """A line cut at the semicolons behind which another statement stands, as GNU as reads it; columns stay.

    What does not begin like a statement is a comment, as NASM reads it and people mean it. What does is a statement,
    also when the rest of it is wrong: code must not vanish for a slip.
    """
    position = _semicolon(text)
    if position is None:
        return (text,)
    head, tail = text[:position], " " * (position + 1) + text[position + 1 :]
    words = head.split()
    if words and words[-1].lower() in PREFIXES and tail.strip():
        return separated(f"{head} {tail[position + 1 :]}", macros)  # `rep; ret` is one instruction
    return (head, *separated(tail, macros)) if _is_code(tail.lstrip(" ;"), macros) else (text,)


def hides_instruction(text: str, syntax: Syntax) -> bool:
    """Whether what stands behind a line's first semicolon would be an instruction, valid as it is."""
    position = _semicolon(text)
    if position is None:
        return False
    statement = read_line(text[position + 1 :].partition(";")[0], syntax, "")
    return statement.complaint is None and statement.directive is None and is_mnemonic(statement.name or "?")


def _is_code(text: str, macros: frozenset[str]) -> bool:
    """Whether a text begins like a statement, or has the shape of one: a word, or a word and operands with commas."""
    found = _STATEMENT.match(text)
    if found is None:
        return False
    word = found[2].lower()
    known = is_mnemonic(word) or word in PREFIXES or word in DIRECTIVES or word in LINE_DIRECTIVES or word in macros
    return known or (bool(found[1]) and not found[2]) or found[3] is not None


_STATEMENT = re.compile(r"((?:[\w.$]+:(?!:)\s*)*)([\w.$]*)(\s+[^\s,]+(?:\s*,\s*[^\s,]+)+\s*(?:#.*|;.*)?$)?")


def _semicolon(text: str) -> int | None:
    """Where a semicolon stands outside of quotes and other comments."""
    for found in _QUOTED_OR_SEMICOLON.finditer(text):
        if found[0] == ";":
            return found.start()
        if found[0][0] in "#/":
            return None
    return None


_QUOTED_OR_SEMICOLON = re.compile(QUOTED + r"|#|//|;")


def _translated(complaint: Complaint, tokens: list[Token], dialect: Dialect) -> Complaint:
    """The same complaint, with the Intel spelling of the AT&T line as its hint where the line can be read as AT&T."""
    try:
        statement = _statement(tokens, [], "att", dialect)
    except Complaint:
        return complaint
    text = intel_text(statement)
    if not text:
        return complaint
    for token in tokens:
        # Numbers as they were written: 0x3c, not 60.
        if token.kind == "number" and (value := number(token.text, dialect)) is not None:
            text = re.sub(rf"(?<![\w.]){value}(?![\w.])", token.text, text)
    hint = f'in Intel syntax: {text}; or switch to AT&T with `.att_syntax` or syntax="att"'
    return complaint.with_hint(hint)


def _statement(tokens: list[Token], labels: list[Name], syntax: Syntax, dialect: Dialect) -> Statement:
    """One statement from its tokens; labels are put into `labels` as they are met, so that an error keeps them."""
    position, count = 0, len(tokens)
    # NASM's primitive form of a directive: [bits 64].
    if tokens[0].text == "[" and tokens[-1].text == "]" and count > 2 and tokens[1].text.lower() in DIRECTIVES:
        tokens = tokens[1:-1]
        count -= 2
    while position + 1 < count and (tokens[position + 1].text == ":" or tokens[position].text == "$"):
        token = tokens[position]
        if token.text == "$" and dialect == "nasm" and (name := _dollar_name(tokens, position)) is not None:
            # NASM's `$name` says that a name is a name, whatever else the word may be.
            labels.append(name)
            position += 3 if name.colon else 2
            continue
        if tokens[position + 1].text != ":":
            break
        if token.kind not in ("name", "number"):
            break
        behind = tokens[position + 2].text if position + 2 < count else ""
        if token.kind == "number" and (not token.text.isdigit() or (len(token.text) > 4 and _BYTES.match(behind))):
            listing = re.fullmatch(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{6,}", token.text) or _BYTES.match(behind)
            raise Complaint(
                "ASM030",
                f"`{token.text}` cannot be a label.",
                token.start,
                token.end,
                "is this a disassembler's listing? Leave out its addresses and bytes, and keep the instructions"
                if listing
                else "a label begins with a letter, `_` or `.`",
            )
        register = canonical_register(token.text)
        if register is not None:
            if token.text.lower() in SEGMENTS and position + 2 < count:
                break
            raise Complaint(
                "ASM031",
                f"`{token.text}` is a register and cannot be a label.",
                token.start,
                token.end,
                f"call it `{token.text}_` or anything else",
            )
        labels.append(Name(token.text, token.start, token.end))
        position += 2
    if position == count:
        return Statement(labels=tuple(labels))
    _check_label(tokens, position)
    if tokens[position].text == ":":
        raise Complaint(
            "ASM011",
            "`:` cannot stand here.",
            tokens[position].start,
            tokens[position].end,
            "a label is one name and one colon",
        )

    token = tokens[position]
    if token.kind not in ("name", "brace"):
        raise _no_statement(token, tokens, position)
    word = token.text.lower()
    following = tokens[position + 1] if position + 1 < count else None
    if following is not None and following.kind in ("name", "op") and token.kind == "name":
        beside = following.text.lower()
        if following.text == "==":
            raise Complaint(
                "ASM011",
                "`==` compares, and cannot stand here.",
                following.start,
                following.end,
                f"a constant is defined with one `=`: `{token.text} = 5`",
            )
        if following.text == "=":
            return _equate(token, tokens[position + 2 :], labels, Directive("set"), following)
        if beside in NEEDS_NO_NAME and following.kind == "name" and word not in NEEDS_NO_NAME:
            if beside == "equ":
                return _equate(token, tokens[position + 2 :], labels, Directive("equ"), following)
            if beside == "proto":
                return Statement(
                    labels=tuple(labels),
                    name=beside,
                    start=following.start,
                    end=following.end,
                    directive=DIRECTIVES[beside],
                    tokens=(token,),
                )
            if beside in ("endp", "ends"):
                return Statement(
                    labels=tuple(labels),
                    name=beside,
                    start=following.start,
                    end=following.end,
                    directive=DIRECTIVES[beside],
                )
            if not is_mnemonic(word) and word not in PREFIXES:
                if canonical_register(word) is not None:
                    raise Complaint(
                        "ASM031", f"`{token.text}` is a register and cannot be a label.", token.start, token.end
                    )
                labels.append(Name(token.text, token.start, token.end, colon=False))
                position += 1
                token, word = following, beside
    if word == "equ" and labels:
        name = labels.pop()
        return _equate(
            Token("name", name.name, name.start, name.end), tokens[position + 1 :], labels, Directive("equ"), token
        )

    directive = DIRECTIVES.get(word)
    if directive is None and word.startswith((".cfi_", ".seh_", ".debug_", ".def", ".endef")):
        directive = Directive("ignored")
    if directive is not None and not (
        word in ("end", "at", "list", "map", "float", "option", "title", "static", "common", "warning")
        and is_mnemonic(word)
    ):
        rest = tuple(tokens[position + 1 :])
        inner = None
        if directive.kind == "times":
            inner, rest = _times(rest, token, syntax, dialect)
        elif directive.kind == "at":
            inner, rest = _at(rest, token, syntax, dialect)
        return Statement(
            labels=tuple(labels),
            name=word,
            start=token.start,
            end=token.end,
            directive=directive,
            tokens=rest,
            inner=inner,
            last=rest[-1].end if rest else token.end,
        )
    if word in LINE_DIRECTIVES:
        raise Complaint("ASM052", f"`{word}` does not belong to anything before it.", token.start, token.end)
    if word.startswith("."):
        if dialect == "nasm" and not labels and (following is None or is_mnemonic(following.text)):
            labels.append(Name(token.text, token.start, token.end, colon=False))
            if following is None:
                return Statement(labels=tuple(labels))
            return _instruction(tokens, position + 1, labels, syntax, dialect)
        near = nearest_directives(word, 0.6 if following is not None else 0.8)
        raise Complaint(
            "ASM050",
            f"There is no directive named `{token.text}`.",
            token.start,
            token.end,
            f"did you mean {' or '.join(f'`{name}`' for name in near)}?"
            if near
            else f"a label ends with a colon: `{token.text}:`",
        )
    return _instruction(tokens, position, labels, syntax, dialect)


def _dollar_name(tokens: list[Token], position: int) -> Name | None:
    """A label written `$name:`, or `$name` before data."""
    dollar, name = tokens[position : position + 2]
    following = tokens[position + 2].text.lower() if position + 2 < len(tokens) else ""
    if name.kind != "name" or name.start != dollar.end or (following != ":" and following not in NEEDS_NO_NAME):
        return None
    return Name(name.text, name.start, name.end, colon=following == ":")


_NEVER_LABELS = frozenset(("global", "globl", "extern", "section", "segment", "bits", "default", "times"))


def _check_label(tokens: list[Token], position: int) -> None:
    """`my-label:` is no name, and `global: main` no label."""
    before = tokens[position - 2] if position > 1 else None
    if before is not None and before.text.lower() in _NEVER_LABELS and position < len(tokens):
        raise Complaint(
            "ASM030",
            f"`{before.text}` is a directive, and no label.",
            before.start,
            tokens[position - 1].end,
            f"leave out the colon: `{before.text} {tokens[position].text}`",
        )
    end = position
    while (
        end + 2 < len(tokens)
        and tokens[end].kind in ("name", "number")
        and tokens[end + 1].text == "-"
        and tokens[end].end == tokens[end + 1].start
        and tokens[end + 1].end == tokens[end + 2].start
    ):
        end += 2
    if end > position and end + 1 < len(tokens) and tokens[end + 1].text == ":":
        name = "".join(token.text for token in tokens[position : end + 1])
        raise Complaint(
            "ASM030",
            "A name has no hyphen in it: `-` subtracts.",
            tokens[position].start,
            tokens[end].end,
            f"write `{name.replace('-', '_')}:`, here and where it is used",
        )


def _no_statement(token: Token, tokens: list[Token], position: int) -> Complaint:
    if token.text == "%":
        name = tokens[position + 1].text if position + 1 < len(tokens) else ""
        if canonical_register(name) is not None:
            return Complaint(
                "ASM020", f"`%{name}` is AT&T syntax, and no instruction.", token.start, tokens[position + 1].end
            )
        return Complaint(
            "ASM050",
            f"There is no directive named `%{name}`.",
            token.start,
            tokens[min(position + 1, len(tokens) - 1)].end,
        )
    hint = "a line is a label, an instruction, or a directive"
    if _BYTES.match(token.text) and position + 1 < len(tokens):
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
    return Complaint("ASM003", f"A line cannot begin with `{token.text}`.", token.start, token.end, hint)


_BYTES = re.compile(r"[0-9a-fA-F]{2}\Z")


def _equate(
    token: Token, rest: Sequence[Token], labels: list[Name], directive: Directive, operator: Token
) -> Statement:
    if canonical_register(token.text) is not None:
        hint = ""
        if operator.text == "=" and rest:
            value = " ".join(other.text for other in rest)
            hint = f"to put a value into it write `mov {token.text}, {value}`"
        raise Complaint(
            "ASM031", f"`{token.text}` is a register and cannot name a constant.", token.start, token.end, hint
        )
    tokens = (token, Token("op", ",", operator.start, operator.end), *rest)
    return Statement(
        labels=tuple(labels),
        name=operator.text.lower(),
        start=token.start,
        end=operator.end,
        directive=directive,
        tokens=tokens,
    )


def _times(
    rest: tuple[Token, ...], word: Token, syntax: Syntax, dialect: Dialect
) -> tuple[Statement, tuple[Token, ...]]:
    """`times COUNT statement`: where the count ends is where an expression cannot go on."""
    parser = Parser(rest, dialect)
    if not rest:
        raise Complaint(
            "ASM051", "`times` needs a count and what to repeat.", word.start, word.end, "for example: times 8 nop"
        )
    first = rest[0].text.lower()
    if rest[0].kind == "name" and (first in NEEDS_NO_NAME or first in PREFIXES or is_mnemonic(first)):
        raise Complaint(
            "ASM051",
            f"`times` needs a count before `{rest[0].text}`.",
            word.start,
            rest[0].end,
            f"for example: times 8 {rest[0].text}{' 0' if first in NEEDS_NO_NAME else ''}",
        )
    parser.expression()
    body = list(rest[parser.position :])
    if not body:
        raise Complaint(
            "ASM051",
            "`times` needs something to repeat after its count.",
            word.start,
            rest[-1].end,
            "for example: times 8 nop",
        )
    labels: list[Name] = []
    inner = _statement(body, labels, syntax, dialect)
    if labels or (inner.directive is not None and inner.directive.kind not in ("data", "skip", "text", "float")):
        raise Complaint("ASM051", "`times` repeats an instruction or data, nothing else.", body[0].start, body[0].end)
    return inner, tuple(rest[: parser.position])


def _at(rest: tuple[Token, ...], word: Token, syntax: Syntax, dialect: Dialect) -> tuple[Statement, tuple[Token, ...]]:
    """`at FIELD, statement`: what a field of a structure holds."""
    comma = next((index for index, token in enumerate(rest) if token.text == ","), 0)
    if not comma or comma + 1 == len(rest):
        raise Complaint(
            "ASM051", "`at` needs a field and what it holds.", word.start, word.end, "for example: at point.x, dd 5"
        )
    inner = _statement(list(rest[comma + 1 :]), [], syntax, dialect)
    if inner.directive is None or inner.directive.kind not in ("data", "skip", "times", "text", "float"):
        raise Complaint("ASM051", "A field holds data, nothing else.", rest[comma + 1].start, rest[-1].end)
    return inner, rest[:comma]


# ---- instructions ----------------------------------------------------------------------------------------------------


def _instruction(tokens: list[Token], position: int, labels: list[Name], syntax: Syntax, dialect: Dialect) -> Statement:
    prefixes: list[str] = []
    first = tokens[position]
    while position < len(tokens):
        token = tokens[position]
        word = token.text.lower()
        if token.kind == "brace":
            word = word.replace(" ", "")
            if word not in _PSEUDO_PREFIXES:
                raise Complaint("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end)
            prefixes.append(word)
        elif word in PREFIXES:
            prefixes += [PREFIXES[word]] if PREFIXES[word] else []  # `o32` and `a64` say what is so anyway
        elif word in SEGMENTS and _goes_on(tokens, position + 1):
            prefixes.append(word)  # as objdump shows it: cs nopw 0x0(%rax,%rax,1)
        else:
            break
        position += 1
    if position == len(tokens):
        complaint = Complaint(
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
        raise _no_statement(token, tokens, position)
    if canonical_register(name) is not None or name in SIZES:
        hint = other_processor(name) if name in ("bl",) else _assignment(token, tokens[position + 1 :])
        if name in SIZES and canonical_register(name) is None:
            hint = "data are `name: .byte 5`, .word, .long or .quad; in NASM `name db 5`, dw, dd or dq"
        raise Complaint(
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
        raise Complaint(
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
            labels.append(Name(token.text, token.start, token.end, colon=False))
            return Statement(labels=tuple(labels))
        if following is not None and following.kind == "name" and is_mnemonic(following.text) and not prefixes:
            if dialect != "nasm":
                raise Complaint(
                    "ASM033",
                    f"`{token.text}` looks like a label without its colon.",
                    token.start,
                    token.end,
                    f"write `{token.text}:`",
                )
            labels.append(Name(token.text, token.start, token.end, colon=False))
            return _instruction(tokens, position, labels, syntax, dialect)
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
        from execmem_kernel.assembly import att

        statement = att.read_operands(name, rest, dialect)
        if not is_mnemonic(statement.name) and statement.name not in _STRINGS:
            return unknown
    else:
        statement = _intel_operands(name, rest, dialect)
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
    raise Complaint(
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


def _intel_operands(name: str, tokens: Sequence[Token], dialect: Dialect) -> Statement:
    pieces: list[Piece] = []
    mask: Register | None = None
    zeroing = False
    rounding: str | None = None
    if len(tokens) == 2 and name in _TO and tokens[0].text.lower() == "to":
        register = canonical_register(tokens[1].text)
        if register is not None and register.startswith("st("):
            top = Piece(Register("st(0)"), tokens[1].start, tokens[1].end)
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
                raise Complaint(
                    "ASM025",
                    f"`{token.text}` cannot stand here.",
                    token.start,
                    token.end,
                    "a mask follows the destination",
                )
            elif (word == "z" and zeroing) or (mask is not None and word != "z"):
                raise Complaint("ASM025", f"`{token.text}` stands here already.", token.start, token.end)
            elif word == "z":
                zeroing = True
            elif (register := canonical_register(word)) is not None and register[0] == "k":
                mask = Register(register)
            else:
                raise Complaint(
                    "ASM025",
                    f"`{token.text}` is no decoration of an operand.",
                    token.start,
                    token.end,
                    "for example {k1}{z}, {1to8} or {rn-sae}",
                )
            parser.position += 1
        if broadcast is not None:
            if not pieces:
                raise Complaint(
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
            raise Complaint("ASM010", "An operand is missing after the comma.", token.start, token.end)
    return Statement(operands=tuple(pieces), mask=mask, zeroing=zeroing, rounding=rounding)


def _check_outside(name: str, tokens: Sequence[Token], dialect: Dialect) -> None:
    """`mov, rax, rbx` and `mov(rax, rbx)`: what stands around the operands and belongs nowhere."""
    first, last = tokens[0], tokens[-1]
    if is_branch(name) and first.kind == "string" and (dialect != "gnu" or first.text[0] != '"'):
        raise Complaint("ASM011", "A text is no place to go to.", first.start, first.end, "a label has no quotes")
    if is_branch(name) and first.text == "*" and len(tokens) > 1:
        raise Complaint(
            "ASM011",
            "`*` before the target is AT&T syntax.",
            first.start,
            first.end,
            f"write `{name} {tokens[1].text}`, or `{name} [{tokens[1].text}]` for an address that lies in memory",
        )
    if first.text == ",":
        raise Complaint(
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
                raise Complaint(
                    "ASM011",
                    "The operands stand without parentheses.",
                    first.start,
                    last.end,
                    f"for example: {name} rax, rbx",
                )


def _left_over(token: Token, tokens: Sequence[Token], position: int) -> Complaint:
    if token.text == "(" and (address := _att_address(tokens, position)) is not None:
        text, start, end = address
        return Complaint("ASM020", "An address in parentheses is AT&T syntax.", start, end, f"write {text}")
    if token.text == ")":
        return Complaint("ASM013", "This `)` closes nothing.", token.start, token.end)
    if token.text == "]":
        before = tokens[position - 1] if position else None
        register = before is not None and canonical_register(before.text) is not None
        hint = f"for memory write [{before.text}]" if before is not None and register else ""
        return Complaint("ASM013", "This `]` closes nothing.", token.start, token.end, hint)
    word = tokens[position - 1].text.lower() if position else ""
    hint = _LEFT_OVER.get(token.text.lower(), "operands are separated by commas")
    if token.kind == "name" and is_mnemonic(token.text):
        hint = "each instruction stands on a line of its own"
    if word in ("lengthof", "sizeof", "type", "length", "size"):
        hint = f"MASM's {word} is not known here: count with `({token.text}_end - {token.text}) / 8`"
    return Complaint("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end, hint)


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


def _broadcast(piece: Piece, count: int) -> Piece:
    if not isinstance(piece.value, Address):
        raise Complaint("ASM025", "Only memory can be broadcast.", piece.start, piece.end)
    return piece._replace(value=replace(piece.value, broadcast=count))


def _intel_operand(parser: Parser, dialect: Dialect) -> Piece:
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
                raise Complaint("ASM026", f"A size stands here already, before `{token.text}`.", token.start, token.end)
            size = SIZES[word]
        elif word == "bcst" and size is not None and following:
            repeated = True  # `dword bcst [rax]` is MASM's and GNU as' spelling of `dword ptr [rax]{1to16}`
        elif word == "ptr" and following:
            if (size is None and form is None and not far) or tokens[parser.position - 1].text == ":":
                raise Complaint(
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
                        raise Complaint("ASM026", f"Another size stands before `{token.text}`.", token.start, token.end)
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
        raise Complaint("ASM010", "An operand is missing here.", last.start, last.end)
    begin = parser.position
    tree = parser.expression(memory=True)
    end = tokens[parser.position - 1].end
    start = first.start
    if isinstance(tree, RegisterLeaf):
        if parser.position - begin > 1 and tokens[begin].text == "(":
            raise Complaint(
                "ASM022",
                "A register cannot stand in parentheses.",
                start,
                end,
                f"for memory write [{tree.register.name}]",
            )
        if segment is not None:
            raise Complaint(
                "ASM022",
                "A segment goes with an address, not with a register.",
                start,
                end,
                f"write {segment.name}:[{tree.register.name}]",
            )
        if offset:
            raise Complaint("ASM022", "`offset` goes with a label, not with a register.", start, end)
        if (size is not None or pointer) and not (size == register_size(tree.register.name) and not pointer):
            if size is None or pointer:
                hint = f"write [{tree.register.name}] for the memory it points to"
                raise Complaint("ASM027", "A size with `ptr` needs an address in square brackets.", start, end, hint)
            raise Complaint(
                "ASM027",
                f"The register {tree.register.name} is not a {SIZE_NAMES[size]}.",
                start,
                end,
                f"write [{tree.register.name}] for the memory it points to",
            )
        return Piece(tree.register, start, end)
    if has_bracket(tree) or segment is not None or reach:
        if offset:
            raise Complaint("ASM022", "`offset` goes with a label, not with an address in brackets.", start, end)
        if (leaf := _register_outside(tree)) is not None and has_bracket(tree):
            raise Complaint(
                "ASM022",
                f"The register {leaf.register.name} stands outside of the square brackets.",
                start,
                end,
                "put the whole address into them: [rax + rcx*2 + 8]",
            )
        if far:
            # NASM's far pointer has a 64-bit offset where nothing else is said, GNU as' a 32-bit one.
            size = {None: 10 if dialect == "nasm" else 6, 4: 6, 8: 10}.get(size, size)
        address = _address(tree, size, segment, reach, start, end)
        if narrow is not None and isinstance(address.displacement, Number):
            distance = address.displacement.value
            if not -128 <= distance <= 127:
                raise Complaint(
                    "ASM053",
                    f"`byte` in brackets asks for a displacement of one byte, and {distance} does not fit.",
                    narrow.start,
                    narrow.end,
                    "leave it out there; the size of the operand stands before the bracket: byte [rax]",
                )
        return Piece(replace(address, broadcast=0) if repeated else address, start, end)
    if repeated:
        raise Complaint("ASM025", "Only memory can be broadcast.", start, end, "write it in square brackets")
    if has_register(tree):
        if isinstance(tree, Binary) and tree.operator in ("==", "!=", "<", ">", "<=", ">="):
            raise Complaint(
                "ASM022",
                "A register cannot be compared here.",
                start,
                end,
                "`cmp rax, 5` compares; je, jne, jl, jg and the like jump accordingly",
            )
        raise Complaint(
            "ASM022",
            "A register cannot be part of a constant.",
            start,
            end,
            "for memory, put the whole address in square brackets; to add registers, `lea rax, [rbx + 5]` or add",
        )
    if far:
        raise Complaint("ASM028", "A far jump to an address does not exist in 64-bit mode.", start, end)
    return Piece(Constant(tree, size, offset, pointer and not offset, form), start, end)


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
        raise Complaint("ASM022", f"The segment {before.name} stands here already.", token.start, token.end)
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


# ---- addresses -------------------------------------------------------------------------------------------------------


def _address(
    tree: Expression, size: int | None, segment: Register | None, reach: Literal["rel", "abs", ""], start: int, end: int
) -> Address:
    terms: list[Term] = []
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
    terms: list[Term],
    constants: list[tuple[int, Expression]],
    start: int,
    end: int,
) -> None:
    """Take an address apart into registers times constants, plus constants."""
    if isinstance(tree, Bracket):
        _linear(tree.inner, sign, factor, terms, constants, start, end)
    elif isinstance(tree, RegisterLeaf):
        if sign < 0:
            raise Complaint(
                "ASM023", f"The register {tree.register.name} cannot be subtracted in an address.", tree.start, tree.end
            )
        terms.append(
            Term(tree.register, factor if factor is not None else Number(1), factor is not None, tree.start, tree.end)
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
        raise Complaint(
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
                raise Complaint(
                    "ASM023", f"{name} cannot be combined with another register in an address.", term.start, term.end
                )
        elif name[1:3] == "mm" and name[0] in "xyz":
            continue
        elif register_size(name) not in (4, 8) or not (name[0] == "r" or name[0] == "e"):
            hint = "the address is in a 64-bit register, for example rax"
            raise Complaint("ASM023", f"The register {name} cannot be part of an address.", term.start, term.end, hint)
    if len(terms) == 2 and terms[0].register == terms[1].register and (terms[0].explicit or terms[1].explicit):
        total = factors[0] + factors[1]
        if total in (3, 5, 9) or 1 in factors:
            # rax + rax*2, whichever comes first.
            plain = 0 if factors[0] == 1 else 1
            return _checked(terms[plain].register, terms[1 - plain], factors[1 - plain])
    if len(terms) > 2:
        raise Complaint(
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
                raise Complaint("ASM024", "Only one register of an address can be multiplied.", start, end)
    elif not second.explicit and second.register.name in ("rsp", "esp") and first.register.name not in ("rsp", "esp"):
        # rsp has no encoding as an index; with a scale of 1 the two may change places.
        base, index = second, first
    if register_size(base.register.name) != register_size(index.register.name) and index.register.name[1:3] != "mm":
        raise Complaint(
            "ASM023",
            f"{base.register.name} and {index.register.name} have different sizes.",
            index.start,
            index.end,
            "both registers of an address are 64 bits wide",
        )
    return _checked(base.register, index, scale)


def _checked(base: Register | None, index: Term, scale: int) -> tuple[Register | None, Register | None, int]:
    name = index.register.name
    if scale not in (1, 2, 4, 8):
        raise Complaint(
            "ASM029",
            f"A register in an address can be multiplied by 1, 2, 4 or 8, not by {scale}.",
            index.start,
            index.end,
            "use lea or imul to compute it first",
        )
    if name in ("rsp", "esp"):
        hint = "copy it to another register first" if scale > 1 else "it can be the base: write it once, without `*`"
        raise Complaint(
            "ASM021",
            f"{name} cannot be the index of an address: the CPU has no encoding for it.",
            index.start,
            index.end,
            hint,
        )
    return base, index.register, scale


# ---- from statement to operation -------------------------------------------------------------------------------------

_BRANCHES = frozenset(("call", "callq", "loop", "loope", "loopne", "loopz", "loopnz", "xbegin", "jmpq"))


def is_branch(mnemonic: str) -> bool:
    """Whether a plain address as the operand is where it goes."""
    return mnemonic[0] == "j" or mnemonic in _BRANCHES


def build(statement: Statement, worth: Lookup, address: int, dialect: Dialect) -> Operation:
    """The operation to encode, at its address; `worth` works expressions out.

    Raises:
        Complaint: A name is unknown, or an operand has no meaning.
    """
    operands: list[Operand] = []
    for piece in statement.operands:
        value = piece.value
        if isinstance(value, Register):
            operands.append(value)
        elif isinstance(value, Address):
            operands.append(_memory(statement.name, value, piece, worth))
        else:
            operands.append(_constant(statement, value, piece, worth, dialect))
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
    if dialect == "nasm" and name == "mov" and _is_address_for_register(statement, operands):
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


def _weight(value: Value, piece: Piece) -> int:
    """1 for an address, 0 for a number; nothing else can stand in an instruction."""
    if value.weight not in (0, 1):
        raise Complaint(
            "ASM034",
            "Two addresses cannot be added.",
            piece.start,
            piece.end,
            "the difference of two labels is a number",
        )
    return value.weight


def _memory(name: str, address: Address, piece: Piece, worth: Lookup) -> Memory:
    factors: list[int] = []
    for term in address.terms:
        factor = worth(term.factor)
        if factor.terms:
            raise Complaint("ASM029", "An address cannot be what a register is multiplied by.", term.start, term.end)
        factors.append(factor.number)
    base, index, scale = arrange(address, factors, piece.start, piece.end)
    size, segment, broadcast = address.size, address.segment, address.broadcast
    value = None if address.displacement is None else worth(address.displacement)
    if value is None:
        return Memory(base, index, scale, 0, size, segment, None, base is None and index is None, broadcast)
    weight = _weight(value, piece)
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


def _constant(statement: Statement, constant: Constant, piece: Piece, worth: Lookup, dialect: Dialect) -> Operand:
    value = worth(constant.value)
    weight = _weight(value, piece)
    name = statement.name
    if dialect == "gnu" and not constant.offset and LATE[0] in value.terms and not is_branch(name):
        raise Complaint(
            "ASM036",
            f"`{expression_text(constant.value)}` is defined only further down: GNU as would read memory here.",
            piece.start,
            piece.end,
            "define it above its first use",
        )
    if constant.pointer and (weight or is_branch(name)):
        if weight == 0:
            return Memory(None, None, 1, value.number, constant.size, None, None, True, None, bool(value.terms))
        if name == "movabs":
            return Memory(None, None, 1, value.number, constant.size, None, None, True, None, True)
        return Memory(Register("rip"), None, 1, 0, constant.size, None, value.number)
    if weight and name == "movabs" and dialect == "gnu" and not constant.offset:
        return Memory(None, None, 1, value.number, constant.size, None, None, True, None, True)
    if is_branch(name) and not constant.offset and len(statement.operands) == 1:
        return Target(value.number, constant.form)
    if weight == 0 or constant.offset or dialect == "nasm":
        return Immediate(value.number, constant.size, bool(value.terms))
    if name == "lea" or dialect == "gnu":
        return Memory(Register("rip"), None, 1, 0, constant.size, None, value.number)
    label = expression_text(constant.value)
    raise Complaint(
        "ASM035",
        f"`{label}` alone can mean its address (NASM) or what is stored there (GNU, MASM).",
        piece.start,
        piece.end,
        f"write [{label}] for what is stored there, `offset {label}` or lea for the address",
    )


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
    return getattr(tree, "name", "$")
