"""What a disassembled text says, parsed back into operands, to be compared with what was encoded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from execmem_kernel.x86 import operands, registers
from execmem_kernel.x86.instruction_text import split_operands
from execmem_kernel.x86.operands import Immediate, Memory, Register

# ---- reading back, for the encoder's check ---------------------------------------------------------------------------

_MEMORY_TEXT = re.compile(
    r"(?:(?:(?P<size>\w+) )?ptr )?(?:(?P<segment>[c-gs]s):)?\[(?P<address>[^]]*)\](?:\{1to(?P<broadcast>\d+)\})?"
)
_SIZES = {word: size for size, word in operands.SIZE_NAMES.items()} | {"xword": 10}


@dataclass(frozen=True, slots=True)
class Reading:
    """One instruction as Capstone reads it, in the terms of `operands`."""

    mnemonic: str
    prefixes: tuple[str, ...]
    operands: tuple[Register | Immediate | Memory, ...]
    decorations: frozenset[str]
    """What stands in braces: the mask, "z", a rounding."""


_PREFIXES = frozenset(
    ("lock", "rep", "repe", "repz", "repne", "repnz", "notrack", "bnd", "xacquire", "xrelease", "data16", "addr32")
)


def read_back(text: str) -> Reading | None:
    """What a text of `text_of` says, to be compared with what was meant; None if it cannot be understood."""
    words = text.split(" ")
    count = next(number for number, word in enumerate(words) if word not in _PREFIXES)
    prefixes, mnemonic = words[:count], words[count]
    operands: list[Register | Immediate | Memory] = []
    decorations: list[str] = []
    for part in split_operands(" ".join(words[count + 1 :])):
        body = _MEMORY_TEXT.match(part)
        rest = part[body.end() :] if body is not None else part
        word, *braces = re.split(r"[ {}]+", rest.strip("} "))
        decorations += [brace.replace("rne-", "rn-") for brace in braces if brace]
        if body is not None:
            operands.append(_read_memory(body))
        elif word:
            operand = _read_word(word)
            if operand is None:
                return None
            operands.append(operand)
    return Reading(mnemonic, tuple(prefixes), tuple(operands), frozenset(decorations))


def _read_word(word: str) -> Register | Immediate | None:
    register = registers.canonical_register(word)
    if register is not None:
        return Register(register)
    try:
        return Immediate(int(word, 0))
    except ValueError:
        return None


def _read_memory(found: re.Match[str]) -> Memory:
    base = index = None
    scale, displacement = 1, 0
    for sign, term in re.findall(r"([+-]?) ?([^ +-]+)", found["address"]):
        name, _, factor = term.partition("*")
        if name[0].isdigit():
            displacement += int(name, 0) * (-1 if sign == "-" else 1)
        elif factor or base is not None or name[1:3] == "mm":
            index, scale = Register(name), int(factor or "1")
        else:
            base = Register(name)
    return Memory(
        base,
        index,
        scale,
        displacement,
        _SIZES.get(found["size"] or ""),
        Register(found["segment"]) if found["segment"] else None,
        broadcast=int(found["broadcast"]) if found["broadcast"] else None,
    )
