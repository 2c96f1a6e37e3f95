"""Directives that choose the section of what follows: `.text`, `section .data`, `.pushsection`, `.previous`."""

from __future__ import annotations

import re

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.semantics.data import Handler
from execmem_kernel.assembly.semantics.sections import SectionKind, Sections
from execmem_kernel.assembly.semantics.structures import Structures
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.directives import DirectiveKind
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.literals import string_bytes
from execmem_kernel.assembly.syntax.statements import Statement

_KINDS: tuple[tuple[str, SectionKind], ...] = (
    (".text", "text"), (".code", "text"), (".rodata", "rodata"), (".rdata", "rodata"), (".data.rel.ro", "rodata"),
    (".data", "data"), (".bss", "bss"), (".tdata", "data"), (".tbss", "bss"), (".const", "rodata"), ("text", "text"),
    ("code", "text"), ("data", "data"), ("bss", "bss"), (".lrodata", "rodata"), ("_text", "text"), ("_data", "data"),
    ("rodata", "rodata"), (".note", "note"), (".comment", "note"), (".debug", "note"), (".eh_frame", "note"),
    ("__text", "text"), ("__data", "data"), (".gnu", "note"), (".stab", "note"),
)  # fmt: skip
"""How the names of well-known sections begin, and what such a section holds; the first that fits counts."""
_START_UP = frozenset((".init_array", ".fini_array", ".ctors", ".dtors", ".init", ".fini", ".preinit_array"))
"""Sections whose content a C runtime calls, which a cell does not have."""
_WITH_FLAGS = re.compile(r'"([^"]*)"')


class SectionDirectives:
    """What each kind of directive about sections does."""

    def __init__(
        self, sections: Sections, structures: Structures, collector: DiagnosticCollector, rules: DialectRules
    ) -> None:
        self._sections = sections
        self._structures = structures
        self._collector = collector
        self._rules = rules
        self.handlers: dict[DirectiveKind, Handler] = {"section": self._section, "return": self._return}

    def _section(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        self._structures.open = False
        name, flags = (statement.directive.word, "") if statement.directive.word else _name_and_flags(statement)
        if name[-1:] == ":" and name[:-1].lower() in (".text", ".data", ".bss", ".rodata"):
            self._collector.warn(
                line,
                "ASM089",
                f"With its colon this is another section than {name[:-1]}: one that can only be read.",
                statement.tokens[0].start,
                statement.last,
                f"write `{statement.name} {name[:-1]}`",
            )
        if statement.name == ".pushsection":
            self._sections.stack.append(self._sections.current)
        self._sections.previous = self._sections.current
        self._sections.current = self._sections.open(name, self._kind_of(name, flags, statement))

    def _return(self, statement: Statement, line: Line) -> None:
        if statement.name == ".popsection":
            if not self._sections.stack:
                raise SourceError(
                    "ASM052", "`.popsection` has no `.pushsection` before it.", statement.start, statement.end
                )
            self._sections.previous, self._sections.current = self._sections.current, self._sections.stack.pop()
        else:
            self._sections.previous, self._sections.current = self._sections.current, self._sections.previous

    def _kind_of(self, name: str, flags: str, statement: Statement) -> SectionKind:
        """What a section holds: by its name where that is well known, otherwise by its flags."""
        lowered = name.lower()
        for beginning, kind in _KINDS:
            if lowered == beginning or lowered.startswith((f"{beginning}.", f"{beginning}_", f"{beginning}$")):
                return kind
        if lowered in _START_UP:
            raise SourceError(
                "ASM059",
                f"Nothing would ever run what is in {name}.",
                statement.start,
                statement.end,
                "call it yourself from .text",
            )
        # GNU as has letters in quotes, NASM words.
        quoted = _WITH_FLAGS.search(flags)
        if quoted is not None:
            letters = quoted[1]
            return "text" if "x" in letters else "data" if "w" in letters else "rodata" if "a" in letters else "note"
        words = flags.lower().split()
        if "nobits" in words:
            return "bss"
        if not words:
            return "rodata" if self._rules.read_only_sections else "data"
        return "text" if "exec" in words else "data" if "write" in words else "rodata"


def _name_and_flags(statement: Statement) -> tuple[str, str]:
    """The name behind `section`, which may be of several tokens without a blank between, and what follows it."""
    if not statement.tokens:
        raise SourceError(
            "ASM051",
            f"`{statement.name}` needs a name.",
            statement.start,
            statement.end,
            "for example .text, .data, .rodata or .bss",
        )
    first = statement.tokens[0]
    if first.kind not in ("name", "string"):
        raise SourceError(
            "ASM051",
            f"`{first.text}` begins no name of a section.",
            first.start,
            first.end,
            "for example .text, .data, .rodata or .bss",
        )
    name = string_bytes(first, None).decode() if first.kind == "string" else first.text
    end = first.end
    for index, token in enumerate(statement.tokens[1:], 1):
        if token.start != end or token.text == ",":
            return name, " ".join(other.text for other in statement.tokens[index:])
        name += token.text
        end = token.end
    return name, ""
