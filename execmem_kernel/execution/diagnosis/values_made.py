"""Where an address that is none came from: a failed call, a field that was 0, a pointer that lost its upper half."""

from __future__ import annotations

import errno
from typing import NamedTuple

from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.hint_lines import typed
from execmem_kernel.execution.syscalls import numbers
from execmem_kernel.wording import signed
from execmem_kernel.x86.addressing import effective_address
from execmem_kernel.x86.registers import PARTS, full_register, whole_register

_MOST_ERRNO = 4095
"""A system call returns -errno; numbers from -4095 to -1 are errors. Source: syscall(2)."""
_LOWER = 0xFFFF_FFFF
_NEAR = 0x1_0000


class Made(NamedTuple):
    """What made a value, as the end of a sentence, and what to look at; both empty where there is nothing to say."""

    sentence: str = ""
    look_at: str = ""


def made_by(context: FaultContext, register: str) -> Made:
    """What made the value of a register, if that explains why it is no address.

    Args:
        context: The stop.
        register: A register of the address at fault.
    """
    step = context.made(register)
    value = context[register]
    if step is None:
        return Made()
    direct = context.last_write(whole_register(register))
    if step.place.foreign:
        call = context.call_of(step)
        if call is None or value != 0 or step.after["rax"] != 0:
            return Made()
        where = f" on line {call.line}"
        came = f", and is what {step.text}, called{where}, returned" if direct is not step else where
        return Made(came, f"{step.text} returns 0 when it fails: {_test(context, register)}")
    mnemonic = step.place.mnemonic
    if mnemonic == "syscall" and -_MOST_ERRNO <= signed(step.after["rax"]) < 0:
        number = signed(step.after["rax"])
        name = numbers.name_of(step.before["rax"])
        error = errno.errorcode.get(-number, str(-number))
        return Made(
            f": {name} on line {step.line} returned the error {error}",
            f"the call of {name} failed: look at its arguments, and test what it returns",
        )
    if (
        mnemonic in ("mov", "pop")
        and step.reads
        and value == 0
        and step.place.instruction.memory[0].base not in (None, "rsp", "rbp")
    ):
        loaded = ", which loaded 0 from memory" if direct is step else f": line {step.line} loaded 0 from memory"
        return Made(loaded, f"if 0 marks the end, {_test(context, register)}")
    return Made()


def _test(context: FaultContext, register: str) -> str:
    whole = full_register(register)
    where = f" before line {context.row.span.line}" if context.row is not None else ""
    return f"test it for 0 first: {context.lines(f'test {whole}, {whole}')} and a `jz`{where}"


def lost_upper_half(context: FaultContext, register: str) -> tuple[str, str] | None:
    """Whether a register has only the lower 32 bits of a pointer, because an instruction wrote its lower half.

    Args:
        context: The stop.
        register: A register of the address at fault.

    Returns:
        A sentence, and what to look at; None where that is not what happened.
    """
    value = context[register]
    step = context.last_write(whole_register(register))
    if value > _LOWER or step is None or step.place.foreign or step.line is None:
        return None
    instruction = step.place.instruction
    target = instruction.operands[0] if instruction.operands else ""
    if PARTS.get(target, ("", 0, 64))[2] != 32 or step.after[whole_register(register)] > _LOWER:
        return None
    whole_values = [
        step.before[full_register(name)] for name in instruction.registers_read if full_register(name) in step.before
    ]
    if instruction.mnemonic == "lea":
        whole_values += [effective_address(one, dict(step.before)) for one in instruction.memory]
    whole_values += [int.from_bytes(access.data, "little") for access in step.reads if len(access.data) == 8]
    now = step.after[whole_register(register)]
    pointer = next(
        (
            one
            for one in whole_values
            if one > _LOWER and context.place_of(one) and (now - one + _NEAR) & _LOWER < 2 * _NEAR
        ),
        None,
    )
    if pointer is None:
        return None
    row = context.row_of(step)
    written = step.text if row is None else typed(row)
    sentence = (
        f"{full_register(register)} has only the lower 32 bits of a pointer ({context.describe(pointer)}): "
        f"line {step.line} (`{written}`) wrote {target}, and that clears the upper half"
    )
    wide = written
    for name in dict.fromkeys((target, *instruction.operands[1:])):
        if PARTS.get(name, ("", 0, 64))[2] == 32:
            wide = wide.replace(name, full_register(name))
    return sentence, f"pointers have 64 bits: write `{wide}` on line {step.line}"
