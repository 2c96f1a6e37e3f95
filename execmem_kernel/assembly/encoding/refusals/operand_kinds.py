"""No form takes the operands: the operand to blame, from the grossest mismatch to the finest."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from execmem_kernel.assembly.diagnostics.hints import unsuitable_operand, wrong_operand_count
from execmem_kernel.assembly.encoding.refusals.comparing import operand_size
from execmem_kernel.assembly.encoding.refusals.immediates import misfit_number
from execmem_kernel.assembly.encoding.refusals.operand_sizes import misfit_size
from execmem_kernel.assembly.encoding.refusals.phrases import form_texts, operand_text, operands_swapped, spare_register
from execmem_kernel.wording import listed
from execmem_kernel.x86.forms import Form, forms_of
from execmem_kernel.x86.operands import Immediate, Memory, Operand, Operation, Refusal, Register
from execmem_kernel.x86.registers import GENERAL_CLASSES, VECTOR_CLASSES, full_register, register_class
from execmem_kernel.x86.selection import operand_counts, operand_fits

_REPLACEMENTS = {
    "pusha": "push the registers one by one", "pushad": "push the registers one by one", "popa": "pop the registers one by one",
    "popad": "pop the registers one by one", "into": "use `jo` to a call", "pushfd": "write pushfq", "popfd": "write popfq",
    "les": "use lfs or lgs", "lds": "use lfs or lgs", "jcxz": "write jrcxz or jecxz", "salc": "write sbb al, al",
}  # fmt: skip
"""Instruction of 32-bit code -> what does the same in 64-bit mode."""


def no_form(operation: Operation) -> Refusal:
    """No form says the operation: find the operand to blame, from the grossest mismatch to the finest."""
    mnemonic, operands = operation.mnemonic, operation.operands
    every = forms_of(mnemonic)
    if not every:
        return Refusal("ASM101", f"`{mnemonic}` does not exist in 64-bit mode.", None, _REPLACEMENTS.get(mnemonic, ""))
    counts = sorted({count for form in every for count in operand_counts(form)})
    if len(operands) not in counts:
        wanted = listed([str(count) for count in counts], "or")
        plural = "operand" if counts == [1] else "operands"
        return Refusal(
            "ASM104", f"`{mnemonic}` takes {wanted if counts != [0] else 'no'} {plural}, and {len(operands)} {'is' if len(operands) == 1 else 'are'} given.",
            -1, wrong_operand_count(mnemonic, len(operands)), form_texts(every, operation),
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


def _impossible_kinds(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    """Operands of kinds that no instruction takes together, or that a string instruction does not take at all."""
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
            _through_register(operation), form_texts(every, operation),
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


def _through_register(operation: Operation) -> str:
    """How an instruction with two operands in memory becomes two, through a register of its kind."""
    mnemonic, move, register = operation.mnemonic, "mov", spare_register(operation)
    if mnemonic.startswith(("movap", "movup", "movdq", "movss", "movsd")):
        move, register = mnemonic, "xmm0"
    elif mnemonic[-2:] in ("ss", "sd", "ps", "pd"):
        move, register = "movups", "xmm0"
    return f"go through a register: `{move} {register}, ...`, then `{mnemonic}` with {register}"


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
            f"write `{mnemonic} {full_register(operand.name)}`",
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
                _kind_hint(_Misfit(operation, number, remaining)),
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


# ---- what to write instead -------------------------------------------------------------------------------------------


class _Misfit(NamedTuple):
    """An operand that no form takes in its place."""

    operation: Operation
    number: int
    """Its index."""
    remaining: Sequence[Form]
    """The forms that take the operands before it."""

    @property
    def mnemonic(self) -> str:
        return self.operation.mnemonic

    @property
    def operand(self) -> Operand:
        return self.operation.operands[self.number]

    @property
    def register(self) -> str | None:
        """The name of the operand where it is a register."""
        return self.operand.name if isinstance(self.operand, Register) else None

    @property
    def is_vector(self) -> bool:
        return self.register is not None and register_class(self.register) in VECTOR_CLASSES

    @property
    def is_number(self) -> bool:
        return isinstance(self.operand, Immediate)


def _kind_hint(misfit: _Misfit) -> str:
    """What may be meant: the first of the hints that is one."""
    return next((hint for rule in _HINTS if (hint := rule(misfit))), "")


def _address_taken(misfit: _Misfit) -> str:
    if misfit.mnemonic != "lea":
        return ""
    return f"write brackets: `lea rax, [{misfit.register or '...'}]`, or `mov` for what is no address"


def _wide_flag(misfit: _Misfit) -> str:
    if not misfit.mnemonic.startswith("set") or misfit.register is None:
        return ""
    return f"it sets one byte: `{misfit.mnemonic} al`, then `movzx eax, al`"


def _vector_in_general_instruction(misfit: _Misfit) -> str:
    if not misfit.is_vector:
        return ""
    if misfit.mnemonic == "mov":
        return "movd, movq, movaps and movups move vector registers"
    if forms_of(f"{misfit.mnemonic}ps"):
        return f"`{misfit.mnemonic}ps` and `{misfit.mnemonic}pd` work on vectors of numbers with a fraction, `p{misfit.mnemonic}d` and the like on integers"
    return ""


def _label_needed(misfit: _Misfit) -> str:
    return "it goes to a label only" if _is_direct_branch(misfit.mnemonic) else ""


def _is_direct_branch(mnemonic: str) -> bool:
    return (mnemonic[0] == "j" or mnemonic.startswith("loop")) and mnemonic != "jmp"


def _number_first(misfit: _Misfit) -> str:
    if misfit.mnemonic != "imul" or not misfit.is_number or misfit.number != 1 or len(misfit.operation.operands) != 3:
        return ""
    return "the number comes last: `imul rbx, rax, 5`"


def _of_its_family(misfit: _Misfit) -> str:
    general = misfit.register is not None and register_class(misfit.register) in GENERAL_CLASSES
    return unsuitable_operand(
        misfit.mnemonic,
        operand_size(misfit.operand) if general else None,
        vector=misfit.is_vector,
        number=misfit.is_number,
        high=operand_size(misfit.operation.operands[0]),
    )


def _number_in_register(misfit: _Misfit) -> str:
    if not misfit.is_number or misfit.mnemonic not in ("mul", "div", "idiv", "imul", "mov", "xchg"):
        return ""
    return "put the number into a register first"


def _sized_number(misfit: _Misfit) -> str:
    """`cmp ax, byte 0x80`: the size written before a number is too small for it."""
    operand = misfit.operand
    if not isinstance(operand, Immediate) or operand.size != 1 or -128 <= operand.value <= 127:
        return ""
    return "as a byte a number can be -128 to 127 here: leave out `byte`"


def _fixed_register(misfit: _Misfit) -> str:
    """The only registers that some form takes here, where each form takes one at most."""
    slots = [form.slots[misfit.number] for form in misfit.remaining if len(form.slots) > misfit.number]
    fixed = {name for slot in slots for name in slot.registers if len(slot.registers) == 1}
    if not fixed or any(len(slot.registers) > 1 for slot in slots):
        return ""
    number = " or a number" if any(slot.immediate for slot in slots) else ""
    return f"it has to be {listed(sorted(fixed), 'or')}{number}"


_HINTS: tuple[Callable[[_Misfit], str], ...] = (
    _address_taken,
    _wide_flag,
    _vector_in_general_instruction,
    _label_needed,
    _number_first,
    _of_its_family,
    _number_in_register,
    _sized_number,
    _fixed_register,
)
"""Each says a hint or "", in the order in which they are asked."""
