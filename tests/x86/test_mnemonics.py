"""Mnemonics: what is an instruction, under which names, and what a misspelt one is near to."""

# ruff: noqa: E501 (cases are read by row)

from __future__ import annotations

import pytest

from execmem_kernel.x86 import mnemonics
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
