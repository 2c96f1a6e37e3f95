"""Plans a program's memory before its first instruction: mappings, contents, buffers, initial stack."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol, SupportsIndex

from execmem_kernel.execution.contract.address_map import (
    ALTERNATE_STACK,
    ALTERNATE_STACK_SIZE,
    ARGUMENTS_SIZE,
    BREAK,
    BREAKPOINT,
    BUFFERS,
    BUFFERS_SIZE,
    CALLER_SIZE,
    CANARY,
    CODE_DESCRIPTOR,
    CONTROL,
    LIBRARIES,
    LIBRARIES_END,
    PAGE,
    PROGRAM_NAME,
    PROTECTIONS,
    RETURN,
    RUNNER,
    STACK_AT_ENTRY,
    STACK_END,
    STACK_LOWEST,
    USER_END,
    page_ceil,
    page_floor,
)
from execmem_kernel.execution.contract.call import Buffer, Call, Limits
from execmem_kernel.execution.process.nondeterminism import Nondeterminism, nondeterminism
from execmem_kernel.linux.memory import MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE
from execmem_kernel.program.externs import SLOT
from execmem_kernel.program.program import Program, Segment
from execmem_kernel.x86.registers import MASK

_LOWEST = 16 * PAGE
"""The least address of a program's memory; the kernel maps nothing below (vm.mmap_min_addr is 64 KiB)."""
_CANARY = bytes([CANARY])


@dataclass(frozen=True, slots=True)
class PlannedMapping:
    """One mapping for the runner to make."""

    address: int
    size: int
    protection: str
    offset: int | None = None
    """Into the file that holds the code; None for memory that starts as zeros."""
    descriptor: int | None = None
    """Of another file than the one that holds the code; such a file is mapped privately."""

    @property
    def row(self) -> tuple[int, int, int, int, int, int]:
        """Address, size, protection, flags, descriptor, offset: the six arguments of mmap."""
        if self.offset is None:
            flags, descriptor = MAP_PRIVATE | MAP_ANONYMOUS, MASK
        else:
            flags, descriptor = MAP_PRIVATE, CODE_DESCRIPTOR if self.descriptor is None else self.descriptor
        flags |= MAP_FIXED_NOREPLACE
        return self.address, self.size, PROTECTIONS[self.protection], flags, descriptor, self.offset or 0


@dataclass(frozen=True, slots=True)
class PlacedBuffer:
    """A buffer in its place: its own bytes, and the pages that hold it."""

    name: str
    start: int
    size: int
    page_start: int
    page_end: int
    writable: bool
    canary: bool
    """Whether the rest of its pages is filled with `CANARY`."""

    @property
    def end(self) -> int:
        """The address behind its last byte."""
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """A program's whole memory before its first instruction."""

    mappings: tuple[PlannedMapping, ...]
    contents: tuple[tuple[int, bytes], ...]
    """What is written from outside before the program starts: address and bytes."""
    buffers: Mapping[str, PlacedBuffer]
    places: Mapping[str, tuple[int, int]]
    """Name -> start and end, of everything a program may meet."""
    descriptors: tuple[int, ...] = ()
    """Descriptors that the runner finds under the same numbers."""
    registers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"rsp": STACK_AT_ENTRY}))
    """What the program is started with, where nothing else is asked for: rsp at least."""
    first_word: int = RETURN
    """What lies at rsp when the program starts: the return address, or for a process the number of its arguments."""

    nondeterminism: Nondeterminism = field(default_factory=Nondeterminism)
    """The program's instructions that would differ from run to run."""

    @property
    def first(self) -> tuple[int, int]:
        """Where the stack begins, and the word that lies there."""
        return self.registers["rsp"], self.first_word


