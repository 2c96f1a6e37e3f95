"""Which forms say an operation, and in which order."""

from __future__ import annotations

import pytest

from execmem_kernel.x86 import selection
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Register

RAX, XMM0, XMM16 = Register("rax"), Register("xmm0"), Register("xmm16")


def test_the_forms_of_an_operation_come_best_first() -> None:
    found = selection.select(Operation("add", (Register("rax"), Register("rbx"))))
    assert [form.text for form in found] == ["add r/m64, r64", "add r64, r/m64"]
    assert selection.select(Operation("add", (Register("rax"), Register("ebx")))) == ()


@pytest.mark.parametrize(
    ("operation", "forms"),
    [
        (Operation("push", (Immediate(5),)), ["push imm8", "push imm32"]),
        (Operation("push", (Memory(RAX),)), ["push r/m64"]),
        (Operation("vaddps", (XMM0, XMM0, XMM0)), ["vaddps xmm1, xmm2, xmm3/m128"]),
        (Operation("mov", (Register("cs"), RAX)), []),
    ],
)
def test_the_default_size_is_taken_and_no_invalid_opcode(operation: Operation, forms: list[str]) -> None:
    found = [form.text for form in selection.select(operation) if not form.is_evex]
    assert sorted(found) == sorted(forms)


def test_a_prefix_a_mask_and_a_register_of_the_upper_half_ask_for_evex() -> None:
    plain = Operation("vaddps", (XMM0, XMM0, XMM0))
    for operation in (
        plain._replace(prefixes=("{evex}",)),
        plain._replace(mask=Register("k1")),
        plain._replace(operands=(XMM16, XMM0, XMM0)),
    ):
        found = selection.select(operation)
        assert found
        assert all(form.is_evex for form in found)
    assert not any(form.is_evex for form in selection.select(plain._replace(prefixes=("{vex}",))))


def test_a_number_that_may_move_has_room_for_any() -> None:
    operation = Operation("add", (RAX, Immediate(1, movable=True)))
    assert {form.slots[1].width for form in selection.select(operation)} == {4}
