"""Directives by every name they have: what the three families of assemblers call the same thing."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

DirectiveKind = Literal[
    "absolute", "align", "at", "bits", "common", "data", "end", "endstruc", "equ", "error", "extern", "fill",
    "float", "global", "iend", "ignored", "istruc", "label", "leb", "org", "proc", "refused", "return", "section",
    "set", "skip", "struc", "syntax", "text", "times", "warning",
]  # fmt: skip
"""What directives do; each kind has a handler in assembly/semantics/."""


@dataclass(frozen=True, slots=True)
class Directive:
    """What a directive does: `kind` names the action, `size` and `word` parametrise it."""

    kind: DirectiveKind
    size: int = 0
    word: str = ""
    nasm: bool = False
    """Whether its arguments are written as NASM has them."""


def _directives() -> dict[str, Directive]:
    table: dict[str, Directive] = {}

    def add(names: str, kind: DirectiveKind, size: int = 0, word: str = "", *, nasm: bool = False) -> None:
        for name in names.split():
            table[name] = Directive(kind, size, word, nasm)

    # GNU
    add(".byte .1byte .dc.b", "data", 1)
    add(".word .short .hword .value .2byte .dc.w", "data", 2)
    add(".long .int .4byte .dc.l", "data", 4)
    add(".quad .8byte", "data", 8)
    add(".octa .16byte", "data", 16)
    add(".ascii", "text")
    add(".asciz .string .string8", "text", 1)
    add(".float .single", "float", 4)
    add(".double", "float", 8)
    add(".tfloat .ldouble", "float", 10)
    add(".zero .skip .space", "skip", 1)
    add(".fill", "fill")
    add(".align .balign", "align")
    add(".balignw", "align", 2)
    add(".balignl", "align", 4)
    add(".p2align", "align", word="power")
    add(".set .equ", "set")
    add(".equiv .eqv", "equ")
    add(".text .code", "section", word=".text")
    add(".data .data?", "section", word=".data")
    add(".bss", "section", word=".bss")
    add(".rodata .const", "section", word=".rodata")
    add(".section .pushsection", "section")
    add(".popsection .previous", "return")
    add(".globl .global .weak", "global")
    add(".extern", "extern")
    add(".comm .lcomm", "common")
    add(".org", "org")
    add(".uleb128", "leb", word="unsigned")
    add(".sleb128", "leb", word="signed")
    add(".end", "end")
    add(".att_syntax", "syntax", word="att")
    add(".intel_syntax", "syntax", word="intel")
    add(".err .error", "error")
    add(".warning", "warning")
    add(
        ".type .size .file .ident .loc .hidden .protected .internal .local .code64 .arch .addrsig .addrsig_sym "
        ".loc_mark_labels .print .title .sbttl .list .nolist .psize .eject .ln .line .version .symver .subsection "
        ".gnu_attribute .model .stack .lflags .weakref "
        ".386 .486 .586 .686 .x64 .xmm .noformat .allow_index_reg .disallow_index_reg",
        "ignored",
    )
    add(".code32 .code16 .code16gcc", "refused", word="A cell runs in 64-bit mode.")
    add(".include .incbin", "refused", word="A cell reads no files: paste what is needed into the cell.")

    # NASM (and MASM's words for data)
    add("db byte_", "data", 1, "db")
    add("dw", "data", 2, "db")
    add("dd", "data", 4, "db")
    add("dq", "data", 8, "db")
    add("dt", "data", 10, "db")
    add("do ddq", "data", 16, "db")
    for name, size in {"b": 1, "w": 2, "d": 4, "q": 8, "t": 10, "o": 16, "y": 32, "z": 64}.items():
        add(f"res{name}", "skip", size, "res")
    add("resdq", "skip", 16, "res")
    add("times", "times")
    add("equ", "equ")
    add("section segment", "section")
    add("global public static", "global")
    add("extern extrn externdef required", "extern")
    add("common", "common", nasm=True)
    add("align alignb", "align", nasm=True)
    add("bits use64", "bits")
    add("use32 use16", "refused", word="A cell runs in 64-bit mode.")
    add("default cpu float warning list map debug sectalign option assume title includelib", "ignored")
    add("org", "org", nasm=True)
    add("incbin include", "refused", word="A cell reads no files: paste what is needed into the cell.")
    structures: tuple[DirectiveKind, ...] = ("struc", "endstruc", "istruc", "at", "iend", "absolute")
    for kind in structures:
        add(kind, kind)
    add("proc", "proc")
    add("proto", "extern")
    add("endp ends", "ignored")
    add("end", "end")
    del table["byte_"]
    return table


DIRECTIVES = MappingProxyType(_directives())
LINE_DIRECTIVES = frozenset(
    [
        ".macro",
        ".endm",
        ".exitm",
        ".purgem",
        ".rept",
        ".irp",
        ".irpc",
        ".endr",
        ".if",
        ".ifdef",
        ".ifndef",
        ".ifnotdef",
        ".ifb",
        ".ifnb",
        ".ifc",
        ".ifnc",
        ".ifeq",
        ".ifne",
        ".iflt",
        ".ifle",
        ".ifgt",
        ".ifge",
        ".else",
        ".elseif",
        ".endif",
        ".altmacro",
        ".noaltmacro",
    ]
)
"""Directives that rearrange lines; the preprocessor carries them out before a line is read as a statement."""
NEEDS_NO_NAME = frozenset(
    (
        "db",
        "dw",
        "dd",
        "dq",
        "dt",
        "do",
        "ddq",
        "equ",
        "times",
        "proc",
        "proto",
        "istruc",
        "endp",
        "ends",
        *(f"res{letter}" for letter in "bwdqtoyz"),
    )
)
"""Words that turn the word before them into a label, colon or not."""
MASM_DATA = MappingProxyType(
    {
        **dict.fromkeys(("byte", "sbyte"), Directive("data", 1, "db")),
        **dict.fromkeys(("word", "sword"), Directive("data", 2, "db")),
        **dict.fromkeys(("dword", "sdword", "real4"), Directive("data", 4, "db")),
        **dict.fromkeys(("qword", "sqword", "real8"), Directive("data", 8, "db")),
        **dict.fromkeys(("tbyte", "real10"), Directive("data", 10, "db")),
        "oword": Directive("data", 16, "db"),
    }
)
"""MASM's words for data behind a name; elsewhere they are sizes of operands."""
NASM_ONLY = ("section", "segment", "global", "extern", "bits", "default", "struc", "istruc")
"""Words at the beginning of a line that only NASM has."""
NASM_DATA = ("db", "dw", "dd", "dq", "dt", "do", "times", "resb", "resw", "resd", "resq", "equ")
"""Words that NASM has there or behind a name."""
NOT_NASM = frozenset(
    (
        "end", "endp", "ends", "proc", "proto", "public", "extrn", "externdef", "title", "option", "assume",
        "includelib", "include",
    )
)  # fmt: skip
"""MASM's words: to NASM they are names like any other."""
_MEANT = {
    ".dword": ".long", ".qword": ".quad", ".char": ".byte", ".str": ".asciz", ".ascizz": ".asciz", ".db": ".byte",
    ".dw": ".word", ".dd": ".long", ".dq": ".quad", ".resb": ".skip", ".extrn": ".extern", ".public": ".globl",
    ".define": ".set", ".const": ".rodata", ".stringz": ".asciz", ".asciiz": ".asciz", ".real4": ".float",
    ".real8": ".double", ".int64": ".quad", ".int32": ".long", ".uint8": ".byte", ".equal": ".equ",
    ".pos": ".org",
}  # fmt: skip
"""Directives of other assemblers, or of none, and what they are called here."""


def nearest_directives(name: str, cutoff: float = 0.6) -> list[str]:
    """The directives that look most like a misspelt one, best first."""
    if (meant := _MEANT.get(name.lower())) is not None:
        return [meant]
    return difflib.get_close_matches(name.lower(), [*DIRECTIVES, *LINE_DIRECTIVES], n=2, cutoff=cutoff)
