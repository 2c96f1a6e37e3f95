"""Functions: a prototype and assembly make a callable, and many cases run in one process."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import execmem_kernel as em
from execmem_kernel.execution.api import batch
from execmem_kernel.execution.api.function import function
from execmem_kernel.execution.process.guest import Guest, PtraceRefusedError
from tests import kernel
from tests.running import LIMITS

ADD = "lea rax, [rdi + rsi]\nret"
SUM = """
        xor     eax, eax
next:   test    rsi, rsi
        jz      done
        movsxd  rcx, dword ptr [rdi]
        add     rax, rcx
        add     rdi, 4
        dec     rsi
        jmp     next
done:   ret
"""
DOUBLE_ALL = "next: shl dword ptr [rdi], 1\nadd rdi, 4\ndec rsi\njnz next\nret"


def test_a_function_converts_runs_and_returns() -> None:
    add = function(ADD, "int64_t add(int64_t a, int64_t b)")
    assert add(40, 2) == 42
    assert add(-(2**63), 2**63 - 1) == -1
    assert function("addsd xmm0, xmm1\nret", "double add(double a, double b)")(0.5, 2) == 2.5
    assert function("mulss xmm0, xmm1\nret", "float mul(float a, float b)")(0.5, 3) == 1.5
    assert function("ret", "void nothing(void)")() is None


def test_it_says_what_it_is() -> None:
    add = function(ADD, "int64_t add(int64_t a, int64_t b)")
    assert add.__name__ == "add"
    assert add.__doc__ == "int64_t add(int64_t a, int64_t b)"
    assert str(inspect.signature(add)) == "(a: int, b: int, /) -> int"
    assert repr(add) == "<function add: isolated: a process of its own for every call>"
    assert add.outcome is None
    add(1, 2)
    outcome: em.Outcome = add.outcome
    assert outcome.registers["rax"] == 3


@pytest.mark.parametrize("native", [False, True])
def test_both_engines_agree(native: bool) -> None:
    total = function(SUM, "int64_t sum(const int32_t *a, size_t n)", native=native)
    assert total(np.arange(1000, dtype="i4"), 1000) == 499_500
    assert total([1, -2, 3], 3) == 2
    assert total(None, 0) == 0
    double_all = function(DOUBLE_ALL, "void double_all(int32_t *a, size_t n)", native=native)
    numbers, array = [1, 2, 3], np.array([[1, 2], [3, 4]], "i4")
    double_all(numbers, 3)
    double_all(array, 4)
    assert numbers == [2, 4, 6]
    assert array.tolist() == [[2, 4], [6, 8]]
    upper = function(
        "next: mov al, [rdi]\ntest al, al\njz done\nand byte ptr [rdi], 0xdf\ninc rdi\njmp next\ndone: ret",
        "void upper(char *s)",
        native=native,
    )
    text = bytearray(b"abc\0")
    upper(text)
    assert text == b"ABC\0"


def test_a_string_result_is_read_from_a_buffer_or_from_the_programs_constants() -> None:
    assert function("lea rax, [rdi + 1]\nret", "char *tail(const char *s)")("hello") == b"ello"
    constant = function('lea rax, [rip + x]\nret\n.data\nx: .asciz "hi"', "const char *f(void)")
    assert constant() == b"hi"
    assert function("xor eax, eax\nret", "char *f(void)")() is None
    with pytest.raises(em.PrototypeError, match="points to no text"):
        function("mov eax, 0x1234\nret", "char *f(void)")()


def test_it_begins_at_the_label_with_its_name() -> None:
    two = "first: mov eax, 1\nret\nsecond: mov eax, 2\nret"
    assert function(two, "int first(void)")() == 1
    assert function(two, "int second(void)")() == 2
    assert function(two, "int second(void)", native=True)() == 2
    assert function(two, "int other(void)")() == 1


def test_what_goes_wrong_is_raised_with_the_line() -> None:
    with pytest.raises(em.SegmentationFault, match="line 5: reads 4 bytes"):
        function(SUM, "int64_t sum(const int32_t *a, size_t n)")([1, 2], 100_000)
    with pytest.raises(em.TimeLimitExceeded):
        function("again: jmp again", "void f(void)", timeout_s=0.1)()
    with pytest.raises(em.ProgramExited):
        function("mov eax, 60\nmov edi, 3\nsyscall", "void f(void)")()
    with pytest.raises(em.AssemblyError):
        function("mov eax", "void f(void)")


def test_a_native_fault_says_what_a_program_run_apart_says() -> None:
    source, prototype = "xor eax, eax\nmov eax, [rax + 8]\nret", "int f(int a)"
    with pytest.raises(em.SegmentationFault) as apart:
        function(source, prototype)(1)
    with pytest.raises(em.SegmentationFault) as here:
        function(source, prototype, native=True)(1)
    assert str(here.value) == str(apart.value)
    assert str(here.value).startswith("line 2: reads 4 bytes at address 0x8 ")


def test_nothing_is_written_back_after_a_fault() -> None:
    numbers = [1, 2]
    with pytest.raises(em.IllegalInstruction):
        function("mov dword ptr [rdi], 9\nud2", "void f(int *a)")(numbers)
    assert numbers == [1, 2]


# ---- map


def test_map_gives_what_the_calls_give() -> None:
    add = function(ADD, "int64_t add(int64_t a, int64_t b)")
    cases = [(a * 7919 - 5000, a << 40) for a in range(1000)]
    assert add.map(cases) == [a + b for a, b in cases]
    assert add.map([]) == []
    assert add.map(iter(cases[:2])) == [a + b for a, b in cases[:2]]
    square = function("imul rdi, rdi\nmov rax, rdi\nret", "int64_t square(int64_t a)")
    assert square.map(range(10)) == [n * n for n in range(10)]


@pytest.mark.parametrize(
    ("source", "prototype", "cases"),
    [
        ("mov eax, edi\nret", "int8_t f(int8_t a)", [(-128,), (127,), (0,), (-1,)]),
        ("mov eax, edi\nret", "uint16_t f(uint16_t a)", [(65535,), (0,), (5,), (6,)]),
        ("mov rax, rdi\nret", "int64_t f(int32_t a)", [(-1,), (2**31 - 1,), (5,), (6,)]),
        ("mov eax, edi\nret", "bool f(bool a)", [(True,), (False,), (True,), (False,)]),
        ("ret", "double f(double a)", [(math.inf,), (-0.0,), (1,), (math.nan,)]),
        ("ret", "float f(float a)", [(0.1,), (-0.0,), (1,), (5,)]),
        (
            "cvtsi2sd xmm1, rdi\nsubsd xmm0, xmm1\nret",
            "double f(long b, double a)",
            [(1, 0.5), (2, 1.5), (3, 2), (4, 3)],
        ),
        (
            "cvtsi2sd xmm1, rdi\nsubsd xmm0, xmm1\nret",
            "double f(double a, short b)",
            [(0.5, 1), (1.5, 2), (2, 3), (3, 4)],
        ),
        ("ret", "void f(int a)", [(1,), (2,), (3,), (4,)]),
        ("mov rax, rdi\nret", "void *f(void *p)", [(0x1234,), (None,), (1,), (2,)]),
        (ADD, "long f(long a, long b)", [(np.int16(4), 1), (2, np.uint8(3)), (True, 1), (5, 6)]),
    ],
)
def test_every_kind_of_number_survives_map(source: str, prototype: str, cases: list[tuple[Any, ...]]) -> None:
    one = function(source, prototype)
    assert repr(one.map(cases)) == repr([one(*case) for case in cases])


def test_map_passes_arrays_and_writes_them_back() -> None:
    arrays = [np.arange(size, dtype="i4") for size in (1, 2, 3, 100, 5000)]
    total = function(SUM, "int64_t sum(const int32_t *a, size_t n)")
    assert total.map([(array, len(array)) for array in arrays]) == [int(array.sum()) for array in arrays]
    double_all = function(DOUBLE_ALL, "void double_all(int32_t *a, size_t n)")
    lists = [[size] * size for size in range(1, 10)]
    assert double_all.map([(one, len(one)) for one in lists]) == [None] * 9
    assert lists == [[2 * size] * size for size in range(1, 10)]


def test_a_buffer_in_map_lies_where_it_lies_in_a_call() -> None:
    where = function("mov rax, rdi\nret", "void *f(const char *p)")
    cases = [(b"x" * size,) for size in (1, 63, 64, 65, 4095)]
    assert where.map(cases)[4] == where(*cases[4])
    assert [address % 64 for address in where.map(cases)] == [0] * 5


def test_each_case_is_as_if_it_were_the_first() -> None:
    counter = function("inc qword ptr [rip + x]\nmov rax, [rip + x]\nret\n.data\nx: .quad 41", "long f(void)")
    assert counter.map([()] * 6) == [42] * 6
    registers = "\n".join(f"or rax, {name}" for name in "rbx rcx rdx rbp r8 r9 r10 r11 r12 r13 r14 r15".split())  # noqa: SIM905
    dirty = "\n".join(f"mov {name}, -1" for name in "rbx rcx rdx rbp r8 r9 r10 r11 r12 r13 r14 r15".split())  # noqa: SIM905
    assert function(f"{registers}\n{dirty}\nret", "long f(void)").map([()] * 6) == [0] * 6
    below = "mov rax, [rsp - 64]\nmov qword ptr [rsp - 64], 7\nret"
    assert function(below, "long f(void)").map([()] * 6) == [0] * 6
    vectors = "movq rax, xmm9\npcmpeqd xmm9, xmm9\nret"
    assert function(vectors, "long f(void)").map([()] * 6) == [0] * 6
    mxcsr = "stmxcsr [rsp - 8]\nmov eax, [rsp - 8]\nmov dword ptr [rsp - 8], 0x7f80\nldmxcsr [rsp - 8]\nret"
    assert function(mxcsr, "unsigned f(void)").map([()] * 6) == [0x1F80] * 6
    flags = "pushfq\npop rax\nstd\ncmp eax, -1\nret"
    assert function(flags, "long f(void)").map([()] * 6) == [0x202] * 6


def test_a_case_that_faults_has_its_error_for_a_result_and_the_others_go_on() -> None:
    divide = function("mov rax, rdi\nxor edx, edx\ndiv rsi\nret", "uint64_t divide(uint64_t a, uint64_t b)")
    results = divide.map([(100, n % 4) for n in range(12)])
    assert [results[n] for n in range(12) if n % 4] == [100, 50, 33] * 3
    for n in (0, 4, 8):
        assert isinstance(results[n], em.ArithmeticFault)
        assert str(results[n]).startswith("line 3: divides by zero")


def test_every_case_may_fault() -> None:
    results = function("ud2", "void f(void)").map([()] * 5)
    assert [type(result) for result in results] == [em.IllegalInstruction] * 5


def test_an_endless_case_ends_and_the_others_go_on() -> None:
    source = "test edi, edi\njz again\nmov eax, 1\nret\nagain: jmp again"
    results = function(source, "long f(int a)", limits=LIMITS).map([1, 1, 0, 1, 1])
    assert results[:2] + results[3:] == [1] * 4
    assert isinstance(results[2], em.TimeLimitExceeded)


def test_a_case_that_destroys_its_stack_pointer_is_like_any_fault() -> None:
    source = "test edi, edi\njz bad\nmov eax, 1\nret\nbad: xor esp, esp\npush rax\nret"
    results = function(source, "long f(int a)").map([1, 0, 1, 0, 1])
    assert [type(result) for result in results] == [int, em.SegmentationFault, int, em.SegmentationFault, int]


def test_a_case_that_needs_much_stack_is_run_apart() -> None:
    deep = function(
        "f: test rdi, rdi\njz done\npush rdi\ndec rdi\ncall f\npop rdi\nadd rax, rdi\nret\ndone: xor eax, eax\nret",
        "long f(long n)",
    )
    assert deep.map([10, 5000, 20, 100, 1]) == [n * (n + 1) // 2 for n in (10, 5000, 20, 100, 1)]


def test_a_program_that_makes_system_calls_is_run_apart() -> None:
    source = "mov eax, 39\nsyscall\nmov eax, 7\nret"
    assert function(source, "int f(void)").map([()] * 5) == [7] * 5


def test_results_that_a_program_fakes_are_not_believed() -> None:
    # It looks for the loop's results, in whatever place they are, and writes a 9 over every rax it finds there.
    forger = f"""
        mov     rax, rdi
        cmp     qword ptr [rsp], {batch.LOOP:#x}
        jb      honest
        cmp     qword ptr [rsp], {batch.LOOP + 4096:#x}
        jae     honest
        mov     rcx, {batch.RESULTS:#x}
        mov     edx, 50
    next:
        mov     qword ptr [rcx], 1
        mov     qword ptr [rcx + 8], 9
        add     rcx, 24
        dec     edx
        jnz     next
        mov     qword ptr [{batch.STATE + 16:#x}], 1
    honest:
        ret
    """
    assert function(forger, "long f(long a)").map(list(range(100, 150))) == list(range(100, 150))


def test_where_ptrace_is_refused_cases_share_a_process_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PtraceRefusedError("this host refuses ptrace")

    monkeypatch.setattr(Guest, "_launch", refuse)
    started = []
    spawn = Guest._spawn

    def count(guest: Guest, *rest: Any) -> None:
        started.append(guest)
        spawn(guest, *rest)

    monkeypatch.setattr(Guest, "_spawn", count)
    cases = [(n, n) for n in range(200)]
    assert function(ADD, "long add(long a, long b)").map(cases) == [2 * n for n in range(200)]
    assert 0 < len(started) < 10


def test_what_the_supervisor_answers_begins_anew_with_each_case() -> None:
    stamps = function("rdtsc\nshl rdx, 32\nor rax, rdx\nret", "uint64_t f(void)").map([()] * 5)
    assert stamps == stamps[:1] * 5


def test_a_wrong_argument_among_the_cases_is_an_error_before_anything_runs() -> None:
    touched = [0]
    store = function("mov dword ptr [rdi], esi\nret", "void f(int *a, uint8_t b)")
    with pytest.raises(OverflowError, match="300 does not fit uint8_t"):
        store.map([(touched, 1), (touched, 2), (touched, 3), (touched, 300)])
    assert touched == [0]
    add = function(ADD, "int8_t add(int8_t a, int8_t b)")
    with pytest.raises(OverflowError, match="200 does not fit int8_t"):
        add.map([(1, 2), (3, 4), (5, 200), (7, 8)])
    with pytest.raises(TypeError, match="takes exactly 2 arguments"):
        add.map([(1, 2), (3,), (5, 2), (7, 8)])


def test_more_cases_than_one_process_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_CASES", 7)
    add = function(ADD, "int64_t add(int64_t a, int64_t b)")
    assert add.map([(n, n) for n in range(30)]) == [2 * n for n in range(30)]
    monkeypatch.setattr(batch, "MOST_SIZE", 1000)
    total = function(SUM, "int64_t sum(const int32_t *a, size_t n)")
    assert total.map([([n] * 50, 50) for n in range(30)]) == [50 * n for n in range(30)]


def test_map_leaves_no_process_no_descriptor_and_no_memory_behind() -> None:
    divide = function("mov rax, rdi\nxor edx, edx\ndiv rsi\nret", "uint64_t divide(uint64_t a, uint64_t b)")
    divide.map([(100, n % 3) for n in range(6)])
    before = kernel.holdings(), em.manager().statistics().live
    divide.map([(100, n % 3) for n in range(6)])
    assert (kernel.holdings(), em.manager().statistics().live) == before


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)), min_size=4, max_size=200)
)
def test_map_computes_what_python_computes(cases: list[tuple[int, int]]) -> None:
    multiply = function("imul rdi, rsi\nmov rax, rdi\nret", "int64_t multiply(int64_t a, int64_t b)")
    assert multiply.map(cases) == [(a * b + 2**63) % 2**64 - 2**63 for a, b in cases]


def test_keywords_and_pythons_own_objects_are_refused_plainly() -> None:
    add = em.function("lea rax, [rdi + rsi]\nret", "long add(long a, long b)")
    with pytest.raises(TypeError, match=r"add\(\) takes no keyword arguments"):
        add(a=1, b=2)
    with pytest.raises(TypeError, match="holds Python's own objects"):
        em.run("ret", registers={"rdi": "b"}, buffers={"b": np.array([object()])})


def test_what_a_prototype_calls_const_cannot_be_written() -> None:
    write = em.function("mov byte ptr [rdi], 7\nmov eax, 1\nret", "int f(const uint8_t *p)")
    data = bytearray(b"ab")
    with pytest.raises(em.SegmentationFault, match=r"writes 1 byte to buffer p .*, which was given read-only"):
        write(data)
    assert data == b"ab"
    sometimes = em.function(
        "mov al, [rdi]\ncmp al, 3\njne same\nmov byte ptr [rdi], 7\nsame: movzx eax, al\nret",
        "int f(const uint8_t *p, uint8_t *q)",
    )
    others = [bytearray([9]) for _ in range(8)]
    results = sometimes.map([(bytearray([n]), others[n]) for n in range(8)])
    assert [result for n, result in enumerate(results) if n != 3] == [0, 1, 2, 4, 5, 6, 7]
    assert isinstance(results[3], em.SegmentationFault)
    assert "read-only" in str(results[3])
    both = np.zeros(1, dtype=np.int32)
    copy = em.function("mov dword ptr [rsi], 5\nmov eax, [rdi]\nret", "int f(const int *a, int *b)")
    assert copy(both, both) == 5
    assert both[0] == 5
