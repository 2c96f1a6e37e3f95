"""Instructions whose results differ from run to run, and what the supervisor answers instead.

    rdtsc, rdtscp          the processor faults (PR_SET_TSC in runner.s), wherever they are
    rdrand, rdseed, rdpid, rdpru, lsl
                           nothing makes the processor stop at them: an `int3` stands in their place
    sysenter               Intel's processors take it for a 32-bit system call, which comes back to a place that the
                           kernel chose by chance, AMD's refuse it: a `ud2` stands in its place, so that all refuse it

Only the program's own process holds the changed bytes; whoever reads its memory from outside sees what was typed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import BREAKPOINT
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.features import cpu_features
from execmem_kernel.x86.registers import FLAGS, MASK, PARTS, STATUS_FLAGS

COUNTERS = frozenset(("rdtsc", "rdtscp"))
"""What faults by itself where PR_SET_TSC forbids it."""
_COUNTING = COUNTERS | {"rdpru"}
_CHANCE = frozenset(("rdrand", "rdseed"))
_KINDS = (_COUNTING, _CHANCE, frozenset(("rdpid", "lsl")))
"""Of each, one warning says it all."""
_FEATURES = _CHANCE | {"rdpid", "rdpru"}
"""Those that some processors lack: there they stay what they are, and are refused."""
_REPLACED = _FEATURES | {"lsl"}
ANSWERED = tuple(sorted(COUNTERS | _REPLACED))
"""The mnemonics of all that get their results from here."""
_OF_THE_HOST = frozenset(("cpuid", "xgetbv", "sgdt", "sidt", "sldt", "str", "smsw"))
"""What tells of the machine: the same in every run, and another on another machine."""
_SYSENTER, _UD2 = b"\x0f\x34", b"\x0f\x0b"
_FIRST_COUNT, _STEP = 1 << 32, 1_000
"""What the time-stamp counter begins with, so that both halves of it are seen, and how far it has come at each read."""
_READS_A_SECOND = 20_000
"""So many answers are taken for a second of the limit on time: a program that waits for a counter ends at the same
answer on every machine."""
_FLAT, _OF_PROCESSOR = (4, 5, 6), 15
"""The segments that a program may ask about, by index: code and data, of 4 GiB, and the one whose limit is the
processor's number. Source: Linux, arch/x86/include/asm/segment.h."""
_STATUS_BITS = sum(1 << FLAGS[name] for name in STATUS_FLAGS)
_CARRY, _ZERO = (1 << FLAGS[name] for name in ("CF", "ZF"))


def counter_size(code: bytes) -> int:
    """The size of the instruction that some bytes begin with if it reads the time-stamp counter; otherwise 0."""
    for plain in (b"\x0f\x31", b"\x0f\x01\xf9"):
        if code.startswith(plain):
            return len(plain)
    found = disassemble(code, 0) if code else ()
    return len(found[0].code) if found and found[0].mnemonic.split()[-1] in COUNTERS else 0


@dataclass(frozen=True, slots=True)
class Replaced:
    """An instruction of a program's, and the bytes that its process has in its place."""

    address: int
    code: bytes
    instead: bytes


@dataclass(frozen=True, slots=True)
class Nondeterminism:
    """What a program's listing says of such instructions."""

    replaced: Mapping[int, Replaced] = field(default_factory=lambda: MappingProxyType({}))
    """Address -> instruction."""
    warnings: tuple[Warned, ...] = ()
    """About what depends on the machine."""


def nondeterminism(program: Program) -> Nondeterminism:
    """The instructions of a program that would differ from run to run, or do from machine to machine."""
    replaced: dict[int, Replaced] = {}
    warnings: dict[str, Warned] = {}
    for row in program.listing:
        if row.kind != "instruction" or b"\x0f" not in row.code:
            continue
        name = _name(row.text)
        if name in _OF_THE_HOST:
            warnings.setdefault(name, _depends_on_host(name, row.span.line))
        elif name == "sysenter":
            replaced[row.address] = Replaced(row.address, row.code, row.code.replace(_SYSENTER, _UD2))
        elif name in _REPLACED and (name not in _FEATURES or name in cpu_features()) and "[" not in row.text:
            replaced[row.address] = Replaced(row.address, row.code, BREAKPOINT + row.code[1:])
    return Nondeterminism(MappingProxyType(replaced), tuple(warnings.values()))


def reads_chance(program: Program) -> bool:
    """Whether a program's listing has an instruction whose result is answered here."""
    return any(row.kind == "instruction" and _name(row.text) in ANSWERED for row in program.listing)


