"""One output in every run: what a processor answers by chance or by the clock is answered by the supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine
from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine
from execmem_kernel.execution.process import nondeterminism
from execmem_kernel.views.outcome import outcome_report
from execmem_kernel.x86.features import cpu_features

PROGRAMS = {
    "rdtsc": "rdtsc\nret",
    "both halves": "rdtsc\nshl rdx, 32\nor rax, rdx\nret",
    "rdtscp": "rdtscp\nmov eax, ecx\nret",
    "behind a prefix": "data16 rdtsc\nret",
    "a difference": "rdtsc\nmov ecx, eax\nrdtsc\nsub eax, ecx\nret",
    "in memory": ".data\nn: .quad 0\n.text\nrdtsc\nmov [rip + n], eax\nret",
    "inside an instruction": "jmp l + 1\nl: mov eax, 0x90c3310f\nret",
    "rdrand": "rdrand rax\nret",
    "rdrand of 16 bits": "mov rax, -1\nrdrand ax\nret",
    "rdrand until it works": "l: rdrand ebx\njnc l\nmov eax, ebx\nxor ebx, ebx\nret",
    "rdseed": "rdseed r9\nmov rax, r9\nret",
    "in a function that is called": "sub rsp, 8\ncall f\nadd rsp, 8\nret\nf: rdrand rax\nret",
    "behind a rep": "lea rdi, [rsp - 64]\nmov ecx, 8\nrep stosb\nrdrand rax\nret",
    "rdpid": "rdpid rax\nret",
    "the processor's number": "mov ecx, 0x7b\nlsl eax, ecx\nret",
    "in a C program": (
        "extern puts\nmain: push rbx\nrdrand rdi\nlea rdi, [rel t]\ncall puts\nrdtsc\npop rbx\nret\nt: db 'hi', 0"
    ),
    "sysenter": "mov eax, 20\nsysenter\nret",
    "sysenter with a stack": "mov rbp, rsp\nmov eax, 20\nsysenter\nret",
    "what it counts is waited for": "l: rdtsc\njmp l",
}
ENGINES: dict[str, Engine] = {"supervisor": PtraceEngine(), "guest": SelfReportingEngine()}


@pytest.fixture(scope="module")
def busy() -> Iterator[None]:
    """A process that never rests on each processor: the program is stopped, moved and let wait."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for other in others:
        other.kill()
        other.wait()


def shown(source: str, engine: Engine, trace: bool = False, **options: Any) -> tuple[str, str, bytes]:
    outcome = em.run(source, engine=engine, trace=trace, limits=em.Limits(wall_s=0.05), **options)
    report = outcome_report(outcome)
    return report.text(), report.html(), b"".join(outcome.segments.values())


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_three_runs_show_the_same(source: str, engine: Engine, busy: None) -> None:
    assert len({shown(source, engine) for _ in range(3)}) == 1


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_a_traced_run_is_the_same_run(source: str) -> None:
    runs = [em.run(source, engine=engine, trace=trace, limits=em.Limits(wall_s=0.05))
            for engine in ENGINES.values() for trace in (False, True)]  # fmt: skip
    assert len({run.headline for run in runs}) == 1
    assert len({tuple(run.registers.items()) for run in runs}) == 1
    assert len({tuple(warning for warning in run.warnings) for run in runs}) == 1


@pytest.mark.parametrize("trace", [False, True])
def test_another_seed_gives_other_numbers(trace: bool) -> None:
    if "rdrand" not in cpu_features():
        pytest.skip("this processor has no rdrand")
    seen = {em.run("rdrand rax\nret", seed=seed, trace=trace).registers["rax"] for seed in (1, 1, 2)}
    assert len(seen) == 2


def test_rdrand_says_that_it_worked() -> None:
    if "rdrand" not in cpu_features():
        pytest.skip("this processor has no rdrand")
    outcome = em.run("stc\nmov eax, 0x80000000\nadd eax, eax\nrdrand rax\nret")
    assert [flag for flag in outcome.flags if flag in ("CF", "OF", "ZF", "SF", "PF", "AF")] == ["CF"]


def test_a_program_reads_back_its_own_instruction() -> None:
    """What is shown and traced of its code is what was typed."""
    trace = em.run("rdrand rax\nret", trace=True).trace
    assert trace is not None
    assert [step.text for step in trace] == ["rdrand rax", "ret"]


