"""What stepping over one instruction takes: the memory and registers it touches, and its special cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from execmem_kernel.execution.contract.stretch import MASKS
from execmem_kernel.execution.contract.traced_instruction import TracedInstruction, traced_instruction
from execmem_kernel.execution.process.nondeterminism import ANSWERED
from execmem_kernel.linux.process import USER_REGISTERS
from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.registers import PARTS, is_vector

REGISTER_INDEX = {name: index for index, name in enumerate(USER_REGISTERS)}
"""A register's name -> its position among the registers that ptrace reads."""
MOST_PIECES, LARGEST_PIECE = 3, 512
"""Pieces of memory that an instruction may touch, and the bytes of each, for the machine code to step over it."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What stepping over one instruction takes; made once for each address, because code cannot change."""

    place: TracedInstruction
    """The instruction itself, as a trace keeps it."""
    accesses: tuple[MemoryAccess, ...] = ()
    """The memory operands, with those that a string instruction implies."""
    repeats: bool = False
    """Whether it is a string instruction with a `rep` prefix, which stops after every round."""
    pushes_flags: bool = False
    """Whether it saves rflags, and with them the trap flag that single-stepping sets."""
    flags_taken_at: int | None = None
    """For `popfq` and `iretq`: how far above rsp the flags lie that they take."""
    traps: bool = False
    """Whether it may stop the program with SIGTRAP by itself."""
    vectors: int = 0
    """The vector registers that it writes, a bit each; -1: any."""
    loads_stack_segment: bool = False
    """Whether the processor makes no stop after it. Source: Intel SDM vol. 3, 6.8.3."""
    bit_string: str | None = None
    """For `bt [memory], register` and its like: the register, whose number may reach far beyond the operand."""
    answered: bool = False
    """Whether the supervisor gives it its result, the same in every run."""
    plain: bool = False
    """Whether it stops once, tells the program nothing of the tracer, and touches what its operands say."""


_PREFIXES = frozenset(
    ("rep", "repe", "repz", "repne", "repnz", "lock", "bnd", "notrack", "xacquire", "xrelease", "data16", "{vex}")
)
_LEFT_TO_PYTHON = ("pushf", "popf", "iret", "retf", "ljmp", "lcall", "int", "sys", "xbegin", ".byte",
                   *ANSWERED)  # fmt: skip
"""How mnemonics begin that save or load flags, change the code segment, trap, or enter the kernel."""
_FAR_POINTER_SIZES = (6, 10)
"""Bytes of a far pointer: a selector, which may be that of 32-bit code, and an address."""


def decoded(program: Program, code: bytes, address: int, names: Mapping[str, int]) -> Decoded:
    """What stepping over the instruction at an address takes.

    Args:
        program: The program, whose listing says which line the instruction comes from.
        code: The bytes there, 15 at most; empty where no memory is.
        address: Where the instruction lies.
        names: Labels and functions, for its text.
    """
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
        name in ANSWERED,
        not special and not name.startswith(_LEFT_TO_PYTHON) and _is_everyday(instruction, accesses),
    )


def _is_everyday(instruction: Instruction, accesses: tuple[MemoryAccess, ...]) -> bool:
    """Whether the machine code can compute what the instruction touches, and it stays in 64-bit mode."""
    branches = "jump" in instruction.groups or "call" in instruction.groups
    return len(accesses) <= MOST_PIECES and all(
        0 < access.size <= LARGEST_PIECE
        and not (branches and access.size in _FAR_POINTER_SIZES)
        and all(
            name is None or name in REGISTER_INDEX or PARTS.get(name, ("", 0, 0))[2] == 32
            for name in (access.base, access.index)
        )
        for access in accesses
    )


def _vectors_written(name: str, instruction: Instruction) -> int:
    if name.startswith(("xrstor", "fxrstor")):
        return -1
    found = 0
    for register in instruction.registers_written:
        if is_vector(register):
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
