"""Bytes read back: text, effects, labels, and what this processor has."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.encoding.encoder import default_encoder
from execmem_kernel.assembly.encoding.read_back import read_back
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.features import cpu_features
from execmem_kernel.x86.operands import Encoding, Immediate, Memory, Register
from tests.assembly.encoder_fuzzer import cases


def first(code: str, address: int = 0) -> Instruction:
    return disassemble(bytes.fromhex(code), address)[0]


def test_every_byte_is_in_exactly_one_instruction() -> None:
    source = random.Random(7)
    for _ in range(300):
        code = source.randbytes(source.randrange(1, 40))
        found = disassemble(code, 0x1000)
        assert b"".join(one.code for one in found) == code
        assert [one.address for one in found] == [0x1000 + sum(o.size for o in found[:n]) for n in range(len(found))]


def test_bytes_that_are_no_instruction_are_shown_as_bytes() -> None:
    found = disassemble(bytes.fromhex("06c3"))
    assert [one.text for one in found] == [".byte 0x06", "ret"]
    assert [one.is_instruction for one in found] == [False, True]
    assert disassemble(b"") == ()


def test_objdump_cuts_the_same_bytes_into_the_same_instructions(tmp_path: Path) -> None:
    """The lengths of everything our encoder makes agree with binutils, which shares no code with either library."""
    answers = default_encoder().encode([case.operation for case in cases(1500, seed=11)])
    pieces = [answer.code for answer in answers if isinstance(answer, Encoding) and answer.code[:1] != b"\x9b"]
    # Nops behind each: after bytes that binutils 2.40 does not know, it is in step again before the next.
    (tmp_path / "code").write_bytes(b"".join(piece + b"\x90" * 16 for piece in pieces))
    listing = subprocess.run(
        ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--insn-width=16", str(tmp_path / "code")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    rows = re.finditer(r"^ *([0-9a-f]+):\t[0-9a-f ]+\t(.*)$", listing, re.MULTILINE)
    texts = {int(found[1], 16): found[2] for found in rows}
    starts = sorted(texts)
    after = dict(itertools.pairwise(starts))
    here, unknown = 0, 0
    for piece in pieces:
        if "(bad)" in texts[here]:
            unknown += 1
        else:
            assert after[here] == here + len(piece), f"{piece.hex()}: {texts[here]}"
        here += len(piece) + 16
    assert unknown < 0.05 * len(pieces)


def test_labels_are_put_back() -> None:
    code = bytes.fromhex("488b05f90f0000e8f4ffffffebfe")
    labels = {"table": 0x2000, "start": 0x1000, "here": 0x100C}
    assert [one.text for one in disassemble(code, 0x1000, labels)] == [
        "mov rax, qword ptr [rip + table]", "call start", "jmp here",
    ]  # fmt: skip
    assert [one.text for one in disassemble(code, 0x1000, labels, syntax="att")] == [
        "movq table(%rip), %rax",
        "callq start",
        "jmp here",
    ]


def test_an_address_that_is_only_computed_has_its_label_too() -> None:
    (one,) = disassemble(bytes.fromhex("488d35f90f0000"), 0x1000, {"text": 0x2000})
    assert one.text == "lea rsi, [rip + text]"
    assert one.relative == 0x2000
    assert one.memory == ()


def test_the_first_of_two_names_for_an_address_is_shown() -> None:
    assert disassemble(bytes.fromhex("ebfe"), 0x10, {"one": 0x10, "two": 0x10})[0].text == "jmp one"


def test_att_text_has_its_operands_reversed() -> None:
    (one,) = disassemble(bytes.fromhex("488d04b7"), syntax="att")
    assert one.text == "leaq (%rdi,%rsi,4), %rax"
    assert one.operands == ("(%rdi,%rsi,4)", "%rax")


@pytest.mark.parametrize(
    ("code", "read", "written"),
    [
        ("4801d8", {"rax", "rbx"}, {"rax"}),
        ("01d8", {"eax", "ebx"}, {"rax"}),  # the upper half is cleared
        ("31c0", set(), {"rax"}),  # xor of a register with itself reads nothing
        ("88c3", {"al"}, {"bl"}),
        ("48f7f3", {"rax", "rdx", "rbx"}, {"rax", "rdx"}),
        ("f3a4", {"rcx", "rdi", "rsi"}, {"rcx", "rdi", "rsi"}),
        ("50", {"rax", "rsp"}, {"rsp"}),
        ("488d04b7", {"rdi", "rsi"}, {"rax"}),
        ("480f45c3", {"rax", "rbx"}, {"rax"}),  # cmovne: rax may stay what it was
        ("0fa2", {"eax", "ecx"}, {"rax", "rbx", "rcx", "rdx"}),
    ],
)
def test_registers_read_and_written(code: str, read: set[str], written: set[str]) -> None:
    one = first(code)
    assert set(one.registers_read) == read
    assert set(one.registers_written) == written


def test_memory_read_and_written() -> None:
    assert first("48894c2408").memory == (MemoryAccess("write", "rsp", None, 1, 8, 8),)
    assert first("8b04b7").memory == (MemoryAccess("read", "rdi", "rsi", 4, 0, 4),)
    assert first("48ff00").memory == (MemoryAccess("read-write", "rax", None, 1, 0, 8),)
    assert first("488d04b7").memory == ()
    assert first("50").memory == (MemoryAccess("write", "rsp", None, 1, -8, 8),)
    assert first("65488b042560000000").memory == (MemoryAccess("read", None, None, 1, 0x60, 8, "gs"),)
    # rip-relative: the address itself
    assert first("488b05f90f0000", 0x1000).memory == (MemoryAccess("read", None, None, 1, 0x2000, 8),)


@pytest.mark.parametrize(
    ("code", "read", "written", "undefined"),
    [
        ("4801d8", "", "of sf zf af cf pf", ""),
        ("48ffc0", "", "of sf zf af pf", ""),
        ("48f7d0", "", "", ""),
        ("480fafc3", "", "of cf", "sf zf af pf"),
        ("7400", "zf", "", ""),
        ("0f9fc0", "of sf zf", "", ""),
        ("4811d8", "cf", "of sf zf af cf pf", ""),
        ("fc", "", "df", ""),
        ("a4", "df", "", ""),
    ],
)
def test_flags(code: str, read: str, written: str, undefined: str) -> None:
    one = first(code)
    assert (set(one.flags_read), set(one.flags_written), set(one.flags_undefined)) == (
        set(read.split()), set(written.split()), set(undefined.split()),
    )  # fmt: skip


def test_groups_and_targets() -> None:
    assert first("7405", 0x10).groups == ("jump", "conditional")
    assert first("7405", 0x10).target == 0x17
    assert "call" in first("e800000000").groups
    assert "return" in first("c3").groups
    assert "indirect" in first("ffe0").groups
    assert first("ffe0").target is None
    assert "privileged" in first("0f30").groups
    assert "string" in first("a4").groups


def test_features_name_what_is_beyond_the_baseline() -> None:
    assert first("4801d8").features == ()
    assert first("660fefc0").features == ()
    assert first("f30f1efa").features == ()  # endbr64 is a nop where it is not known
    assert first("c5fc58c1").features == ("avx",)
    assert first("62f1744858c2").features == ("avx512f",)
    assert first("c4e2625cca").features == ("amx_bf16",)
    assert first("f3480f1ec8").features == ()  # rdsspq leaves its register alone where there is no shadow stack


READ_ALIKE = {
    "nop": "a prefix that does nothing is not shown",
    "xchg": "an exchange of eax with itself has an encoding of its own",
    "fdivr": "the top divided by itself, in either direction",
}


def test_the_text_of_every_instruction_can_be_typed_and_is_the_same_instruction_again() -> None:
    """Over the whole instruction set: the text assembles, and what it assembles to has the same text and effects."""
    answers = default_encoder().encode([case.operation for case in cases(2500, seed=20261127)])
    tried = 0
    for answer in answers:
        if not isinstance(answer, Encoding):
            continue
        (one,) = disassemble(answer.code)[-1:]
        if one.mnemonic in READ_ALIKE or "tmm" in one.text or one.mnemonic.startswith(("bnd", "wait", "fsetpm")):
            continue
        program = assemble(one.text, address=0)
        (again,) = disassemble(program.code)
        assert replace(again, code=one.code, address=one.address, relative=one.relative, memory=one.memory) == one
        tried += 1
    assert tried > 2200


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("f0f3480901", "xrelease lock or qword ptr [rcx], rax"),
        ("f388042578563412", "xrelease mov byte ptr [0x12345678], al"),
        ("488b04e1", "mov rax, qword ptr [rcx]"),
        ("660fa0", "data16 push fs"),
        ("67d7", "xlat byte ptr [ebx]"),
        ("48ff29", "jmp far tbyte ptr [rcx]"),
        ("0fae20", "xsave [rax]"),
        ("dd742404", "fnsave [rsp + 4]"),
        ("f3410f38d800", "aesencwide128kl [r8]"),
        ("c4e251513500000000", "{vex} vpdpbusds xmm6, xmm5, xmmword ptr [rip]"),
        ("6282fd2190743920", "vpgatherdq ymm22 {k1}, qword ptr [r9 + xmm31 + 0x100]"),
        ("c4e2519034e508000000", "vpgatherdd xmm6, dword ptr [xmm4*8 + 8], xmm5"),
        ("62061510abf4", "vfmsub213sh xmm30, xmm29, xmm28, {rn-sae}"),
    ],
)
def test_what_one_decoder_would_leave_out_is_shown(code: str, text: str) -> None:
    assert first(code).text == text
    assert disassemble(assemble(text, address=0).code)[0].text == text


def test_what_capstone_does_not_know_is_still_named() -> None:
    assert first("c4e2625cca").text.startswith("tdpbf16ps tmm1")
    assert first("62f56c4858cb").mnemonic == "vaddph"


def test_this_processor_has_what_linux_says() -> None:
    line = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    flags = set(line.split(":")[1].split())
    for linux, ours in (
        ("avx", "avx"),
        ("avx2", "avx2"),
        ("avx512f", "avx512f"),
        ("sse4_2", "sse4_2"),
        ("sha_ni", "sha"),
        ("abm", "lzcnt"),
        ("pni", "sse3"),
        ("avx512_vnni", "avx512_vnni"),
        ("vaes", "vaes"),
        ("bmi2", "bmi2"),
    ):
        assert (linux in flags) == (ours in cpu_features()), linux


def test_a_text_is_read_back_into_operands() -> None:
    read = read_back("lock xadd dword ptr fs:[rax + rcx*4 - 0x10], ebx")
    assert read is not None
    assert read.prefixes == ("lock",)
    assert read.operands == (
        Memory(Register("rax"), Register("rcx"), 4, -16, 4, Register("fs")), Register("ebx"),
    )  # fmt: skip
    read = read_back("vaddps zmm0 {k1} {z}, zmm1, dword ptr [rax]{1to16}")
    assert read is not None
    assert read.decorations == {"k1", "z"}
    assert read.operands[2] == Memory(Register("rax"), size=4, broadcast=16)
    assert read_back("shl eax, 3") is not None
    assert read_back("shl eax, 3").operands[1] == Immediate(3)  # type: ignore[union-attr]


def test_what_lies_behind_a_label_is_named_by_it_and_its_distance() -> None:
    program = assemble(
        "mov eax, [rip + row + 8]\nmov edx, [rip + row + 0x20]\nret\n.data\nrow: .long 1, 2, 3\n.skip 32"
    )
    texts = ["mov eax, dword ptr [rip + row + 8]", "mov edx, dword ptr [rip + row + 0x20]", "ret"]
    assert [row.text for row in program.listing[:3]] == texts
    read = disassemble(program.code, program.address, program.labels)
    assert [instruction.text for instruction in read] == texts
    assert assemble("\n".join(texts) + "\n.data\nrow: .long 1, 2, 3\n.skip 32").code == program.code


def test_what_lies_before_every_label_or_far_behind_one_keeps_its_number() -> None:
    code = assemble("mov eax, [rip + 0x7000]\nret").code
    assert disassemble(code, 0x1000, {"far": 0x2000})[0].text == "mov eax, dword ptr [rip + 0x7000]"
    assert disassemble(code, 0x1000, {"behind": 0x9000})[0].text == "mov eax, dword ptr [rip + 0x7000]"
