"""What every engine must do, whichever it is: the same call has the same outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.call import LimitName
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.engines.choice import DefaultEngine
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine
from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine
from tests.running import LIMITS

Run = Callable[..., em.Outcome]
ENGINES: tuple[Callable[[], Engine], ...] = (PtraceEngine, SelfReportingEngine, DefaultEngine)


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.__name__)
def run(request: pytest.FixtureRequest, nothing_left: None) -> Run:
    """`em.run` with one of the engines, by which nothing is left behind."""
    engine: Engine = request.param()

    def run(source: str, **options: Any) -> em.Outcome:
        return em.run(source, engine=engine, **{"limits": LIMITS, **options})

    return run


def test_a_return_leaves_registers_and_flags(run: Run) -> None:
    outcome = run("lea rax, [rdi + rsi]\ncmp rax, rax\nret", registers={"rdi": 40, "rsi": 2})
    assert isinstance(outcome, em.Returned)
    assert outcome.value == 42
    assert outcome.before["rdi"] == 40
    assert outcome.changed == {"rax": (0, 42)}
    assert outcome.flags == ("PF", "ZF")
    assert outcome.cause is None


def test_vector_registers_are_given_and_read(run: Run) -> None:
    outcome = run("addps xmm0, xmm1\nret", registers={"xmm0": 0x3F800000, "xmm1": 0x40000000})
    assert outcome.registers.lanes("xmm0", "float") == (3.0, 0.0, 0.0, 0.0)


def test_registers_that_are_not_given_are_zero_or_poison(run: Run) -> None:
    general = ("rax", "rbx", "rcx", "r15")
    assert [run("ret").before[name] for name in general] == [0] * 4
    poisoned = run("ret", poison=True, seed=5)
    assert len({poisoned.before[name] for name in general}) == 4
    assert dict(run("ret", poison=True, seed=5).before) == dict(poisoned.before)


def test_a_fault_has_a_line_a_cause_and_an_address(run: Run) -> None:
    outcome = run("xor ebx, ebx\nmov rax, [rbx + 8]\nret")
    assert isinstance(outcome, em.Faulted)
    assert (outcome.signal, outcome.line, outcome.accessed) == ("SIGSEGV", 2, 8)
    assert outcome.cause is not None
    assert outcome.cause.name == "null-read"


@pytest.mark.parametrize(
    ("source", "signal"),
    [
        ("ud2", "SIGILL"),
        ("xor ecx, ecx\ndiv ecx", "SIGFPE"),
        ("int3", "SIGTRAP"),
        ("mov eax, 57\nsyscall", "SIGSYS"),
        ("jmp rax", "SIGSEGV"),
    ],
)
def test_every_signal_is_a_fault(run: Run, source: str, signal: str) -> None:
    outcome = run(source)
    assert isinstance(outcome, em.Faulted)
    assert outcome.signal == signal


def test_an_exit_has_its_status(run: Run) -> None:
    outcome = run("_start: mov edi, 3\nmov eax, 60\nsyscall")
    assert isinstance(outcome, em.Exited)
    assert (outcome.status, outcome.line) == (3, 3)


WRITES = "l: mov eax, 1\nmov edi, 1\nmov rsi, rsp\nand rsi, -4096\nmov edx, 4096\nsyscall\njmp l"
ASKS = "l: mov eax, 9\nxor edi, edi\nmov esi, 0x100000\nmov edx, 3\nmov r10d, 0x22\nmov r8, -1\nsyscall\njmp l"
REACHED: dict[LimitName, tuple[str, em.Limits]] = {
    "wall": ("l: jmp l", em.Limits(wall_s=0.1)),
    "cpu": ("l: jmp l", em.Limits(cpu_s=0.1)),
    "output": (WRITES, em.Limits()),
    "memory": (ASKS, em.Limits(memory_size=8 << 20)),
    "system calls": ("l: mov eax, 39\nsyscall\njmp l", em.Limits(system_calls=100)),
    "steps": ("l: inc rax\njmp l", em.Limits(steps=100)),
}
"""A limit -> a program that reaches it."""


def test_every_limit_has_a_program() -> None:
    assert REACHED.keys() == set(get_args(LimitName))


@pytest.mark.parametrize("limit", REACHED)
def test_every_limit_ends_a_run(run: Run, limit: LimitName) -> None:
    source, limits = REACHED[limit]
    outcome = run(source, limits=limits)
    assert isinstance(outcome, em.TimedOut)
    assert outcome.limit == limit
    assert outcome.cause is not None
    assert outcome.cause.name == f"limit-{limit.replace(' ', '-')}"


SYSTEM_CALLS = """
        mov r12, rdi
        xor eax, eax            # read(0, data, 100)
        xor edi, edi
        mov rsi, r12
        mov edx, 100
        syscall
        mov edx, eax
        mov eax, 1              # write(2, data, rax)
        mov edi, 2
        mov rsi, r12
        syscall
        mov eax, 39             # getpid
        syscall
        mov eax, 9              # mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        xor edi, edi
        mov esi, 0x2000
        mov edx, 3
        mov r10d, 0x22
        mov r8, -1
        xor r9d, r9d
        syscall
        mov dword ptr [rax + 0x1ffc], 88
        mov ebx, [rax + 0x1ffc]
        mov rdi, rax
        mov eax, 11             # munmap
        mov esi, 0x2000
        syscall
        ret
