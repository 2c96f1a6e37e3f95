"""C prototypes: what is read, what is refused, and what becomes of Python's arguments."""

from __future__ import annotations

import array
import ctypes
import inspect
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.contract.call import Buffer
from execmem_kernel.execution.values.buffers import as_buffer
from execmem_kernel.execution.values.c_types import Pointer, Scalar, Struct
from execmem_kernel.execution.values.prototype_parser import parse_prototype

C_TYPES: dict[str, Any] = {
    "char": ctypes.c_byte, "signed char": ctypes.c_byte, "unsigned char": ctypes.c_ubyte, "short":
    ctypes.c_short, "unsigned short": ctypes.c_ushort, "int": ctypes.c_int, "unsigned int": ctypes.c_uint,
    "unsigned": ctypes.c_uint, "long": ctypes.c_long, "unsigned long": ctypes.c_ulong, "long long":
    ctypes.c_longlong, "unsigned long long": ctypes.c_ulonglong, "int8_t": ctypes.c_int8, "uint8_t":
    ctypes.c_uint8, "int16_t": ctypes.c_int16, "uint16_t": ctypes.c_uint16, "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "size_t":
    ctypes.c_size_t, "ssize_t": ctypes.c_ssize_t, "long unsigned int": ctypes.c_ulong, "short int":
    ctypes.c_short, "unsigned long long int": ctypes.c_ulonglong, "bool": ctypes.c_bool, "_Bool":
    ctypes.c_bool, "float": ctypes.c_float, "double": ctypes.c_double, "intptr_t": ctypes.c_ssize_t,
    "uintptr_t": ctypes.c_size_t,
}  # fmt: skip
"""The machine's own compiler conventions, by way of ctypes."""


def convert(prototype: str, *arguments: Any) -> Any:
    return parse_prototype(prototype).convert(arguments)


def returned(prototype: str, rax: int = 0, xmm0: bytes = bytes(16), text: bytes | None = None) -> Any:
    return parse_prototype(prototype).value(rax, int.from_bytes(xmm0, "little"), lambda _: text)


@pytest.mark.parametrize("name", C_TYPES)
def test_a_number_type_has_the_size_and_range_that_c_gives_it(name: str) -> None:
    kind = parse_prototype(f"void f({name} x)").parameters[0].type
    assert isinstance(kind, Scalar)
    assert kind.size == ctypes.sizeof(C_TYPES[name])
    if kind.kind == "integer":
        assert C_TYPES[name](kind.highest).value == kind.highest
        assert C_TYPES[name](kind.highest + 1).value == kind.lowest


def test_the_parts_of_a_prototype_are_read() -> None:
    prototype = parse_prototype("int64_t sum(const int32_t *a, size_t n);")
    assert prototype.name == "sum"
    assert str(prototype.result) == "int64_t"
    assert [(p.name, str(p.type), p.register) for p in prototype.parameters] == [
        ("a", "const int32_t *", "rdi"),
        ("n", "size_t", "rsi"),
    ]


def test_numbers_and_pointers_take_registers_in_the_order_of_the_abi() -> None:
    prototype = parse_prototype("void f(int a, double x, char *s, float y, long b, int c, int d, int e)")
    assert [p.register for p in prototype.parameters] == [
        "rdi",
        "xmm0",
        "rsi",
        "xmm1",
        "rdx",
        "rcx",
        "r8",
        "r9",
    ]


@pytest.mark.parametrize(
    "text", ["int f(void)", "int f()", "int f(void);", "int\nf ( void ) ; ", "int f(void) // none"]
)
def test_no_parameters_may_be_written_in_every_way(text: str) -> None:
    assert parse_prototype(text).parameters == ()


@pytest.mark.parametrize("text", ["int f(char s[])", "int f(char s[16])", "int f(char *s)", "int f(char *const s)"])
def test_an_array_parameter_is_a_pointer(text: str) -> None:
    assert parse_prototype(text).parameters[0].type == Pointer(Scalar("char", "integer", 1, True))


