"""Dialect detection: which dialect a source declares by its directives, and whether a compiler wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.assembly.syntax.dialects import GNU, MIXED, NASM, UNDECLARED, DialectRules
from execmem_kernel.assembly.syntax.directives import NASM_DATA, NASM_ONLY
from execmem_kernel.assembly.syntax.lines import QUOTED_OR_COMMENT, Line

_NASM_WORD = re.compile(
    rf"^[ \t]*+\[?(?:(?:{'|'.join(NASM_ONLY)})\b"
    rf"|(?:[A-Za-z_.?@][\w.$?@]*+(?:[ \t]*+:[ \t]*+|[ \t]++))?(?:{'|'.join(NASM_DATA)})\b)"
    r"(?![ \t]*[,:=])",
    re.MULTILINE | re.IGNORECASE,
)
_NASM_PREPROCESSOR = re.compile(
    r"^[ \t]*%(?:i?x?define|i?assign|i?macro|if|rep|undef|strlen)\b", re.MULTILINE | re.IGNORECASE
)
_GNU_WORD = re.compile(r"^[ \t]*\.intel_syntax", re.MULTILINE)
_DOTTED = re.compile(
    r"^[ \t]*(?:[\w.$]+:[ \t]*)?"
    r"\.(?:text|data|bss|code|section|globl|global|rodata|byte|quad|long|asciz|string|ascii|zero)\b",
    re.MULTILINE,
)
_COMPILED = re.compile(r"^[ \t]*\.(?:ident[ \t]|cfi_startproc)", re.MULTILINE)


def dialect_of(source: str) -> DialectRules:
    """The rules that a source declares by the directives it uses."""
    nasm = _NASM_PREPROCESSOR.search(source) is not None or _NASM_WORD.search(source) is not None
    gnu = _GNU_WORD.search(source) is not None
    if nasm and (gnu or _DOTTED.search(source) is not None):
        return MIXED
    return NASM if nasm else GNU if gnu else UNDECLARED


def is_compiled(source: str) -> bool:
    """Whether a compiler wrote it."""
    return _COMPILED.search(source) is not None


_REGISTER = re.compile(
    r"(%)?\b(?:[re]?(?:[abcd]x|[sd]i|[sb]p)|[abcd][lh]|r(?:8|9|1[0-5])[dwb]?|xmm[0-9]+)\b", re.IGNORECASE
)


def is_att_throughout(lines: Sequence[Line]) -> bool:
    """Whether three lines or more name registers with `%`, and hardly one without."""
    counts = {True: 0, False: 0}
    for line in lines:
        found = _REGISTER.search(QUOTED_OR_COMMENT.sub(" ", line.text))
        if found is not None:
            counts[found[1] is not None] += 1
    return counts[True] >= 3 and counts[False] * 10 <= counts[True]
