"""What a program did, step by step, as a value: iterate, slice, search, save and load it.

A trace keeps columns, not objects: 18 numbers a state and the few bytes of memory that a step touched. `Step` and
`Registers` are made when somebody looks.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import overload

from execmem_kernel.assembly.disassembler import Instruction, disassemble
from execmem_kernel.assembly.program import Program
from execmem_kernel.execution.engine import FLAGS, GENERAL, PARTS, Registers

STATE = (*GENERAL, "rip", "rflags")
"""What a state holds, in the order of its 18 numbers."""
_RIP = STATE.index("rip")
_WIDTH = len(STATE)
_MAGIC = b"execmem trace 1\n"
NUMBER = {name: position for position, name in enumerate(STATE)}


@dataclass(frozen=True, slots=True)
class Access:
    """Bytes of memory that a step read or wrote; `before` is None where the step only read them."""

    address: int
    data: bytes
    before: bytes | None = None

    @property
    def is_write(self) -> bool:
        return self.before is not None


@dataclass(frozen=True, slots=True)
class Place:
    """An instruction that was stepped over: where it lies, its text, and the source line it came from."""

    address: int
    code: bytes
    text: str
    line: int | None
    source: str

    @property
    def mnemonic(self) -> str:
        return self.text.split()[0]


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction carried out: the state before it, the state after it, and the memory it touched."""

    index: int
    place: Place
    before: Registers
    after: Registers
    accesses: tuple[Access, ...] = ()
    vectors: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Vector registers that changed, with their new bytes."""

    @property
    def line(self) -> int | None:
        return self.place.line

    @property
    def address(self) -> int:
        return self.place.address

    @property
    def text(self) -> str:
        return self.place.text

    @property
    def reads(self) -> tuple[Access, ...]:
        return tuple(access for access in self.accesses if not access.is_write)

    @property
    def writes(self) -> tuple[Access, ...]:
        return tuple(access for access in self.accesses if access.is_write)

    @property
    def changed(self) -> dict[str, tuple[int, int]]:
        """General registers that the step changed, as (old, new); rip is left out."""
        return {
            name: (self.before[name], self.after[name])
            for name in (*GENERAL, "rflags")
            if self.before[name] != self.after[name]
        }


@dataclass(frozen=True, slots=True)
class Loop:
    """Steps that went round: the lines from first to last, and how many times the jump back was taken."""

    lines: tuple[int, ...]
    head: int
    """The address it comes back to."""
    times: int


@dataclass(frozen=True, slots=True)
class Trace:
    """Every recorded step of a run, in order."""

    states: array[int]
    """18 numbers for each state; one state more than steps."""
    accesses: Mapping[int, tuple[Access, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Step -> what memory it touched; steps that touched none are left out."""
    vectors: Mapping[int, Mapping[str, bytes]] = field(default_factory=lambda: MappingProxyType({}))
    places: Mapping[int, Place] = field(default_factory=lambda: MappingProxyType({}))
    complete: bool = True
    """False where the program went on after the last recorded step."""
    first: int = 0
    """The number of the first step here: a slice keeps the numbers of the whole."""

    def __len__(self) -> int:
        return max(0, len(self.states) // _WIDTH - 1)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> Trace: ...
    def __getitem__(self, index: int | slice) -> Step | Trace:
        if isinstance(index, slice):
            start, stop, stride = index.indices(len(self))
            if stride != 1:
                raise ValueError("a trace is sliced without a stride: a step leads to the next")
            stop = max(start, stop)
            return Trace(
                self.states[start * _WIDTH : (stop + 1) * _WIDTH],
                self.accesses,
                self.vectors,
                self.places,
                self.complete and stop == len(self),
                self.first + start,
            )
        if not -len(self) <= index < len(self):
            raise IndexError(f"the trace has {len(self)} steps, and {index} is not one of them")
        index %= len(self)
        number = self.first + index
        before = self.state(index)
        return Step(
            number,
            self.places[before["rip"]],
            before,
            self.state(index + 1),
            self.accesses.get(number, ()),
            self.vectors.get(number, MappingProxyType({})),
        )

    def __iter__(self) -> Iterator[Step]:
        return (self[index] for index in range(len(self)))

    def state(self, index: int) -> Registers:
        """The registers before step `index` of this trace; `state(len(trace))` is the last state."""
        at = index * _WIDTH
        return Registers(MappingProxyType(dict(zip(STATE, self.states[at : at + _WIDTH], strict=True))))

    def addresses(self) -> array[int]:
        """Where each step's instruction lies, in order."""
        return self.states[_RIP : len(self) * _WIDTH : _WIDTH]

    def where(self, condition: str) -> tuple[Step, ...]:
        """The steps that a condition picks.

        Args:
            condition: `"rax changes"`, `"rax == 5"` (also `!=`, `<`, `<=`, `>`, `>=`: after the step), `"ZF set"`,
                `"ZF clear"`, `"ZF changes"`, `"line 3"`, `"memory written"`, `"memory read"`, or the start of an
                instruction's text: `"call"`.

        Raises:
            ValueError: The condition is none of these.
        """
        words = condition.split()
        match words:
            case ["line", number] if number.isdigit():
                return self._at({address for address, place in self.places.items() if place.line == int(number)})
            case ["memory", "written"]:
                return tuple(step for step in self if step.writes)
            case ["memory", "read"]:
                return tuple(step for step in self if step.reads)
            case [flag, "set" | "clear" | "changes" as verb] if flag.upper() in FLAGS:
                return tuple(step for step in self if _flag_is(step, flag.upper(), verb))
            case [name, "changes"] if name.lower() in PARTS or name.lower() in NUMBER:
                return tuple(step for step in self if step.before[name] != step.after[name])
            case [name, ("==" | "!=" | "<" | "<=" | ">" | ">=") as operator, number] if _is_register(name):
                compare, wanted = _COMPARE[operator], int(number, 0)
                if wanted < 0:
                    wanted += 1 << (PARTS[name.lower()][2] if name.lower() in PARTS else 64)
                return tuple(step for step in self if compare(step.after[name], wanted))
            case [mnemonic] if re.fullmatch(r"[a-z][a-z0-9]*", mnemonic):
                return self._at({address for address, place in self.places.items() if place.mnemonic == mnemonic})
        raise ValueError(f"{condition!r} is not a condition; try 'rax changes', 'rax == 5', 'ZF set', 'line 3', 'call'")

    def _at(self, addresses: set[int]) -> tuple[Step, ...]:
        """The steps of some instructions; made for these alone."""
        return tuple(self[index] for index, address in enumerate(self.addresses()) if address in addresses)

    def last_write(self, what: str | int, before: int | Step | None = None) -> Step | None:
        """The last step that wrote a register, or the byte at an address; also when it wrote what was there.

        Args:
            what: A register's name, or an address.
            before: A step, or its number: only earlier ones count. None: all.
        """
        if isinstance(before, Step):
            before = before.index
        end = len(self) if before is None else min(len(self), before - self.first)
        if isinstance(what, str):
            whole = whole_register(what)
            writers = {address for address, place in self.places.items() if whole in written_by(place.code, address)}
            addresses = self.addresses()
            # What is not the program's own code is a call into the C library, taken as one step.
            foreign = {address for address, place in self.places.items() if place.line is None}
            for index in range(end - 1, -1, -1):
                at = addresses[index]
                if at in foreign and whole in NUMBER and whole != "rsp":
                    column = index * _WIDTH + NUMBER[whole]
                    if whole == "rax" or self.states[column] != self.states[column + _WIDTH]:
                        return self[index]
                elif at in writers:
                    return self[index]
            return None
        for index in range(end - 1, -1, -1):
            for access in self.accesses.get(self.first + index, ()):
                if access.is_write and access.address <= what < access.address + len(access.data):
                    return self[index]
        return None

    @property
    def counts(self) -> Mapping[int, int]:
        """Source line -> how many steps it took."""
        lines: Counter[int] = Counter()
        for address, count in Counter(self.addresses()).items():
            line = self.places[address].line
            if line is not None:
                lines[line] += count
        return MappingProxyType(dict(sorted(lines.items())))

    def loops(self) -> tuple[Loop, ...]:
        """The loops that the steps went round, in the order of their heads; a call is not a loop."""
        addresses = self.addresses()
        times: Counter[tuple[int, int]] = Counter()
        for here, there in itertools.pairwise(addresses):
            if there <= here and not self.places[here].text.startswith(("call", "ret")):
                times[here, there] += 1
        found = []
        for (tail, head), count in sorted(times.items(), key=lambda item: (item[0][1], item[0][0])):
            inside = {self.places[address].line for address in self.places if head <= address <= tail}
            found.append(Loop(tuple(sorted(line for line in inside if line is not None)), head, count))
        return tuple(found)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, compressed; `Trace.load` reads it back."""
        header = {
            "first": self.first,
            "complete": self.complete,
            "accesses": {
                step: [[one.address, one.data.hex(), None if one.before is None else one.before.hex()] for one in many]
                for step, many in self.accesses.items()
                if self.first <= step < self.first + len(self)
            },
            "vectors": {step: {name: data.hex() for name, data in many.items()} for step, many in self.vectors.items()},
            "places": [[one.address, one.code.hex(), one.text, one.line, one.source] for one in self.places.values()],
        }
        text = json.dumps(header, separators=(",", ":")).encode()
        # Column by column: most registers do not change from step to step, and then compress to nothing.
        columns = b"".join(self.states[column::_WIDTH].tobytes() for column in range(_WIDTH))
        Path(path).write_bytes(_MAGIC + zlib.compress(len(text).to_bytes(8, "little") + text + columns, 6))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read what `save` wrote.

        Raises:
            ValueError: The file is not a saved trace.
        """
        content = Path(path).read_bytes()
        if not content.startswith(_MAGIC):
            raise ValueError(f"{os.fspath(path)} is not a saved trace")
        content = zlib.decompress(content[len(_MAGIC) :])
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        columns = array("Q", content[end:])
        count = len(columns) // _WIDTH
        states = array("Q", bytes(8 * len(columns)))
        for column in range(_WIDTH):
            states[column::_WIDTH] = columns[column * count : (column + 1) * count]
        return cls(
            states,
            MappingProxyType(
                {
                    int(step): tuple(
                        Access(address, bytes.fromhex(data), None if old is None else bytes.fromhex(old))
                        for address, data, old in many
                    )
                    for step, many in header["accesses"].items()
                }
            ),
            MappingProxyType(
                {
                    int(step): MappingProxyType({name: bytes.fromhex(data) for name, data in many.items()})
                    for step, many in header["vectors"].items()
                }
            ),
            MappingProxyType(
                {
                    address: Place(address, bytes.fromhex(code), text, line, source)
                    for address, code, text, line, source in header["places"]
                }
            ),
            header["complete"],
            header["first"],
        )


_COMPARE = {
    "==": int.__eq__,
    "!=": int.__ne__,
    "<": int.__lt__,
    "<=": int.__le__,
    ">": int.__gt__,
    ">=": int.__ge__,
}


def _is_register(name: str) -> bool:
    return name.lower() in PARTS or name.lower() in NUMBER


def _flag_is(step: Step, flag: str, verb: str) -> bool:
    was, now = flag in step.before.flags, flag in step.after.flags
    return was != now if verb == "changes" else now == (verb == "set")


def whole_register(name: str) -> str:
    """The register that a part belongs to: "al" -> "rax"; a vector register's number decides: "xmm3" -> "ymm3"."""
    name = name.lower()
    if name in PARTS:
        return PARTS[name][0]
    return f"ymm{name[3:]}" if name[:3] in ("xmm", "zmm") else name


def written_by(code: bytes, address: int) -> frozenset[str]:
    """The whole registers that the instruction writes; `syscall` writes what the call returns, too."""
    if code[:2] == b"\x0f\x05":
        return frozenset(("rax", "rcx", "r11"))
    return frozenset(whole_register(name) for name in disassemble(code, address)[0].registers_written)


def place_of(program: Program, instruction: Instruction) -> Place:
    """Where an instruction stands in the source."""
    row = program.row_at(instruction.address)
    line, source = (None, "") if row is None else (row.span.line, row.source)
    return Place(instruction.address, instruction.code, instruction.text, line, source)
