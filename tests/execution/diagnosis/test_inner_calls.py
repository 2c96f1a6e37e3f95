"""What functions keep that a program calls inside itself, where its steps are known."""

from __future__ import annotations

import pytest

import execmem_kernel as em

INSIDE = {
    "callee-saved": ("push rbx\ncall f\npop rbx\nret\nf: nop\nmov ebx, 5\nret", 6),
    "stack-pointer": ("push rbx\ncall f\npush rbx\npop rbx\nret\nf: ret 8", 6),
    "direction-flag": ("sub rsp, 8\ncall f\ncld\nadd rsp, 8\nret\nf: std\nret", 6),
    "return-address": (
        "sub rsp, 8\ncall f\nadd rsp, 8\nret\nf: lea rax, [g]\nmov [rsp], rax\nret\ng: add rsp, 8\nret",
        6,
    ),
}


@pytest.mark.parametrize("code", INSIDE)
def test_in_a_trace_the_functions_that_are_called_inside_are_checked_too(code: str) -> None:
    source, line = INSIDE[code]
    assert (code, line) in [(warning.code, warning.line) for warning in em.run(source, trace=True).warnings]
    assert code not in [warning.code for warning in em.run(source).warnings]


def test_a_return_address_written_over_is_told_where_steps_are_known() -> None:
    source = "mov rcx, [rsp]\nlea rax, [g]\nmov [rsp], rax\nret\ng: jmp rcx"
    assert [(one.code, one.line) for one in em.run(source, trace=True).warnings] == [("return-address", 3)]
    right = "push rbx\npop rbx\nmov [rsp - 8], rax\nret"
    assert em.run(right, trace=True, registers={"rax": 1}).warnings == ()


def test_a_recursion_that_keeps_everything_is_not_complained_about() -> None:
    source = (
        "fib: push rbx\npush r12\nsub rsp, 8\nmov rbx, rdi\nmov rax, rdi\ncmp rdi, 2\njb done\n"
        "lea rdi, [rbx - 1]\ncall fib\nmov r12, rax\nlea rdi, [rbx - 2]\ncall fib\nadd rax, r12\n"
        "done: add rsp, 8\npop r12\npop rbx\nret"
    )
    outcome = em.run(source, registers={"rdi": 7}, trace=True)
    assert outcome.registers["rax"] == 13
    assert outcome.warnings == ()
