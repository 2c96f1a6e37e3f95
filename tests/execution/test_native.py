"""Machine code called inside this process: conversions, the guard, who owns what.

Whatever could crash runs in a child.
"""

from __future__ import annotations

import gc
import inspect
import json
import math
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jupyter_client.manager import start_new_kernel

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import ClosedMemoryError, EngineUnavailableError, PrototypeError, UnsealedMemoryError
from execmem_kernel.execution.native import cpython, function, guard
from execmem_kernel.execution.native.ctypes_function import CtypesFunction
from execmem_kernel.execution.native.function import NativeCode, native_function
from execmem_kernel.execution.values.prototype_parser import parse_prototype
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.session import manager
from execmem_kernel.x86.registers import GENERAL
from tests import kernel

ADD = "lea rax, [rdi + rsi]\nret"


def make(source: str, prototype: str) -> Callable[..., Any]:
    return native_function(assemble(source), prototype)


def in_child(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script that may crash, with `make` at hand; core dumps are off."""
    head = """
        import json, resource, signal, sys, threading
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from execmem_kernel.assembly.assembler import assemble
        from execmem_kernel.execution.native.function import native_function
        def make(source, prototype):
            return native_function(assemble(source), prototype)
        """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def results_of(done: subprocess.CompletedProcess[str]) -> Any:
    """What a child printed as JSON on its last line; it must have ended well."""
    assert done.returncode == 0, f"the child ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


# ---- arguments and results


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


# ---- the guard


FAULTS = {
    "a null pointer": ("xor eax, eax\nmov rax, [rax]\nret", "SegmentationFault"),
    "an undefined instruction": ("ud2", "IllegalInstruction"),
    "a division by zero": ("xor ecx, ecx\nxor edx, edx\ndiv rcx\nret", "ArithmeticFault"),
    "a breakpoint": ("int3\nret", "BreakpointTrap"),
    "no ret at the end": ("nop", "BreakpointTrap"),
    "a privileged instruction": ("hlt", "SegmentationFault"),
    "a destroyed stack pointer": ("xor esp, esp\nxor ebp, ebp\npush rax\nret", "SegmentationFault"),
    "a stack pointer that is no address": ("mov rsp, 0x8000000000000000\npush rax\nret", "BusError"),
    "a jump to address 0": ("xor eax, eax\njmp rax", "SegmentationFault"),
    "a jump to nowhere": ("mov eax, 0x12345000\njmp rax", "SegmentationFault"),
    "a jump to what is no address": ("mov rax, 0x8000000000000000\njmp rax", "SegmentationFault"),
    "a jump into the stack": ("lea rax, [rsp - 64]\njmp rax", "SegmentationFault"),
    "a return to a number": ("push 5\nret", "SegmentationFault"),
    "endless recursion": ("again: call again", "SegmentationFault"),
    "a write to its own code": ("lea rax, [rip]\nmov byte ptr [rax], 0x90\nret", "SegmentationFault"),
    "a misaligned vector": ("mov rax, rsp\nor rax, 1\nmovaps xmm0, [rax]\nret", "SegmentationFault"),
    "a trap flag": ("pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nret", "BreakpointTrap"),
    "a lost thread pointer": ("xor eax, eax\nwrfsbase rax\nret", "SegmentationFault"),
    "a lost thread pointer before a fault": ("xor eax, eax\nwrfsbase rax\nud2", "IllegalInstruction"),
    "all registers destroyed": (
        "\n".join(f"mov {r}, -1" for r in (*GENERAL, "rsp")) + "\npush rax",
        "SegmentationFault",
    ),
}

UNTIDY = {
    "callee-saved registers": (
        "\n".join(f"xor {r}, {r}" for r in ("rbx", "rbp", "r12", "r13", "r14", "r15")) + "\nmov eax, 7\nret",
        7,
    ),
    "the stack pointer": ("mov eax, 7\nret 24", 7),
    "the direction flag": ("std\nmov eax, 7\nret", 7),
    "the alignment check": ("pushfq\nor dword ptr [rsp], 0x40000\npopfq\nmov eax, 7\nret", 7),
    "the thread pointer": ("wrfsbase rsp\nmov eax, 7\nret", 7),
}


def test_every_fault_becomes_an_exception_and_the_thread_goes_on() -> None:
    script = """
        add = make("lea rax, [rdi + rsi]\\nret", "int64_t add(int64_t a, int64_t b)")
        found = {}
        for name, (source, _) in json.loads(sys.argv[1]).items():
            function = make(source, "int64_t f(void)")
            for turn in range(3):
                try:
                    found[name] = ["returned", function()]
                except Exception as error:
                    found[name] = [type(error).__name__, str(error) if turn == 2 else ""]
                assert add(40, 2) == 42
                assert 0.1 + 0.2 == 0.30000000000000004
        print(json.dumps(found))
    """
    found = results_of(in_child(script, json.dumps(FAULTS)))
    assert {name: kind for name, (kind, _) in found.items()} == {name: kind for name, (_, kind) in FAULTS.items()}
    assert found["a division by zero"][1].startswith("line 3: ")
    assert all("0x7f" not in message for _, message in found.values())


def test_a_fault_among_arrays_is_explained_as_in_a_program_run_apart() -> None:
    script = """
        import numpy
        from execmem_kernel.execution.api.function import function
        source, prototype = "mov eax, [rdi + rsi]\\nret", "int f(const int32_t *values, size_t n)"
        found = []
        for native in (True, False):
            for values in (numpy.arange(1000, dtype="i4"), [1, 2, 3]):
                try:
                    function(source, prototype, native=native)(values, 2**40)
                except Exception as error:
                    found.append(str(error))
        print(json.dumps(found))
    """
    array, numbers, *apart = results_of(in_child(script))
    assert [array, numbers] == apart
    assert array.startswith("line 1: reads 4 bytes")


def test_what_code_leaves_behind_is_put_back() -> None:
    script = """
        found = {}
        for name, (source, _) in json.loads(sys.argv[1]).items():
            function = make(source, "int64_t f(void)")
            found[name] = [function() for _ in range(1000)][-1]
            assert sorted("%04d" % (n * 7919 % 1000) for n in range(1000))[0] == "0000"
        print(json.dumps(found))
    """
    assert results_of(in_child(script, json.dumps(UNTIDY))) == {name: value for name, (_, value) in UNTIDY.items()}


def test_a_string_result_that_points_nowhere_is_a_fault() -> None:
    script = """
        function = make("mov eax, 0x1234\\nret", "const char *f(void)")
        try:
            function()
        except Exception as error:
            print(json.dumps(type(error).__name__))
    """
    assert results_of(in_child(script)) == "SegmentationFault"


def test_threads_fault_and_call_at_the_same_time() -> None:
    script = """
        null = make("xor eax, eax\\nmov rax, [rax]\\nret", "int64_t null(void)")
        stack = make("again: call again", "int64_t stack(void)")
        add = make("lea rax, [rdi + rsi]\\nret", "int64_t add(int64_t a, int64_t b)")
        sys.setswitchinterval(1e-5)
        counts, errors = [0] * 8, []
        def work(index):
            for turn in range(200):
                if add(index, turn) != index + turn:
                    errors.append("a wrong sum")
                try:
                    (null if turn % 10 else stack)()
                except Exception as error:
                    counts[index] += type(error).__name__ == "SegmentationFault"
        for _ in range(3):  # the numbers and addresses of threads that ended are used again
            threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
        print(json.dumps([sum(counts), errors]))
    """
    assert results_of(in_child(script)) == [3 * 8 * 200, []]


def test_a_thread_gives_its_place_back() -> None:
    add = make(ADD, "int64_t add(int64_t a, int64_t b)")
    add(1, 2)
    before = [block[1] for block in guard.guard().blocks]
    for _ in range(20):
        thread = threading.Thread(target=add, args=(1, 2))
        thread.start()
        thread.join()
    del thread
    assert [block[1] for block in guard.guard().blocks] == before


def test_a_fault_that_is_not_ours_goes_to_whoever_had_the_signal_before() -> None:
    script = """
        import ctypes, faulthandler
        faulthandler.enable()
        null = make("xor eax, eax\\nmov rax, [rax]\\nret", "int64_t null(void)")
        try:
            null()
        except Exception as error:
            print(type(error).__name__, flush=True)
        ctypes.string_at(0)
    """
    done = in_child(script)
    assert done.stdout == "SegmentationFault\n"
    assert done.stderr.startswith("Fatal Python error: Segmentation fault")
    assert done.returncode == -signal.SIGSEGV


def test_a_handler_that_came_later_gets_a_foreign_fault_once() -> None:
    script = """
        import ctypes, faulthandler
        from execmem_kernel.execution.native.guard import renew_guard
        null = make("xor eax, eax\\nmov rax, [rax]\\nret", "int64_t null(void)")
        faulthandler.enable()
        renew_guard()
        try:
            null()
        except Exception as error:
            print(type(error).__name__, flush=True)
        ctypes.string_at(0)
    """
    done = in_child(script)
    assert done.stdout == "SegmentationFault\n"
    assert done.stderr.count("Fatal Python error: Segmentation fault") == 1
    assert done.returncode == -signal.SIGSEGV


def test_without_another_handler_a_foreign_fault_kills_as_it_always_did() -> None:
    script = """
        import ctypes
        make("ret", "void f(void)")()
        ctypes.string_at(0)
    """
    assert in_child(script).returncode == -signal.SIGSEGV


@pytest.mark.parametrize("number", ["SIGSEGV", "SIGINT"])
def test_a_signal_that_somebody_sent_does_what_it_did_before(number: str) -> None:
    script = f"""
        import os, time
        make("ret", "void f(void)")()
        try:
            os.kill(os.getpid(), signal.{number})
            time.sleep(10)
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = in_child(script)
    if number == "SIGINT":
        assert (done.returncode, done.stdout) == (0, "interrupted\n")
    else:
        assert done.returncode == -signal.SIGSEGV


INTERRUPTED = """
    import mmap
    with open(sys.argv[1], "r+b") as file:
        flag = mmap.mmap(file.fileno(), 4096)
    endless = make("mov qword ptr [rdi], 1\\nagain: jmp again", "void endless(void *started)")
    add = make("lea rax, [rdi + rsi]\\nret", "int64_t add(int64_t a, int64_t b)")
    def call():
        try:
            endless(flag)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """


def wait_for(flag: Path, child: subprocess.Popen[str] | None = None) -> None:
    """Wait until a native loop elsewhere says in a file that it has begun."""
    deadline = time.monotonic() + 30
    while flag.read_bytes()[0] == 0:
        assert child is None or child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def interrupt(script: str, tmp_path: Path) -> str:
    """Run a script whose native loop says in a file that it has begun, then press Ctrl-C."""
    flag = tmp_path / "flag"
    flag.write_bytes(bytes(4096))
    code = (
        "import sys, threading\nfrom tests.execution.test_native import make\n"
        + textwrap.dedent(INTERRUPTED)
        + textwrap.dedent(script)
    )
    with subprocess.Popen([sys.executable, "-c", code, str(flag)], stdout=subprocess.PIPE, text=True) as child:
        wait_for(flag, child)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=30)
    assert child.returncode == 0
    return output