def test_what_is_answered_is_said_once_of_each_kind_with_its_line() -> None:
    outcome = em.run("rdtsc\nrdtscp\nrdrand eax\nrdseed eax\nrdpid rax\nret")
    found = [(warning.line, warning.code) for warning in outcome.warnings]
    known = [(1, "same-in-every-run")]
    known += [(3, "same-in-every-run")] if "rdrand" in cpu_features() else []
    known += [(5, "same-in-every-run")] if "rdpid" in cpu_features() else []
    assert found[: len(known)] == known


@pytest.mark.parametrize("name", ["cpuid", "xgetbv", "sgdt [rsp - 16]", "smsw eax"])
def test_what_depends_on_the_machine_is_marked_as_that(name: str) -> None:
    outcome = em.run(f"xor eax, eax\nxor ecx, ecx\npush rbx\n{name}\npop rbx\nret")
    warning = outcome.warnings[0]
    assert (warning.code, warning.line) == ("depends-on-machine", 4)


def test_a_program_that_times_itself_is_not_marked_unless_it_does() -> None:
    assert em.run("jmp l\nrdtsc\nl: ret").warnings == ()


def test_sysenter_is_refused_the_same_on_every_processor() -> None:
    for engine in ENGINES.values():
        outcome = em.run("mov eax, 1\nsysenter\nret", engine=engine)
        assert (type(outcome), outcome.signal, outcome.line) == (em.Faulted, "SIGILL", 2)
        assert outcome.cause is not None
        assert outcome.cause.name == "no-sysenter"


def test_bench_measures_the_real_counter() -> None:
    assert em.bench("mov ecx, 1000\nl: dec ecx\njnz l\nret").cycles > 100


@pytest.mark.parametrize(
    ("selector", "limit"), [(0x33, 0xFFFFFFFF), (0x2B, 0xFFFFFFFF), (0x7B, 0), (0, None), (0x10, None), (0x2F, None)]
)
def test_the_segments_that_a_program_may_ask_about(selector: int, limit: int | None) -> None:
    """As the processor itself answers, but for the number of the processor."""
    outcome = em.run(f"mov eax, -1\nmov ecx, {selector}\nlsl eax, ecx\nsetz cl\nret")
    assert outcome.registers["cl"] == (limit is not None)
    assert outcome.registers["eax"] == (0xFFFFFFFF if limit is None else limit)
    assert nondeterminism._segment_limit(selector) == limit


def test_poison_is_the_same_in_every_run_and_another_in_another_program() -> None:
    first, again, other = (em.run(source, poison=True) for source in ("nop\nret", "nop\nret", "nop\nnop\nret"))
    assert dict(first.registers) == dict(again.registers) != dict(other.registers)


def test_a_function_of_chance_maps_as_it_is_called() -> None:
    if "rdrand" not in cpu_features():
        pytest.skip("this processor has no rdrand")
    chance = em.function("rdrand rax\nret", "uint64_t chance(int64_t n)")
    assert chance.map([(1,), (2,)]) == [chance(1), chance(2)]


@pytest.mark.parametrize(
    ("options", "limit", "sentence"),
    [
        ({"timeout_s": 0.1}, "wall", "did not end within 0.1 s"),
        ({"limits": em.Limits(wall_s=0.1, cpu_s=5)}, "wall", "did not end within 0.1 s"),
        ({"limits": em.Limits(cpu_s=0.1)}, "cpu", "used more than 0.1 s of processor time"),
        ({"limits": em.Limits(wall_s=5, cpu_s=0.1)}, "cpu", "used more than 0.1 s of processor time"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_one_clock_ends_an_endless_program(
    options: dict[str, Any], limit: str, sentence: str, engine: Engine, busy: None
) -> None:
    outcome = em.run("again: jmp again", engine=engine, **options)
    assert isinstance(outcome, em.TimedOut)
    assert (outcome.limit, outcome.headline) == (limit, f"line 1: {sentence}, going round line 1")


def test_asking_for_more_time_than_usual_gives_it(busy: None) -> None:
    assert em.run("again: jmp again", timeout_s=2.2).headline == "line 1: did not end within 2.2 s, going round line 1"


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_loop_around_a_call_of_the_system_meets_the_limit_of_calls(engine: Engine, busy: None) -> None:
    sources = (
        "l: mov eax, 39\nsyscall\njmp l",
        "extern printf\nmain: push rbx\nl: lea rdi, [rel t]\nxor eax, eax\ncall printf\njmp l\nt: db 10, 0",
    )
    for source in sources:
        outcome = em.run(source, engine=engine, limits=em.Limits(system_calls=500))
        assert isinstance(outcome, em.TimedOut)
        assert outcome.limit == "system calls"
