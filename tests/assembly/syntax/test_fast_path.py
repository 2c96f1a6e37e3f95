"""The short way of reading a line comes to the same statement as the long way, or leaves the line to it."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from execmem_kernel.assembly.syntax import fast_path, line_parser
from execmem_kernel.assembly.syntax.dialects import GNU, MIXED, NASM, UNDECLARED, DialectRules
from execmem_kernel.assembly.syntax.directives import DIRECTIVES
from execmem_kernel.assembly.syntax.words import KEYWORDS, PREFIXES, SIZES
from tests.assembly.program_fuzz import WRITERS
from tests.assembly.source_fuzz import damaged

DIALECTS = (UNDECLARED, GNU, NASM, MIXED)
WORDS = [
    *KEYWORDS, *SIZES, *PREFIXES, *DIRECTIVES, "rax", "EAX", "r8l", "xmm1", "st", "st1", "cs", "fs", "rip", "eip", "cr0", "k1", "label", "_x.y",
    "mod", "shl", "eq", "mov", "seg", "dup", "db", "equ", "rsp", "Rbx", "ax",
]  # fmt: skip
NUMBERS = [
    "0",
    "1",
    "-5",
    "- 5",
    "8",
    "0x10",
    "0XF",
    "0x1_0",
    "010",
    "10h",
    "1f",
    "99999999999999999999",
    "0xffffffffffffffffff",
    "1e9",
    "+3",
]
NAMES = [
    "mov",
    "ADD",
    "lea",
    "push",
    "pushw",
    "movq",
    "addl",
    "ret",
    "jmp",
    "call",
    "je",
    "loop",
    "cmpeqps",
    "rep",
    "lock",
    "movs",
    "nop",
    "x",
    "imul",
]


def lines() -> Iterator[str]:
    """Lines that people wrote, lines that were damaged, and words put together."""
    here = Path(__file__).parent.parent
    for row in (here.parent / "data" / "assembler_inputs.jsonl").read_text().splitlines():
        yield from json.loads(row)["source"].split("\n")
    for path in sorted((here / "programs").rglob("*.*")):
        yield from path.read_text(errors="replace").split("\n")
    for writer in WRITERS.values():
        for seed in range(20):
            yield from writer(seed).program().split("\n")
    for seed in range(600):
        yield from damaged(seed).split("\n")
    chance = random.Random(7)

    def part() -> str:
        blank = chance.choice(("", " ", "\t"))
        words = [chance.choice(WORDS), chance.choice(NUMBERS), chance.choice(("rax", "rbx", "rsp", "ecx", "r13"))]
        shapes = (
            "{0}", "{1}", "{2}", "[{2}]", "[{2}+{1}]", "[{2}{b}+{b}{0}*4 - {1}]", "{0} ptr [{2}{b}+{1}]", "{0} [{2} + {2}*2]", "{0}{b}[{2}]",
            "[{2}+{2}*{1}]", "{0} {2}", "[{0}]", "[{1}+{2}]", "{2}[{1}]", "",
        )  # fmt: skip
        return blank + chance.choice(shapes).format(*words, b=blank) + blank

    for _ in range(20_000):
        comment = chance.choice(("", "", "", "; rest", "# rest", "// rest", ";'"))
        label = chance.choice(("", "", " ", f"{part()}:", f"{part()} : ", "l1:", "7: ", ".x: ", "a:b:", "a::"))
        yield f"{label}{chance.choice(NAMES)} {','.join(part() for _ in range(chance.randrange(4)))}{comment}"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_line_read_the_short_way_is_the_statement_of_the_long_way(dialect: DialectRules) -> None:
    short = 0
    for line in dict.fromkeys(lines()):
        statement = fast_path.read_line.__wrapped__(line, "intel", dialect)
        long = line_parser.read_line(line, "intel", dialect)
        if statement is not long:
            short += 1
            assert statement == long, f"{line!r} in {dialect!r}"
    assert short > 2000


def test_at_and_t_lines_are_read_the_long_way() -> None:
    assert fast_path.read_line("mov %rax, %rbx", "att", UNDECLARED) is line_parser.read_line(
        "mov %rax, %rbx", "att", UNDECLARED
    )
