"""A catalogue of 1,077 inputs on which assemblers die, hang, lie or disagree: none of that happens here.

`gnu` is what GNU as 2.40 makes of an input, None where it refuses. What is decided differently here is listed below,
one by one, with the reason.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError
from tests.assembly.linked import decoded

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "assembler_inputs.jsonl").read_text().splitlines()
]

TAKEN_THOUGH_GNU_AS_REFUSES = {
    "`;` begins a comment, as in NASM and MASM and as people mean it": (
        "mov eax, 1 ; comment",
        "; just a comment",
        "; comment with, stuff: [x]\nmov eax,1",
        "mov eax, 1 ; don't",
        "; – dash\nmov eax,1",
        "mov eax, 1; int3 //x",
        "mov eax, 1 ; ret if zero",
        "add eax, 1 ; nop nop",
        "xor eax, eax ; zero eax",
        "ret ; done",
        "mov eax, 1  ; a: b",
        "inc eax ; i++",
        "mov eax, 1 ; 5",
        "mov eax, 1; garbage",
    ),
    "what shows as a blank is one": ("mov\u00a0eax, 1", "mov\x0beax,1"),
    "`//` begins a comment": ("mov eax, 1 // comment",),
    "NASM's and MASM's ways to write numbers": (
        "mov eax, 10h",
        "mov eax, 0ffh",
        "mov eax, 101b",
        "mov eax, 0o17",
        "mov eax, 17o",
        "mov eax, 1_000",
        "mov eax, 0x1_000",
        "mov eax, 10d",
        "mov eax, 0d10",
        "mov eax, 0ah",
        "add rax, 0bh",
        "mov eax, 0b1h",
        "mov eax, 1bh",
    ),
    "NASM's character constants and quotes": (
        "mov eax, 'AB'",
        "mov eax, 'ABCD'",
        ".ascii 'hi'",
    ),
    "NASM's size without ptr": (
        "push byte 5",
        "push word 5",
        "push dword 5",
        "push qword 5",
        "inc byte [rax]",
        "movzx rax, byte [rbx]",
        "idiv dword [rbx]",
    ),
    "NASM splits the factors 3, 5 and 9 into base and index": (
        "lea rax, [rbx*3]",
        "lea rax,[rbx*9]",
    ),
    "NASM's directives and address words": (
        "jmp near a\na:",
        "lea rax, [rel foo]\nret\nfoo: .quad 1",
        "global main\nmain: ret",
        "N equ 5\nmov eax, N",
        "%define N 5\nmov eax, N",
        "db 1,2,3",
        "db 'hello',0",
        'db "hi",10,0',
        "dw 1",
        "dd 1",
        "dq 1",
        "resb 4",
        "times 3 nop",
        "align 8",
        "nop\nalign 8\nnop",
        "section .text\nnop",
        "section .data\nx: dq 5\nsection .text\nmov rax,[x]",
        "bits 64\nnop",
        "BITS 64",
        "default rel\nnop",
        "extern puts",
    ),
    "MASM's directives and labels": (
        "@@: jmp @b",
        "main proc\nret\nmain endp",
    ),
    "a directive that says nothing about the bytes": (
        ".size f, .-f",
        ".loc 1 1\nnop",
        ".addrsig",
    ),
    "other names of the same registers and instructions, as other assemblers and the manuals have them": (
        "fld st1",
        "sysret",
        "sysexit",
        "icebp",
        "retn",
        "mov r8l, 1",
    ),
    "a comparison may stand in any constant": ("mov eax, 5 == 5",),
    "a form feed is a blank": ("mov eax, 1\x0c",),
}
"""Reason -> inputs that are right here and an error to GNU as."""

OTHER_BYTES = {
    "GNU as leaves to a linker what has its place here": (
        "call 0x1000",
        "jmp 0x1000",
        "jmp 0",
        "je 0x1000",
        "mov rax, offset foo\nfoo:",
        "mov rax, OFFSET FLAT:foo\nfoo:",
        "lea rax, [foo]\nret\nfoo: .quad 1",
        "mov rax, [foo]\nret\nfoo: .quad 1",
        "jmp [foo]\nfoo: .quad 1",
        ".data\nx: .quad 5\n.text\nmov rax, [rip+x]\nret",
        '.section .rodata\nmsg: .asciz "hi"\n.section .text\nlea rdi, [rip+msg]\nret',
        ".extern puts\ncall puts",
        ".quad foo\nfoo:",
    ),
    "`;` begins a comment": (
        "; mov eax, 2\nmov eax, 1",
        "mov eax, 1 ; mov eax, 2",
        "mov eax, 1;mov ebx, 2",
        "nop ; ; ; nop",
        ";;mov eax,1",
        "push rax; ; pop rax",
    ),
    "GNU as reads `qword`, `oword` and `far` without ptr as the numbers 8, 16 and -2": (
        "mov rax, qword [rbx]",
        "jmp far [rax]",
        "movaps xmm0, oword [rsp]",
    ),
    "text in quotes is a number, as in NASM; to GNU as it is the name of a symbol": (
        'mov al, "a"',
        'mov eax, "abc"',
    ),
    "an exchange of a register with itself, in its own encoding": ("xchg rax, rax",),
}
"""Reason -> inputs whose bytes say something else than those of GNU as."""

REFUSED_THOUGH_GNU_AS_TAKES = {
    "a number that does not fit is never cut": (
        "mov al, 256",
        "mov al,-129",
        "mov ax, 0x12345",
        "mov eax, 0x123456789",
        "mov eax, 4294967296",
        "mov dword ptr [rax], 0x100000000",
        "mov byte ptr [rax], 256",
        "mov byte ptr [rax], 0x1234",
        "in al, 256",
        "mov rax, -9223372036854775809",
        "mov eax, -0x80000001",
        "nop\nmov al, 300\nnop",
        ".byte 256",
        ".byte -129",
        ".byte 0x1ff",
        ".word 0x12345",
        ".long 0x123456789",
    ),
    "operands that the instruction does not have": (
        "mov cs, ax",
        "mov rax, cr9",
        "mov rax, st0",
    ),
    "ptr without a size, which GNU as takes for a symbol": ("mov rax, ptr [rbx]",),
    "operands that the instruction does not have in 64-bit mode": ("jmp dword ptr [rax]",),
    "an unknown name is an error, not a symbol for a linker": (
        "jmp rel",
        "jmp undefined_label",
        "call printf",
        "mov rax, undefined_sym",
        "mov rax, [undefined_sym]",
        "#define N 5\nmov eax, N",
        "mov eax, ffh",
        "mov flags, eax",
        "mov eax, rax.x",
        "mov eax, badsym\nmov ebx, 1",
        "nop\njmp nowhere\nnop",
        "jmp jmp",
        "call call",
    ),
    "undeclared, a bare label may mean either of two things": (
        "mov eax, foo\nret\nfoo: .quad 1",
        "mov rax, foo\nret\nfoo: .quad 1",
    ),
    "a label may not hide a register": (
        "rax: jmp rax",
        "rax:",
    ),
    "an unfinished quote or comment": (
        "/* unterminated\nmov eax,1",
        '.string "un',
        "mov eax, '",
    ),
    "a NUL in the text": ("mov eax, 1\x00mov ebx,2",),
    "AT&T's signs in Intel syntax; GNU as reads `$5` as a symbol": (
        "mov eax, $10",
        "mov %eax, 5",
        "mov $5, %eax",
        "mov eax, $5",
        "mov %rax, %rbx",
        "mov rax, (%rbx)",
        "movq (%rbx), %rax",
        "mov rax, [%rbx]",
    ),
    "a division by zero": ("mov eax, 1/0",),
    "reads a file, or is not for 64-bit mode": (
        ".code32\nmov eax, 5",
        ".code16\nmov eax, 5",
        '.incbin "/etc/hostname"',
        '.incbin "/etc/passwd"',
    ),
    "no such directive here": (".struct 0",),
    "larger than 1 MiB": (
        ".space 100000000",
        ".fill 1000000000,1,0",
        ".zero 0x7fffffff",
        ".org 0x7fffffff\nnop",
    ),
    "expands to more than 100,000 lines": (".rept 1000000\nnop\n.endr",),
    "the place of the next byte cannot be set": (
        ".=.+4\nnop",
        ". = 4\nnop",
        ".=x;.=x",
    ),
    "an alignment beyond a page": (".align 0x40000000\nnop",),
    "a negative count": (
        ".skip -1",
        ".fill -1,1,0",
    ),
    "a prefix without its instruction": (
        "data16",
        "rex64",
        "repz",
        "rep",
        "lock",
    ),
    "a segment prefix before an instruction without memory, a quoted label, a stray character": (
        "fs nop",
        "/",
        '"abc": nop\njmp "abc"',
    ),
    "an operand too many, which GNU as drops": ("div eax, ebx",),
    "an empty character": ("mov eax, ''",),
    "a letter outside ASCII in a name": ("mov eax, é",),
    "a dash that is no minus": ("mov eax,–5",),
    "a value is missing, which GNU as takes for 0": (
        "mov eax, offset",
        "mov eax, fs:",
        ".byte ,",
        ".byte 1,",
    ),
    "a directive without its values": (
        ".byte",
        ".quad",
        ".string",
        ".align",
    ),
    "an end without a beginning": (
        ".endr",
        ".endm",
    ),
    "a label defined twice": (".L: .L: nop",),
    "a register in parentheses, which GNU as takes for the register": ("add (rax), rbx",),
}
"""Reason -> inputs that GNU as takes, most with a warning or by a guess."""


def reasons(table: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {source: reason for reason, sources in table.items() for source in sources}


TAKEN = reasons(TAKEN_THOUGH_GNU_AS_REFUSES)
OTHER = reasons(OTHER_BYTES)
REFUSED = reasons(REFUSED_THOUGH_GNU_AS_TAKES)


def judge(source: str, gnu: str | None) -> str:
    """What becomes of one input: "same", "refused by both", or which list it belongs to."""
    try:
        program = assemble(source)
    except AssemblyError as error:
        refused = error.diagnostics
    else:
        refused = ()
    if refused:
        for finding in refused:
            assert finding.message.endswith((".", "?", "!")) or finding.code == "ASM063", finding
            assert 1 <= finding.line <= source.count("\n") + source.count("\r") + 1
        return "refused by both" if gnu is None else "refused here"
    if gnu is None:
        return "taken here"
    assert not {"file", "record"} & set(gnu.split()), f"{source!r} must be refused"
    code = bytes.fromhex(gnu)
    return "same" if program.code == code or decoded(program.code, 0) == decoded(code, 0) else "other bytes"


@pytest.mark.parametrize("start", range(0, len(ROWS), 100))
def test_each_input_is_taken_like_gnu_as_takes_it_or_listed_with_a_reason(start: int) -> None:
    expected, found = [], []
    for row in ROWS[start : start + 100]:
        source, gnu = row["source"], row["gnu"]
        found.append((source, judge(source, gnu)))
        if source in TAKEN:
            outcome = "taken here"
        elif source in OTHER:
            outcome = "other bytes"
        elif source in REFUSED:
            outcome = "refused here"
        else:
            outcome = "same" if gnu is not None else "refused by both"
        expected.append((source, outcome))
    assert found == expected


def test_the_lists_of_exceptions_hold_nothing_that_is_not_in_the_catalogue() -> None:
    assert {*TAKEN, *OTHER, *REFUSED} <= {row["source"] for row in ROWS}


LARGE = {
    "a long name": ("a" * 4_000 + ": jmp " + "a" * 4_000, "ebfe"),
    "sums": ("mov eax, 1" + "+1" * 4_000, "b8a10f0000"),
    "signs": ("mov eax, " + "-" * 5_000 + "1", "b801000000"),
    "complements": ("mov eax, " + "~" * 9_000 + "1", "b801000000"),
    "bytes": (".byte " + ",".join(["1"] * 4_000), "01" * 4_000),
    "lines": ("nop\n" * 20_000, "90" * 20_000),
    "a jump over nothing": ("a: jmp a\n" + "nop\n" * 100, "ebfe" + "90" * 100),
    "a chain of jumps": ("\n".join(f"l{n}: jmp l{n + 1}" for n in range(3_000)) + "\nl3000:", "eb00" * 3_000),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_input_is_taken(name: str) -> None:
    source, code = LARGE[name]
    assert assemble(source).code.hex() == code


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("mov eax, " + "(" * 2_000 + "1" + ")" * 2_000, "ASM016"),
        ("a" * 100_000 + ": jmp " + "a" * 100_000, "ASM064"),
        ("x" * 5_000, "ASM100"),
    ],
    ids=["parentheses", "line", "name"],
)
def test_an_input_past_a_cap_is_refused_with_the_cap(source: str, code: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert caught.value.diagnostics[0].code == code
