"""First pass over a source: statements become fragments in sections, labels and constants symbols."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Literal

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.encoding.refusals import misspellings
from execmem_kernel.assembly.preprocessor.expander import Preprocessor
from execmem_kernel.assembly.semantics.arguments import DirectiveArguments, arguments_of
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector, TooManyErrors
from execmem_kernel.assembly.semantics.data import DataDirectives, Handler
from execmem_kernel.assembly.semantics.dialect_warnings import may_mislead, warn_of_meanings
from execmem_kernel.assembly.semantics.sections import SIZE_LIMIT, Section, Sections, repeated
from execmem_kernel.assembly.semantics.structures import Structures
from execmem_kernel.assembly.semantics.symbols import GOT, SymbolTable
from execmem_kernel.assembly.syntax.characters import check_characters
from execmem_kernel.assembly.syntax.dialect_detection import is_att_throughout
from execmem_kernel.assembly.syntax.dialects import GNU, DialectRules
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, MASM_DATA
from execmem_kernel.assembly.syntax.expressions import Binary, Expression, Here, Number, Symbol, symbols_in
from execmem_kernel.assembly.syntax.fast_path import read_line
from execmem_kernel.assembly.syntax.instruction_parser import with_prefixes
from execmem_kernel.assembly.syntax.lines import QUOTED_OR_COMMENT, Line
from execmem_kernel.assembly.syntax.literals import string_bytes
from execmem_kernel.assembly.syntax.separators import hides_instruction, split_statements
from execmem_kernel.assembly.syntax.statements import EMPTY, Address, Constant, LabelDefinition, Statement
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.program.program import Item
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import canonical_register

_OUTSIDE_OF_MEMORY = frozenset(("section", "return", "syntax", "set", "equ", "global", "extern", "common", "end"))
"""What still counts in a section for debuggers and linkers, of which nothing is ever loaded."""
_WORD = re.compile(r"[\w.$@?~#]+")
_PLAIN_DIRECTIVES = [name for name in DIRECTIVES if name[0] != "."]
_ATT_THROUGHOUT = 'the whole cell is in AT&T syntax: write `.att_syntax` before its first line, or ask for syntax="att"'
_DEFINED_FOR_C = re.compile(r"[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)[ \t]+([^\n]+)")
_SHORT_ONLY = frozenset(("jrcxz", "jecxz", "jcxz"))


class StatementReader:
    """Reads one source into its sections and names."""

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
        self._sections = sections
        self._symbols = symbols
        self._collector = collector
        self._values = DirectiveArguments(symbols, self._rules())
        self._data = DataDirectives(sections, symbols, self._values)
        self._structures = Structures(sections, symbols, self._values)
        self._handlers: dict[str, Handler] = {
            **self._data.handlers,
            "times": self._times,
            "section": self._section,
            "return": self._return,
            "global": self._global,
            "extern": self._extern,
            "set": self._set,
            "equ": self._equ,
            "proc": self._proc,
            "struc": self._structures.struc,
            "endstruc": self._structures.endstruc,
            "absolute": self._structures.absolute,
            "istruc": self._structures.istruc,
            "at": self._field,
            "iend": self._structures.iend,
            "bits": self._bits,
            "syntax": self._switch_syntax,
            "ignored": self._ignored,
            "end": self._end,
            "error": self._error,
            "warning": self._warning,
            "refused": self._refused,
        }
        self._ended = False
        self._may_mislead = may_mislead("\n".join(line.text for line in lines))
        self._deceptive: set[int] = set()
        """Numbers of the lines whose characters deceive: they are not read."""
        self._lone: tuple[Line, tuple[str, ...], SourceError] | None = None
        """Prefixes alone on their line, which belong to the instruction on the next."""
        self._named: set[str] | None = None
        """Every word that stands on a line with others; made when first asked for."""

    def _rules(self) -> DialectRules:
        """Only GNU as reads AT&T syntax, so its rules are the ones meant there."""
        return GNU if self._syntax == "att" else self._declared

    def read(self) -> None:
        """Read all of it.

        Raises:
            TooManyErrors: It is past a cap, or twenty of its lines are wrong.
        """
        for line in self._lines:
            if "#" in line.text and (found := _DEFINED_FOR_C.match(line.text)) is not None:
                self._symbols.c_defines[found[1]] = found[2].strip()
        for line, error in check_characters(self._lines):
            self._collector.report_error(line, error)
            self._deceptive.add(line.number)
        reader = Preprocessor(self._lines, self)
        while True:
            try:
                upcoming = reader.next()
            except SourceError as error:
                self._collector.report_error(reader.line, error)
                if error.code in ("ASM060", "ASM061"):
                    raise TooManyErrors from None  # past a cap: nothing more is read, and nothing encoded
                continue
            if upcoming is None:
                break
            if self._ended:
                if read_line(upcoming.text, self._syntax, self._values.rules) == EMPTY:
                    continue
                start = len(upcoming.text) - len(upcoming.text.lstrip())
                self._collector.warn(
                    upcoming, "ASM093", "Nothing behind `end` is read.", start, upcoming.text_end, "delete the `end`"
                )
                break
            if self._deceptive and upcoming.number in self._deceptive:
                continue
            self._read_line(upcoming)
        self._put_back_prefixes()

    def _read_line(self, line: Line) -> None:
        rules = self._values.rules
        self._symbols.gnu |= rules.gnu_symbols
        texts: tuple[str, ...] = (line.text,)
        if rules.separates_statements and ";" in line.text:
            texts = split_statements(line.text)
        elif not rules.is_declared and ";" in line.text and hides_instruction(line.text, self._syntax):
            start = line.text.index(";")
            self._collector.warn(
                line,
                "ASM084",
                "What stands after `;` reads like an instruction, and is taken as a comment.",
                start,
                start + 1,
                "put each instruction on a line of its own",
            )
        if self._may_mislead:
            warn_of_meanings(line, rules, self._collector)
        for text in texts:
            statement = read_line(text, self._syntax, rules)
            if self._lone is not None and (statement.name or statement.labels or statement.complaint is not None):
                joined = with_prefixes(self._lone[1], statement)
                if joined is None:
                    self._put_back_prefixes()
                else:
                    statement, self._lone = joined, None
            error = statement.complaint
            if error is not None and statement.prefixes and not statement.name:
                for name in statement.labels:
                    self._symbols.define(name, line)
                self._lone = (line, statement.prefixes, error)
                continue
            if not statement.name and statement.labels and self._is_slip(statement.labels[-1], line):
                name = statement.labels[-1]
                refusal = misspellings.unknown(name.name)
                error = SourceError(refusal.code, refusal.message, name.start, name.end, refusal.hint)
                self._collector.note_broken(line)
                self._collector.report_error(line, error)
                continue
            try:
                if error is None:
                    self._take(statement, line)
                    continue
                for name in statement.labels:
                    self._symbols.define(name, line)
            except SourceError as found:
                error = found
            self._collector.note_broken(line)
            if error.code == "ASM020" and not rules.is_declared and is_att_throughout(self._lines):
                translated = error.hint.partition(";")[0] if "in Intel" in error.hint else ""
                error = error.with_hint(f"{translated}{'; ' * bool(translated)}{_ATT_THROUGHOUT}")
                self._collector.report_error(line, error)
                raise TooManyErrors  # every other line has the same error
            self._collector.report_error(line, error)

    def _put_back_prefixes(self) -> None:
        """Complain about a prefix alone on its line that no instruction follows."""
        if self._lone is not None:
            line, _, error = self._lone
            self._lone = None
            self._collector.report_error(line, error)

    def _is_slip(self, name: LabelDefinition, line: Line) -> bool:
        """Whether a word alone on its line, which NASM takes for a label, is more likely an instruction misspelt.

        A label is named somewhere else, too.
        """
        if name.colon or line.moved:
            return False
        if self._named is None:
            bare = (QUOTED_OR_COMMENT.sub(" ", other.text) for other in self._lines)
            self._named = {word for text in bare if len(text.split()) > 1 for word in _WORD.findall(text)}
        return name.name not in self._named

    def _take(self, statement: Statement, line: Line) -> None:
        if self._structures.open and self._structures.take(statement, line):
            return
        for name in statement.labels:
            self._symbols.define(name, line)
        if not statement.name:
            return
        directive = statement.directive
        if directive is None:
            self._add_code(statement, line)
        elif self._sections.current.segment != "note" or directive.kind in _OUTSIDE_OF_MEMORY:
            self._handlers[directive.kind](statement, line)

    def known_value(self, value: Expression, line: Line) -> int:
        """What an expression is worth at the time of reading."""
        return self._symbols.known_value(value, line)

    def define_constant(self, name: str, value: Expression, line: Line, start: int, end: int, *, again: bool) -> None:
        """Give a name a value."""
        self._symbols.define_constant(name, value, line, start, end, again=again)

    def is_defined(self, name: str) -> bool:
        """Whether a name has a meaning by now."""
        return self._symbols.is_defined(name)

    def pieces(self, text: str, macros: Iterable[str]) -> tuple[str, ...]:
        """The statements of a line, where semicolons separate them."""
        return split_statements(text, frozenset(macros)) if self._values.rules.separates_statements else (text,)

    def note_warning(self, line: Line, text: str) -> None:
        """A warning that the source itself asks for."""
        self._collector.warn(line, "ASM086", f"The source says: {text}", 0, len(line.text.rstrip()))

    def _add_code(self, statement: Statement, line: Line) -> None:
        section = self._sections.current
        if section.segment not in ("text", "note"):
            if not is_mnemonic(statement.name):
                tokens = statement.tokens
                if len(tokens) > 1 and (directive := MASM_DATA.get(tokens[0].text.lower())) is not None:
                    # `sum DWORD 0`: in memory for data it can be nothing else.
                    start, end = statement.start, statement.end
                    self._symbols.define(LabelDefinition(line.text[start:end], start, end, colon=False), line)
                    datum = statement._replace(name=tokens[0].text.lower(), directive=directive, tokens=tokens[1:])
                    self._handlers["data"](datum, line)
                    return
                refusal = misspellings.unknown(statement.name)
                near = difflib.get_close_matches(statement.name, _PLAIN_DIRECTIVES, n=1, cutoff=0.75)
                section.error_reported |= bool(near)  # what follows was to stand elsewhere
                hint = (
                    f"did you mean `{near[0]}`?" if near else refusal.hint or f"for a label write `{statement.name}:`"
                )
                raise SourceError(refusal.code, refusal.message, statement.start, statement.end, hint)
            if section.error_reported:
                return
            section.error_reported = True
            if section.segment == "bss":
                raise SourceError(
                    "ASM054",
                    "Instructions cannot stand in .bss, which has no bytes.",
                    statement.start,
                    statement.end,
                    "write .text before them",
                )
            raise SourceError(
                "ASM054",
                f"Instructions in {section.name} could not run: that memory is not executable.",
                statement.start,
                statement.end,
                f"leave out the colon: `section {section.name[:-1]}`"
                if section.name[-1:] == ":"
                else "write .text before them",
            )
        if not is_mnemonic(statement.name):
            self._collector.note_broken(line)
        if "GOT" in line.text or "got" in line.text:
            self._add_got_entries(statement, line)
        if statement.att:
            self._warn_of_bare_numbers(statement, line)
        elif self._declared.warns_of_counted_bytes and "$" in line.text:
            self._warn_of_counted_bytes(statement, line)
        fragment = self._sections.add_fragment("code", statement, line)
        fragment.operation = statement.ready
        if fragment.operation is None:
            form = _branch_form(statement)
            if form is not None:
                fragment.form = "short" if form == "jump" else "near"
                if form == "call":
                    fragment.limit = 0
        self._sections.break_run()

    def _warn_of_bare_numbers(self, statement: Statement, line: Line) -> None:
        """`mov 5, %rax` reads memory: the most common slip in AT&T syntax."""
        for piece in statement.operands:
            value = piece.value
            if isinstance(value, Address) and not value.terms and value.segment is None:
                text = line.text[piece.start : piece.end]
                if isinstance(value.displacement, Number) and text[:1] != "*" and statement.name != "movabs":
                    self._collector.warn(
                        line,
                        "ASM090",
                        f"Without `$` this is what lies in memory at address {text}.",
                        piece.start,
                        piece.end,
                        f"write `${text}` if the number is meant",
                    )

    def _warn_of_counted_bytes(self, statement: Statement, line: Line) -> None:
        """`jmp $ + 7`: right only where every instruction between has the length that its writer thinks it has."""
        for piece in statement.operands:
            value = piece.value
            tree = value.value if isinstance(value, Constant) else None
            if isinstance(tree, Binary) and isinstance(tree.left, Here) and isinstance(tree.right, Number):
                self._collector.warn(
                    line,
                    "ASM091",
                    "This counts bytes of machine code: an instruction may be shorter here than NASM makes it.",
                    piece.start,
                    piece.end,
                    "put a label where it is to lead, and name that",
                )

    def _add_got_entries(self, statement: Statement, line: Line) -> None:
        """`mov rax, x@GOTPCREL[rip]` loads an address from memory: put it there, as a linker would."""
        for piece in statement.operands:
            tree = (
                None
                if isinstance(piece.value, Register)
                else (piece.value.value if isinstance(piece.value, Constant) else piece.value.displacement)
            )
            for symbol in symbols_in(tree):
                name, _, kind = symbol.name.partition("@")
                if kind.upper() != GOT or name in self._symbols.got_entries:
                    continue
                held, self._sections.current = self._sections.current, self._sections.open(".got", "rodata")
                self._sections.current.alignment = 8
                self._symbols.got_entries[name] = self._sections.label_here(name, line, symbol.start, symbol.end)
                fragment = self._sections.add_data(statement._replace(labels=()), line, bytes(8), "q")
                fragment.fixups = [(0, 8, Symbol(f"{name}@PLT", symbol.start, symbol.end), symbol.start, symbol.end)]
                self._sections.current = held

    def _times(self, statement: Statement, line: Line) -> None:
        inner = statement.inner
        assert inner is not None
        tree = self._values.expression(statement.tokens, statement)
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
                raise SourceError("ASM062", "The program would be larger than 1 MiB.", start, end)
            self._sections.add_data(statement, line, unit * count, item)
            return
        if count > 100_000:
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

    def _section(self, statement: Statement, line: Line) -> None:
        self._structures.open = False
        assert statement.directive is not None
        name = statement.directive.word
        flags = ""
        if not name:
            if not statement.tokens:
                raise SourceError(
                    "ASM051",
                    f"`{statement.name}` needs a name.",
                    statement.start,
                    statement.end,
                    "for example .text, .data, .rodata or .bss",
                )
            first = statement.tokens[0]
            name = string_bytes(first, None).decode() if first.kind == "string" else first.text
            end = first.end
            for index, token in enumerate(statement.tokens[1:], 1):
                if token.start != end or token.text == ",":
                    rest = statement.tokens[index:]
                    flags = " ".join(other.text for other in rest)
                    break
                name += token.text
                end = token.end
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
        self._sections.current = self._sections.open(name, _segment_of(name, flags, statement, self._declared))

    def _return(self, statement: Statement, line: Line) -> None:
        if statement.name == ".popsection":
            if not self._sections.stack:
                raise SourceError(
                    "ASM052", "`.popsection` has no `.pushsection` before it.", statement.start, statement.end
                )
            self._sections.previous, self._sections.current = self._sections.current, self._sections.stack.pop()
        else:
            self._sections.previous, self._sections.current = self._sections.current, self._sections.previous

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
        value = self._values.expression(tokens[2:], statement)
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

    def _bits(self, statement: Statement, line: Line) -> None:
        if statement.tokens and statement.tokens[0].text != "64":
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
        self._syntax = "att" if statement.directive.word == "att" else "intel"
        self._values.rules = self._rules()
        if (self._syntax == "intel" and "prefix" in words) or (self._syntax == "att" and "noprefix" in words):
            raise SourceError(
                "ASM059",
                f"`{statement.name} {words[0]}` is not supported.",
                statement.start,
                statement.tokens[-1].end,
                "registers are written rax in Intel syntax, %rax in AT&T syntax",
            )

    def _ignored(self, statement: Statement, line: Line) -> None:
        """It says nothing about the bytes."""

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


def _branch_form(statement: Statement) -> Literal["jump", "call"] | None:
    """Whether a statement is a direct jump that may be short or near ("jump"), or a direct call of fixed size."""
    if len(statement.operands) != 1 or statement.prefixes:
        return None
    value = statement.operands[0].value
    if not isinstance(value, Constant) or value.offset or value.pointer or value.form is not None:
        return None
    name = statement.name
    if name in ("call", "callq"):
        return "call"
    if name[0] == "j" and name not in _SHORT_ONLY and is_mnemonic(name):
        return "jump"
    return None


def _segment_of(name: str, flags: str, statement: Statement, rules: DialectRules) -> str:
    lowered = name.lower()
    for prefix, segment in (
        (".text", "text"), (".code", "text"), (".rodata", "rodata"), (".rdata", "rodata"), (".data.rel.ro",
        "rodata"), (".data", "data"),
        (".bss", "bss"), (".tdata", "data"), (".tbss", "bss"), (".const", "rodata"), ("text", "text"), ("code",
        "text"), ("data", "data"), ("bss", "bss"), (".lrodata", "rodata"),
        ("_text", "text"), ("_data", "data"), ("rodata", "rodata"), (".note", "note"), (".comment", "note"),
        (".debug", "note"), (".eh_frame", "note"),
        ("__text", "text"), ("__data", "data"), (".gnu", "note"), (".stab", "note"),
    ):  # fmt: skip
        if lowered == prefix or lowered.startswith((prefix + ".", prefix + "_", prefix + "$")):
            return segment
    if lowered in (".init_array", ".fini_array", ".ctors", ".dtors", ".init", ".fini", ".preinit_array"):
        raise SourceError(
            "ASM059",
            f"Nothing would ever run what is in {name}.",
            statement.start,
            statement.end,
            "call it yourself from .text",
        )
    quoted = re.findall(r'"([^"]*)"', flags)
    if quoted:
        letters = quoted[0]
        return "text" if "x" in letters else "data" if "w" in letters else "rodata" if "a" in letters else "note"
    words = flags.lower().split()
    if "nobits" in words:
        return "bss"
    if not words:
        return "rodata" if rules.read_only_sections else "data"  # Source: NASM's manual, 8.9.2, "default"
    return "text" if "exec" in words else "data" if "write" in words else "rodata"
