"""One plain sentence for any instruction."""

from __future__ import annotations

import re

import pytest

from execmem_kernel.assembly.disassembler import disassemble
from execmem_kernel.assembly.encoder import default_encoder
from execmem_kernel.assembly.explain import explain
from execmem_kernel.assembly.operands import Encoding
from execmem_kernel.errors import AssemblyError
from tests.assembly.encoder_fuzzer import cases


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lea rax,[rdi+rsi*4]", "Puts the address rdi + rsi*4 into rax, without reading memory or changing flags."),
        ("mov eax, 5", "Copies 5 into eax, which clears the upper half of rax."),
        ("mov rax, [rbx+8]", "Copies the 8 bytes at rbx + 8 into rax."),
        ("add rax, rbx", "Adds rbx to rax, and sets the flags by the result."),
        ("push rax", "Lowers rsp by the operand's size and stores rax there, on top of the stack."),
        ("cmp eax, 10", "Compares eax with 10: sets the flags as eax minus 10 would, and changes neither."),
        ("shl rax", "Shifts rax left by 1, filling with zeros, and sets the flags by the result (af undefined)."),
        ("not rax", "Flips every bit of rax, leaving the flags alone."),
        ("ret", "Returns: takes the address on top of the stack and goes on there."),
        ("sete al", "Makes al 1 if the two were equal, or the result was zero (zf is 1), and 0 otherwise."),
        ("nop", "Does nothing, and takes one byte."),
        ("cqo", "Fills rdx with the sign of rax, to make ready for idiv."),
        ("movsd xmm0, xmm1", "Copies one 64-bit floating-point number from xmm1 to xmm0."),
        ("call rax", "Pushes the address of the next instruction and jumps to the address held in rax."),
    ],
)
def test_what_beginners_meet_is_said_plainly(text: str, sentence: str) -> None:
    assert explain(text) == sentence


def test_a_string_copy_is_not_the_number_copy_of_the_same_name() -> None:
    assert "from where rsi points to where rdi points" in explain("movsd")
    assert explain("rep movsb").endswith("rcx times.")


def test_a_jump_names_its_label_and_no_address() -> None:
    text = explain("top: jl top")
    assert "jumps to top" in text.lower()
    assert "0x" not in text


def test_a_text_that_is_no_instruction_is_an_assembly_error() -> None:
    with pytest.raises(AssemblyError, match="mvo"):
        explain("mvo rax, 1")


def test_bytes_that_are_no_instruction_are_said_to_be_none() -> None:
    assert explain(disassemble(b"\x06")[0]) == "The byte 0x06 is no instruction that the processor knows."


def test_every_instruction_there_is_has_one_sentence() -> None:
    seen = set()
    operations = [case.operation for case in cases(6000, seed=3)]
    for answer in default_encoder().encode(operations):
        if not isinstance(answer, Encoding):
            continue
        for instruction in disassemble(answer.code):
            if instruction.mnemonic in seen:
                continue
            seen.add(instruction.mnemonic)
            text = explain(instruction)
            assert re.fullmatch(r"[A-Z`][^\n]*\.", text), text
            assert "{" not in text, text
            assert len(text.split()) > 2, text
    assert len(seen) > 1500
