"""Refusals of prefixes: lock, rep, xacquire, notrack and the like before instructions that do not take them."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Callable, Sequence

from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import REX_PREFIXES, Memory, Operation, Refusal

_ALLOWED = frozenset(
    (
        "{vex}", "{vex2}", "{vex3}", "{evex}", "{load}", "{store}", "{swap}", "{disp8}", "{disp32}", "{rex}", "{nooptimize}",
        "addr32", "cs", "ds", "es", "ss", "movabs", *REX_PREFIXES,
    )
)  # fmt: skip
"""Prefixes that choose among encodings, or change nothing; whether they do, is seen when the bytes are read back."""


def bad_prefix(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    """The first prefix that does not go with the instruction in any of the forms found for it."""
    for prefix in operation.prefixes:
        check = _CHECKS.get(prefix)
        if check is not None:
            refusal = check(prefix, operation, found)
            if refusal is not None:
                return refusal
        elif prefix not in _ALLOWED:
            return Refusal("ASM120", f"The prefix `{prefix}` cannot be written before `{operation.mnemonic}`.", None)
    return None


def _changes_memory(operation: Operation) -> bool:
    return bool(operation.operands) and isinstance(operation.operands[0], Memory)


def _lock(prefix: str, operation: Operation, found: Sequence[Form]) -> Refusal | None:
    if not any(form.info.can_use_lock_prefix for form in found):
        return Refusal(
            "ASM109",
            f"`lock` does not go with `{operation.mnemonic}`.",
            None,
            "it goes with add, adc, and, btc, btr, bts, cmpxchg, dec, inc, neg, not, or, sbb, sub, xadd, xchg, xor",
        )
    if not _changes_memory(operation):
        return Refusal(
            "ASM109",
            f"`lock {operation.mnemonic}` needs memory as its first operand.",
            0,
            "a register needs no lock: nobody else sees it",
        )
    return None


def _repetition(prefix: str, operation: Operation, found: Sequence[Form]) -> Refusal | None:
    if any(form.is_string for form in found):
        return None
    if operation.mnemonic == "ret" and prefix in ("rep", "repe", "repz"):
        return None  # `rep ret`, which compilers once wrote for AMD's branch prediction
    return Refusal(
        "ASM120",
        f"`{prefix}` does not go with `{operation.mnemonic}`.",
        None,
        "it goes with movs, stos, lods, cmps, scas, ins and outs",
    )


def _lock_elision(prefix: str, operation: Operation, found: Sequence[Form]) -> Refusal | None:
    mnemonic = operation.mnemonic
    allowed = any(
        form.info.can_use_xacquire_prefix if prefix == "xacquire" else form.info.can_use_xrelease_prefix
        for form in found
    )
    if not allowed or not _changes_memory(operation):
        return Refusal("ASM120", f"`{prefix}` does not go with this `{mnemonic}`.", None)
    if "lock" not in operation.prefixes and mnemonic not in ("xchg", "mov"):
        return Refusal("ASM120", f"`{prefix}` needs `lock` beside it.", None, f"write `{prefix} lock {mnemonic}`")
    return None


def _notrack(prefix: str, operation: Operation, found: Sequence[Form]) -> Refusal | None:
    if any(form.info.can_use_notrack_prefix for form in found):
        return None
    return Refusal(
        "ASM120",
        f"`notrack` does not go with this `{operation.mnemonic}`.",
        None,
        "it goes with jmp and call through a register or memory",
    )


def _bnd(prefix: str, operation: Operation, found: Sequence[Form]) -> Refusal | None:
    if any(form.info.can_use_bnd_prefix for form in found):
        return None
    return Refusal("ASM120", f"`bnd` does not go with `{operation.mnemonic}`.", None)


def _data16(prefix: str, operation: Operation, found: Sequence[Form]) -> Refusal | None:
    if operation.mnemonic not in ("ret", "call", "jmp"):
        return None
    return Refusal(
        "ASM120",
        f"`data16 {operation.mnemonic}` means different things to Intel and AMD processors.",
        None,
        "leave it out",
    )


_CHECKS: dict[str, Callable[[str, Operation, Sequence[Form]], Refusal | None]] = {
    "lock": _lock,
    **dict.fromkeys(("rep", "repe", "repz", "repne", "repnz"), _repetition),
    **dict.fromkeys(("xacquire", "xrelease"), _lock_elision),
    "notrack": _notrack,
    "bnd": _bnd,
    "data16": _data16,
}
"""Prefix -> why it may not go with an operation in the forms found for it."""
