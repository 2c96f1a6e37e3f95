"""Dialects: where assemblers read the same text differently, one value of rules for each of them.

A source declares GNU as, NASM or MASM by its directives (dialect_detection.py), several (then it contradicts itself),
or none; MASM's words are understood in all of them. Whatever depends on the dialect asks a `DialectRules` for that one
rule and never for its name, so that another dialect is one more value in this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, eq=False, slots=True)
class EscapeSequences:
    """The escape sequences of a quoted text."""

    characters: Mapping[str, int]
    """The letter behind the backslash -> the byte it stands for."""
    pattern: re.Pattern[str]
    """One sequence. Groups: hexadecimal digits, octal digits, four digits of a code point, eight of them, a letter."""
    refuses_unknown: bool
    """Whether a letter that is not in `characters` is an error; otherwise it stands for itself."""


NASM_ESCAPES = EscapeSequences(
    MappingProxyType(
        {
            "n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "a": 7, "e": 27, "\\": 92, "'": 39, '"': 34, "`": 96,
            "?": 63,
        }
    ),
    re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL),
    refuses_unknown=True,
)  # fmt: skip
"""Those of NASM's backquotes, which are C's. Source: NASM's manual, 3.4.2."""
GNU_ESCAPES = EscapeSequences(
    MappingProxyType({"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "\\": 92, '"': 34}),
    re.compile(r"\\(?:[xX]([0-9a-fA-F]+)|([0-9]{1,3})|()()(.))", re.DOTALL),
    refuses_unknown=False,
)
"""Those of GNU as' texts. It counts 8 and 9 as octal digits. Source: next_char_of_string in gas/read.c."""

# Precedence of the binary operators: the higher rank is worked out first.
# Sources: the manual of GNU as, "Infix Operators"; NASM's, "Expressions"; ISO C where nothing is declared.
_C_RANKS = MappingProxyType({
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<>": 6, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
})  # fmt: skip
_NASM_RANKS = MappingProxyType({
    "||": 1, "&&": 2, "==": 3, "=": 3, "!=": 3, "<>": 3, "<": 3, ">": 3, "<=": 3, ">=": 3, "|": 4, "^": 5, "&": 6,
    "<<": 7, ">>": 7, "+": 8, "-": 8, "*": 9, "/": 9, "%": 9, "//": 9, "%%": 9,
})  # fmt: skip
# MASM compares, shifts and calculates by words; its precedence ends with `and`, `or` and `xor`.
_MASM_RANKS = MappingProxyType({
    "||": 1, "&&": 1, "|": 2, "^": 2, "&": 3, "==": 5, "!=": 5, "<>": 5, "<": 5, ">": 5, "<=": 5, ">=": 5,
    "+": 6, "-": 6, "*": 7, "/": 7, "%": 7, "<<": 7, ">>": 7,
})  # fmt: skip
_GNU_RANKS = MappingProxyType({
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<>": 3, "<": 3, ">": 3, "<=": 3, ">=": 3, "+": 4, "-": 4,
    "|": 5, "^": 5, "&": 5, "!": 5, "*": 6, "/": 6, "%": 6, "<<": 6, ">>": 6,
})  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class DialectRules:
    """How one dialect reads what the assemblers read differently. There is one object of each: compared by identity."""

    name: str
    is_declared: bool = True
    """Whether a directive of the source tells its dialect; where none does, ambiguities are warned of."""
    speaks_nasm: bool = False
    """Whether hints are spelt as NASM has it: `section .text`, `dd 5`."""

    # Lines, semicolons and comments
    joins_lines: bool = False
    """Whether a backslash at the end of a line joins it with the next."""
    separates_statements: bool = False
    """Whether `;` separates statements; otherwise it begins a comment."""
    double_slash: Literal["comment", "division", "ambiguous"] = "ambiguous"
    """What `//` is where an operand can go on; ambiguous: a comment, but refused where only numbers follow."""

    # Quoted texts
    raw_quotes: bool = False
    """Whether a backslash in plain quotes is a backslash, and a quote always needs its partner."""
    number_escapes: EscapeSequences | None = NASM_ESCAPES
    """The escape sequences of a text that is used as a number."""
    apostrophe_escapes: Mapping[str, int] | None = None
    """The letters that a backslash changes in `'\\n`, a character behind one apostrophe; None: there are none such."""
    first_character_highest: bool = False
    """Whether the first character of a text that is used as a number is its highest byte; otherwise its lowest."""
    quoted_names: bool = False
    """Whether a text in double quotes is a name where an operand can stand."""

    # Numbers and names
    leading_zero_is_octal: bool = True
    numeric_labels: bool = True
    """Whether `1b` is a reference to the label `1:` before it; otherwise it is a binary number."""
    dollar_names: bool = False
    """Whether `$` before a word says that it is a name, and before digits that they are hexadecimal."""
    numbered_arguments: bool = False
    """Whether `%1` is an argument of a macro."""

    # Expressions
    ranks: Mapping[str, int]
    """Binary operator -> its precedence, the higher first."""
    other_ranks: Mapping[str, int] | None = None
    """The precedence that another assembler has: an expression that it would read otherwise is refused."""
    operators: Mapping[str, str]
    """Operators that mean another one here: NASM's `/` is the unsigned `u/`."""
    true: Literal[1, -1] = -1
    """What a comparison is where it holds."""

    # Labels
    optional_colons: bool = False
    """Whether a label may lack its colon."""
    dotted_labels: bool = False
    """Whether a word that begins with a dot is a label where nothing stands behind it: `.text`, `.else`, `.end`."""
    scoped_labels: bool = False
    """Whether a name that begins with a dot always belongs to the plain label before it."""
    unique_dotted_labels: bool = False
    """Whether a name that begins with a dot can be defined once only in the whole source."""
    gnu_symbols: bool = False
    """Whether names are looked up as GNU as does: undefined ones are external, constants are those defined so far."""

    bare_directives: bool = False
    """Whether conditions have no dot, and data may begin a line without a name: `ifndef X`, `byte "more", 0`."""

    # Operands
    typed_labels: bool = False
    """Whether a label of data says how wide an operand is that it stands in: `inc x`."""
    bare_label: Literal["address", "memory", "refused"] = "refused"
    """What a label alone is as an operand: its address (NASM), or what is stored there (GNU as, MASM)."""
    wide_address_moves: bool = False
    """Whether `mov` of an address to a 64-bit register leaves room for any address, as `movabs` does."""
    far_pointer_size: Literal[6, 10] = 6
    """Bytes of a far pointer in memory whose size nothing tells."""
    warns_of_counted_bytes: bool = False
    """Whether `$ + 7` is warned of: it counts bytes that another assembler may make fewer or more of."""

    # Directives
    align_fills_with_nop: bool = False
    """Whether `align` without a filler fills with `nop`, in data too; otherwise with zeros there."""
    read_only_sections: bool = False
    """Whether a section that no one knows is read-only. Source: NASM's manual, 8.9.2, "default"."""

    def __repr__(self) -> str:
        return f"<rules of {self.name}>"


UNDECLARED = DialectRules(
    name="no dialect",
    is_declared=False,
    ranks=_C_RANKS,
    other_ranks=_GNU_RANKS,
    operators=MappingProxyType({}),
)
"""The rules of a source that declares nothing: what is unambiguous is read, the rest refused or warned of."""
MIXED = replace(UNDECLARED, name="several dialects", is_declared=True)
"""The rules of a source that contradicts itself."""
GNU = DialectRules(
    name="GNU as",
    separates_statements=True,
    double_slash="comment",
    # What process_escape in gas/app.c does not know stands for itself, a 0 too.
    apostrophe_escapes=MappingProxyType({"b": 8, "f": 12, "n": 10, "r": 13, "t": 9}),
    quoted_names=True,
    ranks=_GNU_RANKS,
    operators=MappingProxyType({}),
    unique_dotted_labels=True,
    gnu_symbols=True,
    bare_label="memory",
)
NASM = DialectRules(
    name="NASM",
    speaks_nasm=True,
    joins_lines=True,
    double_slash="division",
    raw_quotes=True,
    number_escapes=None,
    leading_zero_is_octal=False,
    numeric_labels=False,
    dollar_names=True,
    numbered_arguments=True,
    ranks=_NASM_RANKS,
    # NASM's division is unsigned unless doubled.
    operators=MappingProxyType({"/": "u/", "%": "u%", "//": "/", "%%": "%", "=": "=="}),
    true=1,
    optional_colons=True,
    dotted_labels=True,
    scoped_labels=True,
    bare_label="address",
    wide_address_moves=True,
    far_pointer_size=10,
    warns_of_counted_bytes=True,
    align_fills_with_nop=True,
    read_only_sections=True,
)
MASM = DialectRules(
    name="MASM",
    double_slash="comment",
    raw_quotes=True,
    number_escapes=None,
    leading_zero_is_octal=False,
    numeric_labels=False,
    ranks=_MASM_RANKS,
    first_character_highest=True,
    operators=MappingProxyType({}),
    bare_directives=True,
    typed_labels=True,
    bare_label="memory",
)
"""Source: the reference of Microsoft's macro assembler, "Directives" and "Operators"."""
