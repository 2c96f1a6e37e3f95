"""Many calls of one program in one process: a loop in our own assembly beside the program, and what it needs to know.

    cases ──pack──> pages the program can read ──the loop (batch.s)──> results ──> believed after a random check

The supervisor steps in only where a case does not return: that case is run again in a process of its own, where its
fault is explained, and the loop goes on behind it. What holds, and what does not:

- Each case finds registers, vectors, flags, the program's data, its buffers and its stack as the first one did.
- Only what the program reads is shared with it: no result that it should reach is ever in its process.
- The loop and its results lie in the program's own process. A stray write there is found, because the results then no
  longer agree with the same cases run apart; a program written to deceive can notice that it runs in a loop. Where that
  matters, call the function case by case.
- A program that makes system calls, or uses the C library, or needs more stack than STACK_SIZE is not run in a loop.
"""

from __future__ import annotations

import dataclasses
import functools
import struct
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import takewhile
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.contract.address_map import BUFFERS, PAGE, STACK_AT_ENTRY, page_ceil
from execmem_kernel.execution.contract.call import Buffer, Call, Limits
from execmem_kernel.execution.contract.calling_convention import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS
from execmem_kernel.execution.engines.choice import DefaultEngine
from execmem_kernel.execution.engines.placed_run import placed
from execmem_kernel.execution.process.nondeterminism import reads_chance
from execmem_kernel.execution.values.c_types import Pointer, Scalar
from execmem_kernel.execution.values.prototype import Passed, Prototype
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.program.program import Program, Segment

STATE, STACK, RESULTS = 0x5000_0000, 0x5001_0000, 0x5100_0000
CASES, DATA, LOOP = 0x5400_0000, 0x5800_0000, 0x5F00_0000
"""Where the loop's pages lie in the program's process; drawn in batch.s."""
STACK_SIZE = 2 * PAGE
"""Cleared for every case; a case that needs more is run apart."""
MOST_SIZE = 8 * 1024 * 1024
"""Bytes of cases, and of results, in one process."""
MOST_CASES = 16_384
WALL_S = 0.25
"""After this long the case under way is run apart, which tells whether it is endless."""
_REGISTERS = struct.Struct("<14Q")
_COPY = struct.Struct("<3Q")
_TAKE = struct.Struct("<2Q")
_COUNT = struct.Struct("<Q")
_RESULT = struct.Struct("<3Q")
_RECORD_SIZE = 128
_AT_HWCAP2, _HWCAP2_FSGSBASE = 26, 2  # linux/auxvec.h, asm/hwcap2.h


@dataclasses.dataclass(frozen=True, slots=True)
class CaseResult:
    """What a case left behind."""

    rax: int
    xmm0: int
    buffers: Mapping[str, bytes]


@functools.cache
def _has_fsgsbase() -> bool:
    """Whether a program can change fs and gs by itself on this host; then the loop has to put them back."""
    with open("/proc/self/auxv", "rb") as file:
        return any(
            kind == _AT_HWCAP2 and value & _HWCAP2_FSGSBASE for kind, value in struct.iter_unpack("QQ", file.read())
        )


@functools.lru_cache(64)
def _loop(entry: int) -> Program:
    settings = {
        "CASES": CASES,
        "STATE": STATE,
        "RESULTS": RESULTS,
        "STACK": STACK,
        "STACK_SIZE": STACK_SIZE,
        "ENTRY": entry,
        "HAS_FSGSBASE": int(_has_fsgsbase()),
        "RETURN_SLOT": STACK_AT_ENTRY,
    }
    head = "".join(f".equ {name}, {value:#x}\n" for name, value in settings.items())
    source = resources.files(__package__).joinpath("batch.s").read_text()
    return assemble(head + source, address=LOOP)


