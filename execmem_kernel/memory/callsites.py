"""Call sites: where in a notebook or program something was called, as the running cell's label and a line.

A call site is kept as a code object and an instruction index, which costs two attribute reads; the file and the line
are computed only when they are asked for. No path is ever shown, only a file's last name.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType

current_cell: str | None = None
"""What to call the cell that is running now, e.g. "cell 7"; set by the magics, None outside a notebook."""

namespace: Mapping[str, object] | None = None
"""The user's variables, to say which of them keeps memory alive; set with the cell, None outside a notebook."""

PACKAGE = str(Path(__file__).parent.parent) + "/"
"""What the names of this package's own files begin with."""

CallSite = tuple[CodeType, int]
"""A code object and the index of the instruction in it that made the call."""

NOWHERE: CallSite = (compile("", "<nowhere>", "exec"), -1)
"""The call site of what no code asked for: a finalizer freed it."""


def catch(frame: FrameType | None) -> CallSite:
    """The call site in the first frame outside this package, from `frame` outwards."""
    while frame is not None:
        code = frame.f_code
        if not is_own_file(code.co_filename):
            return code, frame.f_lasti
        frame = frame.f_back
    return NOWHERE


def is_own_file(file: str) -> bool:
    """Whether a file is part of this package."""
    return file.startswith(PACKAGE)


def is_own_code(code: CodeType) -> bool:
    """Whether code is part of this package."""
    return is_own_file(code.co_filename)


def here() -> CallSite:
    """The call site from which this package was entered."""
    return catch(sys._getframe(1))


def line_of(call_site: CallSite) -> int | None:
    """The source line of a call site."""
    code, index = call_site
    for start, end, line in code.co_lines():
        if start <= index < end:
            return line
    return None


def _is_cell(file: str) -> bool:
    """Whether code was compiled from a notebook cell or a prompt, whose file name means nothing to a reader."""
    return file.startswith("<") or "/ipykernel_" in file


def title_of(file: str) -> str:
    """What to call a file: the last part of its name."""
    return "a prompt" if _is_cell(file) else Path(file).name


def name_of(cell: str | None, call_site: CallSite) -> str:
    """The cell's label where there is one, else the file: what regions are grouped by."""
    return cell or title_of(call_site[0].co_filename)


def line_in(cell: str | None, call_site: CallSite) -> int | None:
    """The line to show beside `name_of`; None where a cell is named and the code is not the cell's own."""
    return line_of(call_site) if cell is None or _is_cell(call_site[0].co_filename) else None


def describe(cell: str | None, call_site: CallSite) -> str:
    """A call site for a sentence: "cell 7, line 3", or "cell 7 (helper.py, line 12)", or "script.py, line 12"."""
    if call_site is NOWHERE:
        return cell or "an unknown place"
    line = line_of(call_site)
    file = call_site[0].co_filename
    if cell is None or _is_cell(file):
        return f"{name_of(cell, call_site)}, line {line}"
    return f"{cell} ({title_of(file)}, line {line})"
