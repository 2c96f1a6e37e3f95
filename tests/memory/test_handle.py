"""One owner, one lifetime: `with`, close, move, release, finalizer, and what each misuse says."""

from __future__ import annotations

import copy
import ctypes
import gc
import mmap
import os
import pickle
import threading

import pytest

from execmem_kernel.errors import (
    ClosedMemoryError,
    DoubleReleaseError,
    ForeignAddressError,
    InteriorAddressError,
    MemoryInUseError,
    SealedMemoryError,
    StaleAddressError,
    UnreachableError,
    UnsealedMemoryError,
)
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.session import allocate_executable_memory
from execmem_kernel.memory.session import manager as session_manager
from tests import kernel
from tests.kernel import RETURN_42, RETURN_43
from tests.running import HANGS_S

BOTH = pytest.mark.parametrize("pages", [False, True], ids=["pool", "own pages"])


@BOTH
def test_code_written_and_sealed_runs(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(64, name="answer", pages=pages) as memory:
        memory.write(RETURN_42)
        memory.seal()
        assert kernel.call(memory.address) == 42
        assert memory.read(0, len(RETURN_42)) == RETURN_42


@BOTH
def test_bytes_are_written_and_sealed_at_once(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(RETURN_42, pages=pages) as memory:
        assert memory.sealed
        assert memory.size == len(RETURN_42)
        assert kernel.call(memory.address) == 42


@BOTH
def test_what_was_not_written_is_int3(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(100, pages=pages) as memory:
        memory.write(b"\x90" * 10, offset=5)
        assert memory.read() == b"\xcc" * 5 + b"\x90" * 10 + b"\xcc" * 85


@BOTH
def test_the_scope_ends_the_memory(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(RETURN_42, pages=pages) as memory:
        address = memory.address
        assert kernel.protection_at(address) in ("r-xs", "r-xp")
    assert memory.closed
    assert manager.snapshot().regions == ()
    if pages:
        assert kernel.protection_at(address) is None
    manager.cleanup()
    assert kernel.protection_at(address) is None


@BOTH
def test_an_exception_ends_the_memory_too(manager: CodeMemoryManager, pages: bool) -> None:
    seen = []

    def fails() -> None:
        with manager.allocate(64, pages=pages) as memory:
            seen.append(memory)
            memory.write(b"\xc3")
            _ = 1 // 0

    with pytest.raises(ZeroDivisionError):
        fails()
    assert seen[0].closed
    assert manager.snapshot().regions == ()


def test_pages_of_ones_own_lie_between_guards(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, pages=True) as memory:
        assert kernel.protection_at(memory.address - 1) == "---p"
        assert kernel.protection_at(memory.address + 4095) == "r-xs"
        assert kernel.protection_at(memory.address + 4096) == "---p"


def test_memory_for_another_process_has_an_owner_and_no_place_in_this_one(manager: CodeMemoryManager) -> None:
    before = kernel.executable_mappings()
    with manager.allocate(RETURN_42, name="lent", mapped=False) as memory:
        assert kernel.executable_mappings() == before
        backing = memory.backing()
        assert backing is not None
        descriptor, offset, size = backing
        with mmap.mmap(descriptor, size, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=offset) as pages:
            assert pages[:] == RETURN_42.ljust(4096, b"\xcc")
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"\x90", 0)
        assert memory.read() == RETURN_42
        with pytest.raises(UnreachableError, match="region 'lent' is for a program's own process to map"):
            _ = memory.address
        with pytest.raises(UnreachableError):
            memory.function("int32_t lent(void)")
        region = manager.snapshot().regions[0]
        assert (region.name, region.size, region.state, region.place, region.owner) == (
            "lent", 6, "sealed", "own pages", "scope",
        )  # fmt: skip
        numbers = manager.statistics()
        assert (
            numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free == numbers.reserved
        )
        assert [finding.kind for finding in manager.audit().findings if finding.name == "lent"] == ["scoped"]
        for address in (0, 1, 4095, 0x1000_0000):
            assert manager.story_of(address) == ""
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert manager.snapshot().regions == ()
    assert manager.statistics().reserved == 0
    assert manager.life_of(memory) == ("allocated", "written", "sealed", "released")
    with pytest.raises(ValueError, match="has no address"):
        manager.allocate(RETURN_42, mapped=False, address=0x2345_6000)


def test_the_same_program_gets_the_same_addresses_again(manager: CodeMemoryManager) -> None:
    def addresses() -> list[int]:
        with manager.allocate(64, pages=True) as one, manager.allocate(9000, pages=True) as two:
            with manager.allocate(64, pages=True) as three:
                inner = three.address
            with manager.allocate(64, pages=True) as four:
                return [one.address, two.address, inner, four.address]

    first = addresses()
    assert first[0] == 0x1000_0000
    assert first[2] == first[3]
    assert addresses() == first


def test_an_address_asked_for_is_given_if_it_is_free(manager: CodeMemoryManager) -> None:
    with manager.allocate(64, address=0x2345_6000) as memory:
        assert memory.address == 0x2345_6000
        with manager.allocate(64, address=0x2345_6000) as other:
            assert other.address != memory.address
            assert kernel.protection_at(other.address) == "r-xs"


@pytest.mark.parametrize("address", [0, 4096, 0x7FFF_FFFF_F000, 0xFFFF_FFFF_FFFF_F000 & ~0xFFF])
def test_an_address_that_cannot_be_had_gives_another(manager: CodeMemoryManager, address: int) -> None:
    with manager.allocate(RETURN_42, address=address) as memory:
        assert memory.address != address
        assert kernel.call(memory.address) == 42


def test_an_address_inside_a_page_is_refused(manager: CodeMemoryManager) -> None:
    with pytest.raises(ValueError, match="a multiple of 4096 only: a page starts there"):
        manager.allocate(64, address=0x2345_6001)
    assert manager.snapshot().regions == ()


@BOTH
def test_no_way_leads_to_writing_sealed_code(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(RETURN_42, pages=pages) as memory:
        libc = ctypes.CDLL(None, use_errno=True)
        page = ctypes.c_void_p(memory.address // 4096 * 4096)
        assert libc.mprotect(page, ctypes.c_size_t(4096), 7) == -1
        assert ctypes.get_errno() == 13
        assert libc.mprotect(page, ctypes.c_size_t(4096), 3) == -1
        own = os.open("/proc/self/mem", os.O_RDWR)
        try:
            with pytest.raises(OSError, match="Input/output error"):
                os.pwrite(own, RETURN_43, memory.address)
        finally:
            os.close(own)
        assert kernel.call(memory.address) == 42


def test_sealed_pages_are_frozen_by_the_kernel_itself(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, pages=True) as memory:
        backing = memory.backing()
        assert backing is not None
        again = os.open(f"/proc/self/fd/{backing[0]}", os.O_RDWR)
        try:
            with pytest.raises(PermissionError):
                os.pwrite(again, RETURN_43, 0)
        finally:
            os.close(again)


@BOTH
def test_the_pages_behind_it_can_be_read_through_its_descriptor(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(b"\x90" * 5000, pages=pages) as memory:
        backing = memory.backing()
        assert backing is not None
        descriptor, offset, size = backing
        assert offset % 4096 == size % 4096 == 0
        assert memory.read() in os.pread(descriptor, size, offset)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.pwrite(descriptor, b"\xc3", offset)


# ---- moving and giving away


def test_moving_leaves_the_source_empty(manager: CodeMemoryManager) -> None:
    source = manager.allocate(RETURN_42, name="answer")
    address = source.address
    with source.move() as target:
        assert source.closed
        assert target.address == address
        assert kernel.call(target.address) == 42
        with pytest.raises(
            ClosedMemoryError, match=r"region 'answer', allocated in test_handle.py, line .* has been moved"
        ):
            _ = source.address
        source.close()
        assert kernel.call(target.address) == 42


def test_memory_moved_out_of_its_scope_outlives_it(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42) as inner:
        outer = inner.move()
    assert kernel.call(outer.address) == 42
    outer.close()


def test_a_manual_owner_frees_by_address(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(RETURN_42)
    address = memory.release()
    assert memory.closed
    assert kernel.call(address) == 42
    manager.release(address)
    assert manager.snapshot().regions == ()


def test_a_new_owner_can_adopt_what_was_released(manager: CodeMemoryManager) -> None:
    address = manager.allocate(RETURN_42).release()
    with manager.adopt(address) as memory:
        assert kernel.call(memory.address) == 42
    assert manager.snapshot().regions == ()


# ---- misuse, and what it says


def test_closing_twice_is_harmless(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(64)
    memory.close()
    memory.close()


def test_use_after_close_names_both_places(manager: CodeMemoryManager) -> None:
    manager.current_cell = "cell 7"
    try:
        memory = manager.allocate(64, name="add")
        manager.current_cell = "cell 9"
        memory.close()
    finally:
        manager.current_cell = None
    uses = (
        lambda: memory.write(b"\xc3"), memory.seal, memory.read, memory.move, memory.release, memory.pinned,
        memory.backing, lambda: memory.address, memory.__enter__, lambda: memory.function("int f(void)"),
    )  # fmt: skip
    for use in uses:
        with pytest.raises(ClosedMemoryError) as caught:
            use()
        assert "region 'add' is closed: it was allocated in cell 7" in str(caught.value)
        assert "and closed in cell 9" in str(caught.value)


def test_sealed_memory_is_not_written(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, name="add") as memory:
        with pytest.raises(SealedMemoryError, match=r"region 'add', allocated in test_handle.py, line .*, is sealed"):
            memory.write(RETURN_43)
        memory.seal()
        assert kernel.call(memory.address) == 42


def test_unsealed_memory_is_not_called(manager: CodeMemoryManager) -> None:
    with manager.allocate(64, name="add") as memory:
        for use in (memory.pinned, lambda: memory.function("int f(void)")):
            with pytest.raises(UnsealedMemoryError, match="region 'add' has not been sealed: call seal"):
                use()


@pytest.mark.parametrize(("size", "offset"), [(65, 0), (1, 64), (1, -1), (64, 1), (0, 65)])
def test_what_does_not_fit_is_not_written(manager: CodeMemoryManager, size: int, offset: int) -> None:
    with manager.allocate(64) as memory:
        with pytest.raises(
            ValueError, match=f"at offset {offset} do not fit into a region of 64 bytes, which has 64 bytes"
        ):
            memory.write(b"\x90" * size, offset)
        assert memory.read() == b"\xcc" * 64


@pytest.mark.parametrize(("offset", "size"), [(0, 65), (-1, 1), (64, 1), (1, -1)])
def test_what_is_outside_is_not_read(manager: CodeMemoryManager, offset: int, size: int) -> None:
    with (
        manager.allocate(64) as memory,
        pytest.raises(ValueError, match="asked for; a region of 64 bytes has 64 bytes"),
    ):
        memory.read(offset, size)


@pytest.mark.parametrize("size", [0, -1, -(2**70)])
def test_a_size_below_one_is_refused(manager: CodeMemoryManager, size: int) -> None:
    with pytest.raises(ValueError, match=r"of executable memory asked for: ask for at least 1"):
        manager.allocate(size)
    with pytest.raises(ValueError, match=r"of executable memory asked for: ask for at least 1"):
        manager.allocate_unmanaged(size)


def test_empty_code_is_refused(manager: CodeMemoryManager) -> None:
    with pytest.raises(ValueError, match="0 bytes of executable memory asked for"):
        manager.allocate(b"")


@pytest.mark.parametrize("size", [3.5, "64", None, True, [1]])
def test_a_size_that_is_no_number_of_bytes_is_refused(manager: CodeMemoryManager, size: object) -> None:
    with pytest.raises(TypeError, match="a number of bytes, or the bytes themselves, asked for; got"):
        manager.allocate(size)  # type: ignore[arg-type]


def test_it_cannot_be_copied_or_pickled(manager: CodeMemoryManager) -> None:
    with manager.allocate(64, name="add") as memory:
        for clone in (copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="region 'add' cannot be copied: two owners would free it twice"):
                clone(memory)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="region 'add' cannot be pickled: its pages exist in this process only"):
                pickle.dumps(memory, protocol)


def test_it_cannot_be_made_past_a_manager() -> None:
    with pytest.raises(TypeError, match=r"made by manager\.allocate"):
        ExecutableMemory(0x1000, 64)


def test_an_unfinished_handle_is_harmless() -> None:
    handle = ExecutableMemory.__new__(ExecutableMemory)
    del handle
    gc.collect()


def test_releasing_an_address_twice_names_both_places(manager: CodeMemoryManager) -> None:
    address = manager.allocate(64, name="add").release()
    manager.release(address)
    with pytest.raises(DoubleReleaseError) as caught:
        manager.release(address)
    text = str(caught.value)
    assert text.startswith("this address has been released before. region 'add': allocated in test_handle.py, line ")
    assert ", released in test_handle.py, line " in text


def test_a_second_release_does_not_free_the_neighbour(manager: CodeMemoryManager) -> None:
    one, two, three = (manager.allocate(64).release() for _ in range(3))
    manager.release(one)
    for _ in range(2):
        with pytest.raises(DoubleReleaseError):
            manager.release(one)
    fresh = [manager.allocate(64) for _ in range(200)]
    assert {two, three}.isdisjoint(memory.address for memory in fresh)
    for memory in fresh:
        memory.close()
    manager.release(two)
    manager.release(three)


def test_an_address_inside_a_block_is_refused(manager: CodeMemoryManager) -> None:
    address = manager.allocate(256, name="add").release()
    with pytest.raises(
        InteriorAddressError,
        match=r"this address is region 'add'\+0x80, allocated in .*: give the address of its start",
    ):
        manager.release(address + 128)
    manager.release(address)


def test_an_address_inside_a_released_block_is_stale(manager: CodeMemoryManager) -> None:
    address = manager.allocate(256, name="add").release()
    manager.release(address)
    with pytest.raises(
        StaleAddressError, match=r"was \+0x80 of a block that is gone. region 'add': allocated in .*, released in"
    ):
        manager.release(address + 128)


def test_an_address_of_nobody_is_foreign(manager: CodeMemoryManager) -> None:
    with pytest.raises(ForeignAddressError, match="this address was never handed out by this manager"):
        manager.release(0x1234_5000)
    with pytest.raises(ForeignAddressError, match="this address was never handed out by this manager"):
        manager.adopt(id(manager))


def test_an_address_that_a_handle_owns_is_not_released_behind_it(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, name="add") as memory:
        with pytest.raises(
            ForeignAddressError, match=r"address of region 'add', .* which a handle owns: close that handle"
        ):
            manager.release(memory.address)
        assert kernel.call(memory.address) == 42


def test_no_message_or_repr_shows_an_address(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(64, name="add")
    texts = [repr(memory), repr(manager), str(manager.snapshot()), repr(manager.snapshot()), str(manager.statistics())]
    texts += [repr(manager.events()), str(manager.audit()), repr(manager.audit())]
    number = memory.address
    memory.close()
    for text in texts:
        assert f"{number:x}" not in text
        assert str(number) not in text


# ---- calls in flight


def test_closing_waits_for_a_running_call(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(RETURN_42, pages=True)
    address = memory.address
    inside, leave = threading.Event(), threading.Event()

    def caller() -> None:
        with memory.pinned():
            inside.set()
            assert leave.wait(HANGS_S)

    thread = threading.Thread(target=caller)
    thread.start()
    assert inside.wait(HANGS_S)
    memory.close()
    assert memory.closed
    assert kernel.call(address) == 42
    assert manager.snapshot().regions[0].state == "closing"
    assert manager.cleanup().kept[0].state == "closing"
    leave.set()
    thread.join()
    assert kernel.protection_at(address) is None
    assert manager.snapshot().regions == ()


def test_a_running_call_is_not_robbed(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(RETURN_42, name="add")
    with memory.pinned():
        for verb, use in (("moved", memory.move), ("released", memory.release)):
            with pytest.raises(MemoryInUseError, match=f"region 'add' cannot be {verb} now: a call is running in it"):
                use()
    memory.close()


def test_a_manual_owner_cannot_release_under_a_running_call(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(RETURN_42, name="add")
    pin = memory.pinned()
    address = memory.release()
    with pin, pytest.raises(MemoryInUseError, match="region 'add' cannot be released now"):
        manager.release(address)
    manager.release(address)


def test_a_pin_taken_before_closing_does_not_open_afterwards(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(RETURN_42)
    pin = memory.pinned()
    memory.close()
    with pytest.raises(ClosedMemoryError), pin:
        pytest.fail("entered a block that is gone")


# ---- forgetting


@BOTH
def test_what_is_forgotten_is_freed_and_then_reported(manager: CodeMemoryManager, pages: bool) -> None:
    memory = manager.allocate(64, name="add", pages=pages)
    address = memory.address
    with pytest.warns(
        ResourceWarning, match=r"region 'add', allocated in test_handle.py, line .*, was forgotten and has been freed"
    ):
        del memory
    assert manager.snapshot().regions == ()
    if pages:
        assert kernel.protection_at(address) is None


def test_a_cycle_of_garbage_is_freed_too(manager: CodeMemoryManager) -> None:
    box: list[object] = [manager.allocate(64, name="ring")]
    box.append(box)
    del box
    with pytest.warns(ResourceWarning, match="region 'ring'"):
        gc.collect()
    assert manager.snapshot().regions == ()


def test_a_finalizer_inside_the_lock_waits_for_nothing(manager: CodeMemoryManager) -> None:
    """The garbage collector may run while this very thread is inside the manager."""
    box: list[object] = [manager.allocate(64)]
    box.append(box)
    del box
    with manager.lock, pytest.warns(ResourceWarning):
        gc.collect()
    assert manager.snapshot().regions == ()


def test_a_handle_keeps_its_manager_alive() -> None:
    memory = CodeMemoryManager().allocate(RETURN_42)
    gc.collect()
    assert kernel.call(memory.address) == 42
    address = memory.address
    memory.close()
    del memory
    gc.collect()
    assert kernel.protection_at(address) is None


def test_the_function_of_the_rfc_allocates_from_the_session() -> None:
    session = session_manager()
    session.cleanup()  # whatever slabs earlier tests have left in it
    before = kernel.executable_mappings()
    with allocate_executable_memory(64, name="rfc") as memory:
        memory.write(RETURN_42)
        memory.seal()
        assert kernel.call(memory.address) == 42
        assert session.statistics().live == 1
    session.cleanup()
    assert kernel.executable_mappings() == before
