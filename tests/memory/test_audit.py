"""Who owns each executable byte: the audit against the kernel's list, and `assert_no_leaks`."""

from __future__ import annotations

import ctypes
import mmap
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execmem_kernel.errors import LeakError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.audit import is_ownerless_code
from execmem_kernel.memory.intervals import subtract
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.testing import assert_no_leaks
from tests import kernel
from tests.kernel import RETURN_42

pytest_plugins = ["pytester"]


@pytest.fixture
def unmanaged(manager: CodeMemoryManager) -> Iterator[int]:
    address = manager.allocate_unmanaged(5000)
    yield address
    linux_memory.unmap_pages([(address, 8192)])


def foreign_before(manager: CodeMemoryManager) -> int:
    return sum(finding.size for finding in manager.audit().foreign)


def test_nothing_leaks_where_nothing_is_held(manager: CodeMemoryManager) -> None:
    report = manager.audit()
    assert (report.scoped, report.reachable, report.lost, report.vanished) == ((), (), (), ())


def test_an_open_scope_answers_for_its_memory(manager: CodeMemoryManager) -> None:
    with manager.allocate(100, name="add"):
        (finding,) = manager.audit().scoped
        assert (finding.name, finding.size, finding.cell) == ("add", 100, "test_audit.py")
        assert finding.line == sys._getframe().f_lineno - 3
        assert finding.age_s is not None
        assert finding.age_s > 0
        assert (
            str(finding) == f"add, 100 bytes, allocated in test_audit.py, line {finding.line}: owned by an open scope"
        )


def test_a_variable_is_named_as_what_keeps_memory_alive(manager: CodeMemoryManager) -> None:
    namespace = {"keep": manager.allocate(64, name="one"), "box": {"deep": [manager.allocate(64, name="two")]}}
    findings = {finding.name: finding for finding in manager.audit(namespace).reachable}
    assert "variable keep" in findings["one"].held_by
    assert "variable box" in findings["two"].held_by
    assert "in no scope, kept alive by variable keep" in str(findings["one"])
    manager.cleanup()


def test_an_output_of_the_notebook_is_named(manager: CodeMemoryManager) -> None:
    namespace = {"Out": {3: manager.allocate(64)}, "_": None}
    (finding,) = manager.audit(namespace).reachable
    assert finding.held_by[0] == "Out[3]"
    manager.cleanup()


def test_a_closure_and_an_attribute_are_searched(manager: CodeMemoryManager) -> None:
    class Holder:
        def __init__(self) -> None:
            self.memory = manager.allocate(64, name="attribute")

    def make() -> object:
        memory = manager.allocate(64, name="closure")
        return lambda: memory

    namespace = {"holder": Holder(), "f": make()}
    findings = {finding.name: finding.held_by[0] for finding in manager.audit(namespace).reachable}
    assert findings == {"attribute": "variable holder", "closure": "variable f"}
    manager.cleanup()