class MappedLibrary(Protocol):
    """What else lies in a program's memory: the C library."""

    @property
    def mappings(self) -> tuple[PlannedMapping, ...]:
        """Its mappings."""
        ...

    @property
    def contents(self) -> tuple[tuple[int, bytes], ...]:
        """What is to be written to them: address and bytes."""
        ...

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The files that they come from."""
        ...


def _overlaps(start: int, end: int, taken: list[tuple[int, int, str]]) -> str | None:
    return next((name for low, high, name in taken if start < high and low < end), None)


def _size(buffer: Buffer) -> int:
    return buffer.data if isinstance(buffer.data, int) else len(memoryview(buffer.data).cast("B"))


def _address(name: str, address: object) -> int:
    if not isinstance(address, SupportsIndex):
        raise TypeError(f"buffer {name!r} is put at an address, a whole number, not {address!r}")
    return operator.index(address)


def _place(buffers: Mapping[str, Buffer], taken: list[tuple[int, int, str]]) -> Iterator[PlacedBuffer]:
    """Give each buffer its address.

    A buffer ends as close to the page behind it as an alignment of 64 allows (the widest a vector instruction asks
    for), and that page is not mapped: reading or writing past the end faults at once, or touches the canary.
    """
    free, room = BUFFERS, BUFFERS_SIZE
    for name, buffer in buffers.items():
        size = _size(buffer)
        if size < 0:
            raise ValueError(f"buffer {name!r} has a negative size, {size}")
        room -= size
        if room < 0:
            raise ValueError(f"buffer {name!r}: a program's buffers have {BUFFERS_SIZE:,} bytes at most, all together")
        if buffer.address is None:
            page_start = free + PAGE
            while _overlaps(page_start - PAGE, page_start + page_ceil(max(size, 1)) + PAGE, taken):
                page_start += PAGE
            page_end = page_start + page_ceil(max(size, 1))
            start = (page_end - size) & -64
            free = page_end
            canary = True
        else:
            start = _address(name, buffer.address)
            page_start, page_end = page_floor(start), page_ceil(start + max(size, 1))
            canary = False
        other = _overlaps(page_start, page_end, taken)
        if other is not None or page_end > USER_END or page_start < _LOWEST:
            where = f"the {other} is there" if other else "a program's memory does not reach there"
            raise ValueError(f"buffer {name!r} cannot be placed at {start:#x}: {where}")
        taken.append((page_start, page_end, f"buffer {name!r}"))
        yield PlacedBuffer(name, start, size, page_start, page_end, buffer.writable, canary)


def plan(call: Call, beside: MappedLibrary | None = None) -> AddressSpace:
    """Lay out a call's memory, and what is to lie beside it.

    Raises:
        ValueError: A segment or a buffer cannot lie where it was asked to.
    """
    if call.buffers or beside is not None or call.start != "function":
        return _Planner(call).plan(beside)
    return _program_alone(call.program, None if call.backing is None else call.backing[1], call.limits.stack_size)


@lru_cache(8)
def _program_alone(program: Program, backing_at: int | None, stack_size: int) -> AddressSpace:
    """The address space of a program without buffers or arguments: the same in each of its runs."""
    backing = None if backing_at is None else (-1, backing_at, 0)
    return _Planner(Call(program, backing=backing, limits=Limits(stack_size=stack_size))).plan(None)


class _Planner:
    """An address space that is being planned."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._mappings: list[PlannedMapping] = []
        self._contents: list[tuple[int, bytes]] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._buffers: dict[str, PlacedBuffer] = {}
        self._taken = [
            (STACK_LOWEST - PAGE, STACK_END + PAGE, "stack"),
            (RETURN, RETURN + PAGE, "return address"),
            (RUNNER, RUNNER + 16 * PAGE, "runner"),
            (CONTROL, ALTERNATE_STACK + ALTERNATE_STACK_SIZE, "runner"),
        ]
        """What has a place already: start, end, and what messages call it."""

    def plan(self, beside: MappedLibrary | None) -> AddressSpace:
        """The whole of it. Later places avoid earlier ones, so the order counts."""
        if beside is not None:
            self._add_library(beside)
        for segment in self._call.program.segments:
            self._add_segment(segment)
        registers, first_word = self._add_stack()
        self._check_buffer_names()
        for buffer in _place(self._call.buffers, self._taken):
            self._add_buffer(buffer)
        if beside is not None:
            functions = self._call.program.externs.items()
            self._places |= {name: (address, address + SLOT - 1) for name, address in functions}
            heap = BREAK, BREAK + self._call.limits.memory_size
            self._places |= {"libc": (LIBRARIES, LIBRARIES_END), "heap": heap}
        return AddressSpace(
            tuple(self._mappings), tuple(self._contents), MappingProxyType(self._buffers),
            MappingProxyType(self._places), () if beside is None else beside.descriptors, registers, first_word,
            nondeterminism(self._call.program),
        )  # fmt: skip

    def _add_library(self, library: MappedLibrary) -> None:
        self._mappings += library.mappings
        self._contents += library.contents
        self._taken += [(one.address, one.address + one.size, "C library") for one in library.mappings]
        self._taken.append((LIBRARIES, LIBRARIES_END, "C library"))

    def _add_segment(self, segment: Segment) -> None:
        start, end = segment.address, page_ceil(segment.address + max(segment.size, 1))
        other = _overlaps(start, end, self._taken)
        if start % PAGE or other or end > USER_END or start < _LOWEST:
            raise ValueError(
                f"the {segment.name} segment cannot lie at {start:#x}: "
                + (
                    f"the {other} is there"
                    if other
                    else f"it must start a page of a program's half of memory, from {_LOWEST:#x} on"
                )
            )
        self._taken.append((start, end, segment.name))
        self._places["code" if segment.name == "text" else segment.name] = (start, segment.end)
        if segment.name != "text":
            self._mappings.append(PlannedMapping(start, end - start, segment.protection))
            if segment.data.strip(b"\0"):
                self._contents.append((start, segment.data))
        elif self._call.backing is None:
            self._mappings.append(PlannedMapping(start, end - start, "r-x"))
            self._contents.append((start, segment.data.ljust(end - start, BREAKPOINT)))
        else:
            self._mappings.append(PlannedMapping(start, end - start, "r-x", self._call.backing[1]))

    def _add_stack(self) -> tuple[Mapping[str, int], int]:
        """The registers that the program starts with, and the word at rsp."""
        registers, first_word, above = _given(self._call)
        at_entry = registers["rsp"]
        start = page_floor(at_entry + 8) - page_ceil(self._call.limits.stack_size)
        self._mappings.append(PlannedMapping(start, STACK_END - start, "rw-"))
        self._places["stack"] = (start, at_entry + 8)
        if above:
            self._contents.append((at_entry + 8, above))
            self._places["arguments"] = (at_entry + 8, STACK_END)
        return registers, first_word

    def _check_buffer_names(self) -> None:
        """Refuse names that reports need for something else; a segment makes room for a buffer of its name."""
        for name in self._call.buffers:
            if not isinstance(name, str) or not name:
                raise ValueError(f"a buffer's name is a word, not {name!r}")
            if name in ("code", "stack", "arguments"):
                raise ValueError(
                    f"a buffer cannot be called {name!r}: reports use that word for the program's own {name}"
                )
            if name in self._places:
                self._places[f"{name} segment"] = self._places.pop(name)

    def _add_buffer(self, buffer: PlacedBuffer) -> None:
        self._buffers[buffer.name] = buffer
        self._places[buffer.name] = (buffer.start, buffer.end)
        size = buffer.page_end - buffer.page_start
        self._mappings.append(PlannedMapping(buffer.page_start, size, "rw-" if buffer.writable else "r--"))
        given = self._call.buffers[buffer.name].data
        data = bytes(buffer.size) if isinstance(given, int) else bytes(memoryview(given).cast("B"))
        if buffer.canary:
            before, after = buffer.start - buffer.page_start, buffer.page_end - buffer.end
            self._contents.append((buffer.page_start, _CANARY * before + data + _CANARY * after))
        elif data.strip(b"\0"):
            self._contents.append((buffer.start, data))


