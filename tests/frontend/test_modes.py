"""Both editors' modes: the same classes, made of the one table, by the rules that the assembler has."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from execmem_kernel.assembly.syntax.dialect_detection import dialect_of
from execmem_kernel.assembly.syntax.dialects import GNU, MASM, NASM
from labextension.tools import build
from labextension.tools.patterns import EDGE, alternatives
from tests.assembly.test_course_programs import CASES, PROGRAMS, course, name_of
from tests.frontend.node import node

LANGUAGE = json.loads(build.LANGUAGE.read_text(encoding="utf-8"))


def cell(text: str, syntax: str = "intel") -> str:
    return f"%%asm{' --syntax att' if syntax == 'att' else ''}\n{text}"


@pytest.fixture(scope="module")
def corpus() -> dict[str, str]:
    """Every program of the collection, every wrong line, and every short input, each as a cell."""
    cells = {name_of(path): cell(course(path).source, course(path).syntax) for path in CASES}
    for number, line in enumerate((PROGRAMS / "wrong.txt").read_text(encoding="utf-8").splitlines()):
        cells[f"wrong {number}"] = cell(line.split("\t")[0])
    inputs = (build.ROOT / "tests" / "data" / "assembler_inputs.jsonl").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(inputs):
        cells[f"input {number}"] = cell(json.loads(line)["source"])
    return cells


KINDS = {
    "%%asm\nret": "undeclared", "  %%asm --trace\nret": "undeclared", "\n# NBVAL_SKIP\n\n%%asm\nret": "undeclared",
    "%%asmx\nret": None, "x = 1\n%%asm\nret": None, "# %%asm\nx": None, "": None, "  # x\n%%asm": None,
    "%%asm": "undeclared",
}  # fmt: skip
"""Texts of cells, and by whose rules they are assembly."""

PYTHON = ("x = 1  # %%asm\nmov = and_", "x = 1\n%%asm\nmov eax, 1", '"""\n%%asm\n"""\nmov = 1', "# x\nmov = 1")


@pytest.fixture(scope="module")
def found(corpus: dict[str, str]) -> dict[str, Any]:
    """What both modes say about all texts of this file; node takes a second to start."""
    lines = [cell(f"{above}\n{marked(line)[0]}") for above, line in LINES]
    return dict(
        node("modes.mjs", {"compare": corpus, "classify": [*lines, *PYTHON], "kinds": [*KINDS, *corpus.values()]})
    )


def test_both_modes_find_the_same_classes(found: dict[str, Any]) -> None:
    assert found["differences"] == []
    assert found["lines"] > 10_000
    seen = found["counts"]
    classes = "comment string number label mnemonic directive register size argument magic option"
    assert set(seen) == set(classes.split())
    assert min(seen.values()) > 20


LINES: list[tuple[str, str]] = [
    # The line above, and a line: what is marked in it has the class that is named; plain: none.
    ("", "mov eax, 1 <<comment:; mov ebx, 2>>"),
    ("", "mov eax, 1 <<comment:# and if>>"),
    ("", "mov eax, 1 <<comment:// next>>"),
    ("", "mov eax, <<comment:/* ; */>> <<number:1>>"),
    ("", "<<comment:/* over>>"),
    (".intel_syntax noprefix", "nop; <<mnemonic:ret>>"),
    (".intel_syntax noprefix", "nop <<comment:; so much for that>>"),
    (".intel_syntax noprefix", "rep; <<mnemonic:ret>>"),
    (".att_syntax", "<<mnemonic:movl>> $<<number:5>>, %<<register:eax>> <<comment:# five>>"),
    ("", "<<plain:movl>> eax, 5"),
    ("section .text", "mov eax, six <<comment:; six>>"),
    ("section .text", "mov eax, <<number:12>> <<plain://>> <<number:6>>"),
    ("section .text", "mov eax, ebx <<comment:// six>>"),
    ("", "<<label:again>>: <<label:.inner>>: <<mnemonic:jmp>> again"),
    ("", "<<label:1>>: jmp <<label:1b>>"),
    ("section .data", "<<label:is>> <<directive:dq>> <<number:0ffh>>, <<number:0b10>>, <<number:10b>>"),
    ("section .data", "x: <<directive:dq>> <<number:0o17>>, <<number:17q>>, <<number:0d9>>, <<number:9d>>"),
    ("section .data", "x: <<directive:dd>> <<number:1.5e3>>, <<number:$0ff>>, <<number:1_000>>, <<plain:12ab>>"),
    ("section .data", '<<directive:db>> <<string:"a;b\\">>, <<string:\'#\'>>, <<string:`\\n`>>'),
    ("", '<<directive:.ascii>> <<string:"a\\";b">>, <<string:\'c\'>>'),
    ("", "<<directive:times>> 8 <<directive:db>> 0"),
    ("", "<<mnemonic:lock>> <<mnemonic:add>> <<size:qword>> <<size:ptr>> [rdi], <<register:r10d>>"),
    ("", "<<mnemonic:vaddps>> <<register:zmm0>>{<<register:k1>>}<<size:{z}>>, zmm1, zmm2"),
    ("", "<<mnemonic:fadd>> <<register:st>>, <<register:st(3)>>"),
    ("", "<<mnemonic:MOV>> <<register:RAX>>, <<number:0X1F>>"),
    ("", "<<mnemonic:jmp>> <<plain:loop>>"),
    ("", "<<plain:mvo>> eax, <<plain:and>>"),
    ("%macro twice 1", "<<mnemonic:add>> <<argument:%1>>, <<argument:%1>>"),
    ("%macro m 0", "<<label:%%here>>: <<directive:%rep>> 2"),
    (".macro m reg", "<<mnemonic:inc>> <<argument:\\reg>>"),
    ("", "<<label:main>> <<directive:proc>>"),
    ("", "<<label:N>> = <<number:5>>"),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["codemirror", "textmate"])
def test_words_have_the_class_that_they_have_for_the_assembler(mode: str, found: dict[str, Any]) -> None:
    for (_, line), tokens in zip(LINES, found[mode], strict=False):
        text, wanted = marked(line)
        pieces = {(start, end): name for start, end, name in tokens}
        for start, end, name in wanted:
            if name == "plain":
                assert not any(first < end and start < last for first, last, _ in tokens), (
                    text,
                    text[start:end],
                    tokens,
                )
            else:
                assert pieces.get((start, end)) == name, (text, text[start:end], tokens)


def marked(line: str) -> tuple[str, list[tuple[int, int, str]]]:
    """The text of a line of `LINES`, and the pieces that are marked in it."""
    text, wanted = "", []
    for piece in re.split(r"(<<\w+:.*?>>)", line):
        found = re.fullmatch(r"<<(\w+):(.*)>>", piece)
        if found is not None:
            wanted.append((len(text), len(text) + len(found[2]), found[1]))
        text += piece if found is None else found[2]
    return text, wanted


def test_a_cell_is_assembly_where_ipython_takes_it_for_that(found: dict[str, Any], corpus: dict[str, str]) -> None:
    dialects = [None if kind is None else kind["dialect"] for kind in found["kinds"]]
    assert dict(zip(KINDS, dialects, strict=False)) == KINDS
    names = {GNU: "gnu", NASM: "nasm", MASM: "masm"}
    for source, dialect in zip(corpus.values(), dialects[len(KINDS) :], strict=True):
        assert dialect == names.get(dialect_of(source.partition("\n")[2]), "undeclared"), source


def test_a_python_cell_that_mentions_the_magic_stays_python(found: dict[str, Any]) -> None:
    for mode in ("codemirror", "textmate"):
        assert found[mode][len(LINES) :] == [[]] * len(PYTHON)


def test_words_are_found_whole_and_nothing_else_is() -> None:
    for words in (LANGUAGE["mnemonics"], LANGUAGE["att_mnemonics"], LANGUAGE["register_aliases"], ["a", "ab", "abc"]):
        pattern = re.compile(alternatives(words) + EDGE)
        assert all(pattern.fullmatch(word) for word in words)
        assert not any(pattern.fullmatch(f"{word}x") for word in words if f"{word}x" not in words)
