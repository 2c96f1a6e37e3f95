"""The guard of native functions: a fault becomes an exception, an interrupt ends a loop, foreign signals go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from execmem_kernel.execution.native import guard
from execmem_kernel.x86.registers import GENERAL
from tests import running
from tests.execution.native.children import ADD, in_child, make, results_of

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
        import warnings
        warnings.simplefilter("ignore")
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


LATER = {
    "faulthandler": "faulthandler.enable()",
    "faulthandler and back": "faulthandler.enable()\nfaulthandler.disable()",
    "a handler of Python's": "signal.signal(signal.SIGSEGV, signal.SIG_DFL)",
}


@pytest.mark.parametrize("installed", LATER.values(), ids=LATER)
def test_a_handler_that_python_installs_later_takes_no_fault_from_the_guard(installed: str) -> None:
    script = f"""
        import faulthandler
        null = make("xor eax, eax\\nmov rax, [rax]\\nret", "int64_t null(void)")
        found = []
        for _ in range(2):
            exec({installed!r})
            try:
                null()
            except Exception as error:
                found.append(str(error))
        print(json.dumps(found))
    """
    found = results_of(in_child(script))
    assert len(found) == 2
    assert all(sentence.startswith("line 2: reads 8 bytes at address 0") for sentence in found)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("xor eax, eax\nmov rax, [rax]\nret", "SegmentationFault"),
        ("ud2", "IllegalInstruction"),
        ("xor ecx, ecx\ndiv ecx\nret", "ArithmeticFault"),
        ("mov rsp, 0x8000000000000000\npush rax", "BusError"),
    ],
)
def test_a_fault_that_a_later_handler_raises_again_is_still_the_calls(source: str, error: str) -> None:
    script = """
        import faulthandler
        enable = faulthandler.enable
        function = make(sys.argv[1], "void f(void)")
        for _ in range(2):
            enable()  # past the guard: as a library in C would
            try:
                function()
            except Exception as error:
                print(type(error).__name__, str(error)[:6])
    """
    done = in_child(script, source)
    line = len(source.splitlines()) - source.endswith("ret")
    assert done.returncode == 0
    assert done.stdout == f"{error} line {line}\n" * 2
    assert "Fatal Python error" in done.stderr


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
        import os
        make("ret", "void f(void)")()
        try:
            os.kill(os.getpid(), signal.{number})
            signal.pause()
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
    deadline = time.monotonic() + running.HANGS_S
    while flag.read_bytes()[0] == 0:
        assert child is None or child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def interrupt(script: str, tmp_path: Path) -> str:
    """Run a script whose native loop says in a file that it has begun, then press Ctrl-C."""
    flag = tmp_path / "flag"
    flag.write_bytes(bytes(4096))
    code = (
        "import sys, threading\nfrom tests.execution.native.children import make\n"
        + textwrap.dedent(INTERRUPTED)
        + textwrap.dedent(script)
    )
    with subprocess.Popen([sys.executable, "-c", code, str(flag)], stdout=subprocess.PIPE, text=True) as child:
        wait_for(flag, child)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=running.HANGS_S)
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
    manager, client = start_new_kernel(startup_timeout=running.HANGS_S)
    try:
        client.execute(textwrap.dedent(cells[0]))
        # Else the kernel aborts whatever is asked of it in the moment after a cell that failed.
        stopped = client.execute(cells[1], stop_on_error=False)
        wait_for(flag)
        manager.interrupt_kernel()
        replies = {}
        while stopped not in replies:
            message = client.get_shell_msg(timeout=running.HANGS_S)
            replies[message["parent_header"]["msg_id"]] = message["content"]
        assert replies[stopped]["ename"] == "KeyboardInterrupt"
        after = client.execute_interactive(cells[2], timeout=running.HANGS_S, output_hook=lambda _: None)
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
