"""Padding between instructions is as few instructions as may be, those of GNU as."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.nops import nops
from tests.assembly.linked import decoded, linked


@pytest.mark.parametrize("size", range(1, 64))
def test_padding_in_code_is_as_few_nops_as_may_be(size: int) -> None:
    texts = decoded(nops(size), 0)
    assert all("nop" in text for text in texts)
    assert len(texts) == -(-size // 11)
    assert len(nops(size)) == size


def test_padding_in_code_is_what_gnu_as_writes() -> None:
    for size in (1, 10, 11, 12, 23, 87, 88, 95, 129, 130, 200, 511, 1000):
        source = f".text\nret\n.skip {1023 - size}, 0xcc\n.p2align 10\nret\n"
        program = assemble(source)
        assert program.code == linked(source, program)["text"]
