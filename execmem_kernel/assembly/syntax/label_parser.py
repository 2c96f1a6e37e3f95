"""Label parser: the labels that a line begins with."""

from __future__ import annotations

import re

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.cursor import Cursor
from execmem_kernel.assembly.syntax.directives import NEEDS_NO_NAME
from execmem_kernel.assembly.syntax.misplaced import HEX_BYTE, LISTING
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.x86.registers import SEGMENTS, canonical_register

_NEVER_LABELS = frozenset(("global", "globl", "extern", "section", "segment", "bits", "default", "times"))


def parse_labels(cursor: Cursor) -> None:
    """Read every `name:`, and NASM's `$name`, up to what is no label.

    Raises:
        SourceError: A colon stands behind what cannot be a label.
    """
    tokens = cursor.tokens
    while cursor.position + 1 < len(tokens):
        token, colon = tokens[cursor.position], tokens[cursor.position + 1]
        if token.text == "$" and cursor.rules.dollar_names and _take_dollar_name(cursor):
            continue
        if colon.text != ":" or token.kind not in ("name", "number"):
            return
        behind = cursor.peek(2)
        if canonical_register(token.text) is not None and token.text.lower() in SEGMENTS and behind is not None:
            return  # `fs: mov ...` is a prefix
        _check_name(token, behind)
        cursor.add_label(token)
        cursor.position += 2


def _take_dollar_name(cursor: Cursor) -> bool:
    """Read a label written `$name:`, or `$name` before data: to NASM a name, whatever else the word may be."""
    dollar, name, behind = cursor.peek(), cursor.peek(1), cursor.peek(2)
    following = behind.text.lower() if behind is not None else ""
    if dollar is None or name is None or name.kind != "name" or name.start != dollar.end:
        return False
    if following != ":" and following not in NEEDS_NO_NAME:
        return False
    cursor.add_label(name, colon=following == ":")
    cursor.position += 3 if following == ":" else 2
    return True


def _check_name(token: Token, behind: Token | None) -> None:
    """A number is a label only where it is decimal, and not the address in a disassembler's listing."""
    if token.kind == "number":
        byte = behind is not None and HEX_BYTE.match(behind.text) is not None
        if not token.text.isdigit() or (len(token.text) > 4 and byte):
            listing = byte or re.fullmatch(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{6,}", token.text) is not None
            raise SourceError(
                "ASM030",
                f"`{token.text}` cannot be a label.",
                token.start,
                token.end,
                LISTING if listing else "a label begins with a letter, `_` or `.`",
            )
    if canonical_register(token.text) is not None:
        raise SourceError(
            "ASM031",
            f"`{token.text}` is a register and cannot be a label.",
            token.start,
            token.end,
            f"call it `{token.text}_` or anything else",
        )


def check_labels(cursor: Cursor) -> None:
    """Refuse what looks like a label behind those that have been read: `my-label:`, `global: main`, a second colon.

    Raises:
        SourceError: It is none.
    """
    tokens, position = cursor.tokens, cursor.position
    before = tokens[position - 2] if position > 1 else None
    if before is not None and before.text.lower() in _NEVER_LABELS:
        raise SourceError(
            "ASM030",
            f"`{before.text}` is a directive, and no label.",
            before.start,
            tokens[position - 1].end,
            f"leave out the colon: `{before.text} {tokens[position].text}`",
        )
    end = position
    while (
        end + 2 < len(tokens)
        and tokens[end].kind in ("name", "number")
        and tokens[end + 1].text == "-"
        and tokens[end].end == tokens[end + 1].start
        and tokens[end + 1].end == tokens[end + 2].start
    ):
        end += 2
    if end > position and end + 1 < len(tokens) and tokens[end + 1].text == ":":
        name = "".join(token.text for token in tokens[position : end + 1])
        raise SourceError(
            "ASM030",
            "A name has no hyphen in it: `-` subtracts.",
            tokens[position].start,
            tokens[end].end,
            f"write `{name.replace('-', '_')}:`, here and where it is used",
        )
    if tokens[position].text == ":":
        raise SourceError(
            "ASM011",
            "`:` cannot stand here.",
            tokens[position].start,
            tokens[position].end,
            "a label is one name and one colon",
        )
