"""The table of the language as the editor's features read it: language.json and mnemonics.json.

Both are written by scripts/language_table.py. Reading them takes a few milliseconds, where asking the assembler's own
tables would import it: the first completion of a fresh kernel has no time for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple


class Option(NamedTuple):
    """An option of `%%asm`."""

    help: str
    value: str | None
    """What its value is called in the help text; None for a flag."""
    kind: str
    """What it is: choice, label, registers, limits, number, seconds, text, prototype, "new name", or "" for a flag."""
    values: tuple[str, ...]


class Example(NamedTuple):
    """A mnemonic in use."""

    source: str
    """Lines that assemble as they stand; the first is the instruction."""
    sentence: str
    """What the instruction does."""


@dataclass(frozen=True, slots=True)
class Language:
    """The words of `%%asm`."""

    att_mnemonics: frozenset[str]
    prefixes: tuple[str, ...]
    registers: Mapping[str, tuple[str, ...]]
    """Class -> names, in the order in which they are counted."""
    directives: Mapping[str, frozenset[str]]
    """gnu, nasm, masm, nasm_preprocessor -> their words."""
    names_before: frozenset[str]
    """Words that make a name of the word before them."""
    sizes: Mapping[str, int]
    decorations: tuple[str, ...]
    options: Mapping[str, Option]
    settable: tuple[str, ...]
    """General registers that the option line can set."""
    commands: Mapping[str, str]
    """Subcommand of `%execmem` -> what it does."""


def _read(name: str) -> Any:
    return json.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


@cache
def language() -> Language:
    """The words of the language."""
    table = _read("language.json")
    return Language(
        frozenset(table["att_mnemonics"]),
        tuple(table["prefixes"]),
        MappingProxyType({family: tuple(names) for family, names in table["registers"].items()}),
        MappingProxyType({dialect: frozenset(names) for dialect, names in table["directives"].items()}),
        frozenset(table["names_before"]),
        MappingProxyType(table["sizes"]),
        tuple(table["decorations"]),
        MappingProxyType(
            {
                name: Option(one["help"], one["value"], one.get("kind", ""), tuple(one.get("values", ())))
                for name, one in table["options"].items()
            }
        ),
        tuple(table["settable"]["general"]),
        MappingProxyType(table["commands"]),
    )


@cache
def examples() -> Mapping[str, Example]:
    """Every mnemonic that can be written -> how, and what it does."""
    return MappingProxyType({name: Example(*row) for name, row in _read("mnemonics.json").items()})
