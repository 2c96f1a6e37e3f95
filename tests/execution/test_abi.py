"""The calling convention: what a function breaks is said, with the line that broke it, and nothing else is."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.assembly.disassembler import cpu_features

BREACHES = {
    "mov ebx, 77\nret": ("callee-saved", 1),
    "nop\nmov rbp, 5\nret": ("callee-saved", 2),
    "nop\nnop\nxor r12d, 1\nret": ("callee-saved", 3),
    "pop rcx\nadd rsp, 8\njmp rcx": ("stack-pointer", 2),
    "ret 8": ("stack-pointer", 1),
    "std\nret": ("direction-flag", 1),
    "nop\nadd rax, rdx\nret": ("unset-register", 2),
    "fld1\nfld1\nfld1\nret": ("x87-stack", None),
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


def test_poisoned_registers_differ_from_run_to_run_and_not_for_a_seed() -> None:
    source = "lea rax, [rdi+rdx]\nret"
    assert len({em.run(source, poison=True).registers["rax"] for _ in range(3)}) == 3
    assert len({em.run(source, poison=True, seed=5).registers["rax"] for _ in range(3)}) == 1
    outcome = em.run(source, registers={"rdi": 40, "rdx": 2}, poison=True)
    assert outcome.registers["rax"] == 42
    assert outcome.warnings == ()
    assert outcome.before["rsp"] % 16 == 8
