"""Arguments for C parameters: what fits, what is laid out where, and what is refused."""

from __future__ import annotations

import array
import struct
from typing import Any

import numpy as np
import pytest

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.values.prototype_parser import parse_prototype


def convert(prototype: str, *arguments: Any) -> Any:
    return parse_prototype(prototype).convert(arguments)


def test_integers_arrive_as_compilers_pass_them() -> None:
    registers = convert("void f(int8_t a, uint8_t b, int32_t c, uint64_t d)", -1, 255, -2, 2**64 - 1).registers
    assert dict(registers) == {"rdi": 2**32 - 1, "rsi": 255, "rdx": 2**32 - 2, "rcx": 2**64 - 1}


def test_floating_point_numbers_arrive_as_their_bits() -> None:
    registers = convert("void f(double x, float y)", 1.5, -2).registers
    assert registers["xmm0"] == int.from_bytes(struct.pack("<d", 1.5), "little")
    assert registers["xmm1"] == int.from_bytes(struct.pack("<f", -2.0), "little")


def test_numpy_scalars_are_numbers() -> None:
    registers = convert("void f(int32_t a, double x)", np.int16(-3), np.float32(0.5)).registers
    assert registers["rdi"] == 2**32 - 3
    assert registers["xmm0"] == int.from_bytes(struct.pack("<d", 0.5), "little")


@pytest.mark.parametrize(
    ("prototype", "arguments", "message"),
    [
        ("int f(int a, int b)", (1,), "f() takes exactly 2 arguments (1 given)"),
        ("int f(int a)", (1, 2), "f() takes exactly 1 argument (2 given)"),
        ("int f(void)", (1,), "f() takes exactly 0 arguments (1 given)"),
        ("int f(int a, int b)", (1, 2.0), "f() argument 2 'b' must be an int for int, not float"),
        ("int f(size_t n)", ("7",), "f() argument 1 'n' must be an int for size_t, not str"),
        ("int f(double x)", ("7",), "f() argument 1 'x' must be a number for double, not str"),
        ("int f(double x)", (None,), "f() argument 1 'x' must be a number for double, not NoneType"),
        ("int f(int32_t *a)", (5,), "must be an array, a bytearray or a list for int32_t *, not int"),
        (
            "int f(int32_t *a)",
            (object(),),
            "must be an array, a bytearray or a list for int32_t *, not object",
        ),
        ("int f(int32_t *a)", ("text",), "must be an array, a bytearray or a list for int32_t *, not str"),
        (
            "int f(int32_t *a)",
            (b"1234",),
            "is written to by int32_t *; give a bytearray, not a read-only bytes",
        ),
        ("int f(int32_t *a)", ((1, 2),), "a tuple cannot change"),
        ("int f(char *s)", ("text",), "a str cannot change"),
        ("int f(const int32_t *a)", (np.zeros(3),), "must be an array of int32_t, not of double"),
        (
            "int f(const int32_t *a)",
            (np.zeros(3, "u4"),),
            "must be an array of int32_t, not of unsigned 32-bit numbers",
        ),
        (
            "int f(const int32_t *a)",
            (np.zeros(3, "i8"),),
            "must be an array of int32_t, not of signed 64-bit numbers",
        ),
        ("int f(const int32_t *a)", (np.zeros((4, 4), "i4")[:, :2],), "does not lie in one piece of memory"),
        ("int f(const int32_t *a)", (np.zeros(3, ">i4"),), "in the other byte order"),
        (
            "int f(const int32_t *a)",
            ([1, "2"],),
            "f() argument 1 'a', item 1 must be an int for int32_t, not str",
        ),
        (
            "struct p {int x;}; int f(struct p *p)",
            ([1],),
            "must be a dict of the fields of struct p, or its bytes,",
        ),
    ],
)
def test_an_argument_of_the_wrong_type_is_a_type_error(
    prototype: str, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        convert(prototype, *arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("prototype", "argument", "message"),
    [
        ("int f(uint8_t n)", 256, "f() argument 1 'n': 256 does not fit uint8_t (0 to 255)"),
        ("int f(size_t n)", -1, "f() argument 1 'n': -1 does not fit size_t (0 to 18446744073709551615)"),
        ("int f(int64_t n)", 2**63, f"{2**63} does not fit int64_t"),
        ("int f(bool b)", 2, "2 does not fit bool (0 to 1)"),
        ("int f(float x)", 1e39, "1e+39 does not fit float"),
        (
            "int f(const uint8_t *a)",
            [1, 256],
            "f() argument 1 'a', item 1: 256 does not fit uint8_t (0 to 255)",
        ),
        (
            "struct p {short x;}; int f(const struct p *p)",
            {"x": 40000},
            "field 'x': 40000 does not fit short",
        ),
    ],
)
def test_a_number_that_does_not_fit_is_an_overflow_error(prototype: str, argument: Any, message: str) -> None:
    with pytest.raises(OverflowError) as caught:
        convert(prototype, argument)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("prototype", "argument", "message"),
    [
        ("int f(const int32_t *a)", b"12345", "5 bytes are no whole number of int32_t"),
        ("int f(const char *s)", "a\0b", "first zero character"),
        (
            "struct p {int x, y;}; int f(const struct p *p)",
            {"z": 1},
            "struct p has no field 'z'; it has x, y",
        ),
        ("struct p {int x, y;}; int f(const struct p *p)", b"123", "struct p has 8 bytes, 3 were given"),
        ("struct p {int x[2];}; int f(const struct p *p)", {"x": [1]}, "field 'x' has 2 items, 1 were given"),
    ],
)
def test_lengths_and_fields_that_do_not_fit_are_prototype_errors(prototype: str, argument: Any, message: str) -> None:
    with pytest.raises(PrototypeError) as caught:
        convert(prototype, argument)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("prototype", "argument", "data"),
    [
        ("int f(const int32_t *a)", [1, -1], struct.pack("<2i", 1, -1)),
        ("int f(const int32_t *a)", (1, -1), struct.pack("<2i", 1, -1)),
        ("int f(const int32_t *a)", np.array([[1], [-1]], "i4"), struct.pack("<2i", 1, -1)),
        ("int f(const int32_t *a)", array.array("i", [1, -1]), struct.pack("<2i", 1, -1)),
        ("int f(const int64_t *a)", np.array([1, -1]), struct.pack("<2q", 1, -1)),
        ("int f(const long *a)", array.array("l", [1]), struct.pack("<q", 1)),
        ("int f(const double *a)", np.array([0.5]), struct.pack("<d", 0.5)),
        ("int f(const float *a)", [0.5], struct.pack("<f", 0.5)),
        ("int f(const bool *a)", np.array([True, False]), b"\1\0"),
        ("int f(const char *s)", "h\N{LATIN SMALL LETTER E WITH ACUTE}", b"h\xc3\xa9\0"),
        ("int f(const char *s)", b"hi", b"hi\0"),
        ("int f(char *s)", bytearray(b"hi"), b"hi"),
        ("int f(const char *s)", np.array([1, 2], "u1"), b"\1\2"),
        ("int f(const void *p)", np.array([1.0]), struct.pack("<d", 1.0)),
        ("int f(const uint16_t *a)", b"1234", b"1234"),
        ("int f(const int32_t *a)", np.zeros((0, 3), "i4"), b""),
        ("int f(const int32_t m[2][2])", [[1, 2], [3, 4]], struct.pack("<4i", 1, 2, 3, 4)),
        ("int f(const int32_t m[][2])", np.array([[1, 2], [3, 4]], "i4"), struct.pack("<4i", 1, 2, 3, 4)),
        (
            "struct s {uint16_t a[2][3]; char c;}; int f(const struct s *p)",
            {"a": [[1, 2, 3], [4, 5, 6]], "c": 7},
            struct.pack("<6Hbx", 1, 2, 3, 4, 5, 6, 7),
        ),
        (
            "struct s {int8_t a; int16_t b;}; int f(const struct s *p)",
            [{"a": 1, "b": 2}, {"b": 3}],
            b"\1\0\2\0\0\0\3\0",
        ),
    ],
)
def test_what_a_pointer_points_to_is_laid_out_as_in_c(prototype: str, argument: Any, data: bytes) -> None:
    passed = convert(prototype, argument)
    (name,) = passed.buffers
    assert passed.registers == {"rdi": name}
    assert passed.buffers[name].data == data


