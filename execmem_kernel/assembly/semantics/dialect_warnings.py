"""Warnings where another assembler, or C, would read the same text otherwise."""

from __future__ import annotations

import re

from execmem_kernel.assembly.semantics.collector import DiagnosticCollector
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.expressions import Binary, Here, Number
from execmem_kernel.assembly.syntax.lines import QUOTED_OR_COMMENT, Line
from execmem_kernel.assembly.syntax.statements import Address, Constant, Statement

_ESCAPE = re.compile(r"\\[ntr0]")
_OCTAL = re.compile(r"(?<![\w.])0[0-7]*[1-7][0-7]+(?![\w.])")
_TEXT_DIRECTIVE = re.compile(r"(?:^|[ \t:;])\.(?:ascii|asciz|string8?)\b", re.IGNORECASE)
_ODD_IN_TEXT = re.compile(r"\\(?:([ac-eg-mo-qsuwyzAC-WYZ])|.)")
_ODD_CHARACTER = re.compile(r"'\\(?:([ac-eg-mo-qsu-zA-Z0-9])|.)'")
_INSTEAD = {"e": r"escape is \033 or 27", "a": r"the bell is \007 or 7", "0": "the number is written 0"}


def _odd_escape(text: str, rules: DialectRules) -> tuple[int, str] | None:
    """Where a backslash stands in front of a letter that it does not change, to GNU as, and the letter."""
    if _TEXT_DIRECTIVE.search(text) is not None:
        for quoted in QUOTED_OR_COMMENT.finditer(text):
            if quoted[0][0] == '"':
                for found in _ODD_IN_TEXT.finditer(quoted[0]):
                    if found[1] is not None:
                        return quoted.start() + found.start(), found[1]
    elif (
        rules.apostrophe_escapes is not None
        and (found_ := _ODD_CHARACTER.search(text)) is not None
        and found_[1] is not None
    ):
        return found_.start() + 1, found_[1]
    return None


def may_mislead(source: str) -> bool:
    """Whether `warn_of_meanings` could find anything in any line."""
    return "\\" in source or _OCTAL.search(source) is not None


def warn_of_meanings(line: Line, rules: DialectRules, collector: DiagnosticCollector) -> None:
    """Point out what another assembler, or C, would read otherwise.

    Args:
        line: One line as it is written; lines that macros made are passed over.
        rules: How it is read here.
        collector: What takes the warnings.
    """
    text = line.text
    if line.moved:
        return
    if "\\" in text:
        if rules.raw_quotes:
            _warn_of_raw_escape(line, rules, collector)
        else:
            _warn_of_odd_escape(line, rules, collector)
    elif not rules.is_declared:
        _warn_of_octal(line, collector)


def _warn_of_odd_escape(line: Line, rules: DialectRules, collector: DiagnosticCollector) -> None:
    found = _odd_escape(line.text, rules)
    if found is not None:
        start, letter = found
        collector.warn(
            line,
            "ASM088",
            f"GNU as knows no `\\{letter}` here: it is a plain `{letter}`.",
            start,
            start + 2,
            _INSTEAD.get(letter, f"leave out the backslash if `{letter}` is meant"),
        )


def _warn_of_raw_escape(line: Line, rules: DialectRules, collector: DiagnosticCollector) -> None:
    for found in QUOTED_OR_COMMENT.finditer(line.text):
        if found[0][0] in "'\"" and (escape := _ESCAPE.search(found[0])) is not None:
            start = found.start() + escape.start()
            collector.warn(
                line,
                "ASM087",
                f"To {rules.name} `{escape[0]}` in these quotes is two plain characters.",
                start,
                start + 2,
                "write the text in backquotes, or the number 10 for a new line"
                if rules.speaks_nasm
                else "write the number behind the text: 10 for a new line",
            )
            return


def _warn_of_octal(line: Line, collector: DiagnosticCollector) -> None:
    octal = _OCTAL.search(QUOTED_OR_COMMENT.sub(lambda found: " " * len(found[0]), line.text))
    if octal is not None:
        here, there = int(octal[0], 8), int(octal[0])
        collector.warn(
            line,
            "ASM085",
            f"`{octal[0]}` is {here} here, as in GNU as and C; to NASM and MASM it is {there}.",
            octal.start(),
            octal.end(),
            f"write {here} or {there}, whichever is meant",
        )


def warn_of_bare_numbers(statement: Statement, line: Line, collector: DiagnosticCollector) -> None:
    """`mov 5, %rax` reads memory: the most common slip in AT&T syntax.

    Args:
        statement: An instruction in AT&T syntax.
        line: Where it stands.
        collector: What takes the warnings.
    """
    for piece in statement.operands:
        value = piece.value
        if isinstance(value, Address) and not value.terms and value.segment is None:
            text = line.text[piece.start : piece.end]
            if isinstance(value.displacement, Number) and text[:1] != "*" and statement.name != "movabs":
                collector.warn(
                    line,
                    "ASM090",
                    f"Without `$` this is what lies in memory at address {text}.",
                    piece.start,
                    piece.end,
                    f"write `${text}` if the number is meant",
                )


def warn_of_counted_bytes(statement: Statement, line: Line, collector: DiagnosticCollector) -> None:
    """`jmp $ + 7`: right only where every instruction between has the length that its writer thinks it has.

    Args:
        statement: An instruction.
        line: Where it stands.
        collector: What takes the warnings.
    """
    for piece in statement.operands:
        value = piece.value
        tree = value.value if isinstance(value, Constant) else None
        if isinstance(tree, Binary) and isinstance(tree.left, Here) and isinstance(tree.right, Number):
            collector.warn(
                line,
                "ASM091",
                "This counts bytes of machine code: an instruction may be shorter here than NASM makes it.",
                piece.start,
                piece.end,
                "put a label where it is to lead, and name that",
            )
