"""Damaged source text: bytes flipped, lines swapped, pieces repeated, other alphabets; there must always be an answer.

By hand, as many as wanted, slow ones named: `python -m tests.assembly.source_fuzz 20000 --seed 1`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from functools import cache
from pathlib import Path

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.diagnostics.codes import documented_codes
from execmem_kernel.assembly.semantics.collector import ERROR_LIMIT
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT
from execmem_kernel.assembly.syntax.lines import split_lines
from execmem_kernel.errors import AssemblyError
from tests.assembly.program_fuzz import WRITERS

_PIECES = [
    "[", "]", "(", ")", "{", "}", ",", ":", ";", "#", "//", "/*", "*/", "%", "$", "$$", "@", "\\", "'", '"', "`",
    "+", "-", "*", "~", "!", "<<", "=", ".", "..",
    "\n", "\t", "\r", "\0", "\x0b", "\x7f", "–", "”", "\u00a0", "\u202e", "е", "日", "\ud800", "0x", "1e9", "0b",
    "1f", "1b", "99999999999999999999", "rax", "ah", "r8b", "rsp",
    "[rip", "zmm31", "{k1}", "{z}", "{1to16}", "st(9)", "mov ", "lock ", "rep ", "times 5 ", ".rept 3\n", ".endr\n",
    ".macro m\n", ".endm\n", "%macro m 1\n", "%endmacro\n",
    "%1", "%define x y\n", "%define y x\n", ".if 1\n", ".else\n", ".endif\n", ".set a, a+1\n", "a equ $-a\n",
    ".include \"x\"\n", ".data\n", ".bss\n", "section .text\n",
    ".att_syntax\n", ".intel_syntax noprefix\n", ".align 4096\n", ".org 99\n", ".fill 3,8,-1\n", "dq 1.5e300\n",
    ".skip a-b\n", "offset ", "ptr ", "short ", "rel ", "dup(", "?", "struc p\n.x: resb 1\n", "endstruc\n",
    "istruc p\n", "at p.x, db 5\n", "iend\n", "absolute 5\n", "@GOTPCREL", " wrt ..got", "$a:", "%%", "%-1", "%+1",
    "x DWORD 5\n", "f PROTO\n", "8(rbx)", "my-label:", "#define N 5\n", "\\e", "~0x80",
]  # fmt: skip


@cache
def _seeds() -> list[str]:
    path = Path(__file__).parent.parent / "data" / "assembler_inputs.jsonl"
    sources = [json.loads(line)["source"] for line in path.read_text().splitlines()]
    return sources + [writer(seed).program() for writer in WRITERS.values() for seed in range(5)]


def damaged(seed: int) -> str:
    """A source text, with one to eight things done to it."""
    chance = random.Random(seed)
    text = chance.choice(_seeds())
    for _ in range(chance.randint(1, 8)):
        position = chance.randint(0, len(text))
        match chance.randrange(8):
            case 0:
                text = text[:position] + chance.choice(_PIECES) + text[position:]
            case 1:
                text = text[:position] + text[position + chance.randint(1, 6) :]
            case 2:
                text = (
                    text[:position]
                    + chr(chance.choice([chance.randrange(128), chance.randrange(0x3000)]))
                    + text[position + 1 :]
                )
            case 3:
                lines = text.split("\n")
                chance.shuffle(lines)
                text = "\n".join(lines)
            case 4:
                other = chance.choice(_seeds())
                cut = chance.randint(0, len(other))
                text = text[:position] + other[cut : cut + 60] + text[position:]
            case 5:
                text = (
                    text[:position] + text[max(0, position - 20) : position] * chance.randint(2, 30) + text[position:]
                )
            case 6:
                words = text.split(" ")
                chance.shuffle(words)
                text = " ".join(words)
            case _:
                text = text.replace(chance.choice([" ", ",", "\n", "[", "1", "e"]), chance.choice(_PIECES))
    return text


def check(source: str, syntax: str = "intel") -> str | None:
    """What is wrong with the answer to a text: a sentence, or None."""
    try:
        program = assemble(source, syntax=syntax)  # type: ignore[arg-type]
    except AssemblyError as error:
        return _wrong_with(error, source)
    for row in program.listing:
        if row.kind == "instruction" and not row.code:
            return f"no bytes for {row.source!r}"
    if sum(segment.size for segment in program.segments) > SIZE_LIMIT + 4096 * 4:
        return "larger than the cap"
    return None


def _wrong_with(error: AssemblyError, source: str) -> str | None:
    lines = split_lines(source)
    if not 1 <= len(error.diagnostics) <= ERROR_LIMIT:
        return f"{len(error.diagnostics)} errors"
    for finding in error.diagnostics:
        if finding.code not in documented_codes():
            return f"{finding.code} is not documented"
        if finding.code == "ASM199":
            return f"no checked encoding: {finding.source_line!r}"
        if not 1 <= finding.line <= len(lines) or finding.source_line != lines[finding.line - 1]:
            return f"the wrong line: {finding}"
        if not 1 <= finding.span.column < finding.span.end_column <= len(finding.source_line) + 2:
            return f"the wrong columns: {finding.span} in {finding.source_line!r}"
        str(finding)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures = 0
    for number in range(options.seed, options.seed + options.count):
        source = damaged(number)
        before = time.process_time()
        try:
            complaint = check(source, "att" if number % 5 == 0 else "intel")
        except Exception as error:
            complaint = f"{type(error).__name__}: {error}"
        taken = time.process_time() - before
        if taken > 0.5:
            complaint = f"{taken:.1f} s of CPU time; {complaint}"
        if complaint is not None:
            failures += 1
            print(f"{number}: {complaint}".encode("utf-8", "backslashreplace").decode())
    print(f"{options.count} texts, {failures} wrong answers")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
