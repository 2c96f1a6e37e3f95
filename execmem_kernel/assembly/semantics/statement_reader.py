"""First pass over a source: statements become fragments in sections, labels and constants symbols."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.encoding.refusals.misspellings import unknown
from execmem_kernel.assembly.preprocessor.expander import Preprocessor
from execmem_kernel.assembly.semantics.arguments import DirectiveArguments
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector, TooManyErrors
from execmem_kernel.assembly.semantics.data import DataDirectives, Handler
from execmem_kernel.assembly.semantics.dialect_warnings import may_mislead, warn_of_meanings
from execmem_kernel.assembly.semantics.instructions import Instructions
from execmem_kernel.assembly.semantics.section_directives import SectionDirectives
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT, Section, Sections, repeated, too_large
from execmem_kernel.assembly.semantics.structures import Structures
from execmem_kernel.assembly.semantics.symbol_directives import SymbolDirectives
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.characters import check_characters
from execmem_kernel.assembly.syntax.dialect_detection import is_att_throughout
from execmem_kernel.assembly.syntax.dialects import GNU, DialectRules
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, LINE_DIRECTIVES, DirectiveKind
from execmem_kernel.assembly.syntax.expressions import Expression, Number
from execmem_kernel.assembly.syntax.fast_path import read_line
from execmem_kernel.assembly.syntax.instruction_parser import with_prefixes
from execmem_kernel.assembly.syntax.lines import QUOTED_OR_COMMENT, Line
from execmem_kernel.assembly.syntax.separators import hidden_instruction, split_statements
from execmem_kernel.assembly.syntax.statements import EMPTY, LabelDefinition, Statement
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.program.program import Item

_IN_NOTES = frozenset(("section", "return", "syntax", "set", "equ", "global", "extern", "common", "end"))
"""Kinds of directives that still count in a section for debuggers and linkers, of which nothing is ever loaded."""
_DEFAULTS = frozenset(("rel", "abs", "bnd", "nobnd", ",", "fs", "gs", ":"))
"""What may stand behind NASM's `default`."""
_REPETITION_LIMIT = 100_000
_WORD = re.compile(r"[\w.$@?~#]+")
_ATT_THROUGHOUT = (
    "the whole cell is in AT&T syntax: write `.att_syntax` before its first line, "
    "or begin the cell with `%%asm --syntax att`"
)
_C_DEFINE = re.compile(r"[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)[ \t]+([^\n]+)")


