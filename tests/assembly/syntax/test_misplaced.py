"""What cannot begin a line, and the hint that goes with it."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.syntax.dialects import UNDECLARED
from execmem_kernel.assembly.syntax.misplaced import cannot_begin_line
from execmem_kernel.assembly.syntax.tokens import tokenize


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        ("%rax", "ASM020", ""),
        ("%foo", "ASM050", ""),
        ("5", "ASM003", "to store a number"),
        ("'text'", "ASM003", "to store a text"),
        ("}", "ASM003", "no braces"),
        ("$ mov eax, 1", "ASM003", "the prompt"),
        ("* note", "ASM003", "a comment begins"),
        ("55 push rbp", "ASM003", "a disassembler's listing"),
        ("401000 <main>", "ASM003", "a disassembler's listing"),
        ("(", "ASM003", "a line is a label"),
    ],
)
def test_the_hint_says_what_was_meant(line: str, code: str, hint: str) -> None:
    error = cannot_begin_line(tokenize(line, UNDECLARED), 0)
    assert error.code == code
    assert hint in error.hint
