"""Dialect detection: which dialect a source declares by its directives, and whether a compiler wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.assembly.syntax.dialects import GNU, MASM, MIXED, NASM, UNDECLARED, DialectRules
from execmem_kernel.assembly.syntax.directives import NASM_DATA, NASM_ONLY, NEEDS_NO_NAME
from execmem_kernel.assembly.syntax.lines import QUOTED_OR_COMMENT, Line
from execmem_kernel.assembly.syntax.words import PREFIXES
from execmem_kernel.x86.mnemonics import is_mnemonic

_NASM_WORD = re.compile(
    rf"^[ \t]*+\[?(?:(?:{'|'.join(NASM_ONLY)})\b"
    rf"|(?:[A-Za-z_.?@][\w.$?@]*+(?:[ \t]*+:[ \t]*+|[ \t]++))?(?:{'|'.join(NASM_DATA)})\b)"
    r"(?![ \t]*[,:=])",
    re.MULTILINE | re.IGNORECASE,
)
_NASM_PREPROCESSOR = re.compile(
    r"^[ \t]*%(?:i?x?define|i?assign|i?macro|if|rep|undef|strlen)\b", re.MULTILINE | re.IGNORECASE
)
_NASM_ALONE = re.compile(
    r"^[ \t]*+\[?(?:section|segment|global|bits|default|struc|istruc)\b(?![ \t]*[,:=])", re.MULTILINE | re.IGNORECASE
)
"""Words that neither GNU as nor MASM begins a line with: beside them `.text` alone is a label."""
_GNU_WORD = re.compile(r"^[ \t]*\.intel_syntax\b(?![ \t]*:)", re.MULTILINE)
_GNU_SECTION = re.compile(
    r"^[ \t]*(?:[\w.$]+:[ \t]*)?\.(?:text|data|bss|code|rodata)[ \t]*(?:[;#/].*)?$", re.MULTILINE | re.IGNORECASE
)
_GNU_DIRECTIVE = re.compile(
    r"^[ \t]*(?:[\w.$]+:[ \t]*)?\.(?:section|globl|global|byte|quad|long|asciz|string|ascii|zero|text|data|bss)\b"
    r"[ \t]+([^ \t\n;#:=][^ \t\n,;#]*)",
    re.MULTILINE,
)
"""GNU as' directives with what makes them directives: something behind them. Group 1 is that."""
_MASM_WORD = re.compile(
    r"^[ \t]*+(?:\.(?:code|model|data\?|const|[3-6]86p?|x64)(?![\w?])(?![ \t]*:)"
    r"|[A-Za-z_@$?][\w@$?]*+[ \t]++(?:proc|endp)\b)",
    re.MULTILINE | re.IGNORECASE,
)
_COMPILED = re.compile(r"^[ \t]*\.(?:ident[ \t]|cfi_startproc)", re.MULTILINE)


def dialect_of(source: str) -> DialectRules:
    """The rules that a source declares by the directives it uses; labels declare nothing, whatever they are called."""
    nasm_alone = _NASM_PREPROCESSOR.search(source) is not None or _NASM_ALONE.search(source) is not None
    gnu = _GNU_WORD.search(source) is not None
    gnu_directive = any(not _begins_statement(found[1]) for found in _GNU_DIRECTIVE.finditer(source))
    if not (nasm_alone or gnu or gnu_directive) and _MASM_WORD.search(source) is not None:
        return MASM
    if nasm_alone or _NASM_WORD.search(source) is not None:
        mixed = gnu or gnu_directive or (not nasm_alone and _GNU_SECTION.search(source) is not None)
        return MIXED if mixed else NASM
    return GNU if gnu else UNDECLARED


def _begins_statement(word: str) -> bool:
    """Whether a word behind `.zero` makes that a label without a colon: an instruction, or NASM's word for data."""
    lowered = word.lower()
    return lowered in NEEDS_NO_NAME or lowered in PREFIXES or is_mnemonic(lowered)


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