def _given(call: Call) -> tuple[Mapping[str, int], int, bytes]:
    """What a program is given: registers, the word at rsp, and what lies above that on the stack.

    A process finds argc at rsp, then argv, a null pointer, envp, a null pointer, and an auxiliary vector, all of them
    empty but argv; rsp is a multiple of 16. `main` is called: it finds the same above its return address, in a frame
    that is its caller's. Source: System V ABI, AMD64 supplement, 3.4.1.
    """
    if call.start == "function":
        return MappingProxyType({"rsp": STACK_AT_ENTRY}), RETURN, b""
    texts = [text + b"\0" for text in (PROGRAM_NAME, *call.arguments)]
    strings = b"".join(texts)
    words = len(texts) + 1 + 1 + 2  # argv, envp, and the auxiliary vector, each with its end
    size = 8 * words + len(strings)
    process = call.start == "process"
    end = STACK_END - CALLER_SIZE
    at_entry = end - size - 8 & -16 if process else (end - size & -16) - 8
    argv = at_entry + 8
    if end - argv > ARGUMENTS_SIZE:
        raise ValueError(f"the arguments of a program may have {ARGUMENTS_SIZE:,} bytes at most, all together")
    pointers = []
    address = end - len(strings)
    for text in texts:
        pointers.append(address)
        address += len(text)
    block = struct.pack(f"<{words}Q", *pointers, 0, 0, 0, 0)
    above = block.ljust(end - len(strings) - argv, b"\0") + strings
    if process:
        return MappingProxyType({"rsp": at_entry}), len(texts), above
    registers = {"rsp": at_entry, "rdi": len(texts), "rsi": argv, "rdx": argv + 8 * (len(texts) + 1)}
    return MappingProxyType(registers), RETURN, above
