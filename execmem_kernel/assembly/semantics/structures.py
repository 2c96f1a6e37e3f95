"""NASM's structures: `struc` names the offsets of fields, `istruc` fills one in; `absolute` only counts."""

from __future__ import annotations

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.arguments import DirectiveArguments, arguments_of
from execmem_kernel.assembly.semantics.data import Handler
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT, Section, Sections
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.directives import DirectiveKind
from execmem_kernel.assembly.syntax.expressions import Number, Symbol
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.statements import Statement

_OUTSIDE = frozenset(("struc", "endstruc", "absolute", "section", "set", "equ", "global", "extern", "bits", "ignored"))
"""What means the same where only offsets are counted."""


class Structures:
    """The structure that is being laid out or filled in, of one source."""

    def __init__(self, sections: Sections, symbols: SymbolTable, arguments: DirectiveArguments) -> None:
        self._sections = sections
        self._symbols = symbols
        self._arguments = arguments
        self.open: bool = False
        """Whether statements count an offset and make no bytes."""
        self._name = ""
        """Of the structure that `struc` began."""
        self._start = self._offset = 0
        self._parent = ""
        self._instance: tuple[str, Section, int] | None = None
        """What `istruc` fills in: the structure, and the section and the fragment where it begins."""
        self.handlers: dict[DirectiveKind, Handler] = {
            "struc": self._struc,
            "endstruc": self._endstruc,
            "absolute": self._absolute,
            "istruc": self._istruc,
            "iend": self._iend,
        }
        """By the kind of the directive; `at` is the reader's, because a statement follows it."""

    def take(self, statement: Statement, line: Line) -> bool:
        """Count what a statement reserves; False for one that means the same everywhere.

        Raises:
            SourceError: It would make bytes.
        """
        directive = statement.directive
        if directive is not None and directive.kind in _OUTSIDE:
            return False
        for label in statement.labels:
            self._symbols.define_constant(label.name, Number(self._offset), line, label.start, label.end, again=False)
            if label.name[0] != ".":
                self._sections.parent = label.name
        if not statement.name:
            return True
        arguments = arguments_of(statement)
        if directive is not None and directive.kind == "skip" and arguments:
            count = self._arguments.number(arguments[0], statement, line)
            self._advance(count * directive.size, statement)
        elif directive is not None and directive.kind == "align" and arguments:
            amount = self._arguments.number(arguments[0], statement, line)
            self._advance(-self._offset % amount if amount > 0 else 0, statement)
        else:
            raise SourceError(
                "ASM051",
                "Here only room is reserved, with resb, resw, resd, resq and the like.",
                statement.start,
                statement.last,
                "end the structure with `endstruc`" if self._name else "go back with `section .text`",
            )
        return True

    def _advance(self, size: int, statement: Statement) -> None:
        if not 0 <= size <= SIZE_LIMIT:
            raise SourceError("ASM056", f"A size of {size} makes no sense.", statement.start, statement.last)
        self._offset += size

    def _struc(self, statement: Statement, line: Line) -> None:
        """`struc point`, or `struc point, 8` for offsets from 8."""
        arguments = arguments_of(statement)
        if not arguments or len(arguments[0]) != 1 or arguments[0][0].kind != "name":
            raise SourceError(
                "ASM051", "`struc` needs a name.", statement.start, statement.last, "for example: struc point"
            )
        name = arguments[0][0]
        self._start = self._offset = self._arguments.number(arguments[1], statement, line) if len(arguments) > 1 else 0
        self._symbols.define_constant(name.text, Number(self._start), line, name.start, name.end, again=False)
        if not self.open:
            self._parent = self._sections.parent
        self._name, self._sections.parent, self.open = name.text, name.text, True

    def _endstruc(self, statement: Statement, line: Line) -> None:
        """The size is called `point_size`."""
        if not self._name:
            raise SourceError("ASM052", "`endstruc` has no `struc` before it.", statement.start, statement.end)
        size = Number(self._offset - self._start)
        self._sections.parent = self._parent
        self._symbols.define_constant(f"{self._name}_size", size, line, statement.start, statement.end, again=False)
        self._name, self.open = "", False

    def _absolute(self, statement: Statement, line: Line) -> None:
        """`absolute 0x40`: count from there until the next section."""
        self._offset = self._arguments.number(statement.tokens, statement, line)
        self.open = True

    def _istruc(self, statement: Statement, line: Line) -> None:
        """The fields of a structure follow."""
        if len(statement.tokens) != 1 or statement.tokens[0].kind != "name":
            raise SourceError(
                "ASM051", "`istruc` needs the name of a structure.", statement.start, statement.last,
                "for example: istruc point",
            )  # fmt: skip
        section = self._sections.current
        name = statement.tokens[0]
        if not self._symbols.is_defined(f"{name.text}_size"):
            self._instance = ("", section, 0)
            raise SourceError(
                "ASM051",
                f"There is no structure named `{name.text}` before this line.",
                name.start,
                name.end,
                f"define it above with `struc {name.text}` and `endstruc`",
            )
        self._instance = (name.text, section, len(section.fragments))

    def fill_up(self, statement: Statement, line: Line) -> None:
        """Zeros up to the field that `at` names.

        Raises:
            SourceError: There is no structure to fill in, or the field lies behind.
        """
        name, done = self._progress(statement)
        if not name:
            return
        tokens = statement.tokens
        if tokens[0].text[0] == ".":
            tokens = (tokens[0]._replace(text=name + tokens[0].text), *tokens[1:])  # `at .x`: of this structure
        offset = self._arguments.number(tokens, statement, line)
        offset -= self._symbols.known_value(Symbol(name, statement.start, statement.end), line)
        if offset < done:
            raise SourceError(
                "ASM056",
                f"This field begins at {offset}, and {done} bytes are filled already.",
                statement.tokens[0].start,
                statement.tokens[-1].end,
                "fields come in the order of the structure, each as long as it says",
            )
        if offset > done:
            self._sections.add_data(statement, line, bytes(offset - done), "x")

    def _iend(self, statement: Statement, line: Line) -> None:
        """Zeros up to the end of the structure."""
        name, done = self._progress(statement)
        if not name:
            return
        size = self._symbols.known_value(Symbol(f"{name}_size", statement.start, statement.end), line)
        self._instance = None
        if done > size:
            raise SourceError(
                "ASM056",
                f"The fields take {done} bytes, and `{name}` has {size}.",
                statement.start,
                statement.end,
            )
        if size > done:
            self._sections.add_data(statement, line, bytes(size - done), "x")

    def _progress(self, statement: Statement) -> tuple[str, int]:
        """The structure that is being filled in, and how many bytes of it are there."""
        if self._instance is None or self._instance[1] is not self._sections.current:
            raise SourceError(
                "ASM052", f"`{statement.name}` has no `istruc` before it.", statement.start, statement.end
            )
        name, section, begin = self._instance
        return name, sum(fragment.size for fragment in section.fragments[begin:])
