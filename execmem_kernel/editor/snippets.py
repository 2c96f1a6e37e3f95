"""Three programs to begin with, for a cell in which nothing stands yet."""

from __future__ import annotations

from typing import NamedTuple


class Snippet(NamedTuple):
    """A whole program."""

    title: str
    intel: str
    att: str


SNIPPETS = (
    Snippet(
        "Add two numbers; the result stays in rax.",
        """\
        mov     rax, 40
        add     rax, 2
        ret
""",
        """\
        movq    $40, %rax
        addq    $2, %rax
        ret
""",
    ),
    Snippet(
        "Add the numbers from 10 down to 1, in a loop.",
        """\
        xor     eax, eax
        mov     ecx, 10
again:  add     eax, ecx
        dec     ecx
        jnz     again
        ret
""",
        """\
        xorl    %eax, %eax
        movl    $10, %ecx
again:  addl    %ecx, %eax
        decl    %ecx
        jnz     again
        ret
""",
    ),
    Snippet(
        "Print a line: the system call write, with what it prints below.",
        """\
        mov     eax, 1
        mov     edi, 1
        lea     rsi, [rip + text]
        mov     edx, 6
        syscall
        ret
text:   .ascii  "Hello\\n"
""",
        """\
        movl    $1, %eax
        movl    $1, %edi
        leaq    text(%rip), %rsi
        movl    $6, %edx
        syscall
        ret
text:   .ascii  "Hello\\n"
""",
    ),
)
