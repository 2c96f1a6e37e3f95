"""Tokens: one line cut into names, numbers, strings, braces and operators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import GNU, DialectRules
from execmem_kernel.x86.registers import canonical_register

TokenKind = Literal["name", "number", "string", "brace", "op"]
_Group = Literal[TokenKind, "open", "comment", "character", "bad"]
"""The groups of the pattern: kinds of tokens, and what becomes none, or another one."""


class Token(NamedTuple):
    """A piece of one line, with its 0-based columns, end exclusive."""

    kind: TokenKind
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""[ \t\f\v]*(?:
      (?P<name>[A-Za-z_.@?][A-Za-z0-9_.@?$]*)
    | (?P<number>0[xX][0-9a-fA-F_]+\b
                | (?:[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)? | [0-9]+[eE][+-]?[0-9]+)(?![A-Za-z0-9_])
                | [0-9][A-Za-z0-9_]*)
    | (?P<open>/\*)
    | (?P<comment>;.*|\#.*|//.*)
    | (?P<string>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `(?:[^`\\]|\\.)*`)
    | (?P<brace>\{[ \t]*%?[A-Za-z0-9_-]+[ \t]*\})
    | (?P<op><<|>>|<=|>=|==|!=|<>|&&|\|\||\$\$|%%|[-+*/%&|^~!()\[\],:=<>$\\{}])
    | (?P<character>'(?:\\.|[^'\\]))
    | (?P<bad>\S)
    )""",
    re.VERBOSE,
)
# Every alternative is linear in the length of the line: what an unclosed quote swallows is found in one go.
_RAW_STRING = re.compile(r"\"[^\"]*\"|'[^']*'|`(?:[^`\\]|\\.)*`")
_RAW_WORDS = frozenset(("db", "dw", "dd", "dq", "dt", "do", "ddq", "dy", "dz"))
"""NASM's words for data, behind which quotes are read as NASM reads them in every dialect."""
_DIVISOR = re.compile(
    r"//[ \t]*[-+~!( \t]*[\w.$?@]+"
    r"(?:[ \t)]*(?:<<|>>|//|%%|[-+*/%&|^])[-+~!( \t]*[\w.$?@]+)*+[ \t)]*(?:[,;\]#]|$)"
)
"""What stands behind `//` where it may be a division: one expression up to the end of the operand."""
_ONLY_NUMBERS = re.compile(r"//[-+*/%&|^~() \t]*[0-9][\w]*(?:[-+*/%&|^~() \t]+[0-9][\w]*)*[) \t]*\Z")


def tokenize(text: str, rules: DialectRules = GNU) -> list[Token]:
    """The tokens of one line, comments left out.

    A backslash in plain quotes is a backslash, as NASM has it, after a NASM data word and wherever NASM is declared.

    Raises:
        SourceError: A quote or a comment is never closed, a character has no meaning, or `//` is ambiguous.
    """
    tokens: list[Token] = []
    position, size = 0, len(text)
    raw = rules.raw_quotes
    match_token = _TOKEN.match
    while position < size:
        found = match_token(text, position)
        if found is None:
            break  # only blanks are left
        kind: _Group = found.lastgroup  # type: ignore[assignment] # the pattern names no others, and one always matches
        begin, position = found.span(kind)
        if kind == "name" or kind == "op":
            word = text[begin:position]
            tokens.append(Token(kind, word, begin, position))
            if word.lower() in _RAW_WORDS:
                raw = True
        elif kind == "number" or kind == "brace":
            tokens.append(Token(kind, text[begin:position], begin, position))
        elif kind == "comment":
            if not _divides(text, begin, tokens, rules):
                break
            position = begin + 2
            tokens.append(Token("op", "//", begin, position))
        elif kind == "open":
            raise SourceError("ASM006", "This comment is never closed.", begin, begin + 2, "end it with */")
        elif kind == "bad" and text[begin] not in "\"'`":
            raise SourceError("ASM004", f"The character {text[begin]!r} has no meaning here.", begin, begin + 1)
        else:
            token = _quoted(text, begin, position, kind, rules, raw=raw)
            tokens.append(token)
            position = token.end
    return tokens


def _quoted(text: str, begin: int, end: int, kind: _Group, rules: DialectRules, *, raw: bool) -> Token:
    """A quoted text that begins there; `end` is where the pattern found its end, which knows escapes."""
    if raw and (whole := _RAW_STRING.match(text, begin)) is not None:
        return Token("string", whole.group(), begin, whole.end())
    if kind == "bad" or (kind == "character" and rules.raw_quotes):
        raise SourceError(
            "ASM006",
            "This quote is never closed.",
            begin,
            len(text.rstrip()),
            "a text with ' in it stands in double quotes"
            if text[begin] == "'" and text.count("'") > 2
            else f"end the text with {text[begin]} on the same line",
        )
    # GNU as' `'a` has no second apostrophe: it is given one, so that every token of a text has two.
    return Token("string", text[begin:end] + "'" * (kind == "character"), begin, end)


def _divides(text: str, begin: int, tokens: Sequence[Token], rules: DialectRules) -> bool:
    """Whether what looks like a comment is `//`, which divides: to NASM it does where an operand can go on."""
    if text[begin] != "/" or rules.double_slash == "comment" or not _may_divide(tokens):
        return False
    if rules.double_slash == "division":
        return _DIVISOR.match(text, begin) is not None
    if _ONLY_NUMBERS.match(text, begin) is not None:
        raise SourceError(
            "ASM038",
            "To NASM `//` divides, to GNU as it begins a comment.",
            begin,
            begin + 2,
            "write `/` to divide, or begin the comment with `#` or `;`",
        )
    return False


def _may_divide(tokens: Sequence[Token]) -> bool:
    """Whether an expression can go on behind these tokens: they end in a number, a name or a parenthesis."""
    if not tokens:
        return False
    last = tokens[-1]
    if last.kind == "name":
        return len(tokens) > 1 and canonical_register(last.text) is None
    return last.kind == "number" or last.text in (")", "$", "$$")
