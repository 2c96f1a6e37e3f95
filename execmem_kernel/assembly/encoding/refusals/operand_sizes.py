"""Refusals of operand sizes: missing, or such as no form puts together."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from execmem_kernel.assembly.encoding.refusals.comparing import forms_alike, operand_size
from execmem_kernel.assembly.encoding.refusals.phrases import bits_text, form_texts, size_text
from execmem_kernel.wording import listed
from execmem_kernel.x86 import forms, registers, selection
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import SIZE_NAMES, Memory, Operand, Operation, Refusal, Register
from execmem_kernel.x86.registers import register_class, register_size


def misfit_size(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    """Two operands of sizes that no form puts together, each possible by itself."""
    operands = operation.operands
    alike = forms_alike(operation, every)
    if not alike or any(_sizes_fit(form, operation) for form in alike):
        return None
    if len(alike) and all(len(slot.registers) == 1 for form in alike for slot in form.slots[1:2] if slot.registers):
        return None  # `shl eax, bl`: not a matter of size
    sized = [(number, size) for number, operand in enumerate(operands) if (size := operand_size(operand)) is not None]
    for (first, one), (second, other) in pairwise(sized):
        if one != other:
            return Refusal(
                "ASM107",
                f"The sizes disagree: {size_text(operands[first])}, {size_text(operands[second])}.",
                second,
                _size_hint(operation, first, second, one, other),
                form_texts(alike, operation),
            )
    if len(sized) == 1:
        number, size = sized[0]
        possible = sorted({found for form in alike for found in _slot_sizes(form, number)})
        words = listed([bits_text(found) for found in possible], "or")
        return Refusal(
            "ASM107",
            f"{size_text(operands[number])}; `{operation.mnemonic}` takes {words} here.",
            number,
            forms=form_texts(alike, operation),
        )
    return None


def _slot_sizes(form: Form, number: int) -> set[int]:
    slot = form.slots[number]
    sizes = {register_size(name) for name in slot.registers}
    return sizes | ({form.memory_size} if slot.memory and form.memory_size else set())


def _sizes_fit(form: Form, operation: Operation) -> bool:
    for slot, operand in zip(form.slots, operation.operands, strict=True):
        if isinstance(operand, Register) and register_class(operand.name) not in registers.register_classes(
            slot.registers
        ):
            return False
        if (
            isinstance(operand, Memory)
            and operand.size
            and form.memory_size
            and operand.broadcast is None
            and form.memory_size != operand.size
        ):
            return False
    return True


def _size_hint(operation: Operation, first: int, second: int, one: int, other: int) -> str:
    small = operation.operands[second]
    if operation.mnemonic == "movzx" and (one, other) == (8, 4) and isinstance(small, Register):
        return f"`mov {_same_register(operation.operands[0], 4)}, {small.name}` clears the upper half already"
    if operation.mnemonic in ("movd", "movq") and other in (4, 8):
        return "movd moves 32 bits, movq 64"
    if operation.mnemonic == "mov" and one > other and first == 0 and isinstance(small, Register):
        if (one, other) == (8, 4):
            return f"`mov {_same_register(operation.operands[0], 4)}, {small.name}` clears the upper half; `movsxd` keeps the sign"
        return "`movzx` fills up with zeros, `movsx` keeps the sign"
    if isinstance(small, Memory):
        return f"write {SIZE_NAMES.get(one, '')} ptr [...], or leave the size out".replace("  ", " ")
    return "use registers of one size"


def _same_register(operand: Operand, size: int) -> str:
    if not isinstance(operand, Register):
        return "eax"
    full = registers.full_register(operand.name)
    return next(
        (
            name
            for name in sorted(registers.known_registers())
            if registers.full_register(name) == full and register_size(name) == size
        ),
        operand.name,
    )


def missing_size(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    """A memory operand without a size, where forms of several sizes take it."""
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.size is None and operand.broadcast is None:
            possible = found
            if not any(isinstance(other, Register) for other in operation.operands):
                # Not the value of the number decides: that only a dword holds it does not say that a dword is meant.
                shape = tuple(selection.shape_of(other) for other in operation.operands)
                possible = [form for form in forms.forms_of(operation.mnemonic) if selection.takes_shape(form, shape)]
                if operation.mnemonic in ("push", "pop", "call", "jmp"):
                    possible = found
            sizes = sorted({form.memory_size for form in possible if form.memory_size})
            if len(sizes) > 1:
                words = [f"`{SIZE_NAMES[size]} ptr`" for size in sizes]
                return Refusal(
                    "ASM103", f"The size of the memory operand is missing: it could be {listed(words, 'or')}.", number,
                    f"for {sizes[-1]} bytes write `{SIZE_NAMES[sizes[-1]]} ptr [...]`",
                )  # fmt: skip
    return None
