"""What is recorded of each step: the state after it, and the memory and the vector registers that it touched.

    Walk (stepping.py) ──> Recorder ──machine code──> recorder.s: plain instructions, as fast as ptrace goes
                              │ └──── Python ───────> everything else, one step at a time
                              └──> Trace: the first steps in full, samples, the last steps in full

Both ways write the same columns, so a trace does not tell which of them took a step.
"""

from __future__ import annotations

import dataclasses
import re
from array import array
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from execmem_kernel import linux
from execmem_kernel.assembly.disassembler import Instruction, MemoryAccess, disassemble
from execmem_kernel.execution import vectors
from execmem_kernel.execution.engine import PARTS
from execmem_kernel.execution.own_code import OwnCode
from execmem_kernel.execution.tracing import (
    BOTH,
    FORGOTTEN,
    MASKS,
    READ,
    STATE,
    VECTOR,
    WIDTH,
    WRITTEN,
    Between,
    Place,
    Stretch,
    Trace,
    place_of,
    turns,
)

if TYPE_CHECKING:
    from execmem_kernel.assembly.program import Program
    from execmem_kernel.execution.supervisor import Guest

MASK = 2**64 - 1
TRAP_FLAG, DIRECTION_FLAG, RESUME_FLAG = 1 << 8, 1 << 10, 1 << 16
_AT = {name: linux.USER_REGISTERS.index(name) for name in linux.USER_REGISTERS}
_POSITIONS = tuple(_AT[name] for name in STATE)
_LONGEST = 4096
"""Bytes recorded of one access; a `rep` may touch more."""
_ROOM = 16 * 1024 * 1024
"""Bytes of memory recorded of the first steps."""
_LAST = 1_000
"""Steps before the end that are held in full, at least."""
_SAMPLES = 500
"""Single steps held of what lies between; when there are more, every second one goes."""
_CHUNK = 500
"""Steps that the machine code takes before Python looks up: a stop button waits no longer than that."""


# ---- the machine code ------------------------------------------------------------------------------------------------

