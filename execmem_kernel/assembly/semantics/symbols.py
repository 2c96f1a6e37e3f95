"""The symbol table: labels, constants and external symbols, while reading and in a layout.

While reading only what is final has a value: constants, and distances inside one rigid run. In a layout everything has.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector, span_of
from execmem_kernel.assembly.semantics.sections import Definition, Fragment, Label, Section, Sections
from execmem_kernel.assembly.semantics.symbol_hints import KnownNames, unknown_name
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.evaluation import LATE, Value, evaluate
from execmem_kernel.assembly.syntax.expressions import Expression, Here, Measure, Number, Symbol, symbols_in
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.literals import is_local_reference, number
from execmem_kernel.assembly.syntax.statements import LabelDefinition
from execmem_kernel.program import externs
from execmem_kernel.program.diagnostic import Span

GOT = "GOTPCREL"
_DEPTH_LIMIT = 50
"""Definitions by way of other definitions, until they are taken to go in a circle."""
_EXTERN_RUN = -2
"""Stands for the run of an external symbol, which lies at no fixed distance from anything here."""
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class _NotConstant(Exception):
    """A value hangs on something that is not known while reading."""


def _data_at(label: Label) -> Fragment | None:
    """What the data directive on a label's own line makes; None where there is none."""
    fragments = label.section.fragments
    if label.index >= len(fragments):
        return None
    fragment = fragments[label.index]
    directive = fragment.statement.directive
    if fragment.line is not label.line or directive is None or directive.kind not in ("data", "skip"):
        return None
    return fragment


