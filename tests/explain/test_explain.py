"""One plain sentence for any instruction."""

# ruff: noqa: E501 (cases are read by row)

from __future__ import annotations

import re

import pytest

from execmem_kernel.assembly.encoding.encoder import default_encoder
from execmem_kernel.errors import AssemblyError
from execmem_kernel.explain.explain import explain
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.operands import Encoding
from tests.assembly.encoder_fuzzer import cases


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lea rax,[rdi+rsi*4]", "Puts the address rdi + rsi*4 into rax, without reading memory or changing flags."),
        ("mov eax, 5", "Copies 5 into eax, which clears the upper half of rax."),
        ("mov rax, [rbx+8]", "Copies the 8 bytes at rbx + 8 into rax."),
        ("add rax, rbx", "Adds rbx to rax, and sets the flags by the result."),
        ("push rax", "Lowers rsp by 8 and stores rax there, on top of the stack."),
        ("cmp eax, 10", "Compares eax with 10: sets the flags as eax minus 10 would, and changes neither."),
        (
            "shl rax",
            "Shifts rax left by 1, filling with zeros (the last bit shifted out goes to cf), and sets the flags by the result (af undefined).",
        ),
        ("not rax", "Flips every bit of rax, leaving the flags alone."),
        ("ret", "Returns: takes the address on top of the stack and goes on there."),
        ("sete al", "Makes al 1 if the two were equal, or the result was zero (zf is 1), and 0 otherwise."),
        ("nop", "Does nothing, and takes one byte."),
        ("cqo", "Fills rdx with the sign of rax, to make ready for idiv."),
        (
            "movsd xmm0, xmm1",
            "Copies the lowest 64-bit floating-point number of xmm1 into xmm0, leaving the rest of xmm0 as it is.",
        ),
        ("call rax", "Pushes the address of the next instruction and jumps to the address held in rax."),
        ("mov al, bl", "Copies bl into al, leaving the rest of rax as it is."),
        ("add eax, ecx", "Adds ecx to eax, clears the upper half of rax, and sets the flags by the result."),
        ("inc rcx", "Adds 1 to rcx, and sets the flags by the result, all but cf."),
        ("pop rbx", "Takes the top of the stack into rbx and raises rsp by 8."),
        ("or al, 8", "Makes bit 3 of al 1, and sets the flags by the result (af undefined)."),
        ("mov qword ptr [rdi], -1", "Copies -1 into the 8 bytes at rdi."),
    ],
)
def test_what_beginners_meet_is_said_plainly(text: str, sentence: str) -> None:
    assert explain(text) == sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # What is not named in the operands.
        ("mul rcx", ("rax by rcx", "unsigned", "rdx:rax", "cf and of become 1 if rdx is needed")),
        ("idiv ecx", ("edx:eax by ecx", "signed", "remainder to edx", "divide error", "flags are undefined")),
        ("cmpxchg [rdi], cx", ("compares ax", "cx goes there", "ax gets what is there")),
        ("rep movsd", ("4 bytes", "rsi", "rdi", "df", "rcx times")),
        ("xchg [rdi], rax", ("no other processor",)),
        ("cmove eax, ebx", ("if", "zf is 1", "either way the upper half of rax is cleared")),
        ("shr eax, cl", ("filling with zeros", "unless cl modulo 32 is 0")),
        ("bt [rdi], rcx", ("the bits that begin with",)),
        ("lodsb al, gs:[rsi]", ("where gs:rsi points",)),
        # What becomes of the rest of a vector register.
        ("movss xmm1, [rdi]", ("makes the rest of it zero",)),
        ("movss xmm1, xmm2", ("leaving the rest of xmm1 as it is",)),
        ("addps xmm1, xmm2", ("each to each",)),
        ("vaddps xmm1, xmm2, xmm3", ("clears all of the register above these 16 bytes",)),
        ("vaddsd xmm1, xmm2, xmm3", ("the rest of its low 16 bytes from xmm2",)),
        ("vaddps zmm1{k2}{z}, zmm2, zmm3", ("where k2 has a 1", "makes the others zero")),
        ("vaddps zmm1, zmm2, dword ptr [rdi]{1to16}", ("repeated for every element",)),
        ("vaddps zmm1, zmm2, zmm3, {rz-sae}", ("rounding towards zero",)),
        ("vfmadd231sd xmm1, xmm2, xmm3", ("adds xmm1 to the product of xmm2 and xmm3", "rounded once")),
        ("vfnmsub132ps ymm1, ymm2, ymm3", ("subtracts ymm2 from the negative products of ymm1 and ymm3",)),
        ("cmpnltsd xmm1, xmm2", ("is not less than",)),
        ("vpcmpleuw k1, zmm2, zmm3", ("unsigned 16-bit number", "is at most", "each bit of k1")),
        ("pandn xmm1, xmm2", ("the bits of xmm2 that are 0 in xmm1",)),
        ("vpermt2d zmm1, zmm2, zmm3", ("out of zmm1 and zmm3", "zmm2 say")),
        ("vpgatherdd zmm1{k1}, [rdi+zmm2*4]", ("rdi + zmm2*4", "the mask is cleared")),
        ("pmovsxbd xmm1, xmm2", ("bytes", "32-bit numbers", "signs")),
        ("cvttsd2si eax, xmm1", ("towards zero", "clears the upper half of rax")),
        ("kortestw k1, k2", ("zf if there are none", "cf if all are")),
        ("ptest xmm1, xmm2", ("no 1 in common",)),
        ("fsubrp st(1), st(0)", ("subtracts st(1) from st(0), into st(1)", "pops")),
        ("fild dword ptr [rdi]", ("pushes the integer in the 4 bytes at rdi",)),
        ("wrmsr", ("edx:eax", "ecx", "only the operating system")),
    ],
)
def test_what_goes_without_saying_is_said(text: str, words: tuple[str, ...]) -> None:
    sentence = explain(text)
    for word in words:
        assert word in sentence.lower(), sentence


