"""Directives that make data, room and padding.

Each takes the whole statement, because a diagnostic points at its columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.semantics import numbers
from execmem_kernel.assembly.semantics.arguments import DirectiveArguments, arguments_of
from execmem_kernel.assembly.semantics.numbers import fitted
from execmem_kernel.assembly.semantics.sections import (
    PAGE,
    SIZE_LIMIT,
    Fixup,
    Fragment,
    Sections,
    lost_in_bss,
    too_large,
)
from execmem_kernel.assembly.semantics.symbols import SymbolTable
from execmem_kernel.assembly.syntax.dialects import GNU_ESCAPES
from execmem_kernel.assembly.syntax.directives import DirectiveKind
from execmem_kernel.assembly.syntax.expressions import Expression, Number, Unary
from execmem_kernel.assembly.syntax.lines import Line
from execmem_kernel.assembly.syntax.literals import string_bytes
from execmem_kernel.assembly.syntax.lowering import complement
from execmem_kernel.assembly.syntax.statements import LabelDefinition, Statement
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import SIZES
from execmem_kernel.program.program import Item

Handler = Callable[[Statement, Line], None]
_WHOLE: dict[int, Item] = {1: "b", 2: "h", 4: "i", 8: "q", 10: "t", 16: "o"}
"""Size in bytes -> what data of whole numbers consist of; those of vectors, as `resy` reserves them, are no numbers."""
_FLOATS: dict[int, Item] = {2: "e", 4: "f", 8: "d", 10: "t", 16: "o"}
_MASM_FLOATS = frozenset(("real4", "real8", "real10"))
_FILLERS = {"nop": b"\x90", "int3": b"\xcc", "hlt": b"\xf4", "ret": b"\xc3"}
"""Instructions of one byte that NASM's `align` may fill with."""


