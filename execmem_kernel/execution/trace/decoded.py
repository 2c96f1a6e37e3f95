"""What stepping over one instruction takes: the memory and registers it touches, and its special cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from execmem_kernel.execution.contract.stretch import MASKS
from execmem_kernel.execution.contract.traced_instruction import TracedInstruction, traced_instruction
from execmem_kernel.linux import process as linux_process
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.registers import PARTS

if TYPE_CHECKING:
    from execmem_kernel.program.program import Program


REGISTER_INDEX = {name: linux_process.USER_REGISTERS.index(name) for name in linux_process.USER_REGISTERS}


ENTRY_WORDS, MOST_PIECES, LARGEST_PIECE = 17, 3, 512


# ---- instructions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decoded:
    """What stepping over one instruction takes; made once for each address, because code cannot change."""

    place: TracedInstruction
    accesses: tuple[MemoryAccess, ...] = ()
    repeats: bool = False
    pushes_flags: bool = False
    flags_taken_at: int | None = None
    """For `popfq` and `iretq`: how far above rsp the flags lie that they take."""
    traps: bool = False
    """Whether it may stop the program with SIGTRAP by itself."""
    vectors: int = 0
    """The vector registers that it writes, a bit each; -1: any."""
    loads_stack_segment: bool = False
    bit_string: str | None = None
    """For `bt [memory], register` and its like: the register, whose number may reach far beyond the operand."""
    plain: bool = False
    """Whether it stops once, tells the program nothing of the tracer, and touches what its operands say."""


_PREFIXES = {
    "rep",
    "repe",
    "repz",
    "repne",
    "repnz",
    "lock",
    "bnd",
    "notrack",
    "xacquire",
    "xrelease",
    "data16",
    "{vex}",
}


def decoded(program: Program, code: bytes, address: int, names: Mapping[str, int]) -> Decoded:
    """What stepping over the instruction at an address takes."""
    instruction = disassemble(code, address, names)[0] if code else None
    if instruction is None:
        return Decoded(TracedInstruction(address, b"", "", None, ""))
    text, groups = instruction.text, instruction.groups
    name = next((word for word in instruction.mnemonic.split() if word not in _PREFIXES), "")
    accesses = tuple(one for one in instruction.memory if one.size or "string" in groups)
    repeats = "string" in groups and text.startswith("rep")
    vectors_written = _vectors_written(name, instruction)
    loads_stack_segment = text.startswith("mov ss, ")
    bit_string = _bit_string(name, instruction)
    special = repeats or vectors_written < 0 or loads_stack_segment or bit_string is not None
    return Decoded(
        traced_instruction(program, instruction),
        accesses,
        repeats,
        name.startswith("pushf"),
        0 if name.startswith("popf") else 16 if name == "iretq" else None,
        name.startswith("int"),
        vectors_written,
        loads_stack_segment,
        bit_string,
        not special and not name.startswith(_LEFT_TO_PYTHON) and _is_everyday(instruction, accesses),
    )


_LEFT_TO_PYTHON = ("pushf", "popf", "iret", "retf", "ljmp", "lcall", "int", "sys", "xbegin", ".byte")


def _is_everyday(instruction: Instruction, accesses: tuple[MemoryAccess, ...]) -> bool:
    """Whether the machine code can compute what the instruction touches, and it stays in 64-bit mode."""
    branches = "jump" in instruction.groups or "call" in instruction.groups
    return len(accesses) <= MOST_PIECES and all(
        0 < access.size <= LARGEST_PIECE
        and not (branches and access.size in _FAR)
        and all(
            name is None or name in REGISTER_INDEX or PARTS.get(name, ("", 0, 0))[2] == 32
            for name in (access.base, access.index)
        )
        for access in accesses
    )


_FAR = (6, 10)
"""Bytes of a far pointer: a selector, which may be that of 32-bit code, and an address."""


def _vectors_written(name: str, instruction: Instruction) -> int:
    if name.startswith(("xrstor", "fxrstor")):
        return -1
    found = 0
    for register in instruction.registers_written:
        if register[1:3] == "mm":
            found |= 1 << int(register[3:])
        elif register[0] == "k" and register[1:].isdigit():
            found |= 1 << MASKS + int(register[1:])
    return found


def _bit_string(name: str, instruction: Instruction) -> str | None:
    operands = instruction.operands
    if (
        name in ("bt", "bts", "btr", "btc")
        and operands[0].endswith("]")
        and (operands[1] in PARTS or operands[1] in REGISTER_INDEX)
    ):
        return operands[1]
    return None
