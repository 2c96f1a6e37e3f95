"""The symbol table: labels, constants and external symbols, while reading and in a layout.

While reading only what is final has a value: constants, and distances inside one rigid run. In a layout everything has.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics.collector import DiagnosticCollector, span_of
from execmem_kernel.assembly.semantics.sections import Definition, Fragment, Label, Section, Sections
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.evaluation import LATE, Value, evaluate
from execmem_kernel.assembly.syntax.expressions import Expression, Here, Number, Symbol
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.literals import is_local_reference, number
from execmem_kernel.assembly.syntax.statements import LabelDefinition
from execmem_kernel.assembly.syntax.words import SIZES
from execmem_kernel.program import externs
from execmem_kernel.program.diagnostic import Span
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.registers import known_registers

GOT = "GOTPCREL"
_SIZES_OF_C = frozenset(("char", "short", "int", "long", "float", "double"))
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NUMBERED = re.compile(r"(st|k|r|xmm|ymm|zmm|mm)\(?[0-9]{1,3}\)?")
_RANGES = {
    "st": "st(0) to st(7)", "k": "k0 to k7", "r": "r8 to r15", "mm": "mm0 to mm7",
    "xmm": "xmm0 to xmm31", "ymm": "ymm0 to ymm31", "zmm": "zmm0 to zmm31",
}  # fmt: skip
_OF_A_MACRO = re.compile(r"(\.\.@[0-9]+\.)(.+)")
"""What a NASM macro's own label is called after it has been made unique."""
_COMPARED = 2000
"""Names that are compared with one that is not known: it takes 10 microseconds each."""
_FAMILIAR_REGISTERS = sorted(name for name in known_registers() if name[:2] not in ("cr", "dr", "bn", "tm"))


class _NotConstant(Exception):
    """A value hangs on something that is not known while reading."""


