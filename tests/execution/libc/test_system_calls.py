"""The C library's own system calls: what it may have, its limits, and how an abort is told."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.call import Limits
from execmem_kernel.execution.contract.outcome import Faulted, Returned, TimedOut


def calling(names: str, body: str, data: str = "") -> str:
    """A program whose stack is aligned, and whose lines can be counted: the body starts on line 6."""
    return (
        f"extern {names}\nsection .data\ndata: {data or 'db 0'}\nsection .text\nmain: push rbx\n{body}\npop rbx\nret\n"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("mov edi, 24\ncall malloc\nmov rbx, rax\nmov rdi, rbx\ncall free\nmov rdi, rbx\ncall free", "double free"),
        ("lea rdi, [data+8]\ncall free", "free(): invalid pointer"),
    ],
)
def test_a_broken_heap_is_said_with_the_librarys_own_words(body: str, said: str) -> None:
    outcome = em.run(calling("malloc, free", body, "dq 0, 0, 0, 0"))
    assert isinstance(outcome, Faulted)
    assert outcome.signal == "SIGABRT"
    assert outcome.row is not None
    assert outcome.row.source.strip() == "call free"
    assert said in outcome.headline
    assert said.encode() in outcome.stderr
    with pytest.raises(em.ProgramFault, match="aborted"):
        outcome.raise_for_fault()


def test_a_heap_broken_behind_the_programs_back_does_not_change_a_return() -> None:
    """The stream's own structure is overwritten: fflush crashes, the program has returned."""
    body = "lea rdi, [data]\nxor eax, eax\ncall printf\n"
    body += "mov rdi, [stdout]\nmov esi, 255\nmov edx, 216\ncall memset\nmov eax, 5"
    outcome = em.run(calling("printf, memset, stdout", body, 'db "x", 0'))
    assert type(outcome) is Returned, outcome.report()
    assert outcome.registers["rax"] == 5


@pytest.mark.parametrize("function", ["fdopendir", "kill", "mlock", "getcwd", "usleep"])
def test_what_the_library_asks_of_the_system_is_refused_by_name(function: str) -> None:
    outcome = em.run(calling(function, f"mov edi, 1\nlea rsi, [data]\ncall {function}", "times 64 db 1"))
    if type(outcome) is not Returned:
        assert isinstance(outcome, Faulted)
        assert outcome.signal == "SIGSYS", outcome.report()
        assert outcome.line == 8
    assert not any(call.allowed for call in outcome.system_calls)


def test_memory_is_limited_as_ever() -> None:
    outcome = em.run(calling("malloc", "again: mov edi, 4000000\ncall malloc\njmp again"))
    assert isinstance(outcome, TimedOut)
    assert (outcome.limit, outcome.line) == ("memory", 7)


def test_output_is_limited_also_when_it_is_written_at_the_end() -> None:
    body = "mov ebx, 40\nagain: mov edi, 65\ncall putchar\ndec ebx\njnz again"
    outcome = em.run(calling("putchar", body), limits=Limits(output_size=16))
    assert isinstance(outcome, TimedOut)
    assert (outcome.limit, outcome.stdout) == ("output", b"A" * 16)


def test_a_loop_around_a_call_ends_at_the_limit() -> None:
    outcome = em.run(calling("strlen", "again: lea rdi, [data]\ncall strlen\njmp again"), timeout_s=0.2)
    assert isinstance(outcome, TimedOut)
    assert outcome.limit == "wall"