class Batch:
    """Cases of one program, laid out for one process."""

    def __init__(self, program: Program, entry: int, limits: Limits, areas: Mapping[str, tuple[int, int]]) -> None:
        loop = _loop(entry)
        text = Segment("rodata", LOOP, loop.code, len(loop.code), "r-x")
        self.program: Program = dataclasses.replace(program, segments=(*program.segments, text), entry=LOOP)
        self.limits: Limits = dataclasses.replace(limits, wall_s=min(WALL_S, limits.wall_s))
        self.areas = areas
        self.data: bytearray = bytearray()
        self.records: list[bytes] = []
        self.written: list[tuple[tuple[str, int], ...]] = []
        """Of each case, its buffers, which are all read back: name and size."""
        self.result_size: int = 0
        writable = [segment for segment in program.segments if segment.protection == "rw-"]
        rows = [self._copy(segment.address, segment.data.ljust(segment.size, b"\0")) for segment in writable]
        self.head: bytes = _COUNT.pack(len(rows)) + b"".join(rows)

    def _copy(self, to: int, data: bytes) -> bytes:
        """A row that has the loop copy these bytes to an address."""
        row = _COPY.pack(to, DATA + len(self.data), len(data))
        self.data += data
        return row

    @property
    def full(self) -> bool:
        """Whether one more case belongs into another process."""
        size = max(len(self.data), self.result_size, _RECORD_SIZE * len(self.records))
        return size > MOST_SIZE or len(self.records) >= MOST_CASES

    def add(self, passed: Passed) -> None:
        """One more case, with arguments of any kind."""
        places = {}
        for name, buffer in passed.buffers.items():
            # As near to the end of its area as an alignment of 64 allows, as in a process of its own.
            data = bytes_of_buffer(buffer)
            places[name] = ((self.areas[name][1] - len(data)) & -64, data)
        registers, _ = passed.at({name: address for name, (address, _) in places.items()})
        values = []
        for register in (*INTEGER_ARGUMENTS, *VECTOR_ARGUMENTS):
            value = registers.get(register, 0)
            values.append(places[value][0] if isinstance(value, str) else value)
        # Those that are const too, to see whether they still hold what they did.
        written = tuple((name, len(data)) for name, (_, data) in places.items())
        parts = [_REGISTERS.pack(*values), _COUNT.pack(len(places))]
        parts += [self._copy(address, data) for address, data in places.values()]
        parts.append(_COUNT.pack(len(written)))
        parts += [_TAKE.pack(places[name][0], size) for name, size in written]
        self.records.append(b"".join(parts))
        self.written.append(written)
        self.result_size += _RESULT.size + sum(size for _, size in written)

    def add_records(self, records: list[bytes]) -> None:
        """Cases of numbers only, as the loop reads them."""
        self.records += records
        self.result_size += _RESULT.size * len(records)

    def run(self, owner: CodeMemoryManager, first: int, name: str) -> bytes | None:
        """Run the cases from `first` on, until all are done or one does not return; the results one after the other.

        None where it cannot be run in a loop: the program made system calls.

        Args:
            owner: Whose memory the program gets.
            first: The number of the first case.
            name: What the memory manager calls that memory.
        """
        records = self.records[first:]
        call = Call(
            program=self.program,
            buffers=MappingProxyType(
                {
                    **{name: Buffer(end - start, start) for name, (start, end) in self.areas.items()},
                    "batch state": Buffer(PAGE, STATE),
                    "batch stack": Buffer(STACK_SIZE, STACK),
                    "batch results": Buffer(self.result_size + 1, RESULTS),
                    "batch cases": Buffer(self.head + _COUNT.pack(len(records)) + b"".join(records), CASES, False),
                    "batch data": Buffer(bytes(self.data) + b"\0", DATA, False),
                }
            ),
            limits=self.limits,
        )
        with placed(owner, call, name) as (_, ready):
            return DefaultEngine().left_behind(ready, "batch results")

    def read(self, results: bytes, first: int) -> Iterator[CaseResult]:
        """What the cases from `first` on left, up to the first that did not return."""
        at = 0
        for written in self.written[first:]:
            done, rax, xmm0 = _RESULT.unpack_from(results, at)
            if done != 1:
                return
            at += _RESULT.size
            buffers = {}
            for name, size in written:
                buffers[name] = results[at : at + size]
                at += size
            yield CaseResult(rax, xmm0, buffers)


