"""C types: sizes, ranges, and structs as C lays them out."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("name", C_TYPES)
def test_a_number_type_has_the_size_and_range_that_c_gives_it(name: str) -> None:
    kind = parse_prototype(f"void f({name} x)").parameters[0].type
    assert isinstance(kind, Scalar)
    assert kind.size == ctypes.sizeof(C_TYPES[name])
    if kind.kind == "integer":
        assert C_TYPES[name](kind.highest).value == kind.highest
        assert C_TYPES[name](kind.highest + 1).value == kind.lowest


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
