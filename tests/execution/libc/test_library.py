"""Programs that call the C library: what they get, what stops them, and that nothing of the host reaches them."""

from __future__ import annotations

import ctypes
import math
import os
import struct
import subprocess
import sys
from typing import Literal

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.call import Limits
from execmem_kernel.execution.contract.outcome import Exited, Faulted, Returned, TimedOut


def calling(names: str, body: str, data: str = "") -> str:
    """A program whose stack is aligned, and whose lines can be counted: the body starts on line 6."""
    return (
        f"extern {names}\nsection .data\ndata: {data or 'db 0'}\nsection .text\nmain: push rbx\n{body}\npop rbx\nret\n"
    )


def test_puts_prints_a_line() -> None:
    outcome = em.run(calling("puts", "lea rdi, [data]\ncall puts", 'db "hello", 0'))
    assert type(outcome) is Returned
    assert outcome.stdout == b"hello\n"
    assert outcome.registers["rax"] == 6


def test_gnu_spelling_calls_the_same_function() -> None:
    source = '.intel_syntax noprefix\n.extern puts\n.data\ndata: .asciz "hello"\n.text\nmain: push rbx\n'
    outcome = em.run(source + "lea rdi, [rip + data]\ncall puts\npop rbx\nret\n")
    assert outcome.stdout == b"hello\n"


def test_printf_takes_integers_strings_and_doubles() -> None:
    body = "lea rdi, [fmt]\nmov esi, -42\nlea rdx, [name]\nmovsd xmm0, [pi]\nmov eax, 1\ncall printf"
    data = f'dq 0\nfmt: db "%d %s %.6f", 10, 0\nname: db "pi", 0\npi: dq {math.pi}'
    assert em.run(calling("printf", body, data)).stdout == b"-42 pi 3.141593\n"


def test_output_without_a_newline_is_written_when_the_program_returns() -> None:
    outcome = em.run(calling("printf", "lea rdi, [data]\nxor eax, eax\ncall printf", 'db "no newline", 0'))
    assert type(outcome) is Returned
    assert outcome.stdout == b"no newline"
    assert outcome.registers["rax"] == len("no newline"), "the flush must not change what the program returned"


def test_output_without_a_newline_is_lost_in_a_crash_and_a_line_is_not() -> None:
    body = "lea rdi, [data]\ncall puts\nlea rdi, [rest]\nxor eax, eax\ncall printf\nmov eax, [0]"
    outcome = em.run(calling("puts, printf", body, 'db "a line", 0\nrest: db "a rest", 0'))
    assert isinstance(outcome, Faulted)
    assert outcome.stdout == b"a line\n"


def test_exit_flushes_and_gives_its_status() -> None:
    body = "lea rdi, [data]\nxor eax, eax\ncall printf\nmov edi, 7\ncall exit"
    outcome = em.run(calling("printf, exit", body, 'db "bye", 0'))
    assert isinstance(outcome, Exited)
    assert (outcome.status, outcome.stdout) == (7, b"bye")
    assert outcome.headline == "line 10: called exit, which ended it with status 7"


def test_stderr_is_kept_apart() -> None:
    body = "lea rdi, [data]\nmov rsi, [stderr]\ncall fputs\nlea rdi, [data]\nmov rsi, [stdout]\ncall fputs"
    outcome = em.run(calling("fputs, stderr, stdout", body, 'db "x", 0'))
    assert (outcome.stdout, outcome.stderr) == (b"x", b"x")


def test_scanf_reads_what_stdin_was_given() -> None:
    source = calling(
        "scanf", "lea rdi, [data]\nlea rsi, [n]\nxor eax, eax\ncall scanf\nmov eax, [n]", 'db "%d", 0\nn: dd 0'
    )
    assert em.run(source, stdin=b"123\n").registers["rax"] == 123
    assert em.run(source).registers["rax"] == 0, "no input: nothing is stored"


