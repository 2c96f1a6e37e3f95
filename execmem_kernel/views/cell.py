"""What a cell shows: an outcome, a program or diagnostics become one `Report`, which is both text and HTML.

    Outcome | Program | diagnostics --> Report(parts) --> text/plain, text/html

Both come from the same parts, so they say the same. Neither holds an address, a time or an id: the same cell
shows the same report in every run. The HTML has inline styles only and no colour that matters alone, because
JupyterLab takes everything else out of a notebook that it does not trust.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, TypeGuard

from execmem_kernel.assembly.diagnostics import Diagnostic
from execmem_kernel.assembly.program import ListingRow, Program, Segment
from execmem_kernel.execution.engine import (
    GENERAL,
    Exited,
    Faulted,
    LifeEvent,
    Outcome,
    Returned,
    TimedOut,
    describe_place,
)
from execmem_kernel.execution.flags import STATUS, undefined_flags
from execmem_kernel.execution.tracing import Trace

LISTING_ROWS = 40
"""Rows of a listing that are shown; the rest is counted."""

SCRATCH = ("rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
"""Registers that a called function need not preserve, but for rax. Source: System V ABI, AMD64, figure 3.4."""
LONG = 24
"""Characters that a cell of a table may have before it is allowed to wrap."""
LINE_SHOWN = 100
"""Characters shown of a line in the example of a code; the lines that are too long on purpose go on for ever."""
BYTES_SHOWN = 11
"""Bytes shown of one row of a listing; longer than this are few instructions and much data."""

EARLY = 512
"""Bytes shown of what a program printed that a clock stopped: all of it is as long as the machine is fast."""

FLAG_WORDS = {
    "CF": "carry", "PF": "parity", "AF": "adjust", "ZF": "zero", "SF": "sign", "TF": "trap",
    "DF": "direction", "OF": "overflow", "AC": "alignment check",
}  # fmt: skip

LIMIT_WORDS = {"wall": "time limit", "cpu": "processor time limit"}

Tone = Literal["good", "bad", "warning", "plain"]


# ---- The parts of a report -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of prose; `lead` is the word that it begins with, said louder."""

    text: str
    lead: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a caption; `marked` is the row to look at, and its last column says why."""

    caption: str
    rows: tuple[tuple[str, ...], ...]
    headings: tuple[str, ...] = ()
    marked: int | None = None
    folded: bool | None = None
    """None: always open. Otherwise HTML readers may fold it, and it starts folded or open."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text to be read as it stands: what a program printed, a source line with its carets."""

    text: str
    caption: str = ""
    note: str = ""


Part = Sentence | Table | Verbatim


