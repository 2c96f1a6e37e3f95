"""Refusals of AVX-512 decorations: masks, zeroing, rounding, broadcasts, registers 16 to 31."""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.wording import listed
from execmem_kernel.x86.forms import Form, forms_of
from execmem_kernel.x86.operands import SIZE_NAMES, Memory, Operation, Refusal, Register
from execmem_kernel.x86.registers import needs_evex, register_class
from execmem_kernel.x86.selection import shape_of, takes_shape


def bad_decoration(operation: Operation) -> Refusal | None:
    """The first decoration that the instruction does not take in any of its forms, or that no instruction takes."""
    refusal = _no_mask(operation)
    every = forms_of(operation.mnemonic)
    if refusal is not None or not every:
        return refusal
    return (
        _mask_not_taken(operation, every)
        or _zeroing_not_taken(operation, every)
        or _high_register(operation, every)
        or _rounding_not_taken(operation, every)
        or _broadcast_not_taken(operation, every)
    )


def _no_mask(operation: Operation) -> Refusal | None:
    """A mask that no instruction takes, or none where one is needed."""
    mask = operation.mask
    if mask is not None and (mask.name == "k0" or register_class(mask.name) != "k"):
        return Refusal(
            "ASM125", f"`{mask.name}` cannot be a mask.", 0, "k1 to k7 can; no mask at all means every element"
        )
    if operation.zeroing and mask is None:
        return Refusal("ASM125", "`{z}` needs a mask before it.", 0, "write {k1}{z}")
    return None


def _mask_not_taken(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    if operation.mask is None or any(form.info.can_use_op_mask_register for form in every):
        return None
    return Refusal("ASM121", f"`{operation.mnemonic}` does not take a mask.", 0, _evex_name(operation.mnemonic))


def _zeroing_not_taken(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    if not operation.zeroing:
        return None
    if any(form.info.can_use_zeroing_masking for form in every) and not isinstance(operation.operands[0], Memory):
        return None
    return Refusal(
        "ASM125",
        f"`{{z}}` does not go with this `{operation.mnemonic}`.",
        0,
        "leave it out: the unselected elements keep their values",
    )


def _high_register(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    """Only EVEX has the bits for registers 16 to 31 (Intel SDM vol. 2, 2.7.2)."""
    if any(form.is_evex for form in every):
        return None
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Register) and needs_evex(operand.name):
            return Refusal(
                "ASM122",
                f"`{operation.mnemonic}` cannot use `{operand.name}`: registers 16 to 31 need an AVX-512 form.",
                number,
                _evex_name(operation.mnemonic),
            )
    return None


def _rounding_not_taken(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    if operation.rounding is None:
        return None
    sae = operation.rounding == "sae"
    if not any(form.info.can_suppress_all_exceptions if sae else form.info.can_use_rounding_control for form in every):
        return Refusal("ASM123", f"`{operation.mnemonic}` does not take {{{operation.rounding}}}.", -1)
    if any(isinstance(operand, Memory) for operand in operation.operands):
        return Refusal("ASM123", f"{{{operation.rounding}}} goes with registers only, not with memory.", -1)
    return None


def _broadcast_not_taken(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.broadcast is not None:
            shape = tuple(shape_of(other) for other in operation.operands)
            fitting = [form for form in every if form.broadcast_size and takes_shape(form, shape)]
            if not fitting:
                return Refusal(
                    "ASM124",
                    f"`{operation.mnemonic}` does not broadcast.",
                    number,
                    "leave out {1to" + str(operand.broadcast) + "}",
                )
            counts = {form.memory_size // form.broadcast_size: form.broadcast_size for form in fitting}
            if operand.broadcast not in counts or operand.size not in (None, counts[operand.broadcast]):
                ways = [f"{SIZE_NAMES[size]} ptr [...]{{1to{count}}}" for count, size in sorted(counts.items())]
                return Refusal(
                    "ASM124",
                    f"`{operation.mnemonic}` does not broadcast like this with these registers.",
                    number,
                    f"write {listed(ways, 'or')}",
                )
    return None


def _evex_name(mnemonic: str) -> str:
    return f"`v{mnemonic}` may" if forms_of(f"v{mnemonic}") else "only AVX-512 instructions do"
