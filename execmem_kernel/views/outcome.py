"""The report of a run: how it ended and why, what was printed, what changed."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from execmem_kernel.execution.contract.calling_convention import SCRATCH
from execmem_kernel.execution.contract.details import LifeEvent
from execmem_kernel.execution.contract.outcome import Exited, Faulted, Outcome, Returned, TimedOut
from execmem_kernel.execution.contract.pointers import describe_place
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis.flags import undefined_flags
from execmem_kernel.program.program import Program, Segment
from execmem_kernel.views.listing import excerpt, hint, listing_table, warning_lead
from execmem_kernel.views.report import LISTING_ROWS, Part, Report, Sentence, Table, Tone, Verbatim, more_note
from execmem_kernel.wording import counted, printable, signed
from execmem_kernel.x86.registers import GENERAL, STATUS_FLAGS, VECTOR_SIZES

EARLY = 512
"""Bytes shown of what a program printed that a clock stopped: all of it is as long as the machine is fast."""
FLAG_WORDS = {
    "CF": "carry", "PF": "parity", "AF": "adjust", "ZF": "zero", "SF": "sign", "TF": "trap",
    "DF": "direction", "OF": "overflow", "AC": "alignment check",
}  # fmt: skip
_INSIDE_LIBRARY = frozenset(("library-fault", "misaligned-call", "fs-base", "direction-flag", "abort"))
"""Causes of stops that leave the C library's values in the registers."""
LIMIT_WORDS = {"wall": "time limit", "cpu": "processor time limit"}


# ---- Values to reports -----------------------------------------------------------------------------------------------


def outcome_report(
    outcome: Outcome,
    show: Sequence[str] = (),
    buffers: Mapping[str, bytes] | None = None,
    expected: str | None = None,
    kept: str | None = None,
) -> Report:
    """What happened in a run.

    Args:
        outcome: The run.
        show: Registers to show whether they changed or not; vector registers too.
        buffers: What each buffer held before; those that changed are shown.
        expected: The end that `--expect` asked for, and that came.
        kept: The variable that holds the outcome; "" if a cell has kept it nowhere, None if whoever asks has it.
    """
    parts: list[Part] = [_headline(outcome)]
    if expected is not None and not isinstance(outcome, Returned):
        parts.append(
            Sentence(f"`--expect {expected}` asked for this end, so the cell does not fail", lead="as expected")
        )
    if outcome.cause is not None:
        parts += _explanation(outcome)
    parts += [
        Sentence(warning.message + hint(warning.hint), lead=warning_lead(warning.line), tone="warning")
        for warning in outcome.warnings
    ]
    parts += [
        Sentence(finding.message + hint(finding.hint), lead=warning_lead(finding.line), tone="warning")
        for finding in outcome.program.warnings
    ]
    parts += [_printed(outcome, name, kept) for name in ("stdout", "stderr") if getattr(outcome, name)]
    parts += _buffers(outcome, buffers or {}, kept)
    parts += _segments(outcome, kept)
    parts += _registers(outcome, show)
    if outcome.system_calls:
        rows = tuple(
            (str(call.line or ""), printable(call.text), "" if call.allowed else "refused")
            for call in outcome.system_calls[:LISTING_ROWS]
        )
        more = len(outcome.system_calls) - len(rows)
        note = more_note(more, _place("system_calls", kept))
        if more > 0 and _stopped_by_chance(outcome):
            note = f"more in {_place('system_calls', kept)}; how many differs from run to run"
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
        parts.append(Sentence(f"{steps} {held}; {_stepper(kept)} walks through them", lead="trace"))
    whole = _place("program.listing", kept)
    parts.append(listing_table(outcome.program, outcome.row, folded=outcome.cause is not None, whole=whole))
    if outcome.life:
        parts.append(Sentence(", ".join(_life(event) for event in outcome.life), lead="region"))
    return Report(tuple(parts))


def _place(attribute: str, kept: str | None) -> str:
    """Where all of something is that a report cuts short: what can be typed to see it."""
    if kept is None:
        return f".{attribute} of the outcome"
    return f"{kept}.{attribute}" if kept else f"r.{attribute}, where the cell begins with `%%asm --name r`"


