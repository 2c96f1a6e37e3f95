"""A cell that begins with %%asm: its option line, its body, and what they say about how the body is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from execmem_kernel.assembly.syntax.dialect_detection import dialect_of
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.lines import lines_of
from execmem_kernel.assembly.syntax.words import Syntax

_MAGIC = re.compile(r"[ \t]*%%asm(?=\s|$)")
_ATT_OPTION = re.compile(r"--syntax(?:\s+|=)att\b")
_SYNTAX_DIRECTIVE = re.compile(r"^[ \t]*\.(att|intel)_syntax\b", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class AsmCell:
    """The text of a cell, cut where %%asm divides it."""

    text: str
    options_start: int
    """Offset right behind the word %%asm."""
    body_start: int
    """Offset of the first character of the body; one more than the cell has where nothing stands below the options."""

    @property
    def options(self) -> str:
        """The option line behind %%asm."""
        return self.text[self.options_start : self.body_start - 1]

    @property
    def body(self) -> str:
        """What is assembled."""
        return self.text[self.body_start :]

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the body with comments over several lines blanked out; columns stay."""
        return tuple(line.text for line in lines_of(self.body))

    @cached_property
    def rules(self) -> DialectRules:
        """The rules of the dialect that the body declares."""
        return dialect_of("\n".join(self.lines))

    @property
    def first_syntax(self) -> Syntax:
        """The syntax that the option line asks for."""
        return "att" if _ATT_OPTION.search(self.options) is not None else "intel"

    def syntax_at(self, offset: int) -> Syntax:
        """The syntax of instructions at an offset of the body: the option's, or that of the last directive before."""
        found = _SYNTAX_DIRECTIVE.findall(self.body, 0, offset)
        if not found:
            return self.first_syntax
        return "att" if found[-1].lower() == "att" else "intel"


def asm_cell(text: str) -> AsmCell | None:
    """The cell, or None where it is no %%asm cell; comments may stand above, as magics/extension.py allows."""
    position = 0
    for line in text.split("\n"):
        if line.strip() and not line.startswith("#"):
            found = _MAGIC.match(line)
            return None if found is None else AsmCell(text, position + found.end(), position + len(line) + 1)
        position += len(line) + 1
    return None
