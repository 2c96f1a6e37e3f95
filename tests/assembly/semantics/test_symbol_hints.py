"""A name that nothing defines: the hint says what was probably meant."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("%macro m 0\njmp %%agian\n%%again: ret\n%endmacro\nm", "did you mean `%%again`?"),
        ("%macro m 0\njmp %%over\n%endmacro\nm\nret", "define it in the macro with `%%over:`"),
        ('.intel_syntax noprefix\nmov al, "x"\nret', "a character is 'x'"),
        ("section .text\nmov eax, 6 // two\nret", "a comment begins with `;`"),
        (".intel_syntax noprefix\nnop ; mov eax, length\nret", "`;` separates statements"),
        ("section .text\na:\n.in: nop\nb: jmp .in", "write `a.in`"),
        ("mov rax, r16\nret", "the registers are r8 to r15"),
        ("vaddps xmm0, xmm1, xmm40\nret", "the registers are xmm0 to xmm31"),
        ("mov eax, [rbx + long]\nret", "sizes are byte (8 bits)"),
        ("mov rax, rflags\nret", "the flags are read with pushf and pop"),
        ("#define N 5\nmov eax, N\nret", "write `N = 5`"),
        ("counter: ret\njmp conter", "did you mean `counter`?"),
        ("mov rax, ff\nret", "define it with `ff:`"),
        ("mov rax, ffh\nret", "write 0xff"),
        ("mov rax, rxa\nret", "if a register is meant: rax?"),
        ("jmp x\nret", "define it with `x:` in this cell"),
        ("jmp elsewhere_entirely\nret", "every cell is a program of its own"),
    ],
)
def test_the_hint_says_what_was_probably_meant(source: str, hint: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    hints = [found.hint for found in caught.value.diagnostics if found.code == "ASM040"]
    assert hints
    assert hint in hints[0]