def test_everyday_instructions_never_get_only_a_list_of_registers() -> None:
    """The list of what is read and written is the last resort, for what few will ever meet."""
    bare = set()
    for answer in default_encoder().encode([case.operation for case in cases(5000, seed=4)]):
        if isinstance(answer, Encoding):
            (one,) = disassemble(answer.code)[-1:]
            rare = {
                "knc",
                "xop",
                "fma4",
                "d3now",
                "lwp",
                "tbm",
                "mpx",
                "svm",
                "vmx",
                "sgx1",
                "aeskle",
                "avx512pf",
                "cmpccxadd",
            }
            if " reads " in explain(one) and not rare & set(one.features):
                bare.add(one.mnemonic)
    assert len(bare) < 80, sorted(bare)


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


@pytest.mark.parametrize(
    ("text", "says", "never"),
    [
        ("shl eax, 33", "left by 1 (33 modulo 32)", "undefined, unless"),
        ("shl rax, 65", "left by 1 (65 modulo 64)", "32"),
        ("shl eax, 32", "Leaves eax and the flags as they are: the count is 0 (32 modulo 32)", "filling"),
        ("shl eax, cl", "unless cl modulo 32 is 0", "unless cl is 0"),
        ("sar rax, cl", "unless cl modulo 64 is 0", "unless cl is 0"),
        ("shl byte ptr [rbx], 9", "left by 9", "modulo"),
        ("shld rax, rbx, 66", "left by 2 (66 modulo 64)", "by 66"),
    ],
)
def test_a_count_is_taken_as_the_processor_takes_it(text: str, says: str, never: str) -> None:
    assert says in explain(text)
    assert never not in explain(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jg next", "Jumps to next"),
        ("call printf", "printf"),
        ("loop l", "jumps to l unless"),
        ("mov rax, [msg]", "msg"),
        ("lea rdi, [rel msg]", "msg"),
        ("jg", "`jg there` for example"),
        ("add", "`add rax, rbx` for example"),
        ("cdq", "edx"),
        ("vaddps", "`vaddps "),
    ],
)
def test_names_stand_for_labels_and_a_mnemonic_is_enough(text: str, says: str) -> None:
    assert says in explain(text)