@dataclass(frozen=True, slots=True)
class Report:
    """What a cell shows, ready for every reader: a notebook takes HTML, a terminal and a grader take text."""

    parts: tuple[Part, ...]

    def text(self) -> str:
        """The report as plain text, without a final newline."""
        return "\n".join(_text(self.parts))

    def html(self) -> str:
        """The report as HTML that survives an untrusted notebook."""
        tone: Tone = next((part.tone for part in self.parts if isinstance(part, Sentence)), "plain")
        body = "".join(_html(part) for part in self.parts)
        return f'<div style="border-left: {_EDGES[tone]}; padding-left: 0.8em">{body}</div>'

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Both forms at once; IPython asks for this."""
        return {"text/plain": self.text(), "text/html": self.html()}


# ---- Values to reports -----------------------------------------------------------------------------------------------


def outcome_report(
    outcome: Outcome,
    show: Sequence[str] = (),
    buffers: Mapping[str, bytes] | None = None,
    expected: str | None = None,
) -> Report:
    """What happened in a run.

    Args:
        show: Registers to show whether they changed or not; vector registers too.
        buffers: What each buffer held before; those that changed are shown.
        expected: The end that `--expect` asked for, and that came.
    """
    parts: list[Part] = [_headline(outcome)]
    if expected is not None and not isinstance(outcome, Returned):
        parts.append(
            Sentence(f"`--expect {expected}` asked for this end, so the cell does not fail", lead="as expected")
        )
    if outcome.cause is not None:
        parts += _explanation(outcome)
    parts += [
        Sentence(warning.message + _hint(warning.hint), lead=_warning_lead(warning.line), tone="warning")
        for warning in outcome.warnings
    ]
    parts += [
        Sentence(finding.message + _hint(finding.hint), lead=_warning_lead(finding.line), tone="warning")
        for finding in outcome.program.warnings
    ]
    parts += [_printed(outcome, name) for name in ("stdout", "stderr") if getattr(outcome, name)]
    parts += _buffers(outcome, buffers or {})
    parts += _segments(outcome)
    parts += _registers(outcome, show)
    if outcome.system_calls:
        rows = tuple(
            (str(call.line or ""), plain(call.text), "" if call.allowed else "refused")
            for call in outcome.system_calls[:LISTING_ROWS]
        )
        more = len(outcome.system_calls) - len(rows)
        note = _more(more, "outcome.system_calls")
        if more > 0 and _stopped_by_chance(outcome):
            note = "more in outcome.system_calls; how many differs from run to run"
        parts.append(
            Table(
                "system calls",
                rows,
                ("line", "call", ""),
                folded=True,
                note=note,
            )
        )
    if isinstance(outcome.trace, Trace):
        steps = counted(outcome.trace.taken, "step")
        held = f"taken, {len(outcome.trace):,} of them recorded" if outcome.trace.gaps else "recorded"
        parts.append(Sentence(f"{steps} {held}; `em.stepper(outcome)` walks through them", lead="trace"))
    parts.append(_listing(outcome.program, outcome.row, folded=outcome.cause is not None))
    if outcome.life:
        parts.append(Sentence(", ".join(_life(event) for event in outcome.life), lead="region"))
    return Report(tuple(parts))


def program_report(program: Program) -> Report:
    """A program that has not run: its listing and what its segments take."""
    sizes = ", ".join(f"{segment.name} {segment.size:,} ({segment.protection})" for segment in program.segments)
    parts: list[Part] = [Sentence(f"{counted(len(program.code))} of code", lead="program")]
    parts += [
        Sentence(finding.message + _hint(finding.hint), lead=_warning_lead(finding.line), tone="warning")
        for finding in program.warnings
    ]
    parts.append(_listing(program, None, folded=False))
    parts.append(Sentence(sizes, lead="bytes by segment"))
    return Report(tuple(parts))


def diagnostics_report(diagnostics: Sequence[Diagnostic]) -> Report:
    """Everything that is wrong with a source text, in the order of its lines."""
    errors = sum(finding.severity == "error" for finding in diagnostics)
    parts: list[Part] = [
        Sentence(f"nothing was run; {counted(errors, 'error')} in the source", lead="not assembled", tone="bad")
    ]
    for finding in diagnostics:
        parts += _finding(finding)
    return Report(tuple(parts))


def _finding(finding: Diagnostic) -> tuple[Part, Part]:
    """What is wrong in a sentence, and the line with its carets beneath."""
    first, *rest = str(finding).split("\n")
    lead, _, message = first.partition(": ")
    tone: Tone = "bad" if finding.severity == "error" else "warning"
    return Sentence(plain(message), lead=lead, tone=tone), Verbatim("\n".join(plain(line) for line in rest))


def code_report(code: str, meaning: str, example: str, finding: Diagnostic | None) -> Report:
    """What a code of a diagnostic means, a source that has it, and what is said of that source."""
    parts: list[Part] = [Sentence(meaning, lead=code)]
    if finding is not None:
        shown = [line if len(line) <= LINE_SHOWN else f"{line[:LINE_SHOWN]} ..." for line in example.split("\n")]
        parts.append(Verbatim("\n".join(plain(line) for line in shown), "for example"))
        sentence, source = _finding(finding)
        parts.append(sentence)
        if all(len(line) <= LINE_SHOWN for line in example.split("\n")):
            parts.append(source)
    return Report(tuple(parts))


def one_line(diagnostics: Sequence[Diagnostic]) -> str:
    """The first error as one line, and how many there are besides; the report has shown them all."""
    errors = [finding for finding in diagnostics if finding.severity == "error"] or list(diagnostics)
    more = f" (and {len(errors) - 1} more above)" if len(errors) > 1 else ""
    return f"line {errors[0].line}: {plain(errors[0].message)}{more}"


# ---- Outcomes, piece by piece ----------------------------------------------------------------------------------------


def _headline(outcome: Outcome) -> Sentence:
    match outcome:
        case Returned():
            meaning = outcome.describe(outcome.value)
            # A pointer is shown by its place, any other value in both ways of reading it.
            if meaning[0].isdigit():
                meaning = f"{outcome.value:#x} = {signed(outcome.value)}"
            return Sentence(f"rax = {meaning}", lead="returned", tone="good")
        case Faulted():
            return Sentence(plain(outcome.headline), lead=outcome.signal, tone="bad")
        case TimedOut():
            return Sentence(
                plain(outcome.headline), lead=LIMIT_WORDS.get(outcome.limit, f"{outcome.limit} limit"), tone="bad"
            )
        case Exited():
            tone: Tone = "good" if outcome.as_it_should else "bad"
            return Sentence(plain(outcome.headline), lead=f"exit status {outcome.status}", tone=tone)
    return Sentence(plain(outcome.headline), lead="stopped", tone="bad")


def _explanation(outcome: Outcome) -> list[Part]:
    """For a program that did not return: the line, the registers that explain it, what to look at."""
    assert outcome.cause is not None
    parts: list[Part] = []
    if outcome.line is not None:
        parts.append(Verbatim(_excerpt(outcome.program.source, outcome.line)))
    if outcome.cause.evidence:
        rows = tuple((name, outcome.describe(value)) for name, value in outcome.cause.evidence.items())
        parts.append(Table("registers that explain it", rows))
    if outcome.cause.look_at:
        parts.append(Sentence(plain(outcome.cause.look_at), lead="look at"))
    return parts


def _excerpt(source: str, line: int) -> str:
    """The guilty line between its neighbours, with a marker that is not a colour."""
    lines = source.split("\n")
    first, last = max(1, line - 1), min(len(lines), line + 1)
    width = len(str(last))
    excerpt = []
    for number in range(first, last + 1):
        text = plain(lines[number - 1].expandtabs(8)).rstrip()
        marker, note = ("-->", "   <-- stopped here") if number == line else ("   ", "")
        if text or number == line:
            excerpt.append(f"{marker} {number:>{width}} | {text}{note}".rstrip())
    return "\n".join(excerpt)


def _registers(outcome: Outcome, show: Sequence[str]) -> list[Part]:
    """Changed registers as old -> new, those asked for, and the flags by name."""
    parts: list[Part] = []
    # After a call into the C library, these hold whatever its version left in them.
    left_over = SCRATCH if outcome.program.externs else ()
    told = outcome.steady if _stopped_by_chance(outcome) else GENERAL
    changed = tuple(
        (name, f"{outcome.describe(old)} -> {outcome.describe(new)}")
        for name, (old, new) in outcome.changed.items()
        if name not in left_over and name in told
    )
    if changed:
        note = (
            f"not shown, because the C library may leave anything in them: {', '.join(left_over)}" if left_over else ""
        )
        parts.append(Table("registers changed", changed, note=note))
    if show:
        parts.append(Table("registers asked for", tuple((name, _asked(outcome, name)) for name in show)))
    if not _stopped_by_chance(outcome):
        parts.append(Sentence(_flags(outcome), lead="flags"))
    return parts


def _printed(outcome: Outcome, name: str) -> Verbatim:
    """What a program printed; of one that a clock stopped, as much as every run prints."""
    data: bytes = getattr(outcome, name)
    if not _stopped_by_chance(outcome) or len(data) <= EARLY:
        return Verbatim(_decoded(data), caption=name)
    note = f"the first {counted(EARLY)}; how much came after them in outcome.{name} differs from run to run"
    return Verbatim(_decoded(data[:EARLY]), caption=name, note=note)


def _stopped_by_chance(outcome: Outcome) -> TypeGuard[TimedOut]:
    """Whether a clock stopped it: how far it had come then differs from run to run, and is not shown."""
    return isinstance(outcome, TimedOut) and outcome.at_a_chance_instant


def _flags(outcome: Outcome) -> str:
    """The flags that are set; those that a processor may set as it likes are named, without their value."""
    # The row is where it was stopped or, where it jumped out of its code, the jump: flags are the same on both sides.
    stopped = None if isinstance(outcome, Returned) else outcome.row.address if outcome.row else outcome.address
    undefined = undefined_flags(outcome.program, outcome.before["rip"], stopped)
    names = ", ".join(f"{name} ({FLAG_WORDS[name]})" for name in outcome.flags if name not in undefined)
    if len(undefined) == len(STATUS):
        return f"{names}; the others are undefined here" if names else "all undefined here"
    # AF alone is not worth a beginner's attention: nothing but the decimal instructions of old reads it.
    worth = [name for name in undefined if name != "AF"]
    left = f"{' '.join(undefined)} undefined here" if worth else ""
    return "; ".join(piece for piece in (names or "none set", left) if piece)


def _asked(outcome: Outcome, name: str) -> str:
    if name == "rflags":
        return _flags(outcome)
    value = outcome.registers[name]
    if name[1:3] != "mm":
        return outcome.describe(value)
    size = {"x": 16, "y": 32, "z": 64}[name[0]]
    data = value.to_bytes(size, "little")
    doubles = ", ".join(f"{lane:g}" for lane in struct.unpack(f"<{size // 8}d", data))
    return f"{value:#x} (as doubles, lowest first: {doubles})"


def _buffers(outcome: Outcome, before: Mapping[str, bytes]) -> list[Part]:
    """Each buffer that the program wrote to, old and new bytes beside each other."""
    parts: list[Part] = []
    if _stopped_by_chance(outcome):
        return parts
    for name, new in outcome.buffers.items():
        old = before.get(name)
        if old is None or old == new:
            continue
        width = 16
        offsets = [at for at in range(0, len(new), width) if old[at : at + width] != new[at : at + width]]
        rows = tuple(
            (
                f"+{at:#x}",
                old[at : at + width].hex(" "),
                new[at : at + width].hex(" "),
                _ascii(new[at : at + width]),
            )
            for at in offsets[:LISTING_ROWS]
        )
        note = _more(len(offsets) - len(rows), f"outcome.buffers[{name!r}]")
        parts.append(Table(f"buffer {name} changed", rows, ("offset", "before", "after", "as text"), note=note))
    return parts


_NUMBERS = frozenset("hiqefd")
"""Items that are shown as numbers, with their sign, as most are meant; others as bytes and as text."""


def _segments(outcome: Outcome) -> list[Part]:
    """The program's own data that it changed, by label: items as numbers where their directive says so."""
    if _stopped_by_chance(outcome):
        return []
    rows: list[tuple[str, str, str, str]] = []
    for segment in outcome.program.segments:
        if segment.name in outcome.segments:
            new = outcome.segments[segment.name]
            old = segment.data.ljust(len(new), b"\0")
            if new != old:
                pieces = _pieces(outcome.program, segment)
                rows += [row for piece in pieces for row in _changes(outcome, old, new, *piece)]
    if not rows:
        return []
    note = _more(len(rows) - LISTING_ROWS, "outcome.segments")
    headings = ("where", "before", "after", "as text")
    if not any(text for *_, text in rows):
        return [Table("memory changed", tuple(row[:3] for row in rows[:LISTING_ROWS]), headings[:3], note=note)]
    return [Table("memory changed", tuple(rows[:LISTING_ROWS]), headings, note=note)]


