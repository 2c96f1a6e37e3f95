"""Instructions of a source become code fragments, wherever the current section can hold them."""

from __future__ import annotations

import difflib
from typing import Literal

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.encoding.refusals.misspellings import unknown
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.data import DataDirectives
from execmem_kernel.assembly.semantics.dialect_warnings import warn_of_bare_numbers, warn_of_counted_bytes
from execmem_kernel.assembly.semantics.sections import Fixup, Section, Sections
from execmem_kernel.assembly.semantics.symbols import GOT, SymbolTable
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, MASM_DATA
from execmem_kernel.assembly.syntax.expressions import Symbol, symbols_in
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.statements import Constant, LabelDefinition, Statement
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.operands import Register

_PLAIN_DIRECTIVES = [name for name in DIRECTIVES if name[0] != "."]
_SHORT_ONLY = frozenset(("jrcxz", "jecxz", "jcxz"))


class Instructions:
    """Adds the instructions of one source to its sections."""

    def __init__(
        self,
        sections: Sections,
        symbols: SymbolTable,
        collector: DiagnosticCollector,
        rules: DialectRules,
        data: DataDirectives,
    ) -> None:
        self._sections = sections
        self._symbols = symbols
        self._collector = collector
        self._rules = rules
        """What the source declares, whatever the syntax."""
        self._data = data

    def add(self, statement: Statement, line: Line) -> None:
        """Add one instruction to the current section.

        Raises:
            SourceError: The section cannot hold it, or it is no instruction in a section for data.
        """
        section = self._sections.current
        if section.segment not in ("text", "note"):
            self._add_outside_of_code(statement, line, section)
            return
        if not is_mnemonic(statement.name):
            self._collector.note_broken(line)
        if "GOT" in line.text or "got" in line.text:
            self._add_got_entries(statement, line)
        if statement.att:
            warn_of_bare_numbers(statement, line, self._collector)
        elif self._rules.warns_of_counted_bytes and "$" in line.text:
            warn_of_counted_bytes(statement, line, self._collector)
        fragment = self._sections.add_fragment("code", statement, line)
        fragment.operation = statement.ready
        if fragment.operation is None:
            form = _branch_form(statement)
            if form is not None:
                fragment.form = "short" if form == "jump" else "near"
                if form == "call":
                    fragment.limit = 0
        self._sections.break_run()

    def _add_outside_of_code(self, statement: Statement, line: Line, section: Section) -> None:
        """An instruction where it could not run: data without a directive's dot, or an error, once for each section."""
        if not is_mnemonic(statement.name):
            tokens = statement.tokens
            if len(tokens) > 1 and (directive := MASM_DATA.get(tokens[0].text.lower())) is not None:
                # `sum DWORD 0`: in memory for data it can be nothing else.
                start, end = statement.start, statement.end
                self._symbols.define(LabelDefinition(line.text[start:end], start, end, colon=False), line)
                datum = statement._replace(name=tokens[0].text.lower(), directive=directive, tokens=tokens[1:])
                self._data.handlers["data"](datum, line)
                return
            raise _unknown_word(statement, section)
        if section.error_reported:
            return
        section.error_reported = True
        if section.segment == "bss":
            raise SourceError(
                "ASM054",
                "Instructions cannot stand in .bss, which has no bytes.",
                statement.start,
                statement.end,
                "write .text before them",
            )
        raise SourceError(
            "ASM054",
            f"Instructions in {section.name} could not run: that memory is not executable.",
            statement.start,
            statement.end,
            f"leave out the colon: `section {section.name[:-1]}`"
            if section.name[-1:] == ":"
            else "write .text before them",
        )

    def _add_got_entries(self, statement: Statement, line: Line) -> None:
        """`mov rax, x@GOTPCREL[rip]` loads an address from memory: put it there, as a linker's global offset table."""
        for piece in statement.operands:
            value = piece.value
            if isinstance(value, Register):
                continue
            for symbol in symbols_in(value.value if isinstance(value, Constant) else value.displacement):
                name, _, kind = symbol.name.partition("@")
                if kind.upper() != GOT or name in self._symbols.got_entries:
                    continue
                held, self._sections.current = self._sections.current, self._sections.open(".got", "rodata")
                self._sections.current.alignment = 8
                self._symbols.got_entries[name] = self._sections.label_here(name, line, symbol.start, symbol.end)
                fragment = self._sections.add_data(statement._replace(labels=()), line, bytes(8), "q")
                address = Symbol(f"{name}@PLT", symbol.start, symbol.end)
                fragment.fixups = [Fixup(0, 8, address, symbol.start, symbol.end)]
                self._sections.current = held


def _unknown_word(statement: Statement, section: Section) -> SourceError:
    """The error about a word in a section for data that is neither directive nor instruction."""
    refusal = unknown(statement.name)
    near = difflib.get_close_matches(statement.name, _PLAIN_DIRECTIVES, n=1, cutoff=0.75)
    section.error_reported |= bool(near)  # what follows was to stand elsewhere
    hint = f"did you mean `{near[0]}`?" if near else refusal.hint or f"for a label write `{statement.name}:`"
    return SourceError(refusal.code, refusal.message, statement.start, statement.end, hint)


def _branch_form(statement: Statement) -> Literal["jump", "call"] | None:
    """Whether a statement is a direct jump that may be short or near ("jump"), or a direct call of fixed size."""
    if len(statement.operands) != 1 or statement.prefixes:
        return None
    value = statement.operands[0].value
    if not isinstance(value, Constant) or value.offset or value.pointer or value.form is not None:
        return None
    name = statement.name
    if name in ("call", "callq"):
        return "call"
    if name[0] == "j" and name not in _SHORT_ONLY and is_mnemonic(name):
        return "jump"
    return None
