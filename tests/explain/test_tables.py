"""The tables of sentences: a row for each of the instructions that they name, and every row fills in."""

from __future__ import annotations

import pytest

from execmem_kernel.explain.conditions import CONDITIONS
from execmem_kernel.explain.explain import explain
from execmem_kernel.explain.templates import TEMPLATES
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.mnemonics import is_mnemonic


def test_every_template_belongs_to_an_instruction_that_exists() -> None:
    assert [name for name in TEMPLATES if not is_mnemonic(name)] == []


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_is_told_by_jump_set_and_move(condition: str) -> None:
    meaning, flags = CONDITIONS[condition]
    for source in (f"x: j{condition} x", f"set{condition} al", f"cmov{condition} rax, rbx"):
        text = explain(source)
        assert f"if {meaning} ({flags})" in text, text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("xor eax, eax", "Makes eax zero, the short way"),
        ("and rax, rax", "Changes nothing in rax"),
        ("sbb rax, rax", "all ones if the carry flag is 1"),
        ("test rax, rax", "is zero or negative"),
        ("test al, 4", "bit 2 of al is 1"),
        ("xor eax, 0x30", "that is 1 in 0x30"),
        ("pop rsp", "whose old value is gone"),
        ("enter 8, 1", "nested 1 deep"),
        ("ret 8", "drops 8 more bytes"),
        ("imul rax, rbx, 3", "low half of the signed product of rbx and 3"),
        ("mov ds, eax", "the low 16 bits of eax"),
        ("xchg ax, ax", "Does nothing"),
        ("faddp st(1), st(0)", "and pops st(0)"),
        ("fcmovnbe st(0), st(1)", "if cf and zf are 0"),
        ("fstp st(0)", "Pops st(0) off"),
        ("repne scasb", "until they are equal"),
        ("repe cmpsb", "as long as they are equal"),
        ("rep stosq", "rcx times"),
        ("vpxor xmm0, xmm1, xmm1", "Makes xmm0 zero"),
    ],
)
def test_a_family_says_what_its_operands_do_not(source: str, words: str) -> None:
    assert words in explain(source)


def test_a_far_jump_names_the_code_segment() -> None:
    (instruction,) = disassemble(bytes.fromhex("ff28"))
    assert "the address and the code segment held in" in explain(instruction)
