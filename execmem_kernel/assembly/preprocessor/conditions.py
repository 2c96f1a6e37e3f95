"""Conditions: `.if` of GNU as and `%if` of NASM in all their forms, `.elseif`, `.else` and `.endif`."""

from __future__ import annotations

import re
from collections.abc import Callable

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.preprocessor.arguments import split_arguments, without_comment
from execmem_kernel.assembly.preprocessor.expansion import Expansion, Handler
from execmem_kernel.assembly.preprocessor.model import CONDITION_LIMIT, Condition, error_in
from execmem_kernel.assembly.syntax.lines import Line

_NUMBER = re.compile(r"-?(?:0x)?[0-9][0-9a-fA-F_]*h?")
_IDENTIFIER = re.compile(r"[A-Za-z_.?@$][\w.$?@#~]*")
_Test = Callable[[Expansion, Line, str, str], bool]
"""What decides a condition: the state, its line, its word, and what stands behind it without the comment."""


def _is_defined(expansion: Expansion, line: Line, word: str, text: str) -> bool:
    return _is_macro(expansion, line, word, text) or expansion.host.is_defined(text)


def _is_macro(expansion: Expansion, _line: Line, _word: str, text: str) -> bool:
    return text in expansion.defines or text in expansion.macros


def _is_blank(_expansion: Expansion, _line: Line, _word: str, text: str) -> bool:
    return not text


def _is_empty(expansion: Expansion, line: Line, _word: str, text: str) -> bool:
    return not expansion.defines.fill(text, line).strip()


def _is_number(expansion: Expansion, line: Line, _word: str, text: str) -> bool:
    return _NUMBER.fullmatch(expansion.defines.fill(text, line)) is not None


def _is_identifier(expansion: Expansion, line: Line, _word: str, text: str) -> bool:
    return _IDENTIFIER.fullmatch(expansion.defines.fill(text, line)) is not None


def _is_string(_expansion: Expansion, _line: Line, _word: str, text: str) -> bool:
    return text[:1] in "\"'`" and text != ""


def _two_texts(expansion: Expansion, line: Line, word: str, text: str) -> list[str]:
    if word[0] == "%":
        text = expansion.defines.fill(text, line)
    parts = [part.strip().strip("'\"") for part in split_arguments(text)]
    if len(parts) != 2:
        raise error_in(line, "ASM051", f"`{word}` compares two texts.")
    return parts


def _are_equal(expansion: Expansion, line: Line, word: str, text: str) -> bool:
    first, second = _two_texts(expansion, line, word, text)
    return first == second


def _are_equal_in_any_case(expansion: Expansion, line: Line, word: str, text: str) -> bool:
    first, second = _two_texts(expansion, line, word, text)
    return first.lower() == second.lower()


def _number_that(holds: Callable[[int], bool]) -> _Test:
    return lambda expansion, line, word, text: holds(expansion.value(line, word, text))


_TESTS: dict[str, _Test] = {
    "": _number_that(lambda value: value != 0),
    "eq": _number_that(lambda value: value == 0),
    "ne": _number_that(lambda value: value != 0),
    "lt": _number_that(lambda value: value < 0),
    "le": _number_that(lambda value: value <= 0),
    "gt": _number_that(lambda value: value > 0),
    "ge": _number_that(lambda value: value >= 0),
    "def": _is_defined,
    "macro": _is_macro,
    "b": _is_blank,
    "empty": _is_empty,
    "num": _is_number,
    "id": _is_identifier,
    "str": _is_string,
    **dict.fromkeys(("c", "idn", "eqs"), _are_equal),
    "idni": _are_equal_in_any_case,
}
"""What stands behind `if` -> what decides; with an `n`, or `not`, before it the opposite holds."""


def _is_true(expansion: Expansion, line: Line, word: str, rest: str) -> bool:
    kind = word[1:].removeprefix("if")
    negative = kind.startswith("n") and kind not in ("num", "ne")
    if negative:
        kind = kind[1:].removeprefix("ot")
    test = _TESTS.get(kind)
    if test is None:
        raise error_in(line, "ASM050", f"There is no condition named `{word}`.")
    return test(expansion, line, word, without_comment(rest).strip()) != negative


def _if(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    if len(expansion.conditions) >= CONDITION_LIMIT:
        expansion.stop()
        expansion.conditions.clear()
        raise error_in(
            line,
            "ASM061",
            f"Conditions are nested more than {CONDITION_LIMIT:,} deep here.",
            "is one of them never closed?",
        )
    outer = expansion.is_active
    try:
        truth = outer and _is_true(expansion, line, word, rest)
    except SourceError:
        # It is open all the same, and none of its branches is read: its end would be an error otherwise.
        expansion.conditions.append(Condition(False, True, outer, line, word[0] == "."))
        raise
    expansion.conditions.append(Condition(truth, truth, outer, line, word[0] == "."))


def _elif(expansion: Expansion, line: Line, word: str, rest: str) -> None:
    condition = _innermost(expansion, line, word)
    condition.active = False
    if condition.outer and not condition.taken:
        test = "%if" + word[5:] if word.startswith("%elif") else ".if" + word[7:]
        condition.active = condition.taken = _is_true(expansion, line, test, rest)


def _else(expansion: Expansion, line: Line, word: str, _rest: str) -> None:
    condition = _innermost(expansion, line, word)
    condition.active = condition.outer and not condition.taken
    condition.taken = True


def _endif(expansion: Expansion, line: Line, word: str, _rest: str) -> None:
    _innermost(expansion, line, word)
    expansion.conditions.pop()


def _innermost(expansion: Expansion, line: Line, word: str) -> Condition:
    if not expansion.conditions:
        raise error_in(line, "ASM052", f"`{word}` has no condition before it.")
    return expansion.conditions[-1]


_GNU_KINDS = (
    "", "def", "ndef", "notdef", "b", "nb", "c", "nc", "eq", "ne", "lt", "le", "gt", "ge", "eqs", "nes"
)  # fmt: skip
_NASM_KINDS = (
    "", "def", "ndef", "macro", "nmacro", "idn", "nidn", "idni", "nidni", "num", "nnum", "str", "nstr", "id", "nid",
    "empty", "nempty",
)  # fmt: skip
DIRECTIVES: dict[str, Handler] = {
    **dict.fromkeys((f".if{kind}" for kind in _GNU_KINDS), _if),
    **dict.fromkeys((f"%if{kind}" for kind in _NASM_KINDS), _if),
    ".elseif": _elif,
    **dict.fromkeys((f"%elif{kind}" for kind in _NASM_KINDS), _elif),
    **dict.fromkeys((".else", "%else"), _else),
    **dict.fromkeys((".endif", "%endif"), _endif),
}
"""The directives that are carried out in lines that a condition skips, too."""