"""


def test_system_calls_are_answered_and_logged(run: Run) -> None:
    outcome = run(SYSTEM_CALLS, registers={"rdi": "data"}, buffers={"data": 100}, stdin=b"hello")
    assert isinstance(outcome, em.Returned)
    assert (outcome.stdout, outcome.stderr) == (b"", b"hello")
    assert outcome.registers["rbx"] == 88
    assert [call.text for call in outcome.system_calls] == [
        "read(0, data, 100) = 5",
        'write(2, "hello", 5) = 5',
        "getpid() = 1000",
        "mmap(NULL, 8192, PROT_READ | PROT_WRITE, 0x22, -1, 0) = 0x7e00a0000000",
        "munmap(0x7e00a0000000, 8192) = 0",
    ]


def test_buffers_and_data_come_back_as_the_program_left_them(run: Run) -> None:
    source = (
        "mov byte ptr [rdi + 1], 7\nmov dword ptr [rip + x], 9\nmov dword ptr [rip + y], 5\nret\n"
        "section .data\nx: dd 1\nsection .bss\ny: resd 1"
    )
    outcome = run(source, registers={"rdi": "b"}, buffers={"b": b"\1\2\3"})
    assert outcome.buffers["b"] == b"\1\7\3"
    assert outcome.read("x", 4) == b"\x09\0\0\0"
    assert outcome.read("y", 4) == b"\x05\0\0\0"
    assert outcome.warnings == ()


def test_a_write_past_a_buffer_is_noticed(run: Run) -> None:
    outcome = run("mov byte ptr [rdi + 4], 1\nret", registers={"rdi": "b"}, buffers={"b": b"1234"})
    assert [warning.code for warning in outcome.warnings] == ["buffer-overrun"]


def test_a_read_only_buffer_cannot_be_written(run: Run) -> None:
    buffers = {"b": em.Buffer(b"1234", writable=False)}
    outcome = run("mov byte ptr [rdi], 1\nret", registers={"rdi": "b"}, buffers=buffers)
    assert outcome.cause is not None
    assert outcome.cause.name == "write-to-read-only"


def test_a_breach_of_the_calling_convention_is_a_warning(run: Run) -> None:
    outcome = run("mov ebx, 5\nret")
    assert [(warning.code, warning.line) for warning in outcome.warnings] == [("callee-saved", 1)]


def test_a_trace_has_every_step_and_what_it_touched(run: Run) -> None:
    outcome = run(
        "mov ecx, 2\nl: add [rdi], ecx\ndec ecx\njnz l\nret", trace=True, registers={"rdi": "b"}, buffers={"b": 4}
    )
    assert outcome.trace is not None
    assert [step.line for step in outcome.trace] == [1, 2, 3, 4, 2, 3, 4, 5]
    first = outcome.trace[1]
    assert [(access.before, access.data) for access in first.writes] == [(b"\0\0\0\0", b"\2\0\0\0")]
    assert outcome.trace.complete
    assert outcome.trace.counts == {1: 1, 2: 2, 3: 2, 4: 2, 5: 1}


def test_a_limit_on_steps_counts_them_without_a_trace(run: Run) -> None:
    outcome = run("mov eax, 1\nmov eax, 2\nmov eax, 3\nret", limits=em.Limits(steps=2))
    assert outcome.registers["rax"] == 2
    assert outcome.trace is None


def test_a_traced_run_ends_as_an_untraced_one(run: Run) -> None:
    source = "mov ecx, 100\nmov al, 7\nrep stosb\nmov eax, 39\nsyscall\npushfq\npop rbx\nmov r8, r11\nret"
    options: dict[str, Any] = {"registers": {"rdi": "b"}, "buffers": {"b": 100}}
    free, traced = run(source, **options), run(source, trace=True, **options)
    assert dict(traced.registers) == dict(free.registers)
    assert traced.buffers == free.buffers
    assert traced.report() == free.report()


C_PROGRAM = """
        extern printf, qsort
