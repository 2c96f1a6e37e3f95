"""A report shows only flags that every x86-64 processor sets alike."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.diagnosis.flags import undefined_flags


def at_return(source: str) -> tuple[str, ...]:
    program = assemble(source)
    return undefined_flags(program, program.entry, None)


@pytest.mark.parametrize(
    ("source", "undefined"),
    [
        ("mov eax, 42\nret", ()),
        ("add eax, ecx\nret", ()),
        ("and eax, ecx\nret", ("AF",)),
        ("imul eax, ecx\nret", ("PF", "AF", "ZF", "SF")),
        ("imul eax, ecx\nadd eax, 1\nret", ()),
        ("imul eax, ecx\ninc eax\nret", ()),
        ("mul ecx\ninc eax\nret", ()),
        ("idiv ecx\nmov eax, 1\nret", ("CF", "PF", "AF", "ZF", "SF", "OF")),
        ("bsf eax, ecx\nret", ("CF", "PF", "AF", "SF", "OF")),
        # One of two ways is enough.
        ("test edi, edi\njz done\nimul eax, ecx\ndone: ret", ("PF", "AF", "ZF", "SF")),
        # A loop carries what its body leaves back to its head.
        ("again: jrcxz done\nimul eax, edx\ndec ecx\njmp again\ndone: ret", ()),
        ("again: jrcxz done\nlea ecx, [rcx-1]\nimul eax, edx\njmp again\ndone: ret", ("PF", "AF", "ZF", "SF")),
        # The caller's own ret counts, not those of what it calls.
        ("call f\nadd eax, 1\nret\nf: imul eax, ecx\nret", ()),
        ("call f\nret\nf: imul eax, ecx\nret", ("PF", "AF", "ZF", "SF")),
        # A system call gives the flags back as they were.
        ("add eax, 1\nsyscall\nret", ()),
        # Where a computed call goes cannot be seen.
        ("call rax\nret", ("CF", "PF", "AF", "ZF", "SF", "OF")),
    ],
)
def test_flags_that_may_be_undefined_at_a_return_are_named(source: str, undefined: tuple[str, ...]) -> None:
    assert at_return(source) == undefined


def test_a_fault_comes_before_the_effect_of_its_instruction() -> None:
    program = assemble("add eax, 1\nidiv dword ptr [0]\nret")
    assert undefined_flags(program, program.entry, program.listing[1].address) == ()
    assert undefined_flags(program, program.entry, program.listing[2].address) == undefined_flags(
        program, program.entry, None
    )


def test_nothing_is_vouched_for_where_no_known_way_leads() -> None:
    program = assemble("jmp rax\nnop\nret")
    assert len(undefined_flags(program, program.entry, program.listing[1].address)) == 6
