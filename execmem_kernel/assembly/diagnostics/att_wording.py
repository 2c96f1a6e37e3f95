"""A refused instruction explained in AT&T syntax: operands in that order, registers with `%`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.x86.operands import Refusal
from execmem_kernel.x86.registers import canonical_register

# ---- back to words ---------------------------------------------------------------------------------------------------

_QUOTED_CODE = re.compile(r"`([^`]*)`")
_OPERAND_NUMBER = re.compile(r"\bas its (first|second|third|fourth) operand")
_ORDINALS = ("first", "second", "third", "fourth")


def in_att_syntax(refusal: Refusal, texts: Sequence[str], written: str) -> Refusal:
    """A refusal in the words of AT&T syntax: operands counted from the other end, registers with `%`.

    Args:
        refusal: In the words of Intel syntax.
        texts: The operands as they were written, in AT&T's order.
        written: The mnemonic as it was written.
    """
    count = len(texts)

    def counted(found: re.Match[str]) -> str:
        index = _ORDINALS.index(found[1])
        return f"as its {_ORDINALS[count - 1 - index] if index < count else found[1]} operand"

    message = _OPERAND_NUMBER.sub(counted, _QUOTED_CODE.sub(_code, refusal.message))
    hint = _QUOTED_CODE.sub(_code, refusal.hint)
    if refusal.code == "ASM106" and count == 2:
        hint = f"the destination comes last: `{written} {texts[1]}, {texts[0]}`"
    elif refusal.code == "ASM105":
        hint = "go through a register: load it with one mov, store it with another"
    elif refusal.code == "ASM103":
        message = "Nothing says how many bytes of memory are meant."
        hint = f"write the size as a letter: {', '.join(f'`{written}{letter}`' for letter in 'bwl')} or `{written}q`"
    elif "brackets" in hint:
        hint = "write an address, for example (%rax), or mov for what is no address"
    forms = tuple(_turned(form) for form in refusal.forms)
    return Refusal(refusal.code, message, refusal.operand, hint, forms)


def _code(found: re.Match[str]) -> str:
    """Code in backquotes: `mov rcx, 5` as `mov $5, %rcx`; what has brackets says that it is Intel's."""
    code = found[1]
    if "[" in code:
        return f"`{code}` (in Intel syntax)"
    name, blank, rest = code.partition(" ")
    if not blank:
        return f"`%{code}`" if canonical_register(code) is not None else found[0]
    operands = [operand.strip() for operand in rest.split(",")]
    spelt = [
        f"%{operand}"
        if canonical_register(operand) is not None
        else f"${operand}"
        if operand[:1].isdigit()
        else operand
        for operand in operands
    ]
    return f"`{name} {', '.join(reversed(spelt))}`"


def _turned(form: str) -> str:
    name, _, operands = form.partition(" ")
    return f"{name} {', '.join(reversed(operands.split(', ')))}".strip()
