"""What is wrong with a cell while it is edited, as an editor takes it: places, words, quick fixes. Nothing runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from execmem_kernel.editor.asm_cell import AsmCell, asm_cell
from execmem_kernel.editor.cell_program import findings_of
from execmem_kernel.editor.fixes import Fix, fixes_of
from execmem_kernel.program.diagnostic import Diagnostic

MIME = "application/vnd.execmem.diagnostics+json"
"""The key under which the answer stands."""
VERSION = 1
_ERRORS_REPORTED = 20
"""How many errors `assemble` reports at most."""


def diagnose(text: str, check_options: Callable[[str], str | None]) -> dict[str, Any] | None:
    """Everything that is wrong with a cell, as JSON; None where the cell is none of ours.

    Offsets count UTF-16 units, as JavaScript does; line 0 is the option line.

    Args:
        text: The whole cell.
        check_options: What is wrong with an option line, in a sentence.
    """
    cell = asm_cell(text)
    if cell is None:
        return None
    found, complete = _found(cell)
    rows = [
        _row(cell, one, fixes) for one, fixes in zip(found, fixes_of(cell.body, cell.first_syntax, found), strict=True)
    ]
    complaint = check_options(cell.options)
    if complaint is not None:
        rows.insert(0, _option_row(cell, complaint))
    return {"version": VERSION, "complete": complete, "diagnostics": rows}


def _found(cell: AsmCell) -> tuple[tuple[Diagnostic, ...], bool]:
    """The assembler's diagnostics, and whether they are all."""
    if not cell.body.strip():
        return (), True
    found = findings_of(cell.body, cell.first_syntax)
    if found is None:
        return (), False
    return found, sum(one.severity == "error" for one in found) < _ERRORS_REPORTED


def _row(cell: AsmCell, one: Diagnostic, fixes: tuple[Fix, ...]) -> dict[str, Any]:
    lines = cell.body.split("\n")
    before = "".join(f"{line}\n" for line in lines[: one.line - 1])
    start = cell.body_start + len(before) + one.span.column - 1
    end = cell.body_start + len(before) + max(one.span.end_column, one.span.column + 1) - 1
    return {
        "severity": one.severity,
        "code": one.code,
        "message": one.message,
        "hint": one.hint,
        "forms": list(one.forms),
        "line": one.line,
        "column": one.span.column,
        "end_column": one.span.end_column,
        "from": _units(cell.text, start),
        "to": _units(cell.text, end),
        "text": str(one),
        "replacements": [
            {
                "label": fix.label,
                "from": _units(cell.text, cell.body_start + fix.start),
                "to": _units(cell.text, cell.body_start + fix.end),
                "insert": fix.text,
            }
            for fix in fixes
        ],
    }


_MEANT = re.compile(r"did you mean ['`]?([^'`?]+)['`]?\?")


def _option_row(cell: AsmCell, complaint: str) -> dict[str, Any]:
    """What is wrong with the option line, under the longest of its words that the complaint names."""
    words = [found for found in re.finditer(r"[^\s=,]+", cell.options) if found[0].strip("'\"") in complaint]
    word = max(words, key=lambda found: len(found[0]), default=None)
    start, end = word.span() if word is not None else (0, len(cell.options))
    first = cell.options_start - (0 if word is not None else len("%%asm"))
    begin, stop = first + start, cell.options_start + end
    line_start = cell.text.rfind("\n", 0, cell.options_start) + 1
    meant = _MEANT.search(complaint)
    replacements = []
    if meant is not None and word is not None:
        place = {"from": _units(cell.text, begin), "to": _units(cell.text, stop)}
        replacements.append({"label": f"`{meant[1]}`", **place, "insert": meant[1]})
    return {
        "severity": "error",
        "code": "",
        "message": complaint,
        "hint": "",
        "forms": [],
        "line": 0,
        "column": begin - line_start + 1,
        "end_column": stop - line_start + 1,
        "from": _units(cell.text, begin),
        "to": _units(cell.text, stop),
        "text": complaint,
        "replacements": replacements,
    }


def _units(text: str, offset: int) -> int:
    """An offset in characters as one in UTF-16 units."""
    return min(offset, len(text)) + sum(character > "\uffff" for character in text[:offset])
