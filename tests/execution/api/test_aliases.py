"""Arguments alias as in C: an isolated function sees one memory where Python's arguments share one."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import execmem_kernel as em

SOURCE = """
#include <stdint.h>
#include <stddef.h>
void move(int32_t *to, const int32_t *from, size_t n) {
    if (to < from) for (size_t i = 0; i < n; i++) to[i] = from[i];
    else for (size_t i = n; i > 0; i--) to[i-1] = from[i-1];
}
void swap(int32_t *a, int32_t *b, size_t n) {
    for (size_t i = 0; i < n; i++) { int32_t t = a[i]; a[i] = b[i]; b[i] = t; }
}
void prefix(int32_t *out, const int32_t *in, size_t n) {
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++) { sum += in[i]; out[i] = sum; }
}
void mix(int32_t *words, int8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) { words[i] += bytes[i]; bytes[i] ^= 0x55; }
}
"""
PROTOTYPES = {
    "move": "void move(int32_t *to, const int32_t *from, size_t n)",
    "swap": "void swap(int32_t *a, int32_t *b, size_t n)",
    "prefix": "void prefix(int32_t *out, const int32_t *in, size_t n)",
    "mix": "void mix(int32_t *words, int8_t *bytes, size_t n)",
}
SIZE = 24


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, em.Function, Callable[..., Any]]]:
    """Each function of C: as gcc's own code, as an isolated function of gcc's assembly, and as a native one."""
    directory: Path = tmp_path_factory.mktemp("c")
    (directory / "f.c").write_text(SOURCE)
    gcc = [
        "gcc",
        "-O1",
        "-fno-tree-vectorize",
        "-fno-asynchronous-unwind-tables",
        "-masm=intel",
        "-fcf-protection=none",
    ]
    subprocess.run([*gcc, "-shared", "-fPIC", "-o", "f.so", "f.c"], cwd=directory, check=True)
    subprocess.run([*gcc, "-S", "-o", "f.s", "f.c"], cwd=directory, check=True)
    text = (directory / "f.s").read_text()
    library = ctypes.CDLL(str(directory / "f.so"))
    found = {}
    for name, prototype in PROTOTYPES.items():
        source = (
            ".intel_syntax noprefix\n.text\n" + re.split(rf"^{name}:", text, flags=re.MULTILINE)[1].split(".size")[0]
        )
        isolated = em.function(source, prototype)
        found[name] = (getattr(library, name), isolated, em.function(source, prototype, native=True))
    return found


@st.composite
def overlaps(draw: st.DrawFn) -> tuple[str, int, int, int]:
    name = draw(st.sampled_from(sorted(PROTOTYPES)))
    n = draw(st.integers(0, 8))
    return name, draw(st.integers(0, SIZE - n)), draw(st.integers(0, SIZE - n)), n


def views(name: str, memory: np.ndarray[Any, Any], first: int, second: int, n: int) -> tuple[Any, ...]:
    """Two views of one array; the second as bytes if the function wants them."""
    other = memory.view("i1")[4 * second :] if name == "mix" else memory[second : second + n]
    return memory[first : first + n], other, n


def fresh() -> np.ndarray[Any, Any]:
    return np.arange(1, SIZE + 1, dtype="i4") * 0x01020304


def in_c(function: Any, name: str, first: int, second: int, n: int) -> list[int]:
    memory = fresh()
    address = memory.ctypes.data
    function(ctypes.c_void_p(address + 4 * first), ctypes.c_void_p(address + 4 * second), ctypes.c_size_t(n))
    return memory.tolist()


@settings(max_examples=150, deadline=None)
@given(case=overlaps())
def test_overlaps_do_what_they_do_in_c(compiled: Any, case: tuple[str, int, int, int]) -> None:
    name, *places = case
    c, isolated, native = compiled[name]
    expected = in_c(c, name, *places)
    for function in (isolated, native):
        memory = fresh()
        function(*views(name, memory, *places))
        assert memory.tolist() == expected, function


@settings(max_examples=15, deadline=None)
@given(cases=st.lists(overlaps(), min_size=8, max_size=12))
def test_overlaps_do_what_they_do_in_c_in_map_too(compiled: Any, cases: list[tuple[str, int, int, int]]) -> None:
    for name in PROTOTYPES:
        places = [case[1:] for case in cases]
        memories = [fresh() for _ in places]
        results = compiled[name][1].map(
            [views(name, memory, *place) for memory, place in zip(memories, places, strict=True)]
        )
        assert results == [None] * len(places)
        assert [memory.tolist() for memory in memories] == [in_c(compiled[name][0], name, *one) for one in places]


DISTANCE = "mov rax, rsi\nsub rax, rdi\nret"


@pytest.mark.parametrize("native", [False, True])
def test_the_end_of_an_array_lies_behind_it(native: bool) -> None:
    distance = em.function(DISTANCE, "int64_t f(const int32_t *a, const int32_t *end)", native=native)
    numbers = np.arange(5, dtype="i4")
    assert distance(numbers, memoryview(numbers)[5:]) == 20
    assert distance(numbers[2:], numbers[2:]) == 0
    assert distance(numbers[2:], numbers) == -8


@pytest.mark.parametrize("native", [False, True])
def test_a_text_and_a_view_of_it_are_one_memory(native: bool) -> None:
    distance = em.function(DISTANCE, "int64_t f(const char *s, char *t)", native=native)
    text = bytearray(b"hello")
    assert [distance(text, memoryview(text)[at:]) for at in range(6)] == [0, 1, 2, 3, 4, 5]
    length = em.function(
        "xor eax, eax\nagain: cmp byte ptr [rdi+rax], 0\nje done\n"
        "mov byte ptr [rsi+rax], 'x'\ninc rax\njmp again\ndone: ret",
        "int64_t f(const char *s, char *t)",
        native=native,
    )
    assert length(text, text) == 5
    assert text == b"xxxxx"


@pytest.mark.parametrize("native", [False, True])
def test_the_same_numbers_as_signed_and_unsigned_are_one_memory(native: bool) -> None:
    write = em.function(
        "mov dword ptr [rdi], -1\nmov eax, [rsi]\nret", "unsigned f(int32_t *a, uint32_t *b)", native=native
    )
    numbers = np.zeros(2, "i4")
    assert write(numbers, numbers.view("u4")) == 2**32 - 1
    assert numbers.tolist() == [-1, 0]


def test_what_only_a_const_parameter_leads_to_is_not_written() -> None:
    write = em.function("mov dword ptr [rsi], 9\nret", "void f(int32_t *a, const int32_t *b)")
    numbers = np.arange(4, dtype="i4")
    with pytest.raises(em.SegmentationFault, match="writes to 'b', which the prototype calls const"):
        write(numbers[1:], numbers)
    assert numbers.tolist() == [0, 1, 2, 3]
    write(numbers, numbers[1:])  # the same memory is a's too
    assert numbers.tolist() == [0, 9, 2, 3]
    cases = [(one[1:], one) for one in (np.arange(4, dtype="i4") for _ in range(6))]
    assert [type(result) for result in write.map(cases)] == [em.SegmentationFault] * 6


def test_arrays_that_share_nothing_have_a_page_behind_each() -> None:
    past = em.function("mov eax, [rdi+4096]\nret", "int f(int32_t *a, int32_t *b)")
    numbers = np.arange(3000, dtype="i4")
    with pytest.raises(em.SegmentationFault):
        past(numbers[:4], numbers[1500:])


def test_a_list_given_as_two_types_is_refused() -> None:
    with pytest.raises(TypeError, match="'a' as another type"):
        em.function("ret", "void f(int32_t *a, int64_t *b)")(*[[1, 2]] * 2)


def test_a_fault_of_a_native_call_among_views_is_explained_as_apart() -> None:
    source, prototype = "mov rax, [rsi+1048576]\nret", "void f(int32_t *a, int32_t *b)"
    numbers = np.arange(4, dtype="i4")
    with pytest.raises(em.SegmentationFault) as apart:
        em.function(source, prototype)(numbers, numbers[1:])
    assert "line 1" in str(apart.value)
