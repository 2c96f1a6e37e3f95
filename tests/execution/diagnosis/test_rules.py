"""Programs whose stop has a certain cause, for rules that the collections in tests/data do not name."""

from __future__ import annotations

from typing import Any

import pytest

import execmem_kernel as em
from tests.running import LIMITS, run

MMAP = """
mov eax, 9
xor edi, edi
mov esi, 4096
mov edx, 3
mov r10d, 0x22
mov r8, -1
xor r9d, r9d
syscall
"""
"""Asks for a page; its address is in rax."""

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "before-buffer": ("mov al, [rdi - 4096]\nret", {"buffers": {"text": b"12345678"}, "registers": {"rdi": "text"}}),
    "past-buffer": ("mov al, [rdi + 64]\nret", {"buffers": {"text": b"12345678"}, "registers": {"rdi": "text"}}),
    "past-segment": ("lea rax, [rip + x]\nmov al, [rax + 4096]\nret\nsection .data\nx: db 1", {}),
    "past-mapping": (MMAP + "mov al, [rax + 4096]\nret", {}),
    "before-mapping": (MMAP + "mov al, [rax - 1]\nret", {}),
    "after-munmap": (MMAP + "mov rdi, rax\nmov rbx, rax\nmov eax, 11\nsyscall\nmov al, [rbx]\nret", {}),
    "unmapped": ("mov rax, 0x12345678000\nmov al, [rax]\nret", {}),
    "write-to-rodata": ("lea rax, [rip + x]\nmov byte ptr [rax], 1\nret\nsection .rodata\nx: db 1", {}),
    "above-stack": ("mov rax, [rsp + 0x1008]\nret", {}),
    "return-from-start": ("_start: ret", {}),
    "null-jump": ("xor eax, eax\njmp rax", {}),
    "null-call": ("xor eax, eax\ncall rax\nret", {}),
    "state-invalid": ("fxrstor [rdi]\nret", {"buffers": {"state": b"\xff" * 512}, "registers": {"rdi": "state"}}),
    "general-protection": ("mov ecx, 5\nxgetbv\nret", {}),
    "limit-steps": ("again: jmp again", {"limits": em.Limits(steps=10)}),
    "limit-memory": (MMAP.replace("4096", "0x40000000") + "ret", {}),
    "limit-system-calls": ("again: mov eax, 39\nsyscall\njmp again", {"limits": em.Limits(system_calls=10)}),
}
"""Cause -> a program that has it, and what it is run with."""


@pytest.mark.parametrize("name", RULES)
def test_a_stop_has_its_cause(name: str) -> None:
    source, given = RULES[name]
    cause = run(source, **{"limits": LIMITS, **given}).cause
    assert cause is not None
    assert cause.name == name, cause.sentence


@pytest.mark.parametrize(
    ("divide", "sentence"),
    [
        ("mov eax, 7\nxor edx, edx\ndiv ecx", "divides by zero: ecx is 0, which nothing has set"),
        ("mov edx, 1\nxor eax, eax\nmov ecx, 1\ndiv ecx", "edx:eax is 4294967296, and 4294967296 / 1 is more than"),
        (
            "mov eax, 0x80000000\ncdq\nmov ecx, -1\nidiv ecx",
            "-2147483648 / -1 is 2147483648, which does not fit in eax",
        ),
        ("mov ax, 0x7fff\nmov cl, 2\nidiv cl", "ax is 32767, and 32767 / 2 does not fit in al"),
        ("mov ax, 0x7fff\nmov cl, 2\ndiv cl", "32767 / 2 is more than 255, the most that al holds"),
        (
            "mov edx, 5\nmov eax, 0\nidiv dword ptr [rip + x]\nret\nsection .data\nx: dd -2",
            "edx:eax is 21474836480, and",
        ),
    ],
)
def test_a_division_without_a_result_is_explained_with_its_numbers(divide: str, sentence: str) -> None:
    assert sentence in run(f"{divide}\nret" if "section" not in divide else divide).headline
