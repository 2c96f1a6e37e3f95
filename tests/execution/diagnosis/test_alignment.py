"""Stack alignment at calls: proved from the code in every run, seen where it cannot be proved, never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

import execmem_kernel as em
from tests.assembly.test_course_programs import CASES, course

F = "\nf: mov eax, 1\nret"
C = "extern puts, printf\nsection .data\nt: db 'x', 0\nsection .text\n"

MISALIGNED = {
    "nothing taken": ("call f\nret" + F, [1]),
    "one push too many": ("push rbx\npush r12\ncall f\npop r12\npop rbx\nret" + F, [3]),
    "locals of the wrong size": ("sub rsp, 16\ncall f\nadd rsp, 16\nret" + F, [2]),
    "a frame with wrong locals": ("push rbp\nmov rbp, rsp\nsub rsp, 8\ncall f\nleave\nret" + F, [4]),
    "enter": ("enter 8, 0\ncall f\nleave\nret" + F, [2]),
    "after a frame was given back": ("push rbp\nmov rbp, rsp\nsub rsp, 32\ncall f\nleave\ncall f\nret" + F, [6]),
    "on both ways": ("test edi, edi\njz a\nnop\na: call f\nret" + F, [4]),
    "a word": ("push ax\ncall f\nadd rsp, 2\nret" + F, [2]),
    "in the function that is called": ("push rbx\ncall g\npop rbx\nret\ng: call f\nret" + F, [5]),
    "only the caller, not what it calls": ("call g\nret\ng: push rbx\ncall f\npop rbx\nret" + F, [1]),
    "a return that takes more": ("sub rsp, 24\npush rdi\ncall g\ncall f\nadd rsp, 24\nret\ng: ret 8" + F, [3]),
    "through a pointer": ("lea rax, [f]\ncall rax\nret" + F, [2]),
    "in a loop": ("mov ecx, 3\nl: call f\ndec ecx\njnz l\nret" + F, [2]),
    "the C library": (C + "main: lea rdi, [t]\ncall puts\nret", [6]),
    "at _start, after a push": (C + "extern exit\nglobal _start\n_start: push rax\nlea rdi, [t]\ncall puts\n"
                                "xor edi, edi\npush rdi\ncall exit", [9]),
}  # fmt: skip

RIGHT = {
    "taken by sub": "sub rsp, 8\ncall f\nadd rsp, 8\nret",
    "taken by lea": "lea rsp, [rsp - 8]\ncall f\nlea rsp, [rsp + 8]\nret",
    "a push": "push rbx\ncall f\npop rbx\nret",
    "a frame": "push rbp\nmov rbp, rsp\ncall f\npop rbp\nret",
    "a frame with locals": "push rbp\nmov rbp, rsp\nsub rsp, 48\ncall f\nleave\nret",
    "aligned at run time": "push rbp\nmov rbp, rsp\nsub rsp, 24\nand rsp, -16\ncall f\nmov rsp, rbp\npop rbp\nret",
    "the address of what follows": "call here\nhere: pop rax\nsub rsp, 8\ncall f\nadd rsp, 8\nret",
    "a call that is never returned from": "jmp b\na: pop rdi\nsub rsp, 8\ncall f\nadd rsp, 8\nret\n"
                                          "b: call a\ndb 'text', 0",
    "pushed on one way only": "mov eax, edi\ntest eax, eax\njz a\npush rbx\na: test eax, eax\njz b\ncall f\npop rbx\n"
                              "ret\nb: sub rsp, 8\ncall f\nadd rsp, 8\nret",
    "digits pushed in a loop": "xor ecx, ecx\nl: push rcx\ninc ecx\ncmp ecx, 5\njb l\ncall f\nadd rsp, 40\nret",
    "never reached": "ret\ncall f",
    "_start as it is": "extern exit\nglobal _start\n_start: xor edi, edi\ncall exit",
    "behind exit lies another function": "global _start\n_start: mov eax, 60\nxor edi, edi\nsyscall\n"
                                         "g: push rbx\ncall f\npop rbx\nret",
    "behind a call of exit too": "extern exit\nmain: push rbx\nxor edi, edi\ncall exit\ng: call f\nret",
    "a stack of its own": "mov rbx, rsp\nlea rsp, [s + 64]\ncall f\nmov rsp, rbx\nret\n"
                          "section .bss\nalignb 16\ns: resb 64\nsection .text",
}  # fmt: skip


def _lines(outcome: em.Outcome) -> list[int | None]:
    return [warning.line for warning in outcome.warnings if warning.code == "stack-alignment"]


@pytest.mark.parametrize("name", MISALIGNED)
def test_a_misaligned_call_is_told_in_every_run(name: str) -> None:
    source, lines = MISALIGNED[name]
    assert _lines(em.run(source)) == lines
    assert _lines(em.run(source, trace=True)) == lines


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_or_cannot_be_proved_wrong_is_not_complained_about(name: str) -> None:
    assert _lines(em.run(RIGHT[name] + F)) == []
    assert _lines(em.run(RIGHT[name] + F, trace=True)) == []


def test_where_nothing_can_be_proved_the_c_librarys_gate_has_seen_it() -> None:
    source = C + "main: mov eax, 16\nsub rsp, rax\nlea rdi, [t]\ncall puts\nadd rsp, 16\nret"
    outcome = em.run(source)
    assert isinstance(outcome, em.Returned)
    assert outcome.stdout == b"x\n"
    assert _lines(outcome) == _lines(em.run(source, trace=True)) == [8]
    assert _lines(em.run(source.replace("16", "24"))) == []
    through_a_pointer = C + "main: lea rbx, [puts]\nmov eax, 16\nsub rsp, rax\nlea rdi, [t]\ncall rbx\nadd rsp, 16\nret"
    assert _lines(em.run(through_a_pointer)) == [9]


def test_the_warning_says_what_to_do() -> None:
    found = em.run("nop\ncall f\nret" + F).warnings
    assert [(one.line, one.message) for one in found] == [
        (2, "`call f` with rsp = 16n+8: at a call it must be a multiple of 16")
    ]
    assert "`sub rsp, 8` before the call" in found[0].hint
    assert "does no harm until" in found[0].hint


def test_a_function_called_from_python_is_checked_too() -> None:
    add = em.function("add: call f\nlea rax, [rdi + rsi]\nret\nf: ret", "long add(long a, long b)")
    assert add(2, 3) == 5
    assert _lines(add.outcome) == [1]


@pytest.mark.parametrize("path", [path for path in CASES if "gcc" in path.parent.name], ids=lambda path: path.name)
def test_a_compilers_output_is_never_complained_about(path: Path) -> None:
    one = course(path)
    assert _lines(em.run(one.source, syntax=one.syntax, stdin=one.stdin)) == []
