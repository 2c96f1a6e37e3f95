"""The manager's books: statistics that add up, events in order, snapshots that are values, one manager a session."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from array import array
from collections.abc import Callable

import pytest

import execmem_kernel as em
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel
from tests.kernel import RETURN_42


def sums(manager: CodeMemoryManager) -> tuple[int, int]:
    numbers = manager.statistics()
    parts = numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free
    return parts, numbers.reserved


def test_the_numbers_add_up_at_every_step(manager: CodeMemoryManager) -> None:
    held = []
    for size in (1, 63, 64, 65, 4096, 5000, 16 * 1024, 16 * 1024 + 1, 100_000):
        held.append(manager.allocate(size))
        held.append(manager.allocate(size, pages=True))
        assert sums(manager)[0] == sums(manager)[1]
    for memory in held:
        memory.close()
        assert sums(manager)[0] == sums(manager)[1]
    manager.cleanup()
    assert sums(manager) == (0, 0)


def test_reserved_is_what_the_kernel_has_mapped_for_us(manager: CodeMemoryManager) -> None:
    before = kernel.bytes_of_code_files()
    with manager.allocate(64), manager.allocate(9000, pages=True), manager.allocate(70_000):
        numbers = manager.statistics()
        assert kernel.bytes_of_code_files() - before == numbers.reserved - numbers.padding


def test_counts_live_peak_and_total(manager: CodeMemoryManager) -> None:
    for _ in range(5):
        with manager.allocate(100), manager.allocate(200, name="pair"):
            pass
    numbers = manager.statistics()
    assert (numbers.live, numbers.peak, numbers.total) == (0, 2, 10)
    assert (numbers.payload, numbers.peak_payload) == (0, 300)
    assert dict(numbers.sizes) == {128: 5, 256: 5}


def test_the_histogram_puts_a_power_of_two_into_its_own_bin(manager: CodeMemoryManager) -> None:
    for size in (1, 2, 3, 4, 5, 64, 65):
        manager.allocate(size).close()
    assert dict(manager.statistics().sizes) == {1: 1, 2: 1, 4: 2, 8: 1, 64: 1, 128: 1}


def test_live_bytes_are_known_by_cell_and_by_name(manager: CodeMemoryManager) -> None:
    try:
        manager.current_cell = "cell 3"
        one = manager.allocate(100, name="f")
        manager.current_cell = "cell 4"
        two, three = manager.allocate(50, name="f"), manager.allocate(7)
    finally:
        manager.current_cell = None
    numbers = manager.statistics()
    assert dict(numbers.by_cell) == {"cell 3": (1, 100), "cell 4": (2, 57)}
    assert dict(numbers.by_name) == {"f": (2, 150), "": (1, 7)}
    for memory in (one, two, three):
        memory.close()
    assert dict(manager.statistics().by_cell) == {}


def test_the_books_of_the_dead_do_not_pile_up(manager: CodeMemoryManager) -> None:
    with manager.allocate(64, name="old"):
        for number in range(2000):
            manager.allocate(64, name=f"f{number}").close()
        assert len(manager._ledger.groups) <= 256
        assert dict(manager.statistics().by_name) == {"old": (1, 64)}


def test_system_calls_are_counted_and_timed(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, pages=True):
        numbers = manager.statistics()
        assert dict(numbers.system_calls) == {
            "memfd_create": 1,
            "ftruncate": 1,
            "pwrite": 1,
            "open": 1,
            "mmap": 2,
            "fcntl": 1,
        }
        assert set(numbers.system_call_ns) == set(numbers.system_calls)
        assert all(time > 0 for time in numbers.system_call_ns.values())
    assert manager.statistics().system_calls["munmap"] == 1


def test_the_mean_age_grows_and_forgets_the_dead(manager: CodeMemoryManager) -> None:
    assert manager.statistics().age_s == 0
    with manager.allocate(64):
        first = manager.statistics().age_s
        with manager.allocate(64):
            ages = [region.age_s for region in manager.snapshot().regions]
            assert ages[0] > ages[1] > 0
            assert ages[1] < manager.statistics().age_s < manager.snapshot().regions[0].age_s
        assert manager.statistics().age_s > first > 0
    assert manager.statistics().age_s == 0


def test_fragmentation_is_free_space_that_is_in_pieces(manager: CodeMemoryManager) -> None:
    assert manager.statistics().fragmentation == 0
    held = [manager.allocate(64) for _ in range(1000)]
    for memory in held[::2]:
        memory.close()
    numbers = manager.statistics()
    assert 0 < numbers.fragmentation < 1
    assert numbers.largest_free < numbers.free
    for memory in held:
        memory.close()


def test_events_tell_a_life_in_order_and_what_was_owned_after_each(manager: CodeMemoryManager) -> None:
    start = manager.statistics().events
    memory = manager.allocate(64, name="add")
    memory.write(RETURN_42)
    memory.seal()
    with memory.pinned():
        pass
    moved = memory.move()
    address = moved.release()
    manager.adopt(address).close()
    events = manager.events(start)
    assert [(event.kind, event.owned, event.unowned) for event in events] == [
        ("allocated", 64, 0), ("written", 64, 0), ("sealed", 64, 0), ("called", 64, 0), ("moved", 64, 0),
        ("handed over", 0, 64), ("adopted", 64, 0), ("released", 0, 0),
    ]  # fmt: skip
    assert [event.sequence for event in events] == list(range(start + 1, start + 9))
    assert {event.name for event in events} == {"add"}


def test_code_given_at_once_has_the_same_three_events(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42):
        assert [(event.sequence, event.kind) for event in manager.events()] == [
            (1, "allocated"),
            (2, "written"),
            (3, "sealed"),
        ]
        assert [event.kind for event in manager.events(since=1)] == ["written", "sealed"]
        assert [event.kind for event in manager.events(since=2)] == ["sealed"]
        assert manager.events(since=3) == ()


def test_the_ring_forgets_the_oldest_and_keeps_the_numbers(manager: CodeMemoryManager) -> None:
    for _ in range(3000):
        manager.allocate(64).close()
    events = manager.events()
    assert events[-1].sequence == manager.statistics().events == 6000
    assert 500 < len(events) < 6000
    assert [event.sequence for event in events] == list(range(events[0].sequence, 6001))


def test_a_snapshot_stays_as_it_was(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, name="add") as memory:
        kept = memory
        snapshot = manager.snapshot()
    assert kept.closed
    (region,) = snapshot.regions
    assert (region.name, region.size, region.state, region.protection, region.owner) == (
        "add",
        6,
        "sealed",
        "r-x",
        "scope",
    )
    assert region.place == "pool"
    assert region.age_s > 0
    with pytest.raises(AttributeError):
        region.size = 7  # type: ignore[misc]
    assert str(snapshot).splitlines()[1].split() == [
        "add",
        *f"test_manager.py, line {region.line}".split(),
        "6",
        "bytes",
        "sealed",
        "r-x",
        "scope",
    ]


def test_a_snapshot_of_nothing_says_so(manager: CodeMemoryManager) -> None:
    assert str(manager.snapshot()) == "no executable memory is owned"


@pytest.mark.parametrize(
    ("stage", "state", "owner"),
    [
        ("allocated", "allocated", "handle"),
        ("written", "written", "handle"),
        ("running", "running", "handle"),
        ("manual", "sealed", "manual"),
    ],
)
def test_a_snapshot_names_state_and_owner(manager: CodeMemoryManager, stage: str, state: str, owner: str) -> None:
    memory = manager.allocate(64)
    if stage != "allocated":
        memory.write(RETURN_42)
    if stage in ("running", "manual"):
        memory.seal()
    if stage == "running":
        with memory.pinned():
            (region,) = manager.snapshot().regions
    else:
        address = memory.release() if stage == "manual" else 0
        (region,) = manager.snapshot().regions
        if address:
            manager.release(address)
    assert (region.state, region.owner) == (state, owner)
    memory.close()


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda code: memoryview(array("H", code))])
def test_code_may_come_in_any_buffer(manager: CodeMemoryManager, kind: Callable[[bytes], memoryview]) -> None:
    with manager.allocate(kind(RETURN_42)) as at_once, manager.allocate(64) as later:  # type: ignore[call-overload]
        later.write(kind(RETURN_42), 8)
        later.seal()
        assert kernel.call(at_once.address) == kernel.call(later.address + 8) == 42


def test_a_policy_or_a_buffer_that_fails_leaves_the_manager_usable() -> None:
    def broken(need: int, history: object) -> int:
        raise ZeroDivisionError

    with CodeMemoryManager(growth=broken) as manager:
        with pytest.raises(ZeroDivisionError):
            manager.allocate(64)
        with manager.allocate(64, pages=True) as memory:
            with pytest.raises(TypeError):
                memory.write("text")  # type: ignore[arg-type]
            with pytest.raises((TypeError, ValueError, BufferError)):
                memory.write(memoryview(bytes(20))[::2])
            memory.write(RETURN_42)
        assert sums(manager)[0] == sums(manager)[1]


def test_cleanup_frees_everything_and_closes_the_handles(manager: CodeMemoryManager) -> None:
    held = [manager.allocate(64, name="a"), manager.allocate(64, name="b", pages=True), manager.allocate(100_000)]
    manual = manager.allocate(64).release()
    report = manager.cleanup()
    assert [region.name for region in report.released] == ["a", "b", None, None]
    assert report.kept == ()
    assert str(report).startswith("4 released, ")
    assert all(memory.closed for memory in held)
    for memory in held:
        memory.close()
        with pytest.raises(em.ClosedMemoryError):
            memory.write(b"\xc3")
    with pytest.raises(em.DoubleReleaseError):
        manager.release(manual)
    assert manager.statistics().reserved == 0


def test_cleanup_reports_what_is_running(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(RETURN_42, name="busy")
    with memory.pinned():
        report = manager.cleanup()
        assert [region.name for region in report.kept] == ["busy"]
        assert str(report).endswith("kept busy, 6 bytes: a call is running in it")
        assert kernel.call(memory.address) == 42
    memory.close()


def test_a_manager_is_usable_after_it_was_closed() -> None:
    manager = CodeMemoryManager()
    manager.close()
    with manager.allocate(RETURN_42) as memory:
        assert kernel.call(memory.address) == 42
    manager.close()


def test_unmanaged_pages_are_executable_and_never_writable(manager: CodeMemoryManager) -> None:
    address = manager.allocate_unmanaged(5000)
    assert kernel.protection_at(address) == "r-xp"
    assert manager.statistics().unmanaged == 8192
    (event,) = manager.events()
    assert (event.kind, event.size, event.owned, event.unowned) == ("unmanaged", 5000, 0, 8192)
    with pytest.raises(em.ForeignAddressError, match=r"mapped here by allocate_unmanaged.* nobody owns them"):
        manager.release(address)
    manager.cleanup()
    assert kernel.protection_at(address) == "r-xp"
    linux_memory.unmap_pages([(address, 8192)])
    manager.audit()
    assert manager.statistics().unmanaged == 0


@pytest.mark.parametrize("name", ["x" * 1000, "zero\0byte", "größer\n", "\udc80", ""])
def test_any_text_may_be_a_name(manager: CodeMemoryManager, name: str) -> None:
    with manager.allocate(RETURN_42, name=name, pages=True) as memory:
        assert memory.name == name
        assert memory.backing() is not None
        assert kernel.call(memory.address) == 42


def test_the_kernels_list_shows_the_name(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, name="add", pages=True) as memory:
        path = next(path for start, _, _, path in kernel.mappings() if start == memory.address)
        assert path == "/memfd:execmem:add (deleted)"


def test_the_session_has_one_manager() -> None:
    assert em.manager() is em.manager()


def test_tracemalloc_names_the_line_that_allocated(manager: CodeMemoryManager) -> None:
    tracemalloc.start()
    try:
        memory = manager.allocate(123_456, pages=True)
        line = sys._getframe().f_lineno - 1
        ours = tracemalloc.DomainFilter(inclusive=True, domain=0x65786563)
        snapshot = tracemalloc.take_snapshot().filter_traces([ours])
        (trace,) = snapshot.traces
        assert trace.size == 123_456
        assert (trace.traceback[-1].filename, trace.traceback[-1].lineno) == (__file__, line)
        memory.close()
        assert len(tracemalloc.take_snapshot().filter_traces([ours]).traces) == 0
    finally:
        tracemalloc.stop()


def test_the_end_of_the_process_is_silent_whatever_is_open() -> None:
    script = (
        "import threading, time, execmem_kernel as em\n"
        "kept = em.allocate_executable_memory(64)\n"
        "other = em.CodeMemoryManager().allocate(b'\\xc3', pages=True)\n"
        "class Late:\n"
        "    def __del__(self): self.memory.close()\n"
        "late = Late(); late.memory = em.allocate_executable_memory(64)\n"
        "late.itself = late\n"
        "threading.Thread(target=lambda: time.sleep(10), daemon=True).start()\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