def possible(program: Program, prototype: Prototype) -> bool:
    """Whether the program can share its process with the loop, and leaves nothing there that is still to be read."""
    apart = all(segment.end <= STATE or segment.address >= LOOP + PAGE for segment in program.segments)
    text = isinstance(prototype.result, Pointer) and prototype.result.is_text
    # An address in a buffer is another one here than apart, and the two could not be compared.
    text = text or any(isinstance(one.type, Pointer) and one.type.is_texts for one in prototype.parameters)
    # What the supervisor answers begins anew with each process: the cases of one would differ from those run apart.
    return apart and not program.externs and not text and not reads_chance(program)


def areas_for(cases: Sequence[Passed]) -> dict[str, tuple[int, int]]:
    """Start and end of the pages that each buffer of the cases gets, as large as the largest asks for."""
    sizes: dict[str, int] = {}
    for passed in cases:
        for name, buffer in passed.buffers.items():
            sizes[name] = max(sizes.get(name, 1), len(bytes_of_buffer(buffer)))
    areas = {}
    at = BUFFERS + PAGE
    for name, size in sizes.items():
        areas[name] = (at, at + page_ceil(size))
        at += page_ceil(size) + PAGE  # a page between two buffers is not mapped
    return areas


def bytes_of_buffer(buffer: Buffer) -> bytes:
    """The bytes of a buffer that an argument became."""
    assert isinstance(buffer.data, bytes)
    return buffer.data


class NumericCases:
    """The quick way in and out for a function of numbers only: one `struct` format for all of a case."""

    def __init__(self, prototype: Prototype) -> None:
        parameters = prototype.parameters
        integers = [index for index, one in enumerate(parameters) if one.register in INTEGER_ARGUMENTS]
        floats = [index for index, one in enumerate(parameters) if one.register in VECTOR_ARGUMENTS]
        kinds = [_scalar(parameter.type) for parameter in parameters]
        self.order: tuple[int, ...] = (*integers, *floats)
        # A narrow signed number is extended to an int in its register, so its own format only checks it.
        narrow = any(kind.kind == "integer" and kind.signed and kind.size < 4 for kind in kinds)
        self.check: struct.Struct | None = struct.Struct("=" + "".join(kind.code for kind in kinds)) if narrow else None
        words = [
            "i4x" if kind.kind == "integer" and kind.signed and kind.size < 4 else f"{kind.code}{8 - kind.size}x"
            for kind in kinds
        ]
        self.record: struct.Struct = struct.Struct(
            "<" + "".join(words[index] for index in integers) + f"{8 * (6 - len(integers))}x"
            + "".join(words[index] for index in floats) + f"{8 * (8 - len(floats))}x16x"
        )  # fmt: skip
        self.result: struct.Struct
        if prototype.result is None:
            self.result = struct.Struct("<Q16x")
        else:
            kind = _scalar(prototype.result)
            value = f"{kind.code}{8 - kind.size}x"
            self.result = struct.Struct(f"<Q8x{value}" if kind.kind == "float" else f"<Q{value}8x")
        self.returns: bool = prototype.result is not None

    @classmethod
    def of(cls, prototype: Prototype) -> NumericCases | None:
        """For a prototype; None where there are pointers, or a bool among the arguments: no format checks its range."""
        kinds = [parameter.type for parameter in prototype.parameters]
        plain = all(isinstance(kind, Scalar) and kind.kind != "bool" for kind in kinds)
        return cls(prototype) if plain and not isinstance(prototype.result, Pointer) else None

    def records(self, cases: Sequence[tuple[Any, ...]]) -> list[bytes] | None:
        """Every case as the loop reads it; None if one of them is not just numbers that fit."""
        pack = self.record.pack
        try:
            if self.check is not None:
                for case in cases:
                    self.check.pack(*case)
            if self.order == tuple(range(len(self.order))):
                return [pack(*case) for case in cases]
            if any(len(case) != len(self.order) for case in cases):
                return None
            return [pack(*[case[index] for index in self.order]) for case in cases]
        except (struct.error, TypeError, OverflowError):
            return None

    def values(self, results: bytes) -> list[Any]:
        """What the cases returned, up to the first that did not return."""
        rows = self.result.iter_unpack(memoryview(results)[: len(results) // _RESULT.size * _RESULT.size])
        done = list(takewhile(itemgetter(0), rows))
        return [value for _, value in done] if self.returns else [None] * len(done)


def _scalar(kind: Scalar | Pointer) -> Scalar:
    assert isinstance(kind, Scalar)
    return kind
