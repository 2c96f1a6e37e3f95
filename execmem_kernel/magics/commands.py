"""`%execmem`: its subcommands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from execmem_kernel import errors
from execmem_kernel.wording import did_you_mean

if TYPE_CHECKING:
    from execmem_kernel.views.report import Report


def _explain(text: str) -> Report:
    from execmem_kernel.explain.explain import explain
    from execmem_kernel.views.report import Report, Sentence

    if not text:
        raise errors.MagicError('%execmem explain needs an instruction: %execmem explain "lea rax, [rdi+rsi*4]"')
    if re.fullmatch(r"(?i)asm[0-9]+", text):
        return _explain_code(text.upper())
    return Report((Sentence(explain(text)),))


def _explain_code(code: str) -> Report:
    """What a code of the assembler's means, with the example that it is documented by and what is said of that."""
    from execmem_kernel.assembly.assembler import assemble
    from execmem_kernel.assembly.diagnostics.codes import documented_codes
    from execmem_kernel.views.listing import code_report

    codes = documented_codes()
    if code not in codes:
        raise errors.MagicError(f"%execmem explain: there is no {code}; codes go from {min(codes)} to {max(codes)}")
    meaning, example = codes[code]
    findings: tuple[Any, ...] = ()
    if example:
        try:
            findings = assemble(example).warnings
        except errors.AssemblyError as error:
            findings = error.diagnostics
    return code_report(code, meaning, example, next((one for one in findings if one.code == code), None))


def _regions(_text: str) -> Report:
    from execmem_kernel.memory.session import manager
    from execmem_kernel.views.memory import picture

    return picture(manager().snapshot(), manager().events()).report()


def _audit(_text: str) -> Report:
    from execmem_kernel.memory.session import manager
    from execmem_kernel.views.memory import leaks_report

    return leaks_report(manager().audit())


def _cleanup(_text: str) -> Report:
    from execmem_kernel.memory.session import manager
    from execmem_kernel.views.memory import cleanup_report

    return cleanup_report(manager().cleanup())


COMMANDS: dict[str, tuple[Callable[[str], Report], str]] = {
    "explain": (
        _explain,
        'say what an instruction does: explain "lea rax, [rdi+rsi*4]"; or what a code means: explain ASM107',
    ),
    "regions": (_regions, "list the executable memory that is owned now, and by whom"),
    "audit": (_audit, "compare it with the kernel's own map, and name what nobody owns"),
    "cleanup": (_cleanup, "release everything that nobody is running in"),
}
"""Subcommand -> what it does with the rest of the line, and its help."""


def execmem_help() -> str:
    """What `%execmem help` and `%execmem?` show."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  %execmem {name.ljust(width)}  {about}" for name, (_, about) in COMMANDS.items()]
    return "Look after executable memory from a notebook.\n\n" + "\n".join(lines) + "\n"


def execmem(line: str) -> Report | None:
    """Run one subcommand of `%execmem` and return its report; help is printed.

    Raises:
        MagicError: There is no such subcommand.
    """
    name, _, rest = line.strip().partition(" ")
    if name in ("", "help", "--help"):
        print(execmem_help(), end="")
        return None
    if name not in COMMANDS:
        near = did_you_mean(name, frozenset(COMMANDS))
        raise errors.MagicError(f"%execmem does not know {name!r}{near}; %execmem help lists what it knows")
    rest = rest.strip()
    if len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "'\"":
        rest = rest[1:-1]
    return COMMANDS[name][0](rest)
