"""Line parser: one line of text to labels, then an instruction or a directive.

    "again: add rax, [rbx+8*N]"  -->  Statement(labels=(again,), name="add", operands=(Register, Address(...)))

Lines are read without knowing where they stand, so equal lines are read once. Names stay names here: what they are
worth is known only when the program has been laid out. `lowering.build` then turns a statement into an operation.
"""

from __future__ import annotations

import re
from functools import lru_cache

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.cursor import Cursor
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.directives import (
    DIRECTIVES,
    LINE_DIRECTIVES,
    MASM_DATA,
    NEEDS_NO_NAME,
    NOT_NASM,
    Directive,
    nearest_directives,
)
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.instruction_parser import parse_instruction
from execmem_kernel.assembly.syntax.label_parser import check_labels, parse_labels
from execmem_kernel.assembly.syntax.literals import number
from execmem_kernel.assembly.syntax.misplaced import cannot_begin_line
from execmem_kernel.assembly.syntax.spelling import intel_text
from execmem_kernel.assembly.syntax.statements import EMPTY, Statement
from execmem_kernel.assembly.syntax.tokens import Token, tokenize
from execmem_kernel.assembly.syntax.words import PREFIXES, Syntax
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.registers import canonical_register

_IGNORED_PREFIXES = (".cfi_", ".seh_", ".debug_", ".def", ".endef")
"""How directives for debuggers and linkers begin, which say nothing about the bytes."""
_MNEMONICS_TOO = frozenset(("end", "at", "list", "map", "float", "option", "title", "static", "common", "warning"))
"""Words of directives that would be an instruction if the processor had one of that name."""
_NO_VARIABLES = {*MASM_DATA, *DIRECTIVES}
"""Words that no variable of MASM's has for its name."""
_DATA_KINDS = ("data", "skip", "text", "float")


@lru_cache(maxsize=16384)
def read_line(text: str, syntax: Syntax, rules: DialectRules) -> Statement:
    """Read one line. What is wrong in it is in `error`; the labels before it stand all the same.

    Args:
        text: The line, macros expanded.
        syntax: How instructions are written in it.
        rules: The rules of the source's dialect.
    """
    cursor = Cursor([], syntax, rules)
    try:
        cursor.tokens = tokenize(text, rules)
        if not cursor.tokens:
            return EMPTY
        return _statement(cursor)
    except SourceError as error:
        error.__traceback__ = None  # it is kept with the line, and would keep every frame alive
        tokens = cursor.tokens
        behind = text[error.end :].lstrip()
        if error.code == "ASM010" and behind.startswith("#") and tokens and tokens[-1].text == ",":
            error = error.with_hint("`#` begins a comment here; a number stands as it is: 5")
        if syntax == "intel" and error.code == "ASM020":
            error = _translated(error, tokens, rules)
        return Statement(labels=tuple(cursor.labels), error=error)


def _translated(error: SourceError, tokens: list[Token], rules: DialectRules) -> SourceError:
    """The same error, with the Intel spelling of the AT&T line as its hint where the line can be read as AT&T."""
    try:
        statement = _statement(Cursor(tokens, "att", rules))
    except SourceError:
        return error
    text = intel_text(statement)
    if not text:
        return error
    for token in tokens:
        # Numbers as they were written: 0x3c, not 60.
        if token.kind == "number" and (value := number(token.text, rules)) is not None:
            text = re.sub(rf"(?<![\w.]){value}(?![\w.])", token.text, text)
    hint = f'in Intel syntax: {text}; or switch to AT&T with `.att_syntax` or syntax="att"'
    return error.with_hint(hint)


