"""A cell in another language is told so, once; what assembles, or is x86 with a slip, never is."""

# ruff: noqa: E501 (programs stand on one line each)

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError


@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("for i in range(10):\n    print(i)\ntotal = 0", "Python"), ('print("hello")', "Python"), ("import math", "Python"),
        ("import numpy as np\nx = np.array([1, 2])\nprint(x)", "Python"), ("def f(x):\n    return x + 1\n\nf(3)", "Python"),
        ("x = 5\nif x > 3:\n    print(x)\nelse:\n    x += 1", "Python"), ("# a loop\nwhile x < 3:\n    x += 1", "Python"),
        ("from math import sqrt\nprint(sqrt(2))", "Python"),
        ('#include <stdio.h>\nint main() {\n    int x = 5;\n    printf("%d\\n", x);\n    return 0;\n}', "C"),
        ("int add(int a, int b) {\n    return a + b;\n}", "C"), ("int i;\nfor (i = 0; i < 3; i++) {\n  puts(s);\n}", "C"),
        ("char *s = \"a\";\nwhile (*s) {\n s++;\n}\nreturn 0;", "C"),
        ("    ldr r0, [r1]\n    add r0, r0, #1\n    mov r1, #5\n    bx lr", "ARM"), ("mov x0, #1\nldr x1, =msg\nsvc #0", "ARM"),
        (".global _start\n_start:\n    mov r0, #1\n    mov r7, #1\n    swi 0", "ARM"), ("add w0, w1, w2\nsub x3, x4, #8\nret", "ARM"),
        ("org 100h\nmov ah, 9\nmov dx, msg\nint 21h\nmov ax, 4c00h\nint 21h\nmsg db 'hello$'", "DOS"),
        (".model small\n.data\nmsg db 'hi$'\n.code\nmain proc\nmov ax, @data\nmov ds, ax\nlea dx, msg\nint 21h\nmain endp\nend", "DOS"),
        ("data segment\nx db 5\ndata ends\ncode segment\nassume cs:code, ds:data\nstart: mov ax, data\nmov ds, ax\nmov al, x\ncode ends\nend start", "TASM"),
        ("format ELF64 executable\nentry start\nstart:\nmov eax, 60\nsyscall", "FASM"),
        ("INCLUDE Irvine32.inc\n.code\nmain PROC\ncall DumpRegs\nexit\nmain ENDP\nEND main", "Irvine"),
    ],
)  # fmt: skip
def test_another_language_is_told_at_once_and_once(source: str, language: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    (found,) = caught.value.diagnostics
    assert found.code == "ASM005"
    assert language in found.message
    assert found.hint


@pytest.mark.parametrize(
    "source",
    [
        "N = 5\nM = 6\nmov eax, q\nret", "N = 5\nmov eax, M", "mov r1, 5\nmov r2, 3\nadd r1, r2\nret", "mov sp, 5x\nret",
        "#define N 5\n#define M 6\nmov eax, M\nret", "mov r10, r11, r12\nadd r10, x\nret", "else:\njmp nowhere\ntry:\nret",
        "print: mov eax, q\nret", "x = 5 +\nret", "jmp b\nb\nret", "push lr\npop lr", "int x = 5\nmov eax, 1", "bl\nret",
        "push {rax}\nret", "if:\nwhile:\njmp els\nret", "call f(x)\nret", "mov eax, 1;\nmov ebx, q;\nret;",
        "mov eax, #5\nret", "include 'x.inc'\nret", "entry: jmp nowhere", "str: .asciz \"x\"\nmov al, st\nret",
    ],
)  # fmt: skip
def test_assembly_with_a_slip_is_not_taken_for_another_language(source: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert "ASM005" not in {found.code for found in caught.value.diagnostics}


@pytest.mark.parametrize(
    ("line", "word"),
    [("!ls", "`!ls`"), ("!pip install x", "`!pip`"), ("%time", "`%time`"), ("%matplotlib inline", "`%matplotlib`")],
)
def test_commands_of_the_notebook_have_a_cell_of_their_own(line: str, word: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(f"{line}\nmov eax, 5\nret")
    (found,) = caught.value.diagnostics
    assert (found.line, word in found.hint, "%%asm" in found.hint) == (1, True, True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mov ax, 70000", "70000"), ("mov al, 0x1F4", "0x1F4"), ("mov al, 111111111b", "111111111b"), ("mov ax, 4F000h", "4F000h"),
        ("add rax, 0x1_0000_0000", "0x1_0000_0000"), ("push 5000000000", "5000000000"), ("mov al, -70000", "-70000"),
    ],
)  # fmt: skip
def test_numbers_keep_their_spelling(line: str, said: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(f"{line}\nret")
    assert caught.value.diagnostics[0].message.startswith(f"{said} does not fit")


def test_an_address_that_does_not_fit_is_told_as_one() -> None:
    for line in ("mov dx, msg", "mov al, msg", "mov msg, eax"):
        with pytest.raises(AssemblyError) as caught:
            assemble(f"section .data\nmsg: db 5\nsection .text\n{line}\nret")
        found = caught.value.diagnostics[0]
        assert "is an address" in found.message
        assert "`[msg]`" in found.hint


def test_too_much_room_is_told_where_it_is_asked_for() -> None:
    source = "; a program\nsection .bss\na: resb 700000\nb: resd 100000\nsection .text\nret"
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    (found,) = caught.value.diagnostics
    assert (found.code, found.line) == ("ASM062", 4)
    assert ".bss" in found.hint
