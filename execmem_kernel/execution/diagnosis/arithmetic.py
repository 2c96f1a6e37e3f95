"""Causes of SIGFPE: divisions without a result, and unmasked floating-point exceptions."""

from __future__ import annotations

import struct

from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.values import xsave
from execmem_kernel.x86.registers import PARTS

# ---- arithmetic ------------------------------------------------------------------------------------------------------

_BITS = {1: 8, 2: 16, 4: 32, 8: 64}


_DIVIDEND = {8: ("ax",), 16: ("dx", "ax"), 32: ("edx", "eax"), 64: ("rdx", "rax")}


def division(scene: FaultContext) -> Cause | None:
    if scene.mnemonic not in ("div", "idiv") or scene.instruction is None:
        return None
    operand = scene.instruction.operands[0]
    if scene.accesses:
        size = scene.accesses[0][0].size
        divisor = int.from_bytes(scene.stop.read(scene.accesses[0][1], size), "little")
        names: tuple[str, ...] = ()
        bits = _BITS[size]
    else:
        bits = PARTS.get(operand, (operand, 0, 64))[2]
        divisor, names = scene[operand], (operand,)
    high_low = _DIVIDEND[bits]
    evidence = scene.evidence(*names, *high_low)
    dividend_name = ":".join(high_low)
    if divisor == 0:
        since = scene.origin(operand) if names else ""
        return Cause(
            "divide-by-zero",
            f"divides by zero: {operand} is 0{since}",
            evidence,
            "test the divisor before dividing",
        )
    dividend = 0
    for name in high_low:
        dividend = dividend << (16 if bits == 8 else bits) | scene[name]
    if scene.mnemonic == "idiv":
        wide = 16 if bits == 8 else 2 * bits
        signed = dividend - (1 << wide) if dividend >> (wide - 1) else dividend
        signed_divisor = divisor - (1 << bits) if divisor >> (bits - 1) else divisor
        quotient = abs(signed) // abs(signed_divisor) * (1 if (signed < 0) == (signed_divisor < 0) else -1)
        target = "al" if bits == 8 else high_low[-1]
        extend = {8: "cbw", 16: "cwd", 32: "cdq", 64: "cqo"}[bits]
        look_at = f"sign-extend the dividend before `idiv`: `{extend}` fills {high_low[0]} from {high_low[-1]}"
        if signed_divisor == -1:
            look_at = "the smallest number there is has no opposite: test for it, or divide numbers twice as wide"
            why = f"{signed} / -1 is {quotient}, which does not fit in {target}: its most is {(1 << bits - 1) - 1}"
        else:
            why = f"{dividend_name} is {signed}, and {signed} / {signed_divisor} does not fit in {target}"
        return Cause("quotient-overflow", f"the quotient is too large: {why}", evidence, look_at)
    target = "al" if bits == 8 else high_low[-1]
    limit = (1 << bits) - 1
    clear = "ah" if bits == 8 else high_low[0]
    return Cause(
        "quotient-overflow",
        f"the quotient is too large: {dividend_name} is {dividend}, and {dividend} / {divisor} is more than "
        f"{limit}, the most that {target} holds",
        evidence,
        f"the dividend is {dividend_name}: clear its upper half before `div`, with `xor {clear}, {clear}`",
    )


_FLOAT_NAMES = {
    0: "an invalid operation",
    1: "a denormal operand",
    2: "a division by zero",
    3: "an overflow",
    4: "an underflow",
    5: "an inexact result",
}


def floating_point(scene: FaultContext) -> Cause | None:
    control, status = struct.unpack_from("<HH", scene.stop.extended, xsave.CONTROL_WORD)
    mxcsr = struct.unpack_from("<I", scene.stop.extended, xsave.MXCSR)[0]
    pending = status & ~control & 0x3F
    raised = pending or (mxcsr & ~(mxcsr >> 7) & 0x3F)
    if not raised and scene.mnemonic not in ("fwait", "wait"):
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


def arithmetic(scene: FaultContext) -> Cause | None:
    return Cause("arithmetic", "an arithmetic operation has no result")