def _statement(cursor: Cursor) -> Statement:
    """One statement from its tokens."""
    tokens = cursor.tokens
    # NASM's primitive form of a directive: [bits 64].
    if tokens[0].text == "[" and tokens[-1].text == "]" and len(tokens) > 2 and tokens[1].text.lower() in DIRECTIVES:
        cursor.tokens = tokens[1:-1]
    parse_labels(cursor)
    token = cursor.peek()
    if token is None:
        return Statement(labels=tuple(cursor.labels))
    check_labels(cursor)
    if token.kind not in ("name", "brace"):
        raise cannot_begin_line(cursor.tokens, cursor.position)
    if token.kind == "name" and (definition := _definition(cursor, token)) is not None:
        return definition
    token = cursor.tokens[cursor.position]
    word = token.text.lower()
    if cursor.rules.dotted_labels and (statement := _label_named_like_directive(cursor, token)) is not None:
        return statement
    if word == "equ" and cursor.labels:
        name = cursor.labels.pop()
        cursor.position += 1
        return _equate(cursor, Token("name", name.name, name.start, name.end), Directive("equ"), token)
    directive = _directive_of(word)
    if directive is None and cursor.rules.bare_directives:
        directive = Directive("label") if word == "label" and cursor.labels else MASM_DATA.get(word)
    if directive is not None:
        return _directive(cursor, token, directive)
    if word in LINE_DIRECTIVES:
        raise SourceError("ASM052", f"`{word}` does not belong to anything before it.", token.start, token.end)
    return _dotted_word(cursor, token) if word.startswith(".") else parse_instruction(cursor)


def _directive_of(word: str) -> Directive | None:
    directive = DIRECTIVES.get(word)
    if directive is None:
        return Directive("ignored") if word.startswith(_IGNORED_PREFIXES) else None
    return None if word in _MNEMONICS_TOO and is_mnemonic(word) else directive


def _label_named_like_directive(cursor: Cursor, token: Token) -> Statement | None:
    """NASM's local label without its colon that another assembler has a directive of: `.text`, `.else`, `end`."""
    word, following = token.text.lower(), cursor.peek(1)
    if cursor.labels or not (word in NOT_NASM or (word[0] == "." and (word in DIRECTIVES or word in LINE_DIRECTIVES))):
        return None
    if following is None:
        cursor.add_label(token, colon=False)
        return Statement(labels=tuple(cursor.labels))
    if word[0] != "." or not (is_mnemonic(following.text) or following.text.lower() in PREFIXES):
        return None
    cursor.add_label(token, colon=False)
    cursor.position += 1
    return parse_instruction(cursor)


def _definition(cursor: Cursor, token: Token) -> Statement | None:
    """`SIZE = 8`, `SIZE equ 8` and MASM's `main proto`; a word before data, `x dd 5`, is taken for a label instead."""
    following = cursor.peek(1)
    if following is None or following.kind not in ("name", "op"):
        return None
    if following.text == "==":
        raise SourceError(
            "ASM011",
            "`==` compares, and cannot stand here.",
            following.start,
            following.end,
            f"a constant is defined with one `=`: `{token.text} = 5`",
        )
    if following.text == "=":
        cursor.position += 2
        return _equate(cursor, token, Directive("set"), following)
    word, beside = token.text.lower(), following.text.lower()
    if cursor.rules.bare_directives and following.kind == "name" and not is_mnemonic(word):
        if beside == "segment":
            cursor.position += 2
            rest = tuple(cursor.rest())
            return Statement(
                tuple(cursor.labels), beside, following.start, following.end, DIRECTIVES[beside], (token, *rest)
            )
        if (
            (beside in MASM_DATA or beside == "label")
            and word not in _NO_VARIABLES
            and canonical_register(word) is None
        ):
            cursor.add_label(token, colon=False)
            cursor.position += 1
            return None
    if following.kind != "name" or beside not in NEEDS_NO_NAME or word in NEEDS_NO_NAME:
        return None
    if beside == "equ":
        cursor.position += 2
        return _equate(cursor, token, Directive("equ"), following)
    if beside in ("proto", "endp", "ends"):
        return Statement(
            labels=tuple(cursor.labels),
            name=beside,
            start=following.start,
            end=following.end,
            directive=DIRECTIVES[beside],
            tokens=(token,) if beside == "proto" else (),
        )
    if not is_mnemonic(word) and word not in PREFIXES:
        if canonical_register(word) is not None:
            raise SourceError("ASM031", f"`{token.text}` is a register and cannot be a label.", token.start, token.end)
        cursor.add_label(token, colon=False)
        cursor.position += 1
    return None


