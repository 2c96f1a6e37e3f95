"""The editor's features in an IPython shell: completion, inspection, and what is wrong while a cell is typed.

Completion goes through the shell's completer, which a terminal and every kernel ask. A matcher of IPython's own kind
would not do: where it finds nothing, Python's words are offered (`pri` in a cell of assembly would become `print`).
Inspection and diagnostics go through the kernel's `do_inspect`, the one request that touches neither history nor
execution count and is answered between two cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from execmem_kernel import errors

if TYPE_CHECKING:
    from IPython.core.completer import Completion
    from IPython.core.interactiveshell import InteractiveShell

DIAGNOSTICS_LEVEL = 100
"""The detail level of an inspection that asks what is wrong with the cell; IPython knows 0 and 1."""

_MAGIC = re.compile(r"^[ \t]*%%asm", re.MULTILINE)
_COMMAND = re.compile(r"[ \t]*%execmem[ \t]")


class EditorHooks:
    """What is wrapped around a shell's completer and its kernel's inspection."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.kernel = getattr(shell, "kernel", None)
        self.active = True
        self._wrapped: list[tuple[Any, str, Any]] = []
        if shell.Completer is not None:
            self._completions = self._wrap(shell.Completer, "completions", self.completions)
        if hasattr(self.kernel, "do_inspect"):
            self._do_inspect = self._wrap(self.kernel, "do_inspect", self.do_inspect)

    def _wrap(self, owner: Any, name: str, ours: Any) -> Any:
        """Put our function in the place of a method; what was there is returned."""
        self._wrapped.append((owner, name, vars(owner).get(name)))
        original = getattr(owner, name)
        setattr(owner, name, ours)
        return original

    def remove(self) -> None:
        """Put back what was there; where somebody has wrapped us since, we only pass on."""
        self.active = False
        for owner, name, before in self._wrapped:
            if vars(owner).get(name) != getattr(self, name):
                continue
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def completions(self, text: str, offset: int) -> Iterator[Completion]:
        """What can stand at an offset of a cell."""
        found = self._complete(text, offset) if self.active else None
        if found is None:
            yield from self._completions(text, offset)
            return
        from IPython.core.completer import Completion

        for item in found.items:
            yield Completion(found.start, found.end, item.text, type=item.kind, signature=item.sentence)

    def _complete(self, text: str, offset: int) -> Any:
        """Our completions, or None where the cell or the line is none of ours."""
        if _MAGIC.search(text) is not None:
            from execmem_kernel.editor.completion import complete

            return complete(text, offset, self.shell.user_ns)
        line = text[text.rfind("\n", 0, offset) + 1 : offset]
        if _COMMAND.match(line) is None:
            return None
        from execmem_kernel.editor.command_completion import complete_command

        return complete_command(line, offset)

    def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> Any:  # what the kernel's own gives: a reply, or something to wait for
        """What stands at the cursor; with our own detail level, what is wrong with the cell.

        Args:
            code: The whole cell.
            cursor_pos: The cursor, in characters.
            detail_level: 0 or 1 as IPython has them, or `DIAGNOSTICS_LEVEL`.
            omit_sections: Passed on.
        """
        if not self.active or _MAGIC.search(code) is None:
            return self._do_inspect(code, cursor_pos, detail_level, omit_sections)
        from execmem_kernel.editor.asm_cell import asm_cell

        cell = asm_cell(code)
        if cell is None:
            return self._do_inspect(code, cursor_pos, detail_level, omit_sections)
        data: dict[str, Any] = {}
        if detail_level == DIAGNOSTICS_LEVEL:
            from execmem_kernel.editor.diagnostics import MIME, diagnose

            data[MIME] = diagnose(code, _option_complaint)
        else:
            from execmem_kernel.editor.inspection import inspect

            report = inspect(code, cursor_pos)
            if report is not None:
                data = report._repr_mimebundle_()
            elif cursor_pos < cell.body_start:
                # IPython's help about %%asm itself.
                return self._do_inspect(code, cursor_pos, detail_level, omit_sections)
        return {"status": "ok", "found": bool(data), "data": data, "metadata": {}}


def _option_complaint(line: str) -> str | None:
    from execmem_kernel.magics.options import options

    try:
        options(line)
    except errors.MagicError as error:
        return str(error)
    return None


_hooks: WeakKeyDictionary[InteractiveShell, EditorHooks] = WeakKeyDictionary()


def install(shell: InteractiveShell) -> None:
    """Put the editor's features into a shell; twice is harmless."""
    if shell not in _hooks:
        _hooks[shell] = EditorHooks(shell)


def remove(shell: InteractiveShell) -> None:
    """Take out of the shell what `install` put in; twice is harmless."""
    hooks = _hooks.pop(shell, None)
    if hooks is not None:
        hooks.remove()
