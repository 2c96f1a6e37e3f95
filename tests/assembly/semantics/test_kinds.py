"""Every kind of directive and of fragment is handled."""

from __future__ import annotations

from typing import get_args

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.sections import FragmentKind, Sections
from execmem_kernel.assembly.semantics.statement_reader import StatementReader
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.dialects import UNDECLARED
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, DirectiveKind

LISTED: dict[str, tuple[str, list[str]]] = {
    "code": ("ret", ["instruction"]),
    "data": ("ret\n.byte 1", ["instruction", "data"]),
    "space": ("ret\n.skip 3", ["instruction", "data"]),
    "align": ("ret\n.align 8", ["instruction", "padding"]),
    "org": ("ret\n.org 8", ["instruction", "data"]),
}
"""Kind of fragment -> a source that makes one, and the kinds of rows in its listing."""


def reader() -> StatementReader:
    sections, collector = Sections(), DiagnosticCollector()
    symbols = SymbolTable(sections, collector, UNDECLARED, 0x1000, compiled=False)
    return StatementReader([], "intel", UNDECLARED, sections, symbols, collector)


def test_every_kind_of_directive_has_one_handler() -> None:
    assert set(reader().handlers) == set(get_args(DirectiveKind))


def test_every_kind_of_directive_is_the_kind_of_some_name() -> None:
    kinds = {directive.kind for directive in DIRECTIVES.values()} | {"label"}  # which only MASM has
    assert kinds == set(get_args(DirectiveKind))


def test_every_kind_of_fragment_is_tried_here() -> None:
    assert set(LISTED) == set(get_args(FragmentKind))


@pytest.mark.parametrize("kind", LISTED)
def test_a_fragment_of_every_kind_is_laid_out_and_listed(kind: str) -> None:
    source, rows = LISTED[kind]
    program = assemble(source)
    assert [row.kind for row in program.listing] == rows
    assert sum(row.size for row in program.listing) == len(program.code)
