"""Refusals of a memory operand's address, whatever the instruction.

ASM021, ASM023 and ASM029 are reported by the operand parser too; here they are for operations made without it.
"""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from execmem_kernel.assembly.encoding.refusals.phrases import number_text
from execmem_kernel.x86 import registers
from execmem_kernel.x86.operands import Memory, Operation, Refusal, Register
from execmem_kernel.x86.registers import register_class

# ---- what is wrong whatever the instruction --------------------------------------------------------------------------


def bad_address(operation: Operation) -> Refusal | None:
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory):
            refusal = _bad_memory(number, operand, operation)
            if refusal is not None:
                return refusal
    return None


def _bad_memory(number: int, memory: Memory, operation: Operation) -> Refusal | None:
    base = memory.base.name if memory.base is not None else None
    index = memory.index.name if memory.index is not None else None
    if index in ("rsp", "esp", "rip", "eip"):
        if base is None or memory.scale != 1 or index.endswith("ip"):
            return Refusal(
                "ASM021",
                f"`{index}` cannot be an index or be multiplied in an address.",
                number,
                "copy it to another register first",
            )
        if base in ("rsp", "esp"):
            return Refusal(
                "ASM021", f"`{base}` cannot be added twice in an address.", number, "copy it to another register first"
            )
    if index is not None and base in ("rip", "eip"):
        return Refusal(
            "ASM023",
            f"`{base}` cannot be combined with `{index}` in an address.",
            number,
            f"lea the label into a register, then add `{index}`",
        )
    if index is not None and memory.scale not in (1, 2, 4, 8):
        return Refusal("ASM029", f"An index is multiplied by 1, 2, 4 or 8, not by {memory.scale}.", number)
    classes = [register_class(name) for name in (base, index) if name is not None]
    general = [family for family in classes if family not in ("xmm", "ymm", "zmm", "ip")]
    if base is not None and register_class(base) not in ("r64", "r32", "ip"):
        wide = registers.full_register(base)
        hint = (
            f"write [{wide}]"
            if register_class(base) in ("r8", "r16")
            else "an address is made of 64-bit general registers"
        )
        return Refusal("ASM023", f"`{base}` cannot be the base of an address.", number, hint)
    if index is not None and register_class(index) not in ("r64", "r32", "xmm", "ymm", "zmm"):
        return Refusal(
            "ASM023",
            f"`{index}` cannot be an index of an address.",
            number,
            "an address is made of 64-bit general registers",
        )
    if len(set(general)) > 1:
        return Refusal(
            "ASM023", f"`{base}` and `{index}` have different sizes; an address is made of registers of one size.", number,
            f"write {registers.full_register(base or '')} and {registers.full_register(index or '')}",
        )  # fmt: skip
    low, high = -(1 << 31), (1 << 31) - 1
    narrow = "r32" in general or base == "eip"
    value = memory.displacement
    wraps = (1 << 32) if narrow else (1 << 64)
    if not (low <= value <= high or low <= value - wraps < 0) and not _goes_to_moffs(operation, memory):
        hint = "load the address into a register first: `mov rax, address`, then use `[rax]`"
        if base is None and index is None:
            hint += "; or use al, ax, eax or rax, which reach any address"
        return Refusal(
            "ASM118",
            f"The displacement {number_text(value)} does not fit: an address holds 32 bits, {number_text(low)} to {number_text(high)}.",
            number,
            hint,
        )
    return None


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
