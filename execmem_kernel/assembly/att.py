"""AT&T operands."""

from __future__ import annotations

from execmem_kernel.assembly.expressions import Complaint, Dialect, Token
from execmem_kernel.assembly.source import Statement


def read_operands(name: str, tokens: list[Token], dialect: Dialect) -> Statement:
    raise Complaint(
        "ASM020", "AT&T syntax is not read yet.", tokens[0].start if tokens else 0, tokens[-1].end if tokens else 1
    )