def test_the_python_signature_names_parameters_and_types() -> None:
    signature = parse_prototype("double mean(const float *values, size_t count)").signature
    assert str(signature) == "(values: 'const float*', count: int, /) -> float"
    assert all(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in signature.parameters.values())


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "a prototype is needed"),
        ("int f(", "is not complete"),
        ("int f(foo x)", "is 'foo' a type?"),
        ("int f(x)", "'x' of f() has no type"),
        ("int x", "not a function"),
        ("int f(int a, ...)", "takes `...`"),
        ("int f(int a) { return a; }", "body is the assembly"),
        ("int f(int a); int g(int b)", "declares 2"),
        ("int f(int a, int a)", "two parameters named 'a'"),
        ("int f(int a, int b, int c, int d, int e, int f, int g)", "six integers and pointers"),
        ("int f(" + ", ".join(f"double x{i}" for i in range(9)) + ")", "eight floating-point"),
        ("int f(struct point *p)", "struct point is not defined"),
        ("struct point {int x;}; int f(struct point p)", "pass a pointer"),
        ("struct point {int x;}; struct point f(int a)", "by value"),
        ("long double f(int a)", "'long double', which is not known"),
        ("int f(void x)", "cannot be void"),
        ("union u {int a; float b;}; int f(int a)", "not a function"),
        ("struct s {int a : 3;}; int f(struct s *p)", "bit field"),
        ("#include <stdio.h>\nint f(void)", "#"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, part: str) -> None:
    with pytest.raises(PrototypeError) as caught:
        parse_prototype(text)
    assert part in str(caught.value)


def test_integers_arrive_extended_to_their_register() -> None:
    registers = convert("void f(int8_t a, uint8_t b, int32_t c, uint64_t d)", -1, 255, -2, 2**64 - 1).registers
    assert dict(registers) == {"rdi": 2**64 - 1, "rsi": 255, "rdx": 2**64 - 2, "rcx": 2**64 - 1}


def test_floating_point_numbers_arrive_as_their_bits() -> None:
    registers = convert("void f(double x, float y)", 1.5, -2).registers
    assert registers["xmm0"] == int.from_bytes(struct.pack("<d", 1.5), "little")
    assert registers["xmm1"] == int.from_bytes(struct.pack("<f", -2.0), "little")


def test_numpy_scalars_are_numbers() -> None:
    registers = convert("void f(int32_t a, double x)", np.int16(-3), np.float32(0.5)).registers
    assert registers["rdi"] == 2**64 - 3
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


def test_what_the_program_changed_is_written_back() -> None:
    numbers, numpy_array, raw, point = (
        [1, 2],
        np.array([[1, 2]], "i4"),
        bytearray(b"ab"),
        {"x": 1, "y": [2, 3]},
    )
    prototype = "struct p {short x; int y[2];}; void f(int32_t *a, int32_t *b, char *c, struct p *d)"
    passed = convert(prototype, numbers, numpy_array, raw, point)
    passed.write_back(
        {
            "a": struct.pack("<2i", 7, -8),
            "b": struct.pack("<2i", 9, 10),
            "c": b"xy",
            "d": struct.pack("<hxx2i", -5, 6, 7),
        }
    )
    assert numbers == [7, -8]
    assert numpy_array.tolist() == [[9, 10]]
    assert raw == b"xy"
    assert point == {"x": -5, "y": [6, 7]}


def test_what_is_const_is_not_written_back() -> None:
    assert convert("void f(const int32_t *a, const char *b)", [1], bytearray(b"x")).write_backs == ()


def test_one_object_given_twice_is_one_piece_of_memory() -> None:
    data = bytearray(8)
    passed = convert("void f(int32_t *a, int32_t *b)", data, data)
    assert passed.registers == {"rdi": "a", "rsi": "a"}
    assert list(passed.buffers) == ["a"]


