"""The directives that define single-line macros: %define, %xdefine, %assign, %strlen and %undef of NASM."""

from __future__ import annotations

import re

from execmem_kernel.assembly.preprocessor.arguments import without_comment
from execmem_kernel.assembly.preprocessor.expansion import Expansion, Handler
from execmem_kernel.assembly.preprocessor.model import Define, error_in
from execmem_kernel.assembly.syntax.lines import Line

_DEFINITION = re.compile(r"\s*([A-Za-z_.$?@][\w.$?@]*)(\(([^)]*)\))?(?:\s+(.*)|\s*)$", re.DOTALL)
_NAME_AND_VALUE = re.compile(r"\s*([A-Za-z_.$?@][\w.$?@]*)\s+(.*)$")


def _define(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    found = _DEFINITION.match(without_comment(rest).rstrip())
    if found is None:
        raise error_in(line, "ASM051", f"`{word}` needs a name.", "for example: %define SIZE 8")
    text = (found[4] or "").strip()
    if word in ("%xdefine", "%ixdefine"):
        text = expansion.defines.fill(text, line)
    parameters = [name.strip() for name in found[3].split(",") if name.strip()] if found[2] else None
    any_case = word.startswith("%i")
    name = found[1].lower() if any_case else found[1]
    expansion.defines.add(name, Define(parameters, text, line, any_case))


def _undefine(expansion: Expansion, _line: Line, _word: str, rest: str) -> None:
    expansion.defines.remove(without_comment(rest).strip())


def _assign(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    found = _NAME_AND_VALUE.match(without_comment(rest).rstrip())
    if found is None:
        raise error_in(line, "ASM051", f"`{word}` needs a name and a number.", "for example: %assign count 3")
    value = expansion.value(line, word, found[2])
    expansion.defines.add(found[1], Define(None, str(value) if value >= 0 else f"({value})", line))


def _measure(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    """`%strlen name 'text'`: the length of a text."""
    found = _NAME_AND_VALUE.match(without_comment(rest).rstrip())
    text = expansion.defines.fill(found[2].strip(), line) if found is not None else ""
    if found is None or len(text) < 2 or text[0] not in "\"'`" or text[-1] != text[0]:
        raise error_in(line, "ASM051", f"`{word}` needs a name and a text in quotes.")
    expansion.defines.add(found[1], Define(None, str(len(text[1:-1].encode())), line))


DIRECTIVES: dict[str, Handler] = {
    **dict.fromkeys(("%define", "%idefine", "%xdefine", "%ixdefine"), _define),
    "%undef": _undefine,
    **dict.fromkeys(("%assign", "%iassign"), _assign),
    "%strlen": _measure,
}
