"""Directives about names: `global`, `extern`, `.set`, `equ`, `proc`."""

from __future__ import annotations

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.arguments import DirectiveArguments, arguments_of
from execmem_kernel.assembly.semantics.data import Handler
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.directives import DirectiveKind
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.statements import LabelDefinition, Statement
from execmem_kernel.assembly.syntax.words import SIZES
from execmem_kernel.x86.registers import canonical_register

_PROC_WORDS = frozenset(("near", "far", "public", "private", "export", "frame"))
"""What may stand behind `proc` and changes nothing here."""


class SymbolDirectives:
    """What each kind of directive about names does."""

    def __init__(self, symbols: SymbolTable, arguments: DirectiveArguments) -> None:
        self._symbols = symbols
        self._arguments = arguments
        self.handlers: dict[DirectiveKind, Handler] = {
            "global": self._global,
            "extern": self._extern,
            "set": self._set,
            "equ": self._equ,
            "proc": self._proc,
            "label": self._label,
        }

    def _global(self, statement: Statement, line: Line) -> None:
        for tokens in arguments_of(statement) or [[]]:
            if not tokens or tokens[0].kind not in ("name", "string"):
                raise SourceError("ASM051", f"`{statement.name}` needs a label's name.", statement.start, statement.end)
            if statement.name == ".weak":
                continue
            name = tokens[0].text.strip('"')
            self._symbols.globals.setdefault(name, (line, tokens[0].start, tokens[0].end))

    def _extern(self, statement: Statement, line: Line) -> None:
        for tokens in arguments_of(statement) or [[]]:
            if not tokens or tokens[0].kind != "name":
                raise SourceError("ASM051", f"`{statement.name}` needs a name.", statement.start, statement.end)
            if len(tokens) > 1 and tokens[1].kind == "name":
                raise SourceError(
                    "ASM011",
                    f"`{tokens[1].text}` cannot stand here.",
                    tokens[1].start,
                    tokens[1].end,
                    "names are separated by commas",
                )
            self._symbols.declare_extern(tokens[0].text)

    def _set(self, statement: Statement, line: Line) -> None:
        self._assign(statement, line, again=True)

    def _equ(self, statement: Statement, line: Line) -> None:
        self._assign(statement, line, again=False)

    def _assign(self, statement: Statement, line: Line, *, again: bool) -> None:
        tokens = statement.tokens
        if len(tokens) < 3 or tokens[0].kind != "name" or tokens[1].text != ",":
            raise SourceError(
                "ASM051",
                f"`{statement.name}` needs a name and a value.",
                statement.start,
                statement.end,
                f"for example: {statement.name} SIZE, 8" if statement.name[0] == "." else "for example: SIZE = 8",
            )
        name = tokens[0]
        if canonical_register(name.text) is not None and not self._symbols.gnu:
            raise SourceError(
                "ASM031", f"`{name.text}` is a register and cannot name a constant.", name.start, name.end
            )
        if len(tokens) == 4 and tokens[2].text.lower() == "this" and (size := SIZES.get(tokens[3].text.lower())):
            self._symbols.define(LabelDefinition(name.text, name.start, name.end), line)  # MASM: a label with a type
            self._symbols.types[name.text] = size
            return
        value = self._arguments.expression(tokens[2:], statement)
        if name.text == ".":
            raise SourceError(
                "ASM058",
                "The place of the next byte cannot be set.",
                name.start,
                name.end,
                "use .skip or .align to move on",
            )
        self._symbols.define_constant(name.text, value, line, name.start, name.end, again=again)

    def _proc(self, statement: Statement, line: Line) -> None:
        if not statement.labels:
            raise SourceError(
                "ASM051", "`proc` needs a name before it.", statement.start, statement.end, "for example: main proc"
            )
        for token in statement.tokens:
            if token.text.lower() not in _PROC_WORDS:
                raise SourceError(
                    "ASM059",
                    f"`{token.text}` behind `proc` is refused: MASM would write instructions for it.",
                    token.start,
                    statement.last,
                    "write `push rbx` at the beginning and `pop rbx` before `ret`"
                    if token.text.lower() == "uses"
                    else "arguments come in rdi, rsi, rdx, rcx, r8, r9",
                )

    def _label(self, statement: Statement, line: Line) -> None:
        """MASM's `x label dword`: another name, and another type, for what follows."""
        size = SIZES.get(statement.tokens[0].text.lower()) if len(statement.tokens) == 1 else None
        if not statement.labels or (size is None and statement.tokens[:1] != () and size is None):
            raise SourceError(
                "ASM051",
                "`label` needs a name before it and a size behind it.",
                statement.start,
                statement.last,
                "for example: bytes label byte",
            )
        if size is not None:
            self._symbols.types[statement.labels[-1].name] = size
