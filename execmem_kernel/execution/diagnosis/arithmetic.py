"""Causes of SIGFPE: divisions without a result, and unmasked floating-point exceptions."""

from __future__ import annotations

import struct
from typing import NamedTuple

from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.contract.trace import Step
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.values import xsave
from execmem_kernel.wording import signed
from execmem_kernel.x86.registers import PARTS, full_register

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
    def upper_half(self) -> str:
        return "ah" if self.bits == 8 else self.dividend_registers[0]

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
    why, look_at = (_signed_overflow if context.mnemonic == "idiv" else _unsigned_overflow)(context, found)
    return Cause("quotient-overflow", f"the quotient is too large: {why}", evidence, look_at)


def _signed_overflow(context: FaultContext, found: _Division) -> tuple[str, str]:
    """Why the quotient of an `idiv` does not fit, and what to look at."""
    dividend, divisor = signed(found.dividend, max(16, 2 * found.bits)), signed(found.divisor, found.bits)
    target = found.quotient_register
    if divisor == -1:
        return (
            f"{dividend} / -1 is {-dividend}, which does not fit in {target}: its most is {(1 << found.bits - 1) - 1}",
            "the smallest number there is has no opposite: test for it, or divide numbers twice as wide",
        )
    why = f"{found.dividend_name} is {dividend}, and {dividend} / {divisor} does not fit in {target}"
    step = context.last_write(found.upper_half)
    if _is_wide_on_purpose(found, step):
        return why, _wider(context, found, "idiv")
    high, low = found.upper_half, "al" if found.bits == 8 else found.dividend_registers[-1]
    extension = _SIGN_EXTENSION[found.bits]
    meant = _meant(context, found, step)
    return (
        why,
        f"sign-extend the dividend before `idiv`: write `{extension}`{_before(context)}, "
        f"it fills {high} from {low}{meant}",
    )


def _unsigned_overflow(context: FaultContext, found: _Division) -> tuple[str, str]:
    """Why the quotient of a `div` does not fit, and what to look at."""
    why = (
        f"{found.dividend_name} is {found.dividend}, and {found.dividend} / {found.divisor} is more than "
        f"{(1 << found.bits) - 1}, the most that {found.quotient_register} holds"
    )
    step = context.last_write(found.upper_half)
    if _extends_sign(step, found):
        assert step is not None
        assert context.row is not None
        signed_division = context.typed.replace("div", "idiv", 1)
        return why, (
            f"{context.quoted(step)} filled {found.upper_half} with the sign, which is for signed numbers: "
            f"write `{signed_division}` on line {context.row.span.line}"
        )
    if _is_wide_on_purpose(found, step):
        return why, _wider(context, found, "div")
    upper = found.upper_half
    return why, (
        f"the dividend is {found.dividend_name}: clear its upper half before `div`: "
        f"write {context.lines(f'xor {upper}, {upper}')}{_before(context)}{_meant(context, found, step)}"
    )


def _before(context: FaultContext) -> str:
    return "" if context.row is None else f" before line {context.row.span.line}"


def _extends_sign(step: Step | None, found: _Division) -> bool:
    return step is not None and step.line is not None and step.text.split()[0] == _SIGN_EXTENSION[found.bits]


def _is_wide_on_purpose(found: _Division, step: Step | None) -> bool:
    """Whether the whole dividend was made at once: a product, or for `div bl` a number written to ax."""
    if step is None or step.place.foreign or step.line is None:
        return False
    instruction = step.place.instruction
    if instruction.mnemonic in ("mul", "imul") and len(instruction.operands) == 1:
        return True
    written = instruction.operands[0] if instruction.operands else ""
    return found.bits == 8 and PARTS.get(written, (written, 0, 0))[0] == "rax" and written not in ("ah", "al")


def _wider(context: FaultContext, found: _Division, mnemonic: str) -> str:
    """What to do where the dividend is as wide as it is meant: divide it by twice as many bits."""
    if found.bits == 64:
        return "no division has a larger quotient: divide before you multiply, or test for it"
    wide = 2 * found.bits
    dividend = {16: "ax", 32: "eax", 64: "rax"}[wide]
    if not found.is_register or found.operand in ("ah", "bh", "ch", "dh"):
        return (
            f"the quotient has up to {wide} bits: divide by a divisor of {wide} bits, with the dividend in {dividend}"
        )
    whole = full_register(found.operand)
    divisor = _part(whole, wide)
    extend = (
        (f"movsx {divisor}, {found.operand}" if found.bits < 32 else f"movsxd {divisor}, {found.operand}")
        if mnemonic == "idiv"
        else f"movzx {divisor}, {found.operand}"
        if found.bits < 32
        else f"mov {found.operand}, {found.operand}"
    )
    upper = {16: "dx", 32: "edx", 64: "rdx"}[wide]
    # From 16 bits on the dividend lies in two registers, and is to lie in one.
    joined = {
        8: (),
        16: ("shl edx, 16", "movzx eax, ax", "or eax, edx"),
        32: ("shl rdx, 32", "mov eax, eax", "or rax, rdx"),
    }
    clear = {"div": f"xor {upper}, {upper}", "idiv": _SIGN_EXTENSION[wide]}[mnemonic]
    lines = context.lines(extend, *joined[found.bits], clear)
    line = (
        "" if context.row is None else f" and {context.lines(f'{mnemonic} {divisor}')} on line {context.row.span.line}"
    )
    return f"the quotient needs {wide} bits: write {lines}{_before(context)}{line}; it is in {dividend} then"


def _part(whole: str, bits: int) -> str:
    """The part of a general register that has so many bits and begins at bit 0."""
    if bits == 64:
        return whole
    return next(name for name, (of, shift, size) in PARTS.items() if (of, shift, size) == (whole, 0, bits))


def _meant(context: FaultContext, found: _Division, step: Step | None) -> str:
    """The end of a hint, where the program itself has written the upper half."""
    if step is None or step.line is None or step.place.foreign or found.bits == 8:
        return ""
    if step.place.instruction.mnemonic in ("div", "idiv", "syscall"):
        return f"; line {step.line} left that there"
    return f"; {context.quoted(step)} put that there: if it is meant, the quotient needs a wider division"


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
