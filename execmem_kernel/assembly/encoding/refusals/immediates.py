"""Refusals of an immediate whose value no form holds."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.encoding.refusals.phrases import number_text, spare_register
from execmem_kernel.x86 import selection
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Immediate, Operation, Refusal, Register
from execmem_kernel.x86.selection import operand_fits


def misfit_number(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    """Everything fits but the value of an immediate."""
    shape = tuple(selection.shape_of(operand) for operand in operation.operands)
    candidates = [
        form
        for form in every
        if len(form.slots) == len(shape) and selection.takes_shape(form, shape) and _others_fit(form, operation)
    ]
    for number, operand in enumerate(operation.operands):
        if not isinstance(operand, Immediate):
            continue
        slots = [form.slots[number] for form in candidates]
        if not slots or any(slot.fits(operand.value) for slot in slots):
            continue
        widest = max(slots, key=lambda slot: (slot.width, slot.high))
        low, high = widest.low, widest.high
        hint = ""
        if widest.wrap == 64 and operation.mnemonic != "push":
            spare, first = spare_register(operation), operation.operands[0]
            rest = (
                f"{operation.mnemonic} {first.name}, {spare}`"
                if isinstance(first, Register)
                else f"{operation.mnemonic}` with {spare}"
            )
            hint = f"only `mov` to a register takes a 64-bit number: `mov {spare}, {operand.value:#x}`, then `{rest}"
        elif operation.mnemonic == "push":
            hint = f"`mov rax, {operand.value:#x}`, then `push rax`"
        elif widest.width == 1 and low < 0:
            hint = "only the low byte would be left of it"
        return Refusal(
            "ASM108",
            f"{number_text(operand.value)} does not fit here: the number can be {number_text(low)} to {number_text(high)}.",
            number,
            hint,
        )
    return None


def _others_fit(form: Form, operation: Operation) -> bool:
    return all(
        isinstance(operand, Immediate) or operand_fits(form, slot, operand)
        for slot, operand in zip(form.slots, operation.operands, strict=True)
    )
