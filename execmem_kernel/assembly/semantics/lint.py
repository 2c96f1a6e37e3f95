"""Checks of the finished layout: undefined globals and constants, unreachable code, unused labels."""

from __future__ import annotations

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.sections import Fragment, Sections
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.expressions import Number, Symbol
from execmem_kernel.assembly.syntax.statements import Statement
from execmem_kernel.x86.mnemonics import is_mnemonic


def check_globals(symbols: SymbolTable, collector: DiagnosticCollector) -> None:
    """What `global` named must exist."""
    for name, (line, start, end) in symbols.globals.items():
        if (
            name not in symbols.labels
            and name not in symbols.constants
            and name not in symbols.externs
            and name not in symbols.dotted_labels
        ):
            collector.report_error(line, symbols.unknown(Symbol(name, start, end)))


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
    """Missing ret at the end, and instructions that nothing can reach."""
    section = sections.text
    fragments = section.fragments
    starts = {label.index for label in symbols.labels.values() if label.section is section}
    starts |= {
        label.index
        for labels in (*symbols.dotted_labels.values(), *symbols.numeric_labels.values())
        for label in labels
        if label.section is section
    }
    stopped = False
    said = False
    last: Fragment | None = None
    for index, fragment in enumerate(fragments):
        goes_on = not stopped
        if index in starts:
            stopped = said = False
        if fragment.kind == "data":
            if index in starts and fragment.data and _is_no_code(fragment.statement):
                _check_run_into(fragment, index, last if goes_on else None, symbols, collector)
            # Bytes by hand may be an instruction: what follows them is anybody's guess.
            last, stopped, said = (None if fragment.data else last), False, False
            continue
        if fragment.kind != "code":
            continue
        statement = fragment.statement
        if stopped and not said and statement.name not in _GUARDS:
            collector.warn(
                fragment.line,
                "ASM081",
                "Nothing ever gets here: the instruction before it does not go on, and no label stands between.",
                statement.start,
                statement.end,
                "remove it, or give it a label that something jumps to",
            )
            said = True
        stopped = _never_goes_on(statement)
        last = fragment
    if last is not None and not stopped and not _may_end(last.statement):
        collector.warn(
            last.line,
            "ASM080",
            "The program runs past its end: after this instruction comes nothing.",
            last.statement.start,
            last.statement.end,
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
    """Labels in the code that nothing names; data may well be reached by counting on from a neighbour."""
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


def _never_goes_on(statement: Statement) -> bool:
    return statement.name in (
        "jmp",
        "jmpq",
        "ret",
        "retq",
        "retn",
        "retf",
        "retfq",
        "iretq",
        "hlt",
        "ud2",
        "sysexit",
        "sysret",
    )


_GUARDS = frozenset(("nop", "int3", "int", "ud2", "hlt"))
"""What is put on purpose where nothing should ever get."""


def _may_end(statement: Statement) -> bool:
    """Instructions that a program may end with, because they may not come back: exit by system call, call of exit."""
    return statement.name in ("syscall", "int", "int3", "call", "callq", "sysenter")
