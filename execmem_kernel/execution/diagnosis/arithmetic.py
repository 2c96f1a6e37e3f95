"""Causes of SIGFPE: divisions without a result, and unmasked floating-point exceptions."""

from __future__ import annotations

import struct
from typing import NamedTuple

from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.values import xsave
from execmem_kernel.wording import signed
from execmem_kernel.x86.registers import PARTS

_DIVIDEND = {8: ("ax",), 16: ("dx", "ax"), 32: ("edx", "eax"), 64: ("rdx", "rax")}
"""Bits of the divisor -> the registers that hold the dividend, upper half first. Source: Intel SDM vol. 2, DIV."""
_SIGN_EXTENSION = {8: "cbw", 16: "cwd", 32: "cdq", 64: "cqo"}


class _Division(NamedTuple):
    """A `div` or `idiv` with the numbers it is to divide, all of them unsigned."""

    operand: str
    """The divisor as written."""
    is_register: bool
    bits: int
    """Of the divisor, and of the quotient."""
    divisor: int
    dividend: int

    @property
    def dividend_registers(self) -> tuple[str, ...]:
        return _DIVIDEND[self.bits]

    @property
    def dividend_name(self) -> str:
        """`rdx:rax`."""
        return ":".join(self.dividend_registers)

    @property
    def quotient_register(self) -> str:
        return "al" if self.bits == 8 else self.dividend_registers[-1]


def _division(context: FaultContext) -> _Division | None:
    if context.mnemonic not in ("div", "idiv") or context.instruction is None:
        return None
    operand = context.instruction.operands[0]
    if context.accesses:
        size = context.accesses[0].operand.size
        bits = 8 * size
        divisor = int.from_bytes(context.stop.read(context.accesses[0].address, size), "little")
    else:
        bits = PARTS.get(operand, (operand, 0, 64))[2]
        divisor = context[operand]
    dividend = 0
    for name in _DIVIDEND[bits]:  # ax by itself has both halves of a dividend of 16 bits
        dividend = dividend << (16 if bits == 8 else bits) | context[name]
    return _Division(operand, not context.accesses, bits, divisor, dividend)


def division(context: FaultContext) -> Cause | None:
    """A division by zero, or one whose quotient does not fit."""
    found = _division(context)
    if found is None:
        return None
    names = (found.operand,) if found.is_register else ()
    evidence = context.evidence(*names, *found.dividend_registers)
    if found.divisor == 0:
        since = context.origin(found.operand) if found.is_register else ""
        sentence = f"divides by zero: {found.operand} is 0{since}"
        return Cause("divide-by-zero", sentence, evidence, "test the divisor before dividing")
    why, look_at = (_signed_overflow if context.mnemonic == "idiv" else _unsigned_overflow)(found)
    return Cause("quotient-overflow", f"the quotient is too large: {why}", evidence, look_at)


def _signed_overflow(found: _Division) -> tuple[str, str]:
    """Why the quotient of an `idiv` does not fit, and what to look at."""
    dividend, divisor = signed(found.dividend, max(16, 2 * found.bits)), signed(found.divisor, found.bits)
    target = found.quotient_register
    if divisor == -1:
        return (
            f"{dividend} / -1 is {-dividend}, which does not fit in {target}: its most is {(1 << found.bits - 1) - 1}",
            "the smallest number there is has no opposite: test for it, or divide numbers twice as wide",
        )
    high, low = found.dividend_registers[0], found.dividend_registers[-1]
    return (
        f"{found.dividend_name} is {dividend}, and {dividend} / {divisor} does not fit in {target}",
        f"sign-extend the dividend before `idiv`: `{_SIGN_EXTENSION[found.bits]}` fills {high} from {low}",
    )


def _unsigned_overflow(found: _Division) -> tuple[str, str]:
    """Why the quotient of a `div` does not fit, and what to look at."""
    upper_half = "ah" if found.bits == 8 else found.dividend_registers[0]
    return (
        f"{found.dividend_name} is {found.dividend}, and {found.dividend} / {found.divisor} is more than "
        f"{(1 << found.bits) - 1}, the most that {found.quotient_register} holds",
        f"the dividend is {found.dividend_name}: clear its upper half before `div`, "
        f"with `xor {upper_half}, {upper_half}`",
    )


_FLOAT_NAMES = {
    0: "an invalid operation",
    1: "a denormal operand",
    2: "a division by zero",
    3: "an overflow",
    4: "an underflow",
    5: "an inexact result",
}
"""Bit of the x87 status word and of MXCSR -> the exception. Source: Intel SDM vol. 1, 8.1.3 and 10.2.3."""
_EXCEPTIONS = 0x3F


def floating_point(context: FaultContext) -> Cause | None:
    """A floating-point exception that the program has unmasked."""
    control, status = struct.unpack_from("<HH", context.stop.extended, xsave.CONTROL_WORD)
    mxcsr = struct.unpack_from("<I", context.stop.extended, xsave.MXCSR)[0]
    pending = status & ~control & _EXCEPTIONS
    raised = pending or (mxcsr & ~(mxcsr >> 7) & _EXCEPTIONS)  # the masks of MXCSR are 7 bits above its flags
    if not raised and context.mnemonic not in ("fwait", "wait"):
        return None
    name = next((text for bit, text in _FLOAT_NAMES.items() if raised >> bit & 1), "a floating-point exception")
    if pending:
        return Cause(
            "x87-exception",
            f"{name} in an earlier x87 instruction is reported here, because the program has unmasked it",
            look_at="x87 reports at the next x87 instruction; leave the masks in the control word set (0x037f)",
        )
    return Cause(
        "sse-exception",
        f"{name}, which the program has unmasked in MXCSR",
        look_at="leave the masks in MXCSR set (0x1f80) to get infinities and NaNs instead",
    )


def arithmetic(context: FaultContext) -> Cause | None:
    """Any other SIGFPE."""
    return Cause("arithmetic", "an arithmetic operation has no result")
