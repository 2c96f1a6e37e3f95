"""The stepping loop in machine code (recorder.s): plain instructions, as fast as ptrace goes."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping

from execmem_kernel.execution.contract.stretch import BOTH, MASKS, READ, VECTOR, WIDTH, WRITTEN
from execmem_kernel.execution.embedded.code import EmbeddedCode
from execmem_kernel.execution.trace.decoded import LARGEST_PIECE, MOST_PIECES, REGISTER_INDEX, Decoded
from execmem_kernel.execution.trace.log import CHUNK, Columns
from execmem_kernel.execution.values import xsave
from execmem_kernel.linux import process as linux_process
from execmem_kernel.x86.registers import MASK, PARTS

DONE, SPECIAL, STOPPED, INTERRUPTED, REFUSED = range(5)
"""Why it stopped; explained in recorder.s, like the table and the layout of an entry."""
_NAMES = (
    "pid", "entries", "index", "start", "size", "states", "ends", "log", "position", "limit", "left", "before",
    "after", "room", "capacity", "spans", "pending", "status", "entry", "tail", "count", "bytes", "count_", "bytes_",
)  # fmt: skip
"""The fields at the start of the table, as recorder.s has them; the registers follow."""
_FIELD = {name: number for number, name in enumerate(_NAMES)}
_REGISTERS = len(_NAMES)
_TABLE_WORDS = 704 // 8
_ENTRY_WORDS = 2 + 5 * MOST_PIECES
"""Numbers of an entry: two, and five for each piece of memory."""
_ZERO = 8 * len(linux_process.USER_REGISTERS)
"""Where the table has a 0, as a register."""
_LOG_WORDS = 32 * 1024
_MOST_LOGGED = MOST_PIECES * (2 + 2 * LARGEST_PIECE // 8) + (32 + 8) * 9
"""Numbers that one step may add to the log."""
PATIENCE = 1_000
"""Steps that Python takes before the machine code is assembled, which takes as long as they do."""
loop_code = EmbeddedCode(__package__, "recorder")


def machine() -> Callable[[int], int] | None:
    """The machine code as a function of its table's address; None where this host allows no such."""
    return loop_code.function()


def vector_rows(state: bytes) -> dict[int, tuple[int, tuple[tuple[int, int], ...]]]:
    """Vector register -> its size, and where its parts lie in a vector state like this one: offset and size."""
    rows: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {}
    avx, wide = bool(xsave.present(state) & xsave.AVX_BIT), xsave.wide_at(state)
    for n in range(16):
        parts = [(xsave.XMM + 16 * n, 16)]
        if avx:
            parts.append((xsave.YMM_HIGH + 16 * n, 16))
        if wide is not None:
            parts.append((wide[1] + 32 * n, 32))
        rows[n] = sum(size for _, size in parts), tuple(parts)
    if wide is not None:
        rows |= {16 + n: (64, ((wide[2] + 64 * n, 64),)) for n in range(16)}
        rows |= {MASKS + n: (8, ((wide[0] + 8 * n, 8),)) for n in range(8)}
    return rows


def _entry(step: Decoded) -> list[int]:
    """An instruction as the machine code knows it."""
    words = [len(step.accesses), step.vectors]
    for access in step.accesses:
        kind = {"read": READ, "write": WRITTEN, "read-write": BOTH}[access.access]
        base, index = (
            _ZERO if name is None else 8 * REGISTER_INDEX[PARTS.get(name, (name,))[0]]
            for name in (access.base, access.index)
        )
        segment = 8 * REGISTER_INDEX[f"{access.segment}_base"] if access.segment in ("fs", "gs") else _ZERO
        short = any(name is not None and name in PARTS for name in (access.base, access.index))
        words += [
            kind << 56 | access.size,
            base | index << 32,
            access.scale | segment << 32,
            access.displacement & MASK,
            0xFFFFFFFF if short else MASK,
        ]
    return words + [0] * (_ENTRY_WORDS - len(words))


class SteppingLoop:
    """The machine code's table, and the memory that it works in; one run's own."""

    def __init__(self, function: Callable[[int], int], pid: int, start: int, size: int) -> None:
        self._function = function
        self._table = array("Q", bytes(8 * _TABLE_WORDS))
        self._entries = array("Q", bytes(8 * _ENTRY_WORDS))
        self._index = array("I", bytes(4 * size))
        self._states = array("Q", bytes(8 * WIDTH * CHUNK))
        self._ends = array("Q", bytes(8 * CHUNK))
        self._log = array("Q", bytes(8 * _LOG_WORDS))
        self._spans = array("Q", bytes(8 * 4 * 64))
        self._areas = tuple(array("Q", bytes(linux_process.XSTATE_LIMIT)) for _ in range(2))
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
            capacity=linux_process.XSTATE_LIMIT,
            spans=_address(self._spans),
        )

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            self._table[_FIELD[name]] = value

    def set_vector_rows(self, rows: Mapping[int, tuple[int, tuple[tuple[int, int], ...]]], state: bytes) -> None:
        """Take where the vector registers lie in a vector state, and the state now."""
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
        """Take the vector state as it is now."""
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

    def go(self, values: tuple[int, ...], most: int, columns: Columns) -> tuple[int, int, tuple[int, ...], int]:
        """Take up to `most` steps.

        Args:
            values: The registers before the first.
            most: How many steps.
            columns: Where they are written down.

        Returns:
            Why it stopped, the wait status, the registers, and how many steps were taken.
        """
        table = self._table
        if not table[_FIELD["pending"]]:  # where a step was interrupted, all goes on as it was
            table[_REGISTERS : _REGISTERS + len(values)] = array("Q", values)
            self._set(
                entries=_address(self._entries),
                states=_address(self._states),
                ends=_address(self._ends),
                position=_address(self._log),
                left=min(most, CHUNK),
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
