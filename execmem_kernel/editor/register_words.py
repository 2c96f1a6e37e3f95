"""Registers in words: what they hold, their parts, what the calling convention uses them for."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from functools import cache

from execmem_kernel.execution.contract.calling_convention import (
    CALLEE_SAVED,
    INTEGER_ARGUMENTS,
    SCRATCH,
    SYSTEM_CALL_ARGUMENTS,
    VECTOR_ARGUMENTS,
)
from execmem_kernel.x86.registers import PARTS, canonical_register, register_class

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")

_CLASSES = {
    "r64": "a general register of 64 bits", "xmm": "a vector register of 128 bits", "ymm": "a vector register of 256 bits",
    "zmm": "a vector register of 512 bits", "k": "a mask register: one bit for each element of a vector",
    "mm": "an MMX register of 64 bits", "st": "a register of the floating-point stack, 80 bits", "cr": "a control register, for the operating system only",
    "dr": "a debug register, for the operating system only", "bnd": "a bounds register of MPX", "tmm": "a tile register of AMX",
}  # fmt: skip
_SEGMENTS = {
    "cs": "the code segment: not used for addresses in 64-bit mode", "ds": "the data segment: not used for addresses in 64-bit mode",
    "es": "the extra segment: not used for addresses in 64-bit mode", "ss": "the stack segment: not used for addresses in 64-bit mode",
    "fs": "a segment register that moves addresses: Linux keeps a thread's own data there",
    "gs": "a segment register that moves addresses: free for programs on Linux",
}  # fmt: skip


def about_register(name: str) -> str:
    """What a register is, without a full stop: "the low 32 bits of rax; writing it clears the upper half".

    Raises:
        KeyError: It is no register.
    """
    canonical = canonical_register(name)
    if canonical is None:
        raise KeyError(name)
    if canonical == "rip":
        return "the address of the next instruction; it stands only in addresses, as in [rip + label]"
    if canonical == "rsp":
        return "a general register of 64 bits; it points to the top of the stack"
    if canonical in PARTS:
        whole, shift, bits = PARTS[canonical]
        where = "bits 8 to 15" if shift else f"the low {bits} bits"
        rest = "writing it clears the upper half" if bits == 32 else "writing it leaves the rest as it is"
        return f"{where} of {whole}; {rest}"
    family = register_class(canonical)
    if family == "sreg":
        return _SEGMENTS[canonical]
    if family in ("xmm", "ymm"):
        number = canonical[3:]
        wider = f"the low half of ymm{number}" if family == "xmm" else f"the low half of zmm{number}"
        return f"{_CLASSES[family]}, {wider}"
    if canonical == "k0":
        return "a mask register; as the mask of an instruction it cannot be chosen"
    return _CLASSES[family]


def role_of(name: str) -> str:
    """What the calling convention of x86-64 Linux uses a register for, in a sentence; "" where it says nothing.

    Source: System V ABI, AMD64 supplement, 3.2.1, 3.2.3 and A.2.1.
    """
    canonical = canonical_register(name)
    if canonical is None:
        return ""
    whole = PARTS[canonical][0] if canonical in PARTS else canonical
    if register_class(canonical) in ("xmm", "ymm", "zmm"):
        return _vector_role(f"xmm{canonical[3:]}")
    if whole == "rsp":
        return "A function must give it back as it was; where a function is called it is a multiple of 16."
    if whole == "rax":
        return "It holds the result of a function and of a system call, and the number of a system call before it."
    parts = []
    if whole in INTEGER_ARGUMENTS:
        parts.append(f"It is the {_ORDINALS[INTEGER_ARGUMENTS.index(whole)]} argument of a function")
    if whole in SYSTEM_CALL_ARGUMENTS:
        call = f"the {_ORDINALS[SYSTEM_CALL_ARGUMENTS.index(whole)]} of a system call"
        parts = [f"{parts[0]} and {call}"] if parts else [f"It is {call.replace('of', 'argument of', 1)}"]
    if whole == "rdx":
        parts.append("it holds the upper half of a result of 128 bits")
    if whole in ("rcx", "r11"):
        parts.append("syscall overwrites it" if parts else "syscall overwrites it".capitalize())
    if whole in CALLEE_SAVED:
        parts.append(
            "A function must give it back as it was" if not parts else "a function must give it back as it was"
        )
    elif whole in SCRATCH:
        parts.append("a function may change it" if parts else "A function may change it")
    return "; ".join(parts) + "." if parts else ""


def _vector_role(whole: str) -> str:
    if whole not in VECTOR_ARGUMENTS:
        return "A function may change it."
    argument = f"It is the {_ORDINALS[VECTOR_ARGUMENTS.index(whole)]} floating-point argument of a function"
    return f"{argument}{', and its floating-point result' if whole == 'xmm0' else ''}; a function may change it."


def parts_of(name: str) -> tuple[tuple[str, str], ...]:
    """The registers that lie in the same whole, widest first, each with where; nothing for a register without parts.

    Raises:
        KeyError: It is no register.
    """
    canonical = canonical_register(name)
    if canonical is None:
        raise KeyError(name)
    if register_class(canonical) in ("xmm", "ymm", "zmm"):
        number = canonical[3:]
        return tuple((f"{letter}mm{number}", f"{bits} bits") for letter, bits in (("z", 512), ("y", 256), ("x", 128)))
    whole = PARTS[canonical][0] if canonical in PARTS else canonical
    found = [(part, shift, bits) for part, (of, shift, bits) in PARTS.items() if of == whole]
    if not found:
        return ()
    rows = [(part, f"bits {shift} to {shift + bits - 1}") for part, shift, bits in found]
    return ((whole, "64 bits"), *rows)


@cache
def register_sentence(name: str) -> str:
    """One sentence for a list of registers: what it is, and its role.

    Raises:
        KeyError: It is no register.
    """
    about = about_register(name)
    return f"{about[0].upper()}{about[1:]}. {role_of(name)}".rstrip()


def is_vector(name: str) -> bool:
    """Whether a register is one of xmm, ymm and zmm."""
    canonical = canonical_register(name)
    return canonical is not None and register_class(canonical) in ("xmm", "ymm", "zmm")
