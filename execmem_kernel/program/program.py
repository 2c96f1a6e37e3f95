"""An assembled program as a value: bytes, segments, labels, and which bytes came from which piece of source."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from execmem_kernel.program import shown
from execmem_kernel.program.diagnostic import Diagnostic, Span

Item = Literal["", "b", "e", "f", "d", "h", "i", "q", "t", "o", "s", "x"]
"""What data consist of, by the letters of `struct`: "b", "h", "i" and "q" whole numbers of 1, 2, 4 and 8 bytes, "e",
"f" and "d" floating point of 2, 4 and 8. "s" is text, "x" bytes that nothing says more about: room, numbers of any
length. `struct` has none for 16 bytes, "o" here as in NASM's `do`, and for x87's 10, "t" as in `dt`. Code has ""."""
CODE_ADDRESS = 0x1000_0000
"""Where a program's code starts unless asked otherwise: below 2 GiB, so that a 32-bit absolute address reaches it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of memory that a program asks for: `data`, then zeros up to `size` bytes, page-aligned at `address`."""

    name: Literal["text", "rodata", "data", "bss"]
    address: int
    data: bytes
    size: int
    protection: Literal["r-x", "r--", "rw-"]

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.size


class ListingRow(NamedTuple):
    """Some bytes of a program beside the source that made them: one instruction, or one piece of data.

    A statement that makes several things (`times 3 nop`, a macro call) has a row for each, all with its span;
    `expansion` then names the macro lines they came through, outermost first.
    """

    kind: Literal["instruction", "data", "padding"]
    segment: str
    address: int
    offset: int
    """From the start of its segment."""
    code: bytes
    """The bytes; for zero-filled space only the first 16."""
    size: int
    text: str
    """The instruction as the disassembler reads the bytes back, or a readable form of the data."""
    span: Span
    source: str
    """The source line, as typed."""
    expansion: tuple[tuple[int, str], ...] = ()
    item: Item = ""
    """What the directive says that the data consist of; "" for instructions and padding."""


@dataclass(frozen=True, slots=True, repr=False)
class Program:
    """A program ready to be placed and run; equal sources give equal programs."""

    source: str
    syntax: Literal["intel", "att"]
    segments: tuple[Segment, ...]
    """In address order; the first is text."""
    labels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Name to absolute address."""
    listing: tuple[ListingRow, ...] = ()
    """In address order."""
    entry: int = CODE_ADDRESS
    """Where it starts: `_start`, `main` or the first instruction, whichever exists first in this order."""
    warnings: tuple[Diagnostic, ...] = ()
    externs: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Names declared `extern` and used, each with the address the program has for it (program/externs.py)."""
    features: frozenset[str] = frozenset()
    """CPU features its instructions need beyond the x86-64 baseline, by iced-x86's names in lower case."""
    compiled: bool = False
    """Whether a compiler wrote the source."""

    def __setstate__(self, state: list[Any]) -> None:
        # A pickle is the values of the fields in their order; an older one has fewer, and the rest is as by default.
        Program.__init__(self, *state)

    def __repr__(self) -> str:
        count = sum(row.kind == "instruction" for row in self.listing)
        return f"<Program: instructions {count:,}, bytes of code {len(self.code):,}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """The listing, in both forms; notebooks ask for this."""
        return shown.bundle(self)

    @property
    def text(self) -> Segment:
        """The segment with the code."""
        return self.segments[0]

    @property
    def code(self) -> bytes:
        """The bytes of the text segment."""
        return self.segments[0].data

    @property
    def address(self) -> int:
        """Where the text segment starts."""
        return self.segments[0].address

    def row_at(self, address: int) -> ListingRow | None:
        """The row whose bytes hold the address, or None."""
        index = bisect_right(self.listing, address, key=lambda row: row.address) - 1
        if index < 0 or address >= self.listing[index].address + self.listing[index].size:
            return None
        return self.listing[index]

    def line_at(self, address: int) -> int | None:
        """The source line that made the byte at the address, or None."""
        row = self.row_at(address)
        return None if row is None else row.span.line

    def __hash__(self) -> int:
        return hash((self.source, self.syntax, self.entry, self.code))