def _equate(cursor: Cursor, name: Token, directive: Directive, operator: Token) -> Statement:
    """The definition of a constant; what is left of the line is its value."""
    rest = cursor.rest()
    if canonical_register(name.text) is not None:
        hint = ""
        if operator.text == "=" and rest:
            value = " ".join(other.text for other in rest)
            hint = f"to put a value into it write `mov {name.text}, {value}`"
        raise SourceError(
            "ASM031", f"`{name.text}` is a register and cannot name a constant.", name.start, name.end, hint
        )
    return Statement(
        labels=tuple(cursor.labels),
        name=operator.text.lower(),
        start=name.start,
        end=operator.end,
        directive=directive,
        tokens=(name, Token("op", ",", operator.start, operator.end), *rest),
    )


def _directive(cursor: Cursor, token: Token, directive: Directive) -> Statement:
    """A directive and what follows it; where it repeats or fills something, that is a statement inside."""
    cursor.position += 1
    rest = tuple(cursor.rest())
    inner = None
    if directive.kind == "times":
        inner, rest = _times(rest, token, cursor.syntax, cursor.rules)
    elif directive.kind == "at":
        inner, rest = _at(rest, token, cursor.syntax, cursor.rules)
    return Statement(
        labels=tuple(cursor.labels),
        name=token.text.lower(),
        start=token.start,
        end=token.end,
        directive=directive,
        tokens=rest,
        inner=inner,
        last=rest[-1].end if rest else token.end,
    )


def _dotted_word(cursor: Cursor, token: Token) -> Statement:
    """A word that begins with a dot and is no directive: NASM's local label without its colon, or a misspelt one."""
    following = cursor.peek(1)
    if cursor.rules.optional_colons and not cursor.labels and (following is None or is_mnemonic(following.text)):
        cursor.add_label(token, colon=False)
        cursor.position += 1
        return Statement(labels=tuple(cursor.labels)) if following is None else parse_instruction(cursor)
    near = nearest_directives(token.text.lower(), 0.6 if following is not None else 0.8)
    raise SourceError(
        "ASM050",
        f"There is no directive named `{token.text}`.",
        token.start,
        token.end,
        f"did you mean {' or '.join(f'`{name}`' for name in near)}?"
        if near
        else f"a label ends with a colon: `{token.text}:`",
    )


def _times(
    rest: tuple[Token, ...], word: Token, syntax: Syntax, rules: DialectRules
) -> tuple[Statement, tuple[Token, ...]]:
    """`times COUNT statement`: where the count ends is where an expression cannot go on."""
    parser = Parser(rest, rules)
    if not rest:
        raise SourceError(
            "ASM051", "`times` needs a count and what to repeat.", word.start, word.end, "for example: times 8 nop"
        )
    first = rest[0].text.lower()
    if rest[0].kind == "name" and (first in NEEDS_NO_NAME or first in PREFIXES or is_mnemonic(first)):
        raise SourceError(
            "ASM051",
            f"`times` needs a count before `{rest[0].text}`.",
            word.start,
            rest[0].end,
            f"for example: times 8 {rest[0].text}{' 0' if first in NEEDS_NO_NAME else ''}",
        )
    parser.expression()
    body = list(rest[parser.position :])
    if not body:
        raise SourceError(
            "ASM051",
            "`times` needs something to repeat after its count.",
            word.start,
            rest[-1].end,
            "for example: times 8 nop",
        )
    cursor = Cursor(body, syntax, rules)
    inner = _statement(cursor)
    if cursor.labels or (inner.directive is not None and inner.directive.kind not in _DATA_KINDS):
        raise SourceError("ASM051", "`times` repeats an instruction or data, nothing else.", body[0].start, body[0].end)
    return inner, tuple(rest[: parser.position])


def _at(
    rest: tuple[Token, ...], word: Token, syntax: Syntax, rules: DialectRules
) -> tuple[Statement, tuple[Token, ...]]:
    """`at FIELD, statement`: what a field of a structure holds."""
    comma = next((index for index, token in enumerate(rest) if token.text == ","), 0)
    if not comma or comma + 1 == len(rest):
        raise SourceError(
            "ASM051", "`at` needs a field and what it holds.", word.start, word.end, "for example: at point.x, dd 5"
        )
    inner = _statement(Cursor(list(rest[comma + 1 :]), syntax, rules))
    if inner.directive is None or inner.directive.kind not in ("times", *_DATA_KINDS):
        raise SourceError("ASM051", "A field holds data, nothing else.", rest[comma + 1].start, rest[-1].end)
    return inner, rest[:comma]
