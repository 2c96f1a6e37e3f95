"""Hints are followed: the line that a hint names is written, and the same complaint does not come back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import execmem_kernel as em
from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.diagnostics.codes import documented_codes
from execmem_kernel.errors import AssemblyError
from execmem_kernel.program.diagnostic import Diagnostic
from execmem_kernel.x86.mnemonics import is_mnemonic
from tests.assembly.test_course_programs import wrong_rows

_QUOTED = re.compile(r"`([^`]+)`")
_ELSEWHERE = re.compile(r"\bfor example\b|\bas in\b|\.\.\.|\bor switch\b")
"""What shows that a line is an example, and not what to write here."""


def findings(source: str) -> tuple[Diagnostic, ...]:
    try:
        return assemble(source).warnings
    except AssemblyError as error:
        return error.diagnostics


def fixes(source: str, found: Diagnostic) -> Iterator[str]:
    """The source with what a hint says to write: instructions for the whole statement, words for what is blamed."""
    hint = found.hint
    lines = source.split("\n")
    line = lines[found.line - 1]
    if line != found.source_line:
        return
    start, end = found.column - 1, found.span.end_column - 1
    pieces = _QUOTED.findall(hint)
    if not pieces:
        return
    label = re.match(r"(\s*[\w.]+:(?!:)\s*)?", line)
    before = label[0] if label is not None else ""
    instructions = [piece for piece in pieces if " " in piece and is_mnemonic(piece.split()[0].lower())]
    if instructions and ("then `" in hint or hint.startswith("write `") or ": `" in hint):
        last = instructions if "then `" in hint else instructions[:1]
        yield "\n".join([*lines[: found.line - 1], before + last[0], *last[1:], *lines[found.line :]])
    elif hint.startswith(("did you mean `", "type `", "write `", "if a register is meant")):
        for piece in pieces:
            first = line.find(piece.split()[0])
            begin = first if " " in piece and 0 <= first < start else start  # the hint names the whole statement
            replaced = line[:begin] + piece + line[end:]
            yield "\n".join([*lines[: found.line - 1], replaced, *lines[found.line :]])


def sources() -> list[str]:
    examples = [example for _, example in documented_codes().values() if example and len(example) < 500]
    rows = [row[0] for row in wrong_rows()]
    return list(dict.fromkeys(examples + rows))


def followed(source: str) -> list[tuple[Diagnostic, str]]:
    """Every finding with a hint that can be followed, and the source after that."""
    return [
        (found, fixed)
        for found in findings(source)[:3]
        if found.hint and _ELSEWHERE.search(found.hint) is None
        for fixed in fixes(source, found)
    ]


FOLLOWED = [(source, found, fixed) for source in sources() for found, fixed in followed(source)]


def test_there_are_hints_to_follow() -> None:
    assert len(FOLLOWED) > 150


@pytest.mark.parametrize(("source", "found", "fixed"), FOLLOWED, ids=[repr(row[0])[:60] for row in FOLLOWED])
def test_the_same_complaint_does_not_come_back(source: str, found: Diagnostic, fixed: str) -> None:
    assert fixed != source
    again = [other for other in findings(fixed) if other.code == found.code and other.message == found.message]
    before = [other for other in findings(source) if other.code == found.code and other.message == found.message]
    assert len(again) < len(before), (found.hint, fixed)


@pytest.mark.parametrize("register", ["rax", "rcx", "rdx", "r8", "r9"])
@pytest.mark.parametrize("operation", ["and", "or", "xor", "add", "sub"])
def test_a_64_bit_number_goes_through_a_register_that_is_not_in_use(operation: str, register: str) -> None:
    value, number = 0x1234_5678_9ABC_DEF0, 0x5555_5555_5555_5555
    source = f"mov {register}, {value}\n{operation} {register}, {number:#x}\nmov rax, {register}\nret"
    (found,) = findings(source)
    (fixed,) = fixes(source, found)
    expected = {
        "and": value & number,
        "or": value | number,
        "xor": value ^ number,
        "add": value + number,
        "sub": value - number,
    }
    assert em.run(fixed).value % 2**64 == expected[operation] % 2**64  # type: ignore[union-attr]


def test_a_value_goes_from_memory_to_memory_by_its_declared_size() -> None:
    source = (
        "section .data\nlimit: dd 1\nfield: dd 2\nlast: dd 3\nsection .text\nmov [limit], [last]\nmov rax, [limit]\nret"
    )
    (found,) = findings(source)
    (fixed,) = fixes(source, found)
    assert em.run(fixed).value == (2 << 32) + 3  # type: ignore[union-attr]


@pytest.mark.parametrize("line", ["mov [rax], [rbx]", "add qword ptr [rax], [rcx]", "cmp byte ptr [rax+rcx], [rdx]"])
def test_a_register_on_the_way_is_none_of_the_addresses(line: str) -> None:
    (found,) = findings(f"{line}\nret")
    register = re.search(r"`mov (\w+), ", found.hint)
    assert register is not None
    used = {"rax", "rbx", "rcx", "rdx"} & set(re.findall(r"r[a-d]x", line))
    assert register[1] not in used | {"al", "cl", "dl"} if "byte" in line else register[1] not in used
