"""Arguments and results of native functions: conversions, and the errors of those that do not fit."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from execmem_kernel.execution.values.prototype_parser import parse_prototype
from tests.execution.native.children import ADD, make


@pytest.mark.parametrize(
    ("prototype", "values"),
    [
        ("int64_t f(int64_t x)", [0, 1, -1, 2**30 - 1, 2**30, -(2**30), 2**60, -(2**60), 2**63 - 1, -(2**63)]),
        ("uint64_t f(uint64_t x)", [0, 1, 2**30 - 1, 2**30, 2**60, 2**63, 2**64 - 2, 2**64 - 1]),
        ("int32_t f(int32_t x)", [0, 5, -5, 2**31 - 1, -(2**31), 2**30, -(2**30)]),
        ("uint32_t f(uint32_t x)", [0, 5, 2**31, 2**32 - 1, 2**30]),
        ("int16_t f(int16_t x)", [0, 5, -5, 2**15 - 1, -(2**15)]),
        ("uint16_t f(uint16_t x)", [0, 5, 2**16 - 1]),
        ("int8_t f(int8_t x)", [0, 5, -5, 127, -128]),
        ("uint8_t f(uint8_t x)", [0, 5, 255]),
        ("bool f(bool x)", [True, False]),
        ("size_t f(size_t x)", [0, 2**64 - 1]),
    ],
)
def test_every_integer_that_fits_comes_back_as_it_went_in(prototype: str, values: list[int]) -> None:
    same = make("mov rax, rdi\nret", prototype)
    assert [same(value) for value in values] == values
    assert [same(np.int64(value)) for value in values if -(2**63) <= value < 2**63] == [
        value for value in values if -(2**63) <= value < 2**63
    ]


@pytest.mark.parametrize("name", ["double", "float"])
def test_every_floating_point_number_comes_back_as_it_went_in(name: str) -> None:
    same = make("ret", f"{name} f({name} x)")
    for value in (0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, 2.0**100, 2.0**-140):
        assert same(value) == value
        assert math.copysign(1, same(value)) == math.copysign(1, value)
    assert math.isnan(same(math.nan))
    for whole in (0, 3, -3, 2**24 - 1, -(2**30), 2**40, True):
        assert same(whole) == whole
        assert type(same(whole)) is float


def test_an_int_that_no_double_can_hold_is_an_overflow_error() -> None:
    with pytest.raises(OverflowError, match=r"f\(\) argument 1 'x': an int of 1329 bits does not fit double"):
        make("ret", "double f(double x)")(10**400)


@pytest.mark.parametrize(
    ("prototype", "wrong"),
    [
        ("int f(int64_t a, int64_t b)", (1,)),
        ("int f(int64_t a, int64_t b)", (1, 2, 3)),
        ("int f(int64_t a, int64_t b)", ()),
        ("int f(int64_t a, int64_t b)", (1, 2.0)),
        ("int f(int64_t a, int64_t b)", ("1", 2)),
        ("int f(int64_t a)", (2**63,)),
        ("int f(int64_t a)", (-(2**63) - 1,)),
        ("int f(uint64_t a)", (-1,)),
        ("int f(uint64_t a)", (-(2**40),)),
        ("int f(uint64_t a)", (2**64,)),
        ("int f(int32_t a)", (2**31,)),
        ("int f(uint32_t a)", (-1,)),
        ("int f(uint32_t a)", (2**32,)),
        ("int f(int16_t a)", (2**15,)),
        ("int f(uint16_t a)", (2**16,)),
        ("int f(int8_t a)", (-129,)),
        ("int f(uint8_t a)", (256,)),
        ("int f(bool a)", (2,)),
        ("int f(bool a)", (-1,)),
        ("int f(double a)", ("1",)),
        ("int f(float a)", (1e39,)),
        ("int f(const int32_t *a)", (5,)),
        ("int f(char *a)", (b"read-only",)),
        ("int f(const int32_t *a)", (np.zeros(2),)),
    ],
)
def test_errors_are_those_of_a_program_run_apart(prototype: str, wrong: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, OverflowError)) as expected:
        parse_prototype(prototype).convert(wrong)
    with pytest.raises((TypeError, OverflowError)) as caught:
        make("ret", prototype)(*wrong)
    assert type(caught.value) is type(expected.value)
    assert str(caught.value) == str(expected.value)


def test_keywords_are_refused_as_by_every_builtin() -> None:
    with pytest.raises(TypeError, match=r"takes no keyword arguments"):
        make(ADD, "int64_t add(int64_t a, int64_t b)")(a=1, b=2)


def test_six_integers_and_eight_doubles_arrive_in_their_registers() -> None:
    source = """
        imul    rsi, 10
        imul    rdx, 100
        imul    rcx, 1000
        imul    r8, 10000
        imul    r9, 100000
        lea     rax, [rdi + rsi]
        add     rax, rdx
        add     rax, rcx
        add     rax, r8
        add     rax, r9
        cvttsd2si rcx, xmm7
        add     rax, rcx
        ret
    """
    integers = ", ".join(f"long i{n}" for n in range(6))
    doubles = ", ".join(f"double d{n}" for n in range(8))
    mixed = make(source, f"long f({integers}, {doubles})")
    assert mixed(1, 2, 3, 4, 5, 6, *[0.0] * 7, 7_000_000.0) == 7_654_321


def test_a_function_without_a_result_returns_none() -> None:
    assert make("ret", "void f(void)")() is None


def test_a_null_pointer_is_none_both_ways() -> None:
    same = make("mov rax, rdi\nret", "void *f(const char *p)")
    assert same(None) is None
    assert same(b"text") > 0


@pytest.mark.parametrize("text", [b"hello", bytearray(b"hello"), "hello", np.frombuffer(b"hello\0", "u1")])
def test_text_is_passed_as_c_has_it(text: Any) -> None:
    length = make(
        "xor eax, eax\nnext: cmp byte ptr [rdi + rax], 0\nje done\ninc rax\njmp next\ndone: ret",
        "long f(const char *s)",
    )
    assert length(text) == 5


def test_a_returned_string_is_bytes() -> None:
    assert make('lea rax, [rip + text]\nret\ntext: .asciz "hello"', "const char *f(void)")() == b"hello"


def test_arrays_are_used_where_they_are() -> None:
    numbers = np.arange(8, dtype="i4")
    where = make("mov rax, rdi\nret", "void *f(int32_t *a)")
    assert where(numbers) == numbers.ctypes.data
    double_all = make(
        "next: shl dword ptr [rdi], 1\nadd rdi, 4\ndec rsi\njnz next\nret", "void double_all(int32_t *a, size_t n)"
    )
    double_all(numbers, 8)
    assert numbers.tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    data = bytearray(np.arange(3, dtype="i4").tobytes())
    double_all(data, 3)
    assert np.frombuffer(data, "i4").tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("int8_t", "i1"), ("uint8_t", "u1"), ("char", "i1"), ("char", "u1"), ("int16_t", "i2"), ("uint16_t", "u2"),
        ("int32_t", "i4"), ("uint32_t", "u4"), ("int64_t", "i8"), ("uint64_t", "u8"), ("long long", "i8"),
        ("float", "f4"), ("double", "f8"), ("bool", "?"), ("void", "f8"),
    ],
)  # fmt: skip
def test_an_array_of_the_right_items_is_passed_as_it_is(kind: str, items: str) -> None:
    array = np.ones((3, 2), items)
    assert make("mov rax, rdi\nret", f"void *f(const {kind} *a)")(array) == array.ctypes.data
    assert make("mov rax, rdi\nret", f"void *f({kind} *a)")(array) == array.ctypes.data


@pytest.mark.parametrize(
    "array",
    [
        np.ones(3, "i8"), np.ones(3, "u4"), np.ones(3, "f4"), np.ones(3, ">i4"), np.ones((4, 4), "i4")[:, :2],
        np.ones((2, 3), "i4").T, np.ones(3, "i4")[::-1], np.ones(3, [("a", "i4")]),
    ],
)  # fmt: skip
def test_an_array_of_other_items_is_refused_as_elsewhere(array: Any) -> None:
    prototype = "void f(const int32_t *a)"
    with pytest.raises(TypeError) as expected:
        parse_prototype(prototype).convert((array,))
    with pytest.raises(TypeError) as caught:
        make("ret", prototype)(array)
    assert str(caught.value) == str(expected.value)


def test_an_array_that_may_not_change_is_refused_where_it_would_be_written_to() -> None:
    array = np.ones(3, "i4")
    array.flags.writeable = False
    assert make("mov eax, [rdi]\nret", "int f(const int32_t *a)")(array) == 1
    with pytest.raises(TypeError, match="is written to by int32_t"):
        make("ret", "void f(int32_t *a)")(array)


def test_lists_and_structs_are_written_back() -> None:
    swap = make(
        "mov eax, [rdi]\nmov ecx, [rdi + 4]\nmov [rdi], ecx\nmov [rdi + 4], eax\nret",
        "struct pair {int x, y;}; void swap(struct pair *p)",
    )
    pair = {"x": 1, "y": 2}
    swap(pair)
    assert pair == {"x": 2, "y": 1}
    numbers = [5, 6]
    make("mov dword ptr [rdi], 9\nret", "void f(int *a)")(numbers)
    assert numbers == [9, 6]


def test_a_function_has_a_name_a_docstring_and_a_signature() -> None:
    add = make(ADD, "int64_t add(int64_t a, int64_t b)")
    assert add.__name__ == "add"
    assert add.__doc__ == "int64_t add(int64_t a, int64_t b)"
    assert str(inspect.signature(add)) == "(a, b, /)"
    assert inspect.isbuiltin(add)
    assert repr(add) == "<built-in function add>"
    assert "native" in add.__self__.engine  # type: ignore[attr-defined]


@pytest.mark.parametrize("prototype", ["int64_t f(char *s)", "int64_t f(const char *s)", "int64_t f(void *s)"])
def test_an_empty_bytearray_is_no_null_pointer(prototype: str) -> None:
    assert make("mov rax, rdi\nret", prototype)(bytearray()) != 0
