"""Macros, repetition and conditions of NASM and of GNU as."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError


def refused(source: str) -> str:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("%define N 5\nmov al, N", "b005"),
        ("%define sq(x) ((x)*(x))\nmov al, sq(2+1)", "b009"),
        ("%define a b\n%define b 3\nmov al, a", "b003"),
        ("%define x x\nx: jmp x", "ebfe"),
        ("%xdefine a 1\n%xdefine b a\n%undef a\nmov al, b", "b001"),
        ("%idefine Count 7\nmov al, COUNT", "b007"),
        ("%assign i 1\n%rep 3\ndb i\n%assign i i*2\n%endrep", "010204"),
        ("%macro p 2\npush %1\npush %2\n%endmacro\np rax, rbx", "5053"),
        ("%macro p 1-2 rcx\npush %1\npush %2\n%endmacro\np rax\np rax, rbx", "50515053"),
        ("%macro m 0\n%%l: jmp %%l\n%endmacro\nm\nm", "ebfeebfe"),
        ("%macro all 1-*\n%rep %0\npush %1\n%rotate 1\n%endrep\n%endmacro\nall rax, rcx, rdx", "505152"),
        ("%macro text 1+\ndb %1\n%endmacro\ntext 'a', 1, 2", "610102"),
        ("%macro m 1\nnop\n%endmacro\n%macro m 2\nret\n%endmacro\nm 1\nm 1, 2", "90c3"),
        ("%ifdef X\nnop\n%else\nret\n%endif", "c3"),
        ("%define X\n%ifdef X\nnop\n%else\nret\n%endif", "90"),
        ("%define V 3\n%if V = 2\nnop\n%elif V == 3\nret\n%else\nhlt\n%endif", "c3"),
        ("%ifidn rax, rax\nret\n%endif", "c3"),
        ("%ifnidn rax, rbx\nret\n%endif", "c3"),
        ("%ifnum 5\nret\n%endif", "c3"),
        ("%if 0\nbad line [[\n%if 1\nworse\n%endif\n%endif\nret", "c3"),
        ("%strlen n 'hello'\nmov al, n", "b005"),
        ("%rep 5\nnop\n%exitrep\n%endrep\nret", "90c3"),
        ("%define reg(n) r %+ n\nmov reg(8), rax", "4989c0"),
        (".rept 3\nnop\n.endr", "909090"),
        (".rept 2\n.rept 2\nnop\n.endr\nret\n.endr", "9090c39090c3"),
        (".irp r, rax, rbx\npush \\r\n.endr", "5053"),
        (".irpc d, 123\n.byte \\d\n.endr", "010203"),
        (".macro two a, b=7\n.byte \\a, \\b\n.endm\ntwo 1\ntwo 1, 2\ntwo b=3, a=4", "010701020403"),
        (".macro s n\n.long 5\n.byte \\n\n.if \\n\ns \\n-1\n.endif\n.endm\ns 1", "05000000010500000000"),
        (".macro l\nx\\@: jmp x\\@\n.endm\nl\nl", "ebfeebfe"),
        (".macro v a:vararg\n.byte \\a\n.endm\nv 1, 2, 3", "010203"),
        (".macro j n\nmov \\n\\()x, 1\n.endm\nj ea", "b801000000"),
        (".macro m\nnop\n.exitm\nret\n.endm\nm", "90"),
        (".macro m r:req\npush \\r\n.endm\nm rax", "50"),
        (".macro m\nnop\n.endm\n.purgem m\n.macro m\nret\n.endm\nm", "c3"),
        (".if 2 > 1\nret\n.else\nnop\n.endif", "c3"),
        (".ifdef a\nnop\n.else\nret\n.endif", "c3"),
        ("a = 1\n.ifdef a\nnop\n.endif\n.ifndef a\nret\n.endif", "90"),
        (".ifc a, a\nret\n.endif", "c3"),
        (".ifeq 0\nret\n.endif", "c3"),
        (".if 0\n.elseif 1\nret\n.endif", "c3"),
        ("lab: .rept 2\nnop\n.endr", "9090"),
    ],
)
def test_a_macro_does_what_its_assembler_does(source: str, code: str) -> None:
    assert assemble(source).code.hex() == code


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (".macro a\na\n.endm\na", "ASM061"), ("%macro a 0\na\n%endmacro\na", "ASM061"), (".rept 3\nnop", "ASM065"),
        (".macro a\nnop", "ASM065"),
        (".if 1\nnop", "ASM065"), ("%if 1\nnop", "ASM065"), (".endr", "ASM052"), (".endm", "ASM052"), ("%endmacro",
        "ASM052"), (".else", "ASM052"),
        ("%endif", "ASM052"), ("%macro m 2\nnop\n%endmacro\nm 1", "ASM066"), (".macro m a\nnop\n.endm\nm 1, 2",
        "ASM066"), (".exitm", "ASM052"),
        (".macro m r:req\npush \\r\n.endm\nm", "ASM066"), (".rept -1\nnop\n.endr", "ASM056"), (".rept x\nnop\n.endr",
        "ASM036"), (".if x\nnop\n.endif", "ASM036"),
        ("".join(f"%define {a} {','.join([b] * 8)}\n" for a, b in ("ab", "bc", "cd", "de", "e1")) + "db a", "ASM064"),
        ("%include 'x'", "ASM059"), ("%error no", "ASM063"), (".error \"no\"", "ASM063"), ("%frobnicate", "ASM050"),
        ("%define", "ASM051"),
        ("%rotate 1", "ASM052"), (".macro", "ASM065"), ("%assign x", "ASM051"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_a_macro_is_told(source: str, code: str) -> None:
    assert refused(source) == code


def test_an_error_inside_a_macro_points_at_the_call_and_shows_what_the_line_became() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(".macro bad reg\n  nop\n  mov \\reg, 5.5\n.endm\nret\n  bad rax")
    (found,) = caught.value.diagnostics
    assert (found.code, found.line, found.source_line) == ("ASM018", 6, "  bad rax")
    assert found.related == ((found.related[0][0], "  mov rax, 5.5", "what the line became"),)
    assert found.related[0][0].line == 3