def test_a_traceback_that_keeps_memory_alive_is_named(
    manager: CodeMemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        memory = manager.allocate(64, name="stuck")
        memory.write(b"\xc3")
        _ = 1 // 0

    try:
        fails()
    except ZeroDivisionError as error:
        monkeypatch.setattr(sys, "last_value", error, raising=False)
    (finding,) = manager.audit({}).reachable
    assert finding.held_by == ("a traceback, in fails",)
    with pytest.warns(ResourceWarning, match="region 'stuck'"):
        monkeypatch.undo()


def test_a_running_call_is_named(manager: CodeMemoryManager) -> None:
    def holds() -> None:
        memory = manager.allocate(64)
        assert manager.audit({}).reachable[0].held_by == ("a running call of holds",)
        memory.close()

    holds()


def test_what_a_manual_owner_has_not_returned_is_lost(manager: CodeMemoryManager) -> None:
    address = manager.allocate(64, name="manual").release()
    (finding,) = manager.audit().lost
    assert finding.name == "manual"
    assert str(finding).endswith("lost: handed to a manual owner and not given back")
    manager.release(address)
    assert manager.audit().lost == ()


def test_what_bypasses_the_manager_is_found_with_its_line(manager: CodeMemoryManager, unmanaged: int) -> None:
    finding = next(finding for finding in manager.audit().foreign if finding.cell == "test_audit.py")
    assert finding.size == 8192
    assert finding.address == unmanaged
    assert str(finding).endswith(": owned by nobody")


def test_memory_mapped_by_somebody_else_is_foreign(manager: CodeMemoryManager) -> None:
    before = foreign_before(manager)
    theirs = mmap.mmap(-1, 12288, prot=mmap.PROT_READ | mmap.PROT_EXEC)
    assert foreign_before(manager) == before + 12288
    theirs.close()
    assert foreign_before(manager) == before


def test_other_managers_are_not_foreign(manager: CodeMemoryManager) -> None:
    before = foreign_before(manager)
    with CodeMemoryManager() as other, other.allocate(64), other.allocate(64, pages=True):
        assert foreign_before(manager) == before
        assert manager.audit().scoped == ()


def test_what_other_managers_own_is_named_and_no_leak(manager: CodeMemoryManager) -> None:
    with CodeMemoryManager() as other, other.allocate(RETURN_42, name="theirs"):
        report = manager.audit()
        assert f"theirs, {len(RETURN_42)} bytes" in report.elsewhere
        assert "theirs" not in str(report)
    assert not any(name.startswith("theirs") for name in manager.audit().elsewhere)


def test_libraries_and_the_interpreter_are_not_foreign() -> None:
    text = (
        "00400000-00401000 r-xp 00000000 fe:00 7 /usr/bin/python3.11\n"
        "7f0000000000-7f0000001000 r-xp 00000000 fe:00 8 /lib/libc.so.6\n"
        "7f0000002000-7f0000003000 r-xp 00000000 fe:00 9 /lib/libgone.so.1 (deleted)\n"
        "7f0000003000-7f0000004000 r--p 00000000 fe:00 9 /lib/libgone.so.1 (deleted)\n"
        "7f0000004000-7f0000005000 r-xp 00000000 00:00 0 [vdso]\n"
        "7f0000014000-7f0000015000 rwxs 00000000 fe:00 11 /tmp/theirs\n"
        "7f0000016000-7f0000017000 r-xs 00000000 fe:00 12 /tmp/jit.so.1 (deleted)\n"
        "7f0000006000-7f0000007000 rw-p 00000000 00:00 0 [heap]\n"
        "7f0000008000-7f0000009000 rwxp 00000000 00:00 0 \n"
        "7f000000a000-7f000000b000 r-xs 00000000 00:01 5 /memfd:theirs (deleted)\n"
        "7f000000c000-7f000000d000 rwxs 00000000 00:01 6 /dev/zero (deleted)\n"
        "7f000000e000-7f000000f000 r-xp 00000000 00:30 6 /tmp/ffiX1 (deleted)\n"
        "7f0000010000-7f0000011000 r-xp 00000000 00:00 0 [anon:jit]\n"
    )
    mappings = linux_memory.parse_mappings(text)
    found = {mapping.start & 0xFFFFF for mapping in mappings if is_ownerless_code(mapping, mappings)}
    assert found == {0x8000, 0xA000, 0xC000, 0xE000, 0x10000, 0x14000, 0x16000}


def test_pages_unmapped_under_us_have_vanished(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(64, name="gone", pages=True)
    libc = ctypes.CDLL(None)
    assert libc.munmap(ctypes.c_void_p(memory.address), ctypes.c_size_t(4096)) == 0
    (finding,) = manager.audit().vanished
    assert finding.name == "gone"
    memory.close()


def test_a_torn_read_of_the_map_blames_nobody(manager: CodeMemoryManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads that miss mappings of ours, between reads that show one which is gone by the next."""
    whole = linux_memory.mappings
    reads = 0

    def torn() -> list[linux_memory.KernelMapping]:
        nonlocal reads
        reads += 1
        lines = whole()
        if reads % 2:
            return [line for line in lines if "execmem" not in line.path]
        return [*lines, linux_memory.KernelMapping(0x6660_0000, 0x6661_0000 + reads, "r-xp", 0, 0, "")]

    with manager.allocate(64, pages=True), manager.allocate(64):
        before = foreign_before(manager)
        monkeypatch.setattr(linux_memory, "mappings", torn)
        report = manager.audit()
        assert report.vanished == ()
        assert len(report.scoped) == 2
        assert sum(finding.size for finding in report.foreign) == before


def test_an_audit_is_right_while_threads_map_and_unmap(manager: CodeMemoryManager) -> None:
    stop = threading.Event()
    before = foreign_before(manager)

    def churn() -> None:
        while not stop.is_set():
            with manager.allocate(64, pages=True), manager.allocate(64):
                pass

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            report = manager.audit()
            assert report.vanished == ()
            assert sum(finding.size for finding in report.foreign) == before
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20))),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20))),
)
def test_what_is_left_of_intervals_is_what_a_set_says(
    kept: list[tuple[int, int]], taken: list[tuple[int, int]]
) -> None:
    apart, last = [], -1
    for start, size in sorted(kept):
        if start > last:
            apart.append((start, start + size))
            last = start + size
    obstacles = [(start, start + size) for start, size in taken]
    left = [byte for start, end in subtract(apart, obstacles) for byte in range(start, end)]
    expected = [
        byte for start, end in apart for byte in range(start, end) if not any(a <= byte < b for a, b in obstacles)
    ]
    assert left == expected


# ---- assert_no_leaks


def test_a_block_that_cleans_up_after_itself_passes(manager: CodeMemoryManager) -> None:
    with manager.allocate(64), assert_no_leaks(manager), manager.allocate(RETURN_42) as memory:
        assert kernel.call(memory.address) == 42


def test_a_block_that_leaks_fails_and_names_each_leak(manager: CodeMemoryManager) -> None:
    watch = assert_no_leaks(manager)
    watch.__enter__()
    kept = manager.allocate(64, name="kept")
    address = manager.allocate(32, name="manual").release()
    bypassed = manager.allocate_unmanaged(100)
    with pytest.raises(LeakError) as caught:
        watch.__exit__(None, None, None)
    text = str(caught.value)
    assert text.startswith("executable memory outlives this block:\n")
    assert "kept, 64 bytes, allocated in test_audit.py, line" in text
    assert "kept alive by a running call of test_a_block_that_leaks" in text
    assert "manual, 32 bytes" in text
    assert "no name, 4 KiB, allocated in test_audit.py, line" in text
    kept.close()
    manager.release(address)
    linux_memory.unmap_pages([(bypassed, 4096)])


def test_an_error_in_the_block_is_not_hidden_by_a_leak(manager: CodeMemoryManager) -> None:
    kept = []

    def leaks_and_fails() -> None:
        with assert_no_leaks(manager):
            kept.append(manager.allocate(64))
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        leaks_and_fails()
    kept[0].close()


def test_pytest_finds_the_fixture_once_the_package_is_installed() -> None:
    (point,) = entry_points(group="pytest11", name="execmem_kernel")
    assert point.load().assert_no_leaks is not None


def test_the_fixture_fails_a_test_that_leaks_and_passes_one_that_does_not(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # for speed: the other plugins are no part of this
    pytester.makepyfile(
        """
        import execmem_kernel as em

        kept = []

        def test_clean(assert_no_leaks):
            with em.allocate_executable_memory(64):
                pass

        def test_leaky(assert_no_leaks):
            kept.append(em.allocate_executable_memory(64, name="forgotten"))
        """
    )
    result = pytester.runpytest_subprocess("-p", "execmem_kernel.memory.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*LeakError: executable memory outlives this block:",
            "*forgotten, 64 bytes, allocated in *variable test_the_fixture*.kept*",
        ]
    )
