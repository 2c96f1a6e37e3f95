"""Refusals of registers: rip as an operand, high byte registers beside REX, equal registers of a gather."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.x86 import registers
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Memory, Operation, Refusal, Register
from execmem_kernel.x86.registers import VECTOR_CLASSES, register_class


def bad_register(operation: Operation) -> Refusal | None:
    """The instruction pointer as an operand: no encoding has a number for it."""
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Register) and operand.name in ("rip", "eip"):
            return Refusal(
                "ASM111",
                f"`{operand.name}` cannot be an operand; it is the address of the next instruction.",
                number,
                "read it with `lea rax, [rip]`, change it with `jmp`, `call` or `ret`",
            )
    return None


def high_byte_clash(operation: Operation) -> Refusal | None:
    """ah, bh, ch and dh cannot be named in an instruction that has a REX prefix (Intel SDM vol. 2, 2.2.1.2)."""
    named = [operand.name for operand in operation.operands if isinstance(operand, Register)]
    high = next((name for name in named if name in registers.HIGH_BYTE_REGISTERS), None)
    if high is None:
        return None
    for operand in operation.operands:
        if isinstance(operand, Memory):
            named += [
                one.name
                for one in (operand.base, operand.index)
                if one is not None and one.name in registers.EXTENDED_REGISTERS
            ]
    for name in named:
        if (
            name in registers.EXTENDED_REGISTERS
            or name in registers.REX_BYTE_REGISTERS
            or register_class(name) == "r64"
        ):
            return Refusal(
                "ASM110",
                f"`{high}` cannot be used together with `{name}`: the prefix that `{name}` needs makes `{high}` mean another register.",
                operation.operands.index(Register(high)),
                f"use `{high[0]}l`, or move `{high}` into al, bl, cl or dl first",
            )
    return None


def equal_registers(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    """A gather whose destination, index and mask are not three registers is an invalid opcode."""
    if not found or not found[0].info.requires_unique_reg_nums:
        return None
    numbers: dict[str, str] = {}
    for operand in operation.operands:
        register = operand.index if isinstance(operand, Memory) else operand
        if isinstance(register, Register) and register_class(register.name) in (*VECTOR_CLASSES, "tmm"):
            number = register.name.lstrip("xyztm")
            if number in numbers:
                return Refusal(
                    "ASM126", f"`{operation.mnemonic}` needs different registers, and has `{numbers[number]}` and `{register.name}`.", -1,
                    "the processor refuses it as an invalid opcode",
                )  # fmt: skip
            numbers[number] = register.name
    return None
