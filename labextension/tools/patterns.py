"""The tokens of `%%asm` as regular expressions that JavaScript and Oniguruma read alike, made of the one table.

The CodeMirror mode (src/language/) takes them as they are; grammar.py puts them into a TextMate grammar. Case is
ignored everywhere, and nothing here is anchored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

EDGE = r"(?![A-Za-z0-9_.@?$])"
"""No character of a name follows."""

COUNTED = ("times", "at")
"""Directives behind whose first operand another statement stands: `times 8 db 0`, `at field, dd 1`."""

# Those of execmem_kernel/assembly/syntax/separators.py and tokens.py; a test holds that both read alike.
BEHIND_SEPARATOR = r"[ \t;]*((?:[\w.$]+:(?!:)\s*)*)([\w.$]*)(\s+[^\s,]+(?:\s*,\s*[^\s,]+)+\s*(?:#.*|;.*)?$)?"
"""What follows a semicolon of GNU as. Groups: labels, a word, operands with commas between them."""
DIVISOR = (
    r"//[ \t]*[-+~!( \t]*[\w.$?@]+"
    r"(?:[ \t)]*(?:<<|>>|//|%%|[-+*/%&|^])[-+~!( \t]*[\w.$?@]+)*[ \t)]*(?:[,;\]#]|$)"
)
"""NASM's `//` where it divides: one expression follows, up to the end of the operand."""


def token_patterns(language: dict[str, Any]) -> dict[str, Any]:
    """The patterns that both modes use; those that depend on the dialect by its name.

    Args:
        language: execmem_kernel/editor/language.json.
    """
    own = language["patterns"]
    name, strings = own["name"], own["string"]
    before = alternatives(language["names_before"])
    number = own["number"]
    return {
        "label": rf"(?![cdefgs]s[ \t]*:)(?:(?:%%|[$\\])?{name}{EDGE}(?:\\[A-Za-z0-9_@]+)*|[0-9]+)(?=[ \t]*:(?![:=]))",
        "named": rf"{name}{EDGE}(?=[ \t]+{before}{EDGE}|[ \t]*=(?!=))",
        "name": name,
        "decoration": rf"\{{[ \t]*{alternatives(language['decorations'])}[ \t]*\}}",
        "string": {dialect: f"(?:{strings[dialect]}|{own['open_string']})" for dialect in strings},
        "number": {**dict.fromkeys(strings, number), "nasm": rf"(?:\$[0-9][0-9a-f_]*{EDGE}|{number})"},
        # `1b` is a label before here, `10b` two in binary: execmem_kernel/assembly/syntax/literals.py.
        "reference": rf"(?:[0-9]b{EDGE}|(?!{number}){own['local_reference']})",
        "argument": own["macro_argument"],
        "no_number": r"[0-9][A-Za-z0-9_.@?$]*",
        "behind_separator": BEHIND_SEPARATOR,
        "divisor": DIVISOR,
        "option": r"--[a-z][a-z-]*(?![\w-])",
    }


def words(language: dict[str, Any]) -> dict[str, list[str]]:
    """The words of each class."""
    directives = language["directives"]
    return {
        "mnemonics": language["mnemonics"],
        "att": language["att_mnemonics"],
        "prefixes": language["prefixes"],
        "names_before": language["names_before"],
        "registers": sorted({*(name for names in language["registers"].values() for name in names)}
                            | set(language["register_aliases"])),
        "sizes": sorted({*language["sizes"], *language["keywords"]}),
        "directives": sorted({*directives["gnu"], *directives["nasm"], *directives["masm"],
                              *directives["nasm_preprocessor"]}),
        "directive_prefixes": directives["gnu_prefixes"],
        "counted": list(COUNTED),
    }  # fmt: skip


def alternatives(names: Iterable[str]) -> str:
    """A pattern that matches any of the words, the longest first.

    Common beginnings are shared, so that matching takes as long as the word and not as long as the list.
    """
    return _branches(sorted(set(names)), 0)


def _branches(names: list[str], depth: int) -> str:
    """The alternatives of words that agree in their first `depth` characters, from there on."""
    if len(names) == 1:
        return re.escape(names[0][depth:])
    ends = len(names[0]) == depth  # the shortest comes first
    groups: dict[str, list[str]] = {}
    for name in names[ends:]:
        groups.setdefault(name[depth], []).append(name)
    if not ends and len(groups) == 1:
        ((first, rest),) = groups.items()
        return re.escape(first) + _branches(rest, depth + 1)
    choices = "|".join(re.escape(first) + _branches(rest, depth + 1) for first, rest in groups.items())
    return f"(?:{choices}){'?' if ends else ''}"