def test_qsort_calls_back_into_the_cell() -> None:
    numbers = [5, -3, 9, 0, 7, -3]
    source = (
        "extern qsort\ncompare: mov eax, [rdi]\nsub eax, [rsi]\nret\n"
        "main: push rbx\nmov edx, 4\nlea rcx, [compare]\ncall qsort\npop rbx\nret\n"
    )
    data = struct.pack("<6i", *numbers)
    outcome = em.run(source, {"rdi": "numbers", "rsi": 6}, {"numbers": data}, entry="main")
    assert list(struct.unpack("<6i", outcome.buffers["numbers"])) == sorted(numbers)


def test_malloc_gives_memory_that_is_the_programs_own() -> None:
    body = "mov edi, 3000000\ncall malloc\nmov rbx, rax\nmov byte [rbx+2999999], 7\nmov rdi, rbx\nmov esi, 9000000\n"
    body += "call realloc\nmovzx ebx, byte [rax+2999999]\nmov rdi, rax\ncall free\nmov eax, ebx"
    outcome = em.run(calling("malloc, realloc, free", body))
    assert type(outcome) is Returned, outcome.report()
    assert outcome.registers["rax"] == 7


@pytest.mark.parametrize(
    ("function", "value"), [("sqrt", 2.0), ("exp", 1.5), ("log", 10.0), ("sin", 0.5), ("cbrt", 27.5), ("floor", -2.5)]
)
def test_a_function_of_libm_gives_what_it_gives_here(function: str, value: float) -> None:
    here = getattr(ctypes.CDLL("libm.so.6"), function)
    here.restype, here.argtypes = ctypes.c_double, [ctypes.c_double]
    outcome = em.run(calling(function, f"movsd xmm0, [data]\ncall {function}\nmovq rax, xmm0", f"dq {value!r}"))
    assert struct.unpack("<d", outcome.registers["rax"].to_bytes(8, "little"))[0] == here(value)


@pytest.mark.parametrize(
    ("function", "text", "expected"),
    [("strlen", "seven77", 7), ("atoi", "-12x", 2**32 - 12), ("toupper", None, ord("Q"))],
)
def test_small_functions_give_what_c_says(function: str, text: str | None, expected: int) -> None:
    first = "mov edi, 'q'" if text is None else "lea rdi, [data]"
    outcome = em.run(calling(function, f"{first}\ncall {function}", f'db "{text or ""}", 0'))
    assert outcome.registers["eax"] == expected


def test_a_loop_in_what_the_library_calls_back_ends_at_the_limit_when_traced() -> None:
    source = "extern qsort\nhang: jmp hang\nmain: push rbx\nmov edx, 4\nlea rcx, [hang]\ncall qsort\npop rbx\nret\n"
    outcome = em.run(source, {"rdi": "n", "rsi": 2}, {"n": 8}, entry="main", timeout_s=0.3, trace=True)
    assert isinstance(outcome, TimedOut)
    assert outcome.line == 2


def test_a_call_is_one_step_of_a_trace() -> None:
    outcome = em.run(calling("puts", "lea rdi, [data]\ncall puts", 'db "hi", 0'), trace=True)
    assert outcome.trace is not None
    assert [step.text.split()[0] for step in outcome.trace] == ["push", "lea", "call", "puts", "pop", "ret"]
    assert outcome.stdout == b"hi\n"


def test_a_listing_and_a_pointer_show_the_function_by_name() -> None:
    outcome = em.run(calling("puts, strlen", "lea rbx, [puts]\nlea rdi, [data]\ncall strlen\nmov rax, rbx"))
    assert [row.text for row in outcome.program.listing if "call" in row.text] == ["call strlen"]
    assert outcome.describe(outcome.registers["rax"]) == "puts"
    assert outcome.warnings == ()


def test_a_traced_run_ends_as_an_untraced_one() -> None:
    source = calling(
        "printf, malloc", "mov edi, 10\ncall malloc\nmov rsi, rax\nlea rdi, [data]\ncall printf", 'db "%p", 10, 0'
    )
    plain, traced = em.run(source), em.run(source, trace=True)
    assert dict(plain.registers) == dict(traced.registers)
    assert plain.stdout == traced.stdout


