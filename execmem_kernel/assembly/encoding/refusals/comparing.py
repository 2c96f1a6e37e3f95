"""Operands and slots compared by kind, sizes apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from execmem_kernel.x86 import forms
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Immediate, Memory, Operand, Operation, Register, Target
from execmem_kernel.x86.registers import GENERAL_CLASSES, VECTOR_CLASSES, register_class, register_size


def operand_kind(operand: Operand) -> str:
    """The kind of operand, sizes apart."""
    match operand:
        case Register(name):
            family = register_class(name)
            return "general" if family in GENERAL_CLASSES else "vector" if family in VECTOR_CLASSES else family
        case Memory():
            return "memory"
        case Immediate():
            return "number"
        case Target():
            return "target"


@cache
def slot_kinds(slot: forms.Slot) -> set[str]:
    """The kinds of operands that a slot takes, sizes apart."""
    kinds = {operand_kind(Register(name)) for name in slot.registers}
    if slot.memory:
        kinds.add("memory")
    if slot.immediate:
        kinds.add("number")
    if "BR" in slot.name or "XBEGIN" in slot.name:
        kinds.add("target")
    return kinds


def forms_alike(operation: Operation, every: Sequence[Form]) -> list[Form]:
    """The forms that take operands of these kinds, if only sizes, values and particular registers were others."""
    kinds = [operand_kind(operand) for operand in operation.operands]
    return [
        form
        for form in every
        if len(form.slots) == len(kinds)
        and all(kind in slot_kinds(slot) for kind, slot in zip(kinds, form.slots, strict=True))
    ]


def operand_size(operand: Operand) -> int | None:
    """Bytes of an operand; None where it has no size of its own."""
    match operand:
        case Register(name) if register_class(name) not in ("sreg", "cr", "dr"):
            return register_size(name)
        case Memory(size=size):
            return size
    return None
