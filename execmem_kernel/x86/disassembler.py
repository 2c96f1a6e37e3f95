"""Bytes to instructions: their text, labels put back, and what each reads, writes, changes and needs."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from execmem_kernel.x86 import effects, instruction_text, selection
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.instruction_text import CAPSTONE_MISREADS, Syntax, as_typed, capstone_text, split_operands


@dataclass(frozen=True, slots=True)
class Instruction:
    """One machine instruction, read back from its bytes."""

    address: int
    code: bytes
    text: str
    """As it would be typed: "mov rax, qword ptr [rbx + 8]"; bytes that are no instruction are ".byte 0x06"."""
    mnemonic: str
    operands: tuple[str, ...] = ()
    """The operands as they stand in the text."""
    registers_read: tuple[str, ...] = ()
    registers_written: tuple[str, ...] = ()
    """A write to eax clears the upper half of rax, so it is listed as rax."""
    memory: tuple[MemoryAccess, ...] = ()
    flags_read: tuple[str, ...] = ()
    flags_written: tuple[str, ...] = ()
    flags_undefined: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Of: jump, conditional, indirect, call, return, interrupt, exception, transaction, stack, string, privileged."""
    features: tuple[str, ...] = ()
    """CPU features it needs beyond the x86-64 baseline, by iced-x86's names in lower case."""
    target: int | None = None
    """Where a direct jump or call goes."""
    relative: int | None = None
    """The address that a rip-relative operand means, whether it is read, written or only computed."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.code)

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + len(self.code)

    @property
    def is_instruction(self) -> bool:
        """False for bytes that the processor does not know."""
        return self.mnemonic != ".byte"

    def __str__(self) -> str:
        return self.text


def disassemble(
    code: bytes,
    address: int = 0,
    labels: Mapping[str, int] | None = None,
    syntax: Syntax = "intel",
) -> tuple[Instruction, ...]:
    """Read instructions back from bytes; every byte is in exactly one of the results.

    Args:
        code: What to read.
        address: Where the first byte lies.
        labels: Name -> address; branches to them and rip-relative operands are shown by name.
        syntax: How the text is written.
    """
    names = None if not labels else LabelsByAddress(labels)
    return tuple(_instructions(bytes(code), address, names, syntax))


class LabelsByAddress:
    """Labels looked up by where they lie; of several in one place the first stands for all."""

    def __init__(self, labels: Mapping[str, int]) -> None:
        self._names = {address: name for name, address in reversed(list(labels.items()))}
        self._ordered: list[int] | None = None

    def at(self, address: int) -> str | None:
        """The label that lies exactly there."""
        return self._names.get(address)

    def near(self, address: int) -> str | None:
        """The label there, or the last one before it and how far behind: `numbers + 4`; at most a page.

        Segments lie a page apart, so what is nearer than that is of the same segment.
        """
        name = self._names.get(address)
        if name is not None:
            return name
        if self._ordered is None:
            self._ordered = sorted(self._names)
        index = bisect_right(self._ordered, address) - 1
        if index < 0 or address - self._ordered[index] > _PAGE:
            return None
        offset = address - self._ordered[index]
        return f"{self._names[self._ordered[index]]} + {offset if offset < 10 else hex(offset)}"


_PAGE = 4096


def _instructions(code: bytes, address: int, names: LabelsByAddress | None, syntax: Syntax) -> Iterator[Instruction]:
    offset = 0
    while offset < len(code):
        instruction = _first(code[offset : offset + 15], address + offset, syntax)
        yield instruction if names is None else _named(instruction, names)
        offset += instruction.size


@lru_cache(maxsize=8192)
def _first(code: bytes, address: int, syntax: Syntax) -> Instruction:
    """The instruction that the bytes begin with; remembered, for a loop that is stepped through comes by often."""
    facts = effects.facts_of(code, address)
    if facts is None:
        return Instruction(address, code[:1], f".byte 0x{code[0]:02x}", ".byte", (f"0x{code[0]:02x}",))
    code = code[: facts.size]
    seen = None if facts.mnemonic in CAPSTONE_MISREADS or not facts.is_plain else capstone_text(syntax, code, address)
    if seen is not None and _NO_INDEX.search(seen[1]):
        seen = None  # `[rcx + riz*8]`: no register has this name
    mnemonic, operands = seen or instruction_text.iced_text(code, address, syntax)
    operands = as_typed(operands) if syntax == "intel" else re.sub(r", (?=[^()]*\))", ",", operands)
    if facts.mnemonic in selection.EVEX_FIRST and code[0] in _VEX:
        mnemonic = f"{{vex}} {mnemonic}"  # without it the name means the encoding of AVX-512
    return Instruction(
        address,
        code,
        f"{mnemonic} {operands}".rstrip(),
        mnemonic,
        split_operands(operands),
        facts.registers_read,
        facts.registers_written,
        facts.memory,
        facts.flags_read,
        facts.flags_written,
        facts.flags_undefined,
        facts.groups,
        facts.features,
        facts.target,
        facts.relative,
    )


_VEX = (0xC4, 0xC5)
_NO_INDEX = re.compile(r"\b[re]iz\b")
_RIP_OPERAND = re.compile(r"\[rip(?: [+-] \w+)?\]|(?<![\w$])-?(?:0x)?[0-9a-f]*\(%rip\)")


def _named(instruction: Instruction, names: LabelsByAddress) -> Instruction:
    """The instruction with labels put back where it holds their addresses."""
    label = None if instruction.target is None else names.at(instruction.target)
    place = None if instruction.relative is None else names.near(instruction.relative)
    if label is not None:
        operands = label
    elif place is not None:
        shown = f"{place.replace(' ', '')}(%rip)" if "%rip" in instruction.text else f"[rip + {place}]"
        operands = _RIP_OPERAND.sub(lambda _: shown, ", ".join(instruction.operands), count=1)
    else:
        return instruction
    return replace(instruction, text=f"{instruction.mnemonic} {operands}", operands=split_operands(operands))