class DataDirectives:
    """What each kind of data directive adds to the current section."""

    def __init__(self, sections: Sections, symbols: SymbolTable, arguments: DirectiveArguments) -> None:
        self._sections = sections
        self._symbols = symbols
        self._arguments = arguments
        self.handlers: dict[DirectiveKind, Handler] = {
            "data": self._data,
            "text": self._text,
            "float": self._float,
            "skip": self._skip,
            "fill": self._fill,
            "align": self._align,
            "org": self._org,
            "leb": self._leb,
            "common": self._common,
        }
        """By the kind of the directive (directives.py)."""

    def _data(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        size, nasm = statement.directive.size, statement.directive.word == "db"
        arguments = arguments_of(statement)
        if not arguments:
            raise _lacking(statement, "at least one value")
        if nasm and len(arguments) > 1 and not arguments[-1]:
            arguments.pop()  # NASM lets a list end with a comma
        fragment = self._sections.add_fragment("data", statement, line)
        fragment.data, fragment.fixups = bytearray(), []
        fragment.item = (_FLOATS if statement.name in _MASM_FLOATS else _WHOLE)[size]
        for tokens in arguments:
            self._datum(fragment, tokens, size, nasm)
        fragment.size = len(fragment.data)
        self._sections.grow(fragment.size, statement)
        if self._sections.current.segment == "bss" and (any(fragment.data) or fragment.fixups):
            raise lost_in_bss(statement)

    def _datum(self, fragment: Fragment, tokens: Sequence[Token], size: int, nasm: bool) -> None:
        """Add one value of a list: a text, `?`, a repetition, a floating-point literal, or an expression."""
        if len(tokens) == 1 and tokens[0].kind == "string":
            if self._is_text_added(fragment, tokens[0], size, nasm):
                return
        elif len(tokens) == 1 and tokens[0].text == "?":
            fragment.data += bytes(size)
            return
        if nasm and self._is_nasm_datum_added(fragment, tokens, size):
            return
        tree = self._arguments.expression(tokens, fragment.statement)
        if isinstance(tree, Unary) and tree.operator == "~" and isinstance(tree.operand, Number):
            tree = Number(complement(~tree.operand.value, size))
        if isinstance(tree, Number):
            fragment.data += fitted(tree.value, size, tokens[0].start, tokens[-1].end)
        else:
            fragment.fixups.append(Fixup(len(fragment.data), size, tree, tokens[0].start, tokens[-1].end))
            fragment.data += bytes(size)

    def _is_text_added(self, fragment: Fragment, token: Token, size: int, nasm: bool) -> bool:
        """NASM fills a text up to whole values; in GNU as it is a number, which must fit into one."""
        data = string_bytes(token, None if nasm else GNU_ESCAPES)
        if nasm and size > 1 and self._arguments.rules.first_character_highest:
            return False  # to MASM a number
        if nasm:
            fragment.data += data + bytes(-len(data) % size)
            return True
        if len(data) > size:
            raise SourceError(
                "ASM053",
                f"`{fragment.statement.name}` holds {size} byte{'s' * (size > 1)} a value; this text has {len(data)}.",
                token.start,
                token.end,
                "use .ascii or .asciz for text",
            )
        return False

    def _is_nasm_datum_added(self, fragment: Fragment, tokens: Sequence[Token], size: int) -> bool:
        """What only NASM and MASM have: `dup`, and floating-point literals beside whole numbers."""
        for index, token in enumerate(tokens):
            if token.kind == "name" and token.text.lower() == "dup" and index:
                self._duplicated(fragment, tokens, index, size)
                return True
        data = numbers.float_bytes(tokens, size) if size in _FLOATS else None
        if data is not None:
            fragment.data += data
            fragment.item = _FLOATS[size]
            return True
        if size == 10:
            statement = fragment.statement
            raise SourceError(
                "ASM053",
                "`dt` holds a number with a fraction.",
                tokens[0].start if tokens else statement.start,
                tokens[-1].end if tokens else statement.end,
                "for example: dt 1.0",
            )
        return False

    def _duplicated(self, fragment: Fragment, tokens: Sequence[Token], index: int, size: int) -> None:
        """MASM's `4 dup (0)`."""
        count = self._arguments.number(tokens[:index], fragment.statement, fragment.line)
        body = list(tokens[index + 1 :])
        if not body:
            raise SourceError(
                "ASM051",
                "`dup` needs a value to repeat.",
                tokens[index].start,
                tokens[-1].end,
                "for example: 4 dup (0)",
            )
        if body[0].text == "(" and body[-1].text == ")":
            body = body[1:-1]
        if not 0 <= count <= SIZE_LIMIT:
            raise too_large(tokens[0].start, tokens[-1].end)
        begin = len(fragment.data)
        inner = fragment.statement._replace(tokens=tuple(body))
        for argument in arguments_of(inner):
            self._datum(fragment, argument, size, nasm=True)
        unit = bytes(fragment.data[begin:])
        if len(unit) * count > SIZE_LIMIT:
            raise too_large(tokens[0].start, tokens[-1].end)
        fixups = [fixup for fixup in fragment.fixups if fixup.offset >= begin]
        if fixups and count > 1:
            raise SourceError("ASM036", "What `dup` repeats must be a plain number.", tokens[0].start, tokens[-1].end)
        fragment.data[begin:] = unit * count

    def _text(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        arguments = arguments_of(statement)
        if not arguments:
            raise _lacking(statement, "a text in quotes", '"hello"')
        data = bytearray()
        for tokens in arguments:
            if not tokens or any(token.kind != "string" for token in tokens):
                token = next((token for token in tokens if token.kind != "string"), None)
                named = token is not None and token.kind == "name"
                start, end = (token.start, token.end) if token else (statement.start, statement.end)
                raise SourceError(
                    "ASM051",
                    f"`{statement.name}` takes texts in quotes, separated by commas.",
                    start,
                    end,
                    f'write it in quotes: "{token.text}"'
                    if token and named
                    else "numbers go into .byte; .asciz and .string end their text with a 0 already",
                )
            for token in tokens:
                data += string_bytes(token, GNU_ESCAPES)
            data += bytes(statement.directive.size)
        self._sections.add_data(statement, line, bytes(data), "s")

    def _float(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        arguments = arguments_of(statement)
        if not arguments:
            raise _lacking(statement, "at least one value")
        data = bytearray()
        for tokens in arguments:
            piece = numbers.float_bytes(tokens, statement.directive.size, whole=True)
            if piece is None:
                start, end = (tokens[0].start, tokens[-1].end) if tokens else (statement.start, statement.end)
                raise SourceError(
                    "ASM053",
                    f"`{statement.name}` takes decimal numbers.",
                    start,
                    end,
                    "for example 1.5 or -2.5e-3; for raw bits use .long or .quad",
                )
            data += piece
        self._sections.add_data(statement, line, bytes(data), _FLOATS[statement.directive.size])

    def _skip(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        arguments = arguments_of(statement)
        if not arguments or len(arguments) > 2:
            raise _lacking(statement, "a count", "8")
        tree = self._arguments.expression(arguments[0], statement)
        fill = self._arguments.number(arguments[1], statement, line) & 255 if len(arguments) == 2 else 0
        size = statement.directive.size
        self.space(statement, line, tree, size, bytes([fill]), arguments[0], _reserved(size))

    def space(
        self,
        statement: Statement,
        line: Line,
        tree: Expression,
        unit: int,
        fill: bytes,
        tokens: Sequence[Token],
        item: Item,
    ) -> None:
        """As many times `unit` bytes as the tree says, now or in the layout.

        Args:
            statement: Who asks for them.
            line: Where it stands.
            tree: How many times.
            unit: In bytes.
            fill: What they are, over and over.
            tokens: What the count was read from.
            item: What they consist of.

        Raises:
            SourceError: The count is negative or too large, or there is no room for such bytes.
        """
        place = self._sections.label_here("", line, 0, 0)
        folded = self._symbols.fold(tree, place)
        if fill.strip(b"\0") and self._sections.current.segment == "bss":
            raise lost_in_bss(statement)
        if isinstance(folded, Number):
            if folded.value < 0:
                raise SourceError(
                    "ASM056", f"A count cannot be negative; this is {folded.value}.", tokens[0].start, tokens[-1].end
                )
            self._sections.grow(folded.value * unit, statement)
        fragment = self._sections.add_fragment("space", statement, line)
        fragment.count = unit
        fragment.fill = fill
        fragment.item = item
        if isinstance(folded, Number):
            fragment.size = folded.value * unit
        else:
            fragment.amount = tree
            self._sections.break_run()

    def _fill(self, statement: Statement, line: Line) -> None:
        arguments = arguments_of(statement)
        if not 1 <= len(arguments) <= 3:
            raise SourceError(
                "ASM051",
                "`.fill` takes a count, a size and a value.",
                statement.start,
                statement.end,
                "for example: .fill 4, 1, 0x90",
            )
        size = self._arguments.number(arguments[1], statement, line) if len(arguments) > 1 and arguments[1] else 1
        value = self._arguments.number(arguments[2], statement, line) if len(arguments) > 2 else 0
        if not 0 <= size <= 8:
            raise SourceError(
                "ASM056",
                f"The size of a value in `.fill` is 0 to 8 bytes, not {size}.",
                arguments[1][0].start,
                arguments[1][-1].end,
            )
        # GNU as takes at most four bytes of the value and leaves the rest 0. Source: its manual, ".fill".
        unit = (value & 0xFFFFFFFF).to_bytes(8, "little")[:size]
        tree = self._arguments.expression(arguments[0], statement)
        self.space(statement, line, tree, size, unit or b"\0", arguments[0], _reserved(size))

    def _align(self, statement: Statement, line: Line) -> None:
        arguments = arguments_of(statement)
        if not arguments or len(arguments) > 3:
            raise _lacking(statement, "a number of bytes", "16")
        amount = self._alignment(arguments[0], statement, line)
        fill = self._filler(arguments, statement, line)
        section = self._sections.current
        fragment = self._sections.add_fragment("align", statement, line)
        fragment.count = amount
        if len(arguments) > 2:
            fragment.limit = self._arguments.number(arguments[2], statement, line)
        fragment.fill = fill
        section.alignment = max(section.alignment, amount)
        self._sections.break_run()

    def _alignment(self, tokens: Sequence[Token], statement: Statement, line: Line) -> int:
        """To how many bytes: a power of two, in `.p2align` given by its exponent."""
        assert statement.directive is not None
        named = SIZES.get(tokens[0].text.lower()) if len(tokens) == 1 and statement.directive.nasm else None
        amount = named or (self._arguments.number(tokens, statement, line) if tokens else 1)
        if statement.directive.word == "power":
            if not 0 <= amount <= 12:
                raise SourceError(
                    "ASM057",
                    f"`.p2align` takes a power of two from 0 to 12, not {amount}.",
                    tokens[0].start,
                    tokens[-1].end,
                )
            amount = 1 << amount
        if amount == 0:
            return 1
        if amount < 0 or amount & (amount - 1) or amount > PAGE:
            raise SourceError(
                "ASM057",
                f"Alignment is to a power of two up to 4096, not to {amount}.",
                tokens[0].start,
                tokens[-1].end,
                "1, 2, 4, 8, 16, ... up to 4096",
            )
        return amount

    def _filler(self, arguments: Sequence[Sequence[Token]], statement: Statement, line: Line) -> bytes:
        """What the padding repeats; empty where that depends on the section."""
        assert statement.directive is not None
        tokens = arguments[1] if len(arguments) > 1 else ()
        if not tokens:
            in_bss = self._sections.current.segment == "bss"
            is_nop = statement.name == "align" and self._arguments.rules.align_fills_with_nop and not in_bss
            return _FILLERS["nop"] if is_nop else b""  # in data, too
        if not statement.directive.nasm:
            size = max(1, statement.directive.size)
            value = self._arguments.number(tokens, statement, line)
            return (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        # NASM's filler is a statement: `align 8, db 0` or `align 8, nop`.
        word = tokens[0].text.lower()
        if word == "resb":
            return b""
        if word in _FILLERS and len(tokens) == 1:
            return _FILLERS[word]
        return bytes([self._arguments.number(tokens[word == "db" :], statement, line) & 255])

    def _org(self, statement: Statement, line: Line) -> None:
        arguments = arguments_of(statement)
        if not arguments or not arguments[0]:
            raise _lacking(statement, "an offset")
        if statement.directive is not None and statement.directive.nasm:
            raise SourceError(
                "ASM058",
                "Where a cell's code starts is fixed; `org` cannot move it.",
                statement.start,
                statement.end,
                "leave it out",
            )
        tree = self._arguments.expression(arguments[0], statement)
        fragment = self._sections.add_fragment("org", statement, line)
        fragment.amount = tree
        fragment.item = "x"
        if len(arguments) > 1:
            fragment.fill = bytes([self._arguments.number(arguments[1], statement, line) & 255])
        self._sections.break_run()

    def _leb(self, statement: Statement, line: Line) -> None:
        assert statement.directive is not None
        data = bytearray()
        for tokens in arguments_of(statement):
            data += numbers.leb128(
                self._arguments.number(tokens, statement, line), signed=statement.directive.word == "signed"
            )
        self._sections.add_data(statement, line, bytes(data), "x")

    def _common(self, statement: Statement, line: Line) -> None:
        """`.comm name, size, alignment`: room in .bss."""
        arguments = arguments_of(statement)
        if statement.directive is not None and statement.directive.nasm and len(statement.tokens) == 2:
            arguments = [[statement.tokens[0]], [statement.tokens[1]]]
        if len(arguments) < 2 or len(arguments[0]) != 1:
            raise _lacking(statement, "a name and a size", "buffer, 64")
        name = arguments[0][0]
        size = self._arguments.number(arguments[1], statement, line)
        alignment = (
            self._arguments.number(arguments[2], statement, line)
            if len(arguments) > 2
            else min(16, 1 << max(0, size.bit_length() - 1))
        )
        if not 0 <= size <= SIZE_LIMIT or alignment < 1 or alignment & (alignment - 1) or alignment > PAGE:
            raise SourceError(
                "ASM056", "The size or the alignment makes no sense.", arguments[1][0].start, statement.tokens[-1].end
            )
        held, self._sections.current = self._sections.current, self._sections.open(".bss", "bss")
        fragment = self._sections.add_fragment("align", statement, line)
        fragment.count = alignment
        self._sections.current.alignment = max(self._sections.current.alignment, alignment)
        self._sections.break_run()
        parent = self._sections.parent
        self._symbols.define(LabelDefinition(name.text, name.start, name.end), line)
        self._sections.parent = parent
        self._sections.grow(size, statement)
        room = self._sections.add_fragment("space", statement, line)
        room.size, room.fill, room.item = size, b"\0", "x"
        self._sections.current = held


def _reserved(size: int) -> Item:
    """What room for so many bytes each is to hold; single bytes may be anything."""
    return _WHOLE.get(size, "x") if size > 1 else "x"


def _lacking(statement: Statement, what: str, example: str = "") -> SourceError:
    """What a directive needs and does not have."""
    hint = f"for example: {statement.name} {example}" if example else ""
    return SourceError("ASM051", f"`{statement.name}` needs {what}.", statement.start, statement.end, hint)
