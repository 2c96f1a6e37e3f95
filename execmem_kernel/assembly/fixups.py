"""Fixups: values in data that are known only when everything has its place."""

from __future__ import annotations

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.numbers import fitted
from execmem_kernel.assembly.semantics.sections import Fixup, Fragment
from execmem_kernel.assembly.semantics.symbols import SymbolTable


def apply_fixups(fragment: Fragment, symbols: SymbolTable, collector: DiagnosticCollector) -> None:
    """Write the values that a fragment's data wait for.

    Args:
        fragment: Data, laid out.
        symbols: What their expressions name.
        collector: What takes the errors.

    Raises:
        TooManyErrors: One of them was the twentieth error.
    """
    for fixup in fragment.fixups:
        try:
            _apply(fixup, fragment, symbols)
        except SourceError as error:
            collector.report_error(fragment.line, error.within(fixup.start, fixup.end))
        finally:
            symbols.location_offset = 0


def _apply(fixup: Fixup, fragment: Fragment, symbols: SymbolTable) -> None:
    directive = fragment.statement.directive
    symbols.location = fragment
    # In GNU as `.` is the place of the very value, in NASM `$` that of the statement.
    symbols.location_offset = fixup.offset if directive is not None and directive.word != "db" else 0
    value = symbols.evaluate(fixup.value)
    if value.weight not in (0, 1):
        raise SourceError(
            "ASM034",
            "Two addresses cannot be added.",
            fixup.start,
            fixup.end,
            "the difference of two labels is a number",
        )
    data = fitted(value.number, fixup.size, fixup.start, fixup.end)
    fragment.data[fixup.offset : fixup.offset + fixup.size] = data
