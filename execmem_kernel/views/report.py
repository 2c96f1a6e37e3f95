"""`Report`: the parts that everything shown is made of, as text and as HTML.

    Report(parts) --> text/plain, text/html

Both come from the same parts, so they say the same. Neither holds an address, a time or an id: the same cell
shows the same report in every run. The HTML has inline styles only and no colour that matters alone, because
JupyterLab takes everything else out of a notebook that it does not trust.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

LISTING_ROWS = 40
"""Rows of a listing that are shown; the rest is counted."""
LONG = 24
"""Characters that a cell of a table may have before it is allowed to wrap."""
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


def more_note(count: int, where: str) -> str:
    """What stands under a table that leaves out some rows: how many, and where they are; nothing if none are."""
    return f"{count:,} more in {where}" if count > 0 else ""


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