def test_an_interrupt_ends_an_endless_loop(tmp_path: Path) -> None:
    assert interrupt("call()\nprint(add(40, 2))", tmp_path) == "interrupted\n42\n"


def test_an_interrupt_ends_an_endless_loop_on_another_thread(tmp_path: Path) -> None:
    script = """
        ended = threading.Event()
        def work():
            call()
            ended.set()
        try:
            threading.Thread(target=work).start()  # returns when the thread has begun, and may never get that far
            ended.wait()
        except KeyboardInterrupt:
            ended.wait()
        print(add(40, 2))
    """
    assert interrupt(script, tmp_path) == "interrupted\n42\n"


def test_an_interrupt_ends_a_native_loop_after_a_program_was_run_apart(tmp_path: Path) -> None:
    script = """
        from execmem_kernel.execution.api.running import run
        run("ret")
        call()
    """
    assert interrupt(script, tmp_path) == "interrupted\n"


def test_an_interrupt_works_again_after_python_took_the_signal_and_the_guard_was_renewed(tmp_path: Path) -> None:
    script = """
        import signal
        from execmem_kernel.execution.native.guard import renew_guard
        signal.signal(signal.SIGINT, signal.default_int_handler)
        renew_guard()
        call()
    """
    assert interrupt(script, tmp_path) == "interrupted\n"


