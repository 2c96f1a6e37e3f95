"""Completion in an operand: registers that fit, the cell's labels and constants, sizes and the words of addresses."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from execmem_kernel.assembly.syntax.words import is_branch
from execmem_kernel.editor.asm_cell import AsmCell
from execmem_kernel.editor.completions import Completion
from execmem_kernel.editor.context import CursorContext
from execmem_kernel.editor.names import DefinedName
from execmem_kernel.editor.operand_fit import OperandFit, fit_of
from execmem_kernel.editor.ranking import C_FUNCTIONS
from execmem_kernel.editor.register_ranking import history_of, rank_register
from execmem_kernel.editor.register_words import register_sentence
from execmem_kernel.editor.table import language
from execmem_kernel.x86.operands import SIZE_NAMES
from execmem_kernel.x86.registers import CLASS_MEMBERS, canonical_register, register_class

_MASKS = tuple(f"k{number}" for number in range(1, 8))
_KEYWORDS = {
    "offset": "The address of a label as a number.", "ptr": "Between a size and an address: dword ptr [rdi].", "short": "A jump of two bytes.",
    "near": "A jump of five bytes.", "rel": "Relative to rip.", "abs": "An absolute address.",
}  # fmt: skip


def operand_items(cell: AsmCell, context: CursorContext, names: Sequence[DefinedName]) -> Iterator[Completion]:
    """What can stand in the operand at the cursor, the likeliest first.

    Args:
        cell: The cell.
        context: What is around the cursor: an operand of an instruction or a macro.
        names: The names of the cell.
    """
    bracket = context.bracket
    if bracket == "{":
        yield from _decorations(context)
        return
    if context.word[:1].isdigit():
        yield from _numeric_labels(cell, context)
        return
    last = context.before[-1].text if context.before else ""
    if last == "*" and bracket and context.syntax == "intel" and not context.word:
        return
    fit = fit_of(context) if context.kind == "instruction" else None
    if bracket and (bracket == "[" or context.syntax == "att"):
        yield from _registers(cell, context, _address_registers(context, fit))
        if bracket == "[":
            yield from name_items(context, names)
            if context.rules.speaks_nasm or not context.rules.is_declared:
                yield from _keywords(context, ("rel", "abs") if len(context.before) == 1 else ())
        return
    if last == "$" and context.syntax == "att":
        yield from name_items(context, names)
        return
    yield from _plain_operand(cell, context, names, fit, last.lower())


def _plain_operand(
    cell: AsmCell, context: CursorContext, names: Sequence[DefinedName], fit: OperandFit | None, last: str
) -> Iterator[Completion]:
    """Outside of brackets: a register, a name, or the beginning of an address."""
    table = language()
    branches = context.kind == "instruction" and is_branch(context.head)
    if last in table.sizes:
        yield from _keywords(context, ("ptr",) if not context.rules.speaks_nasm else ())
        return
    if branches:
        targets = [one for one in names if one.kind in ("label", "extern")]
        yield from name_items(context, targets)
        if context.head.startswith("call"):
            for name in C_FUNCTIONS:
                if context.word and name.startswith(context.word.lower()) and name not in {one.name for one in names}:
                    yield Completion(name, "library function", "Of the C library; declare it: extern.")
    if not context.before or last in (":", "*"):
        fitting = fit.registers if fit is not None else _general() if context.kind != "instruction" else frozenset()
        if fitting and not (branches and last != "*" and context.syntax == "att"):
            yield from _registers(cell, context, fitting)
    if fit is not None and fit.memory and not context.before and context.syntax == "intel":
        sizes = [size for size in (8, 4, 1, 2, 16, 32, 64, 10, 6) if size in fit.sizes]
        typed = context.word.lower()
        for size in sizes:
            word = SIZE_NAMES[size]
            if context.rules.speaks_nasm:
                word = {16: "oword", 32: "yword", 64: "zword", 10: "tword"}.get(size, word)
            if word.startswith(typed):
                yield Completion(word, "size", f"{size} byte{'s' * (size > 1)} of memory.")
    if not branches:
        yield from name_items(context, names)
    if context.syntax == "intel":
        words: tuple[str, ...] = ("short", "near") if branches else ()
        if not context.rules.speaks_nasm and not branches and (fit is None or not _only_registers(fit)):
            words = ("offset",)
        yield from _keywords(context, words)


def _only_registers(fit: OperandFit) -> bool:
    return not fit.memory and not fit.target


def _general() -> frozenset[str]:
    return frozenset().union(*(CLASS_MEMBERS[family] for family in ("r64", "r32", "r16", "r8", "xmm")))


def _keywords(context: CursorContext, words: tuple[str, ...]) -> Iterator[Completion]:
    typed = context.word.lower()
    for word in words:
        if typed and word.startswith(typed):
            yield Completion(word, "keyword", _KEYWORDS[word])


def _decorations(context: CursorContext) -> Iterator[Completion]:
    """What stands in braces: a mask behind the destination, zeroing, rounding."""
    typed = context.word.lower().lstrip("%")
    percent = "%" if context.syntax == "att" else ""
    for name in _MASKS:
        if name.startswith(typed):
            yield Completion(f"{percent}{name}", "register", register_sentence(name))
    for name in language().decorations:
        if name.startswith(typed) and not name.startswith(("vex", "evex", "load", "store")):
            yield Completion(name, "keyword", "Zeroes the elements that the mask leaves out." if name == "z" else "")


def _numeric_labels(cell: AsmCell, context: CursorContext) -> Iterator[Completion]:
    """`1b` and `1f`, where such a label stands in that direction."""
    if not context.rules.numeric_labels:
        return
    places: dict[str, list[int]] = {}
    for number, line in enumerate(cell.lines, 1):
        found = re.match(r"[ \t]*([0-9]+):", line)
        if found is not None:
            places.setdefault(found[1], []).append(number)
    for name, lines in places.items():
        before = [place for place in lines if place <= context.line]
        behind = [place for place in lines if place > context.line]
        for reference, near in ((f"{name}b", before[-1:]), (f"{name}f", behind[:1])):
            if near and reference.startswith(context.word):
                yield Completion(reference, "label", f"Label of line {near[0]}.")


# ---- registers -------------------------------------------------------------------------------------------------------


def _address_registers(context: CursorContext, fit: OperandFit | None) -> frozenset[str]:
    """What an address is made of: 64-bit registers, or 32-bit ones where one is there already; a gather's vectors."""
    written = [canonical_register(piece.text.lstrip("%")) for piece in context.before]
    families = {register_class(name) for name in written if name is not None}
    wanted = {"r32"} if "r32" in families else {"r64"}
    found = set().union(*(CLASS_MEMBERS[family] for family in wanted))
    if "*" in [piece.text for piece in context.before[-1:]]:
        found -= {"rsp", "esp"}
    if (not families and context.syntax == "intel") or (context.syntax == "att" and context.before[-1].text == "("):
        found |= {"rip"}
        if context.word.lower().lstrip("%").startswith("e"):
            found |= CLASS_MEMBERS["r32"]
    if fit is not None and fit.vector_index:
        found |= set().union(*(CLASS_MEMBERS[family] for family in fit.vector_index))
    return frozenset(found)


