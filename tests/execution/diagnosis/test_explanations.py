"""What learners meet: each sentence must say what happened in this run, and a hint must work as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract import address_map
from execmem_kernel.views.outcome import outcome_report
from tests.execution.diagnosis import planted

ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "explanations.json").read_text())
"""`asm` has a ` / ` between its lines. `says` and `never`: what stands in the report, and what does not."""
HIGH_STACK = address_map.STACK_END >> 32 > 0
"""Whether the stack lies where a pointer to it does not fit in 32 bits."""


def run(asm: str, row: dict[str, Any]) -> em.Outcome:
    limits = em.Limits(wall_s=60, cpu_s=0.15, system_calls=row.get("system_calls", 1000))
    return em.run(asm, limits=limits)


def told(outcome: em.Outcome) -> str:
    """Everything that is said about why a run ended as it did, and what was wrong in it."""
    said = [outcome.headline] if outcome.cause is not None else []
    said += [outcome.cause.look_at] if outcome.cause is not None else []
    said += [f"line {one.line}: {one.message}; {one.hint}" for one in outcome.warnings if one.code != "stack-alignment"]
    return "\n".join(said)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']}-{row['asm'][:40]}")
def test_what_is_said_happened(row: dict[str, Any]) -> None:
    if row.get("high") and not HIGH_STACK:
        pytest.skip("the stack lies below 4 GiB")
    outcome = run(row["asm"].replace(" / ", "\n"), row)
    text = told(outcome)
    for words in row["says"]:
        assert words in text
    for words in row["never"]:
        assert words not in text
    if "value" in row:
        assert isinstance(outcome, em.Returned), text
        assert outcome.value == row["value"]


# ---- Hints, followed ---------------------------------------------------------------------------------------------

BEFORE = re.compile(r"write ((?:`[^`]+`(?:, | and )?)+) before line (\d+)")
ON_LINE = re.compile(r"(?:write|and) (`[^`]+`) on line (\d+)")
LEAVE_OUT = re.compile(r"leave out line (\d+)")
LABEL = re.compile(r"\s*\w+:")


def follow(source: str, hint: str) -> str | None:
    """The source with what a hint tells to write; None where it tells nothing that could be typed."""
    lines = source.splitlines()
    done = False
    edits: list[tuple[int, str]] = []
    for typed, number in ON_LINE.findall(hint)[:1]:
        label = LABEL.match(lines[int(number) - 1])
        lines[int(number) - 1] = (label[0] if label else "") + " " + typed.strip("`")
        done = True
    for number in LEAVE_OUT.findall(hint)[:1]:
        label = LABEL.match(lines[int(number) - 1])
        lines[int(number) - 1] = label[0] if label else ""
        done = True
    for typed, number in BEFORE.findall(hint)[:1]:
        edits.append((int(number), "\n".join(re.findall(r"`([^`]+)`", typed))))
        done = True
    for at, text in edits:
        label = LABEL.match(lines[at - 1])
        if label is not None and "data" not in hint:  # what belongs before an instruction belongs behind its label
            text, lines[at - 1] = f"{label[0]} {text}", lines[at - 1][label.end() :]
        lines.insert(at - 1, text)
    return "\n".join(lines) if done else None


HINTED = [row for row in ROWS if "`jz`" not in " ".join(row["says"]) and "test rbx" not in " ".join(row["says"])]


@pytest.mark.parametrize("row", HINTED, ids=lambda row: f"{row['kind']}-{row['asm'][:40]}")
def test_a_hint_that_is_followed_ends_the_complaint(row: dict[str, Any]) -> None:
    source = row["asm"].replace(" / ", "\n")
    before = run(source, row)
    hints: list[tuple[str, str, str]] = [("warning", one.code, one.hint) for one in before.warnings]
    if before.cause is not None:
        hints.append(("cause", before.cause.name, before.cause.look_at))
    for kind, name, hint in hints:
        mended = follow(source, hint)
        if mended is None:
            continue
        after = run(mended, row)
        if kind == "cause":
            assert after.cause is None or after.cause.name != name, f"{hint}\n{mended}\n{told(after)}"
            assert isinstance(after, em.Returned | em.Exited), f"{hint}\n{mended}\n{told(after)}"
        else:
            assert name not in {one.code for one in after.warnings}, f"{hint}\n{mended}"


# ---- Planted bugs ------------------------------------------------------------------------------------------------

EACH = 3
"""Programs of each kind."""


def lines_named(outcome: em.Outcome) -> set[int]:
    """Every line that is named: the one it stopped at, those of warnings, and those in sentences."""
    named = {outcome.line} | {one.line for one in outcome.warnings}
    for words in re.findall(r"\blines? (\d+(?:(?:, | and | to )\d+)*)", told(outcome)):
        named |= set(map(int, re.findall(r"\d+", words)))
    return {line for line in named if line is not None}


@pytest.mark.parametrize("kind", planted.KINDS, ids=lambda kind: kind.__name__)
def test_a_planted_bug_is_named_with_its_line_and_cause(kind: Callable[[planted.Writer], planted.Planted]) -> None:
    for seed in range(EACH):
        program = planted.program_with(kind, seed)
        outcome = run(program.source, {"system_calls": 200})
        names = {one.code for one in outcome.warnings} | ({outcome.cause.name} if outcome.cause is not None else set())
        text = f"{program.source}\n\n{told(outcome)}"
        assert names & set(program.names), text
        assert program.line in lines_named(outcome), text
        for words in program.says:
            assert words in told(outcome), text


@pytest.mark.parametrize(
    ("asm", "says"),
    [
        ("mov rax, [rdi+24]\nret", "line 1: reads 8 bytes past the end of buffer a (24 bytes)"),
        ("mov rax, [rdi+40]\nret", "line 1: reads 8 bytes 16 bytes past the end of buffer a"),
        ("nop\nmov rax, [rdi-1]\nret", "line 2: reads 8 bytes 1 byte before the start of buffer a"),
        (
            "xor eax, eax\nmov ecx, 3\nl: add rax, [rdi+rcx*8]\ndec ecx\njns l\nret",
            "line 3: reads 8 bytes past the end",
        ),
        ("mov rax, [rdi+16]\nret", ""),
        ("mov eax, 0xa5\nret", ""),
    ],
)
def test_a_read_beside_a_buffer_is_told(asm: str, says: str) -> None:
    outcome = em.run(asm, {"rdi": "a"}, {"a": bytes([1, 0, 0, 0, 0, 0, 0, 0] * 3)})
    assert says in told(outcome)
    assert ("filled with 0xa5" in told(outcome)) == bool(says)


def test_what_the_c_library_changed_is_not_the_programs() -> None:
    source = "extern strlen\nsub rsp, 8\nmov edi, 5\ncall strlen\nadd rsp, 8\nret"
    report = outcome_report(em.run(source)).text()
    assert "registers changed" not in report
    assert "stopped inside the C library" in report
