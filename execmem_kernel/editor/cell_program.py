"""The program of a cell that is being edited: what assembles of it, with the lines that do not left out."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.errors import AssemblyError, EncoderLostError
from execmem_kernel.program.diagnostic import Diagnostic
from execmem_kernel.program.program import Program

_ROUNDS = 4
"""How often lines are left out: an error may hide behind another."""
SIZE_LIMIT = 200_000
"""Characters up to which a cell is assembled while it is edited."""


class CellProgram(NamedTuple):
    """What came of a cell."""

    program: Program | None
    """None where too much is wrong."""
    errors: tuple[Diagnostic, ...]
    """What is wrong with the cell as it stands."""


def findings_of(body: str, syntax: Syntax) -> tuple[Diagnostic, ...] | None:
    """What the assembler says of the body of a cell; None where the text is too long, or the assembler cannot say."""
    if len(body) > SIZE_LIMIT:
        return None
    try:
        return assemble(body, syntax).warnings
    except AssemblyError as error:
        return tuple(error.diagnostics)
    except EncoderLostError:
        return None


@lru_cache(maxsize=8)
def program_of(body: str, syntax: Syntax) -> CellProgram:
    """Assemble the body of a cell as far as it goes.

    The lines of a cell stand in their places whatever is left out, so line numbers are the report's.
    """
    if len(body) > SIZE_LIMIT:
        return CellProgram(None, ())
    errors: tuple[Diagnostic, ...] | None = None
    lines = body.split("\n")
    for _ in range(_ROUNDS):
        try:
            program = assemble("\n".join(lines), syntax)
        except AssemblyError as error:
            errors = errors or tuple(error.diagnostics)
            for found in error.diagnostics:
                if found.line <= len(lines):
                    lines[found.line - 1] = _labels_only(lines[found.line - 1], found)
            continue
        except EncoderLostError:
            break
        return CellProgram(program, errors or ())
    return CellProgram(None, errors or ())


def _labels_only(line: str, found: Diagnostic) -> str:
    """What may stay of a line with an error: the label that other lines need."""
    label, colon, rest = line.partition(":")
    keeps = colon and rest.strip() and found.column > len(label) + 1 and label.strip().replace(".", "").isidentifier()
    return f"{label}:" if keeps else ""
