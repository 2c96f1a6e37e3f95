"""Completion behind %execmem: its subcommands, and behind `explain` the codes of diagnostics, or an instruction."""

from __future__ import annotations

import re

from execmem_kernel.assembly.diagnostics.codes import documented_codes
from execmem_kernel.editor.completion import complete
from execmem_kernel.editor.completions import Completion, Completions
from execmem_kernel.editor.table import language

_COMMAND = re.compile(r"[ \t]*%execmem[ \t]+")
_EXPLAIN = re.compile(r"explain[ \t]+(['\"]?)")


def complete_command(line: str, offset: int) -> Completions:
    """What can stand at the end of a %execmem line.

    Args:
        line: The line as far as the cursor.
        offset: Where the cursor stands in the cell.
    """
    found = _COMMAND.match(line)
    rest = line[found.end() :] if found is not None else ""
    table = language()
    explain = _EXPLAIN.match(rest)
    if explain is None:
        names = {**table.commands, "help": "say what there is"}
        items = [
            Completion(name, "command", f"{about[:1].upper()}{about[1:]}.")
            for name, about in names.items()
            if name.startswith(rest)
        ]
        return Completions(offset - len(rest), offset, tuple(items))
    typed = rest[explain.end() :]
    codes = [
        Completion(code, "code", meaning)
        for code, (meaning, _) in documented_codes().items()
        if code.startswith(typed.upper())
    ]
    if codes and (typed or not explain[1]):
        return Completions(offset - len(typed), offset, tuple(codes))
    cell = f"%%asm\n{typed} "  # the blank keeps the body from being an empty one
    body = complete(cell, len(cell) - 1) if typed else None
    if body is None:
        return Completions(offset, offset)
    shift = offset - (len(cell) - 1)
    return Completions(body.start + shift, offset, body.items)
