"""Inspection: what the word at the cursor means, in the very line in which it stands."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from execmem_kernel.assembly.syntax.literals import number
from execmem_kernel.assembly.syntax.words import SIZES
from execmem_kernel.editor.asm_cell import AsmCell, asm_cell
from execmem_kernel.editor.cell_program import CellProgram, program_of
from execmem_kernel.editor.context import CursorContext, context_at
from execmem_kernel.editor.directive_words import directive_words
from execmem_kernel.editor.names import DefinedName, names_of
from execmem_kernel.editor.prefix_words import PREFIX_SENTENCES
from execmem_kernel.editor.register_words import about_register, is_vector, parts_of, role_of
from execmem_kernel.editor.table import examples, language
from execmem_kernel.explain.explain import explain
from execmem_kernel.program.externs import FAMILIAR
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.views.report import Part, Report, Sentence, Table, Verbatim
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.features import cpu_features
from execmem_kernel.x86.forms import forms_of
from execmem_kernel.x86.mnemonics import resolve
from execmem_kernel.x86.registers import canonical_register

FLAG_NAMES = MappingProxyType({
    "cf": "carry", "pf": "parity", "af": "auxiliary carry", "zf": "zero", "sf": "sign", "of": "overflow", "df": "direction",
    "if": "interrupts", "ac": "alignment check", "uif": "user interrupts", "c0": "condition 0 of the x87", "c1": "condition 1 of the x87",
    "c2": "condition 2 of the x87", "c3": "condition 3 of the x87",
})  # fmt: skip
"""Flag -> its name in the manuals. Source: Intel SDM vol. 1, 3.4.3 and 8.1.3."""
_FORMS_SHOWN = 10
_KEYWORDS = {
    "ptr": "Stands between a size and an address: `dword ptr [rdi]`.", "offset": "The address of a label, as a number.",
    "short": "A jump of two bytes, which reaches 127 bytes ahead.", "near": "A jump of five bytes.", "far": "A jump that changes the code segment too.",
    "rel": "An address relative to rip.", "abs": "An absolute address.", "strict": "NASM's word for: do not make the operand shorter.",
    "flat": "MASM's word for the one segment that there is.", "not": "The bits of a constant, flipped.", "wrt": "NASM's word for: with respect to a segment.",
}  # fmt: skip


def inspect(text: str, cursor: int) -> Report | None:
    """What stands at the cursor; None where there is nothing to say, and where the cell is none of ours.

    Args:
        text: The whole cell.
        cursor: Offset of the cursor, in characters.
    """
    cell = asm_cell(text)
    # JupyterLab's panel beside a list of completions asks with the word put in, and a cursor behind the text.
    cursor = min(cursor, len(text))
    if cell is None or cursor <= cell.options_start:
        return None
    if cursor < cell.body_start:
        return _option(cell, cursor)
    context = context_at(cell, cursor)
    if context.kind in ("comment", "text"):
        return None
    return _word(cell, context)


def _word(cell: AsmCell, context: CursorContext) -> Report | None:
    word = context.whole
    bare = word.lower().lstrip("%")
    names = names_of(cell)
    if context.kind == "statement":
        if not word:
            return None
        return _beginning(cell, context, names)
    if not word:
        return _instruction(cell, context, context.head) if context.kind == "instruction" else None
    if canonical_register(bare) is not None:
        return _register(bare)
    name = _named(names, word, context)
    if name is not None:
        return _name(cell, name)
    if (value := _number(word, context)) is not None:
        return value
    if bare in SIZES and context.head not in language().names_before:
        size = SIZES[bare]
        return Report((Sentence(f"{size} byte{'s' * (size > 1)} of memory.", lead=bare),))
    if bare in _KEYWORDS:
        return Report((Sentence(_KEYWORDS[bare], lead=bare),))
    if directive_words(word) is not None:
        return _directive(cell, context, word)
    if word in FAMILIAR:
        return Report((Sentence("A name of the C library; `extern` declares it.", lead=word),))
    return None


def _beginning(cell: AsmCell, context: CursorContext, names: Iterable[DefinedName]) -> Report | None:
    """The first word of a statement: a mnemonic, a prefix, a directive, a macro, or a label."""
    word = context.whole.lower()
    for one in names:
        if one.name == context.whole and (one.kind == "macro" or one.line == context.line):
            return _name(cell, one)
    if word in examples() or (word in language().att_mnemonics and context.syntax == "att"):
        return _instruction(cell, context, word)
    if word in PREFIX_SENTENCES:
        return Report((Sentence(PREFIX_SENTENCES[word], lead=word),))
    if directive_words(word) is not None:
        return _directive(cell, context, context.whole)
    return _name_or_none(cell, names, context)


def _name_or_none(cell: AsmCell, names: Iterable[DefinedName], context: CursorContext) -> Report | None:
    found = _named(names, context.whole, context)
    return None if found is None else _name(cell, found)


def _named(names: Iterable[DefinedName], word: str, context: CursorContext) -> DefinedName | None:
    """The name of the cell that a word means; a dotted one belongs to the plain label before it."""
    word = word.removeprefix("$")
    if word[:-1].isdigit() and word[-1:] in "bf":
        return None
    scope = ""
    for one in names:
        if one.kind == "label" and not one.scope and not one.name.startswith(".") and one.line <= context.line:
            scope = one.name
    fitting = [one for one in names if one.name == word]
    return next((one for one in fitting if one.scope == scope), fitting[0] if fitting else None)


# ---- instructions ----------------------------------------------------------------------------------------------------


def _instruction(cell: AsmCell, context: CursorContext, name: str) -> Report:
    made = program_of(cell.body, cell.first_syntax)
    row = _row(made.program, context) if made.program is not None else None
    parts: list[Part] = []
    if row is not None and made.program is not None:
        instruction = disassemble(row.code, row.address, made.program.labels)[0]
        parts += [Sentence(explain(instruction), lead=name), _facts(instruction)]
        mnemonic = instruction.mnemonic.split(" ")[-1]
    else:
        wrong = next((one for one in made.errors if one.line == context.line), None)
        if wrong is not None and not _stands_alone(cell, context):
            parts.append(Sentence(wrong.message, lead=f"line {context.line} does not assemble"))
        mnemonic = name
        if name in examples():
            example = examples()[name]
            parts.append(Sentence(f"`{example.source.partition(chr(10))[0]}`: {example.sentence}", lead=name))
    parts += _forms(mnemonic if forms_of(mnemonic) else _meant(name))
    shown = name if name in examples() else _meant(name)
    if shown in examples():
        parts.append(Verbatim(_in_syntax(examples()[shown].source, context.syntax), caption="for example"))
    return Report(tuple(parts))


def _stands_alone(cell: AsmCell, context: CursorContext) -> bool:
    """Whether no operands are written yet: then that they are missing need not be said."""
    line = cell.lines[context.line - 1] if context.line <= len(cell.lines) else ""
    return not line[context.column + len(context.whole) :].strip()


def _meant(name: str) -> str:
    """The mnemonic that a spelling stands for."""
    found = resolve(name)
    return name if found is None else found.mnemonic


def _row(program: Program, context: CursorContext) -> ListingRow | None:
    """The instruction of the statement with the cursor: of several in the line, the last that begins before it."""
    column = context.column + 1
    rows = [row for row in program.listing if row.span.line == context.line and row.kind == "instruction"]
    before = [row for row in rows if row.span.column <= column]
    return max(before, key=lambda row: row.span.column, default=rows[0] if rows else None)


def _facts(instruction: Instruction) -> Table:
    """What the instruction reads, writes, and needs."""
    rows: list[tuple[str, str]] = []

    def add(caption: str, words: Iterable[str]) -> None:
        text = ", ".join(words)
        if text:
            rows.append((caption, text))

    reading = ("read", "read-write")
    writing = ("write", "read-write")
    add("reads", [*instruction.registers_read, *(_place(one) for one in instruction.memory if one.access in reading)])
    add(
        "writes",
        [*instruction.registers_written, *(_place(one) for one in instruction.memory if one.access in writing)],
    )
    add("flags read", map(_flag, instruction.flags_read))
    add("flags written", map(_flag, instruction.flags_written))
    add("flags undefined", map(_flag, instruction.flags_undefined))
    if not instruction.flags_written and not instruction.flags_undefined:
        rows.append(("flags written", "none"))
    add("needs", map(_feature, instruction.features))
    rows.append(("bytes", instruction.code.hex(" ")))
    return Table("in this line", tuple(rows))


def _flag(name: str) -> str:
    return f"{name.upper()} ({FLAG_NAMES[name]})"


def _feature(name: str) -> str:
    has = "this processor has it" if name in cpu_features() else "this processor does not have it"
    return f"{name.upper().replace('_', '-')} ({has})"


def _place(access: MemoryAccess) -> str:
    """A piece of memory as an address is written: `[rdi + rcx*4 + 8] (4 bytes)`."""
    terms = [access.base] if access.base is not None else []
    if access.index is not None:
        terms.append(f"{access.index}*{access.scale}" if access.scale > 1 else access.index)
    if access.base is None and access.index is None:
        where = "memory"
    else:
        offset = access.displacement
        distance = abs(offset) if abs(offset) < 1 << 16 else hex(abs(offset))
        shown = f" {'-' if offset < 0 else '+'} {distance}" if offset else ""
        where = f"[{access.segment + ':' if access.segment else ''}{' + '.join(terms)}{shown}]"
    size = f" ({access.size} byte{'s' * (access.size > 1)})" if access.size else ""
    return f"{where}{size}"


def _forms(mnemonic: str) -> list[Part]:
    texts = list(dict.fromkeys(form.text for form in forms_of(mnemonic)))
    if not texts:
        return []
    more = len(texts) - _FORMS_SHOWN
    note = f"{more} more" if more > 0 else ""
    return [Verbatim("\n".join(texts[:_FORMS_SHOWN]), caption="forms", note=note)]


def _in_syntax(source: str, syntax: str) -> str:
    """An example in the syntax of the cell."""
    if syntax == "intel":
        return source
    program = program_of(source, "intel").program
    assert program is not None
    first = disassemble(program.listing[0].code, program.address, program.labels, "att")[0]
    return "\n".join([first.text, *source.split("\n")[1:]])


# ---- names, registers, directives, numbers, options ------------------------------------------------------------------


def _name(cell: AsmCell, name: DefinedName) -> Report:
    parts: list[Part] = []
    match name.kind:
        case "label":
            parts.append(Sentence(f"A label of line {name.line}.", lead=name.name))
            made = program_of(cell.body, cell.first_syntax)
            where = _where(made, name)
            if where:
                parts.append(Table("there", where))
        case "constant":
            parts.append(Sentence(f"A constant of line {name.line}: {name.value}.", lead=name.name))
        case "macro":
            parts.append(Sentence(f"A macro of line {name.line}.", lead=name.name))
        case _:
            parts.append(Sentence(f"Declared extern on line {name.line}: it stands in the C library.", lead=name.name))
    return Report(tuple(parts))


def _where(made: CellProgram, name: DefinedName) -> tuple[tuple[str, str], ...]:
    """The address of a label in its segment, and what lies there."""
    program = made.program
    if program is None:
        return ()
    address = program.labels.get(f"{name.scope}{name.name}", program.labels.get(name.name))
    segment = (
        None if address is None else next((one for one in program.segments if one.address <= address <= one.end), None)
    )
    if address is None or segment is None:
        return ()
    place = "code" if segment.name == "text" else segment.name
    rows = [("address", f"{place}+{address - segment.address:#x}")]
    row = program.row_at(address)
    if row is not None:
        rows.append(("what lies there", row.text))
    return tuple(rows)


def _register(name: str) -> Report:
    about = about_register(name)
    parts: list[Part] = [Sentence(f"{about[0].upper()}{about[1:]}.", lead=name)]
    role = role_of(name)
    if role:
        parts.append(Sentence(role, lead="calling convention"))
    rows = parts_of(name)
    if rows:
        caption = "registers of the same number" if is_vector(name) else "parts"
        parts.append(Table(caption, rows))
    return Report(tuple(parts))


def _directive(cell: AsmCell, context: CursorContext, name: str) -> Report | None:
    words = directive_words(name)
    if words is None:
        return None
    parts: list[Part] = [Sentence(words.sentence, lead=name.lower())]
    program = program_of(cell.body, cell.first_syntax).program
    rows = [row for row in program.listing if row.span.line == context.line and row.kind == "data"] if program else []
    if rows:
        size = sum(row.size for row in rows)
        code = b"".join(row.code for row in rows)
        more = " ..." if size > 16 else ""
        shown = f"{size} byte{'s' * (size > 1)}: {code[:16].hex(' ')}{more}"
        parts.append(Table("in this line", (("makes", shown),)))
    if words.example:
        parts.append(Verbatim(words.example, caption="for example"))
    return Report(tuple(parts))


def _number(word: str, context: CursorContext) -> Report | None:
    value = number(word, context.rules) if word[:1].isdigit() else None
    if value is None:
        return None
    rows = (("decimal", str(value)), ("hexadecimal", hex(value)), ("binary", bin(value)))
    return Report((Table(word, rows if value < 1 << 64 else rows[:2]),))


def _option(cell: AsmCell, cursor: int) -> Report | None:
    """An option or a register of the option line; the rest of it is what IPython's help is for."""
    start = cell.text.rfind(" ", 0, cursor) + 1
    end = min((place for place in (cell.text.find(" ", cursor), cell.body_start - 1) if place >= 0), default=cursor)
    word, equals, _ = cell.text[start:end].partition("=")
    option = language().options.get(word)
    if option is not None:
        value = f" {option.value}" if option.value is not None else ""
        rows: tuple[Part, ...] = (Table("values", tuple((one,) for one in option.values)),) if option.values else ()
        return Report((Sentence(f"{option.help[:1].upper()}{option.help[1:]}.", lead=f"{word}{value}"), *rows))
    return _register(word.lower()) if equals and canonical_register(word.lower()) is not None else None
