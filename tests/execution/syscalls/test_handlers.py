"""System calls: the ones that are emulated, and how the others are refused."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.address_map import MAPPINGS
from execmem_kernel.execution.syscalls import handlers, numbers, verdicts


def call(number: int, *arguments: int | str) -> str:
    """Assembly that makes a system call."""
    names = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    loads = [f"mov {name}, {value}" for name, value in zip(names, arguments, strict=False)]
    return "\n".join([*loads, f"mov rax, {number}", "syscall"])


def last(outcome: em.Outcome) -> str:
    return outcome.system_calls[-1].text


def test_memory_is_mapped_used_and_unmapped() -> None:
    source = (
        call(9, 0, 10000, 3, 0x22, -1, 0)
        + "\nmov qword ptr [rax+9999], 1\nmov rdi, rax\nmov rsi, 10000\nmov rax, 11\nsyscall\nret"
    )
    outcome = em.run(source)
    assert isinstance(outcome, em.Returned)
    assert [one.name for one in outcome.system_calls] == ["mmap", "munmap"]
    gone = em.run(source.replace("\nret", "\nmov rax, [rdi]\nret"))
    assert isinstance(gone, em.Faulted)


def test_two_mappings_have_a_gap_between_them() -> None:
    source = call(9, 0, 4096, 3, 0x22, -1, 0) + "\nmov rbx, rax\n" + call(9, 0, 4096, 3, 0x22, -1, 0)
    outcome = em.run(source + "\nmov [rbx+4096], rax\nret")
    assert isinstance(outcome, em.Faulted)


def test_the_break_grows_and_shrinks() -> None:
    source = (
        "mov eax, 12\nxor edi, edi\nsyscall\nmov rbx, rax\nlea rdi, [rax+5000]\nmov eax, 12\nsyscall\n"
        "mov byte ptr [rbx+4999], 7\nmov rdi, rbx\nmov eax, 12\nsyscall\nsub rax, rbx\npush rax\npop rax\nret"
    )
    outcome = em.run(source)
    assert isinstance(outcome, em.Returned)
    assert outcome.registers["rax"] == 0
    assert isinstance(em.run(source.replace("push rax", "mov [rbx], rax")), em.Faulted)


def test_what_is_mapped_over_the_limit_ends_the_run() -> None:
    outcome = em.run(call(9, 0, 0x10000000, 3, 0x22, -1, 0) + "\nret")
    assert isinstance(outcome, em.TimedOut)
    assert outcome.limit == "memory"
    outcome = em.run("l: " + call(9, 0, 1 << 20, 3, 0x22, -1, 0).replace("\n", "\n", 1) + "\njmp l")
    assert isinstance(outcome, em.TimedOut)
    assert len(outcome.system_calls) == 65


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (call(9, 0, 4096, 7, 0x22, -1, 0), "never executable"),
        (call(9, 0, 4096, 5, 0x22, -1, 0), "never executable"),
        (call(9, 0, 4096, 3, 2, 5, 0), "no files to map"),
        (call(9, 0x10000000, 4096, 3, 0x32, -1, 0), "not the program's choice"),
        (call(11, 0x10000000, 4096), "only what it has mapped"),
        (call(11, 0x7FE00000, 4096), "only what it has mapped"),
        (call(10, 0x10000000, 4096, 3), "keeps its protection"),
        (call(59, 0, 0, 0), "execve(NULL, NULL, NULL)"),
        (call(62, 1, 9), "kill(1, 9)"),
        (call(57), "fork()"),
        (call(41, 2, 1, 0), "no network"),
        (call(35, 0, 0), "may not wait"),
        (call(321, 0), "bpf(0"),
        (call(1000), "no system call of that number"),
    ],
)
def test_a_refused_call_is_named_with_its_reason(source: str, words: str) -> None:
    outcome = em.run(source + "\nret")
    assert isinstance(outcome, em.Faulted)
    assert outcome.signal == "SIGSYS"
    assert words in outcome.headline
    assert not outcome.system_calls[-1].allowed
    with pytest.raises(em.ForbiddenSystemCall):
        outcome.raise_for_fault()


def test_every_name_has_a_reason_and_is_refused_or_offered() -> None:
    guest = type("Guest", (), {"read": lambda *_: b"", "write": lambda *_: False})()
    for number, name in numbers.NAMES.items():
        verdict = handlers.SystemCallHandler(em.Limits()).answer(guest, number, (MAPPINGS, 4096, 3, 0x22, 0, 0))
        assert isinstance(verdict, verdicts.Refused) == (name not in handlers.OFFERED)


def test_the_process_id_is_the_same_in_every_run() -> None:
    assert {em.run(call(39) + "\nret").registers["rax"] for _ in range(2)} == {1000}


def test_random_bytes_are_the_same_for_a_seed() -> None:
    source = "sub rsp, 24\n" + call(318, "rsp", 8, 0) + "\nmov rax, [rsp]\nadd rsp, 24\nret"
    first, again, other = (em.run(source, seed=seed).registers["rax"] for seed in (1, 1, 2))
    assert first == again != other
    assert len({em.run(source).registers["rax"] for _ in range(3)}) == 3


def test_the_clock_goes_and_stands_still_with_a_seed() -> None:
    source = "sub rsp, 24\n" + call(228, 1, "rsp") + "\nmov rax, [rsp+8]\nadd rsp, 24\nret"
    assert {em.run(source, seed=7).registers["rax"] for _ in range(2)} == {1_000_000}
    outcome = em.run(source)
    assert 0 < outcome.registers["rax"] < 10**9


def test_bad_pointers_and_descriptors_get_linux_answers_and_a_warning() -> None:
    outcome = em.run(call(1, 1, 8, 5) + "\nret")
    assert outcome.registers["rax"] == 2**64 - 14
    assert [warning.code for warning in outcome.warnings] == ["bad-address"]
    assert last(outcome) == "write(1, 0x8, 5) = -EFAULT"
    outcome = em.run(call(1, 7, "rsp", 5) + "\nret")
    assert outcome.registers["rax"] == 2**64 - 9
    assert [warning.code for warning in outcome.warnings] == ["bad-descriptor"]
    outcome = em.run("x: lea rsi, [rip+x]\nxor edi, edi\nmov edx, 4\nxor eax, eax\nsyscall\nret", stdin=b"data")
    assert outcome.registers["rax"] == 2**64 - 14


def test_a_program_that_prints_and_exits_is_shown_so() -> None:
    source = call(1, 1, "rbx", 6) + "\nmov edi, eax\nmov eax, 60\nsyscall"
    outcome = em.run(source, registers={"rbx": "m"}, buffers={"m": b"hello\n"})
    assert isinstance(outcome, em.Exited)
    assert (outcome.stdout, outcome.status) == (b"hello\n", 6)


def test_exit_statuses_are_cut_to_a_byte() -> None:
    outcome = em.run(call(60, 0x1FF))
    assert isinstance(outcome, em.Exited)
    assert outcome.status == 255


def test_registers_that_linux_destroys_are_destroyed() -> None:
    outcome = em.run("mov eax, 39\nsyscall\nn: lea rdx, [rip+n]\nsub rcx, rdx\nret")
    assert outcome.registers["rcx"] == 0
    assert outcome.registers["r11"] & ~0x10000 == 0x202
