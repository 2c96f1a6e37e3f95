"""Operands in words: values, addresses, the accumulators that they imply."""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re

from execmem_kernel.x86.registers import canonical_register, register_class

# ---- operands in words -----------------------------------------------------------------------------------------------

MEMORY_OPERAND = re.compile(r"(?:(\w+) ptr )?(?:(\w\w):)?\[(.*)\](.*)")
_BYTES = {
    "byte": "the byte", "word": "the 2 bytes", "dword": "the 4 bytes", "fword": "the 6 bytes", "qword": "the 8 bytes", "tbyte": "the 10 bytes",
    "xword": "the 10 bytes", "xmmword": "the 16 bytes", "ymmword": "the 32 bytes", "zmmword": "the 64 bytes",
}  # fmt: skip


def address_words(operand: str) -> str:
    """What is in the brackets: "rdi + rsi*4"."""
    found = MEMORY_OPERAND.match(operand)
    return operand if found is None else (f"{found[2]}:" if found[2] else "") + found[3]


def value_words(operand: str) -> str:
    """An operand as something that can be read or written."""
    operand = re.sub(r"\s*\{(?!1to)[^}]*\}", "", operand)
    found = MEMORY_OPERAND.match(operand)
    if found is None:
        number = re.fullmatch(r"-?0x[0-9a-f]+", operand)
        value = int(operand, 16) if number is not None else 0
        if value >> 16 == (1 << 48) - 1:
            return str(value - (1 << 64))
        return str(value) if number is not None and abs(value) < 1 << 16 else operand
    repeated = " (repeated for every element)" if found[4] else ""
    return f"{_BYTES.get(found[1] or '', 'the memory')} at {address_words(operand)}{repeated}"


def is_segment(operand: str) -> bool:
    """Whether the operand is a segment register."""
    name = canonical_register(operand)
    return name is not None and register_class(name) == "sreg"


def class_of(operand: str) -> str:
    """The class of the register that the operand is, or ""."""
    name = canonical_register(operand)
    return register_class(name) if name is not None else ""


def is_number(operand: str) -> bool:
    """Whether the operand is a constant."""
    return re.fullmatch(r"-?(?:0x[0-9a-f]+|\d+)", operand) is not None


def single_bit(operand: str) -> int | None:
    """The number of the one bit that is 1 in a constant, or None."""
    value = int(operand, 0) if is_number(operand) else 0
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def accumulators(operand: str) -> tuple[str, str]:
    """The register that mul and div work on, and the pair that holds twice as much."""
    found = MEMORY_OPERAND.match(operand)
    name = canonical_register(operand)
    size = {"byte": 1, "word": 2, "dword": 4, "qword": 8}.get(found[1] or "", 8) if found else 8
    if name is not None:
        size = {"r8": 1, "r16": 2, "r32": 4, "r64": 8}.get(register_class(name), 8)
    return {1: ("al", "ax"), 2: ("ax", "dx:ax"), 4: ("eax", "edx:eax"), 8: ("rax", "rdx:rax")}[size]
