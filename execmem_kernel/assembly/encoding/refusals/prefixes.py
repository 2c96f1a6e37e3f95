"""Refusals of prefixes: lock, rep, xacquire, notrack and the like before instructions that do not take them."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import REX_PREFIXES, Memory, Operation, Refusal

# ---- prefixes, masks, rounding ---------------------------------------------------------------------------------------

_ALLOWED_PREFIXES = frozenset(
    (
        "{vex}", "{vex2}", "{vex3}", "{evex}", "{load}", "{store}", "{swap}", "{disp8}", "{disp32}", "{rex}", "{nooptimize}",
        "data16", "addr32", "cs", "ds", "es", "ss", *REX_PREFIXES,
    )
)  # fmt: skip
"""Prefixes that choose among encodings, or change nothing; whether they do, is seen when the bytes are read back."""


def bad_prefix(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    mnemonic, first = operation.mnemonic, operation.operands[0] if operation.operands else None
    infos = [form.info for form in found]
    for prefix in operation.prefixes:
        match prefix:
            case "lock":
                if not any(info.can_use_lock_prefix for info in infos):
                    return Refusal(
                        "ASM109",
                        f"`lock` does not go with `{mnemonic}`.",
                        None,
                        "it goes with add, adc, and, btc, btr, bts, cmpxchg, dec, inc, neg, not, or, sbb, sub, xadd, xchg, xor",
                    )
                if not isinstance(first, Memory):
                    return Refusal(
                        "ASM109",
                        f"`lock {mnemonic}` needs memory as its first operand.",
                        0,
                        "a register needs no lock: nobody else sees it",
                    )
            case "rep" | "repe" | "repz" | "repne" | "repnz":
                if not any(form.is_string for form in found) and (mnemonic, prefix[:4]) not in (
                    ("ret", "rep"),
                    ("ret", "repe"),
                    ("ret", "repz"),
                ):
                    return Refusal(
                        "ASM120",
                        f"`{prefix}` does not go with `{mnemonic}`.",
                        None,
                        "it goes with movs, stos, lods, cmps, scas, ins and outs",
                    )
            case "xacquire" | "xrelease":
                allowed = any(
                    info.can_use_xacquire_prefix if prefix == "xacquire" else info.can_use_xrelease_prefix
                    for info in infos
                )
                if not allowed or not isinstance(first, Memory):
                    return Refusal("ASM120", f"`{prefix}` does not go with this `{mnemonic}`.", None)
                if "lock" not in operation.prefixes and mnemonic not in ("xchg", "mov"):
                    return Refusal(
                        "ASM120", f"`{prefix}` needs `lock` beside it.", None, f"write `{prefix} lock {mnemonic}`"
                    )
            case "notrack" if not any(info.can_use_notrack_prefix for info in infos):
                return Refusal(
                    "ASM120",
                    f"`notrack` does not go with this `{mnemonic}`.",
                    None,
                    "it goes with jmp and call through a register or memory",
                )
            case "bnd" if not any(info.can_use_bnd_prefix for info in infos):
                return Refusal("ASM120", f"`bnd` does not go with `{mnemonic}`.", None)
            case "data16" if mnemonic in ("ret", "call", "jmp"):
                return Refusal(
                    "ASM120",
                    f"`data16 {mnemonic}` means different things to Intel and AMD processors.",
                    None,
                    "leave it out",
                )
            case "notrack" | "bnd" | "movabs":
                pass
            case _ if prefix not in _ALLOWED_PREFIXES:
                return Refusal("ASM120", f"The prefix `{prefix}` cannot be written before `{mnemonic}`.", None)
    return None
