"""Line parser: one line of text to labels, then an instruction or a directive.

    "again: add rax, [rbx+8*N]"  -->  Statement(labels=(again,), name="add", operands=(Register, Address(...)))

Lines are read without knowing where they stand, so equal lines are read once. Names stay names here: what they are
worth is known only when the program has been laid out. `lowering.build` then turns a statement into an operation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import Dialect
from execmem_kernel.assembly.syntax.directives import (
    DIRECTIVES,
    LINE_DIRECTIVES,
    NEEDS_NO_NAME,
    Directive,
    nearest_directives,
)
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.instruction_parser import HEX_BYTE, cannot_begin_line, parse_instruction
from execmem_kernel.assembly.syntax.literals import number
from execmem_kernel.assembly.syntax.spelling import intel_text
from execmem_kernel.assembly.syntax.statements import EMPTY, LabelDefinition, Statement
from execmem_kernel.assembly.syntax.tokens import Token, tokenize
from execmem_kernel.assembly.syntax.words import PREFIXES, SEGMENTS, Syntax
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.registers import canonical_register


@lru_cache(maxsize=16384)
def read_line(text: str, syntax: Syntax, dialect: Dialect) -> Statement:
    """Read one line. What is wrong in it is in `complaint`; the labels before it stand all the same."""
    labels: list[LabelDefinition] = []
    tokens: list[Token] = []
    try:
        tokens = tokenize(text, dialect)
        if not tokens:
            return EMPTY
        return _statement(tokens, labels, syntax, dialect)
    except SourceError as complaint:
        complaint.__traceback__ = None
        behind = text[complaint.end :].lstrip()
        if complaint.code == "ASM010" and behind.startswith("#") and tokens and tokens[-1].text == ",":
            complaint = complaint.with_hint("`#` begins a comment here; a number stands as it is: 5")
        if syntax == "intel" and complaint.code == "ASM020":
            complaint = _translated(complaint, tokens, dialect)
        return Statement(labels=tuple(labels), complaint=complaint)


def _translated(complaint: SourceError, tokens: list[Token], dialect: Dialect) -> SourceError:
    """The same complaint, with the Intel spelling of the AT&T line as its hint where the line can be read as AT&T."""
    try:
        statement = _statement(tokens, [], "att", dialect)
    except SourceError:
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


def _statement(tokens: list[Token], labels: list[LabelDefinition], syntax: Syntax, dialect: Dialect) -> Statement:
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
        if token.kind == "number" and (not token.text.isdigit() or (len(token.text) > 4 and HEX_BYTE.match(behind))):
            listing = re.fullmatch(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{6,}", token.text) or HEX_BYTE.match(behind)
            raise SourceError(
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
            raise SourceError(
                "ASM031",
                f"`{token.text}` is a register and cannot be a label.",
                token.start,
                token.end,
                f"call it `{token.text}_` or anything else",
            )
        labels.append(LabelDefinition(token.text, token.start, token.end))
        position += 2
    if position == count:
        return Statement(labels=tuple(labels))
    _check_label(tokens, position)
    if tokens[position].text == ":":
        raise SourceError(
            "ASM011",
            "`:` cannot stand here.",
            tokens[position].start,
            tokens[position].end,
            "a label is one name and one colon",
        )

    token = tokens[position]
    if token.kind not in ("name", "brace"):
        raise cannot_begin_line(token, tokens, position)
    word = token.text.lower()
    following = tokens[position + 1] if position + 1 < count else None
    if following is not None and following.kind in ("name", "op") and token.kind == "name":
        beside = following.text.lower()
        if following.text == "==":
            raise SourceError(
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
                    raise SourceError(
                        "ASM031", f"`{token.text}` is a register and cannot be a label.", token.start, token.end
                    )
                labels.append(LabelDefinition(token.text, token.start, token.end, colon=False))
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
        raise SourceError("ASM052", f"`{word}` does not belong to anything before it.", token.start, token.end)
    if word.startswith("."):
        if dialect == "nasm" and not labels and (following is None or is_mnemonic(following.text)):
            labels.append(LabelDefinition(token.text, token.start, token.end, colon=False))
            if following is None:
                return Statement(labels=tuple(labels))
            return parse_instruction(tokens, position + 1, labels, syntax, dialect)
        near = nearest_directives(word, 0.6 if following is not None else 0.8)
        raise SourceError(
            "ASM050",
            f"There is no directive named `{token.text}`.",
            token.start,
            token.end,
            f"did you mean {' or '.join(f'`{name}`' for name in near)}?"
            if near
            else f"a label ends with a colon: `{token.text}:`",
        )
    return parse_instruction(tokens, position, labels, syntax, dialect)


def _dollar_name(tokens: list[Token], position: int) -> LabelDefinition | None:
    """A label written `$name:`, or `$name` before data."""
    dollar, name = tokens[position : position + 2]
    following = tokens[position + 2].text.lower() if position + 2 < len(tokens) else ""
    if name.kind != "name" or name.start != dollar.end or (following != ":" and following not in NEEDS_NO_NAME):
        return None
    return LabelDefinition(name.text, name.start, name.end, colon=following == ":")


_NEVER_LABELS = frozenset(("global", "globl", "extern", "section", "segment", "bits", "default", "times"))


def _check_label(tokens: list[Token], position: int) -> None:
    """`my-label:` is no name, and `global: main` no label."""
    before = tokens[position - 2] if position > 1 else None
    if before is not None and before.text.lower() in _NEVER_LABELS and position < len(tokens):
        raise SourceError(
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
        raise SourceError(
            "ASM030",
            "A name has no hyphen in it: `-` subtracts.",
            tokens[position].start,
            tokens[end].end,
            f"write `{name.replace('-', '_')}:`, here and where it is used",
        )


def _equate(
    token: Token, rest: Sequence[Token], labels: list[LabelDefinition], directive: Directive, operator: Token
) -> Statement:
    if canonical_register(token.text) is not None:
        hint = ""
        if operator.text == "=" and rest:
            value = " ".join(other.text for other in rest)
            hint = f"to put a value into it write `mov {token.text}, {value}`"
        raise SourceError(
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
    labels: list[LabelDefinition] = []
    inner = _statement(body, labels, syntax, dialect)
    if labels or (inner.directive is not None and inner.directive.kind not in ("data", "skip", "text", "float")):
        raise SourceError("ASM051", "`times` repeats an instruction or data, nothing else.", body[0].start, body[0].end)
    return inner, tuple(rest[: parser.position])


def _at(rest: tuple[Token, ...], word: Token, syntax: Syntax, dialect: Dialect) -> tuple[Statement, tuple[Token, ...]]:
    """`at FIELD, statement`: what a field of a structure holds."""
    comma = next((index for index, token in enumerate(rest) if token.text == ","), 0)
    if not comma or comma + 1 == len(rest):
        raise SourceError(
            "ASM051", "`at` needs a field and what it holds.", word.start, word.end, "for example: at point.x, dd 5"
        )
    inner = _statement(list(rest[comma + 1 :]), [], syntax, dialect)
    if inner.directive is None or inner.directive.kind not in ("data", "skip", "times", "text", "float"):
        raise SourceError("ASM051", "A field holds data, nothing else.", rest[comma + 1].start, rest[-1].end)
    return inner, rest[:comma]
