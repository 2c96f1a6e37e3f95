"""Warnings, and what is judged when all has its place."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble


@pytest.mark.parametrize(
    ("source", "warnings"),
    [
        ("mov eax, 1", [("ASM080", 1)]),
        ("mov eax, 1\nret", []),
        ("jmp end\nmov eax, 1\nend: ret", [("ASM081", 2)]),
        ("jmp end\nint3\nend: ret", []),
        ("nop\nunused: ret", [("ASM083", 2)]),
        (".globl used\nnop\nused: ret", []),
        ("mov eax, 60\nsyscall", []),
        ("again: jmp again", []),
        ("mov eax, 1\nret:", [("ASM080", 1), ("ASM082", 2)]),
        ("mov eax, 1 ; mov ebx, 2\nret", [("ASM084", 1)]),
        ('.warning "slow"\nret', [("ASM086", 1)]),
    ],
)
def test_what_is_doubtful_is_said_and_blocks_nothing(source: str, warnings: list[tuple[str, int]]) -> None:
    program = assemble(source)
    assert [(found.code, found.line) for found in program.warnings] == warnings
    assert all(found.severity == "warning" for found in program.warnings)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("mov eax, [x]\nx: .long 5\nret", 2),
        ("x: .quad 5\nmov rax, [x]\nret", 1),
        ('nop\ntext: .asciz "no code"\nret', 2),
        ("section .text\nnop\ntext db 'no code'\nret", 3),
        ("mov eax, [x]\nret\nx: .long 5", 0),
        ("x: .long 5\nmain: mov eax, [x]\nret", 0),
        ("call f\ntext: .asciz 'x'\nf: ret", 0),  # a call may be there for the address of what follows it
        ("nop\nby_hand: .byte 0x90\nret", 0),
        ("mov eax, 60\nsyscall\nx: .long 5", 0),
    ],
)
def test_data_in_the_way_of_the_program_are_pointed_out(source: str, line: int) -> None:
    found = [warning.line for warning in assemble(source).warnings if warning.code == "ASM092"]
    assert found == ([line] if line else [])
