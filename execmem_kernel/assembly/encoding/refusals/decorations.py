"""Refusals of AVX-512 decorations: masks, zeroing, rounding, broadcasts, registers 16 to 31."""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.encoding.refusals.phrases import listed
from execmem_kernel.x86 import forms, registers, selection
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import SIZE_NAMES, Memory, Operation, Refusal, Register
from execmem_kernel.x86.registers import register_class


def bad_decoration(operation: Operation) -> Refusal | None:
    if operation.mask is not None and (operation.mask.name == "k0" or register_class(operation.mask.name) != "k"):
        return Refusal(
            "ASM125",
            f"`{operation.mask.name}` cannot be a mask.",
            0,
            "k1 to k7 can; no mask at all means every element",
        )
    if operation.zeroing and operation.mask is None:
        return Refusal("ASM125", "`{z}` needs a mask before it.", 0, "write {k1}{z}")
    every = forms.forms_of(operation.mnemonic)
    if not every:
        return None
    if operation.mask is not None and not any(form.info.can_use_op_mask_register for form in every):
        return Refusal("ASM121", f"`{operation.mnemonic}` does not take a mask.", 0, _evex_name(operation.mnemonic))
    if operation.zeroing and (
        not any(form.info.can_use_zeroing_masking for form in every) or isinstance(operation.operands[0], Memory)
    ):
        return Refusal(
            "ASM125",
            f"`{{z}}` does not go with this `{operation.mnemonic}`.",
            0,
            "leave it out: the unselected elements keep their values",
        )
    high = next(
        (
            number
            for number, operand in enumerate(operation.operands)
            if isinstance(operand, Register) and registers.needs_evex(operand.name)
        ),
        None,
    )
    if high is not None and not any(form.is_evex for form in every):
        register = operation.operands[high]
        assert isinstance(register, Register)
        return Refusal(
            "ASM122",
            f"`{operation.mnemonic}` cannot use `{register.name}`: registers 16 to 31 need an AVX-512 form.",
            high,
            _evex_name(operation.mnemonic),
        )
    if operation.rounding is not None:
        sae = operation.rounding == "sae"
        if not any(
            form.info.can_suppress_all_exceptions if sae else form.info.can_use_rounding_control for form in every
        ):
            return Refusal("ASM123", f"`{operation.mnemonic}` does not take {{{operation.rounding}}}.", -1)
        if any(isinstance(operand, Memory) for operand in operation.operands):
            return Refusal("ASM123", f"{{{operation.rounding}}} goes with registers only, not with memory.", -1)
    return _bad_broadcast(operation, every)


def _bad_broadcast(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.broadcast is not None:
            shape = tuple(selection.shape_of(other) for other in operation.operands)
            fitting = [form for form in every if form.broadcast_size and selection.takes_shape(form, shape)]
            if not fitting:
                return Refusal(
                    "ASM124",
                    f"`{operation.mnemonic}` does not broadcast.",
                    number,
                    "leave out {1to" + str(operand.broadcast) + "}",
                )
            counts = {form.memory_size // form.broadcast_size: form.broadcast_size for form in fitting}
            if operand.broadcast not in counts or operand.size not in (None, counts[operand.broadcast]):
                ways = listed(
                    [f"{SIZE_NAMES[size]} ptr [...]{{1to{count}}}" for count, size in sorted(counts.items())], "or"
                )
                return Refusal(
                    "ASM124",
                    f"`{operation.mnemonic}` does not broadcast like this with these registers.",
                    number,
                    f"write {ways}",
                )
    return None


def _evex_name(mnemonic: str) -> str:
    return f"`v{mnemonic}` may" if forms.forms_of(f"v{mnemonic}") else "only AVX-512 instructions do"