class SymbolTable:
    """The labels, constants and external symbols of one source."""

    def __init__(
        self, sections: Sections, collector: DiagnosticCollector, rules: DialectRules, address: int, *, compiled: bool
    ) -> None:
        self._sections = sections
        self._collector = collector
        self._rules = rules
        self._address = address
        self._compiled = compiled
        """Whether a compiler wrote the source: it declares nothing."""
        self.gnu = False
        """Whether any of it is GNU's."""
        self.labels: dict[str, Label] = {}
        """Plain labels, and dotted ones before any plain label."""
        self.dotted_labels: dict[str, list[Label]] = {}
        """Labels that begin with a dot, by that name: each belongs to the plain label before it."""
        self._locals: dict[tuple[str, str], Label] = {}
        """By the plain label they belong to, and their name."""
        self.numeric_labels: dict[str, list[Label]] = {}
        """Labels like `1:`, which may be defined again and again, in the order of reading; MASM's `@@` too."""
        self.constants: dict[str, list[Definition]] = {}
        """Each with all its definitions, in the order of reading."""
        self.types: dict[str, int] = {}
        """Bytes of one item at a label, where a directive says them and no data do."""
        self.externs: dict[str, int] = {}
        """External symbols and the address that each has for this program."""
        self.globals: dict[str, tuple[Line, int, int]] = {}
        """What `global` named, and where."""
        self.got_entries: dict[str, Label] = {}
        """Names whose address is kept in memory, as a linker's table keeps it, and where."""
        self.used_externs: set[str] = set()
        self.used: set[str] = set()
        """Labels and constants that some expression names."""
        self.location: Fragment | Label | None = None
        """The location counter, `.` or `$`: where the expression stands that is being evaluated."""
        self.location_offset = 0
        """Bytes from the start of `location` to the very value."""
        self.c_defines: dict[str, str] = {}
        """What lines like `#define N 5` say, which are comments."""
        self._depth = 0
        self._distances: dict[tuple[Section, int], int] = {}
        """Bytes from the start of its run to a fragment of a section; a cache."""

    def define(self, name: LabelDefinition, line: Line) -> None:
        """Make a label of the place reached."""
        label = self._sections.label_here(name.name, line, name.start, name.end)
        text = name.name
        if text.isdigit() or text == "@@":
            self.numeric_labels.setdefault(text.lstrip("0") or "0", []).append(label)
            return
        if text[0] == "." and not text.startswith("..") and self._sections.parent:
            same = self.dotted_labels.setdefault(text, [])
            other = self._locals.get(
                (label.parent, text), same[0] if same and self._rules.unique_dotted_labels else None
            )
            if other is not None:
                self._report_redefinition(label, other)
                return
            self._locals[label.parent, text] = label
            same.append(label)
            return
        other_label = self.labels.get(text)
        if other_label is not None:
            self._report_redefinition(label, other_label)
            return
        if text in self.constants:
            self._report_redefinition(label, self.constants[text][0].place)
            return
        self.labels[text] = label
        if text[0] != "." and not text.startswith("@"):
            self._sections.parent = text

    def _report_redefinition(self, label: Label, first: Label) -> None:
        place = first.line.trace(first.start, first.end).place
        related: tuple[tuple[Span, str, str], ...] = ((span_of(place), place.source, "defined here first"),)
        hint = "give one of the two another name"
        if label.line.trace(label.start, label.end).place == place:
            related = ()
            hint = "it stands in something repeated: write a numeric label, `1:`, and jump to `1b` or `1f`"
            if label.line.moved:
                hint = f"write `%%{label.name}` in a NASM macro, `{label.name}\\@` in a GNU macro: new in every call"
        self._collector.report(
            "error",
            label.line,
            "ASM041",
            f"The label `{label.name}` is defined twice.",
            label.start,
            label.end,
            hint,
            related=related,
        )

    def define_constant(self, name: str, value: Expression, line: Line, start: int, end: int, *, again: bool) -> None:
        """Give a name a value.

        Args:
            name: As it is written.
            value: An expression; a number already where it can be one.
            line: Where it is defined.
            start: First column of the name, 0-based.
            end: The column behind the last.
            again: Whether it may have had another value before (`.set`, `%assign`).
        """
        if name in self.labels:
            place = self._sections.label_here(name, line, start, end)
            self._report_redefinition(place, self.labels[name])
            return
        name = self._full_name(name, self._sections.parent)
        known = self.constants.get(name)
        place = self._sections.label_here(name, line, start, end)
        folded = self.fold(value, place)
        if known is not None:
            if not again:
                if folded == known[-1].value and isinstance(folded, Number):
                    return
                self._report_redefinition(place, known[0].place)
                return
            known.append(Definition(folded, place))
        else:
            self.constants[name] = [Definition(folded, place)]

    def declare_extern(self, name: str) -> None:
        """Give a name from elsewhere an address of its own, in memory that no program has."""
        if name not in self.externs:
            self.externs[name] = externs.extern_address(name, len(self.externs), self._address)

    def is_known(self, name: str) -> bool:
        """Whether a name has a meaning in the whole source: a label, a constant or an external symbol."""
        return self.is_defined(name) or name in self.externs or name in self.dotted_labels

    def somewhere(self) -> Label:
        """A place in the code, for what asks where it stands and does not care."""
        return Label("", self._sections.text, 0, self._sections.text.run, 0, Line(1, ""), 0, 0, "")

    def is_defined(self, name: str) -> bool:
        """Whether a name has a meaning by now."""
        return name in self.labels or name in self.constants

    def _full_name(self, name: str, parent: str) -> str:
        """What a constant is kept under: NASM's `.x equ 8` belongs to the label before it, like a label `.x`."""
        return f"{parent}{name}" if name[0] == "." and name[:2] != ".." and self._rules.scoped_labels else name

    def fold(self, value: Expression, place: Label) -> Expression:
        """The value as a number, where it is one already."""
        if isinstance(value, Number):
            return value
        held, self.location = self.location, place
        try:
            result = evaluate(value, self._look_up_constant)
        except _NotConstant:
            return value
        finally:
            self.location = held
        return value if result.terms else Number(result.number)

    def known_value(self, value: Expression, line: Line) -> int:
        """The value of an expression at the time of reading: for counts and conditions.

        Raises:
            SourceError: It depends on something that comes later.
        """
        if isinstance(value, Number):
            return value.value
        place = self._sections.label_here("", line, 0, 0)
        folded = self.fold(value, place)
        if isinstance(folded, Number):
            return folded.value
        raise SourceError("ASM036", "This must be a number that is known here already.", 0, len(line.text))

    def _look_up_constant(self, tree: Expression) -> Value:
        """Addresses are not known while reading; only differences inside one rigid run are."""
        if isinstance(tree, Symbol):
            parent = self.location.parent if self.location is not None else ""
            constants = self.constants.get(self._full_name(tree.name, parent))
            if constants is not None:
                last = constants[-1].value
                if isinstance(last, Number):
                    return Value(last.number if isinstance(last, Value) else last.value)
                raise _NotConstant
            label = self._find_label(tree.name, self.location)
            if label is None:
                raise _NotConstant
            self.used.add(label.name)
            return self._rigid(label)
        if isinstance(tree, Measure):
            if self._find_label(tree.name, self.location) is None:
                raise _NotConstant
            return self._measure(tree)
        if isinstance(tree, Here):
            assert self.location is not None
            if isinstance(self.location, Label):
                return self._rigid(self.location)
        raise _NotConstant

    def _rigid(self, label: Label) -> Value:
        """Where a label lies in its run, counted from an unknown start."""
        section, run, known = label.section, label.run, self._distances
        fragments = section.fragments
        start = label.index
        while (
            (section, start) not in known
            and start > 0
            and fragments[start - 1].run == run
            and fragments[start - 1].kind in ("data", "space")
            and fragments[start - 1].amount is None
        ):
            start -= 1
        size = known.get((section, start), 0)
        # The last one may still grow, so its end is not remembered.
        for index in range(start, label.index):
            known[section, index] = size
            size += fragments[index].size
        return Value(size, ((run, 1),))

    def _find_label(self, name: str, here: Fragment | Label | None) -> Label | None:
        if name[0].isdigit() and is_local_reference(name):
            return self._find_numeric(name, here)
        if name in ("@b", "@f", "@B", "@F"):
            return self._find_numeric("@@" + name[1].lower(), here)
        label = self.labels.get(name)
        if label is not None:
            return label
        same = self.dotted_labels.get(name)
        if same is not None:
            label = self._locals.get((here.parent if here is not None else "", name))
            if label is not None:
                return label
            if len(same) == 1 and not self._rules.scoped_labels:
                return same[0]
        if "." in name[1:]:
            parent, _, local = name.partition(".")
            return self._locals.get((parent, f".{local}"))
        return None

    def _find_numeric(self, name: str, here: Fragment | Label | None) -> Label | None:
        labels = self.numeric_labels.get(name[:-1].lstrip("0") or "0")
        if labels is None:
            return None
        order = here.order if here is not None else 0
        index = bisect_right(labels, order, key=lambda label: label.order)
        if name[-1] == "b":
            return labels[index - 1] if index else None
        return labels[index] if index < len(labels) else None

    def evaluate(self, tree: Expression) -> Value:
        """The value of an expression in the present layout, at `location`.

        Raises:
            SourceError: A name in it has no value, or it is the distance between two sections.
        """
        value = evaluate(tree, self.look_up)
        if len(value.terms) > 1:
            assert self.location is not None
            self._check_sections(value, self.location.section)
        return value

    def _check_sections(self, value: Value, home: Section | None) -> None:
        """Refuse the distance between two sections: how far apart they lie, no source can rely on.

        Only a place in the very section where the value stands may be subtracted from one elsewhere, as the tables
        of distances do that compilers make.
        """
        counts: dict[Section | None, int] = {}
        for run, count in value.terms:
            section = self._sections.owners.get(run)
            counts[section] = counts.get(section, 0) + count
        if any(count < 0 and section is not home for section, count in counts.items()):
            raise SourceError(
                "ASM034", "This is the distance between places in two different sections.", 0, 0,
                "count a length right behind what it measures, in the same section: `size equ $ - text`",
            )  # fmt: skip

    def look_up(self, tree: Expression) -> Value:
        """The value of a name, `$` or `$$` in the present layout, at `location`.

        Raises:
            SourceError: It has none.
        """
        here = self.location
        if isinstance(tree, Symbol):
            return self._symbol(tree)
        if isinstance(tree, Measure):
            return self._measure(tree)
        if isinstance(tree, Here):
            assert here is not None
            return Value(here.address + self.location_offset, ((here.run, 1),))
        assert here is not None
        section = here.section
        self._sections.owners[-1 - id(section)] = section
        return Value(section.address, ((-1 - id(section), 1),))

    def _symbol(self, tree: Symbol) -> Value:
        """The value of a symbol: a constant, a label, what a linker would know, a numeric reference, or external."""
        name = self._full_name(tree.name, self.location.parent if self.location is not None else "")
        constants = self.constants.get(name)
        if constants is not None:
            return self._constant(name, constants, tree)
        name = tree.name
        label = self._find_label(name, self.location)
        if label is not None:
            self.used.add(label.name)
            return Value(label.address, ((label.run, 1),))
        if "@" in name[1:] and not name.startswith("..@"):
            return self._relocated(tree)
        if name not in self.externs and (
            (self._compiled and _PLAIN_NAME.match(name)) or (self.gnu and name in externs.FAMILIAR)
        ):
            self.declare_extern(name)  # compilers declare nothing, and GNU as asks for nothing
        if name[0].isdigit():
            return self._number(tree)
        if name in self.externs:
            self.used_externs.add(name)
            return Value(self.externs[name], ((_EXTERN_RUN, 1),))
        raise self.unknown(tree)

    def _measure(self, tree: Measure) -> Value:
        """How much data stand at a label, in the statement that it names: items, bytes, or bytes of one item."""
        symbol = Symbol(tree.name, tree.end - len(tree.name), tree.end)
        label = self._find_label(tree.name, self.location)
        if label is None:
            raise self.unknown(symbol)
        self.used.add(label.name)
        fragment = _data_at(label)
        size = self.types.get(label.name, 0) or (fragment.statement.directive.size if fragment is not None else 0)  # type: ignore[union-attr] # data have one
        if tree.word == "type" and size:
            return Value(size)
        if fragment is None or not size:
            raise SourceError(
                "ASM051",
                f"`{tree.word}` counts data, and no data stand at `{tree.name}`.",
                tree.start,
                tree.end,
                f"for example: `{tree.name} dword 1, 2, 3`",
            )
        several = any(token.text == "," for token in fragment.statement.tokens)
        if tree.word in ("size", "length") and several:
            raise SourceError(
                "ASM059",
                f"`{tree.word}` counts the first value only, and `{tree.name}` has several.",
                tree.start,
                tree.end,
                f"write `{tree.word}of {tree.name}`",
            )
        return Value(fragment.size if tree.word in ("sizeof", "size") else fragment.size // size)

    def declared_size(self, tree: Expression) -> int | None:
        """Bytes of one item of the variable that an address begins with, or None where it names none."""
        for symbol in symbols_in(tree):
            label = self._find_label(symbol.name, self.location)
            if label is not None:
                fragment = _data_at(label)
                declared = fragment.statement.directive.size if fragment is not None else None  # type: ignore[union-attr] # data have one
                return self.types.get(label.name, declared)
        return None

    def _constant(self, name: str, definitions: list[Definition], tree: Symbol) -> Value:
        """The value of a constant at `location`: of its last definition before that, or of the first of all."""
        self.used.add(name)
        order = self.location.order if self.location is not None else 0
        later = bisect_right(definitions, order, key=lambda definition: definition.place.order)
        chosen = definitions[max(0, later - 1)]
        late = LATE if self.gnu and chosen.place.order > order else ()
        if isinstance(chosen.value, Number):
            return Value(chosen.value.value, late)
        if self._depth > _DEPTH_LIMIT:
            raise SourceError("ASM042", f"`{name}` is defined by way of itself.", tree.start, tree.end)
        # `$` in a definition is the place of the definition.
        held, self.location = self.location, chosen.place
        self._depth += 1
        try:
            value = evaluate(chosen.value, self.look_up)
            if value.terms and value.weight != 1:
                self._check_sections(value, None)
            return value._replace(terms=value.terms + late)
        except SourceError as error:
            raise SourceError(error.code, error.message, tree.start, tree.end, error.hint) from None
        finally:
            self.location = held
            self._depth -= 1

    def _number(self, tree: Symbol) -> Value:
        """A word that begins with a digit: a number spelt like a reference to a numeric label (`1b`), or such a one."""
        name = tree.name
        value = number(name, self._rules)
        if value is not None:
            return Value(value)
        if not self._rules.numeric_labels:
            raise SourceError(
                "ASM009",
                f"`{name}` is not a number.",
                tree.start,
                tree.end,
                "binary has only the digits 0 and 1" if name[-1] == "b" else f"hexadecimal is written 0x{name}",
            )
        raise SourceError(
            "ASM043",
            f"There is no label `{name[:-1]}:` {'before' if name[-1] == 'b' else 'after'} this line.",
            tree.start,
            tree.end,
        )

    def _relocated(self, tree: Symbol) -> Value:
        """`puts@PLT`: a call of something that a linker would bring; `x@GOTPCREL`: where the address of x is kept."""
        name, _, kind = tree.name.partition("@")
        if kind.upper() == GOT and name in self.got_entries:
            label = self.got_entries[name]
            return Value(label.address, ((label.run, 1),))
        if kind.upper() != "PLT":
            raise SourceError(
                "ASM045",
                f"`@{kind}` asks for a table that a linker makes; a cell has none.",
                tree.start,
                tree.end,
                f"write `{name}` alone",
            )
        if self._find_label(name, self.location) is None:
            self.declare_extern(name)
        return self._symbol(Symbol(name, tree.start, tree.end))

    def unknown(self, tree: Symbol) -> SourceError:
        """The error about a name that nothing defines."""
        line = self.location.line.text if self.location is not None else ""
        known = KnownNames(
            self.labels,
            self.constants,
            self.dotted_labels,
            self.c_defines,
            gnu=self.gnu,
            uses_externs=bool(self.externs),
            rules=self._rules,
        )
        return unknown_name(tree, line, known)

    def addresses(self) -> dict[str, int]:
        """Every label by the name that reaches it from everywhere."""
        labels = {name: label.address for name, label in self.labels.items() if label.section.segment != "note"}
        for name, same in self.dotted_labels.items():
            for label in same:
                full = name if len(same) == 1 and not self._rules.scoped_labels else f"{label.parent}{name}"
                labels[full] = label.address
        return labels
