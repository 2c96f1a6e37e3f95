"""What is recorded of each step: the state after it, and the memory and the vector registers that it touched."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from execmem_kernel import linux
from execmem_kernel.assembly.disassembler import MemoryAccess, disassemble
from execmem_kernel.execution import vectors
from execmem_kernel.execution.engine import PARTS
from execmem_kernel.execution.tracing import STATE, Access, Place, Trace, place_of

if TYPE_CHECKING:
    from execmem_kernel.assembly.program import Program
    from execmem_kernel.execution.supervisor import Guest

MASK = 2**64 - 1
TRAP_FLAG, DIRECTION_FLAG, RESUME_FLAG = 1 << 8, 1 << 10, 1 << 16
_AT = {name: linux.USER_REGISTERS.index(name) for name in linux.USER_REGISTERS}
_POSITIONS = tuple(_AT[name] for name in STATE)
_RIP, _RSP, _RCX, _RDI, _RSI, _FLAGS = (_AT[name] for name in ("rip", "rsp", "rcx", "rdi", "rsi", "rflags"))
_LONGEST = 4096
"""Bytes recorded of one access; a `rep` may touch more."""
_ROOM = 16 * 1024 * 1024
"""Bytes of memory recorded in one trace."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What stepping over one instruction takes; made once for each address, because code cannot change."""

    place: Place
    accesses: tuple[MemoryAccess, ...]
    repeats: bool
    pushes_flags: bool
    flags_taken_at: int | None
    """For `popfq` and `iretq`: how far above rsp the flags lie that they take."""
    traps: bool
    """Whether it may stop the program with SIGTRAP by itself."""
    touches_vectors: bool
    loads_stack_segment: bool = False


def effective_address(access: MemoryAccess, registers: Mapping[str, int]) -> int:
    """Where a memory operand lies, for these registers (`fs_base` and `gs_base` among them)."""
    address = access.displacement
    for name, scale in ((access.base, 1), (access.index, access.scale)):
        if name is None:
            continue
        whole, shift, bits = PARTS.get(name, (name, 0, 64))
        address += ((registers.get(whole, 0) >> shift) & ((1 << bits) - 1)) * scale
    if any(name is not None and name in PARTS for name in (access.base, access.index)):
        address &= 0xFFFFFFFF
    if access.segment in ("fs", "gs"):
        address += registers.get(f"{access.segment}_base", 0)
    return address & MASK


class Recorder:
    """Records the steps of one run."""

    def __init__(self, program: Program, guest: Guest) -> None:
        self.count = 0
        self._program = program
        self._guest = guest
        self._decoded: dict[int, Decoded] = {}
        self._functions = {address: name for name, address in program.externs.items()}
        self._names = {**program.labels, **program.externs}
        self._states = array("Q")
        self._accesses: dict[int, tuple[Access, ...]] = {}
        self._vectors: dict[int, Mapping[str, bytes]] = {}
        self._last_vectors: dict[str, bytes] | None = None
        self._room = _ROOM

    @property
    def full(self) -> bool:
        """Whether no more memory contents will be recorded."""
        return self._room <= 0

    def trace(self, complete: bool) -> Trace:
        """What has been recorded so far, as a value."""
        places = MappingProxyType(
            {address: decoded.place for address, decoded in self._decoded.items() if decoded.place.code}
        )
        return Trace(self._states, MappingProxyType(self._accesses), MappingProxyType(self._vectors), places, complete)

    def decode(self, address: int) -> Decoded:
        """The instruction at an address."""
        found = self._decoded.get(address)
        if found is None:
            code = self._guest.read(address, 15)
            instruction = disassemble(code, address, self._names)[0] if code else None
            if address in self._functions:
                place = Place(address, code[:5], self._functions[address], None, "")
                found = Decoded(place, (), False, False, None, False, True)
            elif instruction is None:
                found = Decoded(Place(address, b"", "", None, ""), (), False, False, None, False, False)
            else:
                text = instruction.text
                found = Decoded(
                    place_of(self._program, instruction),
                    tuple(one for one in instruction.memory if one.size or "string" in instruction.groups),
                    "string" in instruction.groups and text.startswith("rep"),
                    instruction.mnemonic.startswith("pushf"),
                    0 if instruction.mnemonic.startswith("popf") else 16 if instruction.mnemonic == "iretq" else None,
                    instruction.mnemonic.startswith("int") or instruction.code[:1] == b"\xf1",
                    any(_is_vector(name) for name in instruction.registers_written),
                    instruction.text.startswith("mov ss, "),
                )
            self._decoded[address] = found
        return found

    def begin(self, values: tuple[int, ...]) -> None:
        """Take the state before the first step."""
        self._states.extend(_state(values))

    def before(self, decoded: Decoded, values: tuple[int, ...]) -> list[tuple[MemoryAccess, int, bytes]]:
        """What a step is about to touch, with the bytes that are there now."""
        if decoded.touches_vectors and self._last_vectors is None:
            self._last_vectors = vectors.read(self._guest.child.extended_state())
        if not decoded.accesses:
            return []
        registers = dict(zip(linux.USER_REGISTERS, values, strict=True))
        touched = []
        for access in decoded.accesses:
            size = access.size
            address = effective_address(access, registers)
            if decoded.repeats:
                size = _element(decoded.place.text)
                address, size = _extent(address, size, registers["rcx"], registers["rflags"])
            touched.append((access, address, self._guest.read(address, min(size, _LONGEST))))
        return touched

    def after(self, decoded: Decoded, touched: list[tuple[MemoryAccess, int, bytes]], values: tuple[int, ...]) -> None:
        """Take a step that is done: the state after it and what it wrote."""
        self._states.extend(_state(values))
        if touched:
            found = []
            for access, address, old in touched:
                if access.access != "write":
                    found.append(Access(address, old))
                if access.access != "read":
                    found.append(Access(address, self._guest.read(address, len(old)), old))
                self._room -= 2 * len(old)
            self._accesses[self.count] = tuple(found)
        if decoded.touches_vectors:
            now = vectors.read(self._guest.child.extended_state())
            last = self._last_vectors or {}
            changed = {name: data for name, data in now.items() if last.get(name) != data}
            if changed:
                self._vectors[self.count] = MappingProxyType(changed)
            self._last_vectors = now
        self.count += 1


def _state(values: tuple[int, ...]) -> list[int]:
    """The recorded registers; the flags without what a breakpoint of the tracer's leaves in them."""
    state = [values[position] for position in _POSITIONS]
    state[-1] &= ~RESUME_FLAG
    return state


def _is_vector(name: str) -> bool:
    return name[1:3] == "mm" or (name[0] == "k" and name[1:].isdigit())


def _element(text: str) -> int:
    """Bytes that one round of a string instruction touches, from its mnemonic: "rep stosd ..." -> 4."""
    return {"b": 1, "w": 2, "d": 4, "q": 8}.get(text.split()[1][-1], 1)


def _extent(address: int, size: int, count: int, flags: int) -> tuple[int, int]:
    """Where `count` rounds of a string instruction start, and how many bytes they touch, whichever way they go."""
    total = size * min(count, _LONGEST // size)
    return (address - total + size if flags & DIRECTION_FLAG and total else address), total
