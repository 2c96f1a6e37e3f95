"""Cache key of an operation: operations with equal keys are said by the same instruction forms.

    add rax, 0x30 and add rbx, 0x44   -->  one key
    add rax, 0x3000                   -->  another: the number needs a wider form

A key leaves out only which register of a kind and which number of a range is meant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable

from execmem_kernel.x86 import canonical_form, forms, registers
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Register

EncodingKey = tuple[Hashable, ...]


_APART = frozenset(("int", "xlatb", *canonical_form.IMPLIED_OPERANDS))
"""Instructions of which one number, or one register, is another instruction or may be left out."""


_EVERYDAY = frozenset(("lock", "rep", "repne", "bnd", "notrack", "xacquire", "xrelease", "movabs"))
"""Prefixes that do not decide about bytes of their own."""


_NAMED = frozenset((*forms.FIXED_REGISTERS, "rip", "eip", "rsp", "esp", "k0"))
"""Registers that some instruction, or some address, treats unlike the others of their family."""


def _register_kinds() -> dict[str, int]:
    """Register -> the number of its kind: what operand slots, prefixes and refusals tell apart."""
    numbers: dict[Hashable, int] = {}
    return {
        name: numbers.setdefault(
            (
                registers.register_class(name),
                name if name in _NAMED else "",
                name in registers.EXTENDED_REGISTERS,
                name in registers.REX_BYTE_REGISTERS,
                name in registers.HIGH_BYTE_REGISTERS,
                name in registers.EXISTING_SYSTEM_REGISTERS,
                registers.needs_evex(name),
            ),
            len(numbers),
        )
        for name in sorted(registers.known_registers())
    }


_KINDS = _register_kinds()


_STACK_POINTERS = ("rsp", "esp")


_EDGES = sorted(
    {
        edge
        for low, high, wrap, _ in forms.IMMEDIATES.values()
        for edge in (low, high + 1, *((low + (1 << wrap), 1 << wrap) if wrap else ()))
    }
)
"""The numbers at which some slot begins or ceases to take an immediate."""


_NUMBERS = 1000
"""Where the kinds of numbers begin, behind those of registers."""


def encoding_key(operation: Operation) -> EncodingKey | None:
    """The operation's outline, or None for one that has to be looked at by itself."""
    mnemonic, mask = operation.mnemonic, operation.mask
    if mnemonic in _APART or any(prefix[0] == "{" or prefix not in _EVERYDAY for prefix in operation.prefixes):
        return None
    parts: list[Hashable] = [mnemonic]
    for operand in operation.operands:
        kind = type(operand)
        if kind is Register:
            parts.append(_KINDS[operand.name])  # type: ignore[union-attr]
        elif kind is Immediate:
            assert isinstance(operand, Immediate)
            range_of = _NUMBERS + bisect_right(_EDGES, operand.value)
            plain = operand.size is None and not operand.movable
            parts.append(range_of if plain else (range_of, operand.size, operand.movable))
        elif kind is Memory:
            assert isinstance(operand, Memory)
            base, index, displacement = operand.base, operand.index, operand.displacement
            if operand.segment is not None or not -(1 << 31) <= displacement < 1 << 31:
                return None
            if index is not None and (index.name in _STACK_POINTERS or operand.scale not in (1, 2, 4, 8)):
                return None
            parts.append(
                (
                    None if base is None else _KINDS[base.name],
                    None if index is None else _KINDS[index.name],
                    displacement != 0,
                    operand.size,
                    operand.target is None,
                    operand.absolute,
                    operand.broadcast,
                    operand.movable,
                )
            )
        else:
            return None
    if operation.prefixes or mask is not None or operation.zeroing or operation.rounding is not None:
        parts.append(
            (operation.prefixes, None if mask is None else _KINDS[mask.name], operation.zeroing, operation.rounding)
        )
    return tuple(parts)
