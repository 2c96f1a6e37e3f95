"""Repetition: `.rept`, `.irp` and `.irpc` of GNU as, `%rep` of NASM."""

from __future__ import annotations

import re

from execmem_kernel.assembly.preprocessor.arguments import split_arguments, unquoted, without_comment
from execmem_kernel.assembly.preprocessor.expansion import Expansion, Handler
from execmem_kernel.assembly.preprocessor.gnu_macros import filler, repeated_line
from execmem_kernel.assembly.preprocessor.model import Frame, error_in
from execmem_kernel.assembly.syntax.lines import LINE_LIMIT, Line

_OPENINGS = frozenset((".rept", ".rep", ".irp", ".irpc", "%rep"))
_GNU_CLOSINGS = frozenset((".endr",))
_NASM_CLOSINGS = frozenset(("%endrep",))
_NAME = re.compile(r"[A-Za-z_.$][\w.$]*")


def _repeat(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    body = expansion.body(line, _OPENINGS, _GNU_CLOSINGS if word[0] == "." else _NASM_CLOSINGS)
    count = expansion.value(line, word, without_comment(rest).replace(".nolist", "").strip())
    if count < 0:
        raise error_in(line, "ASM056", f"A count cannot be negative; this is {count}.")
    if count * max(1, len(body)) > LINE_LIMIT:
        raise expansion.too_many_lines(line)
    expansion.push(Frame("repeat", lambda _: [inner.again() for inner in body], count), line)


def _repeat_with_values(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    """`.irp name, value, value` and `.irpc name, characters`."""
    body = expansion.body(line, _OPENINGS, _GNU_CLOSINGS)
    name, _, text = without_comment(rest).strip().partition(",")
    name = name.strip()
    if " " in name and not text:
        name, _, text = name.partition(" ")
    if _NAME.fullmatch(name) is None:
        raise error_in(line, "ASM051", f"`{word}` needs a name and values.", f"for example: {word} reg, rax, rbx")
    text = text.strip()
    values = list(text) if word == ".irpc" else split_arguments(text)
    calls = expansion.calls

    def make(index: int) -> list[Line]:
        fill = filler({name: unquoted(values[index])}, calls)
        return [repeated_line(inner, fill, line) for inner in body]

    expansion.push(Frame("repeat", make, len(values)), line)


def _exit(expansion: Expansion, line: Line, word: str, _rest: str) -> None:
    expansion.leave("repeat", f"`{word}` stands outside of a repetition.", line)


DIRECTIVES: dict[str, Handler] = {
    **dict.fromkeys((".rept", ".rep", "%rep"), _repeat),
    **dict.fromkeys((".irp", ".irpc"), _repeat_with_values),
    "%exitrep": _exit,
}
