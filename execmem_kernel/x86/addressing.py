"""Effective addresses of memory operands, for given register values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.registers import MASK, PARTS, VECTOR_SIZES


def effective_address(access: MemoryAccess, registers: Mapping[str, int]) -> int:
    """Where a memory operand lies, for these registers (`fs_base` and `gs_base` among them)."""
    address = access.displacement
    for name, scale in ((access.base, 1), (access.index, access.scale)):
        if name is None:
            continue
        whole, shift, bits = PARTS.get(name, (name, 0, 64))
        address += ((registers.get(whole, 0) >> shift) & ((1 << bits) - 1)) * scale
    if any(name is not None and name in PARTS and PARTS[name][2] == 32 for name in (access.base, access.index)):
        address &= 0xFFFFFFFF
    if access.segment in ("fs", "gs"):
        address += registers.get(f"{access.segment}_base", 0)
    return address & MASK


def gathered(
    text: str, access: MemoryAccess, registers: Mapping[str, int], wide: Mapping[str, bytes]
) -> tuple[int, ...]:
    """Where a gather or scatter touches memory: an address for each item of its index that its mask lets through.

    Args:
        text: The instruction.
        access: Its memory operand, whose index is a vector register.
        registers: The general registers.
        wide: The vector registers and masks, by name.
    """

    def whole(name: str) -> bytes:
        return next((wide[one + name[1:]] for one in "zyx" if one + name[1:] in wide), b"")

    assert access.index is not None
    width = 8 if re.search("(gather|scatter)q", text) else 4
    index = whole(access.index)[: VECTOR_SIZES[access.index[0]]]
    names = re.findall(r"[xyz]mm\d+", text)
    other = next(name for name in names if name != access.index)
    count = min(len(index) // width, VECTOR_SIZES[other[0]] // access.size)
    if mask := re.search(r"\{(k\d)\}", text):
        bits = int.from_bytes(wide[mask[1]], "little")
        chosen = [bits >> item & 1 for item in range(count)]
    else:  # the sign of each item of the last operand
        signs = whole(names[-1])
        chosen = [signs[access.size * (item + 1) - 1] >> 7 for item in range(count)]
    base = dataclasses.replace(access, index=None)
    start = effective_address(base, registers)
    items = [int.from_bytes(index[width * item : width * (item + 1)], "little", signed=True) for item in range(count)]
    return tuple((start + item * access.scale) & MASK for item, let in zip(items, chosen, strict=True) if let)


def bit_string_offset(register: str, size: int, registers: Mapping[str, int]) -> int:
    """How far from its operand an instruction on bit strings reaches, in bytes, for the bit that a register names.

    Args:
        register: The register that holds the bit's number, which is signed.
        size: Bytes of the operand.
        registers: The general registers.
    """
    whole, _, bits = PARTS.get(register, (register, 0, 64))
    number = registers[whole] & ((1 << bits) - 1)
    number -= (number >> bits - 1) << bits
    return (number >> (8 * size).bit_length() - 1) * size
