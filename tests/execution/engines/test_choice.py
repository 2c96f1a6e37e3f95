"""Any engine can be named; where none is, one is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.engines import choice
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine
from execmem_kernel.execution.process.guest import Guest, PtraceRefusedError


@dataclass
class Recording:
    """An engine of a user's own: it asks another, and keeps what it was asked."""

    calls: list[em.Call] = field(default_factory=list)

    def run(self, call: em.Call) -> em.Outcome:
        self.calls.append(call)
        return PtraceEngine().run(call)


def test_run_takes_an_engine_of_anybodys() -> None:
    engine = Recording()
    known: Engine = engine
    outcome = em.run("mov eax, edi\nret", registers={"rdi": 7}, stdin=b"x", seed=3, engine=known)
    assert outcome.registers["rax"] == 7
    assert [(dict(call.registers), call.stdin, call.seed) for call in engine.calls] == [({"rdi": 7}, b"x", 3)]


def refuse(*_arguments: object) -> None:
    raise PtraceRefusedError("this host refuses ptrace")


def test_where_ptrace_is_refused_the_process_reports_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert em.run("ret").witness == "supervisor"
    monkeypatch.setattr(Guest, "_launch", refuse)
    assert em.run("ret").witness == "guest"
    assert em.function("mov eax, 5\nret", "int f(void)")() == 5


def test_an_engine_that_was_named_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guest, "_launch", refuse)
    with pytest.raises(PtraceRefusedError):
        em.run("ret", engine=PtraceEngine())


def test_what_a_host_allows_is_found_out_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choice.watching() == ("supervisor", "works")
    monkeypatch.setattr(Guest, "_launch", refuse)
    assert choice.watching() == ("guest", "this host refuses ptrace")


def test_a_host_that_runs_nothing_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_all(*_arguments: object) -> None:
        raise em.EngineUnavailableError("no process can be started")

    monkeypatch.setattr(Guest, "_launch", refuse_all)
    assert choice.watching() == (None, "no process can be started")
