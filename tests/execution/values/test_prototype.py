"""C prototypes: what is read, what is refused, and what becomes of Python's arguments."""

from __future__ import annotations

import inspect
import struct
from typing import Any

import numpy as np
import pytest

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.values.prototype_parser import parse_prototype


def convert(prototype: str, *arguments: Any) -> Any:
    return parse_prototype(prototype).convert(arguments)


def returned(prototype: str, rax: int = 0, xmm0: bytes = bytes(16), text: bytes | None = None) -> Any:
    return parse_prototype(prototype).value(rax, int.from_bytes(xmm0, "little"), lambda _: text)


def test_the_python_signature_names_parameters_and_types() -> None:
    signature = parse_prototype("double mean(const float *values, size_t count)").signature
    assert str(signature) == "(values: 'const float*', count: int, /) -> float"
    assert all(p.kind is inspect.Parameter.POSITIONAL_ONLY for p in signature.parameters.values())


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
