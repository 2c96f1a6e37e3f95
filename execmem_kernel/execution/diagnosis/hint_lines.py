"""Lines that a hint tells to write, in the syntax of the program they are for."""

from __future__ import annotations

import re

from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.x86.registers import GENERAL, PARTS

_ATT_REGISTER = re.compile(r"%(\w+)")
_MEMORY = re.compile(r"\[(\w+)(?: ([+-]) (\w+))?\]")


def lines(program: Program, *intel: str) -> str:
    """Lines to type, each in back quotes.

    Args:
        program: Says in which syntax.
        intel: The lines in Intel syntax, with plain operands: registers, numbers, `[label]`, `[register + number]`.
    """
    att = is_att(program)
    return ", ".join(f"`{in_att(line) if att else line}`" for line in intel)


def is_att(program: Program) -> bool:
    """Whether a program is written in AT&T syntax, by option or by `.att_syntax`: only there a register has a `%`."""
    rows = (row for row in program.listing if row.kind == "instruction" and "%" in row.source)
    found = (name for row in rows for name in _ATT_REGISTER.findall(typed(row)))
    return program.syntax == "att" or any(name in PARTS or name in GENERAL for name in found)


def in_att(line: str) -> str:
    """A line of Intel syntax with plain operands, in AT&T's order and spelling."""
    mnemonic, _, rest = line.partition(" ")
    operands = [_operand(operand) for operand in reversed(rest.split(", "))] if rest else []
    return f"{mnemonic} {', '.join(operands)}".rstrip()


def _operand(text: str) -> str:
    if text in PARTS or text in GENERAL:
        return f"%{text}"
    found = _MEMORY.fullmatch(text)
    if found is None:
        return f"${text}" if text[0].isdigit() or text[0] == "-" else text
    base, sign, offset = found.groups()
    if base not in GENERAL:
        return f"{base}(%rip)"
    return f"{'-' if sign == '-' else ''}{offset or ''}(%{base})"


def typed(row: ListingRow) -> str:
    """The statement of a row as it was typed, without its label and comment; out of a macro, as it is read back."""
    if row.expansion:
        return row.text
    return row.source[row.span.column - 1 : row.span.end_column - 1].strip() or row.text
