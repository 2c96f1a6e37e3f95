"""Completion where a statement begins, behind a name without a colon, and in the arguments of directives."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from execmem_kernel.assembly.syntax.words import PREFIXES
from execmem_kernel.editor.asm_cell import AsmCell
from execmem_kernel.editor.completions import Completion
from execmem_kernel.editor.context import CursorContext
from execmem_kernel.editor.directive_words import directive_words
from execmem_kernel.editor.names import DefinedName, names_of
from execmem_kernel.editor.operand_completion import name_items
from execmem_kernel.editor.prefix_words import PREFIX_SENTENCES
from execmem_kernel.editor.ranking import C_FUNCTIONS, after, is_common, rank_of
from execmem_kernel.editor.table import examples, language
from execmem_kernel.x86.forms import forms_of
from execmem_kernel.x86.mnemonics import resolve

_SECTIONS = {
    ".text": "Instructions.",
    ".data": "Data that can be changed.",
    ".bss": "Zeros.",
    ".rodata": "Data that can only be read.",
}


# ---- the beginning of a statement ------------------------------------------------------------------------------------

_WORD = re.compile(r"[%.]?[A-Za-z][\w.]*")


def statement_items(cell: AsmCell, context: CursorContext) -> Iterator[Completion]:
    """Mnemonics, prefixes, directives and macros that begin as the word does."""
    typed = context.word.lower()
    used = Counter(word.lower() for word in _WORD.findall("\n".join(cell.lines)))
    used[typed] -= 1
    previous = _previous(cell, context)
    found: list[tuple[float, str, Completion]] = []
    letter = _last_letter(cell, context)
    in_data = _is_in_data(cell, context)
    for name, rank in _mnemonics(context, typed, used, letter):
        found.append(
            (rank + after(previous, name) + 200 * in_data, name, Completion(name, "instruction", _sentence(name)))
        )
    if not context.prefixes:
        for name, sentence in PREFIX_SENTENCES.items():
            if name.startswith(typed):
                found.append((rank_of(name, used), name, Completion(name, "prefix", sentence)))
        for name in _directives(context, typed):
            words = directive_words(name)
            if typed or is_common(name):
                goes_on = name in _BEGINS_SECTION and previous not in _ENDS
                rank = rank_of(name, used) + 60 * goes_on
                found.append((rank, name, Completion(name, "directive", words.sentence if words is not None else "")))
        for one in names_of(cell):
            if one.kind == "macro" and one.name.lower().startswith(typed):
                found.append((0, one.name, Completion(one.name, "macro", f"Macro of line {one.line}.")))
    upper = context.word.isupper()
    for _, _, item in sorted(found):
        yield item._replace(text=item.text.upper()) if upper and item.kind != "macro" else item


def _mnemonics(
    context: CursorContext, typed: str, used: Mapping[str, int], last_letter: str
) -> Iterator[tuple[str, float]]:
    """Mnemonics that begin as the word does and go with the prefixes before it, with their ranks."""
    for name in examples():
        if name.startswith(typed) and (typed or is_common(name)) and _takes_prefixes(name, context.prefixes):
            quadword = name == "movq" and context.syntax == "att"  # the 64-bit mov, far more often than the vectors'
            yield name, rank_of("mov" if quadword else name, used) + (1 / 8 - (last_letter == "q")) * quadword
    if context.syntax == "att" and typed:
        for name in language().att_mnemonics:
            stem, letter = name[:-1], name[-1]
            if not name.startswith(typed) or (stem in _QUADWORDS and letter != "q"):
                continue
            if _takes_prefixes(name, context.prefixes):
                # As common as the word without its letter; the letter that was written last is written again.
                other = 20 if stem in ("call", "ret", "jmp", "leave", "nop") else 0
                wanted = "q" if stem in _ADDRESSES or not last_letter else last_letter
                yield name, rank_of(stem, {}) + ("qlbw".find(letter) + 1) / 8 + other - (letter == wanted)


def _takes_prefixes(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a mnemonic goes with the prefixes that are written before it."""
    kinds = {PREFIXES[prefix] for prefix in prefixes} & {"lock", "rep", "repne"}
    if not kinds:
        return True
    meant = resolve(name)
    forms = forms_of(meant.mnemonic) if meant is not None else ()
    for form in forms:
        info = form.info
        takes = {
            "lock": info.can_use_lock_prefix,
            "rep": info.can_use_rep_prefix,
            "repne": info.can_use_repne_prefix and not info.can_use_bnd_prefix,  # to branches its byte is `bnd`
        }
        if all(takes[kind] for kind in kinds):
            return True
    return False


def _sentence(name: str) -> str:
    example = examples().get(name)
    if example is not None:
        return f"{example.source.partition(chr(10))[0]}: {example.sentence}"
    stem = examples().get(name[:-1])
    return "" if stem is None else f"{stem.source.partition(chr(10))[0]}: {stem.sentence}"


