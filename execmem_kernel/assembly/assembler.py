"""Source text to `Program`, or every diagnostic at once.

text --Preprocessor--> lines --StatementReader--> fragments in sections --InstructionPass, fixups--> bytes
     --listing--> Program
"""

from __future__ import annotations

import contextlib
from functools import lru_cache

from execmem_kernel.assembly.diagnostics.other_languages import other_language
from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.encoding.encoder import Encoder, default_encoder
from execmem_kernel.assembly.fixups import apply_fixups
from execmem_kernel.assembly.hidden_instructions import warn_of_hidden
from execmem_kernel.assembly.instruction_pass import InstructionPass
from execmem_kernel.assembly.listing import finished
from execmem_kernel.assembly.refusal_report import report_refusal
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector, TooManyErrors
from execmem_kernel.assembly.semantics.layout import Layout
from execmem_kernel.assembly.semantics.lint import check_constants, check_flow, check_globals, check_unused
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT, Sections, too_large
from execmem_kernel.assembly.semantics.statement_reader import StatementReader
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.dialect_detection import dialect_of, is_compiled
from execmem_kernel.assembly.syntax.lines import continued, lines_of
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.errors import AssemblyError
from execmem_kernel.program.program import CODE_ADDRESS, Program

SOURCE_LIMIT = 4 << 20


def assemble(source: str, syntax: Syntax = "intel", address: int | None = None) -> Program:
    """Assemble a whole source text.

    Args:
        source: Statements in Intel syntax as GNU as, NASM or MASM spell it, or in AT&T syntax.
        syntax: Which of the two to begin with; `.att_syntax` and `.intel_syntax` switch.
        address: Where the code is to start; `CODE_ADDRESS` unless asked otherwise.

    Raises:
        AssemblyError: With every error found, at most 20.
        EncoderLostError: The encoder broke; the text may be right.
        TypeError: The source is no text, or the address no whole number.
        ValueError: There is no such syntax.
    """
    if not isinstance(source, str):
        raise TypeError(f"the source is text, not {type(source).__name__}")
    if address is not None and not isinstance(address, int):
        raise TypeError(f"the address is a whole number, not {address!r}")
    if syntax not in ("intel", "att"):
        raise ValueError(f'syntax is "intel" or "att", not {syntax!r}')
    return _assemble(source, syntax, CODE_ADDRESS if address is None else address)


@lru_cache(maxsize=64)
def _assemble(source: str, syntax: Syntax, address: int) -> Program:
    return Assembly(source, syntax, address, default_encoder()).program()


class Assembly:
    """One source text on its way to a program."""

    def __init__(self, source: str, syntax: Syntax, address: int, encoder: Encoder) -> None:
        self._source = source
        self._syntax: Syntax = syntax
        self._address = address
        self._encoder = encoder
        self._lines = lines_of(source)
        self._rules = dialect_of("\n".join(line.text for line in self._lines))
        if self._rules.joins_lines:
            self._lines = continued(self._lines)
        self._collector = DiagnosticCollector(nasm=self._rules.speaks_nasm)
        self._sections = Sections()
        self._compiled = is_compiled(source)
        self._symbols = SymbolTable(self._sections, self._collector, self._rules, address, compiled=self._compiled)
        self._layout = Layout(self._sections, self._symbols, self._collector, address)

    def program(self) -> Program:
        """The program, with all that is doubtful about it.

        Raises:
            AssemblyError: Any of it is wrong.
            EncoderLostError: The encoder broke; the text may be right.
        """
        collector = self._collector
        try:
            if len(self._source) > SOURCE_LIMIT:
                collector.report_error(self._lines[0], SourceError("ASM064", "The source is larger than 4 MiB.", 0, 1))
                raise TooManyErrors
            reader = StatementReader(self._lines, self._syntax, self._rules, self._sections, self._symbols, collector)
            reader.read()
            self._encode()
            warn_of_hidden(reader.hidden, self._symbols, collector, self._rules, self._encoder)
            self._check()
        except TooManyErrors:
            pass
        except RecursionError:
            # Constants that stand for long expressions of constants that stand for long expressions.
            self._nested_too_deep()
        if not collector.error_count:
            for line, error in collector.cascading:
                collector.report_error(line, error, cascading=True)
        if collector.error_count and (told := other_language([line.source for line in self._lines])) is not None:
            collector.replace_all(self._lines[told[0]], told[1])
        if collector.error_count:
            raise AssemblyError([found for found in collector.in_order() if found.severity == "error"])
        check_flow(self._sections, self._symbols, collector)
        check_unused(self._sections, self._symbols, collector)
        return finished(
            self._source,
            self._syntax,
            self._address,
            self._sections,
            self._symbols,
            collector.in_order(),
            compiled=self._compiled,
        )

    def _nested_too_deep(self) -> None:
        line = self._symbols.location.line if self._symbols.location is not None else self._lines[0]
        error = SourceError("ASM016", "The constants used here are nested too deep.", 0, line.text_end)
        with contextlib.suppress(TooManyErrors):
            self._collector.report_error(line, error)

    def _encode(self) -> None:
        code = [fragment for section in self._sections for fragment in section.fragments if fragment.kind == "code"]
        layout = Layout(self._sections, self._symbols, self._collector, self._address)
        InstructionPass(layout, self._symbols, self._collector, self._rules, self._encoder).encode(code)

    def _check(self) -> None:
        """What can be judged only when everything has its place: values of data, counts that came out negative."""
        total = 0
        for section in self._sections:
            total += section.end - section.address
            for fragment in section.fragments:
                if fragment.kind in ("space", "org") and fragment.refusal is not None:
                    report_refusal(fragment, fragment.refusal, self._collector)
                if fragment.fixups:
                    apply_fixups(fragment, self._symbols, self._collector)
        if total > SIZE_LIMIT:
            largest = max(
                (fragment for section in self._sections for fragment in section.fragments),
                key=lambda fragment: fragment.size,
            )
            statement = largest.statement
            self._collector.report_error(largest.line, too_large(statement.start, statement.end))
        check_globals(self._symbols, self._collector)
        check_constants(self._symbols, self._collector)
