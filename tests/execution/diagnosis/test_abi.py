"""The calling convention: what a function breaks is said, with the line that broke it, and nothing else is."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.x86.features import cpu_features

BREACHES = {
    "mov ebx, 77\nret": ("callee-saved", 1),
    "nop\nmov rbp, 5\nret": ("callee-saved", 2),
    "nop\nnop\nxor r12d, 1\nret": ("callee-saved", 3),
    "pop rcx\nadd rsp, 8\njmp rcx": ("stack-pointer", 2),
    "ret 8": ("stack-pointer", 1),
    "std\nret": ("direction-flag", 1),
    "nop\nadd rax, rdx\nret": ("unset-register", 2),
    "fld1\nfld1\nfld1\nret": ("x87-stack", 3),
    "movd mm0, edi\nnop\nret": ("mmx-state", 1),
    "pushfq\nor dword ptr [rsp], 0x400\npopfq\nret": ("direction-flag", 3),
    "pushfq\nor dword ptr [rsp], 0x40000\npopfq\nret": ("alignment-check", 3),
    "sub rsp, 8\nmov dword ptr [rsp], 0x7f80\nldmxcsr [rsp]\nadd rsp, 8\nret": ("mxcsr", 3),
    "sub rsp, 8\nmov word ptr [rsp], 0xc7f\nfldcw [rsp]\nadd rsp, 8\nret": ("x87-control", 3),
    "nop\nxor ebx, ebx\nret": ("callee-saved", 2),
    "nop\nmov r12, 7\nmov r12, 0\nret": ("callee-saved", 2),
    "addsd xmm0, xmm7\nret": ("unset-register", 1),
    "nop\nsetc al\nret": ("unset-register", 2),
    "cmovz rax, rdi\nret": ("unset-register", 1),
}


CLEAN = {
    "an argument used": "lea rax, [rdi+rsi]\nret",
    "a frame": "push rbp\nmov rbp, rsp\nsub rsp, 16\nmov [rbp-8], rdi\nmov rax, [rbp-8]\nleave\nret",
    "saved and given back": "push rbx\nmov rbx, rdi\nmov rax, rbx\npop rbx\nret",
    "zeroed by xor": "xor eax, eax\nret",
    "pushed to align": "push rax\ncall f\npop rcx\nret\nf: mov eax, 1\nret",
    "set on both ways": "test rdi, rdi\njz a\nmov rax, 1\njmp b\na: mov rax, 2\nb: add rax, 1\nret",
    "set by a call": "sub rsp, 8\ncall f\nadd rax, 1\nadd rsp, 8\nret\nf: mov rax, 5\nret",
    "emms after MMX": "movd mm0, edi\nemms\nret",
    "a result on the x87 stack": "fld1\nret",
    "called twice": "push rbx\ncall f\nmov rbx, rax\ncall f\nadd rax, rbx\npop rbx\nret\nf: mov eax, 4\nret",
    "enter and leave": "enter 16, 0\nmov [rbp - 8], rdi\nmov rax, [rbp - 8]\nleave\nret",
    "all ones by comparing with itself": "pcmpeqd xmm1, xmm1\nmovd eax, xmm1\nret",
    "a scalar into a part of a register": "mov eax, 3\ncvtsi2sd xmm0, eax\nsqrtsd xmm1, xmm0\nret",
    "vector registers stored, as a variadic function does": "sub rsp, 24\nmovaps [rsp], xmm0\nadd rsp, 24\nret",
    "flags from a comparison": "cmp rdi, rsi\nsetb al\nmovzx eax, al\nret",
    "rbx exchanged and back": "mov eax, 1\nxchg rax, rbx\nxchg rax, rbx\nret",
    "status flags of MXCSR": "mov eax, 3\ncvtsi2sd xmm0, eax\nmov eax, 1\ncvtsi2sd xmm1, eax\ndivsd xmm1, xmm0\nret",
}


@pytest.mark.parametrize("source", BREACHES)
def test_a_breach_is_said_with_its_line(source: str) -> None:
    outcome = em.run(source)
    assert isinstance(outcome, em.Returned)
    assert BREACHES[source] in [(warning.code, warning.line) for warning in outcome.warnings]


@pytest.mark.parametrize("name", CLEAN)
def test_what_is_right_is_not_complained_about(name: str) -> None:
    outcome = em.run(CLEAN[name], registers={"rdi": 1, "rsi": 2})
    assert isinstance(outcome, em.Returned)
    assert outcome.warnings == ()


def test_upper_halves_left_in_use_are_named() -> None:
    if "avx" not in cpu_features():
        pytest.skip("this processor has no AVX")
    dirty = "vpcmpeqb ymm1, ymm1, ymm1\nret" if "avx2" in cpu_features() else "vcmptrueps ymm1, ymm1, ymm1\nret"
    assert "upper-halves" in [warning.code for warning in em.run(dirty).warnings]
    assert em.run(dirty.replace("ret", "vzeroupper\nret")).warnings == ()


def test_a_call_from_a_misaligned_stack_is_seen_in_a_trace() -> None:
    outcome = em.run("nop\ncall f\nret\nf: ret", trace=True)
    assert [(warning.code, warning.line) for warning in outcome.warnings] == [("stack-alignment", 2)]
    assert em.run("sub rsp, 8\ncall f\nadd rsp, 8\nret\nf: ret", trace=True).warnings == ()


def test_a_warning_stands_in_the_report() -> None:
    assert "warning: line 1: rbx is the caller's" in em.run("mov ebx, 77\nret").report()


def test_poisoned_registers_differ_from_program_to_program_and_from_seed_to_seed_but_in_no_run() -> None:
    source, other = "lea rax, [rdi+rdx]\nret", "lea rax, [rdi+rdx+0]\nnop\nret"
    assert len({em.run(source, poison=True).registers["rax"] for _ in range(3)}) == 1
    assert em.run(source, poison=True).registers["rax"] != em.run(other, poison=True).registers["rax"]
    assert len({em.run(source, poison=True, seed=5).registers["rax"] for _ in range(3)}) == 1
    assert em.run(source, poison=True, seed=5).registers["rax"] != em.run(source, poison=True, seed=6).registers["rax"]
    outcome = em.run(source, registers={"rdi": 40, "rdx": 2}, poison=True)
    assert outcome.registers["rax"] == 42
    assert outcome.warnings == ()
    assert outcome.before["rsp"] % 16 == 8


def test_poison_reaches_vector_registers_and_flags() -> None:
    source = "movq rax, xmm5\npushfq\npop rcx\nret"
    first, again, other = (em.run(source, poison=True, seed=seed) for seed in (1, 1, 2))
    assert first.registers["rax"] == again.registers["rax"] != other.registers["rax"]
    assert first.registers["rax"] == first.before["xmm5"] & (2**64 - 1) != 0
    flags = {em.run(source, poison=True, seed=seed).registers["rcx"] & 0x8D5 for seed in range(8)}
    assert len(flags) > 1
    assert all(warning.code == "unset-register" for warning in first.warnings)
    given = em.run("movq rax, xmm5\nret", registers={"xmm5": 7}, poison=True)
    assert given.registers["rax"] == 7
    assert given.warnings == ()