def test_the_stop_button_of_a_notebook_ends_a_loop_that_an_earlier_cell_made(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    flag.write_bytes(bytes(4096))
    cells = [
        f"""
        %load_ext execmem_kernel
        import execmem_kernel, mmap
        with open({str(flag)!r}, "r+b") as file:
            flag = mmap.mmap(file.fileno(), 4096)
        endless = execmem_kernel.function(
            "mov qword ptr [rdi], 1\\nagain: jmp again", "void endless(void *started)", native=True
        )
        """,
        "endless(flag)",
        "print(40 + 2)",
    ]
    manager, client = start_new_kernel()
    try:
        client.execute(textwrap.dedent(cells[0]))
        # Else the kernel aborts whatever is asked of it in the moment after a cell that failed.
        stopped = client.execute(cells[1], stop_on_error=False)
        wait_for(flag)
        manager.interrupt_kernel()
        replies = {}
        while stopped not in replies:
            message = client.get_shell_msg(timeout=30)
            replies[message["parent_header"]["msg_id"]] = message["content"]
        assert replies[stopped]["ename"] == "KeyboardInterrupt"
        after = client.execute_interactive(cells[2], timeout=30, output_hook=lambda _: None)
        assert after["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_forked_child_is_guarded_too() -> None:
    script = """
        import os
        null = make("xor eax, eax\\nmov rax, [rax]\\nret", "int64_t null(void)")
        try:
            null()
        except Exception:
            pass
        pid = os.fork()
        if pid == 0:
            try:
                null()
            except Exception as error:
                os._exit(7 if type(error).__name__ == "SegmentationFault" else 1)
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
    """
    assert results_of(in_child(script)) == 7


def test_a_forked_child_may_drop_functions_and_make_new_ones() -> None:
    script = """
        import gc, os
        add = make("lea rax, [rdi + rsi]\\nret", "int64_t add(int64_t a, int64_t b)")
        pid = os.fork()
        if pid == 0:
            del add
            gc.collect()
            from execmem_kernel.memory.manager import CodeMemoryManager
            own = CodeMemoryManager()
            memory = own.allocate(assemble("lea rax, [rdi + rsi]\\nret").code)
            os._exit(memory.function("int64_t add(int64_t a, int64_t b)")(3, 4))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps([code, add(40, 2)]))
    """
    assert results_of(in_child(script)) == [7, 42]


# ---- who owns what


def test_no_mapping_is_ever_writable_and_executable() -> None:
    make(ADD, "int64_t add(int64_t a, int64_t b)")(1, 2)
    assert kernel.writable_and_executable() == []


def test_a_function_that_is_dropped_leaves_nothing_behind() -> None:
    make(ADD, "int64_t add(int64_t a, int64_t b)")
    gc.collect()
    before = (manager().statistics().live, guard.guard().manager.statistics().live, len(guard.guard().free_ranges))
    functions = [make(ADD, "int64_t add(int64_t a, int64_t b)") for _ in range(20)]
    assert manager().statistics().live == before[0] + 20
    del functions
    gc.collect()
    assert (
        manager().statistics().live,
        guard.guard().manager.statistics().live,
        len(guard.guard().free_ranges),
    ) == before


def test_a_function_of_memory_is_refused_once_the_memory_is_closed() -> None:
    with CodeMemoryManager().allocate(assemble(ADD).code, name="add") as memory:
        add = memory.function("int64_t add(int64_t a, int64_t b)")
        assert add(40, 2) == 42
    with pytest.raises(ClosedMemoryError, match="region 'add' is closed"):
        add(40, 2)


def test_a_function_follows_memory_that_was_moved() -> None:
    memory = CodeMemoryManager().allocate(assemble(ADD).code)
    add = memory.function("int64_t add(int64_t a, int64_t b)")
    with memory.move():
        assert add(40, 2) == 42
        assert add(np.int64(40), 2) == 42
    with pytest.raises(ClosedMemoryError):
        add(40, 2)


@pytest.mark.parametrize("ending", ["ret", "xor eax, eax\nmov rax, [rax]\nret"])
def test_memory_that_is_closed_during_a_call_is_freed_when_the_call_ends(ending: str) -> None:
    script = """
        import ctypes
        from execmem_kernel.memory.manager import CodeMemoryManager
        address_of = lambda name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
        own = CodeMemoryManager()
        source = "push rbx\\nmov rax, rdi\\nmov rdi, rsi\\ncall rax\\npop rbx\\n" + sys.argv[1]
        memory = own.allocate(assemble(source).code)
        call_back = memory.function("long f(uint64_t call, uint64_t what)")
        seen = []
        def close():
            memory.close()
            seen.append([memory.closed, own.statistics().live])
            try:
                call_back(1, 2)
            except Exception as error:
                seen.append(type(error).__name__)
        for _ in range(2):
            try:
                call_back(address_of("PyObject_CallNoArgs"), id(close))
            except Exception as error:
                seen.append(type(error).__name__)
        print(json.dumps([seen, own.statistics().live]))
    """
    raised = [] if ending == "ret" else ["SegmentationFault"]
    expected = [[[True, 1], "ClosedMemoryError", *raised, "ClosedMemoryError"], 0]
    assert results_of(in_child(script, ending)) == expected


def test_memory_that_is_not_sealed_cannot_be_called() -> None:
    with CodeMemoryManager().allocate(64) as memory, pytest.raises(UnsealedMemoryError):
        memory.function("int64_t add(int64_t a, int64_t b)")


def test_a_prototype_that_cannot_be_read_leaves_nothing_behind() -> None:
    gc.collect()
    before = manager().statistics().live
    with pytest.raises(PrototypeError):
        make(ADD, "int64_t add(")
    assert manager().statistics().live == before


def test_cleaning_up_the_sessions_manager_takes_no_stub_away() -> None:
    own = CodeMemoryManager()
    memory = own.allocate(assemble(ADD).code)
    add = memory.function("int64_t add(int64_t a, int64_t b)")
    own.cleanup()
    with pytest.raises(ClosedMemoryError):
        add(40, 2)


def test_a_program_with_data_of_its_own_is_refused() -> None:
    program = assemble("mov rax, [rip + x]\nret\n.data\nx: .quad 5")
    with pytest.raises(EngineUnavailableError, match="has a segment 'data' of its own"):
        native_function(program, "int64_t f(void)")


def test_a_program_that_calls_the_c_library_is_refused() -> None:
    with pytest.raises(EngineUnavailableError, match="calls strlen of the C library"):
        make("extern strlen\nlength: jmp strlen", "size_t length(const char *s)")


def test_reference_counts_are_right_after_a_million_calls() -> None:
    add = make(ADD, "int64_t add(int64_t a, int64_t b)")
    scale = make("mulsd xmm0, xmm1\nret", "double scale(double a, double b)")
    nothing = make("ret", "void nothing(const char *s)")
    big, number, text = 2**61 + 1, 1.5, b"some text"
    things = (add, scale, nothing, big, number, text, add.__self__, None, 300)  # type: ignore[attr-defined]

    def turn(count: int) -> None:
        for _ in range(count):
            add(big, 1)
            scale(number, number)
            nothing(text)

    turn(10)
    before = [sys.getrefcount(thing) for thing in things]
    turn(333_334)
    after = [sys.getrefcount(thing) for thing in things]
    assert [b - a for a, b in zip(before, after, strict=True)] == [0] * len(things)


def test_errors_and_slow_conversions_leak_nothing() -> None:
    add = make(ADD, "int64_t add(int64_t a, int64_t b)")
    total = make("mov eax, [rdi]\nret", "int total(const int32_t *a)")
    array, large = np.arange(3, dtype="i4"), 2**70

    def turn(count: int) -> None:
        for _ in range(count):
            total(array)
            total([1, 2])
            with pytest.raises(OverflowError):
                add(large, 1)

    turn(10)
    before = (sys.getrefcount(array), sys.getrefcount(large), len(gc.get_objects()))
    turn(1000)
    gc.collect()
    after = (sys.getrefcount(array), sys.getrefcount(large))
    assert after == before[:2]
    assert len(gc.get_objects()) <= before[2] + 50


# ---- where the interpreter is not one we know


def test_ctypes_stands_in_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "unavailable", lambda: "PyPy is not CPython")
    add = make(ADD, "int64_t add(int64_t a, int64_t b)")
    assert isinstance(add, CtypesFunction)
    assert add.engine == "ctypes, without a guard against faults: PyPy is not CPython"
    assert add(40, 2) == 42
    assert add(-1, 2**40) == 2**40 - 1
    with pytest.raises(OverflowError, match="does not fit int64_t"):
        add(2**63, 0)
    assert make("mulss xmm0, xmm1\nret", "float f(float a, float b)")(1.5, 2.0) == 3.0
    assert make("ret", "void f(void)")() is None
    numbers = [1, 2]
    make("mov dword ptr [rdi], 9\nret", "void f(int *a)")(numbers)
    assert numbers == [9, 2]


def test_this_interpreter_is_known() -> None:
    assert cpython.unavailable() is None
    assert isinstance(make(ADD, "int64_t add(int64_t a, int64_t b)").__self__, NativeCode)  # type: ignore[attr-defined]