def _registers(cell: AsmCell, context: CursorContext, fitting: frozenset[str]) -> Iterator[Completion]:
    typed = context.word.lower()
    percent = "%" if context.syntax == "att" else ""
    bare = typed.lstrip("%")
    history = history_of(cell, context)
    rows = []
    for name in fitting:
        shown = _shown(name, context)
        if shown.startswith(bare):
            rows.append((rank_register(name, context, history), shown))
    upper = context.word.isupper()
    for _, name in sorted(rows):
        text = f"{percent}{name}"
        yield Completion(text.upper() if upper else text, "register", register_sentence(name))


def _shown(name: str, context: CursorContext) -> str:
    """NASM has st1 where the others have st(1)."""
    return name.replace("(", "").replace(")", "") if context.rules.speaks_nasm else name


# ---- names -----------------------------------------------------------------------------------------------------------


def name_items(context: CursorContext, names: Sequence[DefinedName]) -> Iterator[Completion]:
    """The cell's names that begin as the word does, those of near lines first.

    Args:
        context: What is around the cursor.
        names: The names to choose from.
    """
    typed = context.word
    scope = ""
    for one in names:
        if one.kind == "label" and not one.scope and not one.name.startswith(".") and one.line <= context.line:
            scope = one.name
    for one in sorted(names, key=lambda one: (abs(one.line - context.line), one.line)):
        if one.kind == "macro" or (one.scope and one.scope != scope) or one.name.isdigit():
            continue
        if not one.name.lower().startswith(typed.lower()):
            continue
        match one.kind:
            case "label":
                yield Completion(one.name, "label", f"Label of line {one.line}.")
            case "constant":
                yield Completion(one.name, "constant", f"{one.value}, of line {one.line}.".lstrip(", "))
            case _:
                yield Completion(one.name, "library function", f"Declared extern on line {one.line}.")
