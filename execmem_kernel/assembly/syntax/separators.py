"""Semicolons: what stands behind one is a statement or a comment."""

from __future__ import annotations

import re
from functools import lru_cache

from execmem_kernel.assembly.syntax.dialects import UNDECLARED
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, LINE_DIRECTIVES
from execmem_kernel.assembly.syntax.line_parser import read_line
from execmem_kernel.assembly.syntax.lines import QUOTED
from execmem_kernel.assembly.syntax.statements import Statement
from execmem_kernel.assembly.syntax.words import PREFIXES, Syntax
from execmem_kernel.x86.mnemonics import ENDINGS, is_mnemonic


@lru_cache(maxsize=4096)
def split_statements(text: str, macros: frozenset[str] = frozenset()) -> tuple[str, ...]:
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
        return split_statements(f"{head} {tail[position + 1 :]}", macros)  # `rep; ret` is one instruction
    return (head, *split_statements(tail, macros)) if _is_code(tail.lstrip(" \t;"), macros) else (text,)


def hidden_instruction(text: str, syntax: Syntax) -> Statement | None:
    """What stands behind a line's first semicolon and reads as an instruction, where code stands before it.

    What has a line of its own is a comment, or an instruction that somebody took out.
    """
    position = _semicolon(text)
    if position is None:
        return None
    before = read_line(text[:position], syntax, UNDECLARED)
    if not before.name or before.name in ENDINGS:
        return None
    behind = text[position + 1 :].partition(";")[0]
    statement = read_line(" " * (position + 1) + behind, syntax, UNDECLARED)
    if statement.error is not None or statement.directive is not None or not is_mnemonic(statement.name or "?"):
        return None
    # An instruction again, as in `add eax, ebx ; add eax, ebx`, explains itself.
    return None if behind.split() == text[before.start : position].split() else statement


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
