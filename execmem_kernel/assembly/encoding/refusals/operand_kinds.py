"""No form takes the operands: the operand to blame, from the grossest mismatch to the finest."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.diagnostics import hints
from execmem_kernel.assembly.encoding.refusals.comparing import operand_size
from execmem_kernel.assembly.encoding.refusals.immediates import misfit_number
from execmem_kernel.assembly.encoding.refusals.operand_sizes import misfit_size
from execmem_kernel.assembly.encoding.refusals.phrases import form_texts, listed, operand_text, operands_swapped
from execmem_kernel.x86 import forms, registers, selection
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Refusal, Register
from execmem_kernel.x86.registers import register_class
from execmem_kernel.x86.selection import operand_fits

# ---- what does not fit the instruction -------------------------------------------------------------------------------


def no_form(operation: Operation) -> Refusal:
    """No form says the operation: find the operand to blame, from the grossest mismatch to the finest."""
    mnemonic, operands = operation.mnemonic, operation.operands
    every = forms.forms_of(mnemonic)
    if not every:
        return Refusal("ASM101", f"`{mnemonic}` does not exist in 64-bit mode.", None, _REPLACEMENTS.get(mnemonic, ""))
    counts = sorted({count for form in every for count in selection.operand_counts(form)})
    if len(operands) not in counts:
        wanted = listed([str(count) for count in counts], "or")
        plural = "operand" if counts == [1] else "operands"
        return Refusal(
            "ASM104", f"`{mnemonic}` takes {wanted if counts != [0] else 'no'} {plural}, and {len(operands)} {'is' if len(operands) == 1 else 'are'} given.",
            -1, hints.wrong_operand_count(mnemonic, len(operands)), form_texts(every, operation),
        )  # fmt: skip
    if mnemonic == "mov" and operands[0] == Register("cs"):
        return Refusal("ASM102", "`cs` cannot be written to; it changes with far jumps, calls and returns.", 0)
    if mnemonic == "bswap":
        return Refusal("ASM102", "`bswap` of 16 bits has no defined result.", 0, "write `rol ax, 8` to swap two bytes")
    return (
        _impossible_kinds(operation, every)
        or misfit_size(operation, every)
        or misfit_number(operation, every)
        or _misfit_kind(operation, every)
    )


_REPLACEMENTS = {
    "pusha": "push the registers one by one", "pushad": "push the registers one by one", "popa": "pop the registers one by one",
    "popad": "pop the registers one by one", "into": "use `jo` to a call", "pushfd": "write pushfq", "popfd": "write popfq",
    "les": "use lfs or lgs", "lds": "use lfs or lgs", "jcxz": "write jrcxz or jecxz", "salc": "write sbb al, al",
}  # fmt: skip


def _impossible_kinds(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    operands, mnemonic = operation.operands, operation.mnemonic
    if (
        any(form.is_string for form in every)
        and operands
        and isinstance(operands[0], Memory | Register)
        and mnemonic not in ("movsd", "cmpsd")
    ):
        return Refusal(
            "ASM102", f"`{mnemonic}` always works on the memory at rdi and rsi, and on the accumulator.", -1,
            f"write `{mnemonic}` alone", form_texts(every, operation),
        )  # fmt: skip
    memories = [number for number, operand in enumerate(operands) if isinstance(operand, Memory)]
    if len(memories) > 1:
        return Refusal(
            "ASM105", f"`{mnemonic}` cannot have two memory operands: one instruction reaches memory once.", memories[1],
            f"go through a register: `mov rax, ...`, then `{mnemonic}` with rax", form_texts(every, operation),
        )  # fmt: skip
    if (
        len(operands) > 1
        and isinstance(operands[0], Immediate)
        and not any(form.slots[0].immediate for form in every if form.slots)
    ):
        return Refusal(
            "ASM106",
            f"The destination of `{mnemonic}` cannot be a number.",
            0,
            f"the destination comes first: `{operands_swapped(operation)}`",
            form_texts(every, operation),
        )
    return None


def not_in_64_bit_mode(operation: Operation) -> Refusal | None:
    """push eax, call ecx, push ds: what 32-bit code does."""
    mnemonic, operands = operation.mnemonic, operation.operands
    if mnemonic not in ("push", "pop", "call", "jmp") or len(operands) != 1:
        return None
    operand = operands[0]
    if mnemonic in ("call", "jmp") and operand_size(operand) == 2:
        return Refusal(
            "ASM101",
            f"`{mnemonic}` to a 16-bit address means different things to Intel and AMD processors.",
            0,
            "use 64 bits",
        )
    if isinstance(operand, Register) and register_class(operand.name) == "r32":
        return Refusal(
            "ASM101",
            f"`{mnemonic}` with a 32-bit register does not exist in 64-bit mode.",
            0,
            f"write `{mnemonic} {registers.full_register(operand.name)}`",
        )
    if isinstance(operand, Register) and operand.name in ("cs", "ds", "es", "ss"):
        return Refusal(
            "ASM101", f"`{mnemonic} {operand.name}` does not exist in 64-bit mode.", 0, "fs and gs can be pushed"
        )
    if isinstance(operand, Memory) and operand.size == 4:
        return Refusal(
            "ASM101",
            f"`{mnemonic}` with a dword in memory does not exist in 64-bit mode.",
            0,
            f"write `{mnemonic} qword ptr [...]`",
        )
    return None


def _misfit_kind(operation: Operation, every: Sequence[Form]) -> Refusal:
    """The first operand that no form takes in its place, given those before it."""
    remaining = [form for form in every if len(form.slots) == len(operation.operands)] or list(every)
    for number, operand in enumerate(operation.operands):
        kept = [
            form for form in remaining if len(form.slots) > number and operand_fits(form, form.slots[number], operand)
        ]
        if not kept:
            return Refusal(
                "ASM102",
                f"`{operation.mnemonic}` does not take {operand_text(operand)} as its {_ORDINALS[number]} operand here.",
                number,
                _kind_hint(operation, remaining, number),
                form_texts(remaining, operation),
            )
        remaining = kept
    return Refusal(
        "ASM102",
        f"`{operation.mnemonic}` does not take these operands together.",
        -1,
        "it goes to a label only" if operation.mnemonic[0] == "j" and operation.mnemonic != "jmp" else "",
        form_texts(every, operation),
    )


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def _kind_hint(operation: Operation, remaining: Sequence[Form], number: int) -> str:
    mnemonic, operand = operation.mnemonic, operation.operands[number]
    vector = isinstance(operand, Register) and register_class(operand.name) in ("xmm", "ymm", "zmm")
    if mnemonic == "lea":
        return f"write brackets: `lea rax, [{operand.name if isinstance(operand, Register) else '...'}]`, or `mov` for what is no address"
    if mnemonic.startswith("set") and isinstance(operand, Register):
        return f"it sets one byte: `{mnemonic} al`, then `movzx eax, al`"
    if mnemonic == "mov" and vector:
        return "movd, movq, movaps and movups move vector registers"
    if vector and forms.forms_of(f"{mnemonic}ps"):
        return f"`{mnemonic}ps` and `{mnemonic}pd` work on vectors of numbers with a fraction, `p{mnemonic}d` and the like on integers"
    if (mnemonic[0] == "j" or mnemonic.startswith("loop")) and mnemonic != "jmp":
        return "it goes to a label only"
    if mnemonic == "imul" and isinstance(operand, Immediate) and number == 1 and len(operation.operands) == 3:
        return "the number comes last: `imul rbx, rax, 5`"
    general = isinstance(operand, Register) and register_class(operand.name) in ("r8", "r16", "r32", "r64")
    hint = hints.unsuitable_operand(
        mnemonic,
        operand_size(operand) if general else None,
        vector=vector,
        number=isinstance(operand, Immediate),
        high=operand_size(operation.operands[0]),
    )
    if hint:
        return hint
    if isinstance(operand, Immediate) and mnemonic in ("mul", "div", "idiv", "imul", "mov", "xchg"):
        return "put the number into a register first"
    fixed = {
        name
        for form in remaining
        if len(form.slots) > number
        for name in form.slots[number].registers
        if len(form.slots[number].registers) == 1
    }
    if fixed and all(len(form.slots[number].registers) <= 1 for form in remaining if len(form.slots) > number):
        return f"it has to be {listed(sorted(fixed), 'or')}" + (
            " or a number"
            if any(form.slots[number].immediate for form in remaining if len(form.slots) > number)
            else ""
        )
    return ""
