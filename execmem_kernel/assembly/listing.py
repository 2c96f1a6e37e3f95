"""From fragments to the finished `Program`: its segments' bytes, and a listing of what they read as."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from execmem_kernel.assembly.nops import nops
from execmem_kernel.assembly.semantics.sections import SEGMENT_ORDER, Fragment, Section, Sections, SegmentName, repeated
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.program.diagnostic import Diagnostic, Span
from execmem_kernel.program.program import ListingRow, Program, Segment
from execmem_kernel.x86.disassembler import LabelsByAddress, disassemble
from execmem_kernel.x86.operands import Encoding, Memory, Target

_PROTECTION: dict[SegmentName, Literal["r-x", "r--", "rw-"]] = {
    "text": "r-x",
    "rodata": "r--",
    "data": "rw-",
    "bss": "rw-",
}


def finished(
    source: str,
    syntax: Syntax,
    address: int,
    sections: Sections,
    symbols: SymbolTable,
    warnings: Sequence[Diagnostic],
    *,
    compiled: bool,
) -> Program:
    """The program that a laid out and encoded source has become.

    Args:
        source: The text as it was given.
        syntax: What it began with.
        address: Where it starts unless a label says otherwise.
        sections: Its fragments, all with their bytes.
        symbols: Its labels, and what it takes from the C library.
        warnings: What was found in it, none of it an error.
        compiled: Whether a compiler wrote it.
    """
    labels = symbols.addresses()
    names = LabelsByAddress({**labels, **symbols.externs})
    rows: list[ListingRow] = []
    features: set[str] = set()
    segments: list[Segment] = []
    for segment in SEGMENT_ORDER:
        parts = [section for section in sections if section.segment == segment]
        is_empty = not parts or parts[0].address == max(section.end for section in parts)
        # There is always code, even if it is none.
        if segment == "text" or (not is_empty and any(section.fragments for section in parts)):
            segments.append(_segment(segment, parts, names, rows, features))
    return Program(
        source,
        syntax,
        tuple(segments),
        MappingProxyType(labels),
        tuple(rows),
        _entry(symbols, address),
        tuple(warnings),
        MappingProxyType({name: symbols.externs[name] for name in sorted(symbols.used_externs)}),
        frozenset(features),
        compiled,
    )


def _segment(
    name: SegmentName, parts: Sequence[Section], names: LabelsByAddress, rows: list[ListingRow], features: set[str]
) -> Segment:
    """The bytes of one segment's sections; what they read as goes to `rows`, CPU features needed to `features`."""
    start, end = parts[0].address, max(section.end for section in parts)
    data = bytearray()
    for section in parts:
        data += _padding(name, section.address - start - len(data))
        for fragment in section.fragments:
            if fragment.encoding is not None:
                text, needed = _text_of(fragment, fragment.encoding, names)
                features.update(needed)
                data += fragment.encoding.code
                rows.append(_row(fragment, "instruction", name, start, fragment.encoding.code, text))
                continue
            piece, kind = _bytes_of(fragment, name)
            data += piece
            if piece or fragment.size:
                shown = piece[:16] if len(piece) > 16 and not any(piece) else piece
                rows.append(_row(fragment, kind, name, start, shown, _data_text(fragment, piece)))
    return Segment(name, start, b"" if name == "bss" else bytes(data), end - start, _PROTECTION[name])


def _entry(symbols: SymbolTable, address: int) -> int:
    """Where the program starts: at `_start` or `main` if there is one in the code."""
    for name in ("_start", "main"):
        label = symbols.labels.get(name)
        if label is not None and label.section.segment == "text":
            return label.address
    return address


def _padding(segment: str, size: int) -> bytes:
    return nops(size) if segment == "text" else bytes(size)


def _bytes_of(fragment: Fragment, segment: str) -> tuple[bytes, Literal["data", "padding"]]:
    """The bytes of a fragment that is no instruction, and what they are."""
    if fragment.kind == "data":
        return bytes(fragment.data), "data"
    if fragment.kind == "align":
        return repeated(fragment.fill, fragment.size) if fragment.fill else _padding(segment, fragment.size), "padding"
    return repeated(fragment.fill or b"\0", fragment.size), "data"


@lru_cache(maxsize=4096)
def _branch_read_back(code: bytes) -> tuple[str, tuple[str, ...]]:
    """The name of a direct branch with its displacement left out, and the CPU features it needs."""
    instruction = disassemble(code, 0)[0]
    return instruction.text.partition(" ")[0], instruction.features


def _row(
    fragment: Fragment,
    kind: Literal["instruction", "data", "padding"],
    segment: str,
    start: int,
    code: bytes,
    text: str,
) -> ListingRow:
    line, address = fragment.line, fragment.address
    source = line.source
    if line.moved:
        first, last = len(source) - len(source.lstrip()), len(source.rstrip())
    else:
        first, last = fragment.statement.start, fragment.statement.last
    span = Span(line.number, first + 1, (first if first > last else last) + 1)
    return ListingRow(
        kind, segment, address, address - start, code, fragment.size, text, span, source, line.expansion, fragment.item
    )


def _text_of(fragment: Fragment, encoding: Encoding, names: LabelsByAddress) -> tuple[str, tuple[str, ...]]:
    """The text of an instruction, with the label that it names where it depends on where it lies; its CPU features."""
    if fragment.statement.ready is not None:
        return encoding.text, encoding.features
    assert fragment.operation is not None
    code = encoding.code
    for operand in fragment.operation.operands:
        if isinstance(operand, Target):
            width = 4 if len(code) > 4 else 1
            branch, needed = _branch_read_back(code[:-width] + bytes(width))
            return f"{branch} {names.at(operand.address) or hex(operand.address)}", needed
        if isinstance(operand, Memory) and operand.target is not None:
            place = names.near(operand.target)
            if place is not None and "[rip]" in encoding.text:
                return encoding.text.replace("[rip]", f"[rip + {place}]"), encoding.features
            return disassemble(code, fragment.address)[0].text, encoding.features
    return encoding.text, encoding.features


def _data_text(fragment: Fragment, piece: bytes) -> str:
    """A readable form of bytes that are no instruction."""
    if fragment.kind == "align":
        return f".balign {fragment.count}"
    if not any(piece):
        return f".zero {fragment.size}"
    directive = fragment.statement.directive
    printable = sum(32 <= byte < 127 for byte in piece)
    if printable >= 2 and printable * 2 >= len(piece) and (directive is None or directive.size in (0, 1)):
        return _ascii_text(piece)
    size = directive.size if directive is not None and directive.kind == "data" else 1
    word = _WORDS.get(size)
    if word is None:
        word, size = ".byte", 1
    starts = range(0, min(len(piece), 16 * size), size)
    values = [int.from_bytes(piece[start : start + size], "little") for start in starts]
    return f"{word} {', '.join(f'{value:#x}' for value in values)}" + (" ..." if len(piece) > 16 * size else "")


_WORDS = {1: ".byte", 2: ".word", 4: ".long", 8: ".quad"}


def _ascii_text(piece: bytes) -> str:
    shown = "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in piece[:60])
    return f'.ascii "{shown}"' + (" ..." if len(piece) > 60 else "")
