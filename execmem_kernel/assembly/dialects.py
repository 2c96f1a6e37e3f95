"""Whose rules a source declares, and where assemblers, or C, would read the same text otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.assembly.directives import NASM_DATA, NASM_ONLY
from execmem_kernel.assembly.expressions import Dialect
from execmem_kernel.assembly.findings import Findings
from execmem_kernel.assembly.lines import QUOTED, Line

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
QUOTED_OR_COMMENT = re.compile(QUOTED + r"|[;#].*|//.*")
_ESCAPE = re.compile(r"\\[ntr0]")
_OCTAL = re.compile(r"(?<![\w.])0[0-7]*[1-7][0-7]+(?![\w.])")


_TEXT_DIRECTIVE = re.compile(r"(?:^|[ \t:;])\.(?:ascii|asciz|string8?)\b", re.IGNORECASE)
_ODD_IN_TEXT = re.compile(r"\\(?:([ac-eg-mo-qsuwyzAC-WYZ])|.)")
_ODD_CHARACTER = re.compile(r"'\\(?:([ac-eg-mo-qsu-zA-Z0-9])|.)'")
_INSTEAD = {"e": r"escape is \033 or 27", "a": r"the bell is \007 or 7", "0": "the number is written 0"}


def _odd_escape(text: str, dialect: Dialect) -> tuple[int, str] | None:
    """Where a backslash stands in front of a letter that it does not change, to GNU as, and the letter."""
    if _TEXT_DIRECTIVE.search(text) is not None:
        for quoted in QUOTED_OR_COMMENT.finditer(text):
            if quoted[0][0] == '"':
                for found in _ODD_IN_TEXT.finditer(quoted[0]):
                    if found[1] is not None:
                        return quoted.start() + found.start(), found[1]
    elif dialect == "gnu" and (found_ := _ODD_CHARACTER.search(text)) is not None and found_[1] is not None:
        return found_.start() + 1, found_[1]
    return None


def dialect_of(source: str) -> Dialect:
    """Whose rules the source declares by the directives it uses."""
    nasm = _NASM_PREPROCESSOR.search(source) is not None or _NASM_WORD.search(source) is not None
    gnu = _GNU_WORD.search(source) is not None
    if nasm and (gnu or _DOTTED.search(source) is not None):
        return "mixed"
    return "nasm" if nasm else "gnu" if gnu else ""


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


def may_mislead(source: str) -> bool:
    """Whether `warn_of_meanings` could find anything in any line."""
    return "\\" in source or _OCTAL.search(source) is not None


def warn_of_meanings(line: Line, dialect: Dialect, findings: Findings) -> None:
    """Point out what another assembler, or C, would read otherwise."""
    text = line.text
    if line.moved:
        return
    if dialect != "nasm" and "\\" in text:
        found_ = _odd_escape(text, dialect)
        if found_ is not None:
            start, letter = found_
            findings.warn(
                line,
                "ASM088",
                f"GNU as knows no `\\{letter}` here: it is a plain `{letter}`.",
                start,
                start + 2,
                _INSTEAD.get(letter, f"leave out the backslash if `{letter}` is meant"),
            )
    elif dialect == "nasm" and "\\" in text:
        for found in QUOTED_OR_COMMENT.finditer(text):
            if found[0][0] in "'\"" and (escape := _ESCAPE.search(found[0])) is not None:
                start = found.start() + escape.start()
                findings.warn(
                    line,
                    "ASM087",
                    f"To NASM `{escape[0]}` in these quotes is two plain characters.",
                    start,
                    start + 2,
                    "write the text in backquotes, or the number 10 for a new line",
                )
                return
    elif not dialect:
        octal = _OCTAL.search(QUOTED_OR_COMMENT.sub(lambda found: " " * len(found[0]), text))
        if octal is not None:
            here, there = int(octal[0], 8), int(octal[0])
            findings.warn(
                line,
                "ASM085",
                f"`{octal[0]}` is {here} here, as in GNU as and C; to NASM and MASM it is {there}.",
                octal.start(),
                octal.end(),
                f"write {here} or {there}, whichever is meant",
            )