DONE, SPECIAL, STOPPED, INTERRUPTED, REFUSED = range(5)
"""Why it stopped; explained in recorder.s, like the table and the layout of an entry."""
_NAMES = (
    "pid", "entries", "index", "start", "size", "states", "ends", "log", "position", "limit", "left", "before",
    "after", "room", "capacity", "spans", "pending", "status", "entry", "tail", "count", "bytes", "count_", "bytes_",
)  # fmt: skip
_FIELD = {name: number for number, name in enumerate(_NAMES)}
_REGISTERS = len(_NAMES)
_TABLE_WORDS = 704 // 8
_ZERO = 8 * len(linux.USER_REGISTERS)
"""Where the table has a 0, as a register."""
_ENTRY_WORDS, _MOST_PIECES, _LARGEST_PIECE = 17, 3, 512
_LOG_WORDS = 32 * 1024
_MOST_LOGGED = _MOST_PIECES * (2 + 2 * _LARGEST_PIECE // 8) + (32 + 8) * 9
"""Numbers that one step may add to the log."""
_PATIENCE = 1_000
"""Steps that Python takes before the machine code is assembled, which takes as long as they do."""

_code = OwnCode("recorder")


def machine() -> Callable[[int], int] | None:
    """The machine code as a function of its table's address; None where this host allows no such."""
    return _code.function()


def _vector_rows(state: bytes) -> dict[int, tuple[int, tuple[tuple[int, int], ...]]]:
    """Vector register -> its size, and where its parts lie in a vector state like this one: offset and size."""
    rows: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {}
    avx, wide = bool(vectors.present(state) & vectors.AVX_BIT), vectors.wide_at(state)
    for n in range(16):
        parts = [(vectors.XMM + 16 * n, 16)]
        if avx:
            parts.append((vectors.YMM_HIGH + 16 * n, 16))
        if wide is not None:
            parts.append((wide[1] + 32 * n, 32))
        rows[n] = sum(size for _, size in parts), tuple(parts)
    if wide is not None:
        rows |= {16 + n: (64, ((wide[2] + 64 * n, 64),)) for n in range(16)}
        rows |= {MASKS + n: (8, ((wide[0] + 8 * n, 8),)) for n in range(8)}
    return rows


# ---- instructions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decoded:
    """What stepping over one instruction takes; made once for each address, because code cannot change."""

    place: Place
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
        return Decoded(Place(address, b"", "", None, ""))
    text, groups = instruction.text, instruction.groups
    name = next((word for word in instruction.mnemonic.split() if word not in _PREFIXES), "")
    accesses = tuple(one for one in instruction.memory if one.size or "string" in groups)
    repeats = "string" in groups and text.startswith("rep")
    vectors_written = _vectors_written(name, instruction)
    loads_stack_segment = text.startswith("mov ss, ")
    bit_string = _bit_string(name, instruction)
    special = repeats or vectors_written < 0 or loads_stack_segment or bit_string is not None
    return Decoded(
        place_of(program, instruction),
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
    return len(accesses) <= _MOST_PIECES and all(
        0 < access.size <= _LARGEST_PIECE
        and not (branches and access.size in _FAR)
        and all(
            name is None or name in _AT or PARTS.get(name, ("", 0, 0))[2] == 32 for name in (access.base, access.index)
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
        and (operands[1] in PARTS or operands[1] in _AT)
    ):
        return operands[1]
    return None


def _entry(step: Decoded) -> list[int]:
    """An instruction as the machine code knows it."""
    words = [len(step.accesses), step.vectors]
    for access in step.accesses:
        kind = {"read": READ, "write": WRITTEN, "read-write": BOTH}[access.access]
        base, index = (
            _ZERO if name is None else 8 * _AT[PARTS.get(name, (name,))[0]] for name in (access.base, access.index)
        )
        segment = 8 * _AT[f"{access.segment}_base"] if access.segment in ("fs", "gs") else _ZERO
        short = any(name is not None and name in PARTS for name in (access.base, access.index))
        words += [
            kind << 56 | access.size,
            base | index << 32,
            access.scale | segment << 32,
            access.displacement & MASK,
            0xFFFFFFFF if short else MASK,
        ]
    return words + [0] * (_ENTRY_WORDS - len(words))


def effective_address(access: MemoryAccess, registers: Mapping[str, int]) -> int:
    """Where a memory operand lies, for these registers (`fs_base` and `gs_base` among them)."""
    address = access.displacement
    for name, scale in ((access.base, 1), (access.index, access.scale)):
        if name is None:
            continue
        whole, shift, bits = PARTS.get(name, (name, 0, 64))
        address += ((registers.get(whole, 0) >> shift) & ((1 << bits) - 1)) * scale
    if any(name is not None and name in PARTS and PARTS[name][2] == 32 for name in (access.base, access.index)):
        address &= 0xFFFFFFFF
    if access.segment in ("fs", "gs"):
        address += registers.get(f"{access.segment}_base", 0)
    return address & MASK


# ---- columns ---------------------------------------------------------------------------------------------------------


class _Columns:
    """A stretch that is still growing."""

    __slots__ = ("ends", "first", "log", "states")

    def __init__(self, first: int, state: array[int]) -> None:
        self.first = first
        self.states = state
        self.ends = array("Q")
        self.log = array("Q")

    def __len__(self) -> int:
        return len(self.ends)

    def stretch(self) -> Stretch:
        return Stretch(self.first, self.states, self.ends, self.log)


class _Log:
    """Which steps are held: the first ones, the last ones, and samples of those between."""

    def __init__(self, in_full: int) -> None:
        self.count = 0
        self._in_full = in_full
        self._room = _ROOM // 8
        self._head: _Columns | None = None
        self._tail: deque[_Columns] = deque()
        self._samples: list[Stretch] = []
        self._interval = 1
        self._counts: Counter[int] = Counter()
        self._turns: Counter[tuple[int, int]] = Counter()

    def begin(self, state: array[int]) -> None:
        self._head = _Columns(0, state)

    def open(self) -> tuple[_Columns, int]:
        """The columns that the next steps go to, and how many of them at most."""
        assert self._head is not None
        if not self._tail:
            if len(self._head) < self._in_full and len(self._head.log) < self._room:
                return self._head, self._in_full - len(self._head)
            self._tail.append(_Columns(self.count, self._head.states[-WIDTH:]))
        last = self._tail[-1]
        if len(last) >= _CHUNK:
            last = _Columns(self.count, last.states[-WIDTH:])
            self._tail.append(last)
            if self.count - len(self._tail[0]) - self._tail[0].first >= _LAST:
                self._thin(self._tail.popleft().stretch())
        return last, _CHUNK - len(last)

    def _thin(self, stretch: Stretch) -> None:
        """Keep a few steps of a stretch, and count the others."""
        addresses = stretch.addresses()
        self._turns.update(turns(addresses))
        self._counts.update(addresses[:-1])
        offset = -stretch.first % self._interval
        for index in range(offset, len(stretch), self._interval):
            self._samples.append(stretch.part(index, index + 1))
        while len(self._samples) > _SAMPLES:
            self._interval *= 2
            self._samples = [sample for sample in self._samples if sample.first % self._interval == 0]

    def stretches(self) -> tuple[tuple[Stretch, ...], Between]:
        """All that is held, in order, and what is known of the rest."""
        assert self._head is not None
        counts, jumped = Counter(self._counts), Counter(self._turns)
        for sample in self._samples:
            addresses = sample.addresses()
            counts[addresses[0]] -= 1
            jumped.subtract(turns(addresses))
        held = [self._head.stretch(), *self._samples]
        if self._tail:
            states, ends, log = array("Q"), array("Q"), array("Q")
            for columns in self._tail:
                states += columns.states if not states else columns.states[WIDTH:]
                ends.extend(end + len(log) for end in columns.ends)
                log += columns.log
            held.append(Stretch(self._tail[0].first, states, ends, log))
        joined = [held[0]]
        for stretch in held[1:]:
            if len(stretch) or len(held) == 1:
                joined.append(stretch)
        return tuple(joined), Between(MappingProxyType(+counts), MappingProxyType(+jumped))


class Recorder:
    """Records the steps of one run."""

    def __init__(self, program: Program, guest: Guest, in_full: int) -> None:
        self.log: _Log = _Log(in_full)
        self._program = program
        self._guest = guest
        self._decoded: dict[int, Decoded] = {}
        self._functions = {address: name for name, address in program.externs.items()}
        self._names = {**program.labels, **program.externs}
        self._contents: tuple[tuple[int, int, bytes], ...] = ()
        self._text = program.text
        self._vector_rows: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {}
        self._vectors_before = b""
        self._fast: _Fast | None = None

    @property
    def count(self) -> int:
        """Steps taken so far."""
        return self.log.count

    def begin(self, values: tuple[int, ...], contents: tuple[tuple[int, int, bytes], ...]) -> None:
        """Take the state before the first step, and what memory holds then."""
        self.log.begin(_state(values))
        self._contents = contents
        self._vectors_before = self._guest.child.extended_state()
        self._vector_rows = _vector_rows(self._vectors_before)

    def trace(self, ended: bool) -> Trace:
        """What has been recorded so far, as a value."""
        places = {address: step.place for address, step in self._decoded.items() if step.place.code}
        held, between = self.log.stretches()
        return Trace(held, MappingProxyType(places), ended, between, self._contents)

    def decode(self, address: int, within: str = "") -> Decoded:
        """The instruction at an address; `within` names the function of the C library that lies there."""
        found = self._decoded.get(address)
        if found is None:
            code = self._guest.read(address, 15)
            name = self._functions.get(address, within)
            if name:
                found = Decoded(Place(address, code[:5], name, None, "", foreign=True), vectors=-1)
            else:
                found = decoded(self._program, code, address, self._names)
            self._decoded[address] = found
            if self._fast is not None:
                self._fast.learn(address, found)
        return found

    # ---- by machine code

    def fast(self, values: tuple[int, ...]) -> bool:
        """Whether the machine code can take the next step."""
        if self._fast is None:
            if self._guest.witness != "supervisor" or (self.count < _PATIENCE and not _code.is_there):
                return False
            function = machine()
            if function is None:
                return False
            self._fast = _Fast(function, self._guest.child.pid, self._text.address, len(self._text.data))
            self._fast.rows(self._vector_rows, self._vectors_before)
            for address, step in self._decoded.items():
                self._fast.learn(address, step)
        return self._fast.knows(values[_AT["rip"]])

    def go(self, values: tuple[int, ...], most: int) -> tuple[int, int, tuple[int, ...]]:
        """Let the machine code take up to `most` steps: why it stopped, the wait status, and the registers."""
        assert self._fast is not None
        columns, room = self.log.open()
        why, status, values, taken = self._fast.go(values, min(most, room), columns)
        self.log.count += taken
        return why, status, values

    # ---- by Python

    def before(self, step: Decoded, values: tuple[int, ...]) -> list[tuple[MemoryAccess, int, bytes]]:
        """What a step is about to touch, with the bytes that are there now."""
        if not step.accesses:
            return []
        registers = dict(zip(linux.USER_REGISTERS, values, strict=True))
        touched = []
        for access in step.accesses:
            size = access.size
            address = effective_address(access, registers)
            if access.index is not None and access.index[1:3] == "mm":
                items = gathered(step.place.text, access, registers, vectors.read(self._guest.child.extended_state()))
                touched += [(access, item, self._guest.read(item, size)) for item in items]
                continue
            if step.repeats:
                size = _element(step.place.text)
                address, size = _extent(address, size, registers["rcx"], registers["rflags"])
            if step.bit_string is not None:
                address += _beyond(step.bit_string, size, registers)
            touched.append((access, address & MASK, self._guest.read(address & MASK, min(size, _LONGEST))))
        return touched

    def after(
        self,
        step: Decoded,
        touched: list[tuple[MemoryAccess, int, bytes]],
        values: tuple[int, ...],
        written: Sequence[tuple[int, bytes, bytes]] = (),
        forgotten: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Take a step that is done.

        Args:
            step: The instruction.
            touched: What `before` said.
            values: The registers after it.
            written: What something else than the instruction wrote meanwhile: address, old and new bytes.
            forgotten: Memory that may have been written unseen: address and size.
        """
        columns, _ = self.log.open()
        log = columns.log
        for address, size in forgotten:
            log.extend((FORGOTTEN << 56, address, size))
        for access, address, old in touched:
            if access.access == "read":
                _note(log, READ, address, old)
            else:
                kind = WRITTEN if access.access == "write" else BOTH
                _note(log, kind, address, old, self._guest.read(address, len(old)))
        for address, old, new in written:
            _note(log, WRITTEN, address, old, new)
        if step.vectors:
            self._note_vectors(step.vectors, log)
        columns.states += _state(values)
        columns.ends.append(len(log))
        self.log.count += 1

    def _note_vectors(self, which: int, log: array[int]) -> None:
        if self._fast is not None:
            self._vectors_before = self._fast.vectors()
        now = self._guest.child.extended_state()
        for number, (size, parts) in self._vector_rows.items():
            if not which >> number & 1:
                continue
            old, new = (b"".join(state[at : at + part] for at, part in parts) for state in (self._vectors_before, now))
            if old != new:
                log.append(VECTOR << 56 | number << 32 | size)
                log.frombytes(new)
        self._vectors_before = now
        if self._fast is not None:
            self._fast.set_vectors(now)


class _Fast:
    """The machine code's table, and the memory that it works in; one run's own."""

    def __init__(self, function: Callable[[int], int], pid: int, start: int, size: int) -> None:
        self._function = function
        self._table = array("Q", bytes(8 * _TABLE_WORDS))
        self._entries = array("Q", bytes(8 * _ENTRY_WORDS))
        self._index = array("I", bytes(4 * size))
        self._states = array("Q", bytes(8 * WIDTH * _CHUNK))
        self._ends = array("Q", bytes(8 * _CHUNK))
        self._log = array("Q", bytes(8 * _LOG_WORDS))
        self._spans = array("Q", bytes(8 * 4 * 64))
        self._areas = tuple(array("Q", bytes(linux.XSTATE_LIMIT)) for _ in range(2))
        self._start = start
        self._set(
            pid=pid,
            start=start,
            size=size,
            index=_address(self._index),
            log=_address(self._log),
            limit=_address(self._log) + 8 * (_LOG_WORDS - _MOST_LOGGED),
            before=_address(self._areas[0]),
            after=_address(self._areas[1]),
            capacity=linux.XSTATE_LIMIT,
            spans=_address(self._spans),
        )

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            self._table[_FIELD[name]] = value

    def rows(self, rows: Mapping[int, tuple[int, tuple[tuple[int, int], ...]]], state: bytes) -> None:
        """Where the vector registers lie in a vector state, and the state now."""
        for number, (size, parts) in rows.items():
            words = [VECTOR << 56 | number << 32 | size, *(at | part // 8 << 32 for at, part in parts)]
            self._spans[4 * number : 4 * number + len(words)] = array("Q", words)
        self._known = sum(1 << number for number in rows)
        self.set_vectors(state)

    def vectors(self) -> bytes:
        """The vector state as it was last read."""
        which = self._table[_FIELD["before"]] != _address(self._areas[0])
        return self._areas[which].tobytes()

    def set_vectors(self, state: bytes) -> None:
        """The vector state as it is."""
        which = self._table[_FIELD["before"]] != _address(self._areas[0])
        area = memoryview(self._areas[which]).cast("B")
        area[: len(state)] = state

    def learn(self, address: int, step: Decoded) -> None:
        """Take in an instruction, if the machine code can step over it."""
        at = address - self._start
        if 0 <= at < len(self._index) and step.plain:
            words = _entry(step)
            words[1] &= self._known
            self._index[at] = len(self._entries) // _ENTRY_WORDS
            self._entries.extend(words)

    def knows(self, address: int) -> bool:
        """Whether it can step over the instruction at an address."""
        at = address - self._start
        return 0 <= at < len(self._index) and self._index[at] != 0

    def go(self, values: tuple[int, ...], most: int, columns: _Columns) -> tuple[int, int, tuple[int, ...], int]:
        """Take up to `most` steps; the same as `Recorder.go`, and how many were taken."""
        table = self._table
        if not table[_FIELD["pending"]]:  # where a step was interrupted, all goes on as it was
            table[_REGISTERS : _REGISTERS + len(values)] = array("Q", values)
            self._set(
                entries=_address(self._entries),
                states=_address(self._states),
                ends=_address(self._ends),
                position=_address(self._log),
                left=min(most, _CHUNK),
            )
        # SAFETY: every address in the table is that of an array of this object, which nothing resizes meanwhile.
        why = self._function(_address(table))
        if why == INTERRUPTED:
            return why, 0, values, 0
        taken = (table[_FIELD["ends"]] - _address(self._ends)) // 8
        if taken:
            base = len(columns.log)
            columns.log += self._log[: self._ends[taken - 1]]
            columns.ends.extend(end + base for end in self._ends[:taken])
            columns.states += self._states[: WIDTH * taken]
        found = tuple(table[_REGISTERS : _REGISTERS + len(values)])
        return why, table[_FIELD["status"]] & 0xFFFFFFFF, found, taken


def _address(numbers: array[int]) -> int:
    """Where an array's numbers lie."""
    return numbers.buffer_info()[0]


def _note(log: array[int], kind: int, address: int, *contents: bytes) -> None:
    log.extend((kind << 56 | len(contents[0]), address))
    for data in contents:
        log.frombytes(data.ljust(len(data) + 7 & -8, b"\0"))


def _state(values: tuple[int, ...]) -> array[int]:
    """The recorded registers; the flags without what a breakpoint of the tracer's leaves in them."""
    state = array("Q", [values[position] for position in _POSITIONS])
    state[-1] &= ~RESUME_FLAG
    return state


def gathered(
    text: str, access: MemoryAccess, registers: Mapping[str, int], wide: Mapping[str, bytes]
) -> tuple[int, ...]:
    """Where a gather or scatter touches memory: an address for each item of its index that its mask lets through.

    Args:
        text: The instruction.
        access: Its memory operand, whose index is a vector register.
        registers: The general registers.
        wide: The vector registers and masks, by name.
    """

    def whole(name: str) -> bytes:
        return next((wide[one + name[1:]] for one in "zyx" if one + name[1:] in wide), b"")

    assert access.index is not None
    width = 8 if re.search("(gather|scatter)q", text) else 4
    index = whole(access.index)[: {"x": 16, "y": 32, "z": 64}[access.index[0]]]
    names = re.findall(r"[xyz]mm\d+", text)
    other = next(name for name in names if name != access.index)
    count = min(len(index) // width, {"x": 16, "y": 32, "z": 64}[other[0]] // access.size)
    if mask := re.search(r"\{(k\d)\}", text):
        bits = int.from_bytes(wide[mask[1]], "little")
        chosen = [bits >> item & 1 for item in range(count)]
    else:  # the sign of each item of the last operand
        signs = whole(names[-1])
        chosen = [signs[access.size * (item + 1) - 1] >> 7 for item in range(count)]
    base = dataclasses.replace(access, index=None)
    start = effective_address(base, registers)
    items = [int.from_bytes(index[width * item : width * (item + 1)], "little", signed=True) for item in range(count)]
    return tuple((start + item * access.scale) & MASK for item, let in zip(items, chosen, strict=True) if let)


def _beyond(register: str, size: int, registers: Mapping[str, int]) -> int:
    """How far from its operand an instruction on bit strings reaches, for the bit that a register names."""
    whole, _, bits = PARTS.get(register, (register, 0, 64))
    number = registers[whole] & ((1 << bits) - 1)
    number -= (number >> bits - 1) << bits
    return (number >> (8 * size).bit_length() - 1) * size


def _element(text: str) -> int:
    """Bytes that one round of a string instruction touches, from its mnemonic: "rep stosd ..." -> 4."""
    return {"b": 1, "w": 2, "d": 4, "q": 8}.get(text.split()[1][-1], 1)


def _extent(address: int, size: int, count: int, flags: int) -> tuple[int, int]:
    """Where `count` rounds of a string instruction start, and how many bytes they touch, whichever way they go."""
    total = size * min(count, _LONGEST // size)
    return (address - total + size if flags & DIRECTION_FLAG and total else address), total
