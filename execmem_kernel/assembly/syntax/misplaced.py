"""What cannot begin a line, and a hint for each: a disassembler's listing, a prompt, a number, a brace of C's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.x86.registers import canonical_register

LISTING = "is this a disassembler's listing? Leave out its addresses and bytes, and keep the instructions"
"""The hint for text that objdump or a debugger printed."""
HEX_BYTE = re.compile(r"[0-9a-fA-F]{2}\Z")
"""A byte of machine code as a listing shows it."""
_HINTS = {
    **dict.fromkeys(("{", "}"), "there are no braces: a function is a label and ends with ret"),
    "=": LISTING,
    **dict.fromkeys(("/", "*", "-", "\\", "!", "@"), "a comment begins with `#` or `;`"),
    **dict.fromkeys(("$", ">"), "leave out the prompt"),
}
"""Token -> hint, whatever stands around it."""


def cannot_begin_line(tokens: Sequence[Token], position: int) -> SourceError:
    """The error about a token that begins neither a label nor an instruction nor a directive."""
    token = tokens[position]
    following = tokens[position + 1] if position + 1 < len(tokens) else None
    if token.text == "%":
        return _percent(token, following)
    hint = _hint(token, following, tokens[:position])
    return SourceError("ASM003", f"A line cannot begin with `{token.text}`.", token.start, token.end, hint)


def _percent(token: Token, following: Token | None) -> SourceError:
    name = following.text if following is not None else ""
    end = following.end if following is not None else token.end
    if canonical_register(name) is not None:
        return SourceError("ASM020", f"`%{name}` is AT&T syntax, and no instruction.", token.start, end)
    return SourceError("ASM050", f"There is no directive named `%{name}`.", token.start, end)


def _hint(token: Token, following: Token | None, before: Sequence[Token]) -> str:
    behind_label = bool(before) and before[-1].text == ":"
    if token.kind == "number" and (behind_label or (not before and following is None)):
        return "to store a number, name its size: `.byte 5`, `.long 5` or `.quad 5` (db, dd or dq in NASM)"
    if token.kind == "string":
        return f"to store a text write `.asciz {token.text}` (in NASM `db {token.text}, 0`)"
    if token.text == "=" and before:
        return f"a constant is `{before[-2].text if len(before) > 1 else before[-1].text} = 5`"
    if following is not None and following.text == "<" and token.text not in ("{", "}"):
        return LISTING  # `401000 <main>:`
    if token.text == "!" and not before and following is not None and following.start == token.end:
        return f"a command of the shell has a cell of its own: `!{following.text}`, without `%%asm`"
    if (hint := _HINTS.get(token.text)) is not None:
        return hint
    if following is not None and HEX_BYTE.match(token.text):
        return LISTING
    return "a line is a label, an instruction, or a directive"
