"""Where a host refuses ptrace, the program's process reports for itself, and every outcome says so."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import execmem_kernel as em
from execmem_kernel.execution.engine import Call
from execmem_kernel.execution.witness import GuestWitness

ROWS = json.loads((Path(__file__).parent.parent / "data" / "fault_rows.json").read_text())
NEEDS_STEPS = ("trap-flag",)


def run(asm: str, **options: Any) -> em.Outcome:
    options.setdefault("limits", em.Limits(wall_s=0.15))
    buffers = {"data": em.Buffer(4096)} | options.pop("buffers", {})
    registers = {"rdi": "data"} | options.pop("registers", {})
    return GuestWitness().run(Call(em.assemble(asm), registers=registers, buffers=buffers, **options))


def test_it_adds_and_says_who_says_so(nothing_left: None) -> None:
    outcome = run("lea rax, [rdi+rsi]\nret", registers={"rdi": 40, "rsi": 2})
    assert isinstance(outcome, em.Returned)
    assert outcome.registers["rax"] == 42
    assert outcome.witness == "guest"
    assert em.run("ret").witness == "supervisor"


def test_it_ends_as_under_supervision() -> None:
    source = "mov rbx, rdi\nmov [rdi+8], rsi\nstd\npushfq\npop rcx\naddss xmm0, xmm1\nmov r15, rsp\nret"
    registers = {"rdi": "b", "rsi": 5, "xmm0": 0x3F800000, "xmm1": 0x40000000, "rflags": 0x203}
    watched = em.run(source, registers=registers, buffers={"b": b"x" * 100})
    told = run(source, registers=registers, buffers={"b": em.Buffer(b"x" * 100)})
    assert dict(told.registers) | {"rdi": 0, "rbx": 0} == dict(watched.registers) | {"rdi": 0, "rbx": 0}
    assert told.registers["xmm0"] == watched.registers["xmm0"] == 0x40400000
    assert told.buffers["b"] == watched.buffers["b"]
    assert {"callee-saved", "direction-flag"} <= {warning.code for warning in told.warnings}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['row']}-{row.get('cause') or row['warning']}")
def test_a_fault_is_named_by_its_own_report(row: dict[str, Any]) -> None:
    watched = em.run(row["asm"], registers={"rdi": "data"}, buffers={"data": 4096}, limits=em.Limits(wall_s=0.15))
    told = run(row["asm"])
    assert type(told) is type(watched)
    assert told.witness == "guest"
    if watched.cause is not None and row["cause"] not in NEEDS_STEPS:
        assert told.cause is not None
        assert told.signal == watched.signal
        if isinstance(told, em.Faulted) and row["cause"] not in ("stack-too-small", "push-without-pop"):
            assert told.cause.name == watched.cause.name


def test_output_comes_through_and_is_bounded(nothing_left: None) -> None:
    write = "mov eax, 1\nmov rsi, rsp\nand rsi, -4096\nmov edx, 4096\nsyscall\n"
    outcome = run("mov edi, 2\n" + write + "ret")
    assert (len(outcome.stdout), len(outcome.stderr)) == (0, 4096)
    flood = run("mov edi, 1\nl: " + write + "jmp l", limits=em.Limits())
    assert isinstance(flood, em.TimedOut)
    assert (flood.limit, len(flood.stdout)) == ("output", 65536)


def test_exit_has_its_status() -> None:
    outcome = run("mov edi, 7\nmov eax, 60\nsyscall")
    assert isinstance(outcome, em.Exited)
    assert outcome.status == 7


def test_a_program_that_destroys_everything_still_ends(nothing_left: None) -> None:
    for source in (
        "mov rax, 0x7ff00000\nmov rcx, 0x800\nmov rdi, rax\nxor eax, eax\nrep stosq\nl: jmp l",
        "mov rdi, 0x7ff10000\nmov rcx, 0x2000\nmov rax, -1\nrep stosq\nmov rsp, 5\npush rax",
        "mov rsp, 0x7ff10008\nl: push rax\njmp l",
    ):
        outcome = run(source, limits=em.Limits(wall_s=0.1))
        assert not isinstance(outcome, em.Returned)


def test_steps_cannot_be_recorded_without_ptrace() -> None:
    with pytest.raises(em.EngineUnavailableError, match="ptrace"):
        run("ret", trace=True)


def test_a_host_without_ptrace_is_noticed() -> None:
    """A process whose every ptrace is refused, as a strict container's is, runs programs all the same."""
    script = """
        import ctypes, struct
        import execmem_kernel as em
        program = em.assemble("lea rax, [rdi + rdi]\\nret")
        rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
        rule_set = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code))
        libc = ctypes.CDLL(None)
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert libc.prctl(22, 2, ctypes.create_string_buffer(rule_set)) == 0
        outcome = em.run(program, registers={"rdi": 21})
        print(outcome.registers["rax"], outcome.witness)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "42 guest\n"
