"""Reports about source text: a program's listing, diagnostics, the meaning of a code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.program.diagnostic import Diagnostic
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.views.report import LISTING_ROWS, Part, Report, Sentence, Table, Tone, Verbatim, more_note
from execmem_kernel.wording import counted, printable

LINE_SHOWN = 100
"""Characters shown of a line in the example of a code; the lines that are too long on purpose go on for ever."""
BYTES_SHOWN = 11
"""Bytes shown of one row of a listing; longer than this are few instructions and much data."""


def program_report(program: Program) -> Report:
    """A program that has not run: its listing and what its segments take."""
    sizes = ", ".join(f"{segment.name} {segment.size:,} ({segment.protection})" for segment in program.segments)
    parts: list[Part] = [Sentence(f"{counted(len(program.code))} of code", lead="program")]
    parts += [
        Sentence(finding.message + hint(finding.hint), lead=warning_lead(finding.line), tone="warning")
        for finding in program.warnings
    ]
    parts.append(listing_table(program, None, folded=False))
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
    return Sentence(printable(message), lead=lead, tone=tone), Verbatim("\n".join(printable(line) for line in rest))


def code_report(code: str, meaning: str, example: str, finding: Diagnostic | None) -> Report:
    """What a code of a diagnostic means, a source that has it, and what is said of that source.

    Args:
        code: "ASM107", say.
        meaning: What it means, in a sentence.
        example: Source text that it is documented by.
        finding: The diagnostic of that code in the example, if it has one.
    """
    parts: list[Part] = [Sentence(meaning, lead=code)]
    if finding is not None:
        shown = [line if len(line) <= LINE_SHOWN else f"{line[:LINE_SHOWN]} ..." for line in example.split("\n")]
        parts.append(Verbatim("\n".join(printable(line) for line in shown), "for example"))
        sentence, source = _finding(finding)
        parts.append(sentence)
        if all(len(line) <= LINE_SHOWN for line in example.split("\n")):
            parts.append(source)
    return Report(tuple(parts))


def one_line(diagnostics: Sequence[Diagnostic]) -> str:
    """The first error as one line, and how many there are besides; the report has shown them all."""
    errors = [finding for finding in diagnostics if finding.severity == "error"] or list(diagnostics)
    more = f" (and {len(errors) - 1} more above)" if len(errors) > 1 else ""
    return f"line {errors[0].line}: {printable(errors[0].message)}{more}"


def excerpt(source: str, line: int) -> str:
    """The guilty line between its neighbours, with a marker that is not a colour."""
    lines = source.split("\n")
    first, last = max(1, line - 1), min(len(lines), line + 1)
    width = len(str(last))
    excerpt = []
    for number in range(first, last + 1):
        text = printable(lines[number - 1].expandtabs(8)).rstrip()
        marker, note = ("-->", "   <-- stopped here") if number == line else ("   ", "")
        if text or number == line:
            excerpt.append(f"{marker} {number:>{width}} | {text}{note}".rstrip())
    return "\n".join(excerpt)


def listing_table(
    program: Program, stopped: ListingRow | None, *, folded: bool, whole: str = ".listing of the program"
) -> Table:
    """Offset, bytes and instruction beside the source line; around the place it stopped where it is long.

    Args:
        program: What to list.
        stopped: The row to mark.
        folded: Whether HTML readers see the caption only until they open it.
        whole: Where all of it is, for a listing that is cut short.
    """
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
        source = "" if row.span == previous else _closer(printable(row.source.strip()))
        previous = row.span
        here = ("stopped here" if row == stopped else "",) if stopped is not None else ()
        rows.append((str(row.span.line), offset, code, printable(row.text), source, *here))
    headings = ("line", "offset", "bytes", "instruction", "source") + (("",) if stopped is not None else ())
    note = more_note(len(listing) - len(window), whole)
    marked = None if at is None else at - first
    return Table("listing", tuple(rows), headings, marked=marked, folded=folded, note=note)


def _closer(source: str) -> str:
    """A source line without the columns it was set in: a listing has columns of its own. Quoted text stays whole."""
    return re.sub(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\s+""", lambda match: match[1] or " ", source)


def warning_lead(line: int | None) -> str:
    """What a warning's sentence begins with."""
    return "warning" if line is None else f"warning, line {line}"


def hint(hint: str) -> str:
    """A hint as it stands behind a sentence; nothing if there is none."""
    return f" (hint: {printable(hint)})" if hint else ""
