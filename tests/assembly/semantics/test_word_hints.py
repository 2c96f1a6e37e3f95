"""A word that begins a statement and is nothing known: the hint says what to write."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.semantics.word_hints import unknown_word
from execmem_kernel.assembly.syntax.dialects import UNDECLARED
from execmem_kernel.assembly.syntax.tokens import tokenize


@pytest.mark.parametrize(
    ("word", "behind", "hint"),
    [
        ("if", "eax", "there is no `if` in assembly"),
        ("printf", "(x)", "a function is called with `call printf`"),
        ("compute", "(x)", "a function is called with `call compute`"),
        ("ldr", "x0", "`ldr` belongs to ARM"),
        ("movzbl", "eax", "write `movzx`"),
        ("main", "{", "there are no braces"),
        ("moveax", "5", "a blank is missing: `mov eax`"),
        ("int80h", "", "a blank is missing: `int 80h`"),
        ("section.text", "", "a blank is missing: `section .text`"),
        ("sectoin", ".text", "did you mean `section`?"),
        ("size", ".equ 5", "write `size = 5`"),
        ("count", "DWORD 5", "a label ends with a colon: `count: .dword`"),
        ("again", "", "for a label write `again:`"),
    ],
)
def test_the_hint_says_what_to_write(word: str, behind: str, hint: str) -> None:
    assert hint in unknown_word(word, list(tokenize(behind, UNDECLARED)))


def test_nothing_is_said_where_the_nearest_instructions_say_more() -> None:
    assert unknown_word("mvo", list(tokenize("rax, 1", UNDECLARED))) == ""