def _directives(context: CursorContext, typed: str) -> Iterator[str]:
    """The directives of the declared dialect, or of all where none is declared."""
    tables = language().directives
    rules = context.rules
    if rules.speaks_nasm:
        dialects: tuple[str, ...] = ("nasm", "nasm_preprocessor")
    elif rules.typed_labels:
        dialects = ("masm",)
    elif rules.gnu_symbols:
        dialects = ("gnu",)
    else:
        dialects = ("gnu", "nasm", "nasm_preprocessor", "masm")
    before = language().names_before
    for dialect in dialects:
        for name in tables[dialect]:
            # What makes a name of the word before it does not begin a statement, but for data without a name.
            if name.startswith(typed) and (
                name not in before or (name[0] in "dt" and len(name) < 6 and dialect == "nasm")
            ):
                yield name


_ADDRESSES = frozenset(("lea", "push", "pop"))
"""Mnemonics that mostly work on addresses, whatever the size of the numbers around them."""
_BEGINS_SECTION = frozenset(
    ("section", "segment", "global", "extern", ".data", ".text", ".section", ".globl", ".global", ".bss", ".rodata")
)
_ENDS = frozenset(("", "ret", "jmp", "syscall", "hlt", "ud2", "leave", "endp"))
"""Instructions behind which nothing goes on; "" where nothing stands above."""
_QUADWORDS = frozenset(("call", "ret", "jmp", "leave", "push", "pop", "enter"))
"""Mnemonics that work on eight bytes in 64-bit mode, whatever else AT&T syntax has a letter for."""
_SECTION = re.compile(
    r"[ \t]*(?:section|segment|\.section|\.pushsection)?[ \t]*\.(text|code|data|bss|rodata|const)\b", re.IGNORECASE
)


def _last_letter(cell: AsmCell, context: CursorContext) -> str:
    """The size letter of the last AT&T mnemonic above that has one."""
    if context.syntax == "att":
        for line in reversed(cell.lines[: context.line - 1]):
            found = re.match(r"[ \t]*(?:[\w.$]+:[ \t]*)?([A-Za-z]\w*)", line)
            if found is not None and (found[1].lower() in language().att_mnemonics or found[1].lower() == "movq"):
                return found[1][-1].lower()
    return ""


def _is_in_data(cell: AsmCell, context: CursorContext) -> bool:
    """Whether the last section that is named above holds data."""
    for line in reversed(cell.lines[: context.line - 1]):
        found = _SECTION.match(line)
        if found is not None:
            return found[1].lower() not in ("text", "code")
    return False


def _previous(cell: AsmCell, context: CursorContext) -> str:
    """The mnemonic of the line above, blank lines and comments left out."""
    for line in reversed(cell.lines[: context.line - 1]):
        found = re.match(r"[ \t]*(?:[\w.$]+:[ \t]*)?([A-Za-z%.][\w.]*)", line)
        if found is not None and not line.rstrip().endswith(":"):
            name = found[1].lower()
            if name not in examples() and name not in language().att_mnemonics:
                return ""
            return name[:-1] if context.syntax == "att" and name not in examples() else name
    return ""


# ---- names without a colon, arguments of directives ------------------------------------------------------------------


def definition_items(cell: AsmCell, context: CursorContext) -> Iterator[Completion]:
    """Words that make a name of the word before them: data, constants, procedures."""
    if context.rules.is_declared and not context.rules.speaks_nasm and context.rules.gnu_symbols:
        return
    typed = context.word.lower()
    used = Counter(word.lower() for word in _WORD.findall("\n".join(cell.lines)))
    words = language().names_before - (
        language().directives["masm"] - language().directives["nasm"] if context.rules.speaks_nasm else set()
    )
    for name in sorted(
        (name for name in words if name.startswith(typed)), key=lambda name: (rank_of(name, used), name)
    ):
        about = directive_words(name)
        yield Completion(name, "directive", about.sentence if about is not None else "")


_SECTION_WORDS = frozenset(("section", "segment", ".section", ".pushsection"))
_LABEL_WORDS = frozenset(
    (".globl", ".global", ".weak", ".type", ".size", ".hidden", ".local", "global", "public", "static", "end", ".end")
)
_FIXED = {
    "bits": (("64", "The mode of a cell."),), "default": (("rel", "Labels are addressed relative to rip."), ("abs", "Labels are addressed by their absolute addresses.")),
    ".intel_syntax": (("noprefix", "Registers have no %."),), ".att_syntax": (("prefix", "Registers begin with %."),),
}  # fmt: skip


def argument_items(context: CursorContext, names: tuple[DefinedName, ...]) -> Iterator[Completion]:
    """What stands behind a directive."""
    typed = context.word.lower()
    head = context.head
    if head in _FIXED:
        for word, sentence in _FIXED[head]:
            if word.startswith(typed):
                yield Completion(word, "keyword", sentence)
    elif head in _SECTION_WORDS:
        for word, sentence in _SECTIONS.items():
            if word.startswith(typed) or (not typed.startswith(".") and word[1:].startswith(typed)):
                yield Completion(word, "directive", sentence)
    elif head in _LABEL_WORDS:
        yield from name_items(context, [one for one in names if one.kind == "label" and not one.scope])
    elif head in ("extern", ".extern", "extrn", "externdef", "proto"):
        for name in C_FUNCTIONS:
            if name.startswith(typed):
                yield Completion(name, "library function", "Of the C library.")
    elif not head.startswith("%") or head.startswith(("%if", "%elif", "%rep", "%assign")):
        yield from name_items(context, names)
