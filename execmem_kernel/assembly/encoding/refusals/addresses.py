"""Refusals of a memory operand's address, whatever the instruction.

ASM021, ASM023 and ASM029 are reported by the operand parser too; here they are for operations made without it.
"""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from execmem_kernel.assembly.encoding.refusals.phrases import number_text
from execmem_kernel.x86.operands import Memory, Operation, Refusal, Register
from execmem_kernel.x86.registers import VECTOR_CLASSES, RegisterClass, full_register, register_class

_STACK_POINTERS = ("rsp", "esp")
_INSTRUCTION_POINTERS = ("rip", "eip")
_ADDRESSING = ("r64", "r32")


def bad_address(operation: Operation) -> Refusal | None:
    """The first memory operand whose address cannot be encoded."""
    for number, memory in enumerate(operation.operands):
        if isinstance(memory, Memory):
            refusal = (
                _bad_index(number, memory)
                or _bad_registers(number, memory)
                or _unequal_registers(number, memory)
                or _bad_displacement(number, memory, operation)
            )
            if refusal is not None:
                return refusal
    return None


def _names(memory: Memory) -> tuple[str | None, str | None]:
    """The names of base and index."""
    return (
        memory.base.name if memory.base is not None else None,
        memory.index.name if memory.index is not None else None,
    )


def _bad_index(number: int, memory: Memory) -> Refusal | None:
    """The stack and instruction pointers have no encoding as an index (Intel SDM vol. 2, table 2-3)."""
    base, index = _names(memory)
    if index is None:
        return None
    other = "copy it to another register first"
    if index in _INSTRUCTION_POINTERS or (index in _STACK_POINTERS and (base is None or memory.scale != 1)):
        return Refusal("ASM021", f"`{index}` cannot be an index or be multiplied in an address.", number, other)
    if index in _STACK_POINTERS and base in _STACK_POINTERS:
        return Refusal("ASM021", f"`{base}` cannot be added twice in an address.", number, other)
    if base in _INSTRUCTION_POINTERS:
        return Refusal(
            "ASM023",
            f"`{base}` cannot be combined with `{index}` in an address.",
            number,
            f"lea the label into a register, then add `{index}`",
        )
    if memory.scale not in (1, 2, 4, 8):
        return Refusal("ASM029", f"An index is multiplied by 1, 2, 4 or 8, not by {memory.scale}.", number)
    return None


def _bad_registers(number: int, memory: Memory) -> Refusal | None:
    """Registers that are not general enough for an address."""
    base, index = _names(memory)
    general = "an address is made of 64-bit general registers"
    if base is not None and register_class(base) not in (*_ADDRESSING, "ip"):
        hint = f"write [{full_register(base)}]" if register_class(base) in ("r8", "r16") else general
        return Refusal("ASM023", f"`{base}` cannot be the base of an address.", number, hint)
    if index is not None and register_class(index) not in (*_ADDRESSING, *VECTOR_CLASSES):
        return Refusal("ASM023", f"`{index}` cannot be an index of an address.", number, general)
    return None


def _general_classes(memory: Memory) -> set[RegisterClass]:
    """The classes of the general registers in the address."""
    return {register_class(name) for name in _names(memory) if name is not None} - {*VECTOR_CLASSES, "ip"}


def _unequal_registers(number: int, memory: Memory) -> Refusal | None:
    base, index = _names(memory)
    if len(_general_classes(memory)) < 2:
        return None
    return Refusal(
        "ASM023", f"`{base}` and `{index}` have different sizes; an address is made of registers of one size.", number,
        f"write {full_register(base or '')} and {full_register(index or '')}",
    )  # fmt: skip


def _bad_displacement(number: int, memory: Memory, operation: Operation) -> Refusal | None:
    """32 bits, read as signed; beyond them the address wraps at its own size."""
    base, index = _names(memory)
    low, high = -(1 << 31), (1 << 31) - 1
    narrow = "r32" in _general_classes(memory) or base == "eip"
    value = memory.displacement
    wraps = (1 << 32) if narrow else (1 << 64)
    if low <= value <= high or low <= value - wraps < 0 or _goes_to_moffs(operation, memory):
        return None
    hint = "load the address into a register first: `mov rax, address`, then use `[rax]`"
    if base is None and index is None:
        hint += "; or use al, ax, eax or rax, which reach any address"
    return Refusal(
        "ASM118",
        f"The displacement {number_text(value)} does not fit: an address holds 32 bits, {number_text(low)} to {number_text(high)}.",
        number,
        hint,
    )


def _goes_to_moffs(operation: Operation, memory: Memory) -> bool:
    """al, ax, eax and rax can be moved to and from any 64-bit address."""
    return (
        operation.mnemonic == "mov"
        and memory.base is None
        and memory.index is None
        and any(
            operand in (Register("al"), Register("ax"), Register("eax"), Register("rax"))
            for operand in operation.operands
        )
    )
