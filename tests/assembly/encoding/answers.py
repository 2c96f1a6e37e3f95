"""What the encoder of this process answers."""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.encoding.encoder import default_encoder
from execmem_kernel.x86.operands import Encoding, Operation, Refusal


def one(operation: Operation) -> Encoding | Refusal:
    """The answer for a single operation."""
    return default_encoder().encode([operation])[0]


def code_of(answer: Encoding | Refusal) -> bytes:
    """The bytes of an operation that has to have some."""
    assert isinstance(answer, Encoding), answer
    return answer.code


def codes(answers: Sequence[Encoding | Refusal]) -> list[bytes]:
    """The bytes of each."""
    return [code_of(answer) for answer in answers]
