"""Names and forms: what is an instruction, what is a register, and what each mnemonic takes."""

# ruff: noqa: E501 (cases are read by row)

from __future__ import annotations

import pytest

from execmem_kernel.x86 import canonical_form, forms, mnemonics, registers, selection
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Register
from tests.assembly.encoder_fuzzer import gnu_assemble


@pytest.mark.parametrize(
    "name",
    ["mov", "lea", "ret", "retq", "cltq", "movabs", "sal", "setz", "cmovnz", "jz", "jna", "addq", "movl", "cmpeqps", "vcmpneq_oqps", "vpcmpequb", "pclmullqlqdq", "lodsq", "stosb", "movsd", "xlat", "loopz", "endbr64", "vpternlogd", "tdpbf16ps", "vaddph", "sha256rnds2", "clwb", "rdfsbase", "into", "pusha"],
)  # fmt: skip
def test_a_mnemonic_is_known_under_every_spelling(name: str) -> None:
    assert mnemonics.is_mnemonic(name)
    assert mnemonics.is_mnemonic(name.upper())


@pytest.mark.parametrize(
    "name", ["mvo", "foo", "", "rax", "section", "db", "label1", "j", "set", "cmov", "repne", "addx"]
)
def test_what_is_no_mnemonic(name: str) -> None:
    assert not mnemonics.is_mnemonic(name)


def test_the_list_of_mnemonics_is_what_is_known() -> None:
    names = mnemonics.known_mnemonics()
    assert len(names) > 2000
    assert all(mnemonics.is_mnemonic(name) for name in names)
    assert {"jz", "setnbe", "cmovc", "cmpltps", "retq"} <= names


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("mvo", "mov"),
        ("pus", "push"),
        ("jmpp", "jmp"),
        ("movv", "mov"),
        ("cmpp", "cmp"),
        ("addd", "add"),
        ("syscal", "syscall"),
        ("vadps", "vaddps"),
    ],
)
def test_a_misspelt_mnemonic_finds_its_neighbours(typo: str, meant: str) -> None:
    assert meant in mnemonics.nearest_mnemonics(typo)


def test_what_looks_like_nothing_has_no_neighbours() -> None:
    assert mnemonics.nearest_mnemonics("qqqqqqqq") == ()


@pytest.mark.parametrize(
    ("name", "canonical", "size"),
    [("RAX", "rax", 8), ("st", "st(0)", 10), ("ST3", "st(3)", 10), ("r8l", "r8b", 1), ("r15d", "r15d", 4), ("ah", "ah", 1), ("zmm31", "zmm31", 64),
     ("k7", "k7", 8), ("fs", "fs", 2), ("tmm0", "tmm0", 1024), ("eip", "eip", 4), ("db7", "dr7", 8)],
)  # fmt: skip
def test_a_register_has_one_name_and_a_size(name: str, canonical: str, size: int) -> None:
    assert registers.canonical_register(name) == canonical
    assert registers.register_size(name) == size


@pytest.mark.parametrize("name", ["rax1", "xmm32", "r16", "k8", "st(8)", "ax2", "", "ip", "mm8", "foo"])
def test_what_is_no_register(name: str) -> None:
    assert registers.canonical_register(name) is None
    with pytest.raises(KeyError):
        registers.register_size(name)


def test_parts_of_a_register_know_the_whole() -> None:
    for names, whole in (
        (("al", "ah", "ax", "eax", "rax"), "rax"),
        (("r9b", "r9w", "r9d"), "r9"),
        (("sil", "si", "esi"), "rsi"),
        (("xmm3", "ymm3"), "zmm3"),
        (("spl", "sp", "esp"), "rsp"),
    ):
        assert {registers.full_register(name) for name in names} == {whole}
    assert registers.full_register("k1") == "k1"
    assert registers.full_register("st(0)") == "st(0)"


def test_every_alias_means_what_gnu_as_means_by_it() -> None:
    """Each condition under its other names, against the bytes of GNU as."""
    conditions = ("z", "nz", "c", "nae", "nc", "nb", "na", "nbe", "pe", "po", "nge", "nl", "ng", "nle")
    texts, canonical = [], []
    for condition in conditions:
        for text in (f"set{condition} al", f"cmov{condition} eax, ebx"):
            texts.append(text)
            mnemonic, operands = text.split(" ", 1)
            name = mnemonics.resolve(mnemonic)
            assert name is not None
            canonical.append(f"{name.mnemonic} {operands}")
    assert gnu_assemble(texts) == gnu_assemble(canonical)


def test_a_size_letter_is_kept_with_the_name() -> None:
    assert mnemonics.resolve("addq") == mnemonics.ResolvedMnemonic("add", size=8)
    assert mnemonics.resolve("movb") == mnemonics.ResolvedMnemonic("mov", size=1)
    assert mnemonics.resolve("cmpltsd") == mnemonics.ResolvedMnemonic("cmpsd", predicate=1)


def test_forms_are_readable() -> None:
    texts = {form.text for form in forms.known_forms()["add"]}
    assert {"add r/m64, r64", "add r64, r/m64", "add r/m64, imm8", "add al, imm8"} <= texts


def test_the_forms_of_an_operation_come_best_first() -> None:
    found = selection.select(Operation("add", (Register("rax"), Register("rbx"))))
    assert [form.text for form in found] == ["add r/m64, r64", "add r64, r/m64"]
    assert selection.select(Operation("add", (Register("rax"), Register("ebx")))) == ()


def test_spellings_become_one_operation() -> None:
    rax, five = Register("rax"), Immediate(5)
    assert canonical_form.canonical(Operation("imul", (rax, five))) == Operation("imul", (rax, rax, five))
    assert canonical_form.canonical(Operation("shl", (rax,))) == Operation("shl", (rax, Immediate(1)))
    assert canonical_form.canonical(Operation("cmpeqps", (Register("xmm0"), Register("xmm1")))) == Operation(
        "cmpps", (Register("xmm0"), Register("xmm1"), Immediate(0))
    )
    assert canonical_form.canonical(Operation("incq", (Memory(rax),))) == Operation("inc", (Memory(rax, size=8),))
    assert canonical_form.canonical(Operation("nonsense")) is None
