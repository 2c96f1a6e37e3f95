"""Puts the magics into an IPython shell and takes them out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from IPython.core.magic import no_var_expand

from execmem_kernel.magics import editor
from execmem_kernel.magics.commands import execmem, execmem_help
from execmem_kernel.magics.options import help_text
from execmem_kernel.magics.session import Session
from execmem_kernel.memory import callsites

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from execmem_kernel.views.report import Report


def _program_report(program: Any) -> Report:
    from execmem_kernel.views.listing import program_report

    return program_report(program)


def _outcome_report(outcome: Any) -> Report:
    from execmem_kernel.views.outcome import outcome_report

    return outcome_report(outcome)


def _leaks_report(leaks: Any) -> Report:
    from execmem_kernel.views.memory import leaks_report

    return leaks_report(leaks)


def _cleanup_report(done: Any) -> Report:
    from execmem_kernel.views.memory import cleanup_report

    return cleanup_report(done)


def _bundler(report: Callable[[Any], Report]) -> Callable[[Any], dict[str, str]]:
    return lambda value: report(value)._repr_mimebundle_()


_sessions: WeakKeyDictionary[InteractiveShell, Session] = WeakKeyDictionary()

_SHOWN_AS_REPORTS: tuple[tuple[str, str, Callable[[Any], Report]], ...] = (
    ("execmem_kernel.program.program", "Program", _program_report),
    ("execmem_kernel.execution.contract.outcome", "Outcome", _outcome_report),
    ("execmem_kernel.memory.values", "LeakReport", _leaks_report),
    ("execmem_kernel.memory.values", "CleanupReport", _cleanup_report),
)
"""Values that show themselves as a report when they are the last thing in a cell."""


def load(shell: InteractiveShell) -> None:
    """Put the magics, the hooks and the display of our values into a shell; twice is harmless."""
    if shell in _sessions:
        return
    session = _sessions[shell] = Session(shell)

    def asm(line: str, cell: str | None = None) -> None:
        session.asm(line, cell)

    def execmem_(line: str) -> None:
        report = execmem(line)
        if report is not None:
            session.show(report)

    asm.__doc__ = help_text()
    execmem_.__doc__ = execmem_help()
    # Braces and dollars on the line are the program's own, not IPython's to expand.
    shell.magics_manager.register_function(no_var_expand(asm), magic_kind="line_cell", magic_name="asm")
    shell.magics_manager.register_function(no_var_expand(execmem_), magic_kind="line", magic_name="execmem")
    shell.events.register("pre_run_cell", session.cell_begins)
    shell.input_transformers_cleanup.append(straighten)
    assert shell.display_formatter is not None
    bundles = shell.display_formatter.mimebundle_formatter
    for module, name, report in _SHOWN_AS_REPORTS:
        bundles.for_type_by_name(module, name, _bundler(report))
    editor.install(shell)
    session.name_cell()
    callsites.namespace = shell.user_ns


def unload(shell: InteractiveShell) -> None:
    """Take out of the shell what `load` put in; twice is harmless. Live regions stay their owners'."""
    session = _sessions.pop(shell, None)
    if session is None:
        return
    for kind, name in (("line", "asm"), ("cell", "asm"), ("line", "execmem")):
        shell.magics_manager.magics[kind].pop(name, None)
        vars(shell.magics_manager.user_magics).pop(name, None)
    shell.events.unregister("pre_run_cell", session.cell_begins)
    shell.input_transformers_cleanup.remove(straighten)
    editor.remove(shell)
    assert shell.display_formatter is not None
    bundles = shell.display_formatter.mimebundle_formatter
    for module, name, _ in _SHOWN_AS_REPORTS:
        bundles.pop(f"{module}.{name}", None)
        loaded = sys.modules.get(module)
        if loaded is not None:
            bundles.pop(getattr(loaded, name), None)
    callsites.current_cell = callsites.namespace = None
    for module in ("execmem_kernel.views.memory_map", "execmem_kernel.views.stepper"):
        widgets = sys.modules.get(module)
        if widgets is not None:
            widgets.close_all()


def straighten(lines: list[str]) -> list[str]:
    """Let IPython see every `%%asm` cell as one.

    IPython refuses a cell magic with an empty body before we are asked, with an error that graders cannot
    see, and does not recognise a cell magic below a comment, where nbval's markers like to stand.
    """
    first = next((index for index, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if first is None or not (match := re.match(r"%%asm(?:\s+|$)", lines[first])):
        return lines
    body = lines[first + 1 :] or ["\n"]
    return [f"%%asm {lines[first][match.end() :].rstrip()}\n", *body]


# Where IPython only asks whether the input is complete it leaves out what has side effects. With an empty body put
# behind it, a first line `%%asm` would count as complete, and a terminal would run it at once.
straighten.has_side_effects = True  # type: ignore[attr-defined]
