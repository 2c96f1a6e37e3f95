"""Arguments of macros and directives: cut at commas, quotes and comments respected."""

from __future__ import annotations

import re

from execmem_kernel.assembly.syntax.lines import QUOTED

_COMMENT = re.compile(QUOTED + r"|([;#].*|//.*)")


def without_comment(text: str) -> str:
    """The text up to its comment; a comment's sign in quotes begins none."""
    for found in _COMMENT.finditer(text):
        if found[1] is not None:
            return text[: found.start()]
    return text


def split_arguments(text: str) -> list[str]:
    """Arguments at the commas outside quotes, parentheses, brackets and braces."""
    parts: list[str] = []
    depth = 0
    quote = ""
    begin = 0
    for index, character in enumerate(text):
        if quote:
            if character == quote and text[index - 1] != "\\":
                quote = ""
        elif character in "\"'`":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append(text[begin:index].strip())
            begin = index + 1
    parts.append(text[begin:].strip())
    return parts


def split_blanks(text: str) -> list[str]:
    """Arguments at the blanks outside quotes, as GNU as takes them too."""
    return re.findall(r"\"[^\"]*\"|'[^']*'|\S+", text)


_OPENING = re.compile(r"\s*\(")


def call_arguments(text: str, position: int) -> tuple[list[str] | None, int]:
    """The arguments in parentheses that begin at `position`, and where they end."""
    found = _OPENING.match(text, position)
    if found is None:
        return None, position
    depth = 1
    index = found.end()
    while index < len(text) and depth:
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        index += 1
    if depth:
        return None, position
    inner = text[found.end() : index - 1]
    return (split_arguments(inner) if inner.strip() else []), index


def unquoted(text: str) -> str:
    """The text without the double quotes around it."""
    return text[1:-1] if len(text) >= 2 and text[0] == '"' == text[-1] else text


def without_braces(text: str) -> str:
    """The text without NASM's braces around it, which let an argument have commas."""
    return (
        text[1:-1]
        if len(text) >= 2 and text[0] == "{" and text[-1] == "}" and text.count("{") == 1 and "," in text
        else text
    )