def _pieces(program: Program, segment: Segment) -> Iterator[tuple[str, int, int, str]]:
    """What a segment consists of: label (and how far behind it), start and end in the segment, code of the items."""
    named = {address: name for name, address in program.labels.items() if segment.address <= address < segment.end}
    label: str = segment.name
    since, first, code = segment.address, segment.address, ""
    for row in (*(row for row in program.listing if row.segment == segment.name), None):
        at = segment.end if row is None else row.address
        kind = "" if row is None else "pad" if row.kind == "padding" else row.item if row.item in _NUMBERS else ""
        if row is None or at in named or kind != code:
            if first < at:
                where = f"{label}+{first - since:#x}" if first > since else label
                yield where, first - segment.address, at - segment.address, code.removeprefix("pad")
            first, code = at, kind
        if at in named:
            label, since = named[at], at


def _changes(
    outcome: Outcome, old: bytes, new: bytes, where: str, start: int, end: int, code: str
) -> Iterator[tuple[str, str, str, str]]:
    """The rows of one piece that changed."""
    size = struct.calcsize(code) if code else 1
    step = 32 if size > 2 else 16
    label, _, offset = where.partition("+")
    for at in range(start, end, step):
        before, after = old[at : min(at + step, end)], new[at : min(at + step, end)]
        if before == after:
            continue
        name = where if at == start else f"{label}+{int(offset or '0', 16) + at - start:#x}"
        if code and len(after) % size == 0:
            yield name, _items(outcome, before, code), _items(outcome, after, code), ""
        else:
            yield name, before.hex(" "), after.hex(" "), _ascii(after)


