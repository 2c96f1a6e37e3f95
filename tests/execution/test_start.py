"""How a program begins: a function's caller, what `main` is given, and what the kernel leaves at `_start`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import execmem_kernel as em

START = """
_start: mov rcx, [rsp]            # argc
lea rsi, [rsp + 8]                # argv
xor edi, edi
mov rax, rsp
and eax, 15                       # how far rsp is from a multiple of 16
add edi, eax
next: mov rax, [rsi]
add rsi, 8
test rax, rax
jz ended
movzx edx, byte ptr [rax]         # the first letter of each argument
test rcx, rcx
lea ebx, [rcx * 4]
cmp rcx, [rsp]                    # but not of the program's own name, which differs
je skip
add edi, edx
skip: dec rcx
add edi, ebx
jmp next
ended: shl ecx, 6                 # argc has counted them all: 0
add edi, ecx
cmp qword ptr [rsi], 0            # no environment
je none
add edi, 100
none: mov eax, 60
syscall
"""


def _by_the_kernel(source: str, folder: Path, *arguments: str) -> int:
    """The exit status of the same source as a real process, made by GNU as and ld, with an empty environment."""
    (folder / "a.s").write_text(".intel_syntax noprefix\n.globl _start\n" + source)
    subprocess.run(["as", "-o", folder / "a.o", folder / "a.s"], check=True)
    subprocess.run(["ld", "-o", folder / "a", folder / "a.o"], check=True)
    return subprocess.run([folder / "a", *arguments], env={}, check=False).returncode


@pytest.mark.parametrize("arguments", [(), ("a",), ("one", "two words", ""), tuple("abcdefgh")])
def test_start_finds_what_the_kernel_would_leave_it(arguments: tuple[str, ...], tmp_path: Path) -> None:
    outcome = em.run(START, args=arguments)
    assert isinstance(outcome, em.Exited)
    assert outcome.status == _by_the_kernel(START, tmp_path, *arguments)


def test_start_can_call_the_c_library_with_the_stack_as_it_is() -> None:
    outcome = em.run(
        "extern printf, exit\nsection .data\nwords: db 'argc %d, %s', 10, 0\nsection .text\n"
        "global _start\n_start: mov esi, [rsp]\nmov rdx, [rsp + 16]\nlea rdi, [words]\nxor eax, eax\n"
        "movaps [rsp - 64], xmm0\ncall printf\nxor edi, edi\ncall exit",
        args=["hello"],
    )
    assert outcome.stdout == b"argc 2, hello\n"
    assert outcome.warnings == ()


@pytest.mark.parametrize("trace", [False, True])
def test_a_return_from_start_is_told_that_nobody_called_it(trace: bool) -> None:
    outcome = em.run("global _start\n_start: mov eax, 1\nret", args=["x"], trace=trace)
    assert isinstance(outcome, em.Faulted)
    assert outcome.headline == (
        "line 3: `ret` has nowhere to go: nobody has called `_start`, and it took the number of arguments, 2, for its "
        "return address"
    )
    assert outcome.cause is not None
    assert "exit" in outcome.cause.look_at
    popped = em.run("_start: pop rax\npop rbx\nret")
    assert popped.headline.startswith("line 3: `ret` has nowhere to go: nobody has called `_start`, and it took 0")


def test_main_is_called_with_argc_argv_and_an_empty_environment() -> None:
    outcome = em.run("main: mov rax, [rsi + 16]\nmov rcx, [rsi + 24]\nmov r8, [rdx]\nret", args=["one", "two"])
    assert isinstance(outcome, em.Returned)
    assert outcome.before["rdi"] == 3
    assert outcome.before["rsp"] % 16 == 8
    assert outcome.registers["rcx"] == outcome.registers["r8"] == 0
    assert outcome.describe(outcome.registers["rax"]).startswith("arguments+")
    assert outcome.warnings == ()
    assert em.run("main: mov rax, rdi\nret").registers["rax"] == 1
    assert em.run("main: mov rax, rdi\nret", registers={"rdi": 7}).registers["rax"] == 7
    assert em.run("main: mov rax, rdi\nret", poison=True, seed=3).registers["rax"] == 1


def test_main_prints_its_arguments_as_a_c_program_does() -> None:
    outcome = em.run(
        "extern puts\nmain: push rbx\nmov rbx, rsi\nnext: mov rdi, [rbx]\ntest rdi, rdi\njz done\ncall puts\n"
        "add rbx, 8\njmp next\ndone: pop rbx\nxor eax, eax\nret",
        args=["one", "two words", b"\xc3\xbc"],
    )
    assert outcome.stdout == "program\none\ntwo words\nü\n".encode()
    assert outcome.warnings == ()


def test_another_entry_than_main_is_a_function() -> None:
    source = "main: mov eax, 1\nret\nhelper: mov eax, edi\nret"
    assert em.run(source, entry="helper").registers["rax"] == 0
    assert em.function(source, "int helper(int x)")(5) == 5
    assert em.function("_start: lea eax, [rdi + 1]\nret", "int more(int x)")(5) == 6


def test_what_main_must_keep_and_give_back_is_checked_as_ever() -> None:
    found = em.run("main: mov ebx, 5\nret").warnings
    assert [(one.code, one.line) for one in found] == [("callee-saved", 1)]
    assert em.run("main: pop rax\nret").headline.endswith("there was one pop too many on line 1")
    assert em.run("main: push 5\nret").headline == (
        "line 2: `ret` took 5 for its return address: there was one push too many on line 1"
    )
    assert "stack overflow" in em.run("main: call main").headline


def test_arguments_that_no_program_can_be_given_are_refused_plainly() -> None:
    with pytest.raises(ValueError, match="a whole program, which starts at `main` or `_start`"):
        em.run("ret", args=["x"])
    with pytest.raises(ValueError, match="cannot hold a zero byte"):
        em.run("main: ret", args=["a\0b"])
    with pytest.raises(TypeError, match="a list of texts"):
        em.run("main: ret", args="text")
    with pytest.raises(ValueError, match="65,536 bytes at most"):
        em.run("main: ret", args=["x" * 70_000])
