"""Any engine can be named; where none is, one is chosen."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import Any

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.engines import choice
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine
from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine
from execmem_kernel.execution.process.guest import Guest, PtraceRefusedError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.linux import process as linux_process
from tests import running


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


class Poking:
    """/proc/PID/mem as gVisor has it: it can be read."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, descriptor: int, data: bytes, offset: int) -> int:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.endswith("/mem"):
            raise OSError(self.number, os.strerror(self.number))
        return REAL_PWRITE(descriptor, data, offset)


REAL_PWRITE = os.pwrite
NEED_MEMORY = {
    "a buffer": ("mov eax, [rdi]\nret", {"buffers": {"b": b"1234"}, "registers": {"rdi": "b"}}),
    "data": (".data\nn: .quad 41\n.text\ninc qword ptr [rip + n]\nmov rax, [rip + n]\nret", {}),
    "input": (
        "sub rsp, 24\nxor eax, eax\nxor edi, edi\nmov rsi, rsp\nmov edx, 4\nsyscall\nadd rsp, 24\nret",
        {"stdin": b"hi"},
    ),
    "the C library": ("extern puts\nmain: push rbx\nlea rdi, [rip + t]\ncall puts\npop rbx\nret\nt: .asciz \"hi\"", {}),
    "a trace": ("mov ecx, 4\nlea rdi, [rsp - 64]\nrep stosb\nret", {"trace": True}),
}  # fmt: skip


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize(("source", "options"), NEED_MEMORY.values(), ids=NEED_MEMORY)
def test_where_memory_cannot_be_written_the_process_reports_for_itself(
    source: str, options: dict[str, Any], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = em.run(source, **options)
    monkeypatch.setattr(os, "pwrite", Poking(number))
    outcome = em.run(source, **options)
    assert (outcome.headline, outcome.registers["rax"], outcome.stdout) == (
        expected.headline, expected.registers["rax"], expected.stdout,
    )  # fmt: skip
    if source is not NEED_MEMORY["a trace"][0]:
        assert outcome.witness == "guest"


def test_half_a_ptrace_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under emulation of the processor: the process starts, and the first request of ptrace is not implemented."""

    def not_implemented(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(linux_process.Child, "set_options", not_implemented)
    assert em.run("mov eax, 5\nret").witness == "guest"
    assert choice.watching() == ("guest", "this host refuses ptrace, or a part of it: Function not implemented")


def test_what_a_host_allows_is_what_a_run_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both engines are refused, no witness is promised."""

    def no_memory_files(*_: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(Guest, "_launch", refuse)
    monkeypatch.setattr(linux_memory, "code_file", no_memory_files)
    witness, why = choice.watching()
    assert witness is None
    call = Call(em.assemble("ret"))
    with pytest.raises(em.EngineUnavailableError) as caught:
        SelfReportingEngine().run(call)
    assert str(caught.value) == why


@pytest.mark.parametrize("limit", ["RLIMIT_NOFILE, 16", "RLIMIT_NOFILE, 9", "RLIMIT_FSIZE, 0", "RLIMIT_FSIZE, 4096"])
def test_a_process_with_low_limits_gets_an_outcome_or_our_own_error(limit: str) -> None:
    script = f"""
        import resource
        import execmem_kernel as em
        from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine
        programs = [em.assemble(text) for text in (
            "mov eax, 1\\nret",
            "extern puts\\nmain: push rbx\\nlea rdi, [rip + t]\\ncall puts\\npop rbx\\nret\\nt: .asciz 'x'",
            "mov eax, 9\\nmov esi, 0x8000\\nmov edx, 3\\nmov r10d, 0x22\\nsyscall\\nret",
        )]
        em.run("ret")
        which, most = resource.{limit}
        resource.setrlimit(which, (most, most))
        for program in programs:
            for engine in (None, SelfReportingEngine()):
                for trace in (False, True):
                    try:
                        assert em.run(program, engine=engine, trace=trace).report()
                    except em.ExecmemError as error:
                        assert str(error)
        print("done")
    """
    done = running.script(script)
    assert (done.stderr, done.stdout) == ("", "done\n")
