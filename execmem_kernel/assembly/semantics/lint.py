"""Checks of the finished layout: undefined globals and constants, unreachable code, unused labels."""

from __future__ import annotations

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.sections import Fragment, Sections
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.expressions import Number, Symbol
from execmem_kernel.assembly.syntax.statements import Statement
from execmem_kernel.x86.mnemonics import ENDINGS, is_mnemonic

_GUARDS = frozenset(("nop", "int3", "int", "ud2", "hlt"))
"""What is put on purpose where nothing should ever get."""


def check_globals(symbols: SymbolTable, collector: DiagnosticCollector) -> None:
    """Warn of what `global` named and nothing defines: to assemblers it lies in another file.

    Where something uses the name, that is an error of its own.
    """
    for name, (line, start, end) in symbols.globals.items():
        if (
            name not in symbols.labels
            and name not in symbols.constants
            and name not in symbols.externs
            and name not in symbols.dotted_labels
        ):
            unknown = symbols.unknown(Symbol(name, start, end))
            collector.warn(line, "ASM094", unknown.message, start, end, unknown.hint)


def check_constants(symbols: SymbolTable, collector: DiagnosticCollector) -> None:
    """Constants that nothing uses must have a value all the same, as NASM asks."""
    if symbols.gnu:
        return
    for name, constants in symbols.constants.items():
        for constant in constants:
            if isinstance(constant.value, Number) or name in symbols.used:
                continue
            place = symbols.location = constant.place
            try:
                symbols.evaluate(constant.value)
            except SourceError as error:
                start, end = place.start, place.end
                if error.start < error.end:
                    start, end = error.start, error.end
                collector.report_error(place.line, SourceError(error.code, error.message, start, end, error.hint))


def check_flow(sections: Sections, symbols: SymbolTable, collector: DiagnosticCollector) -> None:
    """Missing ret at the end, instructions that nothing can reach, and data in the way of the program.

    Args:
        sections: The program's, laid out.
        symbols: Its labels: wherever one stands, something may jump to.
        collector: What takes the warnings.
    """
    section = sections.text
    labels = (
        *symbols.labels.values(),
        *(label for same in (*symbols.dotted_labels.values(), *symbols.numeric_labels.values()) for label in same),
    )
    starts = {label.index for label in labels if label.section is section}
    flow = _Flow(symbols, collector)
    for index, fragment in enumerate(section.fragments):
        if fragment.kind == "data":
            flow.data(fragment, index, is_labelled=index in starts)
        elif fragment.kind == "code":
            flow.code(fragment, is_labelled=index in starts)
        elif index in starts:
            flow.label()
    flow.end()


class _Flow:
    """Follows the text section from the top, as a processor does that never jumps."""

    def __init__(self, symbols: SymbolTable, collector: DiagnosticCollector) -> None:
        self._symbols = symbols
        self._collector = collector
        self._last: Fragment | None = None
        """The last instruction, unless what came behind it may be one too."""
        self._stopped = False
        """Whether the last instruction never goes on to the next, and no label stands behind it."""
        self._warned = False
        """Whether this stretch of instructions that nothing reaches has its warning."""

    def label(self) -> None:
        self._stopped = self._warned = False

    def data(self, fragment: Fragment, index: int, *, is_labelled: bool) -> None:
        if is_labelled and fragment.data and _is_no_code(fragment.statement):
            before = None if self._stopped else self._last
            _check_run_into(fragment, index, before, self._symbols, self._collector)
        # Bytes by hand may be an instruction: nothing is known of what follows them.
        if fragment.data:
            self._last = None
        self.label()

    def code(self, fragment: Fragment, *, is_labelled: bool) -> None:
        if is_labelled:
            self.label()
        statement = fragment.statement
        if self._stopped and not self._warned and statement.name not in _GUARDS:
            self._collector.warn(
                fragment.line,
                "ASM081",
                "Nothing ever gets here: the instruction before it does not go on, and no label stands between.",
                statement.start,
                statement.end,
                "remove it, or give it a label that something jumps to",
            )
            self._warned = True
        self._stopped = statement.name in ENDINGS
        self._last = fragment

    def end(self) -> None:
        if self._last is None or self._stopped or _may_end(self._last.statement):
            return
        statement = self._last.statement
        self._collector.warn(
            self._last.line,
            "ASM080",
            "The program runs past its end: after this instruction comes nothing.",
            statement.start,
            statement.end,
            "end it with ret",
        )


def _is_no_code(statement: Statement) -> bool:
    """Whether data are hardly instructions written by hand, which are bytes."""
    directive = statement.directive
    if directive is None or directive.kind not in ("data", "text", "float"):
        return False
    return directive.kind != "data" or directive.size > 1 or any(token.kind == "string" for token in statement.tokens)


def _check_run_into(
    fragment: Fragment, index: int, last: Fragment | None, symbols: SymbolTable, collector: DiagnosticCollector
) -> None:
    """Data in the way of the program, which would run as instructions; `last` goes on to them."""
    statement = fragment.statement
    if last is not None and not _may_end(last.statement):
        message = "The program runs into these data: the instruction before them goes on."
    elif index == 0 and not {"_start", "main"} & symbols.labels.keys():
        message = "The program begins with these data: they would run as instructions."
    else:
        return
    collector.warn(
        fragment.line,
        "ASM092",
        message,
        statement.start,
        statement.end,
        "put them behind the last ret, or into .data",
    )


def check_unused(sections: Sections, symbols: SymbolTable, collector: DiagnosticCollector) -> None:
    """Labels in the code that nothing names; data may well be reached by counting on from a neighbour.

    Args:
        sections: The program's, laid out.
        symbols: Its labels, and which of them are used.
        collector: What takes the warnings.
    """
    text = sections.text
    for label in [*symbols.labels.values(), *(label for labels in symbols.dotted_labels.values() for label in labels)]:
        name = label.name
        if name in symbols.used or name in symbols.globals or name in ("_start", "main") or label.line.moved:
            continue
        if label.section is not text or name.startswith((".L", "..")):
            continue
        if is_mnemonic(name):
            collector.warn(
                label.line,
                "ASM082",
                f"`{name}:` is a label, and nothing uses it.",
                label.start,
                label.end,
                f"leave out the colon if the instruction {name} is meant",
            )
        elif label.index and label.index < len(text.fragments) and text.fragments[label.index].kind == "code":
            collector.warn(label.line, "ASM083", f"Nothing uses the label `{name}`.", label.start, label.end)


def _may_end(statement: Statement) -> bool:
    """Instructions that a program may end with, because they may not come back: exit by system call, call of exit."""
    return statement.name in ("syscall", "int", "int3", "call", "callq", "sysenter")
