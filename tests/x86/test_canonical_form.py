"""The canonical form of an operation."""

from __future__ import annotations

import pytest

from execmem_kernel.x86 import canonical_form
from execmem_kernel.x86.operands import Immediate, Memory, Operand, Operation, Register


def test_spellings_become_one_operation() -> None:
    rax, five = Register("rax"), Immediate(5)
    assert canonical_form.canonical(Operation("imul", (rax, five))) == Operation("imul", (rax, rax, five))
    assert canonical_form.canonical(Operation("shl", (rax,))) == Operation("shl", (rax, Immediate(1)))
    assert canonical_form.canonical(Operation("cmpeqps", (Register("xmm0"), Register("xmm1")))) == Operation(
        "cmpps", (Register("xmm0"), Register("xmm1"), Immediate(0))
    )
    assert canonical_form.canonical(Operation("incq", (Memory(rax),))) == Operation("inc", (Memory(rax, size=8),))
    assert canonical_form.canonical(Operation("nonsense")) is None


def registers(*names: str) -> tuple[Operand, ...]:
    return tuple(map(Register, names))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        (Operation("test", (Register("rax"), Memory(Register("rbx")))), ("test", "m r")),
        (Operation("xchg", registers("eax", "ebx")), ("xchg", "ebx eax")),
        (Operation("mov", registers("ds", "rax")), ("mov", "ds eax")),
        (Operation("mov", registers("rax", "ds")), ("mov", "eax ds")),
        (Operation("lldt", registers("rax")), ("lldt", "eax")),
        (Operation("lar", registers("rax", "bx")), ("lar", "rax rbx")),
        (Operation("fnstsw"), ("fnstsw", "ax")),
        (Operation("movsx", registers("rax", "ebx")), ("movsxd", "rax ebx")),
        (Operation("movd", registers("xmm0", "rax")), ("movq", "xmm0 rax")),
        (Operation("movq", registers("rax", "rbx")), ("mov", "rax rbx")),
        (Operation("int", (Immediate(3),)), ("int3", "")),
        (Operation("pushf"), ("pushfq", "")),
        (Operation("pushfw"), ("pushf", "")),
        (Operation("fadd"), ("faddp", "st(1) st(0)")),
        (Operation("faddp", registers("st(2)")), ("faddp", "st(2) st(0)")),
        (Operation("fcmove", registers("st(3)")), ("fcmove", "st(0) st(3)")),
        (Operation("fxch"), ("fxch", "st(0) st(1)")),
        (Operation("monitor", registers("rax", "rcx", "rdx")), ("monitor", "")),
    ],
    ids=lambda value: value.mnemonic if isinstance(value, Operation) else "",
)
def test_each_mnemonic_has_one_spelling(written: Operation, canonical: tuple[str, str]) -> None:
    found = canonical_form.canonical(written)
    assert found is not None
    names = [
        "m" if isinstance(operand, Memory) else operand.name
        for operand in found.operands
        if isinstance(operand, (Memory, Register))
    ]
    wanted = canonical[1].replace("m r", "m rax")
    assert (found.mnemonic, " ".join(names)) == (canonical[0], wanted)


def test_a_segment_that_goes_without_saying_is_left_out() -> None:
    def moved(segment: str, base: str) -> Operation | None:
        memory = Memory(Register(base), segment=Register(segment))
        return canonical_form.canonical(Operation("mov", (Register("rax"), memory)))

    plain = moved("ds", "rbx")
    assert plain is not None
    assert plain.operands[1] == Memory(Register("rbx"))
    kept = moved("ds", "rbp")
    assert kept is not None
    assert kept.operands[1] == Memory(Register("rbp"), segment=Register("ds"))
