"""Completion in a cell: which words can stand at the cursor, the likeliest first. Never a word of Python's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from execmem_kernel.editor.asm_cell import AsmCell, asm_cell
from execmem_kernel.editor.completions import Completion, Completions
from execmem_kernel.editor.context import CursorContext, context_at
from execmem_kernel.editor.names import names_of
from execmem_kernel.editor.operand_completion import operand_items
from execmem_kernel.editor.option_completion import complete_options
from execmem_kernel.editor.snippets import SNIPPETS
from execmem_kernel.editor.statement_completion import argument_items, definition_items, statement_items

_NOTHING: Mapping[str, object] = MappingProxyType({})
_LIMIT = 200
"""How many words a list has at most: it is read, and typing another letter shortens it."""


def complete(text: str, cursor: int, variables: Mapping[str, object] = _NOTHING) -> Completions | None:
    """The words that can stand at the cursor; None where the cell is none of ours.

    Args:
        text: The whole cell.
        cursor: Offset of the cursor, in characters.
        variables: The notebook's variables, for `rdi=name` on the option line.
    """
    cell = asm_cell(text)
    if cell is None:
        return None
    cursor = min(cursor, len(text))
    magic = cell.options_start - len("%%asm")
    if cursor <= cell.options_start:
        if cursor == cell.options_start and not text[cursor:].strip():
            return Completions(magic, cursor, tuple(_snippets(cell, "%%asm\n")))
        return Completions(cursor, cursor)
    if cursor < cell.body_start:
        return complete_options(cell, cursor, variables)
    if not cell.body.strip():
        return Completions(cursor, cursor, tuple(_snippets(cell, "")))
    context = context_at(cell, cursor)
    return Completions(context.start, cursor, tuple(_unique(_items(cell, context)))[:_LIMIT])


def _snippets(cell: AsmCell, before: str) -> Iterator[Completion]:
    for snippet in SNIPPETS:
        body = snippet.att if cell.first_syntax == "att" else snippet.intel
        yield Completion(f"{before}{body}", "snippet", snippet.title)


def _unique(items: Iterable[Completion]) -> Iterator[Completion]:
    """The items without those that an earlier one says already."""
    seen: set[str] = set()
    for item in items:
        if item.text not in seen:
            seen.add(item.text)
            yield item


def _items(cell: AsmCell, context: CursorContext) -> Iterable[Completion]:
    match context.kind:
        case "comment" | "text":
            return ()
        case "statement":
            return statement_items(cell, context)
        case "definition":
            return definition_items(cell, context)
        case "directive" if context.head != ".irp":
            return argument_items(context, names_of(cell))
    return operand_items(cell, context, names_of(cell))
