"""From fragments to the finished `Program`: its segments' bytes, and a listing of what they read as."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from execmem_kernel.assembly.semantics.sections import SEGMENT_ORDER, Fragment, Sections, repeated
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.program.diagnostic import Diagnostic, Span
from execmem_kernel.program.program import ListingRow, Program, Segment
from execmem_kernel.x86.disassembler import LabelsByAddress, disassemble
from execmem_kernel.x86.operands import Encoding, Memory, Target

_PROTECTION: dict[str, Literal["r-x", "r--", "rw-"]] = {"text": "r-x", "rodata": "r--", "data": "rw-", "bss": "rw-"}
_NOPS = (
    b"", b"\x90", b"\x66\x90", b"\x0f\x1f\x00", b"\x0f\x1f\x40\x00", b"\x0f\x1f\x44\x00\x00",
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00", b"\x0f\x1f\x84\x00\x00\x00\x00\x00", b"\x66\x0f\x1f\x84\x00\x00\x00\x00\x00",
    b"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", b"\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00",
)  # fmt: skip
"""One instruction that does nothing, by its size. Source: Intel SDM vol. 2B, NOP, and what GNU as 2.40 writes."""


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
        names: Its labels, and what it takes from the C library.
        warnings: What was found in it, none of it an error.
        compiled: Whether a compiler wrote it.
    """
    segments: list[Segment] = []
    rows: list[ListingRow] = []
    features: set[str] = set()
    labels = symbols.addresses()
    named = LabelsByAddress({**labels, **symbols.externs})
    for segment in SEGMENT_ORDER:
        parts = [section for section in sections if section.segment == segment]
        if segment != "text" and not any(section.fragments for section in parts):
            continue
        start = parts[0].address
        end = max(section.end for section in parts)
        if segment != "text" and start == end:
            continue
        data = bytearray()
        for section in parts:
            data += _padding(segment, section.address - start - len(data))
            for fragment in section.fragments:
                if fragment.encoding is not None:
                    text, needed = _text_of(fragment, fragment.encoding, named)
                    features.update(needed)
                    data += fragment.encoding.code
                    rows.append(_row(fragment, "instruction", segment, start, fragment.encoding.code, text))
                    continue
                piece, kind = _bytes_of(fragment, segment)
                data += piece
                if piece or fragment.size:
                    shown = piece[:16] if len(piece) > 16 and not any(piece) else piece
                    rows.append(_row(fragment, kind, segment, start, shown, _data_text(fragment, piece)))
        held = b"" if segment == "bss" else bytes(data)
        segments.append(Segment(segment, start, held, end - start, _PROTECTION[segment]))
    entry = address
    for name in ("_start", "main"):
        label = symbols.labels.get(name)
        if label is not None and label.section.segment == "text":
            entry = label.address
            break
    return Program(
        source,
        syntax,
        tuple(segments),
        MappingProxyType(labels),
        tuple(rows),
        entry,
        tuple(warnings),
        MappingProxyType({name: symbols.externs[name] for name in sorted(symbols.used_externs)}),
        frozenset(features),
        compiled,
    )


def _padding(segment: str, size: int) -> bytes:
    return nops(size) if segment == "text" else bytes(size)


def _bytes_of(fragment: Fragment, segment: str) -> tuple[bytes, Literal["data", "padding"]]:
    """The bytes of a fragment that is no instruction, and what they are."""
    if fragment.kind == "data":
        return bytes(fragment.data), "data"
    if fragment.kind == "align":
        return repeated(fragment.fill, fragment.size) if fragment.fill else _padding(segment, fragment.size), "padding"
    return repeated(fragment.fill or b"\0", fragment.size), "data"


def nops(size: int) -> bytes:
    """Bytes that do nothing, in as few instructions as may be; a jump over them where they would be more than eight.

    Source: i386_generate_nops in gas/config/tc-i386.c, binutils 2.40.
    """
    longest = len(_NOPS) - 1
    if size // longest > 7:
        if size - 2 < 128:
            return b"\xeb" + bytes([size - 2]) + _plain_nops(size - 2)
        return b"\xe9" + (size - 5).to_bytes(4, "little") + _plain_nops(size - 5)
    return _plain_nops(size)


def _plain_nops(size: int) -> bytes:
    longest = len(_NOPS) - 1
    return _NOPS[longest] * (size // longest) + _NOPS[size % longest]


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
    statement = fragment.statement
    printable = sum(32 <= byte < 127 for byte in piece)
    if (
        printable >= 2
        and printable * 2 >= len(piece)
        and (statement.directive is None or statement.directive.size in (0, 1))
    ):
        shown = "".join(
            chr(byte) if 32 <= byte < 127 and byte not in (34, 92) else f"\\x{byte:02x}" for byte in piece[:60]
        )
        return f'.ascii "{shown}"' + (" ..." if len(piece) > 60 else "")
    size = statement.directive.size if statement.directive is not None and statement.directive.kind == "data" else 1
    word = {1: ".byte", 2: ".word", 4: ".long", 8: ".quad"}.get(size, ".byte")
    size = size if word != ".byte" else 1
    values = [
        int.from_bytes(piece[index : index + size], "little") for index in range(0, min(len(piece), 16 * size), size)
    ]
    return f"{word} {', '.join(f'{value:#x}' for value in values)}" + (" ..." if len(piece) > 16 * size else "")