SECRETS = calling(
    "malloc, printf, getenv, rand, stdout, environ",
    "mov edi, 16\ncall malloc\nmov rsi, rax\nlea rdi, [fmt]\nmov rdx, [stdout]\nmov rcx, fs:[0x28]\nlea r8, [printf]\n"
    "xor eax, eax\ncall printf\nmov rbx, [environ]\nmov rbx, [rbx]\nlea rdi, [path]\ncall getenv\nor rax, rbx",
    'dq 0\nfmt: db "%p %p %p %p", 10, 0\npath: db "PATH", 0',
)


def test_addresses_and_secrets_are_the_same_in_every_run_and_process() -> None:
    first, second = em.run(SECRETS), em.run(SECRETS)
    assert first.stdout == second.stdout
    script = f"import execmem_kernel as em, sys\nsys.stdout.buffer.write(em.run({SECRETS!r}).stdout)"
    fresh = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert fresh.stdout == first.stdout


def test_the_environment_is_empty() -> None:
    assert os.environ.get("PATH")
    assert em.run(SECRETS).registers["rax"] == 0


def test_nothing_is_writable_and_executable_and_the_library_cannot_be_changed() -> None:
    body = "lea rdi, [data]\ncall puts\nmov rax, [rsp-8]\nmov byte [puts], 0xc3"
    outcome = em.run(calling("puts", body, 'db "x", 0'))
    assert isinstance(outcome, Faulted)
    assert outcome.line == 9


def test_no_file_descriptor_is_open_in_the_program() -> None:
    body = (
        "mov ebx, 3\nagain: mov edi, ebx\nxor eax, eax\nlea rsi, [data]\nmov edx, 1\nsyscall\ntest rax, rax\n"
        "jns found\ninc ebx\ncmp ebx, 600\njb again\nxor eax, eax\njmp done\nfound: mov eax, 1\ndone:"
    )
    source = calling("puts", body)
    assert em.run(source, limits=Limits(system_calls=2000)).registers["rax"] == 0


def test_buffers_and_registers_go_in_and_out_beside_the_library() -> None:
    source = "extern strcpy\nmain: push rbx\ncall strcpy\npop rbx\nret\n"
    outcome = em.run(source, {"rdi": "to", "rsi": "from"}, {"to": 8, "from": b"copied\0"})
    assert outcome.buffers["to"] == b"copied\0\0"


def test_writing_past_a_buffer_inside_a_function_is_noticed() -> None:
    source = "extern strcpy\nmain: push rbx\ncall strcpy\npop rbx\nret\n"
    outcome = em.run(source, {"rdi": "to", "rsi": "from"}, {"to": 4, "from": b"too long\0"})
    assert [warning.code for warning in outcome.warnings] == ["buffer-overrun"]


def test_a_function_of_a_prototype_may_call_the_library() -> None:
    length = em.function(
        "extern strlen\nlength: sub rsp, 8\ncall strlen\nadd rsp, 8\nret", "size_t length(const char *s)"
    )
    assert length("hello") == 5
    assert length.map([("x" * count,) for count in range(20)]) == list(range(20))


@pytest.mark.parametrize(
    ("syntax", "source"),
    [
        (
            "intel",
            "extern puts\nmain: push rbx\nlea rdi, [rel text]\ncall puts wrt ..plt\npop rbx\nret\ntext: db 'a', 0",
        ),
        ("intel", '.extern puts\nmain: push rbx\nlea rdi, text[rip]\ncall puts@PLT\npop rbx\nret\ntext: .asciz "a"'),
        ("intel", "extern puts\nmain: lea rdi, [rel text]\njmp puts\ntext: db 'a', 0"),
        ("att", 'main: pushq %rbx\nleaq text(%rip), %rdi\ncall puts@PLT\npopq %rbx\nret\ntext: .asciz "a"'),
    ],
    ids=["nasm", "gnu", "tail call", "att"],
)
def test_every_way_to_write_a_call_reaches_the_function(syntax: Literal["intel", "att"], source: str) -> None:
    assert em.run(source, syntax=syntax).stdout == b"a\n"
