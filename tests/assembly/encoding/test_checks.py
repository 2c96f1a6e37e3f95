"""No bytes pass a check that say anything else than the operation."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.encoding.candidates import Candidate, Request
from execmem_kernel.assembly.encoding.canonical_text import canonical_text
from execmem_kernel.assembly.encoding.capstone_check import verified_by_capstone
from execmem_kernel.assembly.encoding.iced_check import shortest_encodings, verified_by_iced
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Refusal, Register
from execmem_kernel.x86.selection import select
from tests.assembly.encoding.answers import code_of, one

RAX, RBX, ZMM1 = Register("rax"), Register("rbx"), Register("zmm1")
OPERATIONS = [
    Operation("add", (RAX, Immediate(0x1234))),
    Operation("mov", (Memory(RBX, RAX, 4, 8, 2), Immediate(5))),
    Operation("lea", (RAX, Memory(Register("rip"), displacement=64))),
    Operation("add", (Memory(RBX, size=8), RAX), ("lock",)),
    Operation("vaddps", (ZMM1, ZMM1, Memory(RBX, displacement=64, size=4, broadcast=16)), mask=Register("k1")),
    Operation("vaddps", (ZMM1, ZMM1, ZMM1), rounding="rz-sae"),
    Operation("movsb", (), ("rep",)),
]


def request(operation: Operation) -> Request:
    candidates = select(operation)
    return Request(operation, candidates, False, canonical_text(operation, candidates[0]), None)


def with_a_bit_flipped(code: bytes) -> list[bytes]:
    return [(int.from_bytes(code, "little") ^ 1 << bit).to_bytes(len(code), "little") for bit in range(8 * len(code))]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.mnemonic)
def test_what_was_encoded_passes_both_checks(operation: Operation) -> None:
    code = code_of(one(operation))
    found = verified_by_iced(code, select(operation), operation)
    assert found is not None
    assert found.code == code
    (answer,) = verified_by_capstone([request(operation)], [found])
    assert not isinstance(answer, Refusal)
    assert answer.encoding.code == code


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.mnemonic)
def test_bytes_with_a_bit_flipped_pass_only_if_they_say_the_same(operation: Operation) -> None:
    code = code_of(one(operation))
    text = disassemble(code)[0].text
    refused = 0
    for other in with_a_bit_flipped(code):
        found = verified_by_iced(other, select(operation), operation)
        refused += found is None
        assert found is None or disassemble(other)[0].text == text, other.hex()
    assert refused > 4 * len(code)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.mnemonic)
def test_capstone_refuses_most_of_them_without_iced_x86(operation: Operation) -> None:
    """Not all: it reads a reserved vector length as 512 bits. That is why there are two checks."""
    asked = request(operation)
    (made,) = shortest_encodings([asked])
    assert made is not None
    refused = 0
    for other in with_a_bit_flipped(made.code):
        claimed = Candidate(made.form, other, made.displacement_offset, made.instruction)
        (answer,) = verified_by_capstone([asked], [claimed])
        refused += isinstance(answer, Refusal)
    assert refused > 4 * len(made.code)
