"""Tokens: one line cut into names, numbers, strings, braces and operators."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import GNU, DialectRules
from execmem_kernel.x86.registers import canonical_register


class Token(NamedTuple):
    """A piece of one line: `kind` is "name", "number", "string", "brace" or "op"; 0-based columns, end exclusive."""

    kind: str
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


_RAW_STRING = re.compile(r"\"[^\"]*\"|'[^']*'|`(?:[^`\\]|\\.)*`")


_RAW_WORDS = frozenset(("db", "dw", "dd", "dq", "dt", "do", "ddq", "dy", "dz"))


_DIVISOR = re.compile(
    r"//[ \t]*[-+~!( \t]*[\w.$?@]+"
    r"(?:[ \t)]*(?:<<|>>|//|%%|[-+*/%&|^])[-+~!( \t]*[\w.$?@]+)*+[ \t)]*(?:[,;\]#]|$)"
)
"""What stands behind `//` where it may be a division: one expression up to the end of the operand."""


_ONLY_NUMBERS = re.compile(r"//[-+*/%&|^~() \t]*[0-9][\w]*(?:[-+*/%&|^~() \t]+[0-9][\w]*)*[) \t]*\Z")


def tokenize(text: str, rules: DialectRules = GNU) -> list[Token]:
    """The tokens of one line, comments left out.

    A backslash in plain quotes is a backslash, as NASM has it, after a NASM data word and wherever NASM is declared.
    `//` begins a comment, but to NASM it divides: there it does where an operand can go on, and where nobody has
    declared anything and a lone number follows it is refused.
    """
    tokens: list[Token] = []
    position, size = 0, len(text)
    raw = rules.raw_quotes
    match_token = _TOKEN.match
    while position < size:
        found = match_token(text, position)
        if found is None:
            break  # only blanks are left
        kind = found.lastgroup
        begin, position = found.span(kind)  # type: ignore[arg-type]
        if kind == "comment":
            if text[begin] == "/" and rules.double_slash != "comment" and _may_divide(tokens):
                if rules.double_slash == "division" and _DIVISOR.match(text, begin) is not None:
                    position = begin + 2
                    tokens.append(Token("op", "//", begin, position))
                    continue
                if rules.double_slash == "ambiguous" and _ONLY_NUMBERS.match(text, begin) is not None:
                    raise SourceError(
                        "ASM038",
                        "To NASM `//` divides, to GNU as it begins a comment.",
                        begin,
                        begin + 2,
                        "write `/` to divide, or begin the comment with `#` or `;`",
                    )
            break
        if kind == "open":
            raise SourceError("ASM006", "This comment is never closed.", begin, begin + 2, "end it with */")
        if kind == "name" or kind == "op":
            word = text[begin:position]
            tokens.append(Token(kind, word, begin, position))
            if word.lower() in _RAW_WORDS:
                raw = True
        elif kind == "string" or kind == "character" or (kind == "bad" and text[begin] in "\"'`"):
            if raw:
                whole = _RAW_STRING.match(text, begin)
                if whole is not None:
                    position = whole.end()
                    tokens.append(Token("string", whole.group(), begin, position))
                    continue
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
            if kind == "character":
                tokens.append(Token("string", text[begin:position] + "'", begin, position))
            else:
                tokens.append(Token("string", text[begin:position], begin, position))
        elif kind == "bad":
            raise SourceError("ASM004", f"The character {text[begin]!r} has no meaning here.", begin, begin + 1)
        else:
            assert kind is not None
            tokens.append(Token(kind, text[begin:position], begin, position))
    return tokens


def _may_divide(tokens: Sequence[Token]) -> bool:
    """Whether an expression can go on behind these tokens: they end in a number, a name or a parenthesis."""
    if not tokens:
        return False
    last = tokens[-1]
    if last.kind == "name":
        return len(tokens) > 1 and canonical_register(last.text) is None
    return last.kind == "number" or last.text in (")", "$", "$$")
