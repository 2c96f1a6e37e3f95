"""A stop with everything that can be computed about it: instruction, operands, addresses, origins of values."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.address_map import canonical
from execmem_kernel.execution.contract.pointers import describe, describe_place
from execmem_kernel.execution.contract.signal_codes import SEGV_ACCERR, SEGV_MAPERR
from execmem_kernel.execution.contract.trace import Step, Trace
from execmem_kernel.execution.diagnosis.hint_lines import is_att, lines, typed
from execmem_kernel.execution.diagnosis.stop import Stop
from execmem_kernel.execution.values import xsave
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.wording import counted
from execmem_kernel.x86.addressing import effective_address
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.registers import FLAGS, GENERAL, PARTS, register_size, whole_register

_PREFIX_WORDS = frozenset(
    ("rep", "repe", "repne", "lock", "bnd", "notrack", "xacquire", "xrelease", "data16", "addr32", "{vex}")
)

_INTEL_OPERAND = re.compile(r"\[[^\]]*\]")
_ATT_OPERAND = re.compile(r"(?:%[fg]s:)?[-+\w.$]*\([^)]*\)")
_COPIES = 20
"""So many copies of a value are looked through."""
_STRING_SIZES = {"b": 1, "w": 2, "d": 4, "q": 8}


class OperandAccess(NamedTuple):
    """A memory operand, and the address it has with the registers as they are."""

    operand: MemoryAccess
    address: int


class GatheredItem(NamedTuple):
    """The item of a gather's or scatter's index register that made the address at fault."""

    number: int
    value: int
    address: int


class FaultContext:
    """A stop with everything that can be computed about it, each thing when it is asked for.

    `context["eax"]` is the value of a register or of a part of one. What ends up in a sentence for students is a str
    here: `verb`, `what`, `through`, `item`, `remaining_rounds`, `origin`, `because`, `values`.
    """

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
        """Whether rip lies in the pages of the program's text."""
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
        return next((word for word in self.instruction.text.split() if word not in _PREFIX_WORDS), "")

    @cached_property
    def row(self) -> ListingRow | None:
        """The listing's row that rip lies in; None outside the code."""
        return self.program.row_at(self.rip)

    @cached_property
    def history(self) -> Trace | None:
        """The steps up to the stop; None where the run cannot be repeated step by step."""
        return self.stop.history()

    @cached_property
    def last_step(self) -> Step | None:
        """The last instruction that was carried out before the stop."""
        return self.history[-1] if self.history is not None and len(self.history) else None

    def last_write(self, what: str | int, before: Step | None = None) -> Step | None:
        """The step that last wrote a register or a byte of memory; None where none did or that is not known."""
        try:
            return None if self.history is None else self.history.last_write(what, before)
        except NotRecordedError:
            return None

    def call_of(self, step: Step) -> Step | None:
        """The call of a function of the C library, which is a step of its own."""
        before = None if self.history is None or not step.index else self.history.step(step.index - 1)
        return before if before is not None and before.place.mnemonic == "call" else None

    def made(self, register: str) -> Step | None:
        """The step that made what a register holds, looking through copies in registers and memory."""
        step = self.last_write(register)
        for _ in range(_COPIES):
            if step is None or step.place.foreign:
                break
            instruction = step.place.instruction
            source = instruction.operands[-1] if instruction.operands else ""
            if instruction.mnemonic == "mov" and source in GENERAL:
                step = self.last_write(source, step)
            elif instruction.mnemonic in ("mov", "pop") and step.reads:
                stored = self.last_write(step.reads[0].address, step)
                operand = (
                    stored.place.instruction.operands[-1:] if stored is not None and not stored.place.foreign else ()
                )
                if stored is None or not operand or operand[0] not in GENERAL:
                    break
                step = self.last_write(operand[0], stored)
            else:
                break
        return step

    # ---- words

    @property
    def typed(self) -> str:
        """The instruction as it was typed; as it is read back where it comes out of a macro."""
        if self.row is not None and self.row.kind == "instruction":
            return typed(self.row)
        return "" if self.instruction is None else self.instruction.text

    def quoted(self, step: Step) -> str:
        """A step by its line and what stands there: "line 3 (`sub rsp, 16`)"."""
        row = self.row_of(step)
        return f"`{step.text}`" if row is None else f"line {row.span.line} (`{typed(row)}`)"

    @cached_property
    def is_att(self) -> bool:
        """Whether the program is written in AT&T syntax."""
        return is_att(self.program)

    def lines(self, *intel: str) -> str:
        """Lines to type, in the program's syntax."""
        return lines(self.program, *intel)

    def row_of(self, step: Step | None) -> ListingRow | None:
        """The listing's row of a step; None for no step, and for a step outside the program."""
        return None if step is None else self.program.row_at(step.address)

    def word_at(self, address: int) -> int:
        """The 8 bytes at an address, unsigned; what cannot be read counts as 0."""
        return int.from_bytes(self.stop.read(address, 8).ljust(8, b"\0"), "little")

    def describe(self, value: int) -> str:
        """A number in hex and decimal, or a pointer by the place that it points into."""
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

    # ---- what the instruction touches

    @cached_property
    def accesses(self) -> tuple[OperandAccess, ...]:
        """Every memory operand, implicit ones too, with the address it has now."""
        if self.instruction is None:
            return ()
        found = self.instruction.memory
        if "string" in self.instruction.groups:  # with `rep` iced-x86 gives them no size; rsi, rdi and rcx go with them
            size = _STRING_SIZES.get(self.mnemonic[-1], 0)
            found = tuple(replace(one, size=size) for one in found)
        return tuple(OperandAccess(one, effective_address(one, self.registers)) for one in found)

    @cached_property
    def gathered(self) -> GatheredItem | None:
        """Of a gather or scatter that faulted: the item of its index register that is to blame."""
        for one, start in self.accesses:
            if one.index is None or one.index[1:3] != "mm":
                continue
            number = one.index[3:]
            found = xsave.read(self.stop.extended)
            data = next((found[wide + number] for wide in ("zmm", "ymm", "xmm") if wide + number in found), b"")
            width = 8 if re.search("(gather|scatter)q", self.mnemonic) else 4
            for item in range(register_size(one.index) // width):
                value = int.from_bytes(data[item * width : (item + 1) * width], "little", signed=True)
                address = (start + value * one.scale) % 2**64
                at_fault = address <= self.stop.address < address + max(one.size, 1)
                if at_fault if self.stop.code in (SEGV_MAPERR, SEGV_ACCERR) else not canonical(address):
                    return GatheredItem(item, value, address)
        return None

    @cached_property
    def access(self) -> OperandAccess | None:
        """The memory operand that faulted, and the address that did; None where no operand is to blame.

        The kernel reports the address of a page fault only. For a general protection fault (SI_KERNEL) it reports 0;
        then the operand is the one whose address cannot exist.
        """
        if self.gathered is not None:
            return next(OperandAccess(one, self.gathered.address) for one, _ in self.accesses if one.index is not None)
        if self.stop.code in (SEGV_MAPERR, SEGV_ACCERR) and self.stop.signal == "SIGSEGV":
            for one, address in self.accesses:
                # An access of 16 bytes across two pages faults at the second; xsave and the like have no size here.
                if address <= self.stop.address < address + max(one.size, 1) or one.size == 0:
                    return OperandAccess(one, self.stop.address)
            if self.mnemonic == "enter" and self.accesses:  # it tries out where rsp is to be in the end
                return OperandAccess(self.accesses[0].operand, self.stop.address)
        else:
            for one, address in self.accesses:
                if not canonical(address):
                    return OperandAccess(one, address)
        return None

    @property
    def verb(self) -> str:
        """What the instruction does to the operand that faulted: "reads", "writes" or "uses"."""
        one = self.access.operand if self.access else None
        if one is None:
            return "uses"
        if one.access == "read-write":  # x86 asks for write permission first
            return "writes" if self.stop.code == SEGV_ACCERR else "reads"
        return f"{one.access}s"

    @property
    def what(self) -> str:
        """`8 bytes`, of the operand that faulted."""
        size = self.access.operand.size if self.access else 0
        return "memory" if size == 0 else "1 byte" if size == 1 else f"{size} bytes"

    @property
    def operand(self) -> str:
        """The operand as written, `[rax + 8]`; empty where it is implicit."""
        if self.access is None or self.instruction is None:
            return ""
        access = self.access.operand
        text = self.instruction.text
        pattern = _INTEL_OPERAND
        if self.is_att:
            text = disassemble(self.instruction.code, self.rip, self.program.labels, "att")[0].text
            pattern = _ATT_OPERAND
        for found in pattern.findall(text):
            if access.base is None or access.base in found:
                return str(found)
        return ""

    @property
    def through(self) -> str:
        """` through [rax + 8]`; empty where the operand is implicit."""
        return f" through {self.operand}" if self.operand else ""

    @property
    def blamed(self) -> tuple[str, ...]:
        """The registers that make the address of the operand that faulted."""
        if self.access is None:
            return ()
        return tuple(
            name for name in (self.access.operand.base, self.access.operand.index) if name and name[1:3] != "mm"
        )

    @property
    def item(self) -> str:
        """The end of a sentence about a gather or scatter: which item of its index register made the address."""
        if self.gathered is None or self.access is None:
            return ""
        return f"; item {self.gathered.number} of {self.access.operand.index} is {self.gathered.value}"

    @property
    def remaining_rounds(self) -> str:
        """The end of a sentence about a string instruction: the rounds still to come, and whether it goes backwards."""
        rounds = f"; {counted(self['rcx'], 'round')} {_were(self['rcx'])} still to come" if self.repeats else ""
        return rounds + self.backwards

    @property
    def backwards(self) -> str:
        """The end of a sentence about a string instruction that goes backwards."""
        strings = self.instruction is not None and "string" in self.instruction.groups
        if not strings or not self.registers["rflags"] >> FLAGS["DF"] & 1:
            return ""
        where = ""
        if self.history is not None and not self.history.gaps:
            found = self.history.where("DF changes")
            where = f" (`{typed(row)}`, line {row.span.line})" if found and (row := self.row_of(found[-1])) else ""
        return f"; the direction flag is set{where}, so it goes backwards"

    @property
    def repeats(self) -> bool:
        """Whether the instruction has a rep prefix, which counts in rcx."""
        return self.instruction is not None and self.instruction.mnemonic.startswith("rep")

    def evidence(self, *names: str) -> MappingProxyType[str, int]:
        """Registers with their values, for the cause; names of anything else are left out."""
        return MappingProxyType({name: self[name] for name in names if name in self.registers or name in PARTS})


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
