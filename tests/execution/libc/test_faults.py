"""Causes of stops inside the C library: the line of the call, and what it was given."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.outcome import Faulted


def calling(names: str, body: str, data: str = "") -> str:
    """A program whose stack is aligned, and whose lines can be counted: the body starts on line 6."""
    return (
        f"extern {names}\nsection .data\ndata: {data or 'db 0'}\nsection .text\nmain: push rbx\n{body}\npop rbx\nret\n"
    )


def test_a_null_pointer_given_to_a_function_is_explained_at_the_call() -> None:
    outcome = em.run(calling("strlen", "xor edi, edi\ncall strlen"))
    assert isinstance(outcome, Faulted)
    assert outcome.headline.startswith("line 7: inside strlen, called with rdi = 0")
    assert (outcome.signal, outcome.accessed) == ("SIGSEGV", 0)


def test_a_null_pointer_that_a_function_returned_is_blamed_on_it() -> None:
    outcome = em.run(calling("malloc", "mov rdi, -1\ncall malloc\nmov [rax], edi"))
    assert isinstance(outcome, Faulted)
    assert "malloc returned" in outcome.headline


def test_a_misaligned_stack_at_the_call_is_explained() -> None:
    source = (
        'extern printf\nsection .data\nf: db "%f", 0\nsection .text\n'
        "main:\nlea rdi, [f]\nmov eax, 1\ncall printf\nret\n"
    )
    outcome = em.run(source)
    assert isinstance(outcome, Faulted)
    assert outcome.cause is not None
    assert (outcome.cause.name, outcome.line) == ("misaligned-call", 8)
    assert "16" in outcome.headline
    assert "sub rsp, 8" in outcome.cause.look_at


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("mov edi, 'x'\ncall putchar\ncall main", "stack-overflow"),
        ("lea rdi, [data]\nstd\ncall puts", "direction-flag"),
        ("lea rdi, [data]\nmov esi, 1\ncall printf", "library-fault"),
    ],
)
def test_what_goes_wrong_inside_a_function_has_a_cause_and_the_line_of_the_call(body: str, name: str) -> None:
    limits = em.Limits(stack_size=64 * 1024)  # full before so much has been printed that this ends it
    outcome = em.run(calling("putchar, puts, printf", body, 'db "%s", 0'), limits=limits)
    assert isinstance(outcome, Faulted)
    assert outcome.cause is not None
    assert outcome.cause.name == name, outcome.report()
    assert outcome.row is not None
    assert outcome.row.source.strip().startswith("call")
