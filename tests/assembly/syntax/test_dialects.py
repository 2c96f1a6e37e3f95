"""Where the dialects differ: one rule, four values."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialect_detection import dialect_of, is_att_throughout, is_compiled
from execmem_kernel.assembly.syntax.dialects import (
    GNU,
    GNU_ESCAPES,
    MIXED,
    NASM,
    NASM_ESCAPES,
    UNDECLARED,
    DialectRules,
)
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import Number, Symbol
from execmem_kernel.assembly.syntax.line_parser import read_line
from execmem_kernel.assembly.syntax.lines import lines_of
from execmem_kernel.assembly.syntax.literals import character_value, number, string_bytes
from execmem_kernel.assembly.syntax.tokens import Token, tokenize


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("mov eax, 1\nret", UNDECLARED),
        (".intel_syntax noprefix\nret", GNU),
        ("section .text\nret", NASM),
        ("x db 5", NASM),
        ("%define N 5", NASM),
        ("section .text\n.byte 5", MIXED),
        ("call section", UNDECLARED),
    ],
)
def test_a_source_declares_its_dialect_by_its_directives(source: str, rules: DialectRules) -> None:
    assert dialect_of(source) is rules


def test_a_compiler_and_att_syntax_are_seen() -> None:
    assert is_compiled('\t.ident\t"GCC"')
    assert not is_compiled("ret # .ident")
    att = "movq %rax, %rbx\n" * 3
    assert is_att_throughout(lines_of(att))
    assert not is_att_throughout(lines_of(att + "mov rax, rbx"))


def value(text: str, rules: DialectRules) -> int | str:
    """The number that an expression is, or the code of the error about it."""
    try:
        tree = Parser(tokenize(text, rules), rules).expression()
    except SourceError as error:
        return error.code
    assert isinstance(tree, Number), tree
    return tree.value


@pytest.mark.parametrize(
    ("text", "undeclared", "gnu", "nasm"),
    [
        ("010", 8, 8, 10),
        ("2 + 4 & 1", "ASM015", 2, 0),
        ("7 // 2", "ASM038", 7, 3),
        ("1 == 1", -1, -1, 1),
        ("'a'", 97, 97, 97),
        ("-7 / 2", -3, -3, "ASM019"),
        ("0x10", 16, 16, 16),
        ("$0f", "ASM020", "ASM020", 15),
    ],
)
def test_expressions_are_what_each_assembler_makes_of_them(
    text: str, undeclared: int | str, gnu: int | str, nasm: int | str
) -> None:
    assert (value(text, UNDECLARED), value(text, MIXED)) == (undeclared, undeclared)
    assert (value(text, GNU), value(text, NASM)) == (gnu, nasm)


def test_a_numeric_label_is_a_binary_number_to_nasm_only() -> None:
    assert number("1b", NASM) == 1
    assert number("1b", GNU) is None


def test_a_text_in_double_quotes_is_a_name_to_gnu_as_only() -> None:
    assert Parser(tokenize('"x"', GNU), GNU).expression() == Symbol("x", 0, 3)
    assert Parser(tokenize('"x"', NASM), NASM).expression() == Number(ord("x"))


def test_escapes_are_those_of_the_assembler() -> None:
    text = Token("string", r'"a\n\101\q"', 0, 11)
    assert string_bytes(text, None) == rb"a\n\101\q"
    assert string_bytes(text, GNU_ESCAPES) == b"a\nAq"
    with pytest.raises(SourceError, match="escape sequence"):
        string_bytes(text, NASM_ESCAPES)
    newline = Token("string", r"'\n'", 0, 4)
    assert (character_value(newline, GNU), character_value(newline, NASM)) == (10, 0x6E5C)


@pytest.mark.parametrize("rules", [UNDECLARED, MIXED, GNU, NASM], ids=repr)
def test_a_label_without_its_colon_is_one_to_nasm_only(rules: DialectRules) -> None:
    statement = read_line("again inc rax", "intel", rules)
    if rules is NASM:
        assert [label.name for label in statement.labels] == ["again"]
        assert statement.name == "inc"
    else:
        assert statement.error is not None
        assert statement.error.code == "ASM033"
