"""Where the cursor stands in the body of a cell: in a comment, in a text, where a statement begins, in an operand.

Half a line has to be understood here, so nothing is refused: what the parser would complain of is read as far as it
goes. Which words begin comments and statements is asked of the dialect's rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.separators import split_statements
from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.editor.asm_cell import AsmCell
from execmem_kernel.editor.table import Language, examples, language

Kind = Literal["comment", "text", "statement", "definition", "instruction", "directive", "macro"]
"""comment, text: what stands there is nobody's word. statement: where a mnemonic, a directive or a label begins.
definition: behind a name that has no colon. instruction, directive, macro: in an operand of one."""


class Piece(NamedTuple):
    """A piece of a line and its columns, 0-based, end exclusive."""

    kind: Literal["word", "number", "text", "comment", "operator"]
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CursorContext:
    """What is around the cursor."""

    kind: Kind
    word: str
    """The word with the cursor, as far as the cursor; with the % of a register or of NASM's words."""
    whole: str
    """All of that word."""
    start: int
    """Offset of the word in the cell."""
    column: int
    """Column of the word in its line, 0-based."""
    line: int
    """As the report counts: the first below the option line is 1."""
    syntax: Syntax
    rules: DialectRules
    head: str = ""
    """The mnemonic, the directive or the macro, in lower case; the name that a definition begins with."""
    prefixes: tuple[str, ...] = ()
    operand: int = 0
    """Number of the operand, from 0, in the order in which they are written."""
    operands: tuple[tuple[Piece, ...], ...] = ()
    """The operands of the statement as they are written, the one with the cursor included."""
    before: tuple[Piece, ...] = ()
    """What stands before the word in its operand."""

    @property
    def bracket(self) -> str:
        """The innermost bracket that is open before the word: "[", "(", "{" or ""."""
        open_: list[str] = []
        for piece in self.before:
            if piece.text in ("[", "(", "{"):
                open_.append(piece.text)
            elif piece.text in ("]", ")", "}") and open_:
                open_.pop()
        return open_[-1] if open_ else ""


_PIECE = re.compile(
    r"""[ \t\f\v\r]*(?:
      (?P<comment>[;#].*|//.*|/\*.*)
    | (?P<text>\"(?:[^\"\\]|\\.)*(?:\"|\\?$)|'(?:[^'\\]|\\.)'|'(?:[^'\\]|\\.)(?![^\s,;)])|'(?:[^'\\]|\\.)*(?:'|\\?$)
              |`(?:[^`\\]|\\.)*(?:`|\\?$))
    | (?P<word>%{0,2}[A-Za-z_.@?][A-Za-z0-9_.@?$]*)
    | (?P<number>[0-9](?:[A-Za-z0-9_.$]|(?<=[eE])[+-](?=[0-9]))*)
    | (?P<operator><<|>>|\S)
    )""",
    re.VERBOSE,
)
_RAW_TEXT = re.compile(r"\"[^\"]*(?:\"|$)|'[^']*(?:'|$)")
_REGISTER_WITH_PERCENT = re.compile(r"%[A-Za-z]")
_OPERAND_COMMAS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def pieces_of(text: str, rules: DialectRules, syntax: Syntax) -> list[Piece]:
    """A line cut into pieces; a comment is one, and what is quoted and never closed is a text up to the end.

    Args:
        text: The line.
        rules: The rules of the source's dialect.
        syntax: How instructions are written in it: in AT&T's a register begins with %.
    """
    pieces: list[Piece] = []
    position = 0
    while (found := _PIECE.match(text, position)) is not None:
        kind = found.lastgroup
        start, position = found.span(kind or 0)
        word = text[start:position]
        if kind == "text" and rules.raw_quotes and (raw := _RAW_TEXT.match(text, start)) is not None:
            position = raw.end()
        elif kind == "comment" and word[0] == ";" and rules.separates_statements:
            kind, position = "operator", start + 1
        elif kind == "comment" and word[:2] == "//" and rules.double_slash == "division" and _may_divide(pieces):
            kind, position = "operator", start + 2
        elif kind == "word" and word[0] == "%" and syntax == "intel" and not _is_own_percent(word, pieces):
            kind, position = "operator", start + 1
        pieces.append(Piece(kind, text[start:position], start, position))  # type: ignore[arg-type]
    return pieces


def _may_divide(pieces: list[Piece]) -> bool:
    return len(pieces) > 1 and (pieces[-1].kind in ("word", "number") or pieces[-1].text in (")", "$"))


def _is_own_percent(word: str, pieces: list[Piece]) -> bool:
    """Whether the percent sign belongs to the word: NASM's `%define` in front, and `%%name` in its macros."""
    return word[1] == "%" or not pieces


def context_at(cell: AsmCell, offset: int) -> CursorContext:
    """What is around the cursor.

    Args:
        cell: The cell.
        offset: Where the cursor stands, an offset of the cell, not before its body.
    """
    inside = offset - cell.body_start
    head = cell.body[:inside]
    number = head.count("\n")
    column = inside - (head.rfind("\n") + 1)
    line = cell.lines[number] if number < len(cell.lines) else ""
    syntax = cell.syntax_at(inside - column)
    pieces = pieces_of(line, cell.rules, syntax)
    at = next((piece for piece in pieces if piece.start < column <= piece.end), None)
    word = at if at is not None and at.kind in ("word", "number") else None
    start = column if word is None else word.start
    base = CursorContext(
        "comment",
        line[start:column],
        line[start : column if word is None else word.end],
        offset - column + start,
        start,
        number + 1,
        syntax,
        cell.rules,
    )
    if _in_long_comment(cell, inside) or (at is not None and at.kind == "comment"):
        return base
    if at is not None and at.kind == "text" and (column < at.end or not _is_closed(at.text)):
        return replace(base, kind="text")
    statement = _statement_at(pieces, column)
    if statement is None or _is_prose(line, pieces, statement, start, cell.rules):
        return base
    return _in_statement(cell, base, statement, start)