def _items(outcome: Outcome, data: bytes, code: str) -> str:
    """Items as numbers; a pointer by the place it points into, and what is too large for a count in hex."""
    values = struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)
    return ", ".join(
        f"{value:g}"
        if isinstance(value, float)
        else (describe_place(value, outcome.places) if code == "q" else "")
        or (str(value) if abs(value) < 1 << 47 else f"{value % (1 << 64):#x}")
        for value in values
    )


def _listing(program: Program, stopped: ListingRow | None, *, folded: bool) -> Table:
    """Offset, bytes and instruction beside the source line; around the place it stopped where it is long."""
    listing = program.listing
    at = next((index for index, row in enumerate(listing) if row == stopped), None)
    first = 0 if at is None else max(0, min(at - LISTING_ROWS // 2, len(listing) - LISTING_ROWS))
    window = listing[first : first + LISTING_ROWS]
    several = len({row.segment for row in listing}) > 1
    rows = []
    previous = None
    for row in window:
        offset = f"{row.segment}+{row.offset:#x}" if several else f"+{row.offset:#x}"
        code = row.code[:BYTES_SHOWN].hex(" ") + (" ..." if row.size > BYTES_SHOWN else "")
        source = "" if row.span == previous else _closer(plain(row.source.strip()))
        previous = row.span
        here = ("stopped here" if row == stopped else "",) if stopped is not None else ()
        rows.append((str(row.span.line), offset, code, plain(row.text), source, *here))
    headings = ("line", "offset", "bytes", "instruction", "source") + (("",) if stopped is not None else ())
    note = _more(len(listing) - len(window), "outcome.program.listing")
    marked = None if at is None else at - first
    return Table("listing", tuple(rows), headings, marked=marked, folded=folded, note=note)


def _closer(source: str) -> str:
    """A source line without the columns it was set in: a listing has columns of its own. Quoted text stays whole."""
    return re.sub(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\s+""", lambda match: match[1] or " ", source)


def _life(event: LifeEvent) -> str:
    size = counted(event.size) if event.size and event.kind in ("allocated", "written") else ""
    about = ", ".join(piece for piece in (size, plain(event.detail)) if piece)
    return f"{event.kind} ({about})" if about else event.kind


def _warning_lead(line: int | None) -> str:
    return "warning" if line is None else f"warning, line {line}"


def _hint(hint: str) -> str:
    return f" (hint: {plain(hint)})" if hint else ""


def _more(count: int, where: str) -> str:
    return f"{count:,} more in {where}" if count > 0 else ""


# ---- Numbers and characters ------------------------------------------------------------------------------------------


def signed(value: int, bits: int = 64) -> int:
    """The same bits read as a signed number."""
    return value - (1 << bits) if value >> (bits - 1) else value


def counted(count: int, thing: str = "byte") -> str:
    """A number of things in words: "1 byte", "4,096 bytes"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def plain(text: str) -> str:
    """The text with every character that steers a terminal, or reorders a line, made visible."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or unicodedata.category(character)[0] not in "C" else _named(character)
        for character in text
    )


def _named(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"


def _decoded(data: bytes) -> str:
    """Bytes a program printed, as text; what is not UTF-8 is shown as \\xNN."""
    return plain(data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")).removesuffix("\n")


def _ascii(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


# ---- Text ------------------------------------------------------------------------------------------------------------


def _text(parts: Iterable[Part]) -> list[str]:
    lines: list[str] = []
    for part in parts:
        match part:
            case Sentence(text, lead):
                lines.append(f"{lead}: {text}" if lead else text)
            case Verbatim(text, caption, note):
                lines += [f"{caption}:"] if caption else []
                lines += [f"  {line}".rstrip() for line in text.split("\n")]
                lines += [f"  ({note})"] if note else []
            case Table():
                lines += [f"{part.caption}:", *_text_rows(part)]
                lines += [f"  ({part.note})"] if part.note else []
    return lines


def _text_rows(table: Table) -> list[str]:
    rows = [table.headings, *table.rows] if table.headings else list(table.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    marked = None if table.marked is None else table.marked + (1 if table.headings else 0)
    lines = []
    for index, row in enumerate(rows):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        gutter = "" if table.marked is None else "--> " if index == marked else "    "
        lines.append(f"  {gutter}{cells}".rstrip())
    return lines


# ---- HTML ------------------------------------------------------------------------------------------------------------

# The thick edge is the one thing drawn in colour; the lead word beside it says the same.
_EDGES: Mapping[Tone, str] = {
    "good": "4px solid #2e9e5b",
    "bad": "4px double #d64545",
    "warning": "4px dashed #c98a1b",
    "plain": "4px solid #888888",
}
_LINE = "margin: 0.2em 0"
_MONO = "font-family: monospace; white-space: pre"
_CELL = f"text-align: left; vertical-align: top; padding: 0.1em 1.2em 0.1em 0; {_MONO}"
# The source line and what else is long may wrap, so that no table is wider than the page.
_LONG_CELL = _CELL.replace("white-space: pre", "white-space: pre-wrap")
_CAPTION = "text-align: left; font-weight: bold; padding: 0.2em 0; white-space: nowrap"
_TABLE = "margin: 0.2em 0; border-collapse: collapse"


def _html(part: Part) -> str:
    match part:
        case Sentence(text, lead, tone):
            edge = f"; border-left: {_EDGES[tone]}; padding-left: 0.5em" if tone == "warning" else ""
            start = f"<b>{escape(lead)}</b>: " if lead else ""
            return f'<div style="{_LINE}{edge}">{start}{_prose(text)}</div>'
        case Verbatim(text, caption, note):
            head = f'<div style="{_LINE}"><b>{escape(caption)}</b></div>' if caption else ""
            foot = f'<div style="{_LINE}">{escape(note)}</div>' if note else ""
            return f'{head}<pre style="{_LINE}; padding-left: 1em">{escape(text)}</pre>{foot}'
        case Table():
            return _html_table(part)


def _prose(text: str) -> str:
    """A sentence, with what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _html_table(table: Table) -> str:
    caption = "" if table.folded is not None else f'<caption style="{_CAPTION}">{escape(table.caption)}</caption>'
    head = ""
    if table.headings:
        cells = "".join(f'<th scope="col" style="{_CELL}">{escape(cell)}</th>' for cell in table.headings)
        head = f"<thead><tr>{cells}</tr></thead>"
    rows = "".join(
        _html_row(row, marked=index == table.marked, named=not table.headings) for index, row in enumerate(table.rows)
    )
    note = f'<div style="{_LINE}">{escape(table.note)}</div>' if table.note else ""
    body = f'<table style="{_TABLE}">{caption}{head}<tbody>{rows}</tbody></table>{note}'
    if table.folded is None:
        return body
    state = "" if table.folded else " open"
    return f'<details{state} style="{_LINE}"><summary><b>{escape(table.caption)}</b></summary>{body}</details>'


def _html_row(row: tuple[str, ...], *, marked: bool, named: bool) -> str:
    cells = []
    for column, cell in enumerate(row):
        style = _LONG_CELL if len(cell) > LONG else _CELL
        if marked:
            style += "; font-weight: bold; border-top: 1px solid; border-bottom: 1px solid"
        tag, scope = ("th", ' scope="row"') if named and column == 0 else ("td", "")
        if scope:
            style += "; width: 1px"  # else a long caption pushes the values away from their names
        cells.append(f'<{tag}{scope} style="{style}">{escape(cell)}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"