main:   sub rsp, 8
        lea rdi, [rip + a]
        mov esi, 3
        mov edx, 4
        lea rcx, [rip + compare]
        call qsort
        lea rdi, [rip + f]
        mov esi, [rip + a]
        xor eax, eax
        call printf
        xor eax, eax
        add rsp, 8
        ret
compare: mov eax, [rdi]
        sub eax, [rsi]
        ret
f:      .asciz "%d first\\n"
        section .data
a:      dd 3, 1, 2
"""


@pytest.mark.parametrize("trace", [False, True], ids=["free", "stepped"])
def test_c_functions_are_called_and_call_back(run: Run, trace: bool) -> None:
    outcome = run(C_PROGRAM, trace=trace, limits=em.Limits())
    assert isinstance(outcome, em.Returned)
    assert outcome.stdout == b"1 first\n"
    assert outcome.read("a", 12) == b"\1\0\0\0\2\0\0\0\3\0\0\0"


def test_a_fault_in_a_c_function_names_the_line_that_called_it(run: Run) -> None:
    outcome = run("extern strlen\nmain: sub rsp, 8\nxor edi, edi\ncall strlen\nadd rsp, 8\nret", limits=em.Limits())
    assert isinstance(outcome, em.Faulted)
    assert outcome.line == 4


def test_a_whole_program_finds_its_arguments(run: Run) -> None:
    outcome = run("main: mov eax, edi\nmov rcx, [rsi + 8]\nmovzx ecx, byte ptr [rcx]\nret", args=["x"])
    assert (outcome.registers["rax"], outcome.registers["rcx"]) == (2, ord("x"))


def test_what_cannot_be_is_refused_before_anything_runs(run: Run) -> None:
    with pytest.raises(ValueError, match="is not a register that can be set"):
        run("ret", registers={"eax": 1})
    with pytest.raises(ValueError, match="there is no buffer of that name"):
        run("ret", registers={"rax": "b"})
    with pytest.raises(TypeError, match="takes a whole number or a buffer's name"):
        run("ret", registers={"rax": 1.5})


def test_the_outcome_says_who_reported_it() -> None:
    assert em.run("ret", engine=PtraceEngine()).witness == "supervisor"
    assert em.run("ret", engine=SelfReportingEngine()).witness == "guest"


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
def test_the_life_of_the_programs_memory_is_told(engine: Callable[[], Engine]) -> None:
    kinds = [event.kind for event in em.run("ret", engine=engine()).life]
    assert kinds == ["allocated", "written", "sealed", "run", "released"]
