"""What a program's registers hold when it starts: what the call gives them, checked, and poison or 0 for the others."""

from __future__ import annotations

import operator
import random
import re

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.process.address_space import AddressSpace
from execmem_kernel.execution.process.guest import FRESH
from execmem_kernel.x86.registers import FLAGS, GENERAL, PARTS, STATUS_FLAGS, VECTOR_SIZES

_STATUS_BITS = sum(1 << FLAGS[name] for name in STATUS_FLAGS)
_SETTABLE = frozenset((*GENERAL, "rflags"))
_VECTOR, _MASK_REGISTER = re.compile(r"([xyz])mm\d{1,2}"), re.compile(r"k\d{1,2}")


def initial_registers(call: Call, plan: AddressSpace) -> tuple[dict[str, int], dict[str, int]]:
    """The registers that ptrace sets, and the vector and mask registers that are not 0.

    Raises:
        ValueError: A register does not exist, or cannot hold what it is given.
        TypeError: A register is given neither a number nor a buffer's name.
    """
    general = {**FRESH, **_poison(call.poison), **plan.registers}
    general["rip"] = call.program.entry if call.entry is None else call.entry
    wide = _poisoned_vectors(call.poison)
    for name, value in call.registers.items():
        number = _value(name, value, plan)
        if name in _SETTABLE:
            general[name] = number
        else:
            wide[name] = number
    return general, wide


def _poison(seed: int | None) -> dict[str, int]:
    """Numbers for the registers that the call does not set."""
    if seed is None:
        return {}
    chance = random.Random(seed)
    general = {name: chance.getrandbits(64) for name in GENERAL if name != "rsp"}
    return general | {"rflags": FRESH["rflags"] | chance.getrandbits(64) & _STATUS_BITS}


def _poisoned_vectors(seed: int | None) -> dict[str, int]:
    """The same for vector registers; only the lowest 128 bits, since a caller leaves the others unused."""
    if seed is None:
        return {}
    chance = random.Random(seed + 1)
    return {f"xmm{number}": chance.getrandbits(128) for number in range(16)}


def _value(name: str, value: int | str, plan: AddressSpace) -> int:
    """What a register is set to, unsigned: a number that fits, or a buffer's address."""
    bits = 64
    if name in _SETTABLE:
        pass
    elif vector := _VECTOR.fullmatch(str(name)):
        bits = 8 * VECTOR_SIZES[vector[1]]
    elif not _MASK_REGISTER.fullmatch(str(name)):
        whole = PARTS.get(name, (None,))[0]
        hint = f"; set the whole of it, {whole}" if whole else ""
        if str(name) != (lower := str(name).lower()):
            hint = f"; names of registers are written small: {lower}"
        raise ValueError(f"{name!r} is not a register that can be set{hint}")
    if isinstance(value, str):
        if value not in plan.buffers:
            raise ValueError(f"register {name} is given {value!r}, and there is no buffer of that name")
        return plan.buffers[value].start
    try:
        number = operator.index(value)
    except TypeError:
        given = repr(value) if value is None or isinstance(value, (float, complex, bytes)) else type(value).__name__
        raise TypeError(f"register {name} takes a whole number or a buffer's name, not {given}") from None
    if not -(1 << bits - 1) <= number < 1 << bits:
        raise ValueError(f"register {name} has {bits} bits and cannot hold {number}")
    return number & ((1 << bits) - 1)
