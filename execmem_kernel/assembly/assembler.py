"""Source text to `Program`: names, layout, branch sizes, encoding, listing; or every diagnostic at once.

    text --macros--> lines --source.read_line--> statements --here--> chunks in sections --layout--> Program

A chunk is a run of bytes that one statement makes. Sizes are found first, with every jump short; jumps that do not
reach grow until all reach. Then every chunk that depends on an address is encoded where it lies.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from execmem_kernel.assembly import externs, numbers, refusals
from execmem_kernel.assembly.diagnostics import Diagnostic, Span
from execmem_kernel.assembly.directives import DIRECTIVES, NASM_DATA, NASM_ONLY
from execmem_kernel.assembly.disassembler import disassemble
from execmem_kernel.assembly.encoder import default_encoder
from execmem_kernel.assembly.expressions import (
    Complaint,
    Dialect,
    Expression,
    Here,
    Number,
    Parser,
    Symbol,
    Token,
    Value,
    evaluate,
    is_local_reference,
    number,
    string_bytes,
)
from execmem_kernel.assembly.forms import is_mnemonic, known_registers
from execmem_kernel.assembly.lines import QUOTED, Line, check_characters, continued, lines_of
from execmem_kernel.assembly.macros import LineReader
from execmem_kernel.assembly.operands import Encoder, Encoding, Memory, Operation, Refusal, Target
from execmem_kernel.assembly.program import CODE_ADDRESS, ListingRow, Program, Segment
from execmem_kernel.assembly.source import (
    SIZES,
    Constant,
    Name,
    Statement,
    Syntax,
    build,
    hides_instruction,
    read_line,
    separated,
)
from execmem_kernel.errors import AssemblyError

ERROR_LIMIT = 20
SIZE_LIMIT = 1 << 20
SOURCE_LIMIT = 4 << 20
PAGE = 4096
_PASS_LIMIT = 40
_SHRINK_LIMIT = 50
"""Jumps tried again for the short form at the end; each costs a layout."""


def assemble(source: str, syntax: Syntax = "intel", address: int | None = None) -> Program:
    """Assemble a whole source text.

    Args:
        source: Statements in Intel syntax as GNU as, NASM or MASM spell it, or in AT&T syntax.
        syntax: Which of the two to begin with; `.att_syntax` and `.intel_syntax` switch.
        address: Where the code is to start; `CODE_ADDRESS` unless asked otherwise.

    Raises:
        AssemblyError: With every error found, at most 20.
        EncoderLostError: The encoder broke; the text may be right.
    """
    if not isinstance(source, str):
        raise TypeError(f"the source is text, not {type(source).__name__}")
    if address is not None and not isinstance(address, int):
        raise TypeError(f"the address is a whole number, not {address!r}")
    if syntax not in ("intel", "att"):
        raise ValueError(f'syntax is "intel" or "att", not {syntax!r}')
    return _assemble(source, syntax, CODE_ADDRESS if address is None else address)


@lru_cache(maxsize=64)
def _assemble(source: str, syntax: Syntax, address: int) -> Program:
    return Assembly(source, syntax, address, default_encoder()).program()


_NASM_WORD = re.compile(
    rf"^[ \t]*+\[?(?:(?:{'|'.join(NASM_ONLY)})\b"
    rf"|(?:[A-Za-z_.?@][\w.$?@]*+(?:[ \t]*+:[ \t]*+|[ \t]++))?(?:{'|'.join(NASM_DATA)})\b)"
    r"(?![ \t]*[,:=])",
    re.MULTILINE | re.IGNORECASE,
)
_NASM_PREPROCESSOR = re.compile(
    r"^[ \t]*%(?:i?x?define|i?assign|i?macro|if|rep|undef|strlen)\b", re.MULTILINE | re.IGNORECASE
)
_GNU_WORD = re.compile(r"^[ \t]*\.intel_syntax", re.MULTILINE)
_DOTTED = re.compile(
    r"^[ \t]*(?:[\w.$]+:[ \t]*)?"
    r"\.(?:text|data|bss|code|section|globl|global|rodata|byte|quad|long|asciz|string|ascii|zero)\b",
    re.MULTILINE,
)


_COMPILED = re.compile(r"^[ \t]*\.(?:ident[ \t]|cfi_startproc)", re.MULTILINE)
_OUTSIDE_OF_MEMORY = frozenset(("section", "return", "syntax", "set", "equ", "global", "extern", "common", "end"))
"""What still counts in a section for debuggers and linkers, of which nothing is ever loaded."""
_QUOTED_OR_COMMENT = re.compile(QUOTED + r"|[;#].*|//.*")
_ESCAPE = re.compile(r"\\[ntr0]")
_OCTAL = re.compile(r"(?<![\w.])0[0-7]*[1-7][0-7]+(?![\w.])")
_WORD = re.compile(r"[\w.$@?~#]+")
_PLAIN_DIRECTIVES = [name for name in DIRECTIVES if name[0] != "."]
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def dialect_of(source: str) -> Dialect:
    """Whose rules the source declares by the directives it uses."""
    nasm = _NASM_PREPROCESSOR.search(source) is not None or _NASM_WORD.search(source) is not None
    gnu = _GNU_WORD.search(source) is not None
    if nasm and (gnu or _DOTTED.search(source) is not None):
        return "mixed"
    return "nasm" if nasm else "gnu" if gnu else ""


# ---- what a source is made of ----------------------------------------------------------------------------------------

_SegmentName = Literal["text", "rodata", "data", "bss"]
_SEGMENT_ORDER: tuple[_SegmentName, ...] = ("text", "rodata", "data", "bss")
_PROTECTION: dict[str, Literal["r-x", "r--", "rw-"]] = {"text": "r-x", "rodata": "r--", "data": "rw-", "bss": "rw-"}


_Fixup = tuple[int, int, Expression, int, int]
"""Where in its chunk a value goes, its size, what it is, and the columns it comes from."""

_NO_DATA = bytearray()
_NO_FIXUPS: list[_Fixup] = []


class _Chunk:
    """Bytes that one statement makes. `kind`: "code", "data", "space", "align" or "org"."""

    __slots__ = (
        "address",
        "amount",
        "code",
        "count",
        "data",
        "fill",
        "fixups",
        "form",
        "kind",
        "limit",
        "line",
        "operation",
        "order",
        "parent",
        "refusal",
        "run",
        "section",
        "size",
        "statement",
    )  # fmt: skip

    def __init__(
        self, kind: str, line: Line, statement: Statement, section: _Section, order: int, run: int, parent: str
    ) -> None:
        self.kind = kind
        self.line = line
        self.statement = statement
        self.section = section
        self.order = order
        self.run = run
        self.parent = parent
        self.address = 0
        self.size = 0
        self.count = 1
        self.code = b""
        self.data = _NO_DATA
        self.fixups = _NO_FIXUPS
        self.amount: Expression | None = None
        self.fill = b""
        self.limit: int | None = None
        self.operation: Operation | None = None
        self.form: Literal["short", "near"] | None = None
        """Which form a jump has now, where it may have either."""
        self.refusal: Refusal | None = None


class _Section:
    """The chunks of one section, in order."""

    __slots__ = ("address", "alignment", "chunks", "end", "name", "run", "scolded", "segment")

    def __init__(self, name: str, segment: str, run: int) -> None:
        self.name = name
        self.segment = segment
        self.chunks: list[_Chunk] = []
        self.alignment = 1
        self.address = 0
        self.end = 0
        self.run = run
        self.scolded = False
        """Whether somebody has been told that no instructions can stand here: once is enough."""


@dataclass(frozen=True, slots=True)
class _Label:
    """A place: before the chunk `index` of its section."""

    name: str
    section: _Section
    index: int
    run: int
    order: int
    line: Line
    start: int
    end: int
    parent: str

    @property
    def address(self) -> int:
        chunks = self.section.chunks
        return chunks[self.index].address if self.index < len(chunks) else self.section.end


@dataclass(frozen=True, slots=True)
class _Constant:
    """What a name was set to, and where: `$` in it means that place."""

    value: Expression
    place: _Label


class _TooManyErrors(Exception):
    """Twenty errors are enough; what follows is mostly their echo."""


class Assembly:
    """One source text on its way to a program."""

    def __init__(self, source: str, syntax: Syntax, address: int, encoder: Encoder) -> None:
        self._source = source
        self._syntax: Syntax = syntax
        self._first_syntax: Syntax = syntax
        self._address = address
        self._encoder = encoder
        self._lines = lines_of(source)
        self._dialect = dialect_of("\n".join(line.text for line in self._lines))
        if self._dialect == "nasm":
            self._lines = continued(self._lines)
        self._diagnostics: list[Diagnostic] = []
        self._error_count = 0
        self._runs = 0
        self._order = 0
        self._sections: dict[str, _Section] = {}
        self._owners: dict[int, _Section] = {}
        """Which section a run belongs to."""
        self._section = self._open_section(".text", "text")
        self._open_section(".data", "data")  # before .data.rel.ro and the like, as linkers have it
        self._previous = self._section
        self._stack: list[_Section] = []
        self._labels: dict[str, _Label] = {}
        self._dotted: dict[str, list[_Label]] = {}
        self._numeric: dict[str, list[_Label]] = {}
        self._constants: dict[str, list[_Constant]] = {}
        self._globals: dict[str, tuple[Line, int, int]] = {}
        self._externs: dict[str, int] = {}
        self._used_externs: set[str] = set()
        self._used: set[str] = set()
        self._parent = ""
        self._here: _Chunk | _Label | None = None
        self._depth = 0
        self._ended = False
        self._size = 0
        self._deceptive: set[int] = set()
        self._compiled = _COMPILED.search(source) is not None
        self._offset = 0
        self._said: set[tuple[int, str, str]] = set()
        self._broken: set[str] = set()
        """First words of lines that are wrong: who misses what they would have named is not told so again."""
        self._echoes: list[tuple[Line, Complaint]] = []
        self._gnu = False
        """Whether any of it is GNU's."""
        self._named: set[str] | None = None
        """Every word that stands on a line with others; made when first asked for."""

    # ---- diagnostics -------------------------------------------------------------------------------------------------

    def _report(
        self,
        severity: Literal["error", "warning"],
        line: Line,
        code: str,
        message: str,
        start: int,
        end: int,
        hint: str = "",
        forms: tuple[str, ...] = (),
        related: tuple[tuple[Span, str, str], ...] = (),
    ) -> None:
        text = line.source
        if line.moved:
            # The text that is wrong came out of a macro: the caret goes under the call, beside it what the line became.
            start, end = len(text) - len(text.lstrip()), len(text.rstrip())
            number, expanded = line.expansion[-1] if line.expansion else (line.number, line.text)
            if severity == "error" and number != line.number:
                if (number, code, message) in self._said:
                    return  # the same slip in a macro's body, met in another call
                self._said.add((number, code, message))
            related = (*related, (Span(number, 1, 1), expanded, "what the line became"))
        end = min(end, len(text)) if start < len(text) else end
        span = Span(line.number, start + 1, max(start + 1, end) + 1)
        self._diagnostics.append(Diagnostic(severity, code, message, span, text, hint, forms, related))
        if severity == "error":
            self._error_count += 1
            if self._error_count >= ERROR_LIMIT:
                raise _TooManyErrors

    def _complain(self, line: Line, complaint: Complaint, *, echo: bool = False) -> None:
        if complaint.code in ("ASM040", "ASM043") and not echo:
            name = complaint.message.split("`")[1].rstrip(":")
            if name in self._broken:
                # The line that should have defined the name has its own error; this one only follows from it.
                self._echoes.append((line, complaint))
                return
        self._report(
            "error",
            line,
            complaint.code,
            complaint.message,
            complaint.start,
            complaint.end,
            complaint.hint,
            complaint.forms,
        )

    def _warn(self, line: Line, code: str, message: str, start: int, end: int, hint: str = "") -> None:
        self._report("warning", line, code, message, start, end, hint)

    # ---- from text to program ----------------------------------------------------------------------------------------

    def program(self) -> Program:
        """Everything, in order; raises AssemblyError when any of it went wrong."""
        try:
            if len(self._source) > SOURCE_LIMIT:
                self._complain(self._lines[0], Complaint("ASM064", "The source is larger than 4 MiB.", 0, 1))
                raise _TooManyErrors
            self._read()
            self._encode()
        except _TooManyErrors:
            pass
        except RecursionError:
            # Constants that stand for long expressions of constants that stand for long expressions.
            self._nested_too_deep()
        if not self._error_count:
            for line, complaint in self._echoes:
                self._complain(line, complaint, echo=True)
        if self._error_count:
            raise AssemblyError([found for found in _in_order(self._diagnostics) if found.severity == "error"])
        self._check_flow()
        self._check_unused()
        return self._finished()

    def _nested_too_deep(self) -> None:
        line = self._here.line if self._here is not None else self._lines[0]
        complaint = Complaint("ASM016", "The constants used here are nested too deep.", 0, line.text_end)
        with contextlib.suppress(_TooManyErrors):
            self._complain(line, complaint)

    def _read(self) -> None:
        for line, complaint in check_characters(self._lines):
            self._complain(line, complaint)
            self._deceptive.add(line.number)
        reader = LineReader(self._lines, self)
        while True:
            try:
                upcoming = reader.next()
            except Complaint as complaint:
                self._complain(reader.line, complaint)
                if complaint.code in ("ASM060", "ASM061"):
                    raise _TooManyErrors from None  # past a cap: nothing more is read, and nothing encoded
                continue
            if upcoming is None or self._ended:
                break
            if self._deceptive and upcoming.number in self._deceptive:
                continue
            self._read_line(upcoming)

    def _read_line(self, line: Line) -> None:
        # Only GNU as reads AT&T syntax, so its rules are the ones meant there.
        dialect = "gnu" if self._syntax == "att" else self._dialect
        self._gnu |= dialect == "gnu"
        texts: tuple[str, ...] = (line.text,)
        if dialect == "gnu" and ";" in line.text:
            texts = separated(line.text)
        elif not dialect and ";" in line.text and hides_instruction(line.text, self._syntax):
            start = line.text.index(";")
            self._warn(
                line,
                "ASM084",
                "What stands after `;` reads like an instruction, and is taken as a comment.",
                start,
                start + 1,
                "put each instruction on a line of its own",
            )
        if dialect != "gnu":
            self._warn_of_meanings(line, dialect)
        for text in texts:
            statement = read_line(text, self._syntax, dialect)
            complaint = statement.complaint
            if not statement.name and statement.labels and self._is_slip(statement.labels[-1], line):
                name = statement.labels[-1]
                refusal = refusals.unknown(name.name)
                complaint = Complaint(refusal.code, refusal.message, name.start, name.end, refusal.hint)
                self._note_broken(line)
                self._complain(line, complaint)
                continue
            try:
                if complaint is None:
                    self._take(statement, line)
                    continue
                for name in statement.labels:
                    self._define(name, line)
            except Complaint as found:
                complaint = found
            self._note_broken(line)
            self._complain(line, complaint)

    def _note_broken(self, line: Line) -> None:
        if not line.moved:
            self._broken.update(_WORD.findall(line.text)[:2])  # `.set size 5` names its second word

    def _warn_of_meanings(self, line: Line, dialect: Dialect) -> None:
        """Point out what another assembler, or C, would read otherwise."""
        text = line.text
        if line.moved:
            return
        if dialect == "nasm" and "\\" in text:
            for found in _QUOTED_OR_COMMENT.finditer(text):
                if found[0][0] in "'\"" and (escape := _ESCAPE.search(found[0])) is not None:
                    start = found.start() + escape.start()
                    self._warn(
                        line,
                        "ASM087",
                        f"To NASM `{escape[0]}` in these quotes is two plain characters.",
                        start,
                        start + 2,
                        "write the text in backquotes, or the number 10 for a new line",
                    )
                    return
        elif not dialect and " 0" in text:
            octal = _OCTAL.search(_QUOTED_OR_COMMENT.sub(lambda found: " " * len(found[0]), text))
            if octal is not None:
                here, there = int(octal[0], 8), int(octal[0])
                self._warn(
                    line,
                    "ASM085",
                    f"`{octal[0]}` is {here} here, as in GNU as and C; to NASM and MASM it is {there}.",
                    octal.start(),
                    octal.end(),
                    f"write {here} or {there}, whichever is meant",
                )

    def _is_slip(self, name: Name, line: Line) -> bool:
        """Whether a word alone on its line, which NASM takes for a label, is more likely an instruction misspelt.

        A label is named somewhere else, too.
        """
        if name.colon or line.moved:
            return False
        if self._named is None:
            bare = (_QUOTED_OR_COMMENT.sub(" ", other.text) for other in self._lines)
            self._named = {word for text in bare if len(text.split()) > 1 for word in _WORD.findall(text)}
        return name.name not in self._named

    def _take(self, statement: Statement, line: Line) -> None:
        for name in statement.labels:
            self._define(name, line)
        if not statement.name:
            return
        directive = statement.directive
        if directive is None:
            self._add_code(statement, line)
        elif self._section.segment != "note" or directive.kind in _OUTSIDE_OF_MEMORY:
            handler: Callable[[Statement, Line], None] = getattr(self, f"_do_{directive.kind}")
            handler(statement, line)

    # ---- labels and constants ----------------------------------------------------------------------------------------

    def _place(self, name: str, line: Line, start: int, end: int) -> _Label:
        self._order += 1
        section = self._section
        return _Label(name, section, len(section.chunks), section.run, self._order, line, start, end, self._parent)

    def _define(self, name: Name, line: Line) -> None:
        label = self._place(name.name, line, name.start, name.end)
        text = name.name
        if text.isdigit() or text == "@@":
            self._numeric.setdefault(text.lstrip("0") or "0", []).append(label)
            return
        if text[0] == "." and not text.startswith("..") and self._parent:
            same = self._dotted.setdefault(text, [])
            for other in same:
                if other.parent == self._parent or self._dialect == "gnu":
                    self._doubled(label, other)
                    return
            same.append(label)
            return
        other_label = self._labels.get(text)
        if other_label is not None:
            self._doubled(label, other_label)
            return
        if text in self._constants:
            self._doubled(label, self._constants[text][0].place)
            return
        self._labels[text] = label
        if text[0] != "." and not text.startswith("@"):
            self._parent = text

    def _doubled(self, label: _Label, first: _Label) -> None:
        line = first.line
        related = ((Span(line.number, first.start + 1, first.end + 1), line.source, "defined here first"),)
        self._report(
            "error",
            label.line,
            "ASM041",
            f"The label `{label.name}` is defined twice.",
            label.start,
            label.end,
            "give one of the two another name",
            related=related,
        )

    def define_constant(self, name: str, value: Expression, line: Line, start: int, end: int, *, again: bool) -> None:
        """Give a name a value; `again` allows to change it later (`.set`, `%assign`)."""
        if name in self._labels:
            place = self._place(name, line, start, end)
            self._doubled(place, self._labels[name])
            return
        name = self._full_name(name, self._parent)
        known = self._constants.get(name)
        place = self._place(name, line, start, end)
        settled = self._settled(value, place)
        if known is not None:
            if not again:
                if settled == known[-1].value and isinstance(settled, Number):
                    return
                self._doubled(place, known[0].place)
                return
            known.append(_Constant(settled, place))
        else:
            self._constants[name] = [_Constant(settled, place)]

    def _full_name(self, name: str, parent: str) -> str:
        """What a constant is kept under: NASM's `.x equ 8` belongs to the label before it, like a label `.x`."""
        return f"{parent}{name}" if name[0] == "." and name[:2] != ".." and self._dialect == "nasm" else name

    def _settled(self, value: Expression, place: _Label) -> Expression:
        """The value as a number, where it is one already."""
        if isinstance(value, Number):
            return value
        held, self._here = self._here, place
        try:
            result = evaluate(value, self._look_up_settled)
        except _Unsettled:
            return value
        finally:
            self._here = held
        return value if result.terms else Number(result.number)

    def known_value(self, value: Expression, line: Line) -> int:
        """What an expression is worth at the time of reading: for counts and conditions.

        Raises:
            Complaint: It depends on something that comes later.
        """
        if isinstance(value, Number):
            return value.value
        place = self._place("", line, 0, 0)
        settled = self._settled(value, place)
        if isinstance(settled, Number):
            return settled.value
        raise Complaint("ASM036", "This must be a number that is known here already.", 0, len(line.text))

    def pieces(self, text: str, macros: Iterable[str]) -> tuple[str, ...]:
        """The statements of a line, where semicolons separate them."""
        return separated(text, frozenset(macros)) if self._syntax == "att" or self._dialect == "gnu" else (text,)

    def note_warning(self, line: Line, text: str) -> None:
        """A warning that the source itself asks for."""
        self._warn(line, "ASM086", f"The source says: {text}", 0, len(line.text.rstrip()))

    def is_defined(self, name: str) -> bool:
        """Whether a name has a meaning by now."""
        return name in self._labels or name in self._constants

    def _look_up_settled(self, tree: Expression) -> Value:
        """Addresses are not known while reading; only differences inside one rigid run are."""
        if isinstance(tree, Symbol):
            parent = self._here.parent if self._here is not None else ""
            constants = self._constants.get(self._full_name(tree.name, parent))
            if constants is not None:
                last = constants[-1].value
                if isinstance(last, Number):
                    return Value(last.number if isinstance(last, Value) else last.value)
                raise _Unsettled
            label = self._find_label(tree.name, self._here)
            if label is None:
                raise _Unsettled
            self._used.add(label.name)
            return self._rigid(label)
        if isinstance(tree, Here):
            assert self._here is not None
            if isinstance(self._here, _Label):
                return self._rigid(self._here)
        raise _Unsettled

    def _rigid(self, label: _Label) -> Value:
        """Where a label lies in its run, counted from an unknown start."""
        size = 0
        chunks = label.section.chunks
        index = label.index - 1
        while (
            index >= 0
            and chunks[index].run == label.run
            and chunks[index].kind in ("data", "space")
            and chunks[index].amount is None
        ):
            size += chunks[index].size
            index -= 1
        return Value(size, ((label.run, 1),))

    def _find_label(self, name: str, here: _Chunk | _Label | None) -> _Label | None:
        if name[0].isdigit() and is_local_reference(name):
            return self._find_numeric(name, here)
        if name in ("@b", "@f", "@B", "@F"):
            return self._find_numeric("@@" + name[1].lower(), here)
        label = self._labels.get(name)
        if label is not None:
            return label
        same = self._dotted.get(name)
        if same is not None:
            parent = here.parent if here is not None else ""
            for label in same:
                if label.parent == parent:
                    return label
            if len(same) == 1 and self._dialect != "nasm":
                return same[0]
        if "." in name[1:]:
            parent, _, local = name.partition(".")
            for label in self._dotted.get("." + local, ()):
                if label.parent == parent:
                    return label
        return None

    def _find_numeric(self, name: str, here: _Chunk | _Label | None) -> _Label | None:
        labels = self._numeric.get(name[:-1].lstrip("0") or "0")
        if labels is None:
            return None
        order = here.order if here is not None else 0
        index = bisect_right(labels, order, key=lambda label: label.order)
        if name[-1] == "b":
            return labels[index - 1] if index else None
        return labels[index] if index < len(labels) else None

    def _worth(self, tree: Expression) -> Value:
        """What an expression is worth in the present layout, where `_here` is."""
        value = evaluate(tree, self._look_up)
        if len(value.terms) > 1:
            assert self._here is not None
            self._check_sections(value, self._here.section)
        return value

    def _check_sections(self, value: Value, home: _Section | None) -> None:
        """Refuse the distance between two sections: how far apart they lie is nobody's number.

        Only a place in the very section where the value stands may be subtracted from one elsewhere, as the tables
        of distances do that compilers make.
        """
        counts: dict[_Section | None, int] = {}
        for run, count in value.terms:
            section = self._owners.get(run)
            counts[section] = counts.get(section, 0) + count
        if any(count < 0 and section is not home for section, count in counts.items()):
            raise Complaint(
                "ASM034", "This is the distance between places in two different sections.", 0, 0,
                "count a length right behind what it measures, in the same section: `size equ $ - text`",
            )  # fmt: skip

    def _look_up(self, tree: Expression) -> Value:
        """What a name is worth in the present layout."""
        here = self._here
        if isinstance(tree, Symbol):
            return self._symbol(tree)
        if isinstance(tree, Here):
            assert here is not None
            return Value(here.address + self._offset, ((here.run, 1),))
        assert here is not None
        section = here.section
        self._owners[-1 - id(section)] = section
        return Value(section.address, ((-1 - id(section), 1),))

    def _symbol(self, tree: Symbol) -> Value:
        name = self._full_name(tree.name, self._here.parent if self._here is not None else "")
        constants = self._constants.get(name)
        if constants is not None:
            self._used.add(name)
            order = self._here.order if self._here is not None else 0
            chosen = constants[0]
            for constant in constants:
                if constant.place.order <= order:
                    chosen = constant
            if isinstance(chosen.value, Number):
                return Value(chosen.value.value)
            if self._depth > 50:
                raise Complaint("ASM042", f"`{name}` is defined by way of itself.", tree.start, tree.end)
            held, self._here = self._here, chosen.place
            self._depth += 1
            try:
                worth = evaluate(chosen.value, self._look_up)
                if worth.terms and worth.weight != 1:
                    self._check_sections(worth, None)
                return worth
            except Complaint as complaint:
                raise Complaint(complaint.code, complaint.message, tree.start, tree.end, complaint.hint) from None
            finally:
                self._here = held
                self._depth -= 1
        name = tree.name
        label = self._find_label(name, self._here)
        if label is not None:
            self._used.add(label.name)
            return Value(label.address, ((label.run, 1),))
        if "@" in name[1:] and not name.startswith("..@"):
            return self._relocated(tree)
        if name not in self._externs and (
            (self._compiled and _PLAIN_NAME.match(name)) or (self._gnu and name in externs.FAMILIAR)
        ):
            self.declare_extern(name)  # compilers declare nothing, and GNU as asks for nothing
        if name[0].isdigit():
            value = number(name, self._dialect)
            if value is not None:
                return Value(value)
            raise Complaint(
                "ASM043",
                f"There is no label `{name[:-1]}:` {'before' if name[-1] == 'b' else 'after'} this line.",
                tree.start,
                tree.end,
            )
        if name in self._externs:
            self._used_externs.add(name)
            return Value(self._externs[name], ((-2, 1),))
        raise self._unknown(tree)

    def _relocated(self, tree: Symbol) -> Value:
        """`puts@PLT`: a call of something that a linker would bring."""
        name, _, kind = tree.name.partition("@")
        if kind.upper() != "PLT":
            raise Complaint(
                "ASM045",
                f"`@{kind}` asks for a table that a linker makes; a cell has none.",
                tree.start,
                tree.end,
                f"write `{name}` alone",
            )
        if self._find_label(name, self._here) is None:
            self.declare_extern(name)
        return self._symbol(Symbol(name, tree.start, tree.end))

    def _unknown(self, tree: Symbol) -> Complaint:
        return Complaint("ASM040", f"Nothing here is named `{tree.name}`.", tree.start, tree.end, self._hint_for(tree))

    def _hint_for(self, tree: Symbol) -> str:
        """What was probably meant by a name that nothing defines."""
        name, lowered = tree.name, tree.name.lower()
        here = self._here.line.text if self._here is not None else ""
        if self._gnu and ";" in here[: tree.start] and not here.lstrip().startswith(name):
            return "in GNU syntax `;` separates statements; a comment begins with `#`"
        if name in self._dotted:
            return f"each belongs to the label before it: write `{self._dotted[name][0].parent}{name}`"
        if (numbered := _NUMBERED.fullmatch(lowered)) is not None:
            return f"the registers are {_RANGES[numbered[1]]}"
        if lowered == "ptr":
            return "behind `ptr` stands an address: qword ptr [rax]"
        near = difflib.get_close_matches(name, [*self._labels, *self._constants, *self._dotted], n=2, cutoff=0.6)
        if not near and (self._gnu or self._externs):
            near = difflib.get_close_matches(name, externs.FAMILIAR, n=2, cutoff=0.75)
        near = near or difflib.get_close_matches(lowered, SIZES, n=1, cutoff=0.75)
        if near:
            return f"did you mean {' or '.join(f'`{other}`' for other in near)}?"
        if is_mnemonic(name):
            return "an instruction stands on a line of its own"
        if re.fullmatch(r"[a-f][0-9a-f]*h|(?=.*[0-9])[a-f][0-9a-f]*", lowered):
            return f"if a hexadecimal number is meant, write 0x{lowered.rstrip('h')}"
        # Letters exchanged are the commonest slip.
        exchanged = [register for register in _FAMILIAR_REGISTERS if sorted(register) == sorted(lowered)]
        registers = exchanged or difflib.get_close_matches(lowered, _FAMILIAR_REGISTERS, n=2, cutoff=0.6)
        if registers:
            return f"if a register is meant: {' or '.join(registers[:2])}?"
        if name[0] == ".":
            return f"define it with `{name}:`"
        return f"define it with `{name}:`, or say `extern {name}` if it lies elsewhere"

    # ---- chunks ------------------------------------------------------------------------------------------------------

    def _chunk(self, kind: str, statement: Statement, line: Line) -> _Chunk:
        section = self._section
        self._order += 1
        chunk = _Chunk(kind, line, statement, section, self._order, section.run, self._parent)
        section.chunks.append(chunk)
        return chunk

    def _break_run(self) -> None:
        """What follows does not lie at a fixed distance from what came before."""
        self._runs += 1
        self._section.run = self._runs
        self._owners[self._runs] = self._section

    def _add_code(self, statement: Statement, line: Line) -> None:
        section = self._section
        if section.segment not in ("text", "note"):
            if not is_mnemonic(statement.name):
                refusal = refusals.unknown(statement.name)
                near = difflib.get_close_matches(statement.name, _PLAIN_DIRECTIVES, n=1, cutoff=0.75)
                section.scolded |= bool(near)  # what follows was to stand elsewhere
                hint = (
                    f"did you mean `{near[0]}`?" if near else refusal.hint or f"for a label write `{statement.name}:`"
                )
                raise Complaint(refusal.code, refusal.message, statement.start, statement.end, hint)
            if section.scolded:
                return
            section.scolded = True
            if section.segment == "bss":
                raise Complaint(
                    "ASM054",
                    "Instructions cannot stand in .bss, which has no bytes.",
                    statement.start,
                    statement.end,
                    "write .text before them",
                )
            raise Complaint(
                "ASM054",
                f"Instructions in {section.name} could not run: that memory is not executable.",
                statement.start,
                statement.end,
                "write .text before them",
            )
        if not is_mnemonic(statement.name):
            self._note_broken(line)
        chunk = self._chunk("code", statement, line)
        chunk.operation = statement.ready
        if chunk.operation is None:
            form = _branch_form(statement)
            if form is not None:
                chunk.form = "short" if form == "jump" else "near"
                if form == "call":
                    chunk.limit = 0
        self._break_run()

    def _add_data(self, statement: Statement, line: Line, data: bytes) -> _Chunk:
        if self._section.segment == "bss" and any(data):
            raise Complaint(
                "ASM055",
                "Data in .bss would be lost: it holds only zeros.",
                statement.start,
                statement.end,
                "write .data before it",
            )
        chunk = self._chunk("data", statement, line)
        chunk.data = bytearray(data)
        chunk.size = len(data)
        self._grow(len(data), statement)
        return chunk

    def _grow(self, size: int, statement: Statement) -> None:
        self._size += size
        if size > SIZE_LIMIT or self._size > SIZE_LIMIT:
            raise Complaint("ASM062", "The program would be larger than 1 MiB.", statement.start, statement.end)

    def _arguments(self, statement: Statement) -> list[list[Token]]:
        """What follows the directive, split at its commas."""
        if not statement.tokens:
            return []
        arguments: list[list[Token]] = [[]]
        depth = 0
        for token in statement.tokens:
            if token.text in ("(", "[") and token.kind == "op":
                depth += 1
            elif token.text in (")", "]") and token.kind == "op":
                depth -= 1
            if token.text == "," and depth <= 0 and token.kind == "op":
                arguments.append([])
            else:
                arguments[-1].append(token)
        return arguments

    def _expression(self, tokens: Sequence[Token], statement: Statement) -> Expression:
        if not tokens:
            end = statement.tokens[-1].end if statement.tokens else statement.end
            raise Complaint("ASM010", f"`{statement.name}` needs a value here.", statement.start, end)
        parser = Parser(tokens, "gnu" if self._syntax == "att" else self._dialect)
        tree = parser.expression()
        if parser.position < len(tokens):
            token = tokens[parser.position]
            raise Complaint(
                "ASM011", f"`{token.text}` cannot stand here.", token.start, token.end, "values are separated by commas"
            )
        return tree

    def _number(self, tokens: Sequence[Token], statement: Statement, line: Line) -> int:
        tree = self._expression(tokens, statement)
        try:
            return self.known_value(tree, line)
        except Complaint as complaint:
            if complaint.code == "ASM036":
                raise Complaint(
                    complaint.code, complaint.message, tokens[0].start, tokens[-1].end, complaint.hint
                ) from None
            raise

    def _do_data(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        size, nasm = statement.directive.size, statement.directive.word == "db"
        arguments = self._arguments(statement)
        if not arguments:
            raise Complaint("ASM051", f"`{statement.name}` needs at least one value.", statement.start, statement.end)
        chunk = self._chunk("data", statement, line)
        chunk.data, chunk.fixups = bytearray(), []
        for tokens in arguments:
            self._datum(chunk, tokens, size, nasm)
        chunk.size = len(chunk.data)
        self._grow(chunk.size, statement)
        if self._section.segment == "bss" and (any(chunk.data) or chunk.fixups):
            raise Complaint(
                "ASM055",
                "Data in .bss would be lost: it holds only zeros.",
                statement.start,
                statement.end,
                "write .data before it",
            )

    def _datum(self, chunk: _Chunk, tokens: Sequence[Token], size: int, nasm: bool) -> None:
        statement = chunk.statement
        if len(tokens) == 1:
            token = tokens[0]
            if token.kind == "string":
                data = string_bytes(token, escapes=not nasm)
                if nasm:
                    chunk.data += data + bytes(-len(data) % size)
                    return
                if len(data) > size:
                    raise Complaint(
                        "ASM053",
                        f"`{statement.name}` holds {size} byte{'s' * (size > 1)} a value; this text has {len(data)}.",
                        token.start,
                        token.end,
                        "use .ascii or .asciz for text",
                    )
            elif token.text == "?":
                chunk.data += bytes(size)
                return
        if nasm:
            for index, token in enumerate(tokens):
                if token.kind == "name" and token.text.lower() == "dup" and index:
                    self._duplicated(chunk, tokens, index, size)
                    return
            data_ = numbers.float_bytes(tokens, size) if size in (2, 4, 8, 10, 16) else None
            if data_ is not None:
                chunk.data += data_
                return
            if size == 10:
                raise Complaint(
                    "ASM053",
                    "`dt` holds a number with a fraction.",
                    tokens[0].start if tokens else statement.start,
                    tokens[-1].end if tokens else statement.end,
                    "for example: dt 1.0",
                )
        tree = self._expression(tokens, statement)
        if isinstance(tree, Number):
            chunk.data += _fitted(tree.value, size, tokens[0].start, tokens[-1].end)
        else:
            chunk.fixups.append((len(chunk.data), size, tree, tokens[0].start, tokens[-1].end))
            chunk.data += bytes(size)

    def _duplicated(self, chunk: _Chunk, tokens: Sequence[Token], index: int, size: int) -> None:
        """MASM's `4 dup (0)`."""
        count = self._number(tokens[:index], chunk.statement, chunk.line)
        body = list(tokens[index + 1 :])
        if len(body) < 2 or body[0].text != "(" or body[-1].text != ")":
            raise Complaint(
                "ASM051",
                "`dup` needs its values in parentheses.",
                tokens[index].start,
                tokens[-1].end,
                "for example: 4 dup (0)",
            )
        if not 0 <= count <= SIZE_LIMIT:
            raise Complaint("ASM062", "The program would be larger than 1 MiB.", tokens[0].start, tokens[-1].end)
        begin = len(chunk.data)
        inner = replace(chunk.statement, tokens=tuple(body[1:-1]))
        for argument in self._arguments(inner):
            self._datum(chunk, argument, size, nasm=True)
        unit = bytes(chunk.data[begin:])
        if len(unit) * count > SIZE_LIMIT:
            raise Complaint("ASM062", "The program would be larger than 1 MiB.", tokens[0].start, tokens[-1].end)
        fixups = [fixup for fixup in chunk.fixups if fixup[0] >= begin]
        if fixups and count > 1:
            raise Complaint("ASM036", "What `dup` repeats must be a plain number.", tokens[0].start, tokens[-1].end)
        chunk.data[begin:] = unit * count

    def _do_text(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        arguments = self._arguments(statement)
        if not arguments:
            raise Complaint(
                "ASM051",
                f"`{statement.name}` needs a text in quotes.",
                statement.start,
                statement.end,
                f'for example: {statement.name} "hello"',
            )
        data = bytearray()
        for tokens in arguments:
            if not tokens or any(token.kind != "string" for token in tokens):
                token = next((token for token in tokens if token.kind != "string"), None)
                start, end = (token.start, token.end) if token else (statement.start, statement.end)
                raise Complaint(
                    "ASM051",
                    f"`{statement.name}` takes texts in quotes, separated by commas.",
                    start,
                    end,
                    "use .byte for numbers",
                )
            for token in tokens:
                data += string_bytes(token, escapes=True)
            data += bytes(statement.directive.size)
        self._add_data(statement, line, bytes(data))

    def _do_float(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        arguments = self._arguments(statement)
        if not arguments:
            raise Complaint("ASM051", f"`{statement.name}` needs at least one value.", statement.start, statement.end)
        data = bytearray()
        for tokens in arguments:
            piece = numbers.float_bytes(tokens, statement.directive.size, whole=True)
            if piece is None:
                start, end = (tokens[0].start, tokens[-1].end) if tokens else (statement.start, statement.end)
                raise Complaint(
                    "ASM053",
                    f"`{statement.name}` takes decimal numbers.",
                    start,
                    end,
                    "for example 1.5 or -2.5e-3; for raw bits use .long or .quad",
                )
            data += piece
        self._add_data(statement, line, bytes(data))

    def _do_skip(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        arguments = self._arguments(statement)
        if not arguments or len(arguments) > 2:
            raise Complaint(
                "ASM051",
                f"`{statement.name}` needs a count.",
                statement.start,
                statement.end,
                f"for example: {statement.name} 8",
            )
        tree = self._expression(arguments[0], statement)
        fill = self._number(arguments[1], statement, line) & 255 if len(arguments) == 2 else 0
        self._space(statement, line, tree, statement.directive.size, bytes([fill]), arguments[0])

    def _space(
        self, statement: Statement, line: Line, tree: Expression, unit: int, fill: bytes, tokens: Sequence[Token]
    ) -> None:
        place = self._place("", line, 0, 0)
        settled = self._settled(tree, place)
        if fill.strip(b"\0") and self._section.segment == "bss":
            raise Complaint(
                "ASM055",
                "Data in .bss would be lost: it holds only zeros.",
                statement.start,
                statement.end,
                "write .data before it",
            )
        if isinstance(settled, Number):
            if settled.value < 0:
                raise Complaint(
                    "ASM056", f"A count cannot be negative; this is {settled.value}.", tokens[0].start, tokens[-1].end
                )
            self._grow(settled.value * unit, statement)
        chunk = self._chunk("space", statement, line)
        chunk.count = unit
        chunk.fill = fill
        if isinstance(settled, Number):
            chunk.size = settled.value * unit
        else:
            chunk.amount = tree
            self._break_run()

    def _do_fill(self, statement: Statement, line: Line) -> None:
        arguments = self._arguments(statement)
        if not 1 <= len(arguments) <= 3:
            raise Complaint(
                "ASM051",
                "`.fill` takes a count, a size and a value.",
                statement.start,
                statement.end,
                "for example: .fill 4, 1, 0x90",
            )
        size = self._number(arguments[1], statement, line) if len(arguments) > 1 and arguments[1] else 1
        value = self._number(arguments[2], statement, line) if len(arguments) > 2 else 0
        if not 0 <= size <= 8:
            raise Complaint(
                "ASM056",
                f"The size of a value in `.fill` is 0 to 8 bytes, not {size}.",
                arguments[1][0].start,
                arguments[1][-1].end,
            )
        # GNU as takes at most four bytes of the value and leaves the rest 0. Source: its manual, ".fill".
        unit = (value & 0xFFFFFFFF).to_bytes(8, "little")[:size]
        self._space(statement, line, self._expression(arguments[0], statement), size, unit or b"\0", arguments[0])

    def _do_align(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        arguments = self._arguments(statement)
        if not arguments or len(arguments) > 3:
            raise Complaint(
                "ASM051",
                f"`{statement.name}` needs a number of bytes.",
                statement.start,
                statement.end,
                f"for example: {statement.name} 16",
            )
        amount = self._number(arguments[0], statement, line) if arguments[0] else 1
        if statement.directive.word == "power":
            if not 0 <= amount <= 12:
                raise Complaint(
                    "ASM057",
                    f"`.p2align` takes a power of two from 0 to 12, not {amount}.",
                    arguments[0][0].start,
                    arguments[0][-1].end,
                )
            amount = 1 << amount
        if amount == 0:
            amount = 1
        if amount < 0 or amount & (amount - 1) or amount > PAGE:
            hint = "1, 2, 4, 8, 16, ... up to 4096"
            raise Complaint(
                "ASM057",
                f"Alignment is to a power of two up to 4096, not to {amount}.",
                arguments[0][0].start,
                arguments[0][-1].end,
                hint,
            )
        fill: bytes | None = None
        section = self._section
        if len(arguments) > 1 and arguments[1]:
            if statement.directive.word == "nasm":
                # `align 8, db 0` and `align 8, nop`
                if arguments[1][0].text.lower() == "db":
                    fill = bytes([self._number(arguments[1][1:], statement, line) & 255])
                elif arguments[1][0].text.lower() not in ("nop", "resb"):
                    fill = bytes([self._number(arguments[1], statement, line) & 255])
            else:
                value = self._number(arguments[1], statement, line)
                fill = (value & ((1 << 8 * max(1, statement.directive.size)) - 1)).to_bytes(
                    max(1, statement.directive.size), "little"
                )
        chunk = self._chunk("align", statement, line)
        chunk.count = amount
        if len(arguments) > 2:
            chunk.limit = self._number(arguments[2], statement, line)
        chunk.fill = fill or b""
        section.alignment = max(section.alignment, amount)
        self._break_run()

    def _do_org(self, statement: Statement, line: Line) -> None:
        arguments = self._arguments(statement)
        if not arguments or not arguments[0]:
            raise Complaint("ASM051", f"`{statement.name}` needs an offset.", statement.start, statement.end)
        if statement.directive is not None and statement.directive.word == "nasm":
            raise Complaint(
                "ASM058",
                "Where a cell's code starts is fixed; `org` cannot move it.",
                statement.start,
                statement.end,
                "leave it out",
            )
        tree = self._expression(arguments[0], statement)
        chunk = self._chunk("org", statement, line)
        chunk.amount = tree
        if len(arguments) > 1:
            chunk.fill = bytes([self._number(arguments[1], statement, line) & 255])
        self._break_run()

    def _do_leb(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        data = bytearray()
        for tokens in self._arguments(statement):
            data += numbers.leb128(self._number(tokens, statement, line), signed=statement.directive.word == "signed")
        self._add_data(statement, line, bytes(data))

    def _do_times(self, statement: Statement, line: Line) -> None:
        inner = statement.inner
        assert inner is not None
        tree = self._expression(statement.tokens, statement)
        settled = self._settled(tree, self._place("", line, 0, 0))
        start, end = statement.tokens[0].start, statement.tokens[-1].end
        if not isinstance(settled, Number):
            # times 510-($-$$) db 0: the count settles with the layout, so what is repeated must be settled already.
            unit = self._constant_bytes(inner, line)
            if unit is None:
                raise Complaint(
                    "ASM036", "This count is not known yet, so it can repeat only plain data or nop.", start, end
                )
            self._space(statement, line, tree, len(unit), unit, statement.tokens)
            return
        count = settled.value
        if count < 0:
            raise Complaint("ASM056", f"A count cannot be negative; this is {count}.", start, end)
        unit = self._constant_bytes(inner, line) if inner.directive is not None else None
        if unit is not None:
            if len(unit) * count > SIZE_LIMIT:
                raise Complaint("ASM062", "The program would be larger than 1 MiB.", start, end)
            self._add_data(statement, line, unit * count)
            return
        if count > 100_000:
            raise Complaint(
                "ASM060", f"{count:,} repetitions are more than the 100,000 that a cell may expand to.", start, end
            )
        for _ in range(count):
            self._take(inner, line)

    def _constant_bytes(self, statement: Statement, line: Line) -> bytes | None:
        """The bytes of data that contain no names, or None."""
        if statement.directive is None:
            return b"\x90" if statement.name == "nop" and not statement.operands else None
        section, order = self._section, self._order
        scratch = _Section("", "text", 0)
        self._section = scratch
        size = self._size
        try:
            self._take(statement, line)
        finally:
            self._section, self._order, self._size = section, order, size
        data = b""
        for chunk in scratch.chunks:
            if chunk.fixups or chunk.amount is not None or chunk.kind not in ("data", "space"):
                return None
            data += bytes(chunk.data) if chunk.kind == "data" else _repeated(chunk.fill, chunk.size)
        return data

    def _do_common(self, statement: Statement, line: Line) -> None:
        """`.comm name, size, alignment`: room in .bss."""
        arguments = self._arguments(statement)
        if statement.directive is not None and statement.directive.word == "nasm" and len(statement.tokens) == 2:
            arguments = [[statement.tokens[0]], [statement.tokens[1]]]
        if len(arguments) < 2 or len(arguments[0]) != 1:
            raise Complaint(
                "ASM051",
                f"`{statement.name}` needs a name and a size.",
                statement.start,
                statement.end,
                f"for example: {statement.name} buffer, 64",
            )
        name = arguments[0][0]
        size = self._number(arguments[1], statement, line)
        alignment = (
            self._number(arguments[2], statement, line)
            if len(arguments) > 2
            else min(16, 1 << max(0, size.bit_length() - 1))
        )
        if not 0 <= size <= SIZE_LIMIT or alignment < 1 or alignment & (alignment - 1) or alignment > PAGE:
            raise Complaint(
                "ASM056", "The size or the alignment makes no sense.", arguments[1][0].start, statement.tokens[-1].end
            )
        held, self._section = self._section, self._open_section(".bss", "bss")
        chunk = self._chunk("align", statement, line)
        chunk.count = alignment
        self._section.alignment = max(self._section.alignment, alignment)
        self._break_run()
        parent = self._parent
        self._define(Name(name.text, name.start, name.end), line)
        self._parent = parent
        self._grow(size, statement)
        room = self._chunk("space", statement, line)
        room.size, room.fill = size, b"\0"
        self._section = held

    # ---- sections, names, the rest -----------------------------------------------------------------------------------

    def _open_section(self, name: str, segment: str) -> _Section:
        section = self._sections.get(name)
        if section is None:
            self._runs += 1
            section = _Section(name, segment, self._runs)
            self._sections[name] = self._owners[self._runs] = section
        return section

    def _do_section(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        name = statement.directive.word
        flags = ""
        if not name:
            if not statement.tokens:
                raise Complaint(
                    "ASM051",
                    f"`{statement.name}` needs a name.",
                    statement.start,
                    statement.end,
                    "for example .text, .data, .rodata or .bss",
                )
            first = statement.tokens[0]
            name = string_bytes(first, escapes=False).decode() if first.kind == "string" else first.text
            end = first.end
            for index, token in enumerate(statement.tokens[1:], 1):
                if token.start != end or token.text == ",":
                    rest = statement.tokens[index:]
                    flags = " ".join(other.text for other in rest)
                    break
                name += token.text
                end = token.end
        if statement.name == ".pushsection":
            self._stack.append(self._section)
        self._previous = self._section
        self._section = self._open_section(name, _segment_of(name, flags, statement))

    def _do_return(self, statement: Statement, line: Line) -> None:
        if statement.name == ".popsection":
            if not self._stack:
                raise Complaint(
                    "ASM052", "`.popsection` has no `.pushsection` before it.", statement.start, statement.end
                )
            self._previous, self._section = self._section, self._stack.pop()
        else:
            self._previous, self._section = self._section, self._previous

    def _do_global(self, statement: Statement, line: Line) -> None:
        for tokens in self._arguments(statement):
            if not tokens or tokens[0].kind not in ("name", "string"):
                raise Complaint("ASM051", f"`{statement.name}` needs a label's name.", statement.start, statement.end)
            if statement.name == ".weak":
                continue
            name = tokens[0].text.strip('"')
            self._globals.setdefault(name, (line, tokens[0].start, tokens[0].end))

    def _do_extern(self, statement: Statement, line: Line) -> None:
        for tokens in self._arguments(statement):
            if not tokens or tokens[0].kind != "name":
                raise Complaint("ASM051", f"`{statement.name}` needs a name.", statement.start, statement.end)
            self.declare_extern(tokens[0].text)

    def declare_extern(self, name: str) -> None:
        """Give a name from elsewhere an address of its own, in memory that no program has."""
        if name not in self._externs:
            self._externs[name] = externs.place(name, len(self._externs), self._address)

    def _do_set(self, statement: Statement, line: Line) -> None:
        self._assign(statement, line, again=True)

    def _do_equ(self, statement: Statement, line: Line) -> None:
        self._assign(statement, line, again=False)

    def _assign(self, statement: Statement, line: Line, *, again: bool) -> None:
        tokens = statement.tokens
        if len(tokens) < 3 or tokens[0].kind != "name" or tokens[1].text != ",":
            raise Complaint(
                "ASM051",
                f"`{statement.name}` needs a name and a value.",
                statement.start,
                statement.end,
                "for example: SIZE = 8",
            )
        name = tokens[0]
        value = self._expression(tokens[2:], statement)
        if name.text == ".":
            raise Complaint(
                "ASM058",
                "The place of the next byte cannot be set.",
                name.start,
                name.end,
                "use .skip or .align to move on",
            )
        self.define_constant(name.text, value, line, name.start, name.end, again=again)

    def _do_proc(self, statement: Statement, line: Line) -> None:
        if not statement.labels:
            raise Complaint(
                "ASM051", "`proc` needs a name before it.", statement.start, statement.end, "for example: main proc"
            )

    def _do_bits(self, statement: Statement, line: Line) -> None:
        if statement.tokens and statement.tokens[0].text != "64":
            raise Complaint(
                "ASM059",
                "A cell runs in 64-bit mode.",
                statement.tokens[0].start,
                statement.tokens[-1].end,
                "write `bits 64`",
            )

    def _do_syntax(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        words = [token.text.lower() for token in statement.tokens]
        self._syntax = "att" if statement.directive.word == "att" else "intel"
        if (self._syntax == "intel" and "prefix" in words) or (self._syntax == "att" and "noprefix" in words):
            raise Complaint(
                "ASM059",
                f"`{statement.name} {words[0]}` is not supported.",
                statement.start,
                statement.tokens[-1].end,
                "registers are written rax in Intel syntax, %rax in AT&T syntax",
            )

    def _do_ignored(self, statement: Statement, line: Line) -> None:
        """It says nothing about the bytes."""

    def _do_end(self, statement: Statement, line: Line) -> None:
        self._ended = True

    def _do_error(self, statement: Statement, line: Line) -> None:
        text = " ".join(token.text.strip("\"'") for token in statement.tokens)
        raise Complaint(
            "ASM063",
            f"The source says: {text}" if text else "The source asks to stop here.",
            statement.start,
            line.text_end,
        )

    def _do_warning(self, statement: Statement, line: Line) -> None:
        text = " ".join(token.text.strip("\"'") for token in statement.tokens)
        self._warn(line, "ASM086", f"The source says: {text}", statement.start, line.text_end)

    def _do_refused(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        end = statement.tokens[-1].end if statement.tokens else statement.end
        raise Complaint("ASM059", f"`{statement.name}` is refused.", statement.start, end, statement.directive.word)

    # ---- layout ------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        """Give every chunk its address; sizes that hang on addresses settle in a few rounds."""
        for _ in range(_PASS_LIMIT):
            if not self._lay_out_once():
                return
        chunk = next(
            chunk for section in self._sections.values() for chunk in section.chunks if chunk.amount is not None
        )
        raise_at = chunk.statement
        self._complain(
            chunk.line,
            Complaint("ASM037", "The size of this never settles: it depends on itself.", raise_at.start, raise_at.end),
        )
        chunk.amount = None

    def _lay_out_once(self) -> bool:
        """One round; whether any size still moved that others may depend on."""
        address = self._address
        moved = False
        first = True
        for segment in _SEGMENT_ORDER:
            sections = [section for section in self._sections.values() if section.segment == segment]
            if not any(section.chunks for section in sections) and segment != "text":
                continue
            if not first:
                address = (address + PAGE - 1) // PAGE * PAGE + PAGE
            start = address
            first = False
            for section in sections:
                if address != start or section.alignment > 1:
                    address = -(-address // section.alignment) * section.alignment if address != start else address
                moved |= self._lay_out_section(section, address)
                address = section.end
            address = max(address, start + 1)
        for section in self._sections.values():
            if section.segment == "note":
                self._lay_out_section(section, 0)
        return moved

    def _lay_out_section(self, section: _Section, address: int) -> bool:
        moved = section.address != address
        section.address = address
        for chunk in section.chunks:
            chunk.address = address
            if chunk.kind == "align":
                size = -address % chunk.count
                chunk.size = 0 if chunk.limit is not None and size > chunk.limit else size
            elif chunk.amount is not None:
                size = self._amount(chunk)
                if size != chunk.size:
                    chunk.size = size
                    moved = True
            address += chunk.size
        if section.end != address:
            section.end = address
        return moved

    def _amount(self, chunk: _Chunk) -> int:
        """The size of a chunk whose size is an expression over addresses."""
        assert chunk.amount is not None
        held, self._here = self._here, chunk
        statement = chunk.statement
        try:
            value = self._worth(chunk.amount)
            count = value.number
            if chunk.kind == "org":
                count = count - chunk.address if value.weight else count - (chunk.address - chunk.section.address)
            elif value.weight:
                raise Complaint(
                    "ASM034", "A count is needed here, and this is an address.", statement.start, statement.end
                )
        except Complaint as complaint:
            chunk.amount = None
            if complaint.start == complaint.end:
                complaint = Complaint(complaint.code, complaint.message, statement.start, statement.end)
            self._complain(chunk.line, complaint)
            return 0
        finally:
            self._here = held
        if count < 0:
            count = 0
            chunk.refusal = Refusal("ASM056", "This would have to go backwards.")
        else:
            chunk.refusal = None
        size = count * (chunk.count if chunk.kind == "space" else 1)
        if size > SIZE_LIMIT:
            chunk.amount = None
            self._complain(
                chunk.line,
                Complaint("ASM062", "The program would be larger than 1 MiB.", statement.start, statement.end),
            )
            return 0
        return size

    def _relax(self, jumps: list[tuple[_Chunk, Expression]]) -> None:
        """Make the jumps near that do not reach, until all do; then see which of them reach after all."""
        self._grow_jumps(jumps)
        # Padding may have shrunk while jumps grew. All that nearly reach are tried together, then one by one.
        spare = [jump[0] for jump in jumps if jump[0].form == "near" and self._reaches(jump, 192)]
        if not spare:
            return
        size = self._sections[".text"].end
        settled = [(chunk, chunk.form, chunk.size) for chunk, _ in jumps]
        for chunk in spare:
            _make_short(chunk)
        self._grow_jumps(jumps)
        if self._sections[".text"].end > size:
            for chunk, form, chunk_size in settled:
                chunk.form, chunk.size = form, chunk_size
            self._lay_out()
        for jump in [jump for jump in jumps if jump[0].form == "near" and self._reaches(jump, 130)][:_SHRINK_LIMIT]:
            _make_short(jump[0])
            self._lay_out()
            if not all(other[0].form == "near" or self._reaches(other, 127) for other in jumps):
                _make_near(jump[0])
        self._lay_out()

    def _grow_jumps(self, jumps: list[tuple[_Chunk, Expression]]) -> None:
        reach = 127
        for round_number in range(1000):
            self._lay_out()
            if round_number == 20:
                reach = 63  # a chain in which each growth pushes just one more: end it sooner, at some bytes' cost
            grown = [jump for jump in jumps if jump[0].form == "short" and not self._reaches(jump, reach)]
            if not grown:
                return
            for chunk, _ in grown:
                _make_near(chunk)

    def _reaches(self, jump: tuple[_Chunk, Expression], reach: int) -> bool:
        """Whether a short form of the jump gets where it goes in the present layout."""
        chunk, value = jump
        self._here = chunk
        try:
            target = evaluate(value, self._look_up).number
        except Complaint:
            return True  # reported where it is encoded
        return -reach - 1 <= target - (chunk.address + 2) <= reach

    # ---- encoding ----------------------------------------------------------------------------------------------------

    def _encode(self) -> None:
        code = [chunk for section in self._sections.values() for chunk in section.chunks if chunk.kind == "code"]
        fixed = [chunk for chunk in code if chunk.operation is not None]
        jumps: list[tuple[_Chunk, Expression]] = []
        moving: list[_Chunk] = []
        for chunk in code:
            if chunk.operation is not None:
                chunk.size = 4
            elif chunk.form is not None:
                value = chunk.statement.operands[0].value
                assert isinstance(value, Constant)
                if chunk.form == "near":
                    chunk.size = 5
                else:
                    chunk.size = 2
                    jumps.append((chunk, value.value))
            else:
                chunk.size = 7
                moving.append(chunk)
        self._lay_out()
        built: list[_Chunk] = []
        for chunk in code:
            if chunk.operation is None and self._build(chunk) and chunk.form is None:
                built.append(chunk)
        asked = [*fixed, *built]
        answers = self._encoder.encode([chunk.operation for chunk in asked if chunk.operation is not None])
        for chunk, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Encoding):
                chunk.code = answer.code
                chunk.size = len(answer.code)
            elif chunk.statement.ready is not None:
                self._refuse(chunk, answer)
                chunk.operation = None
        self._relax(jumps)
        waiting = [chunk for chunk in code if chunk.statement.ready is None and chunk.operation is not None]
        for _ in range(_PASS_LIMIT):
            if not self._encode_where_it_lies(waiting):
                break
            self._relax(jumps)
        for chunk in waiting:
            if chunk.refusal is not None:
                self._refuse(chunk, chunk.refusal)
        self._check_sizes()
        self._check_constants()

    def _build(self, chunk: _Chunk) -> bool:
        self._here = chunk
        try:
            operation = build(chunk.statement, self._worth, chunk.address, self._dialect_of(chunk))
        except Complaint as complaint:
            if complaint.start == complaint.end:
                statement = chunk.statement
                complaint = Complaint(
                    complaint.code, complaint.message, statement.start, statement.last, complaint.hint
                )
            self._complain(chunk.line, complaint)
            chunk.operation = None
            return False
        if chunk.form is not None:
            target = operation.operands[0]
            assert isinstance(target, Target)
            if target.form is None and chunk.limit is None:
                operation = Operation(operation.mnemonic, (Target(target.address, chunk.form),), (), operation.address)
        chunk.operation = operation
        return True

    def _dialect_of(self, chunk: _Chunk) -> Dialect:
        return self._dialect

    def _encode_where_it_lies(self, chunks: list[_Chunk]) -> bool:
        """Encode all that depends on addresses; whether any size came out larger than it was taken for."""
        ready = [chunk for chunk in chunks if chunk.operation is not None and self._build(chunk)]
        answers = self._encoder.encode([chunk.operation for chunk in ready if chunk.operation is not None])
        grown = False
        for chunk, answer in zip(ready, answers, strict=True):
            if isinstance(answer, Refusal):
                chunk.refusal = answer
                continue
            chunk.refusal = None
            chunk.code = answer.code
            if len(answer.code) != chunk.size:
                chunk.size = len(answer.code)
                grown = True
        return grown

    def _refuse(self, chunk: _Chunk, refusal: Refusal) -> None:
        """A refusal of the encoder, with the columns of the operand it blames."""
        statement = chunk.statement
        start, end = statement.start, statement.end
        operands = statement.operands
        if refusal.code == "ASM100" and any(
            name.text[bad.start : bad.end].lower() == statement.name for name, bad in self._echoes
        ):
            refusal = replace(refusal, hint=f"for a label write `{statement.name}:`")
        if refusal.operand is not None:
            if 0 <= refusal.operand < len(operands):
                start, end = operands[refusal.operand].start, operands[refusal.operand].end
            elif operands:
                end = max(piece.end for piece in operands)
        self._report("error", chunk.line, refusal.code, refusal.message, start, end, refusal.hint, refusal.forms)

    def _check_sizes(self) -> None:
        """What can be judged only when everything has its place: values of data, counts that came out negative."""
        total = 0
        for section in self._sections.values():
            total += section.end - section.address
            for chunk in section.chunks:
                if chunk.kind in ("space", "org") and chunk.refusal is not None:
                    self._refuse(chunk, chunk.refusal)
                for offset, size, tree, start, end in chunk.fixups:
                    self._here = chunk
                    # In GNU as `.` is the place of the very value, in NASM `$` that of the statement.
                    self._offset = (
                        offset
                        if chunk.statement.directive is not None and chunk.statement.directive.word != "db"
                        else 0
                    )
                    try:
                        value = self._worth(tree)
                        if value.weight not in (0, 1):
                            raise Complaint(
                                "ASM034",
                                "Two addresses cannot be added.",
                                start,
                                end,
                                "the difference of two labels is a number",
                            )
                        chunk.data[offset : offset + size] = _fitted(value.number, size, start, end)
                    except Complaint as complaint:
                        if complaint.start == complaint.end:
                            complaint = Complaint(complaint.code, complaint.message, start, end, complaint.hint)
                        self._complain(chunk.line, complaint)
                    finally:
                        self._offset = 0
        if total > SIZE_LIMIT:
            line = self._lines[0]
            self._complain(line, Complaint("ASM062", "The program would be larger than 1 MiB.", 0, line.text_end))
        for name, (line, start, end) in self._globals.items():
            if (
                name not in self._labels
                and name not in self._constants
                and name not in self._externs
                and name not in self._dotted
            ):
                self._complain(line, self._unknown(Symbol(name, start, end)))

    def _check_constants(self) -> None:
        """Constants that nothing uses must have a value all the same, as NASM asks."""
        if self._gnu:
            return
        for name, constants in self._constants.items():
            for constant in constants:
                if isinstance(constant.value, Number) or name in self._used:
                    continue
                place = self._here = constant.place
                try:
                    self._worth(constant.value)
                except Complaint as complaint:
                    start, end = place.start, place.end
                    if complaint.start < complaint.end:
                        start, end = complaint.start, complaint.end
                    self._complain(place.line, Complaint(complaint.code, complaint.message, start, end, complaint.hint))

    # ---- warnings ----------------------------------------------------------------------------------------------------

    def _check_flow(self) -> None:
        """Missing ret at the end, and instructions that nothing can reach."""
        section = self._sections[".text"]
        chunks = section.chunks
        starts = {label.index for label in self._labels.values() if label.section is section}
        starts |= {
            label.index
            for labels in (*self._dotted.values(), *self._numeric.values())
            for label in labels
            if label.section is section
        }
        stopped = False
        said = False
        last: _Chunk | None = None
        for index, chunk in enumerate(chunks):
            if index in starts:
                stopped = said = False
            if chunk.kind == "data":
                # Bytes by hand may be an instruction: what follows them is anybody's guess.
                last, stopped, said = (None if chunk.data else last), False, False
                continue
            if chunk.kind != "code":
                continue
            statement = chunk.statement
            if stopped and not said and statement.name not in _GUARDS:
                self._warn(
                    chunk.line,
                    "ASM081",
                    "Nothing ever gets here: the instruction before it does not go on, and no label stands between.",
                    statement.start,
                    statement.end,
                    "remove it, or give it a label that something jumps to",
                )
                said = True
            stopped = _never_goes_on(statement)
            last = chunk
        if last is not None and not stopped and not _may_end(last.statement):
            self._warn(
                last.line,
                "ASM080",
                "The program runs past its end: after this instruction comes nothing.",
                last.statement.start,
                last.statement.end,
                "end it with ret",
            )

    def _check_unused(self) -> None:
        """Labels in the code that nothing names; data may well be reached by counting on from a neighbour."""
        text = self._sections[".text"]
        for label in [*self._labels.values(), *(label for labels in self._dotted.values() for label in labels)]:
            name = label.name
            if name in self._used or name in self._globals or name in ("_start", "main") or label.line.moved:
                continue
            if label.section is not text or name.startswith((".L", "..")):
                continue
            if is_mnemonic(name):
                self._warn(
                    label.line,
                    "ASM082",
                    f"`{name}:` is a label, and nothing uses it.",
                    label.start,
                    label.end,
                    f"leave out the colon if the instruction {name} is meant",
                )
            elif label.index and label.index < len(text.chunks) and text.chunks[label.index].kind == "code":
                self._warn(label.line, "ASM083", f"Nothing uses the label `{name}`.", label.start, label.end)

    # ---- the program -------------------------------------------------------------------------------------------------

    def _finished(self) -> Program:
        segments: list[Segment] = []
        rows: list[ListingRow] = []
        features: set[str] = set()
        labels = self._label_addresses()
        names = {address: name for name, address in reversed({**labels, **self._externs}.items())}
        for segment in _SEGMENT_ORDER:
            sections = [section for section in self._sections.values() if section.segment == segment]
            if segment != "text" and not any(section.chunks for section in sections):
                continue
            start = sections[0].address
            end = max(section.end for section in sections)
            if segment != "text" and start == end:
                continue
            data = bytearray()
            for section in sections:
                data += self._padding(segment, section.address - start - len(data))
                for chunk in section.chunks:
                    piece, exact = self._bytes_of(chunk, segment)
                    data += piece
                    if piece or chunk.size:
                        rows.append(_row(chunk, segment, start, piece, exact, names, features))
            held = b"" if segment == "bss" else bytes(data)
            segments.append(Segment(segment, start, held, end - start, _PROTECTION[segment]))
        entry = self._address
        for name in ("_start", "main"):
            label = self._labels.get(name)
            if label is not None and label.section.segment == "text":
                entry = label.address
                break
        return Program(
            self._source,
            self._first_syntax,
            tuple(segments),
            MappingProxyType(labels),
            tuple(rows),
            entry,
            tuple(_in_order(self._diagnostics)),
            MappingProxyType({name: self._externs[name] for name in sorted(self._used_externs)}),
            frozenset(features),
        )

    def _label_addresses(self) -> dict[str, int]:
        labels = {name: label.address for name, label in self._labels.items() if label.section.segment != "note"}
        for name, same in self._dotted.items():
            for label in same:
                full = name if len(same) == 1 and self._dialect != "nasm" else f"{label.parent}{name}"
                labels[full] = label.address
        return labels

    def _padding(self, segment: str, size: int) -> bytes:
        return nops(size) if segment == "text" else bytes(size)

    def _bytes_of(self, chunk: _Chunk, segment: str) -> tuple[bytes, bool]:
        """The bytes of a chunk, and whether they are padding."""
        match chunk.kind:
            case "code":
                return chunk.code, False
            case "data":
                return bytes(chunk.data), False
            case "align":
                if chunk.fill:
                    return _repeated(chunk.fill, chunk.size), True
                return self._padding(segment, chunk.size), True
        return _repeated(chunk.fill or b"\0", chunk.size), False


_NUMBERED = re.compile(r"(st|k|r|xmm|ymm|zmm|mm)\(?[0-9]{1,3}\)?")
_RANGES = {
    "st": "st(0) to st(7)", "k": "k0 to k7", "r": "r8 to r15", "mm": "mm0 to mm7",
    "xmm": "xmm0 to xmm31", "ymm": "ymm0 to ymm31", "zmm": "zmm0 to zmm31",
}  # fmt: skip
_FAMILIAR_REGISTERS = sorted(name for name in known_registers() if name[:2] not in ("cr", "dr", "bn", "tm"))


def _make_short(chunk: _Chunk) -> None:
    chunk.form, chunk.size = "short", 2


def _make_near(chunk: _Chunk) -> None:
    chunk.form = "near"
    chunk.size = 5 if chunk.statement.name in ("jmp", "jmpq") else 6


class _Unsettled(Exception):
    """A value hangs on something that is not known while reading."""


_SHORT_ONLY = frozenset(("jrcxz", "jecxz", "jcxz"))


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


def _never_goes_on(statement: Statement) -> bool:
    return statement.name in (
        "jmp",
        "jmpq",
        "ret",
        "retq",
        "retn",
        "retf",
        "retfq",
        "iretq",
        "hlt",
        "ud2",
        "sysexit",
        "sysret",
    )


_GUARDS = frozenset(("nop", "int3", "int", "ud2", "hlt"))
"""What is put on purpose where nothing should ever get."""


def _may_end(statement: Statement) -> bool:
    """Instructions that a program may end with, because they may not come back: exit by system call, call of exit."""
    return statement.name in ("syscall", "int", "int3", "call", "callq", "sysenter")


def _segment_of(name: str, flags: str, statement: Statement) -> str:
    lowered = name.lower()
    for prefix, segment in (
        (".text", "text"), (".code", "text"), (".rodata", "rodata"), (".rdata", "rodata"), (".data.rel.ro",
        "rodata"), (".data", "data"),
        (".bss", "bss"), (".tdata", "data"), (".tbss", "bss"), (".const", "rodata"), ("text", "text"), ("code",
        "text"), ("data", "data"), ("bss", "bss"), (".lrodata", "rodata"),
        ("_text", "text"), ("_data", "data"), ("rodata", "rodata"), (".note", "note"), (".comment", "note"),
        (".debug", "note"), (".eh_frame", "note"),
        (".gnu", "note"), (".stab", "note"),
    ):  # fmt: skip
        if lowered == prefix or lowered.startswith((prefix + ".", prefix + "_", prefix + "$")):
            return segment
    if lowered in (".init_array", ".fini_array", ".ctors", ".dtors", ".init", ".fini", ".preinit_array"):
        raise Complaint(
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
    return "text" if "exec" in words else "data" if "write" in words or not words else "rodata"


def _fitted(value: int, size: int, start: int, end: int) -> bytes:
    """A value as bytes; either sign fits, nothing is cut."""
    bits = 8 * size
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise Complaint(
            "ASM053",
            f"{value} does not fit into {size} byte{'s' * (size > 1)}.",
            start,
            end,
            f"{-(1 << (bits - 1))} to {(1 << bits) - 1} does",
        )
    return (value & ((1 << bits) - 1)).to_bytes(size, "little")


def _repeated(unit: bytes, size: int) -> bytes:
    if not unit:
        return bytes(size)
    return (unit * (size // len(unit) + 1))[:size]


_NOPS = (
    b"", b"\x90", b"\x66\x90", b"\x0f\x1f\x00", b"\x0f\x1f\x40\x00", b"\x0f\x1f\x44\x00\x00",
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00", b"\x0f\x1f\x84\x00\x00\x00\x00\x00", b"\x66\x0f\x1f\x84\x00\x00\x00\x00\x00",
    b"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", b"\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00",
)  # fmt: skip
"""One instruction that does nothing, by its size. Source: Intel SDM vol. 2B, NOP, and what GNU as 2.40 writes."""


def nops(size: int) -> bytes:
    """Bytes that do nothing, in as few instructions as may be."""
    longest = len(_NOPS) - 1
    return _NOPS[longest] * (size // longest) + _NOPS[size % longest]


@lru_cache(maxsize=16384)
def _read_back(code: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of an instruction that reads the same wherever it lies, and the CPU features it needs."""
    instruction = disassemble(code, 0)[0]
    return instruction.text, instruction.features


def _row(
    chunk: _Chunk, segment: str, start: int, piece: bytes, padding: bool, names: dict[int, str], features: set[str]
) -> ListingRow:
    line = chunk.line
    statement = chunk.statement
    kind: Literal["instruction", "data", "padding"] = "padding" if padding else "data"
    if chunk.kind == "code":
        kind = "instruction"
        if statement.ready is not None:
            text, needed = _read_back(piece)
        else:
            text, needed = _read_in_place(chunk, piece, names)
        if needed:
            features.update(needed)
    else:
        text = _data_text(chunk, piece)
    source = line.source
    if line.moved:
        first, last = len(source) - len(source.lstrip()), len(source.rstrip())
    else:
        first, last = statement.start, statement.last
    span = Span(line.number, first + 1, (first if first > last else last) + 1)
    if kind != "instruction" and len(piece) > 16 and not any(piece):
        piece = piece[:16]
    address = chunk.address
    return ListingRow(kind, segment, address, address - start, piece, chunk.size, text, span, source, line.expansion)


def _read_in_place(chunk: _Chunk, piece: bytes, names: dict[int, str]) -> tuple[str, tuple[str, ...]]:
    """The text of an instruction whose meaning depends on where it lies, with the label it names."""
    assert chunk.operation is not None
    for operand in chunk.operation.operands:
        if isinstance(operand, Target):
            text, needed = _read_back(piece)
            name = names.get(operand.address)
            return f"{text.partition(' ')[0]} {name or hex(operand.address)}", needed
        if isinstance(operand, Memory) and operand.target is not None:
            name = names.get(operand.target)
            instruction = disassemble(piece, chunk.address, {} if name is None else {name: operand.target})[0]
            return instruction.text, instruction.features
    return _read_back(piece)


def _data_text(chunk: _Chunk, piece: bytes) -> str:
    """A readable form of bytes that are no instruction."""
    if chunk.kind == "align":
        return f".balign {chunk.count}"
    if not any(piece):
        return f".zero {chunk.size}"
    statement = chunk.statement
    printable = sum(32 <= byte < 127 for byte in piece)
    if (
        printable >= 2
        and printable * 2 >= len(piece)
        and (statement.directive is None or statement.directive.size in (0, 1))
    ):
        shown = "".join(
            chr(byte) if 32 <= byte < 127 and byte not in (34, 92) else f"\\x{byte:02x}" for byte in piece[:60]
        )
        return f'.ascii "{shown}"' + (" ..." if len(piece) > 60 else "")
    size = statement.directive.size if statement.directive is not None and statement.directive.kind == "data" else 1
    word = {1: ".byte", 2: ".word", 4: ".long", 8: ".quad"}.get(size, ".byte")
    size = size if word != ".byte" else 1
    values = [
        int.from_bytes(piece[index : index + size], "little") for index in range(0, min(len(piece), 16 * size), size)
    ]
    return f"{word} {', '.join(f'{value:#x}' for value in values)}" + (" ..." if len(piece) > 16 * size else "")


def _in_order(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """By line and column, errors and warnings together, each finding once."""
    return sorted(dict.fromkeys(diagnostics), key=lambda found: (found.span.line, found.span.column, found.code))
