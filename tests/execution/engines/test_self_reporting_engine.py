"""Where a host refuses ptrace, the program's process reports for itself: the same outcomes, which say so."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

import execmem_kernel as em
from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine
from execmem_kernel.execution.libc import system_calls
from execmem_kernel.execution.process import runner, self_reporting_guest
from execmem_kernel.execution.syscalls import handlers
from tests import running
from tests.execution.process.test_containment import ATTACKS
from tests.running import LIMITS, run

ROWS = json.loads((Path(__file__).parents[2] / "data" / "fault_rows.json").read_text())


def reported(asm: str, **options: Any) -> em.Outcome:
    """Run a snippet in a process that reports for itself."""
    return run(asm, engine=SelfReportingEngine(), **options)


def through_the_gate(name: str, *arguments: int) -> str:
    """A program that jumps to the one instruction whose system calls are carried out, with arguments of its own."""
    registers = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    given = "".join(f"mov {register}, {value}\n" for register, value in zip(registers, arguments, strict=False))
    return f"{given}mov eax, {name}\nmov ebx, {runner.address_of('gate')}\ncall rbx\n"


def test_an_outcome_says_that_its_process_reported_it() -> None:
    outcome = reported("ret")
    assert outcome.witness == "guest"
    assert "refuses ptrace" in outcome.report()


def test_it_ends_as_under_supervision() -> None:
    source = (
        "mov [rdi+8], rsi\nstd\npushfq\npop rcx\naddss xmm0, xmm1\nmov r15, rsp\nmov eax, 7\nwrfsbase rax\n"
        "mov ax, cs\nmov bx, ss\nret"
    )
    registers = {"rdi": "b", "rsi": 5, "xmm0": 0x3F800000, "xmm1": 0x40000000, "rflags": 0x203, "ymm3": 1 << 200}
    seen = run(source, registers=registers, buffers={"b": b"x" * 100})
    told = reported(source, registers=registers, buffers={"b": b"x" * 100})
    assert dict(told.registers) == dict(seen.registers)
    assert [told.registers[name] for name in ("xmm0", "ymm3")] == [0x40400000, 1 << 200]
    assert told.buffers == seen.buffers
    assert told.warnings == seen.warnings


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['row']}-{row.get('cause') or row['warning']}")
def test_a_fault_has_the_same_sentence(row: dict[str, Any]) -> None:
    seen, told = run(row["asm"]), reported(row["asm"])
    assert type(told) is type(seen)
    assert told.headline == seen.headline
    assert told.cause == seen.cause
    assert [warning.code for warning in told.warnings] == [warning.code for warning in seen.warnings]


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_as_under_supervision(name: str, nothing_left: None) -> None:
    limits = dataclasses.replace(LIMITS, system_calls=500)
    told = reported(ATTACKS[name], registers={"rdi": 0}, limits=limits)
    assert told.witness == "guest"
    seen = em.run(ATTACKS[name], buffers={"data": 4096}, limits=limits)
    assert type(told) is type(seen)
    by_chance = any(isinstance(one, em.TimedOut) and one.at_a_chance_instant for one in (seen, told))
    assert by_chance or told.headline == seen.headline


def test_system_calls_are_answered_as_under_supervision(nothing_left: None) -> None:
    source = """
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
        mov eax, 318            # getrandom(data + 200, 16, 0)
        lea rdi, [r12 + 200]
        mov esi, 16
        xor edx, edx
        syscall
        mov eax, 228            # clock_gettime(CLOCK_MONOTONIC, data + 300)
        mov edi, 1
        lea rsi, [r12 + 300]
        syscall
        mov eax, 12             # brk(0), then one page more
        xor edi, edi
        syscall
        lea rdi, [rax + 0x1000]
        mov eax, 12
        syscall
        mov qword ptr [rax - 8], 77
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
        mov eax, [rdi]          # which is gone now
    """
    seen, told = (one(source, stdin=b"hello", seed=3) for one in (run, reported))
    assert told.stderr == b"hello"
    assert told.registers["rbx"] == 88
    assert told.system_calls == seen.system_calls
    assert told.buffers == seen.buffers
    assert told.headline == seen.headline


def test_what_would_be_written_where_nothing_may_be_written_is_refused() -> None:
    source = "mov eax, 318\nlea rdi, [rip+x]\nmov esi, 8\nxor edx, edx\nsyscall\nx: ret"
    seen, told = run(source), reported(source)
    assert told.registers["rax"] == seen.registers["rax"] == 2**64 - 14
    assert told.warnings == seen.warnings


@pytest.mark.parametrize(
    "source",
    [
        "mov ecx, 3\nl: add rax, rcx\npush rax\npop rbx\nmov [rdi], rax\npaddd xmm1, xmm2\ndec ecx\njnz l\nret",
        "mov ecx, 1000\nmov al, 7\nrep stosb\npushfq\npop rax\nmov r8, cs\nmov eax, 39\nsyscall\nret",
        "mov ecx, 5\nf: dec ecx\njz e\ncall f\ne: ret",
        "mov ax, ss\nmov ss, ax\nmov ebx, 1\nret",
        "pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nret",
        "xor ecx, ecx\ndiv ecx",
    ],
)
def test_steps_are_recorded_as_under_supervision(source: str) -> None:
    seen, told = run(source, trace=True), reported(source, trace=True)
    assert told.trace == seen.trace
    assert told.headline == seen.headline
    assert dict(told.registers) == dict(seen.registers)


C_PROGRAMS = {
    "printf": (
        'extern printf\nmain: sub rsp, 8\nlea rdi, [rip+f]\nmov esi, 42\ncall printf\nadd rsp, 8\nret\nf: .asciz "%d"'
    ),
    "malloc, grown and freed": (
        "extern malloc, realloc, free\nmain: push rbx\nmov edi, 1000000\ncall malloc\nmov byte ptr [rax+5], 7\n"
        "mov rdi, rax\nmov esi, 30000000\ncall realloc\nmovzx ebx, byte ptr [rax+5]\nmov rdi, rax\ncall free\n"
        "mov eax, ebx\npop rbx\nret"
    ),
    "qsort calls back": (
        "extern qsort\nmain: sub rsp, 8\nlea rdi, [rip+a]\nmov esi, 4\nmov edx, 4\nlea rcx, [rip+c]\ncall qsort\n"
        "mov eax, [rip+a]\nadd rsp, 8\nret\nc: mov eax, [rdi]\nsub eax, [rsi]\nret\nsection .data\na: dd 4, 1, 3, 2"
    ),
    "a null pointer": "extern strlen\nmain: sub rsp, 8\nxor edi, edi\ncall strlen\nadd rsp, 8\nret",
    "a misaligned call": 'extern printf\nmain: lea rdi, [rip+f]\nmov al, 1\ncall printf\nret\nf: .asciz "%f"',
    "exit": "extern exit\nmain: sub rsp, 8\nmov edi, 3\ncall exit",
    "abort": "extern abort\nmain: sub rsp, 8\ncall abort",
    "freed twice": (
        "extern malloc, free\nmain: push rbx\nmov edi, 9\ncall malloc\nmov rbx, rax\nmov rdi, rbx\ncall free\n"
        "mov rdi, rbx\ncall free\npop rbx\nret"
    ),
}


def test_what_c_functions_call_back_is_recorded_as_under_supervision() -> None:
    source = C_PROGRAMS["qsort calls back"]
    seen, told = (one(source, trace=True, limits=em.Limits()) for one in (run, reported))
    assert [step.line for step in told.trace] == [step.line for step in seen.trace]
    assert told.trace.counts == seen.trace.counts
    assert told.warnings == seen.warnings == ()


@pytest.mark.parametrize("traced", [False, True], ids=["free", "stepped"])
@pytest.mark.parametrize("name", C_PROGRAMS)
def test_the_c_library_works_as_under_supervision(name: str, traced: bool, nothing_left: None) -> None:
    seen, told = (one(C_PROGRAMS[name], trace=traced, limits=em.Limits()) for one in (run, reported))
    assert type(told) is type(seen)
    assert told.headline == seen.headline
    assert told.registers["rax"] == seen.registers["rax"]
    assert (told.stdout, told.stderr) == (seen.stdout, seen.stderr)
    assert [call.text for call in told.system_calls] == [call.text for call in seen.system_calls]


def test_every_call_that_is_carried_out_changes_the_memory_here() -> None:
    """Each verdict `Carried` names its call; the handlers are read for them."""
    sources = [inspect.getsource(module) for module in (handlers, system_calls)]
    carried = set(re.findall(r'Carried\(\s*NUMBERS\["(\w+)"\]', "".join(sources)))
    assert {"mmap", "munmap", "mprotect"} <= carried
    assert carried == set(self_reporting_guest._CARRIED)


def test_memory_that_is_given_back_is_given_back() -> None:
    """A program may map and unmap as often as it likes: what it unmapped takes no room any more, here or there."""
    source = (
        "mov r12d, 10\nl: mov eax, 9\nxor edi, edi\nmov esi, 0x1000000\nmov edx, 3\nmov r10d, 0x22\nmov r8, -1\n"
        "xor r9d, r9d\nsyscall\nmov rbx, rax\nmov ecx, 0x1000\nf: mov byte ptr [rax], 1\nadd rax, 0x1000\ndec ecx\n"
        "jnz f\nmov rdi, rbx\nmov esi, 0x1000000\nmov eax, 11\nsyscall\ndec r12d\njnz l\nret"
    )
    told = reported(source, limits=em.Limits(wall_s=10))
    assert isinstance(told, em.Returned)


@pytest.mark.parametrize(
    "source",
    [
        through_the_gate("57"),  # fork
        through_the_gate("15"),  # rt_sigreturn
        through_the_gate("14", 0, 0x7FF00000, 0, 8),  # rt_sigprocmask
        through_the_gate("62", 1, 9),  # kill
        through_the_gate("62", 0, 9),
        through_the_gate("62", 0xFFFFFFFF, 19),
        through_the_gate("9", 0x50000000, 4096, 7, 0x100001, 0, 0),  # mmap, executable
        through_the_gate("9", 0x50000000, 4096, 5, 0x100001, 0, 0),
        through_the_gate("9", 0x50000000, 4096, 3, 0x02, 0, 0),  # memory that we do not share
        through_the_gate("9", 0x50000000, 4096, 3, 0x100001, 3, 0),  # the file of the code
        through_the_gate("10", 0x7FE00000, 4096, 5),  # mprotect, executable
        through_the_gate("158", 0x3001, 1),  # arch_prctl
        through_the_gate("0x40000009", 0x50000000, 4096, 3, 0x100001, 0, 0),  # by the x32 interface
        f"mov eax, 39\nmov ebx, {runner.address_of('gate')}\nsyscall\nmov eax, 57\nsyscall",
    ],
)
def test_no_other_system_call_passes_the_gate(source: str, nothing_left: None) -> None:
    told = reported(source)
    assert isinstance(told, em.Faulted)
    assert told.signal == "SIGSYS"


def test_what_passes_the_gate_makes_no_code_writable() -> None:
    source = through_the_gate("10", 0x10000000, 4096, 3) + "mov r12, rax\nlea rax, [rip]\nmov byte ptr [rax], 0xc3"
    told = reported(source)
    assert told.registers["r12"] == 2**64 - 13  # EACCES
    assert told.cause is not None
    assert told.cause.name == "write-to-code"


@pytest.mark.parametrize(
    "source",
    [
        "mov rax, 0x7ff00000\nmov rcx, 0x200\nmov rdi, rax\nxor eax, eax\nrep stosq\nl: jmp l",
        "mov rdi, 0x7ff10000\nmov rcx, 0x2000\nmov rax, -1\nrep stosq\nmov rsp, 5\npush rax",
        "mov rsp, 0x7ff10008\nl: push rax\njmp l",
        "mov rsp, 0x7ff1fff0\nl: push rax\njmp l",
        "l:\n" + through_the_gate("62", 0, 19) + "jmp l",  # stops itself, says nothing
        through_the_gate("11", 0x7FF10000, 0x10000) + "ud2",  # no stack to report on
        through_the_gate("11", 0x7FF00000, 0x1000) + "ud2",  # no page to report on
        through_the_gate("11", 0x10000, 0x7FE00000 - 0x10000),  # nothing left but the runner
        through_the_gate("11", 0, 0x7FFFFFFFF000),  # nothing left at all
        f"mov r14d, 0x7ff00000\nmov ebx, {runner.address_of('report')}\nl: mov edi, 11\nmov esi, 8\njmp rbx",
        f"mov r14d, 0x7ff00000\nmov rbx, -8\nmov edi, 64\nmov ecx, {runner.address_of('report')}\njmp rcx",
        f"mov r14d, 0x7ff00000\nmov rbx, 8\nmov ecx, {runner.address_of('go_on')}\njmp rcx",
        f"l: mov ecx, {runner.address_of('handler')}\nmov edi, 14\nmov rdx, rsp\njmp rcx",
    ],
)
@pytest.mark.parametrize("traced", [False, True], ids=["free", "stepped"])
def test_a_program_that_attacks_what_reports_for_it_ends(source: str, traced: bool, nothing_left: None) -> None:
    told = reported(source, limits=em.Limits(wall_s=0.1, trace_steps=100), trace=traced)
    assert not isinstance(told, em.Returned)
    assert told.report()


def test_a_host_without_ptrace_is_noticed() -> None:
    """A process whose every ptrace is refused, as a strict container's is, runs programs all the same."""
    text = """
        import ctypes, struct
        import execmem_kernel as em
        program = em.assemble("lea rax, [rdi + rdi]\\nret")
        rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
        rule_set = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code))
        libc = ctypes.CDLL(None)
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        assert libc.prctl(22, 2, ctypes.create_string_buffer(rule_set)) == 0
        outcome = em.run(program, registers={"rdi": 21}, trace=True)
        print(outcome.registers["rax"], outcome.witness, len(outcome.trace))
        print(em.run('extern puts\\nmain: lea rdi, [rip+m]\\njmp puts\\nm: .asciz "hi"').stdout)
        print(em.run("mov ebx, 0\\nmov rax, [rbx]").headline)
        add = em.function("lea rax, [rdi+rsi]\\nret", "int64_t add(int64_t a, int64_t b)")
        print(add(2, 3), list(add.map([(1, 2), (3, 4)])))
    """
    done = running.script(text)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "42 guest 2",
        "b'hi\\n'",
        em.run("mov ebx, 0\nmov rax, [rbx]").headline,
        "5 [3, 7]",
    ]
