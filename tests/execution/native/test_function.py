"""Native functions and their memory: who owns what, and that nothing is left."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import ClosedMemoryError, EngineUnavailableError, PrototypeError, UnsealedMemoryError
from execmem_kernel.execution.native import guard
from execmem_kernel.execution.native.function import native_function
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.session import manager
from tests import kernel
from tests.execution.native.children import ADD, in_child, make, results_of


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
