"""Sessions of calls that share the program's data, and functions as values: pickled, sent elsewhere."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import execmem_kernel as em

STACK = """
section .bss
items:  resq 4
section .data
count:  dq 0
section .text
push_item:
        mov rax, [rel count]
        lea rcx, [rel items]
        mov [rcx + rax*8], rdi
        inc qword [rel count]
        ret
sum:    xor eax, eax
        mov rcx, [rel count]
        lea rdx, [rel items]
.next:  test rcx, rcx
        jz .done
        add rax, [rdx + rcx*8 - 8]
        dec rcx
        jmp .next
.done:  ret
broken: inc qword [rel count]
        mov rax, [0]
where:  lea rax, [rel items]
        ret
load:   mov rax, [rdi]
        ret
"""
PUSH = "void push_item(int64_t x)"


def test_each_call_begins_with_the_data_that_the_last_one_left() -> None:
    push = em.function(STACK, PUSH)
    with push.session() as session:
        total = session.function("int64_t sum(void)")
        assert total() == 0
        for number in (5, 7, 30):
            session(number)
        assert total() == 42
        assert total.outcome is not None
        assert total.outcome.segments["data"][:8] == (3).to_bytes(8, "little")


def test_sessions_and_plain_calls_know_nothing_of_each_other() -> None:
    push = em.function(STACK, PUSH)
    with push.session() as one, push.session() as other:
        one(5)
        push(100)
        other(7)
        assert one.function("int64_t sum(void)")() == 5
        assert other.function("int64_t sum(void)")() == 7
    assert em.function(STACK, "int64_t sum(void)")() == 0


def test_a_call_that_does_not_return_changes_nothing() -> None:
    with em.function(STACK, PUSH).session() as session:
        session(5)
        with pytest.raises(em.SegmentationFault):
            session.function("void broken(void)")()
        session(7)
        assert session.function("int64_t sum(void)")() == 12


def test_pointers_into_the_programs_data_stay_right() -> None:
    with em.function(STACK, PUSH).session() as session:
        session(5)
        items = session.function("struct item; struct item *where(void)")()
        assert session.function("struct item; int64_t load(struct item *p)")(items) == 5


def test_a_session_that_has_ended_is_refused() -> None:
    with em.function(STACK, PUSH).session() as session:
        total = session.function("int64_t sum(void)")
    for function in (lambda: session(1), total):
        with pytest.raises(ValueError, match="has ended; begin another"):
            function()


def test_a_function_that_the_program_does_not_have_is_refused() -> None:
    session = em.function(STACK, PUSH).session()
    with pytest.raises(em.PrototypeError, match="no label 'pop_item'"):
        session.function("int64_t pop_item(void)")


def test_arguments_of_a_session_alias_as_in_any_call() -> None:
    write = em.function("mov byte ptr [rdi + 1], 9\nmov al, [rsi]\nret", "uint8_t f(uint8_t *a, uint8_t *b)")
    data = bytearray(4)
    with write.session() as session:
        assert session(data, memoryview(data)[1:]) == 9
    assert data == b"\0\x09\0\0"


def test_a_function_survives_pickling() -> None:
    add = em.function("lea rax, [rdi + rsi]\nret", "int64_t add(int64_t a, int64_t b)", timeout_s=1.5)
    again = pickle.loads(pickle.dumps(add))
    assert again(40, 2) == 42
    assert again.map([(n, n) for n in range(6)]) == [0, 2, 4, 6, 8, 10]
    assert (again.limits, again.name, repr(again), again.__signature__) == (
        add.limits, add.name, repr(add), add.__signature__,
    )  # fmt: skip


def test_a_function_runs_in_another_process() -> None:
    double = em.function("lea rax, [rdi + rdi]\nret", "int64_t double_it(int64_t x)")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(double, range(3))) == [0, 2, 4]


@pytest.mark.parametrize("native", [False, True])
def test_a_source_of_macros_only_has_nothing_to_call(native: bool) -> None:
    with pytest.raises(ValueError, match="the source has no instruction"):
        em.function("%macro x 0\nnop\n%endmacro\n", "void f(void)", native=native)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("kind", "value", "register"),
    [
        ("int", -1, 0xFFFF_FFFF), ("int8_t", -2, 0xFFFF_FFFE), ("short", -3, 0xFFFF_FFFD),
        ("unsigned", 2**32 - 1, 2**32 - 1), ("long", -1, 2**64 - 1), ("int", 5, 5), ("bool", True, 1),
        ("uint8_t", 255, 255),
    ],
)  # fmt: skip
def test_a_narrow_number_arrives_as_a_compiler_passes_it(native: bool, kind: str, value: int, register: int) -> None:
    same = em.function("mov rax, rdi\nret", f"uint64_t f({kind} x)", native=native)
    assert same(value) == register
    if isinstance(same, em.Function):
        assert same.map([value] * 6) == [register] * 6


@pytest.mark.parametrize("native", [False, True])
def test_strings_in_an_array_are_found_and_may_be_put_in_another_order(native: bool) -> None:
    first = em.function(
        "mov rax, [rdi + 8*rsi]\nmovzx eax, byte ptr [rax]\nret", "int f(const char *names[], size_t i)", native=native
    )
    assert [chr(first(["ab", b"cd", bytearray(b"ef")], at)) for at in range(3)] == ["a", "c", "e"]
    swap = em.function(
        "mov rax, [rdi]\nmov rcx, [rdi + 8]\nmov [rdi], rcx\nmov [rdi + 8], rax\nret",
        "void f(const char **names)",
        native=native,
    )
    names = ["one", b"two", None]
    swap(names)
    assert names == [b"two", "one", None]
    change = em.function("mov rax, [rdi]\nmov byte ptr [rax], 'X'\nret", "void f(char *const *names)", native=native)
    texts = [bytearray(b"abc"), bytearray(b"def")]
    change(texts)
    assert texts == [b"Xbc", b"def"]


@pytest.mark.parametrize("native", [False, True])
def test_rows_of_a_matrix_lie_side_by_side(native: bool) -> None:
    trace = em.function(
        "mov eax, [rdi]\nadd eax, [rdi + 12]\nmov dword ptr [rdi + 4], 9\nret", "int f(int m[2][2])", native=native
    )
    rows = [[1, 2], [3, 4]]
    assert trace(rows) == 5
    assert rows == [[1, 9], [3, 4]]
