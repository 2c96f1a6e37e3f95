"""Quick fixes: the edits that a hint asks for, each tried on the assembler before it is offered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from execmem_kernel.assembly.syntax.words import Syntax
from execmem_kernel.editor.cell_program import findings_of
from execmem_kernel.editor.directive_words import directive_words
from execmem_kernel.editor.table import examples
from execmem_kernel.program.diagnostic import Diagnostic

TRIALS = 24
"""How many edits of one cell are tried at most."""
_CHARACTERS = 60_000
"""How many characters are assembled in trials at most."""


class Fix(NamedTuple):
    """An edit of the body: what stands from `start` to `end` is replaced by `text`."""

    start: int
    end: int
    text: str
    label: str
    """What a menu says."""


def fixes_of(body: str, syntax: Syntax, found: tuple[Diagnostic, ...]) -> tuple[tuple[Fix, ...], ...]:
    """The fixes of each diagnostic, after which it is gone and none is new.

    Args:
        body: The body of a cell.
        syntax: Its syntax.
        found: What the assembler says of it.
    """
    trials = min(TRIALS, _CHARACTERS // max(1, len(body)))
    rows = []
    for one in found:
        fixes: list[Fix] = []
        for fix in _edits(body, one):
            if not trials:
                break
            trials -= 1
            if fix.text != body[fix.start : fix.end] and _helps(body, syntax, found, one, fix):
                fixes.append(fix)
        rows.append(tuple(fixes))
    return tuple(rows)


def _helps(body: str, syntax: Syntax, found: tuple[Diagnostic, ...], one: Diagnostic, fix: Fix) -> bool:
    """Whether the assembler has one complaint fewer after the edit, and none that it did not have."""
    after = findings_of(body[: fix.start] + fix.text + body[fix.end :], syntax)
    if after is None:
        return False
    errors = [other for other in after if other.severity == "error"]
    before = [other for other in found if other.severity == "error"]
    if one.severity == "error":
        return len(errors) < len(before) or (len(errors) == len(before) and _is_another(one, errors, before))
    return not errors and len(after) < len(found)


def _is_another(one: Diagnostic, after: list[Diagnostic], before: list[Diagnostic]) -> bool:
    """Whether the complaint is gone although there are as many: the assembler stops counting at some number."""
    return len(before) >= 20 and (one.code, one.source_line) not in {(other.code, other.source_line) for other in after}


# ---- what a hint asks for --------------------------------------------------------------------------------------------

_CODE = re.compile(r"`([^`]+)`")
_WORDINGS = tuple(
    map(
        re.compile,
        (
            r"did you mean (.*)\?",
            r"(?:type|write|call it|use|for a label write) ((?:`[^`]+`(?:, | or )?)+)",
            r"the destination comes (?:first|last): (`[^`]+`)",
            r"to store a number, name its size: (.*) \(",
            r"(?:.*; )?to add registers, (`[^`]+`)",
            r"write \[[^]]*\] for what is stored there, (`[^`]+`)",
            r"(`[^`]+ [^`]+`)",
        ),
    )
)
"""How a hint begins that names what to write, in backticks."""
_PLAIN = tuple(
    map(
        re.compile,
        (
            r"in Intel syntax: ([^;]+)",
            r"hexadecimal is written (\w+)",
            r"write (\[[^]]*\]|%\w+)",
            r"write (\d+) or \d+, whichever",
            r"write \d+ or (\d+), whichever",
            r'write it in quotes: (".*")',
        ),
    )
)
"""The same without backticks."""
_SIZED = re.compile(r"`(\w+ ptr) \[\.\.\.\]`")
_NEW_LINE = re.compile(r"\b(?:write|add) (?:`([^`]+)`|(\.\w+)) before")
_STATEMENT = re.compile(r"[ \t]*(?:[\w.$]+:(?!:)[ \t]*)*")


class _Place(NamedTuple):
    """What a diagnostic blames, as offsets of the body, and the line in which it stands."""

    start: int
    end: int
    line: str
    begin: int
    """Offset of the line."""


def _edits(body: str, one: Diagnostic) -> Iterator[Fix]:
    """The edits that the words of a hint can mean, the likeliest first."""
    lines = body.split("\n")
    if one.line > len(lines) or lines[one.line - 1] != one.source_line:
        return  # a line of a macro, or one that goes on: columns would be wrong
    begin = sum(len(line) + 1 for line in lines[: one.line - 1])
    place = _Place(begin + one.span.column - 1, begin + one.span.end_column - 1, one.source_line, begin)
    edits = tuple(_insertions(body, one.hint, place))
    yield from edits or _replacements(body, one.hint, place)


def _insertions(body: str, hint: str, place: _Place) -> Iterator[Fix]:
    """The edits of hints that ask for something to be added or left out."""
    behind = place.begin + len(place.line)
    if hint in ("delete it", "leave it out"):
        yield Fix(place.start, place.end, "", "delete it")
    elif hint == "end it with ret":
        yield Fix(behind, behind, f"\n{_indent(place.line)}ret", "add `ret` below")
    elif (before := _NEW_LINE.search(hint)) is not None:
        word = before[1] or before[2]
        yield Fix(place.begin, place.begin, f"{_indent(place.line)}{word}\n", f"add `{word}` above")
    elif (left_out := re.match(r"leave out `([^`]+)`", hint)) is not None:
        at = body.find(left_out[1], place.start, place.end)
        if at >= 0:
            yield Fix(at, at + len(left_out[1]) + 1, "", f"delete `{left_out[1]}`")
    elif (missing := re.match(r"add (?:the missing )?`([^`]+)`", hint)) is not None:
        last = place.begin + len(_code(place.line))
        yield Fix(last, last, missing[1], f"add `{missing[1]}`")
        yield Fix(len(body), len(body), f"\n{missing[1]}", f"add `{missing[1]}` at the end")
    elif (quote := re.match(r"end the text with (.) on the same line", hint)) is not None:
        yield Fix(place.end, place.end, quote[1], f"add {quote[1]}")


def _replacements(body: str, hint: str, place: _Place) -> Iterator[Fix]:
    """The edits of hints that say what to write: in the place of what is blamed, or of the whole statement."""
    first, last = place.begin + len(_labels(place.line)), place.begin + len(_code(place.line))
    for piece in _pieces(hint, body[place.start : place.end]):
        if not _is_statement(piece):
            yield Fix(place.start, place.end, piece, f"`{piece}`")
        if " " in piece:
            yield Fix(first, last, piece, f"`{piece}`")


def _is_statement(piece: str) -> bool:
    """Whether the words begin with a mnemonic or a directive, and not with the size of an operand."""
    word, blank, rest = piece.partition(" ")
    if not blank or rest.startswith("ptr"):
        return False
    return word.lower() in examples() or directive_words(word) is not None


def _pieces(hint: str, blamed: str) -> Iterator[str]:
    """What the hint says to write; `blamed` is what stands there now."""
    for pattern in _PLAIN:
        found = pattern.match(hint)
        if found is not None:
            yield found[1].strip()
    for pattern in _WORDINGS:
        found = pattern.match(hint)
        if found is not None:
            yield from (piece for piece in _CODE.findall(found[1]) if "..." not in piece)
            break
    for size in _SIZED.findall(hint):
        yield f"{size} {blamed}"


def _labels(line: str) -> str:
    """The labels that a line begins with, and the blanks around them."""
    found = _STATEMENT.match(line)
    return "" if found is None else found[0]


def _indent(line: str) -> str:
    """Where the instruction of a line begins, in blanks."""
    return " " * len(_labels(line).expandtabs(8))


def _code(line: str) -> str:
    """A line without the comment behind it and the blanks before that."""
    return re.sub(r"[ \t]*(?:[;#]|//).*$", "", line).rstrip()
