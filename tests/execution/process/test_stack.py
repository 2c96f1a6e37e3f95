"""The stack is as large as on Linux, lies above 4 GiB, and something lies above it."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine
from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine

ENGINES: dict[str, Engine] = {"supervisor": PtraceEngine(), "guest": SelfReportingEngine()}
SUM = (
    "sum: push rbp\nmov rbp, rsp\nsub rsp, 32\nmov [rbp - 8], rdi\nxor eax, eax\ntest rdi, rdi\njz done\ndec rdi\n"
    "call sum\nadd rax, [rbp - 8]\ndone: leave\nret"
)
MMAP = "mov eax, 9\nxor edi, edi\nmov esi, 4096\nmov edx, 3\nmov r10d, 0x22\nmov r8, -1\nxor r9d, r9d\nsyscall\n"


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_recursion_that_linux_has_room_for_returns(engine: Engine) -> None:
    assert em.run(SUM, registers={"rdi": 30_000}, engine=engine).registers["rax"] == 450_015_000


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_smaller_stack_is_full_earlier(engine: Engine) -> None:
    limits = em.Limits(stack_size=64 * 1024)
    assert isinstance(em.run(SUM, registers={"rdi": 500}, limits=limits, engine=engine), em.Returned)
    outcome = em.run(SUM, registers={"rdi": 30_000}, limits=limits, engine=engine)
    assert isinstance(outcome, em.Faulted)
    assert "the stack's 64 KiB are full" in outcome.headline


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("push 5\nlea esi, [rsp]\nmov rcx, [rsi]\nadd rsp, 8\nmov eax, ecx\nret", {}),
        ("mov edx, esp\nmov [rdx], rax\nret", {}),
        ("movsxd rdx, esp\nmov [rdx], rax\nret", {}),
        ("add edi, 8\nmov rax, [rdi]\nret", {"buffers": {"b": 64}, "registers": {"rdi": "b"}}),
        (MMAP + "mov ecx, eax\nmov [rcx], rax\nret", {}),
        ("mov eax, 12\nxor edi, edi\nsyscall\nmov edi, eax\nmov [rdi], rax\nret", {}),
        ("main: mov esi, esi\nmov rax, [rsi]\nret", {}),
    ],
)
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_pointer_that_lost_its_upper_half_faults(source: str, options: dict[str, object], engine: Engine) -> None:
    outcome = em.run(source, engine=engine, **options)  # type: ignore[arg-type]
    assert isinstance(outcome, em.Faulted)
    assert outcome.signal == "SIGSEGV"


def test_a_read_past_the_frame_writes_over_the_return_address_as_natively() -> None:
    source = (
        "sub rsp, 8\ncall f\nadd rsp, 8\nret\nf: sub rsp, 24\nxor eax, eax\nxor edi, edi\nmov rsi, rsp\nmov edx, 64\n"
        "syscall\nadd rsp, 24\nret"
    )
    outcome = em.run(source, stdin=b"A" * 52)
    assert outcome.system_calls[0].text.endswith("= 52")
    assert isinstance(outcome, em.Faulted)
    assert outcome.line == 12
    assert outcome.warnings == ()


def test_a_limit_on_the_option_line_sets_it() -> None:
    with pytest.raises(ValueError, match="the limit stack_size is 100; it can be from 4,096 to"):
        em.Limits(stack_size=100)