def _stepper(kept: str | None) -> str:
    """What can be typed to walk through the steps."""
    if kept is None:
        return "`em.stepper`, given this outcome,"
    command = f"`import execmem_kernel as em; em.stepper({kept or 'r'})`"
    return command if kept else f"with `%%asm --trace --name r`, {command}"


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
            return Sentence(printable(outcome.headline), lead=outcome.signal, tone="bad")
        case TimedOut():
            return Sentence(
                printable(outcome.headline), lead=LIMIT_WORDS.get(outcome.limit, f"{outcome.limit} limit"), tone="bad"
            )
        case Exited():
            tone: Tone = "good" if outcome.as_it_should else "bad"
            return Sentence(printable(outcome.headline), lead=f"exit status {outcome.status}", tone=tone)
    return Sentence(printable(outcome.headline), lead="stopped", tone="bad")


def _explanation(outcome: Outcome) -> list[Part]:
    """For a program that did not return: the line, the registers that explain it, what to look at."""
    assert outcome.cause is not None
    parts: list[Part] = []
    if outcome.line is not None:
        parts.append(Verbatim(excerpt(outcome.program.source, outcome.line)))
    if outcome.cause.evidence:
        rows = tuple((name, outcome.describe(value)) for name, value in outcome.cause.evidence.items())
        parts.append(Table("registers that explain it", rows))
    if outcome.cause.look_at:
        parts.append(Sentence(printable(outcome.cause.look_at), lead="look at"))
    return parts


def _registers(outcome: Outcome, show: Sequence[str]) -> list[Part]:
    """Changed registers as old -> new, those asked for, and the flags by name."""
    parts: list[Part] = []
    # After a call into the C library, these hold whatever its version left in them.
    left_over = SCRATCH if outcome.program.externs else ()
    shown = outcome.steady if _stopped_by_chance(outcome) else GENERAL
    if outcome.cause is not None and outcome.cause.name in _INSIDE_LIBRARY:
        # What they hold is the library's; the program's own have been kept in its frames, out of sight.
        note = "not shown: it was stopped inside the C library, which has changed them for itself"
        return [Sentence(note, lead="registers")]
    changed = tuple(
        (name, f"{outcome.describe(old)} -> {outcome.describe(new)}")
        for name, (old, new) in outcome.changed.items()
        if name not in left_over and name in shown
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


def _printed(outcome: Outcome, name: str, kept: str | None) -> Verbatim:
    """What a program printed; of one that a clock stopped, as much as every run prints."""
    data: bytes = getattr(outcome, name)
    if not _stopped_by_chance(outcome) or len(data) <= EARLY:
        return Verbatim(_decoded(data), caption=name)
    note = f"the first {counted(EARLY)}; how much came after them differs from run to run: {_place(name, kept)}"
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
    if len(undefined) == len(STATUS_FLAGS):
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
    size = VECTOR_SIZES[name[0]]
    data = value.to_bytes(size, "little")
    doubles = ", ".join(f"{lane:g}" for lane in struct.unpack(f"<{size // 8}d", data))
    return f"{value:#x} (as doubles, lowest first: {doubles})"


def _buffers(outcome: Outcome, before: Mapping[str, bytes], kept: str | None) -> list[Part]:
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
        note = more_note(len(offsets) - len(rows), _place(f"buffers[{name!r}]", kept))
        parts.append(Table(f"buffer {name} changed", rows, ("offset", "before", "after", "as text"), note=note))
    return parts


_NUMBERS = frozenset("hiqefd")
"""Items that are shown as numbers, with their sign, as most are meant; others as bytes and as text."""


def _segments(outcome: Outcome, kept: str | None) -> list[Part]:
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
    note = more_note(len(rows) - LISTING_ROWS, _place("segments", kept))
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


def _life(event: LifeEvent) -> str:
    size = counted(event.size) if event.size and event.kind in ("allocated", "written") else ""
    about = ", ".join(piece for piece in (size, printable(event.detail)) if piece)
    return f"{event.kind} ({about})" if about else event.kind


def _decoded(data: bytes) -> str:
    """Bytes a program printed, as text; what is not UTF-8 is shown as \\xNN."""
    return printable(data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")).removesuffix("\n")


def _ascii(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)
