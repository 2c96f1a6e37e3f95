"""Directives in words: what each does, and an example that can be typed."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from execmem_kernel.assembly.syntax.directives import DIRECTIVES, MASM_DATA, Directive


class DirectiveWords(NamedTuple):
    """A directive in words."""

    sentence: str
    example: str = ""


_SECTIONS = {
    ".text": "the instructions", ".data": "data that the program can change", ".bss": "room that holds zeros at the start",
    ".rodata": "data that the program can only read",
}  # fmt: skip
_SPECIAL = MappingProxyType({
    ".intel_syntax": ("Says that the instructions below are in Intel's syntax: destination first.", ".intel_syntax noprefix"),
    ".att_syntax": ("Says that the instructions below are in AT&T's syntax: `movl $42, %eax`.", ".att_syntax prefix"),
    ".ascii": ("Puts text into memory, without a zero byte behind it.", '.ascii "text"'),
    "section": ("Says where what follows goes: .text, .data, .rodata or .bss.", "section .data"),
    "segment": ("Says where what follows goes: .text, .data, .rodata or .bss.", "segment .data"),
    ".section": ("Says where what follows goes: .text, .data, .rodata or .bss.", ".section .rodata"),
    ".pushsection": ("Goes to another section until .popsection.", ".pushsection .data"),
    "times": ("Repeats an instruction or data.", "times 8 db 0"),
    "equ": ("Gives a number a name, for good.", "SIZE equ 8"),
    ".fill": ("Repeats a number: how often, how many bytes it has, its value.", ".fill 4, 2, 7"),
    ".org": ("Goes on at an offset of the section, zeros before it.", ".org 16"),
    "org": ("Goes on at an offset of the section, zeros before it.", ""),
    ".uleb128": ("Puts an unsigned number into memory, in seven bits a byte.", ".uleb128 300"),
    ".sleb128": ("Puts a signed number into memory, in seven bits a byte.", ".sleb128 -300"),
    ".end": ("Ends the source: what stands below is not read.", ".end"),
    "end": ("Ends the source: what stands below is not read.", "end"),
    "bits": ("Says that the instructions are those of 64-bit mode, which a cell always has.", "bits 64"),
    "use64": ("Says that the instructions are those of 64-bit mode, which a cell always has.", "use64"),
    "default": ("Says how NASM addresses labels, `default rel`; a cell does so anyway.", "default rel"),
    "struc": ("Begins a structure: the names in it are offsets.", "struc point\n.x: resd 1\n.y: resd 1\nendstruc"),
    "endstruc": ("Ends a structure.", "struc point\n.x: resd 1\nendstruc"),
    "istruc": ("Begins data that have a structure's shape.", ""), "at": ("Says which field the data after it are for.", ""),
    "iend": ("Ends data that have a structure's shape.", ""),
    "absolute": ("Gives the labels below addresses of their own choice, without making room.", "absolute 0"),
    "proc": ("Begins a procedure of MASM: the word before it becomes a label.", "main proc\nret\nmain endp"),
    "endp": ("Ends a procedure of MASM.", "main proc\nret\nmain endp"), "ends": ("Ends a segment or a structure of MASM.", ""),
    "proto": ("Says that a name is a function that stands elsewhere.", "puts proto"),
    ".err": ("Stops the assembler with an error.", ""), ".error": ("Stops the assembler with an error of one's own words.", ""),
    ".warning": ("Warns in one's own words.", '.warning "slow"'),
    ".popsection": ("Goes back to the section before.", ".pushsection .data\n.popsection"),
    ".previous": ("Goes back to the section before.", ".data\n.previous"),
    ".macro": ("Begins a macro: its name, then its parameters, which the body names with a backslash.", ".macro twice a\nadd \\a, \\a\n.endm\ntwice rax"),
    ".endm": ("Ends a macro.", ".macro twice a\nadd \\a, \\a\n.endm\ntwice rax"), ".exitm": ("Leaves a macro early.", ""),
    ".purgem": ("Forgets a macro.", ""), ".rept": ("Repeats the lines up to .endr.", ".rept 3\nnop\n.endr"),
    ".rep": ("Repeats the lines up to .endr.", ".rep 3\nnop\n.endr"),
    ".irp": ("Repeats the lines up to .endr, once for each value.", ".irp n, 1, 2, 3\n.byte \\n\n.endr"),
    ".irpc": ("Repeats the lines up to .endr, once for each character.", ".irpc n, 123\n.byte \\n\n.endr"),
    ".endr": ("Ends a repetition.", ".rept 3\nnop\n.endr"), ".else": ("Reads what follows where the condition does not hold.", ".if 1\nnop\n.else\nret\n.endif"),
    ".elseif": ("Asks another condition where those before do not hold.", ".if 0\nnop\n.elseif 1\nret\n.endif"),
    ".endif": ("Ends a condition.", ".if 1\nnop\n.endif"), ".altmacro": ("Is read over: GNU as' other macro syntax.", ""),
    ".noaltmacro": ("Is read over: GNU as' other macro syntax.", ""), ".endmacro": ("Ends a macro.", ""),
    "%define": ("Gives a text a name: the name is replaced wherever it stands.", "%define SIZE 8"),
    "%xdefine": ("Gives a text a name, with the names in it replaced at once.", "%xdefine SIZE 8"),
    "%undef": ("Forgets a name of %define.", "%define SIZE 8\n%undef SIZE"), "%assign": ("Gives a number a name; it can be given again.", "%assign n 1"),
    "%macro": ("Begins a macro: its name and how many arguments it takes; the body names them %1, %2.", "%macro twice 1\nadd %1, %1\n%endmacro\ntwice rax"),
    "%endmacro": ("Ends a macro.", "%macro twice 1\nadd %1, %1\n%endmacro\ntwice rax"), "%endm": ("Ends a macro.", ""),
    "%rep": ("Repeats the lines up to %endrep.", "%rep 3\nnop\n%endrep"), "%endrep": ("Ends a repetition.", "%rep 3\nnop\n%endrep"),
    "%exitrep": ("Leaves a repetition early.", ""), "%exitmacro": ("Leaves a macro early.", ""),
    "%rotate": ("Turns the arguments of a macro: the second becomes the first.", ""),
    "%else": ("Reads what follows where the condition does not hold.", "%if 1\nnop\n%else\nret\n%endif"), "%endif": ("Ends a condition.", "%if 1\nnop\n%endif"),
    "%error": ("Stops the assembler with an error of one's own words.", ""), "%fatal": ("Stops the assembler with an error of one's own words.", ""),
    "%warning": ("Warns in one's own words.", "%warning slow"), "%strlen": ("Gives the length of a text a name.", "%strlen n 'text'"),
    "%unmacro": ("Forgets a macro.", ""), "%line": ("Is read over: it tells debuggers where a line comes from.", ""),
    "%use": ("Is read over: a package of NASM's.", ""), "%pragma": ("Is read over: advice to other tools.", ""), "%clear": ("Is read over.", ""),
})  # fmt: skip
_CONDITIONS = {
    "": "a number is not zero", "def": "a name is defined", "ndef": "a name is not defined", "notdef": "a name is not defined", "b": "nothing stands behind it",
    "nb": "something stands behind it", "c": "two texts are the same", "nc": "two texts are different", "eqs": "two texts are the same", "nes": "two texts are different",
    "eq": "a number is zero", "ne": "a number is not zero", "lt": "a number is below zero", "le": "a number is not above zero", "gt": "a number is above zero",
    "ge": "a number is not below zero", "macro": "a macro has this name", "nmacro": "no macro has this name", "idn": "two texts are the same", "nidn": "two texts are different",
    "idni": "two texts are the same, case apart", "nidni": "two texts are different, case apart", "num": "what follows is a number", "nnum": "what follows is no number",
    "str": "what follows is a quoted text", "nstr": "what follows is no quoted text", "id": "what follows is a name", "nid": "what follows is no name",
    "empty": "nothing follows", "nempty": "something follows",
}  # fmt: skip
_FILES = frozenset(("%include", "%depend", "%pathsearch"))
_NUMBER_WORDS = {1: "one byte", 2: "2 bytes", 4: "4 bytes", 8: "8 bytes", 10: "10 bytes", 16: "16 bytes"}


def directive_words(name: str) -> DirectiveWords | None:
    """What a directive does, by any of its names; None for what is none."""
    name = name.lower()
    if name in _SPECIAL:
        return DirectiveWords(*_SPECIAL[name])
    if name.startswith(("%if", "%elif", ".if")):
        words = _CONDITIONS.get(name.removeprefix("%el").lstrip("%.").removeprefix("if"))
        if words is None:
            return None
        verb = "Otherwise reads" if name.startswith("%el") else "Reads"
        end = ".endif" if name[0] == "." else "%endif"
        return DirectiveWords(f"{verb} the lines up to {end} where {words}.")
    if name.startswith("%i") and name not in _FILES:
        same = _SPECIAL.get("%" + name[2:])
        return (
            None if same is None else DirectiveWords(f"{same[0].removesuffix('.')}; upper and lower case are the same.")
        )
    directive = MASM_DATA.get(name) or DIRECTIVES.get(name)
    if directive is None:
        return DirectiveWords("Is refused: a cell reads no files.") if name in _FILES else None
    return _by_kind(name, directive)


def _by_kind(name: str, directive: Directive) -> DirectiveWords:
    size = _NUMBER_WORDS.get(directive.size, f"{directive.size} bytes")
    nasm = directive.word == "db" and name not in MASM_DATA
    match directive.kind:
        case "data":
            text = ", or text" if directive.size == 1 or nasm else ""
            count = "of one byte" if directive.size == 1 else f"of {size}"
            number = "1.5" if name in ("dt", "tbyte", "real4", "real8", "real10") else "5"
            data = ".data\n" if name in MASM_DATA else ""
            example = f"{data}value {name} {number}" if directive.word == "db" else f"{name} 1, 2, 3"
            return DirectiveWords(f"Puts numbers {count} each{text} into memory.", example)
        case "text":
            return DirectiveWords("Puts text into memory, and a zero byte behind it.", f'{name} "text"')
        case "float":
            return DirectiveWords(f"Puts floating-point numbers of {size} each into memory.", f"{name} 1.5")
        case "skip" if directive.word == "res":
            return DirectiveWords(
                f"Makes room for so many times {size}, without contents.", f"section .bss\nroom: {name} 4"
            )
        case "skip":
            return DirectiveWords("Makes room for so many bytes, which hold zeros.", f"{name} 16")
        case "align":
            what = "two to that power" if directive.word == "power" else "that number"
            example = f"{name} 4" if directive.word == "power" else f"{name} 16"
            return DirectiveWords(f"Goes on at the next address that is a multiple of {what}.", example)
        case "set":
            return DirectiveWords("Gives a number a name; it can be given again.", f"{name} SIZE, 8")
        case "equ":
            return DirectiveWords("Gives a number a name, for good.", f"{name} SIZE, 8")
        case "section":
            return DirectiveWords(
                f"Says that what follows goes to {directive.word}: {_SECTIONS[directive.word]}.", name
            )
        case "global":
            return DirectiveWords(
                "Says that a label can be seen from outside; `main` and `_start` are where a program starts.",
                f"{name} main\nmain: ret",
            )
        case "extern":
            return DirectiveWords("Says that a name stands elsewhere: in the C library.", f"{name} puts")
        case "common":
            return DirectiveWords(
                "Makes room of so many bytes in .bss under a name.",
                f"{name} buffer 64" if directive.nasm else f"{name} buffer, 64",
            )
        case "refused":
            return DirectiveWords(f"Is refused: {directive.word[0].lower()}{directive.word[1:]}")
        case "ignored":
            return DirectiveWords(
                "Is read over: it tells a linker, a debugger or a listing something, and makes no bytes."
            )
    raise AssertionError(f"a directive of an unknown kind: {directive.kind}")
