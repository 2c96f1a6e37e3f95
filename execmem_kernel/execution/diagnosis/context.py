"""A stop with everything that can be computed about it: instruction, operands, addresses, origins of values."""

from __future__ import annotations

import re
from functools import cached_property
from types import MappingProxyType

from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.address_map import canonical
from execmem_kernel.execution.contract.pointers import describe, describe_place
from execmem_kernel.execution.contract.signal_codes import SEGV_ACCERR, SEGV_MAPERR
from execmem_kernel.execution.contract.trace import Step, Trace
from execmem_kernel.execution.diagnosis.stop import Stop
from execmem_kernel.execution.values import xsave
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.x86.addressing import effective_address
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.registers import PARTS, whole_register

_PREFIXES = frozenset(
    ("rep", "repe", "repne", "lock", "bnd", "notrack", "xacquire", "xrelease", "data16", "addr32", "{vex}")
)


class FaultContext:
    """A stop with everything that can be worked out about it, each thing when it is asked for."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self.program: Program = stop.call.program
        self.registers: dict[str, int] = stop.registers
        self.rip: int = stop.registers["rip"]
        self.rsp: int = stop.registers["rsp"]

    def __getitem__(self, name: str) -> int:
        whole, shift, bits = PARTS.get(name, (name, 0, 64))
        return (self.registers[whole] >> shift) & ((1 << bits) - 1)

    @cached_property
    def in_code(self) -> bool:
        return self.program.text.address <= self.rip < address_map.page_ceil(self.program.text.end)

    @cached_property
    def instruction(self) -> Instruction | None:
        """What rip points to, where that may be executed."""
        code = self.stop.read(self.rip, 15) if self.in_code else b""
        return disassemble(code, self.rip, self.program.labels)[0] if code else None

    @property
    def mnemonic(self) -> str:
        """The mnemonic without its prefixes."""
        if self.instruction is None:
            return ""
        return next((word for word in self.instruction.text.split() if word not in _PREFIXES), "")

    @cached_property
    def row(self) -> ListingRow | None:
        return self.program.row_at(self.rip)

    @cached_property
    def history(self) -> Trace | None:
        return self.stop.history()

    @cached_property
    def last_step(self) -> Step | None:
        """The last instruction that was carried out before the stop."""
        return self.history[-1] if self.history is not None and len(self.history) else None

    def last_write(self, what: str | int) -> Step | None:
        """The step that last wrote a register or a byte of memory; None where none did or that is not known."""
        try:
            return None if self.history is None else self.history.last_write(what)
        except NotRecordedError:
            return None

    def row_of(self, step: Step | None) -> ListingRow | None:
        return None if step is None else self.program.row_at(step.address)

    def describe(self, value: int) -> str:
        """A number or a pointer."""
        return describe(value, self.stop.plan.places)

    def address(self, value: int) -> str:
        """What is known to be an address: its place, or in hex."""
        return describe_place(value, self.stop.plan.places) or (f"{value:#x}" if value > 9 else str(value))

    def place_of(self, address: int) -> str | None:
        """The name of what lies at an address: "code", "stack", a buffer's name, ..."""
        for name, (start, end) in self.stop.plan.places.items():
            if start <= address < end:
                return name
        return None

    def origin(self, register: str) -> str:
        """Where a register got its value, as the end of a sentence; empty where that is not known."""
        whole = whole_register(register)
        if self.history is None:
            return ""
        try:
            step = self.history.last_write(whole)
        except NotRecordedError:
            return ""
        if step is None:
            given = whole in {whole_register(name) for name in self.stop.call.registers}
            return ", as it was given" if given else ", which nothing has set"
        if step.line is None:  # a function of the C library, taken as one step
            return f", which {step.text} {'returned' if whole == 'rax' else 'left there'}"
        return f", set on line {step.line}"

    def because(self, register: str) -> str:
        """Where a register got its value, as a sentence of its own behind a colon; empty where that is not known."""
        origin = self.origin(register)
        if origin.startswith(", set"):
            return f": {register} was {origin.removeprefix(', ')}"
        if origin.startswith(", which nothing"):
            return f": nothing has set {register}"
        return origin.replace(", as", f": {register} is as").replace(", which", f": {register} is what")

    def values(self, registers: tuple[str, ...]) -> str:
        """What registers hold and where they got it: `rax is 0, set on line 1, and rcx is 3, set on line 2`."""
        return ", and ".join(
            f"{name} is {self.describe(self[name])}{self.origin(name)}" for name in dict.fromkeys(registers)
        )

    # What the instruction touches

    @cached_property
    def accesses(self) -> tuple[tuple[MemoryAccess, int], ...]:
        """Every memory operand, implicit ones too, with the address it has now."""
        if self.instruction is None:
            return ()
        return tuple((one, effective_address(one, self.registers)) for one in self.instruction.memory)

    @cached_property
    def gathered(self) -> tuple[int, int, int] | None:
        """Of a gather or scatter that faulted: which item of its index, that item, and the address it makes."""
        for one, start in self.accesses:
            if one.index is None or one.index[1:3] != "mm":
                continue
            number = one.index[3:]
            found = xsave.read(self.stop.extended)
            data = next((found[wide + number] for wide in ("zmm", "ymm", "xmm") if wide + number in found), b"")
            width = 8 if re.search("(gather|scatter)q", self.mnemonic) else 4
            for item in range({"x": 16, "y": 32, "z": 64}[one.index[0]] // width):
                value = int.from_bytes(data[item * width : (item + 1) * width], "little", signed=True)
                address = (start + value * one.scale) % 2**64
                at_fault = address <= self.stop.address < address + max(one.size, 1)
                if at_fault if self.stop.code in (SEGV_MAPERR, SEGV_ACCERR) else not canonical(address):
                    return item, value, address
        return None

    @cached_property
    def access(self) -> tuple[MemoryAccess, int] | None:
        """The memory operand that faulted."""
        if self.gathered is not None:
            return next((one, self.gathered[2]) for one, _ in self.accesses if one.index is not None)
        if self.stop.code in (SEGV_MAPERR, SEGV_ACCERR) and self.stop.signal == "SIGSEGV":
            for one, address in self.accesses:
                # An access of 16 bytes across two pages faults at the second; xsave and the like have no size here.
                if address <= self.stop.address < address + max(one.size, 1) or one.size == 0:
                    return one, self.stop.address
            if self.mnemonic == "enter" and self.accesses:  # it tries out where rsp is to be in the end
                return self.accesses[0][0], self.stop.address
        else:
            for one, address in self.accesses:
                if not canonical(address):
                    return one, address
        return None

    @property
    def verb(self) -> str:
        one = self.access[0] if self.access else None
        if one is None:
            return "uses"
        if one.access == "read-write":  # x86 asks for write permission first
            return "writes" if self.stop.code == SEGV_ACCERR else "reads"
        return f"{one.access}s"

    @property
    def what(self) -> str:
        """`8 bytes`, of the operand that faulted."""
        size = self.access[0].size if self.access else 0
        if size == 0 and self.instruction is not None and "string" in self.instruction.groups:
            size = {"b": 1, "w": 2, "d": 4, "q": 8}.get(self.mnemonic[-1], 0)
        return "memory" if size == 0 else "1 byte" if size == 1 else f"{size} bytes"

    @property
    def operand(self) -> str:
        """The operand as written, `[rax + 8]`; empty where it is implicit."""
        if self.access is None or self.instruction is None:
            return ""
        found = re.findall(r"\[[^\]]*\]", self.instruction.text)
        access = self.access[0]
        for text in found:
            if access.base is None or access.base in text:
                return str(text)
        return ""

    @property
    def through(self) -> str:
        return f" through {self.operand}" if self.operand else ""

    @property
    def blamed(self) -> tuple[str, ...]:
        """The registers that make the address of the operand that faulted."""
        if self.access is None:
            return ()
        return tuple(name for name in (self.access[0].base, self.access[0].index) if name and name[1:3] != "mm")

    @property
    def item(self) -> str:
        """The end of a sentence about a gather or scatter: which item of its index register made the address."""
        if self.gathered is None or self.access is None:
            return ""
        return f"; item {self.gathered[0]} of {self.access[0].index} is {self.gathered[1]}"

    def evidence(self, *names: str) -> MappingProxyType[str, int]:
        return MappingProxyType({name: self[name] for name in names if name in self.registers or name in PARTS})


def word_at(scene: FaultContext, address: int) -> int:
    return int.from_bytes(scene.stop.read(address, 8).ljust(8, b"\0"), "little")
