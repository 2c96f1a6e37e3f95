"""Instructions in comments: a warning where `;` made a comment of what would have been carried out."""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.encoding.encoder import Encoder
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.expressions import symbols_in
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.lowering import build
from execmem_kernel.assembly.syntax.statements import Address, Constant, Statement
from execmem_kernel.x86.operands import Encoding, Operation

_CHANGES_NOTHING = frozenset(("nop", "endbr64", "pause"))


def warn_of_hidden(
    hidden: Sequence[tuple[Line, Statement]],
    symbols: SymbolTable,
    collector: DiagnosticCollector,
    rules: DialectRules,
    encoder: Encoder,
) -> None:
    """Warn of comments that are whole instructions: all names in them exist, and they can be encoded.

    Args:
        hidden: Lines, and what stands behind their semicolon.
        symbols: What the program defines.
        collector: What takes the warnings.
        rules: The rules of the source's dialect.
        encoder: What says whether an instruction exists.
    """
    found = [
        (line, statement, operation)
        for line, statement in hidden
        if (operation := _operation(statement, symbols, rules)) is not None
    ]
    answers = encoder.encode([operation for _, _, operation in found])
    for (line, _, _), answer in zip(found, answers, strict=True):
        if isinstance(answer, Encoding):
            start = line.text.index(";")
            collector.warn(
                line,
                "ASM084",
                "What stands after `;` reads like an instruction, and is taken as a comment.",
                start,
                start + 1,
                "put each instruction on a line of its own",
            )


def _operation(statement: Statement, symbols: SymbolTable, rules: DialectRules) -> Operation | None:
    """The operation that the comment would be; None where it is none, or would change nothing."""
    if statement.name in _CHANGES_NOTHING:
        return None
    for piece in statement.operands:
        value = piece.value
        tree = (
            value.displacement if isinstance(value, Address) else value.value if isinstance(value, Constant) else None
        )
        if any(not symbols.is_known(symbol.name) for symbol in symbols_in(tree)):
            return None
    if statement.ready is not None:
        return statement.ready
    try:
        symbols.location = symbols.somewhere()
        return build(statement, symbols.evaluate, symbols.location.address, rules)
    except SourceError:
        return None
