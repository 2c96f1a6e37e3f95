"""Cache key of an operation: operations with equal keys are said by the same instruction forms.

    add rax, 0x30 and add rbx, 0x44   -->  one key
    add rax, 0x3000                   -->  another: the number needs a wider form

A key leaves out only which register of a kind and which number of a range is meant. What has been found out about one
operation holds for every other with its key, so it is found out once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable

from execmem_kernel.x86.canonical_form import IMPLIED_OPERANDS
from execmem_kernel.x86.forms import FIXED_REGISTERS, IMMEDIATES
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Register
from execmem_kernel.x86.registers import (
    EXISTING_SYSTEM_REGISTERS,
    EXTENDED_REGISTERS,
    HIGH_BYTE_REGISTERS,
    REX_BYTE_REGISTERS,
    known_registers,
    needs_evex,
    register_class,
)

EncodingKey = tuple[Hashable, ...]
_WITHOUT_KEY = frozenset(("int", "xlatb", *IMPLIED_OPERANDS))
"""Instructions of which one number, or one register, is another instruction or may be left out."""
_PLAIN_PREFIXES = frozenset(("lock", "rep", "repne", "bnd", "notrack", "xacquire", "xrelease", "movabs"))
"""Prefixes that do not decide about bytes of their own."""
_SINGULAR_REGISTERS = frozenset((*FIXED_REGISTERS, "rip", "eip", "rsp", "esp", "k0"))
"""Registers that some instruction, or some address, treats unlike the others of their class."""


def _register_kinds() -> dict[str, int]:
    """Register -> the number of its kind: what operand slots, prefixes and refusals tell apart."""
    numbers: dict[Hashable, int] = {}
    return {
        name: numbers.setdefault(
            (
                register_class(name),
                name if name in _SINGULAR_REGISTERS else "",
                name in EXTENDED_REGISTERS,
                name in REX_BYTE_REGISTERS,
                name in HIGH_BYTE_REGISTERS,
                name in EXISTING_SYSTEM_REGISTERS,
                needs_evex(name),
            ),
            len(numbers),
        )
        for name in sorted(known_registers())
    }


_REGISTER_KINDS = _register_kinds()
_STACK_POINTERS = ("rsp", "esp")
_RANGE_EDGES = sorted(
    {
        edge
        for low, high, wrap, _ in IMMEDIATES.values()
        for edge in (low, high + 1, *((low + (1 << wrap), 1 << wrap) if wrap else ()))
    }
)
"""The numbers at which some slot begins or ceases to take an immediate."""
_FIRST_RANGE = 1000
"""Where the numbers of ranges begin, behind those of register kinds."""


def encoding_key(operation: Operation) -> EncodingKey | None:
    """The operation's key, or None for one that has to be looked at by itself."""
    mnemonic, mask = operation.mnemonic, operation.mask
    if mnemonic in _WITHOUT_KEY or any(
        prefix[0] == "{" or prefix not in _PLAIN_PREFIXES for prefix in operation.prefixes
    ):
        return None
    parts: list[Hashable] = [mnemonic]
    for operand in operation.operands:
        kind = type(operand)
        if kind is Register:
            parts.append(_REGISTER_KINDS[operand.name])  # type: ignore[union-attr]
        elif kind is Immediate:
            assert isinstance(operand, Immediate)
            range_of = _FIRST_RANGE + bisect_right(_RANGE_EDGES, operand.value)
            plain = operand.size is None and not operand.movable
            parts.append(range_of if plain else (range_of, operand.size, operand.movable))
        elif kind is Memory:
            assert isinstance(operand, Memory)
            memory = _memory_key(operand)
            if memory is None:
                return None
            parts.append(memory)
        else:
            return None
    if operation.prefixes or mask is not None or operation.zeroing or operation.rounding is not None:
        mask_kind = None if mask is None else _REGISTER_KINDS[mask.name]
        parts.append((operation.prefixes, mask_kind, operation.zeroing, operation.rounding))
    return tuple(parts)


def _memory_key(operand: Memory) -> Hashable | None:
    """What of a memory operand decides about forms; None for one that may have to be refused."""
    base, index, displacement = operand.base, operand.index, operand.displacement
    if operand.segment is not None or not -(1 << 31) <= displacement < 1 << 31:
        return None
    if index is not None and (index.name in _STACK_POINTERS or operand.scale not in (1, 2, 4, 8)):
        return None
    return (
        None if base is None else _REGISTER_KINDS[base.name],
        None if index is None else _REGISTER_KINDS[index.name],
        displacement != 0,
        operand.size,
        operand.target is None,
        operand.absolute,
        operand.broadcast,
        operand.movable,
    )
