"""Comments that look like instructions: a warning only where dropping them changes the program."""

# ruff: noqa: E501 (programs stand on one line each)

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble


def warned(source: str, syntax: str = "intel") -> list[int]:
    """The lines with an instruction in their comment."""
    return [found.line for found in assemble(source, syntax).warnings if found.code == "ASM084"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        "; mov eax, 1", "  ; mov eax, 1", "\t; ret", "; call f", "f: ; inc eax", "mov ecx, 5 ; loop counter",
        "add ecx, 2 ; add ecx", "cmp eax, ecx ; test", "mov eax, 1 ; call printf", "mov eax, 1 ; jmp nowhere",
        "mov eax, 5 ; mov eax, rbx", "add eax, ecx ; add eax, ecx", "g: add eax, ecx ; add eax, ecx", "jmp f ; ret",
        "jmp f ; inc eax", "inc eax ; nop", "xor eax, eax ; mov al, 300", "mov eax, [rsp] ; mov eax, [counter]",
        "inc eax ; inc", "inc eax ; .byte 5", "inc eax ; and so on", "push rax ; push onto the stack", "inc eax ; ret.",
    ],
)  # fmt: skip
def test_a_comment_stays_one(line: str) -> None:
    assert warned(f"{line}\nnop\nret\n" + ("f: ret\n" if "f:" not in line else "")) == []


@pytest.mark.parametrize(
    "line",
    [
        "mov eax, 1 ; mov ebx, 2", "mov eax, 1; ret", "push rax ; call f", "inc eax ; jne f", "xor eax, eax ; inc eax ; inc eax",
        "inc eax ; mov rax, [rip + x]", "f: inc eax ; dec eax", "inc eax ; lock inc dword ptr [rsp]",
    ],
)  # fmt: skip
def test_an_instruction_behind_code_is_pointed_out(line: str) -> None:
    assert warned(f"{line}\nnop\nret\nx: .quad 1\n" + ("f: ret\n" if "f:" not in line else "")) == [1]


def test_seven_commented_lines_make_no_warning() -> None:
    source = "; mov eax, 1\n; loop counter\n; add ecx\n; test\n; call printf\n; ret\nmov eax, 5\nret ; done\n"
    assert assemble(source).warnings == ()


def test_declared_dialects_have_no_doubt() -> None:
    assert warned("section .text\nmov eax, 1 ; mov ebx, 2\nret") == []
    assert warned(".code\nmain proc\nmov eax, 1 ; mov ebx, 2\nret\nmain endp\nend") == []