class SymbolTable:
    """The names of one source."""

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
        self.dotted_labels: dict[str, list[Label]] = {}
        self._locals: dict[tuple[str, str], Label] = {}
        """By the plain label they belong to, and their name."""
        self.numeric_labels: dict[str, list[Label]] = {}
        self.constants: dict[str, list[Definition]] = {}
        self.externs: dict[str, int] = {}
        self.globals: dict[str, tuple[Line, int, int]] = {}
        """What `global` named, and where."""
        self.got_entries: dict[str, Label] = {}
        """Names whose address is kept in memory, as a linker's table keeps it, and where."""
        self.used_externs: set[str] = set()
        self.used: set[str] = set()
        self.location: Fragment | Label | None = None
        """Where the expression stands that is being worked out."""
        self.location_offset = 0
        """How far behind the start of `here`."""
        self.c_defines: dict[str, str] = {}
        """What lines like `#define N 5` say, which are comments."""
        self._depth = 0
        self._distances: dict[tuple[Section, int], int] = {}
        """Bytes from the start of its run to a fragment of a section, as far as anybody asked."""

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
        """Give a name a value; `again` allows to change it later (`.set`, `%assign`)."""
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
        """What an expression is worth at the time of reading: for counts and conditions.

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
        """What an expression is worth in the present layout, `here`."""
        value = evaluate(tree, self.look_up)
        if len(value.terms) > 1:
            assert self.location is not None
            self._check_sections(value, self.location.section)
        return value

    def _check_sections(self, value: Value, home: Section | None) -> None:
        """Refuse the distance between two sections: how far apart they lie is nobody's number.

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
        """What a name is worth in the present layout."""
        here = self.location
        if isinstance(tree, Symbol):
            return self._symbol(tree)
        if isinstance(tree, Here):
            assert here is not None
            return Value(here.address + self.location_offset, ((here.run, 1),))
        assert here is not None
        section = here.section
        self._sections.owners[-1 - id(section)] = section
        return Value(section.address, ((-1 - id(section), 1),))

    def _symbol(self, tree: Symbol) -> Value:
        name = self._full_name(tree.name, self.location.parent if self.location is not None else "")
        constants = self.constants.get(name)
        if constants is not None:
            self.used.add(name)
            order = self.location.order if self.location is not None else 0
            later = bisect_right(constants, order, key=lambda constant: constant.place.order)
            chosen = constants[max(0, later - 1)]
            late = LATE if self.gnu and chosen.place.order > order else ()
            if isinstance(chosen.value, Number):
                return Value(chosen.value.value, late)
            if self._depth > 50:
                raise SourceError("ASM042", f"`{name}` is defined by way of itself.", tree.start, tree.end)
            held, self.location = self.location, chosen.place
            self._depth += 1
            try:
                worth = evaluate(chosen.value, self.look_up)
                if worth.terms and worth.weight != 1:
                    self._check_sections(worth, None)
                return worth._replace(terms=worth.terms + late)
            except SourceError as error:
                raise SourceError(error.code, error.message, tree.start, tree.end, error.hint) from None
            finally:
                self.location = held
                self._depth -= 1
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
            value = number(name, self._rules)
            if value is not None:
                return Value(value)
            if not self._rules.numeric_labels:
                raise SourceError(
                    "ASM009",
                    f"`{tree.name}` is not a number.",
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
        if name in self.externs:
            self.used_externs.add(name)
            return Value(self.externs[name], ((-2, 1),))
        raise self.unknown(tree)

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
        name = _OF_A_MACRO.sub(r"%%\2", tree.name)
        return SourceError("ASM040", f"Nothing here is named `{name}`.", tree.start, tree.end, self._hint_for(tree))

    def _hint_for(self, tree: Symbol) -> str:
        """What was probably meant by a name that nothing defines."""
        name, lowered = tree.name, tree.name.lower()
        if (local := _OF_A_MACRO.fullmatch(name)) is not None:
            same = [other[len(local[1]) :] for other in self.labels if other.startswith(local[1])]
            near = difflib.get_close_matches(local[2], same, n=1, cutoff=0.6)
            return f"did you mean `%%{near[0]}`?" if near else f"define it in the macro with `%%{local[2]}:`"
        here = self.location.line.text if self.location is not None else ""
        if here[tree.start : tree.start + 1] == '"':
            return f"to GNU as a text in double quotes is a name; a character is '{name}'" if len(name) == 1 else ""
        if "//" in here[: tree.start] and self._rules.double_slash == "division":
            return "to NASM `//` divides; a comment begins with `;`"
        if self.gnu and ";" in here[: tree.start] and not here.lstrip().startswith(name):
            return "in GNU syntax `;` separates statements; a comment begins with `#`"
        if name in self.dotted_labels:
            return f"each belongs to the label before it: write `{self.dotted_labels[name][0].parent}{name}`"
        if (numbered := _NUMBERED.fullmatch(lowered)) is not None:
            return f"the registers are {_RANGES[numbered[1]]}"
        if lowered in ("short", "near", "far"):
            return f"behind `{name}` stands where it goes: a label"
        if lowered in _SIZES_OF_C:
            return "sizes are byte (8 bits), word (16), dword (32) and qword (64)"
        if lowered in ("eflags", "rflags", "flags"):
            return "the flags are read with pushf and pop, written with push and popf"
        if name in self.c_defines:
            return f"`#define` is a comment here: write `{name} = {self.c_defines[name]}`"
        if lowered == "ptr":
            return "behind `ptr` stands an address: qword ptr [rax]"
        near = difflib.get_close_matches(name, self._comparable(name), n=2, cutoff=0.6)
        if not near and (self.gnu or self.externs):
            near = difflib.get_close_matches(name, externs.FAMILIAR, n=2, cutoff=0.75)
        near = near or difflib.get_close_matches(lowered, SIZES, n=1, cutoff=0.75)
        if near:
            return f"did you mean {' or '.join(f'`{other}`' for other in near)}?"
        if is_mnemonic(name):
            return "an instruction stands on a line of its own"
        if re.fullmatch(r"[a-f][0-9a-f]*h|(?=.*[0-9])[a-f][0-9a-f]*", lowered):
            return f"if a hexadecimal number is meant, write 0x{lowered.rstrip('h')}"
        if len(lowered) == 1:
            return f"define it with `{name}:`, or say `extern {name}` if it lies elsewhere"
        # Letters exchanged are the commonest slip.
        exchanged = [register for register in _FAMILIAR_REGISTERS if sorted(register) == sorted(lowered)]
        registers = exchanged or difflib.get_close_matches(lowered, _FAMILIAR_REGISTERS, n=2, cutoff=0.6)
        if registers:
            return f"if a register is meant: {' or '.join(registers[:2])}?"
        if name[0] == ".":
            return f"define it with `{name}:`"
        return f"define it with `{name}:`, or say `extern {name}` if it lies elsewhere"

    def _comparable(self, name: str) -> list[str]:
        """The names to compare a misspelt one with: all of them, or, where they are many, those of its length."""
        every = [*self.labels, *self.constants, *self.dotted_labels]
        if len(every) > _COMPARED:
            every = [other for other in every if len(other) == len(name) and other[0] == name[0]]
        return every[:_COMPARED]

    def addresses(self) -> dict[str, int]:
        """Every label by the name that reaches it from everywhere."""
        labels = {name: label.address for name, label in self.labels.items() if label.section.segment != "note"}
        for name, same in self.dotted_labels.items():
            for label in same:
                full = name if len(same) == 1 and not self._rules.scoped_labels else f"{label.parent}{name}"
                labels[full] = label.address
        return labels
