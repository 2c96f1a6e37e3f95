"""An instruction that a trace stepped over, and what it may write."""

from __future__ import annotations

from dataclasses import dataclass

from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.registers import whole_register


@dataclass(frozen=True, slots=True)
class TracedInstruction:
    """An instruction that was stepped over: where it lies, its text, and the source line it came from."""

    address: int
    code: bytes
    text: str
    line: int | None
    source: str
    foreign: bool = False
    """Whether it stands for a function of the C library, which is one step."""

    @property
    def mnemonic(self) -> str:
        """The first word of its text, which may be a prefix."""
        return self.text.split()[0]

    @property
    def instruction(self) -> Instruction:
        """It decoded: its operands, and what it reads, writes and changes."""
        return disassemble(self.code, self.address)[0]


def written_by(code: bytes, address: int) -> frozenset[str]:
    """The whole registers that the instruction writes; `syscall` writes what the call returns, too."""
    if code[:2] == b"\x0f\x05":
        return frozenset(("rax", "rcx", "r11"))
    return frozenset(whole_register(name) for name in disassemble(code, address)[0].registers_written)


def writes_memory(code: bytes, address: int) -> bool:
    """Whether the instruction may write memory, or have it written by the system."""
    instruction = disassemble(code, address)[0]
    if instruction.mnemonic in ("syscall", "sysenter") or instruction.mnemonic.startswith(("int", "xsave", "fnsave")):
        return True
    return any(access.access != "read" for access in instruction.memory)


def traced_instruction(program: Program, instruction: Instruction) -> TracedInstruction:
    """Where an instruction stands in the source."""
    row = program.row_at(instruction.address)
    line, source = (None, "") if row is None else (row.span.line, row.source)
    return TracedInstruction(instruction.address, instruction.code, instruction.text, line, source)
