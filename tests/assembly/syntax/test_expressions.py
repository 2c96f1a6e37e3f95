"""Numbers in every spelling, operators in every precedence."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError


def value(expression: str, heading: str = "") -> int:
    """What an expression is worth as a signed quadword."""
    program = assemble(f"{heading}\nret\n.quad {expression}")
    return int.from_bytes(program.code[-8:], "little", signed=True)


def refused(source: str) -> str:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10", 10), ("0x1F", 31), ("0X1f", 31), ("10h", 16), ("0ffh", 255), ("0b101", 5), ("101b", 5), ("0o17", 15),
        ("17o", 15),
        ("17q", 15), ("0q17", 15), ("1_000", 1000), ("0x1_000", 4096), ("10d", 10), ("0d10", 10), ("017", 15),
        ("'A'", 65), ("'AB'", 0x4241),
        ("'\\n'", 10), ("'\\''", 39), ('"a"', 97), ("0bh", 11), ("0b1h", 0xB1), ("1bh", 0x1B), ("0", 0),
    ],
)  # fmt: skip
def test_a_number_is_read_in_every_spelling(text: str, number: int) -> None:
    assert value(text) == number


def test_a_leading_zero_is_octal_as_in_c_and_nothing_in_nasm() -> None:
    assert assemble("mov al, 017").code.hex() == "b00f"
    assert assemble("bits 64\nmov al, 017").code.hex() == "b011"


@pytest.mark.parametrize("text", ["08", "019", "0x", "0xg", "12abc", "0b2", "0x10h", "0b", "1_", "9f9"])
def test_what_is_no_number_is_refused(text: str) -> None:
    if text == "1_":
        assert value(text) == 1
    else:
        assert refused(f"mov eax, {text}") in ("ASM009", "ASM043")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1+2*3", 7), ("(1+2)*3", 9), ("10-3-2", 5), ("7/2", 3), ("-7/2", -3), ("7%4", 3), ("7 mod 4", 3), ("1<<4",
        16), ("1 shl 4", 16),
        ("256>>4", 16), ("0xf0|0x0f", 255), ("0xff&0x0f", 15), ("6^3", 5), ("~0", -1), ("not 0", -1), ("!5", 0),
        ("!0", 1), ("- - 5", 5),
        ("-(3)", -3), ("5==5", -1), ("5<>5", 0), ("3<4", -1), ("1&&0", 0), ("1||0", 1), ("1<<4|2", 18), ("2*3+4*5",
        26), ("1<<64", 0),
    ],
)  # fmt: skip
def test_an_expression_is_worked_out(text: str, number: int) -> None:
    assert value(text) == number


def test_where_assemblers_disagree_the_declared_one_decides_and_parentheses_are_asked_for_otherwise() -> None:
    assert assemble(".intel_syntax noprefix\nmov al, 2 + 4 & 1").code.hex() == "b002"
    assert assemble("bits 64\nmov al, 2 + 4 & 1").code.hex() == "b000"
    assert refused("mov al, 2 + 4 & 1") == "ASM015"
    assert assemble("mov al, (2 + 4) & 1").code.hex() == "b000"


def test_addresses_add_up_only_to_addresses() -> None:
    assert value("b - a + 1", "a: nop\nb: nop") == 2
    assert refused("a: nop\nmov rax, offset a + a") == "ASM034"
    assert refused("a: nop\nmov rax, offset a * 2") == "ASM034"
    assert refused("a: nop\n.quad a & 15") == "ASM034"


def test_division_by_zero_is_refused() -> None:
    assert refused("mov eax, 1/0") == "ASM019"
    assert refused("x: nop\ny: mov eax, 5 % (x-x)") == "ASM019"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1" + "0" * 80, "ASM017"), ("*".join(["0xffffffffffffffff"] * 3), "ASM017"), ("(" * 101 + "1", "ASM016"),
        ("x+" * 300 + "x", "ASM016"),
        ("1<<1000000000", ""), ("1.5", "ASM018"), ("1e3", "ASM018"), ("(1", "ASM013"), ("1)", "ASM013"), ("1 2",
        "ASM011"), ("+", "ASM010"), ("", "ASM010"),
        ("''", "ASM008"), ("'123456789'", "ASM008"), ("rax", ""), ("f(1)", "ASM012"), ("rax+1", "ASM022"),
    ],
)  # fmt: skip
def test_an_expression_past_its_caps_or_its_grammar_is_refused(text: str, code: str) -> None:
    if code:
        assert refused(f"mov eax, {text}") == code
    elif text != "rax":
        assert assemble(f"mov eax, {text}").code.hex() == "b800000000"


def test_constants_that_stand_for_each_other_without_end_are_refused() -> None:
    assert refused("a equ b\nb equ a\nmov eax, a") == "ASM042"
    chain = "\n".join(f"c{number} equ c{number + 1} + 1" for number in range(3000))
    assert refused(f"{chain}\nmov eax, c0") == "ASM042"


def test_escapes_are_those_of_c_where_the_assembler_has_them() -> None:
    assert assemble(r'.ascii "a\n\t\\\"\x41\101\0"').code == b'a\n\t\\"AA\0'
    assert assemble(r'db "a\n"').code == rb"a\n"
    assert assemble(r"db `a\n\x41`").code == b"a\nA"
    assert assemble('.ascii "naïve €"').code == "naïve €".encode()
    assert refused(r"db `\z`") == "ASM007"


def test_escapes_of_gnu_as_are_its_own() -> None:
    program = assemble(r'.ascii "\e|\08|\189|\z|\xg|\x1234|\a\v"')
    assert program.code == b"e|\x08|\x89|z|xg|4|a\x0b"
    assert [warning.code for warning in program.warnings] == ["ASM088"]
    program = assemble(".intel_syntax noprefix\n" + r".byte '\0', '\e', '\n', '\\', '\''")
    assert program.code == b"0e\n\\'"
    assert assemble(r".byte '\0', '\e', '\n'").code == b"\0\x1b\n"  # nobody declared: as in C
    assert assemble(r"db `\x41B\08\777\e\?`").code == b"AB\x008\xff\x1b?"


def test_nasm_divides_and_compares_in_its_own_way() -> None:
    source = "a equ 7\nb equ -2\nsection .data\ndd a // b, a // 2, -7 %% 3, a < b, a > b, a = 7, 1 | 2 == 3, a / 2\n"
    values = [-3 & 0xFFFFFFFF, 3, -1 & 0xFFFFFFFF, 0, 1, 1, 1, 3]
    data = assemble(source).segments[1].data
    assert [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)] == values
    assert refused("section .data\ndd -7 / 2") == "ASM019"
    assert assemble(".intel_syntax noprefix\n.long 1 == 1, 2 < 1").code.hex() == "ffffffff" + "00000000"
    assert assemble(".if 1 == 1\nret\n.endif").code.hex() == "c3"


def test_two_slashes_are_what_the_source_declares() -> None:
    assert assemble("section .text\nmov eax, 10 // 3\nret").code.hex() == "b803000000c3"
    assert assemble("section .text\nmov eax, ebx // a comment\nret // done").code.hex() == "89d8c3"
    assert assemble(".intel_syntax noprefix\nmov eax, 10 // 3\nret").code.hex() == "b80a000000c3"
    assert assemble("mov eax, 10 // 3 times\nret // 5").code.hex() == "b80a000000c3"
    assert refused("mov eax, 10 // 3\nret") == "ASM038"
