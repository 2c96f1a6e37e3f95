"""Rarer spellings, each held against the assembler whose spelling it is: objdump's, NASM's, MASM's, compilers'.

The suites of GNU as, LLVM, NASM and Capstone were tried statement by statement; what stands here is what they taught.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.errors import AssemblyError
from tests.assembly.encoder_fuzzer import gnu_assemble

INTEL = [
    # The size of one broadcast element: the registers say how often it is repeated.
    "vaddpd zmm3, zmm4, qword bcst [rbx+0x100]",
    "vmulps ymm3{k2}{z}, ymm4, dword bcst [rbx+rcx*4]",
    "vcmpph k1, xmm2, word bcst [rdi-0x100], 5",
    # Transactions that begin and end with a lock.
    "xacquire lock add dword ptr [rdi], ecx",
    "xrelease lock and word ptr [rdi+8], 0x1234",
    "lock xacquire cmpxchg qword ptr [r9], rcx",
    "xrelease mov byte ptr [rdi], al",
    # Indirect branches that need no landing pad.
    "notrack jmp qword ptr [rdx*8+0x2000]",
    "notrack call qword ptr [r12]",
    # What objdump writes for the longer of two encodings, and asks for.
    "mov.s rdx, rcx",
    "vmovdqa32.s zmm17, zmm2",
    "mov.d32 ebx, [rsi]",
    "{load} adc rdx, r9",
    "{store} movdqa xmm1, xmm2",
    "{disp8} mov ecx, [rdx]",
    "{disp32} vmovaps zmm1, [rdx+0x40]",
    "{vex3} vpaddd xmm1, xmm2, [rdx]",
    "{evex} vpaddd xmm1, xmm2, [rdx]",
    "{rex} and ecx, edx",
    # The padding of compilers, as objdump shows it, and prefixes that change nothing.
    "cs nop word ptr [rax+rax*1+0x200]",
    "data16 nop",
    "rex.w push 9",
    "rex.w jmp rcx",
    "fs mov ecx, [rbx]",
    "rep nop",
    # Registers that an instruction uses anyway, written out; with a 32-bit one the address is one of 32 bits.
    "monitor eax, ecx, edx",
    "clzero eax",
    "clzero rax",
    "xlatb [ebx]",
    "lar ecx, r9w",
    "lsl r10, dx",
    "fnstsw",
    "vcvtsi2sh xmm1, xmm2, qword ptr [rax]",
]
ATT = [
    # Without operands the subtractions and divisions pop, and are exchanged as everywhere in AT&T syntax.
    "fsub", "fsubr", "fdiv", "fdivr", "fadd",
    "vaddpd 0x1234{1to8}, %zmm1, %zmm2",
    "vcvtpd2psy 8(%rax){1to4}, %xmm3",
    "vcvtusi2shl 4(%rdx), %xmm1, %xmm2",
    "cvtsi2ss (%rcx), %xmm4",
    "in (%dx), %al",
    "outw %ax, (%dx)",
    "movl 0x20(,1), %ecx",
    "movb $1, (%rdx,1)",
    "movzxw (%rax), %ecx",
    "movsxl (%rax), %rcx",
    "movabsw %ax, 0x1122334455667788",
    "clrq %rdx",
    "fxsaveq (%rsp)",
    "lgdtq (%rax)",
    "sldtw (%rdx)",
    "setaeb (%rbx)",
    "pushq %gs",
    "monitorx %rax, %ecx, %edx",
    "mwaitx %eax, %ecx, %ebx",
    "xrelease lock decw (%rcx)",
    "cs nopw 2(%rax,%rax,1)",
    "vmovupd.s %ymm5, %ymm21",
]  # fmt: skip
NASM = [
    "call far [rbx]",
    "jmp far qword [rbx]",
    "fadd to st3",
    "fdivr to st1",
    "o64 nop",
    "a32 lodsb",
    "a64 push rbx",
]


def gnu_att(texts: Sequence[str], folder: Path) -> list[bytes]:
    found = []
    for number, text in enumerate(texts):
        source, made, raw = folder / f"{number}.s", folder / f"{number}.o", folder / f"{number}.bin"
        source.write_text(text + "\n")
        subprocess.run(["as", "--64", "-o", str(made), str(source)], check=True)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", str(made), str(raw)], check=True)
        found.append(raw.read_bytes())
    return found


def test_what_objdump_and_masm_write_is_what_gnu_as_makes_of_it() -> None:
    theirs = dict(zip(INTEL, gnu_assemble(INTEL), strict=True))
    assert {text: assemble(text).code for text in INTEL} == theirs


def test_att_names_with_letters_and_customs_are_what_gnu_as_makes_of_them(tmp_path: Path) -> None:
    theirs = dict(zip(ATT, gnu_att(ATT, tmp_path), strict=True))
    assert {text: assemble(text, syntax="att").code for text in ATT} == theirs


def test_nasm_words_are_what_nasm_makes_of_them(tmp_path: Path) -> None:
    for text in NASM:
        (tmp_path / "a.asm").write_text(f"bits 64\n{text}\n")
        subprocess.run(["nasm", "-f", "bin", "-o", "a.bin", "a.asm"], cwd=tmp_path, check=True)
        assert assemble(f"bits 64\n{text}").code == (tmp_path / "a.bin").read_bytes(), text


@pytest.mark.parametrize(
    ("syntax", "source", "code"),
    [
        # A size or a mask that would be lost.
        ("intel", "pushw fs", "ASM048"),
        ("att", "popw %gs", "ASM048"),
        ("att", "pushq %ax", "ASM047"),
        ("att", "inb %dx, %ax", "ASM047"),
        ("att", "movsw %ax, %cx", "ASM047"),
        ("att", "vaddps %zmm3, %zmm1{%k1}, %zmm2{%k2}", "ASM025"),
        ("att", "vcvtps2pd (%rax){%k1}, %zmm1", "ASM025"),
        ("intel", "vaddps zmm1{k1}{k2}, zmm2, zmm3", "ASM025"),
        ("intel", "vaddps zmm1{k1}{z}{z}, zmm2, zmm3", "ASM025"),
        ("intel", "movzx eax, byte ptr [word ptr [rbx]]", "ASM026"),
        # Registers where no address is.
        ("intel", "mov eax, rcx[rdx]", "ASM022"),
        ("intel", "mov eax, [rcx]+rdx*2", "ASM022"),
        ("intel", "mov eax, offset [rdx]", "ASM022"),
        ("intel", "mov eax, fs:gs:[rdx]", "ASM022"),
        ("intel", "mov eax, fs:[gs:rdx]", "ASM022"),
        ("intel", "mov eax, flat:1", "ASM011"),
        ("intel", "mov eax, byte gs:ptr [rdx]", "ASM027"),
        ("att", "incw (%dx)", "ASM023"),
        # Prefixes that would make another instruction of it.
        ("intel", "data16 mov eax, ebx", "ASM120"),
        ("intel", "addr32 mov eax, [rbx]", "ASM120"),
        ("intel", "data16 ret", "ASM120"),
        ("intel", "xacquire add dword ptr [rbx], ecx", "ASM120"),
        ("intel", "rex.b nop", "ASM120"),
        ("intel", "rex.w fxsave [rbx]", "ASM120"),
        ("intel", "vcvtpd2ps xmm1, qword bcst [rax]", "ASM124"),
        # A name in quotes is a name, and here nobody's.
        ("att", 'mov "no one", %eax', "ASM040"),
    ],
)
def test_what_would_lose_something_on_the_way_is_refused(syntax: Syntax, source: str, code: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source, syntax=syntax)
    assert caught.value.diagnostics[0].code == code
