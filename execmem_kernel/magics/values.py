"""Values for registers on the option line: `rdi=40 rsi=text` to numbers and buffers."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from execmem_kernel import errors
from execmem_kernel.wording import did_you_mean

VECTOR = re.compile(r"[xyz]mm([12]?\d|3[01])|k[0-7]")
"""Vector and mask registers."""


@cache
def settable() -> frozenset[str]:
    """General registers that a cell may set; rsp is not among them, since the runner gives every program a stack."""
    from execmem_kernel.x86.registers import GENERAL  # here, because tables of registers are slow to load

    return frozenset(GENERAL) - {"rsp"}


def arguments(words: list[str], variables: Mapping[str, Any]) -> tuple[dict[str, int | str], dict[str, Any]]:
    """What `rdi=40 rsi=text` means: registers to numbers or buffer names, and the buffers by name.

    Raises:
        MagicError: A register or a value is not understood.
    """
    registers: dict[str, int | str] = {}
    buffers: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = name.strip().lower()
        if not equals or not text:
            raise errors.MagicError(f"%%asm does not understand {word!r}; write it as rdi=40 or rdi=variable")
        if name not in settable() and not VECTOR.fullmatch(name):
            raise errors.MagicError(f"{name!r} is not a register that can be set{_wider(name)}")
        if name in registers:
            raise errors.MagicError(f"{name} is given twice")
        registers[name] = _value(name, text, variables, buffers)
    return registers, buffers


def _wider(name: str) -> str:
    """What may have been meant by a register that cannot be set."""
    from execmem_kernel.x86.registers import PARTS

    if name in ("rsp", "esp", "sp", "spl"):
        return ": every program gets a stack of its own"
    if name in PARTS:
        return f"; set the whole of it, {PARTS[name][0]}"
    return did_you_mean(name, settable())


def _value(register: str, text: str, variables: Mapping[str, Any], buffers: dict[str, Any]) -> int | str:
    """One register's value: its bits, or the name of a buffer, which goes into `buffers`."""
    from execmem_kernel.x86.registers import VECTOR_SIZES

    number = parse_number(text)
    if number is None:
        value = _variable(register, text, variables)
        if VECTOR.fullmatch(register) and not register.startswith("k"):
            from execmem_kernel.execution.values import lanes

            try:
                value = lanes.register_value(register, value)
            except (TypeError, ValueError) as error:
                raise errors.MagicError(f"{register}={text}: {error}") from None
        data = _bytes(value)
        if data is not None:
            buffers[text] = data
            return text
        number = _integer(register, text, value)
    bits = 8 * VECTOR_SIZES[register[0]] if register[1:3] == "mm" else 64
    if not -(1 << (bits - 1)) <= number < 1 << bits:
        raise errors.MagicError(f"{register}={text}: the number does not fit into {bits} bits")
    return number % (1 << bits)


def _variable(register: str, text: str, variables: Mapping[str, Any]) -> Any:
    """The float that is written there, or the value of the variable that is named."""
    if re.fullmatch(r"[+-]?[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?", text):
        return float(text)
    if not text.isidentifier():
        raise errors.MagicError(f"{register}={text}: {text!r} is neither a number nor the name of a variable")
    if text not in variables:
        raise errors.MagicError(f"{register}={text}: there is no variable {text!r}")
    return variables[text]


def parse_number(text: str) -> int | None:
    """A literal as the assembler reads it: 42, -1, 0x2a, 0b101, 0o17, 2ah, 1_000."""
    sign, digits = (-1, text[1:]) if text[:1] == "-" else (1, text.removeprefix("+"))
    if re.fullmatch(r"[0-9][0-9_]*", digits):
        return sign * int(digits)
    if re.fullmatch(r"[0-9][0-9a-fA-F_]*[hH]", digits):
        return sign * int(digits[:-1], 16)
    if re.fullmatch(r"0[xXbBoO][0-9a-fA-F_]+", digits):
        try:
            return sign * int(digits, 0)
        except ValueError:
            return None
    return None


def _integer(register: str, text: str, value: Any) -> int:
    if isinstance(value, float):
        raise errors.MagicError(f"{register}={text}: {text} is a float; floats go into xmm0 to xmm15")
    try:
        return operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise errors.MagicError(
            f"{register}={text}: {text} is a {kind}; a register takes a number, text, bytes or an array"
        ) from None


def _bytes(value: Any) -> Any:
    """The memory a value stands for, or None if it is not memory: text gets the zero byte that C expects."""
    if isinstance(value, str):
        return value.encode() + b"\0"
    from execmem_kernel.execution.contract.call import Buffer

    if isinstance(value, Buffer):
        return value
    try:
        view = memoryview(value)
        # A numpy scalar such as int64(5) has a buffer too, but stands for a number; an array of objects has no bytes.
        return None if view.ndim == 0 or "O" in view.format else view.tobytes()
    except (TypeError, ValueError, BufferError):
        return None
