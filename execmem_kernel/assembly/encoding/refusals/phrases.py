"""How refusals name operands, sizes, numbers and forms."""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.encoding.refusals.comparing import operand_kind, operand_size, slot_kinds
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import SIZE_NAMES, Immediate, Memory, Operand, Operation, Register, Target
from execmem_kernel.x86.registers import full_register
from execmem_kernel.x86.selection import operand_fits

# ---- words -----------------------------------------------------------------------------------------------------------


def number_text(value: int) -> str:
    """A number as a person would write it: the large ones in hexadecimal."""
    return f"{value:,}" if abs(value) < 1 << 16 else f"{'-' if value < 0 else ''}{abs(value):#x}"


def bits_text(size: int) -> str:
    """A size in bytes, as bits."""
    return f"{size * 8} bits"


def operands_swapped(operation: Operation) -> str:
    """`cmp 5, eax` with its operands the other way round, or an example where that says nothing."""
    match operation.operands:
        case (Immediate(value), Register(name)):
            return f"{operation.mnemonic} {name}, {value if abs(value) < 10_000 else hex(value)}"
    return "mov rax, 5"


def spare_register(operation: Operation) -> str:
    """A 64-bit register that the operation does not name, so that a hint may put something into it."""
    named: set[str] = set()
    for operand in operation.operands:
        if isinstance(operand, Register):
            named.add(full_register(operand.name))
        elif isinstance(operand, Memory):
            named |= {full_register(part.name) for part in (operand.base, operand.index) if part is not None}
    return next(name for name in ("rcx", "rax", "rdx", "r8", "r9") if name not in named)


def size_text(operand: Operand) -> str:
    """`rax` has 64 bits."""
    size = operand_size(operand)
    assert size is not None
    name = f"`{operand.name}`" if isinstance(operand, Register) else f"the memory operand ({SIZE_NAMES.get(size, '')})"
    return f"{name} has {bits_text(size)}"


def operand_text(operand: Operand) -> str:
    """An operand by name or kind, in the middle of a sentence."""
    match operand:
        case Register(name):
            return f"`{name}`"
        case Memory(size=None):
            return "memory"
        case Memory(size=size):
            return f"a {SIZE_NAMES.get(size or 0, '')} in memory"
        case Immediate(value):
            return f"the number {number_text(value)}"
        case Target():
            return "a label"


def form_texts(every: Sequence[Form], operation: Operation) -> tuple[str, ...]:
    """The forms as text, those most like the operation first."""
    kinds = [operand_kind(operand) for operand in operation.operands]

    def unlike(form: Form) -> int:
        pairs = zip(form.slots, kinds, operation.operands, strict=False)
        return abs(len(form.slots) - len(kinds)) * 16 + sum(
            4 * (kind not in slot_kinds(slot)) + (not operand_fits(form, slot, operand))
            for slot, kind, operand in pairs
        )

    return tuple(dict.fromkeys(form.text for form in sorted(every, key=unlike)))[:8]
