"""The names that a cell defines: labels, constants, macros, and what it declares `extern`, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from execmem_kernel.assembly.syntax.directives import MASM_DATA
from execmem_kernel.assembly.syntax.line_parser import read_line
from execmem_kernel.assembly.syntax.separators import split_statements
from execmem_kernel.assembly.syntax.statements import Statement
from execmem_kernel.editor.asm_cell import AsmCell
from execmem_kernel.editor.table import examples

NameKind = Literal["label", "constant", "macro", "extern"]

_MACRO = re.compile(
    r"[ \t]*(?:(%i?macro|\.macro)[ \t]+([\w.$?@]+).*"
    r"|(%i?x?define|%i?assign)[ \t]+([\w.$?@]+)(?:\([^)]*\))?[ \t]*(.*))$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class DefinedName:
    """A name of the cell."""

    name: str
    kind: NameKind
    line: int
    """As the report counts."""
    value: str = ""
    """What stands behind the name of a constant, as it is written."""
    scope: str = ""
    """The plain label that a dotted one belongs to, where the dialect has it so."""


def names_of(cell: AsmCell) -> tuple[DefinedName, ...]:
    """The names of a cell in the order in which they stand; of a name that is given twice, the first."""
    found: dict[tuple[str, str], DefinedName] = {}
    for name in _names(cell):
        found.setdefault((name.scope, name.name), name)
    return tuple(found.values())


def _names(cell: AsmCell) -> Iterator[DefinedName]:
    scope = ""
    syntax = cell.first_syntax
    for number, line in enumerate(cell.lines, 1):
        macro = _MACRO.match(line)
        if macro is not None:
            if macro[2]:
                yield DefinedName(macro[2], "macro", number)
            else:
                yield DefinedName(macro[4], "constant", number, macro[5].partition(";")[0].strip())
            continue
        for text in split_statements(line) if cell.rules.separates_statements and ";" in line else (line,):
            statement = read_line(text, syntax, cell.rules)
            for label in statement.labels:
                dotted = cell.rules.scoped_labels and label.name.startswith(".")
                if not dotted:
                    scope = label.name
                yield DefinedName(label.name, "label", number, scope=scope if dotted else "")
            if statement.directive is None:
                if (
                    statement.tokens
                    and statement.tokens[0].text.lower() in MASM_DATA
                    and statement.name not in examples()
                ):
                    yield DefinedName(text[statement.start : statement.end], "label", number)
                continue
            kind = statement.directive.kind
            if kind == "syntax":
                syntax = "att" if statement.directive.word == "att" else "intel"
            yield from _declared(statement, kind, number)


def _declared(statement: Statement, kind: str, number: int) -> Iterator[DefinedName]:
    """What a directive defines or declares."""
    tokens = statement.tokens
    if kind in ("set", "equ") and tokens:
        value = "".join(token.text if token.kind == "op" else f" {token.text}" for token in tokens[2:])
        yield DefinedName(tokens[0].text, "constant", number, value.strip())
    elif kind in ("extern", "common"):
        for token in tokens if kind == "extern" else tokens[:1]:
            if token.kind == "name":
                yield DefinedName(token.text, "extern" if kind == "extern" else "label", number)
