"""Direct branches: short where that reaches, near beyond, refused out of reach."""

from __future__ import annotations

import pytest

from execmem_kernel.x86.operands import Operation, Refusal, Target
from tests.assembly.encoding.answers import code_of, one


@pytest.mark.parametrize("mnemonic", ["jmp", "je", "jnz", "jg", "loop", "jrcxz", "jecxz"])
@pytest.mark.parametrize("distance", [-128, -1, 0, 127])
def test_a_short_branch_reaches_what_a_byte_holds(mnemonic: str, distance: int) -> None:
    address = 0x1000
    size = 3 if mnemonic == "jecxz" else 2
    code = code_of(one(Operation(mnemonic, (Target(address + size + distance),), address=address)))
    assert len(code) == size
    assert int.from_bytes(code[-1:], signed=True) == distance


def test_a_branch_is_short_where_that_reaches_and_near_beyond() -> None:
    for distance, size in ((127, 2), (128, 5), (-128, 2), (-129, 5)):
        code = code_of(one(Operation("jmp", (Target(0x10002 + distance),), address=0x10000)))
        assert len(code) == size
        assert 0x10000 + size + int.from_bytes(code[1:], "little", signed=True) == 0x10002 + distance


def test_a_branch_out_of_reach_is_refused() -> None:
    for operation in (
        Operation("loop", (Target(0x2000),), address=0x1000),
        Operation("jmp", (Target(0x2000, "short"),), address=0x1000),
        Operation("call", (Target(1 << 40),), address=0x1000),
        Operation("call", (Target(0x1000, "short"),), address=0x1000),
    ):
        assert isinstance(one(operation), Refusal)