_KNOWN = COUNTERS | _REPLACED | _OF_THE_HOST | {"sysenter"}


def _name(text: str) -> str:
    """The mnemonic of a listing's text if it is one of ours, behind prefixes too."""
    return next((word for word in text.split(" ", 3)[:3] if word in _KNOWN), "")


def _depends_on_host(name: str, line: int) -> Warned:
    return Warned("depends-on-machine", f"`{name}` tells of this machine: on another one the result is another", line)


class Answers:
    """What a run's nondeterministic instructions are answered; the same in every run of the same call."""

    def __init__(self, call: Call) -> None:
        self._program = call.program
        self._random = random.Random(0 if call.seed is None else call.seed)
        self._most = int(call.limits.time_s * _READS_A_SECOND)
        self._count = 0
        self._reads = 0
        self._met: dict[str, int | None] = {}
        """The first mnemonic of each kind -> the line that it was met on."""

    @property
    def exhausted(self) -> bool:
        """Whether more answers were asked for than the limit on time allows."""
        return self._count > self._most

    def carry_out(self, code: bytes, registers: dict[str, int]) -> bool:
        """Do what an instruction does to registers, rip too; False if it is none that is answered.

        Args:
            code: Its bytes, at rip.
            registers: Those before it; they are changed.
        """
        found = disassemble(code[:15], registers["rip"]) if code else ()
        instruction = found[0] if found else None
        name = "" if instruction is None else instruction.mnemonic.split()[-1]
        if instruction is None or name not in ANSWERED:
            return False
        self._count += 1
        line = self._program.line_at(registers["rip"])
        if self._answer(name, instruction, registers):
            kind = next(kind for kind in _KINDS if name in kind)
            if not any(name in kind for name in self._met):
                self._met[name] = line
        registers["rip"] += len(instruction.code)
        return True

    def _answer(self, name: str, instruction: Instruction, registers: dict[str, int]) -> bool:
        """Change the registers; whether the processor's answer would have been another one."""
        if name in _COUNTING:
            self._reads += 1
            now = _FIRST_COUNT + _STEP * self._reads
            registers |= {"rax": now & 0xFFFFFFFF, "rdx": now >> 32}
            if name == "rdtscp":
                registers["rcx"] = 0
            return True
        target = instruction.operands[0]
        if name in _CHANCE:
            bits = PARTS[target][2] if target in PARTS else 64
            _put(registers, target, self._random.getrandbits(bits))
            registers["rflags"] = registers["rflags"] & ~_STATUS_BITS | _CARRY
        elif name == "rdpid":
            _put(registers, target, 0)
        else:
            selector = _get(registers, instruction.operands[1]) & 0xFFFF
            limit = _segment_limit(selector)
            registers["rflags"] = registers["rflags"] & ~_ZERO | (0 if limit is None else _ZERO)
            if limit is not None:
                _put(registers, target, limit)
            return selector >> 3 == _OF_PROCESSOR
        return True

    def warnings(self) -> Iterator[Warned]:
        """What a reader of the results must know."""
        for name, line in self._met.items():
            if name in _COUNTING:
                yield Warned(
                    "same-in-every-run",
                    f"`{name}` counts {_STEP:,} more each time it is read here, so that every run is the same",
                    line,
                    "to measure time, write `%%asm --bench`",
                )
            elif name in _CHANCE:
                yield Warned(
                    "same-in-every-run",
                    f"`{name}` gives the same numbers in every run here",
                    line,
                    "for other numbers, write `%%asm --seed 2`",
                )
            else:
                yield Warned("same-in-every-run", f"`{name}` is told here that this is processor 0, in every run", line)


def _segment_limit(selector: int) -> int | None:
    """The limit of the segment that a selector names; None for one that a program may not ask about."""
    index, in_local_table = selector >> 3, selector & 4
    if in_local_table or index not in (*_FLAT, _OF_PROCESSOR):
        return None
    return 0xFFFF_FFFF if index in _FLAT else 0


def _get(registers: Mapping[str, int], name: str) -> int:
    whole, shift, bits = PARTS.get(name, (name, 0, 64))
    return registers[whole] >> shift & (1 << bits) - 1


def _put(registers: dict[str, int], name: str, value: int) -> None:
    """Write a register as an instruction does: the upper half of one of 32 bits becomes 0, 16 bits leave the others."""
    whole, shift, bits = PARTS.get(name, (name, 0, 64))
    if bits >= 32:
        registers[whole] = value & (1 << bits) - 1
    else:
        part = (1 << bits) - 1 << shift
        registers[whole] = registers[whole] & (MASK ^ part) | value << shift & part
