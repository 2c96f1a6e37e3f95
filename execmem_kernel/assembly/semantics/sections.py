"""What a source is made of while it is assembled: fragments in sections, and the labels between them.

A fragment is what one statement makes. A run is a stretch of fragments at fixed distances from each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.statements import Statement
from execmem_kernel.program.program import Item
from execmem_kernel.x86.operands import Encoding, Operation, Refusal

SIZE_LIMIT = 1 << 20
"""Bytes that a program may have."""
PAGE = 4096
"""Bytes of a page of memory (Intel SDM vol. 3, 5.2); segments are that far apart at least."""
FragmentKind = Literal["code", "data", "space", "align", "org"]
SectionKind = Literal["text", "rodata", "data", "bss", "note"]
"""What a section holds; a "note" is for debuggers and linkers, and never loaded."""
SegmentName = Literal["text", "rodata", "data", "bss"]
SEGMENT_ORDER: tuple[SegmentName, ...] = ("text", "rodata", "data", "bss")


class Fixup(NamedTuple):
    """A value in data that is known only when everything has its place."""

    offset: int
    """Where in its fragment it goes."""
    size: int
    """In bytes."""
    value: Expression
    start: int
    """The columns it comes from, 0-based; `end` is the first behind them."""
    end: int


_NO_DATA = bytearray()
_NO_FIXUPS: list[Fixup] = []


class Fragment:
    """Bytes that one statement makes."""

    __slots__ = (
        "address",
        "amount",
        "count",
        "data",
        "encoding",
        "fill",
        "fixups",
        "form",
        "item",
        "kind",
        "limit",
        "line",
        "operation",
        "order",
        "parent",
        "refusal",
        "run",
        "section",
        "size",
        "statement",
    )  # fmt: skip

    def __init__(
        self, kind: FragmentKind, line: Line, statement: Statement, section: Section, order: int, run: int, parent: str
    ) -> None:
        self.kind: FragmentKind = kind
        self.line: Line = line
        self.statement: Statement = statement
        self.section: Section = section
        self.order: int = order
        """Its place in the order of reading, among labels too."""
        self.run: int = run
        """Fragments of one run lie at fixed distances from each other."""
        self.parent: str = parent
        """The last plain label before it."""
        self.address: int = 0
        self.size: int = 0
        """In bytes, in the present layout."""
        self.count: int = 1
        """Of an "align": to how many bytes; of a "space": bytes of one repetition."""
        self.encoding: Encoding | None = None
        self.data: bytearray = _NO_DATA
        self.fixups: list[Fixup] = _NO_FIXUPS
        """Of "data": the values that only the layout knows."""
        self.amount: Expression | None = None
        """Of a "space": how many times, where that depends on addresses; of an "org": where to."""
        self.fill: bytes = b""
        """What an "align", a "space" or an "org" repeats; where empty, what suits the section."""
        self.limit: int | None = None
        """Of an "align": how many bytes it may skip at most; 0 of a direct call, which has no short form."""
        self.operation: Operation | None = None
        """Of "code": what is encoded; None before it is built, and where that is an error."""
        self.form: Literal["short", "near"] | None = None
        """Which form a jump has now, where it may have either."""
        self.refusal: Refusal | None = None
        """Why it has no bytes in the present layout."""
        self.item: Item = ""
        """What data consist of."""


class Section:
    """The fragments of one section, in order."""

    __slots__ = ("address", "alignment", "end", "error_reported", "fragments", "name", "run", "segment")

    def __init__(self, name: str, segment: SectionKind, run: int) -> None:
        self.name: str = name
        self.segment: SectionKind = segment
        """What it holds, and so the segment that it becomes a part of."""
        self.fragments: list[Fragment] = []
        self.alignment: int = 1
        """In bytes: the largest of its alignments."""
        self.address: int = 0
        self.end: int = 0
        """The address behind its last byte."""
        self.run: int = run
        """The run that its next fragment belongs to."""
        self.error_reported: bool = False
        """Whether ASM054, instructions where they cannot stand, has been reported for this section."""


@dataclass(frozen=True, slots=True)
class Label:
    """A place in the program: before the fragment `index` of its section."""

    name: str
    section: Section
    index: int
    run: int
    """The run of the fragment before it."""
    order: int
    """Its place in the order of reading, among fragments too."""
    line: Line
    start: int
    """Columns of its name in the line, 0-based; `end` is the first behind it."""
    end: int
    parent: str
    """The last plain label before it."""

    @property
    def address(self) -> int:
        """Its address in the present layout."""
        fragments = self.section.fragments
        return fragments[self.index].address if self.index < len(fragments) else self.section.end


@dataclass(frozen=True, slots=True)
class Definition:
    """What a name was set to, and where: `$` in it means that place."""

    value: Expression
    place: Label


class Sections:
    """All sections of a source in the order they were named, and where its next statement goes."""

    def __init__(self) -> None:
        self.order: int = 0
        """Counts everything that has a place, in the order of reading."""
        self.size: int = 0
        """Bytes that the program takes as far as they are known while reading."""
        self.parent = ""
        """The last plain label: what labels with a dot belong to."""
        self.owners: dict[int, Section] = {}
        """Which section a run belongs to."""
        self._runs = 0
        self._by_name: dict[str, Section] = {}
        self.text: Section = self.open(".text", "text")
        self.current: Section = self.text
        self.previous: Section = self.text
        self.open(".data", "data")  # before .data.rel.ro and the like, as linkers have it
        self.stack: list[Section] = []

    def __iter__(self) -> Iterator[Section]:
        return iter(self._by_name.values())

    def add_fragment(self, kind: FragmentKind, statement: Statement, line: Line) -> Fragment:
        """A new fragment at the end of the current section.

        Args:
            kind: What it is.
            statement: What makes it.
            line: Where that stands.
        """
        section = self.current
        self.order += 1
        fragment = Fragment(kind, line, statement, section, self.order, section.run, self.parent)
        section.fragments.append(fragment)
        return fragment

    def break_run(self) -> None:
        """What follows does not lie at a fixed distance from what came before."""
        self._runs += 1
        self.current.run = self._runs
        self.owners[self._runs] = self.current

    def label_here(self, name: str, line: Line, start: int, end: int) -> Label:
        """The location counter as a label: the end of the current section.

        Args:
            name: What it is called, or "" for a place that is only asked for.
            line: Where it stands.
            start: First column of its name, 0-based.
            end: The column behind the last.
        """
        self.order += 1
        section = self.current
        return Label(name, section, len(section.fragments), section.run, self.order, line, start, end, self.parent)

    def add_data(self, statement: Statement, line: Line, data: bytes, item: Item) -> Fragment:
        """A new fragment of bytes that are known already.

        Args:
            statement: What makes them.
            line: Where that stands.
            data: The bytes.
            item: What they consist of.

        Raises:
            SourceError: The section holds only zeros, or the program becomes too large.
        """
        if self.current.segment == "bss" and any(data):
            raise lost_in_bss(statement)
        fragment = self.add_fragment("data", statement, line)
        fragment.data = bytearray(data)
        fragment.size = len(data)
        fragment.item = item
        self.grow(len(data), statement)
        return fragment

    def grow(self, size: int, statement: Statement) -> None:
        """Count bytes that the program takes.

        Raises:
            SourceError: They are more than a program may have.
        """
        self.size += size
        if size > SIZE_LIMIT or self.size > SIZE_LIMIT:
            raise too_large(statement.start, statement.end)

    def open(self, name: str, segment: SectionKind) -> Section:
        """The section of that name, made when it is first named."""
        section = self._by_name.get(name)
        if section is None:
            self._runs += 1
            section = Section(name, segment, self._runs)
            self._by_name[name] = self.owners[self._runs] = section
        return section


def too_large(start: int, end: int) -> SourceError:
    """What says that the program is past its cap, at the columns of what takes so much."""
    return SourceError(
        "ASM062",
        "The program would be larger than 1 MiB.",
        start,
        end,
        "that is the most that .text, .data and .bss may have together; `call malloc` gets more while it runs",
    )


def lost_in_bss(statement: Statement) -> SourceError:
    """Why bytes cannot stand in .bss."""
    return SourceError(
        "ASM055",
        "Data in .bss would be lost: it holds only zeros.",
        statement.start,
        statement.end,
        "write .data before it",
    )


def repeated(unit: bytes, size: int) -> bytes:
    """So many bytes of a pattern; zeros where there is none."""
    if not unit:
        return bytes(size)
    return (unit * (size // len(unit) + 1))[:size]