def test_a_struct_is_laid_out_as_c_lays_it_out() -> None:
    class Inner(ctypes.Structure):
        _fields_ = (("c", ctypes.c_char), ("d", ctypes.c_double))

    class Outer(ctypes.Structure):
        _fields_ = (
            ("a", ctypes.c_char),
            ("b", ctypes.c_short * 3),
            ("inner", Inner),
            ("p", ctypes.c_void_p),
            ("e", ctypes.c_char),
        )

    kind = (
        parse_prototype(
            """struct inner { char c; double d; };
           typedef struct { char a; short b[3]; struct inner inner; void *p; char e; } outer;
           void f(outer *x)"""
        )
        .parameters[0]
        .type
    )
    assert isinstance(kind, Pointer)
    assert isinstance(kind.target, Struct)
    assert kind.target.size == ctypes.sizeof(Outer)
    assert [f.offset for f in kind.target.fields] == [getattr(Outer, f.name).offset for f in kind.target.fields]


@pytest.mark.parametrize(
    ("prototype", "rax", "value"),
    [
        ("int f(void)", 0xFFFF_FFFF, -1),
        ("unsigned f(void)", 0x1_FFFF_FFFF, 0xFFFF_FFFF),
        ("int64_t f(void)", 2**63, -(2**63)),
        ("uint64_t f(void)", 2**63, 2**63),
        ("char f(void)", 0xF80, -128),
        ("bool f(void)", 0x101, True),
        ("bool f(void)", 0x100, False),
        ("void f(void)", 7, None),
        ("void *f(void)", 0, None),
        ("void *f(void)", 0x1234, 0x1234),
    ],
)
def test_a_result_is_read_at_its_own_width(prototype: str, rax: int, value: object) -> None:
    found = returned(prototype, rax)
    assert found == value
    assert type(found) is type(value)


def test_floating_point_results_come_from_xmm0() -> None:
    assert returned("double f(void)", xmm0=struct.pack("<dd", 2.5, 9.0)) == 2.5
    assert returned("float f(void)", xmm0=struct.pack("<ffff", 0.5, 1, 2, 3)) == 0.5


def test_a_returned_string_is_read_to_its_end() -> None:
    assert returned("char *f(void)", 0x1000, text=b"hello") == b"hello"
    assert returned("char *f(void)", 0) is None
    with pytest.raises(PrototypeError, match="points to no text"):
        returned("const char *f(void)", 0x1000)


def test_equal_texts_give_one_prototype() -> None:
    assert parse_prototype("int f(int a)") is parse_prototype("int f(int a)")


@given(st.data(), st.sampled_from([name for name in C_TYPES if name not in ("bool", "_Bool")]))
def test_every_value_that_fits_comes_back_as_it_went_in(data: st.DataObject, name: str) -> None:
    prototype = parse_prototype(f"{name} f({name} x)")
    kind = prototype.parameters[0].type
    assert isinstance(kind, Scalar)
    if kind.kind == "float":
        value: float = data.draw(st.floats(width=32 if kind.size == 4 else 64, allow_nan=False))
    else:
        value = data.draw(st.integers(kind.lowest, kind.highest))
    bits = prototype.convert([value]).registers[prototype.parameters[0].register]
    assert isinstance(bits, int)
    assert prototype.value(bits, bits, lambda _: None) == value


def test_buffers_are_taken_from_whatever_holds_bytes() -> None:
    fixed = Buffer(b"x", address=0x2000_0000)
    assert as_buffer("a", fixed).address == 0x2000_0000
    assert as_buffer("a", 16) == Buffer(16)
    assert as_buffer("a", np.array([[1, 2]], "u1")) == Buffer(b"\1\2")
    assert as_buffer("a", bytearray(b"hi")) == Buffer(b"hi")
    assert as_buffer("a", memoryview(b"hi")[:1]) == Buffer(b"h")


def test_a_buffer_is_a_copy_taken_when_it_was_given() -> None:
    data = bytearray(b"hi")
    buffer = as_buffer("a", Buffer(data, writable=False))
    data[0] = 0
    assert buffer.data == b"hi"
    assert not buffer.writable


@pytest.mark.parametrize("value", ["text", None, 1.5, True, [1, 2]])
def test_what_holds_no_bytes_is_no_buffer(value: object) -> None:
    with pytest.raises(TypeError, match="buffer 'a' must be bytes, a bytearray, a memoryview"):
        as_buffer("a", value)


def test_a_buffer_of_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot have -1 bytes"):
        as_buffer("a", -1)
