"""Every way to go wrong gets its own sentence, with the line, the register and what to try."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import execmem_kernel as em
from execmem_kernel.views.outcome import outcome_report
from execmem_kernel.x86.features import cpu_features
from tests.running import LIMITS, run

DATA = Path(__file__).parents[2] / "data"
ROWS = json.loads((DATA / "fault_rows.json").read_text())
SNIPPETS = json.loads((DATA / "faults.json").read_text())

DEPENDS_ON_PROCESSOR = (
    "AVX512-on-older-cpu", "amx", "xend", "enclu", "getsec", "pkru", "monitor", "clac", "vmcall", "sgdt (UMIP)", "smsw",
    "str", "rdtsc", "rdrand", "cpuid", "wrfsbase", "wrgsbase", "ymm-upper-dirty", "AVX512-on-older-cpu",
)  # fmt: skip
"""Snippets whose end differs from one processor to another."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['row']}-{row.get('cause') or row['warning']}")
def test_a_fault_is_named_with_its_line_and_what_explains_it(row: dict[str, Any]) -> None:
    if row.get("unless") in cpu_features():
        pytest.skip(f"this processor has {row['unless']}")
    limits = em.Limits(wall_s=0.15) if row.get("cause") == "limit-wall" else LIMITS
    outcome = run(row["asm"], limits=limits)
    if "warning" in row:
        assert isinstance(outcome, em.Returned)
        found = {warning.code: warning.line for warning in outcome.warnings}
        assert row["warning"] in found
        assert found[row["warning"]] == row["line"]
        return
    assert outcome.cause is not None
    assert outcome.cause.name == row["cause"], outcome.headline
    if "line" in row:
        assert outcome.line == row["line"]
    if "signal" in row:
        assert outcome.signal == row["signal"]
    for words in row["says"]:
        assert words in outcome.headline
    for words in row.get("tries", ()):
        assert words in outcome.cause.look_at
    assert outcome.report().count(outcome.cause.sentence) == 1


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: str(snippet["id"]))
def test_a_snippet_ends_as_it_is_written_down(snippet: dict[str, Any], bless: bool, nothing_left: None) -> None:
    outcome = run(snippet["asm"])
    # They were written down with a limit on the time that the clock shows, which differs in these words only.
    headline = outcome.headline.replace("used more than 0.15 s of processor time", "did not end within 0.15 s")
    found = {"outcome": type(outcome).__name__, "signal": outcome.signal, "headline": headline}
    if bless:
        snippet["expected"] = found
        (DATA / "faults.json").write_text(json.dumps(SNIPPETS, indent=1) + "\n")
    if snippet["id"] not in DEPENDS_ON_PROCESSOR:
        assert found == snippet["expected"]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: str(snippet["id"]))
def test_stepping_through_changes_nothing(snippet: dict[str, Any]) -> None:
    plain, stepped = run(snippet["asm"]), run(snippet["asm"], trace=True)
    assert type(stepped) is type(plain)
    assert stepped.headline == plain.headline
    if isinstance(plain, em.TimedOut) or snippet["id"] in DEPENDS_ON_PROCESSOR:
        return
    assert dict(stepped.registers) == dict(plain.registers)
    assert (stepped.stdout, stepped.buffers) == (plain.stdout, plain.buffers)


def test_a_report_names_no_address_of_ours() -> None:
    for row in ROWS:
        outcome = run(row["asm"])
        for number in re.findall(r"0x[0-9a-f]+", outcome.report()):
            for start, end in outcome.places.values():
                assert not start <= int(number, 16) < end, outcome.report()


def test_a_region_of_the_notebook_is_named_though_it_is_gone() -> None:
    memory = em.manager().allocate(64, name="add")
    address = memory.address
    memory.close()
    outcome = em.run("mov rax, [rdi]\nret", registers={"rdi": address})
    assert outcome.cause is not None
    assert outcome.cause.name == "released-region"
    assert "region 'add'" in outcome.headline


def test_an_endless_loop_shows_only_what_every_run_would_show() -> None:
    source = "mov rdx, 7\nl: inc rcx\nmov rax, rcx\ncmp rdx, 0\njne l\nret"
    reports = {em.run(source, limits=LIMITS).report() for _ in range(3)}
    assert len(reports) == 1
    assert "rdx = 7" in reports.pop()


@pytest.mark.parametrize(
    ("asm", "error"),
    [
        ("mov rax, [0]\nret", em.SegmentationFault),
        ("ud2", em.IllegalInstruction),
        ("xor ecx, ecx\ndiv ecx", em.ArithmeticFault),
        ("int3", em.BreakpointTrap),
        ("mov eax, 57\nsyscall", em.ForbiddenSystemCall),
        ("l: jmp l", em.TimeLimitExceeded),
        ("mov eax, 60\nsyscall", em.ProgramExited),
    ],
)
def test_an_outcome_becomes_the_error_of_its_kind(asm: str, error: type[Exception]) -> None:
    outcome = run(asm)
    with pytest.raises(error) as raised:
        outcome.raise_for_fault()
    assert str(raised.value) == outcome.headline


def test_a_return_raises_nothing() -> None:
    run("ret").raise_for_fault()


def test_a_cell_that_ran_out_of_time_reads_the_same_every_time() -> None:
    source = "mov rdx, 7\nl: inc rcx\nadd [rdi], rcx\nlea rax, [rcx+rcx]\ntest rdx, rdx\njne l\nret"
    texts = set()
    for _ in range(3):
        outcome = em.run(source, registers={"rdi": "b"}, buffers={"b": 8}, limits=LIMITS)
        texts.add(outcome_report(outcome, buffers={"b": bytes(8)}).text())
    assert len(texts) == 1


def test_each_register_of_an_address_has_its_own_origin() -> None:
    null = "mov edx, [rax + rcx*4]\nret"
    apart = em.run(f"xor eax, eax\nmov ecx, 3\n{null}").headline
    assert apart.endswith("rax is 0, set on line 1, and rcx is 3, set on line 2")
    assert em.run(f"xor eax, eax; xor ecx, ecx\n{null}").headline.endswith("rcx is 0, which nothing has set")
    assert em.run(null, {"rax": 0, "rcx": 3}).headline.endswith(
        "rax is 0, as it was given, and rcx is 3, as it was given"
    )
    far = em.run("mov rcx, 0x50000000\nmov edx, [rdi + rcx]\nret", {"rdi": "text"}, {"text": b"hello"}).headline
    assert far.endswith(": rdi is text, as it was given, and rcx is 0x50000000 (1342177280), set on line 1")
