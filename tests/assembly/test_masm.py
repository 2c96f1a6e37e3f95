"""MASM, where a source declares it: variables with a size, unnamed data, conditions without a dot."""

# ruff: noqa: E501 (programs stand on one line each)

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError

DATA = """.data
b8 byte 1, 2, 3
w16 word 1
d32 dword 1, 2
q64 qword 1
r4 real4 1.0
r8_ real8 1.0
t byte 5 dup (?)
.code
main proc
{}
ret
main endp
end
"""


@pytest.mark.parametrize(
    ("line", "explicit"),
    [
        ("mov eax, d32", "mov eax, dword ptr [d32]"), ("mov d32, 0", "mov dword ptr [d32], 0"),
        ("add d32, eax", "add dword ptr [d32], eax"), ("inc b8", "inc byte ptr [b8]"), ("cmp w16, 3", "cmp word ptr [w16], 3"),
        ("push q64", "push qword ptr [q64]"), ("inc d32[4]", "inc dword ptr [d32 + 4]"),
        ("neg d32[rcx*4]", "neg dword ptr [d32 + rcx*4]"), ("inc [d32]", "inc dword ptr [d32]"),
        ("movzx eax, b8", "movzx eax, byte ptr [b8]"), ("movsx rax, w16", "movsx rax, word ptr [w16]"),
        ("movsxd rax, d32", "movsxd rax, dword ptr [d32]"), ("fld r8_", "fld qword ptr [r8_]"),
        ("fld r4", "fld dword ptr [r4]"), ("fild w16", "fild word ptr [w16]"), ("movsd xmm0, r8_", "movsd xmm0, qword ptr [r8_]"),
        ("cvtsi2sd xmm0, d32", "cvtsi2sd xmm0, dword ptr [d32]"), ("shl b8, cl", "shl byte ptr [b8], cl"),
        ("mul d32", "mul dword ptr [d32]"), ("movups xmm0, d32", "movups xmm0, [d32]"), ("mov al, byte ptr d32", "mov al, byte ptr [d32]"),
        ("lea rax, d32", "lea rax, [d32]"), ("mov eax, lengthof d32", "mov eax, 2"), ("mov eax, sizeof d32", "mov eax, 8"),
        ("mov eax, type d32", "mov eax, 4"), ("mov eax, LENGTHOF t + SIZEOF b8", "mov eax, 8"), ("mov eax, type qword", "mov eax, 8"),
        ("mov eax, (size q64) - 1", "mov eax, 7"), ("mov eax, 010", "mov eax, 10"), ("mov eax, 'ab'", "mov eax, 6162h"),
        ("mov eax, 7 mod 4 shl 2", "mov eax, 12"), ("mov eax, 3 eq 3", "mov eax, -1"),
    ],
)  # fmt: skip
def test_an_operand_is_as_wide_as_its_variable(line: str, explicit: str) -> None:
    assert assemble(DATA.format(line)).code == assemble(DATA.format(explicit)).code


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mov eax, b8", "ASM107"), ("mov al, d32", "ASM107"), ("call q64", "ASM035"), ("jmp q64", "ASM035"),
        ("mov eax, lengthof main", "ASM051"), ("mov eax, sizeof nothing", "ASM040"), ("mov eax, length b8", "ASM059"),
        (".while eax > 3", "ASM059"), (".if eax == 3", "ASM059"), ("invoke f, 1", "ASM100"), ("local x:dword", "ASM100"),
        ("f proc uses rbx", "ASM059"), ("f proc a:dword", "ASM059"), ("push d32", "ASM101"),
    ],
)  # fmt: skip
def test_what_masm_reads_otherwise_or_not_at_all_is_refused(line: str, said: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(DATA.format(line))
    assert caught.value.diagnostics[0].code == said


@pytest.mark.parametrize(
    ("lines", "data"),
    [
        ('byte "ab"\nbyte 1, 2', "61620102"), ("x dword 5\ndword 6", "0500000006000000"), ("word 'ab'", "6261"),
        ("x byte 1\nalign dword\ndword 2", "0100000002000000"), ("real4 1.5", "0000c03f"), ("x db 1\nbyte '\\n'", "015c6e"),
        ("= 5", ""), ("x equ 08\nbyte x", "08"), ("sbyte -1", "ff"), ("p label dword\nbyte 1", "01"),
    ],
)  # fmt: skip
def test_data_lines(lines: str, data: str) -> None:
    if lines == "= 5":
        lines = "N = 5"
    program = assemble(f".data\n{lines}\n.code\nmain proc\nret\nmain endp\nend\n")
    assert "".join(bytes(segment.data).hex() for segment in program.segments if segment.name == "data") == data


@pytest.mark.parametrize("word", ["lengthof", "SIZEOF", "Type"])
def test_counts_of_data_are_right_in_every_dialect(word: str) -> None:
    value = {"lengthof": 3, "sizeof": 12, "type": 4}[word.lower()]
    for data in ("arr DWORD 1,2,3", "arr: .long 1,2,3", "arr dd 1,2,3", "arr dd 3 dup (?)"):
        for before in ("", ".intel_syntax noprefix\n" if "DWORD" not in data else "", ".code\nmain proc\n"):
            source = f"{before}mov ecx, {word} arr\nret\n.data\n{data}\n"
            assert assemble(source).code == assemble(f"mov ecx, {value}\nret").code, source


def test_conditions_have_no_dot() -> None:
    source = "ifndef N\nN = 3\nendif\n.code\nmain proc\nif N eq 3\nnop\nelseif N eq 4\nhlt\nelse\nhlt\nendif\nret\nmain endp\nend"
    assert assemble(source).code.hex() == "90c3"