class StatementReader:
    """Reads one source into its sections and symbols."""

    def __init__(
        self,
        lines: list[Line],
        syntax: Syntax,
        rules: DialectRules,
        sections: Sections,
        symbols: SymbolTable,
        collector: DiagnosticCollector,
    ) -> None:
        self._lines = lines
        self._syntax: Syntax = syntax
        self._declared = rules
        """What the source declares, whatever the syntax."""
        self._sections = sections
        self._symbols = symbols
        self._collector = collector
        self._arguments = DirectiveArguments(symbols, self._rules())
        self._data = DataDirectives(sections, symbols, self._arguments)
        self._structures = Structures(sections, symbols, self._arguments)
        self._instructions = Instructions(sections, symbols, collector, rules, self._data)
        self.handlers: dict[DirectiveKind, Handler] = {
            **self._data.handlers,
            **SectionDirectives(sections, self._structures, collector, rules).handlers,
            **SymbolDirectives(symbols, self._arguments).handlers,
            **self._structures.handlers,
            "times": self._times,
            "at": self._field,
            "bits": self._bits,
            "syntax": self._switch_syntax,
            "ignored": self._ignored,
            "end": self._end,
            "error": self._error,
            "warning": self._warning,
            "refused": self._refused,
        }
        """What every kind of directive does; each takes the statement and the line that it stands on."""
        self.hidden: list[tuple[Line, Statement]] = []
        """What reads as an instruction and is a comment, because it stands behind a semicolon."""
        self._ended = False
        self._may_mislead = may_mislead("\n".join(line.text for line in lines))
        self._deceptive: set[int] = set()
        """Numbers of the lines whose characters deceive: they are not read."""
        self._prefixes: tuple[Line, tuple[str, ...], SourceError] | None = None
        """Prefixes alone on their line, which belong to the instruction on the next; the error if there is none."""
        self._named: set[str] | None = None
        """Every word that stands on a line with others; made when first asked for."""

    def _rules(self) -> DialectRules:
        """Only GNU as reads AT&T syntax, so its rules are the ones meant there."""
        return GNU if self._syntax == "att" else self._declared

    # ---- lines -------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read all of it.

        Raises:
            TooManyErrors: It is past a cap, or twenty of its lines are wrong.
        """
        for line in self._lines:
            if "#" in line.text and (found := _C_DEFINE.match(line.text)) is not None:
                self._symbols.c_defines[found[1]] = found[2].strip()
        for line, error in check_characters(self._lines):
            self._collector.report_error(line, error)
            self._deceptive.add(line.number)
        for line in self._expanded():
            if self._ended:
                if read_line(line.text, self._syntax, self._arguments.rules) == EMPTY:
                    continue
                start = len(line.text) - len(line.text.lstrip())
                self._collector.warn(
                    line, "ASM093", "Nothing behind `end` is read.", start, line.text_end, "delete the `end`"
                )
                break
            if self._deceptive and line.number in self._deceptive:
                continue
            self._read_line(line)
        self._put_back_prefixes()

    def _expanded(self) -> Iterator[Line]:
        """The lines as the preprocessor hands them out; it asks what has been defined in those before."""
        preprocessor = Preprocessor(self._lines, self)
        while True:
            try:
                line = preprocessor.next()
            except SourceError as error:
                self._collector.report_error(preprocessor.line, error)
                if error.code in ("ASM060", "ASM061"):
                    raise TooManyErrors from None  # past a cap: nothing more is read, and nothing encoded
                continue
            if line is None:
                return
            yield line

    def _read_line(self, line: Line) -> None:
        rules = self._arguments.rules
        self._symbols.gnu |= rules.gnu_symbols
        texts: tuple[str, ...] = (line.text,)
        if ";" in line.text:
            if rules.separates_statements:
                texts = split_statements(line.text)
            elif not rules.is_declared and not line.moved:
                hidden = hidden_instruction(line.text, self._syntax)
                if hidden is not None:
                    self.hidden.append((line, hidden))
        if self._may_mislead:
            warn_of_meanings(line, rules, self._collector)
        for text in texts:
            self._read_statement(read_line(text, self._syntax, rules), line)

    def _read_statement(self, statement: Statement, line: Line) -> None:
        if self._prefixes is not None:
            statement = self._with_prefixes(self._prefixes[1], statement)
        error = statement.error
        if error is not None and statement.prefixes and not statement.name:
            for label in statement.labels:
                self._symbols.define(label, line)
            self._prefixes = (line, statement.prefixes, error)
            return
        if not statement.name and statement.labels and self._is_slip(statement.labels[-1], line):
            label = statement.labels[-1]
            refusal = unknown(label.name)
            self._collector.note_broken(line)
            self._collector.report_error(
                line, SourceError(refusal.code, refusal.message, label.start, label.end, refusal.hint)
            )
            return
        try:
            if error is None:
                self._take(statement, line)
                return
            for label in statement.labels:
                self._symbols.define(label, line)
        except SourceError as found:
            error = found
        self._report(line, error)

    def _report(self, line: Line, error: SourceError) -> None:
        """Report a line that is wrong; a source in another syntax is wrong in one place only."""
        self._collector.note_broken(line)
        rules = self._arguments.rules
        if error.code == "ASM020" and not rules.is_declared and is_att_throughout(self._lines):
            translated = error.hint.partition(";")[0] if "in Intel" in error.hint else ""
            self._collector.report_error(
                line, error.with_hint(f"{translated}{'; ' * bool(translated)}{_ATT_THROUGHOUT}")
            )
            raise TooManyErrors  # every other line has the same error
        self._collector.report_error(line, error)

    def _with_prefixes(self, prefixes: tuple[str, ...], statement: Statement) -> Statement:
        """The statement with the prefixes on the line before, where it can take them."""
        if not statement.name and not statement.labels and statement.error is None:
            return statement  # nothing yet
        joined = with_prefixes(prefixes, statement)
        if joined is None:
            self._put_back_prefixes()
            return statement
        self._prefixes = None
        return joined

    def _put_back_prefixes(self) -> None:
        """Report a prefix alone on its line that no instruction follows."""
        if self._prefixes is not None:
            line, _, error = self._prefixes
            self._prefixes = None
            self._collector.report_error(line, error)

    def _is_slip(self, label: LabelDefinition, line: Line) -> bool:
        """Whether a word alone on its line, which NASM takes for a label, is more likely an instruction misspelt.

        A label is named somewhere else, too.
        """
        if label.colon or line.moved or label.name.lower() in DIRECTIVES or label.name.lower() in LINE_DIRECTIVES:
            return False
        if self._named is None:
            bare = (QUOTED_OR_COMMENT.sub(" ", other.text) for other in self._lines)
            self._named = {word for text in bare if len(text.split()) > 1 for word in _WORD.findall(text)}
        return label.name not in self._named

    def _take(self, statement: Statement, line: Line) -> None:
        """Do what a statement says."""
        if self._structures.open and self._structures.take(statement, line):
            return
        for label in statement.labels:
            self._symbols.define(label, line)
        if not statement.name:
            return
        directive = statement.directive
        if directive is None:
            self._instructions.add(statement, line)
        elif self._sections.current.segment != "note" or directive.kind in _IN_NOTES:
            self.handlers[directive.kind](statement, line)

    # ---- what the preprocessor asks ----------------------------------------------------------------------------------

    def known_value(self, value: Expression, line: Line) -> int:
        """The value of an expression at the time of reading.

        Raises:
            SourceError: It depends on something that comes later.
        """
        return self._symbols.known_value(value, line)

    def is_defined(self, name: str) -> bool:
        """Whether a name has a meaning by now."""
        return self._symbols.is_defined(name)

    def pieces(self, text: str, macros: Iterable[str]) -> tuple[str, ...]:
        """The statements of a line, where semicolons separate them."""
        return split_statements(text, frozenset(macros)) if self._arguments.rules.separates_statements else (text,)

    @property
    def dotted_labels(self) -> bool:
        """Whether a word that begins with a dot is a label where nothing stands behind it."""
        return self._arguments.rules.dotted_labels

    @property
    def bare_directives(self) -> bool:
        """Whether conditions have no dot."""
        return self._arguments.rules.bare_directives

    def note_warning(self, line: Line, text: str) -> None:
        """A warning that the source itself asks for."""
        self._collector.warn(line, "ASM086", f"The source says: {text}", 0, len(line.text.rstrip()))

    # ---- directives --------------------------------------------------------------------------------------------------

    def _times(self, statement: Statement, line: Line) -> None:
        inner = statement.inner
        assert inner is not None
        tree = self._arguments.expression(statement.tokens, statement)
        folded = self._symbols.fold(tree, self._sections.label_here("", line, 0, 0))
        start, end = statement.tokens[0].start, statement.tokens[-1].end
        if not isinstance(folded, Number):
            # times 510-($-$$) db 0: the count settles with the layout, so what is repeated must be settled already.
            plain = self._constant_bytes(inner, line)
            if plain is None:
                raise SourceError(
                    "ASM036", "This count is not known yet, so it can repeat only plain data or nop.", start, end
                )
            unit, item = plain
            self._data.space(statement, line, tree, len(unit), unit, statement.tokens, item)
            return
        count = folded.value
        if count < 0:
            raise SourceError("ASM056", f"A count cannot be negative; this is {count}.", start, end)
        plain = self._constant_bytes(inner, line) if inner.directive is not None else None
        if plain is not None:
            unit, item = plain
            if len(unit) * count > SIZE_LIMIT:
                raise too_large(start, end)
            self._sections.add_data(statement, line, unit * count, item)
            return
        if count > _REPETITION_LIMIT:
            raise SourceError(
                "ASM060", f"{count:,} repetitions are more than the 100,000 that a cell may expand to.", start, end
            )
        for _ in range(count):
            self._take(inner, line)

    def _constant_bytes(self, statement: Statement, line: Line) -> tuple[bytes, Item] | None:
        """The bytes of data that contain no names, and what they consist of, or None."""
        if statement.directive is None:
            return (b"\x90", "b") if statement.name == "nop" and not statement.operands else None
        section, order = self._sections.current, self._sections.order
        scratch = Section("", "text", 0)
        self._sections.current = scratch
        size = self._sections.size
        try:
            self._take(statement, line)
        finally:
            self._sections.current, self._sections.order, self._sections.size = section, order, size
        data, item = b"", scratch.fragments[0].item if scratch.fragments else "x"
        for fragment in scratch.fragments:
            if fragment.fixups or fragment.amount is not None or fragment.kind not in ("data", "space"):
                return None
            data += bytes(fragment.data) if fragment.kind == "data" else repeated(fragment.fill, fragment.size)
        return data, item

    def _field(self, statement: Statement, line: Line) -> None:
        """`at point.x, dd 5`: fill up to the field, then what it holds."""
        assert statement.inner is not None
        self._structures.fill_up(statement, line)
        self._take(statement.inner, line)

    def _bits(self, statement: Statement, line: Line) -> None:
        if statement.tokens and [token.text for token in statement.tokens] != ["64"]:
            raise SourceError(
                "ASM059",
                "A cell runs in 64-bit mode.",
                statement.tokens[0].start,
                statement.tokens[-1].end,
                "write `bits 64`",
            )

    def _switch_syntax(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        words = [token.text.lower() for token in statement.tokens]
        if words not in ([], ["prefix"], ["noprefix"]):
            raise SourceError(
                "ASM011",
                f"`{statement.tokens[0].text}` cannot stand here.",
                statement.tokens[0].start,
                statement.tokens[-1].end,
                f"write `{statement.name} {'' if statement.name == '.att_syntax' else 'no'}prefix`",
            )
        self._syntax = "att" if statement.directive.word == "att" else "intel"
        self._arguments.rules = self._rules()
        if (self._syntax == "intel" and "prefix" in words) or (self._syntax == "att" and "noprefix" in words):
            raise SourceError(
                "ASM059",
                f"`{statement.name} {words[0]}` is not supported.",
                statement.start,
                statement.tokens[-1].end,
                "registers are written rax in Intel syntax, %rax in AT&T syntax",
            )

    def _ignored(self, statement: Statement, line: Line) -> None:
        """It says nothing about the bytes; what is behind it must be words all the same."""
        for token in statement.tokens:
            if token.kind == "op" and token.text in ("[", "]", "{", "}"):
                raise SourceError("ASM011", f"`{token.text}` cannot stand here.", token.start, token.end)
        if statement.name == "default" and not _DEFAULTS.issuperset(token.text.lower() for token in statement.tokens):
            raise SourceError(
                "ASM051", "`default` takes rel or abs.", statement.start, statement.last, "write `default rel`"
            )

    def _end(self, statement: Statement, line: Line) -> None:
        self._ended = True

    def _error(self, statement: Statement, line: Line) -> None:
        text = " ".join(token.text.strip("\"'") for token in statement.tokens)
        raise SourceError(
            "ASM063",
            f"The source says: {text}" if text else "The source asks to stop here.",
            statement.start,
            line.text_end,
        )

    def _warning(self, statement: Statement, line: Line) -> None:
        text = " ".join(token.text.strip("\"'") for token in statement.tokens)
        self._collector.warn(line, "ASM086", f"The source says: {text}", statement.start, line.text_end)

    def _refused(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        end = statement.tokens[-1].end if statement.tokens else statement.end
        raise SourceError("ASM059", f"`{statement.name}` is refused.", statement.start, end, statement.directive.word)