def _is_closed(text: str) -> bool:
    return len(text) > 1 and text[-1] == text[0]


def _in_long_comment(cell: AsmCell, inside: int) -> bool:
    """Whether the cursor stands between `/*` and `*/`: a mark put there would be blanked out with the comment."""
    if "/*" not in cell.body[:inside]:
        return False
    marked = AsmCell(f"{cell.body[:inside]}\0*/", 0, 0)
    return not any("\0" in line for line in marked.lines)


def _statement_at(pieces: list[Piece], column: int) -> list[Piece] | None:
    """The pieces of the statement that the column is in, semicolons between statements and comments left out."""
    statement: list[Piece] = []
    for piece in pieces:
        if piece.kind == "comment":
            return statement if piece.start >= column else None
        if piece.text == ";":
            if piece.start >= column:
                break
            statement = []
        else:
            statement.append(piece)
    return statement


def _is_prose(line: str, pieces: list[Piece], statement: list[Piece], start: int, rules: DialectRules) -> bool:
    """Whether GNU as' semicolon begins what only looks like a comment: words that are no statement."""
    before = [piece for piece in pieces if piece.text == ";" and piece.start < start]
    if not rules.separates_statements or not before or not statement or statement[0].start >= start:
        return False
    return len(split_statements(line)) <= len(before)


def _in_statement(cell: AsmCell, base: CursorContext, statement: list[Piece], start: int) -> CursorContext:
    """The same context, with what the pieces of the statement say; `start` is the column of the word."""
    table = language()
    rest = statement
    while len(rest) > 1 and rest[0].kind in ("word", "number") and rest[1].text == ":" and rest[1].start < start:
        rest = rest[2:]
    prefixes: list[str] = []
    while rest and rest[0].text.lower() in table.prefixes and rest[0].end < start:
        prefixes.append(rest[0].text.lower())
        rest = rest[1:]
    if rest and rest[0].text == "[" and not prefixes:
        rest = rest[1:]  # NASM's primitive form of a directive: [bits 64]
    if not rest or rest[0].start >= start:
        return replace(base, kind="statement", prefixes=tuple(prefixes))
    first = rest[0]
    second = rest[1] if len(rest) > 1 else None
    name = first.text.lower()
    kind = _kind_of_head(name, base.syntax, table)
    is_name = kind == "macro" or (kind == "directive" and _is_ignored_word(name))
    if is_name and second is not None and second.kind == "word" and second.start < start:
        behind = second.text.lower()
        if behind in table.names_before:  # `x dd 5`: the head is the second word
            first, rest, name, kind = second, rest[1:], behind, "directive"
    elif is_name and (second is None or second.start >= start) and not _is_macro(cell, first.text):
        kind = "definition"
    if name == "times" and _is_repeated(rest[1:], start):
        return replace(base, kind="statement")
    operands = _operands(rest[1:])
    index = sum(piece.text == "," for piece in _outer(rest[1:]) if piece.start < start)
    before = tuple(piece for piece in operands[index] if piece.start < start) if index < len(operands) else ()
    return replace(
        base,
        kind=kind,
        head=name,
        prefixes=tuple(prefixes),
        operand=index,
        operands=tuple(operands),
        before=before,
    )


def _is_ignored_word(name: str) -> bool:
    """Whether a word is a directive that is read over, but more likely somebody's own name."""
    return name in ("list", "map", "title", "option")


def _is_macro(cell: AsmCell, name: str) -> bool:
    """Whether a line of the cell begins a macro of that name."""
    pattern = rf"^[ \t]*(?:%i?macro|\.macro)[ \t]+{re.escape(name)}\b"
    return re.search(pattern, cell.body, re.MULTILINE | re.IGNORECASE) is not None


def _kind_of_head(name: str, syntax: Syntax, table: Language) -> Kind:
    if name in examples() or (name in table.att_mnemonics and syntax == "att"):
        return "instruction"
    if name.startswith((".", "%")) or any(name in words for words in table.directives.values()):
        return "directive"
    return "instruction" if name in table.att_mnemonics else "macro"


def _is_repeated(pieces: list[Piece], start: int) -> bool:
    """Whether the word is what `times COUNT` repeats: it stands where the count cannot go on."""
    before = [piece for piece in pieces if piece.start < start]
    return bool(before) and (before[-1].kind in ("word", "number") or before[-1].text in (")", "$"))


def _outer(pieces: list[Piece]) -> list[Piece]:
    """The pieces that stand in no bracket."""
    depth = 0
    found = []
    for piece in pieces:
        change = _OPERAND_COMMAS.get(piece.text, 0)
        depth = max(0, depth + min(change, 0))
        if not depth:
            found.append(piece)
        depth += max(change, 0)
    return found


def _operands(pieces: list[Piece]) -> list[tuple[Piece, ...]]:
    """The pieces cut at the commas that stand in no bracket."""
    operands: list[list[Piece]] = [[]]
    depth = 0
    for piece in pieces:
        depth = max(0, depth + _OPERAND_COMMAS.get(piece.text, 0))
        if piece.text == "," and not depth:
            operands.append([])
        else:
            operands[-1].append(piece)
    return [tuple(operand) for operand in operands]
