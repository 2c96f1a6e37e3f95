"""Canonical text is what Capstone writes of the bytes."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.encoding.canonical_text import canonical_text
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Register
from execmem_kernel.x86.selection import select
from tests.assembly.encoding.answers import code_of, one

RAX, RBX = Register("rax"), Register("rbx")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (Operation("add", (RAX, Immediate(9))), "add rax, 9"),
        (Operation("add", (RAX, Immediate(-200))), "add rax, -0xc8"),
        (Operation("mov", (RAX, Memory(RBX, RAX, 4, -8))), "mov rax, qword ptr [rbx + rax*4 - 8]"),
        (Operation("mov", (Memory(RBX, size=2), Immediate(0x1234))), "mov word ptr [rbx], 0x1234"),
        (Operation("mov", (RAX, Memory(RBX, segment=Register("fs")))), "mov rax, qword ptr fs:[rbx]"),
        (Operation("add", (Memory(RBX, size=4), RAX), ("lock",)), "lock add dword ptr [rbx], rax"),
        (
            Operation("vaddps", (Register("zmm1"), Register("zmm2"), Register("zmm3")), (), 0, Register("k1"), True),
            "vaddps zmm1 {k1} {z}, zmm2, zmm3",
        ),
        (
            Operation("vaddps", (Register("zmm1"), Register("zmm2"), Memory(RBX, size=4, broadcast=16))),
            "vaddps zmm1, zmm2, dword ptr [rbx]{1to16}",
        ),
    ],
)
def test_an_operation_is_written_as_capstone_writes_it(operation: Operation, text: str) -> None:
    if operation.prefixes:
        operation = operation._replace(operands=(Memory(RBX, size=8), RAX))
        text = text.replace("dword", "qword")
    assert canonical_text(operation, select(operation)[0]) == text
    answer = one(operation)
    assert code_of(answer)
    assert answer.text == text  # type: ignore[union-attr]