def test_none_is_a_null_pointer() -> None:
    assert convert("int f(const char *s)", None).registers == {"rdi": 0}


def test_an_address_may_stand_for_a_void_pointer_only() -> None:
    assert convert("int f(void *p)", 0x5000).registers == {"rdi": 0x5000}


def test_an_array_of_strings_is_an_array_of_pointers_and_the_strings() -> None:
    passed = convert("int f(const char *names[])", ["ab", None, b"c"])
    assert passed.registers == {"rdi": "names"}
    assert passed.buffers["names"].data == bytes(24)
    assert passed.buffers["names[]"].data == b"ab\0c\0"
    registers, buffers = passed.at({"names": 0x1000, "names[]": 0x2000})
    assert registers == {"rdi": "names"}
    assert buffers["names"].data == struct.pack("<3Q", 0x2000, 0, 0x2003)


def test_strings_that_can_change_are_bytearrays() -> None:
    passed = convert("int f(char **names)", [bytearray(b"ab"), bytearray(b"c")])
    assert set(passed.buffers) == {"names", "names[0]", "names[1]"}
    with pytest.raises(TypeError, match="item 0 is written to by char"):
        convert("int f(char **names)", ["ab"])
    with pytest.raises(TypeError, match="item 1 must be a str, bytes or bytearray or None"):
        convert("int f(const char **names)", ["ab", 5])
