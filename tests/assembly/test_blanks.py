"""White space is any blank, everywhere: a TAB, a form feed or a no-break space does what a space does."""

# ruff: noqa: E501 (programs stand on one line each)

from __future__ import annotations

import re
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.syntax.lines import with_plain_blanks
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.errors import AssemblyError

PROGRAMS = Path(__file__).parent / "programs"
BLANKS = {"TAB": "\t", "form feed": "\f", "no-break space": "\u00a0", "wide space": "\u3000"}
_QUOTED_OR_BLANK = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?|`(?:[^`\\\n]|\\.)*`?|( +)")
SHORT = (
    ".intel_syntax noprefix\nnop; inc rax\nret",
    ".intel_syntax noprefix\n.macro twice r ; inc \\r ; inc \\r ; .endm\ntwice rax; ret",
    ".att_syntax\nnop; incq %rax; movl $5 , 8( %rsp , %rcx , 4 )\nnotrack jmp *%rax",
    "rep movsb ; a comment\nlock add dword ptr [ rax + rcx * 4 - 8 ] , 5\nret",
    "section .data\nx : db 1 , 'a b' , \"c d\"\nsection .text\nglobal f\nf : mov al , [ rel x ]\n jmp short .a\n .a : ret",
    "%define TWO( a ) ( a + a )\n%macro push2 2\n push % 1\n push %2\n%endmacro\nsection .text\npush2 rax , rbx\nmov ecx , TWO( 3 )\nret",
    "%assign i 0\n%rep 3\n mov eax , i\n%assign i i + 1\n%endrep\n%if i = 3\n nop\n%elif 1\n ret\n%else\n hlt\n%endif\nret",
    ".set N , 3 + 4\n.if N == 7\nmov eax , N\n.else\nhlt\n.endif\n.rept 2\n nop\n.endr\n.irp r , rax , rbx\n inc \\r\n.endr\nret",
    ".code\nmain proc\n mov eax , dword ptr [ rax ]\n ret\nmain endp\nend",
    "struc point\n.x : resd 1\n.y : resd 1\nendstruc\nsection .data\np : istruc point\n at point.x , dd 3\n iend\nsection .text\nmov eax , [ p + point.y ]\nret",
    "a : .byte 1 , 2 ; .byte 3\n.p2align 2 , , 3\n.ascii \"x y\" , \"z\"\ntimes 3 db 7 , 8\nb db 4 dup ( 1 , 2 )\n size equ $ - b",
    "vaddps zmm0 { k1 } { z } , zmm1 , dword ptr [ rax ] {1to16}\nvaddps zmm0 , zmm1 , zmm2 , { rn-sae }\nret",
    "extern puts\nglobal main\nsection .rodata\nm : db 'it' , 0\nsection .text\nmain : lea rdi , [ rel m ]\n call puts wrt ..plt\n ret",
    "mov eax , fs : [ 0x28 ]\n data16 nop\n jmp far [ rax ]\n fadd to st1\n mov eax , 1 << 4 | 3\nret",
)  # fmt: skip


def said(source: str, syntax: Syntax) -> tuple[object, ...]:
    """What a source comes to, without the columns and texts that hold the blanks themselves."""
    try:
        program = assemble(source, syntax)
    except AssemblyError as error:
        return tuple((found.code, found.line, found.column) for found in error.diagnostics)
    data = tuple((segment.name, bytes(segment.data)) for segment in program.segments)
    return program.code, data, dict(program.labels), tuple((found.code, found.line) for found in program.warnings)


def with_blank(source: str, blank: str, only: int | None = None) -> str:
    """The source with another blank for every space outside of quotes, or for one of them."""
    count = -1

    def put(found: re.Match[str]) -> str:
        nonlocal count
        if found[1] is None:
            return found[0]
        count += 1
        return blank * len(found[1]) if only in (None, count) else found[0]

    return _QUOTED_OR_BLANK.sub(put, source)


def blanks_in(source: str) -> int:
    return sum(found[1] is not None for found in _QUOTED_OR_BLANK.finditer(source))


@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS.keys())
@pytest.mark.parametrize("source", SHORT)
def test_each_blank_of_a_short_text_may_be_any_blank(source: str, blank: str) -> None:
    expected = said(source, "intel")
    assert blanks_in(source) > 1
    for place in range(blanks_in(source)):
        assert said(with_blank(source, blank, place), "intel") == expected, place
    assert said(with_blank(source, blank), "intel") == expected


@pytest.mark.parametrize(
    "path",
    sorted(path for path in PROGRAMS.glob("*/*") if path.is_file()),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_all_blanks_of_a_program_may_be_any_blanks(path: Path) -> None:
    source = path.read_text(encoding="utf-8").replace("\t", "    ")
    syntax: Syntax = "att" if path.parent.name in ("att", "gcc_att") else "intel"
    expected = said(source, syntax)
    for blank in BLANKS.values():
        assert said(with_blank(source, blank), syntax) == expected


@pytest.mark.parametrize(
    "text", ['db "a\tb"', "db 'a\u00a0b', 1", '.asciz "\\"\t"', "db '\\', '\t'", 'mov al, \'"\' ; "\t"', "db `a\tb`"]
)
def test_blanks_in_quotes_stay_what_they_are(text: str) -> None:
    assert with_plain_blanks(text) == text


def test_a_blank_in_quotes_is_data() -> None:
    assert assemble("db 'a\tb', \"c\u00a0d\"").code == "a\tbc\u00a0d".encode()
    assert assemble("section .text\ndb '\\', '\t', 9").code == b"\\\t\t"
