"""Other languages: a cell that is Python, C, or assembly for another machine or assembler is told so, once.

Asked only where a source does not assemble, so that nothing that assembles is ever taken for something else.
"""

# ruff: noqa: E501 (its patterns and hints are read whole)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from execmem_kernel.assembly.diagnostics.source_error import SourceError


@dataclass(frozen=True, slots=True)
class _Language:
    """What a language looks like, and what to say."""

    line: re.Pattern[str]
    """A line of it."""
    message: str
    hint: str
    telling: re.Pattern[str]
    """A line of it that nothing read here looks like: one of them there must be."""
    least: int = 2
    """How many such lines there must be."""
    share: float = 0.6
    """How much of the lines they must be; 0 where one is enough to tell."""


_ARM_REGISTER = r"(?:r[0-7]|[xw](?:[12]?[0-9]|30)|lr|[xw]zr)"
_LANGUAGES = (
    _Language(
        re.compile(
            r"\s*(?:(?:for\s+\w[\w, ]*\s+in\s+|while\s+|if\s+|elif\s+|with\s+|def\s+\w+\s*\(|class\s+\w+).*:"
            r"|(?:else|try|finally|except\b.*):|import\s+[\w., ]+|from\s+[\w.]+\s+import\b.*"
            r"|(?:return|yield|raise|assert)\b.*|[\w.]+\s*\(.*\)|[\w.\[\]]+\s*[-+*/]?=[^=].*)\s*$"
        ),
        "This is Python, not assembly.",
        "take `%%asm` away: a cell without it runs as Python",
        re.compile(
            r"\s*(?:for\s+\w[\w, ]*\s+in\s+.*:|(?:if|elif|while)\s+.*:|def\s+\w+\s*\(.*:|class\s+\w+.*:"
            r"|import\s+\w.*|from\s+[\w.]+\s+import\b.*|print\s*\(.*)\s*"
        ),
    ),
    _Language(
        re.compile(r"\s*print\s*\(.*\)\s*$|\s*import\s+\w+(?:\s+as\s+\w+)?\s*$"),
        "This is Python, not assembly.",
        "take `%%asm` away: a cell without it runs as Python",
        re.compile(""),
        least=1,
        share=1.0,
    ),
    _Language(
        re.compile(
            r"\s*(?:#\s*(?:include|define)\b.*|(?:static\s+|const\s+|unsigned\s+|struct\s+)*"
            r"(?:int|void|char|long|short|double|float|size_t|u?int\d+_t)\b[\s*]+\w.*[{;,]|(?:return|break|continue)\b.*;"
            r"|(?:for|while|if|switch)\s*\(.*\)\s*\{?|\}?\s*else\s*\{?|[{}];?|\w+\s*\(.*\)\s*;|[\w\[\]>.*-]+\s*[-+*/|&]?=.*;)\s*$"
        ),
        "This is C, not assembly.",
        "a compiler makes assembly of it: `gcc -S -O1 -masm=intel file.c` writes `file.s`, which a cell can run",
        re.compile(
            r"\s*(?:#\s*include\s*[<\"].*|(?:static\s+|const\s+|unsigned\s+)*(?:int|void|char|long|double|float)\b[\s*]+\w.*[;{]"
            r"|(?:for|while|if)\s*\(.*\)\s*\{?|return\b.*;)\s*"
        ),
    ),
    _Language(
        re.compile(
            rf"\s*(?:\w+:\s*)?(?:ldr|ldrb|ldp|str|strb|stp|mov|add|sub|cmp|mul|mvn|eor|orr|and|lsl|lsr|asr|push|pop|subs|adds)"
            rf"[a-z]*\s+\{{?{_ARM_REGISTER}\b.*|\s*(?:\w+:\s*)?(?:bx\s+lr|bl\s+\w+|b(?:eq|ne|lt|gt|le|ge)?\s+\w+|(?:svc|swi)\s+#?\w+"
            r"|cbn?z\s+\w+,.*|adrp?\s+\w+,.*)\s*$",
            re.IGNORECASE,
        ),
        "This is assembly for ARM; a cell runs x86-64.",
        "for example `ldr r0, [r1]` is `mov eax, [rbx]` here, `bl f` is `call f`, `bx lr` is `ret`, `svc #0` is `syscall`",
        re.compile(
            r"\s*(?:\w+:\s*)?(?:(?:ldr|ldrb|ldp|strb|stp|adrp?)\s+\w+\s*,.*|str\s+\w+\s*,\s*\[.*|bx\s+lr|(?:svc|swi)\s+#?\w+|bl\s+\w+"
            r"|\w+\s+[\w, ]+,\s*#\w+|\w+\s+[xw](?:[12]?[0-9]|30)\s*,.*)\s*(?:@.*|//.*)?",
            re.IGNORECASE,
        ),
    ),
    _Language(
        re.compile(r"\s*(?:\w+:\s*)?(?:int\s+(?:0x21|21h|0x10|10h|0x16|16h)\b.*|mov\s+\w+,\s*@data\b.*)", re.IGNORECASE),
        "This is a 16-bit program for DOS; a cell runs 64-bit programs of Linux.",
        "instead of `int 21h`, write a text with `mov eax, 1`, `mov edi, 1`, `lea rsi, [msg]`, `mov edx, 5`, `syscall`, "
        "and end with `mov eax, 60`, `xor edi, edi`, `syscall`",
        re.compile(""),
        least=1,
        share=0,
    ),
    _Language(
        re.compile(r"\s*(?:assume\s+\w+\s*:.*|\.model\s+(?:tiny|small|medium|compact|large|huge)\b.*)", re.IGNORECASE),
        "This is a 16-bit program for TASM or MASM; a cell runs 64-bit programs of Linux.",
        "begin with `.data` and `.code`, leave out `assume` and what fills ds, and use rax, rsi and rdi for ax, si and di",
        re.compile(""),
        least=1,
        share=0,
    ),
    _Language(
        re.compile(r"\s*(?:format\s+(?:elf|pe|mz|binary)\w*\b.*|entry\s+\w+|segment\s+readable\b.*)", re.IGNORECASE),
        "This is written for FASM; a cell reads GNU as, NASM and MASM.",
        "leave out `format` and `entry`: write `section .text`, and begin at the label `_start:`",
        re.compile(""),
        least=1,
        share=0,
    ),
    _Language(
        re.compile(r"\s*include\s+.*irvine(?:32|16)?\.inc.*|\s*call\s+DumpRegs\b.*", re.IGNORECASE),
        "This uses Irvine's library, which is one of 32-bit Windows.",
        "the report shows the registers after `ret`; a text is written with `extern puts`, `lea rdi, [msg]` and `call puts`",
        re.compile(""),
        least=1,
        share=0,
    ),
)  # fmt: skip
_COMMENT = re.compile(r"\s*(?:;|//|#(?!\s*(?:include|define)\b)|@).*$|\s*$")


def other_language(lines: Sequence[str]) -> tuple[int, SourceError] | None:
    """What a source is that is not the assembly read here: the index of its first such line, and the error.

    Args:
        lines: The lines of a source that does not assemble.
    """
    code = [index for index, line in enumerate(lines) if _COMMENT.fullmatch(line) is None]
    plain = [
        index
        for index in code
        if re.fullmatch(r"\s*(?:[\w.$]+:|\.\w+.*)\s*", lines[index]) is None or "(" in lines[index]
    ]
    for language in _LANGUAGES:
        found = [index for index in code if language.line.fullmatch(lines[index]) is not None]
        if not any(language.telling.match(lines[index]) for index in found):
            continue
        if len(found) >= language.least and len(found) >= language.share * max(1, len(plain)):
            text = lines[found[0]]
            start, end = len(text) - len(text.lstrip()), len(text.rstrip())
            return found[0], SourceError("ASM005", language.message, start, end, language.hint)
    return None
