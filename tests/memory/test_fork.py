"""After fork() a child may call its parent's code, and change nothing of it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import pytest

import execmem_kernel as em
from execmem_kernel.errors import InheritedMemoryError
from execmem_kernel.memory.backends import MEMORY_FILE
from execmem_kernel.memory.handle import block_of
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.mapping import Region, SystemCalls
from tests import kernel
from tests.kernel import RETURN_42, RETURN_43

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def in_child(action: Callable[[], object]) -> str:
    """Run something in a forked child; returns what it returned or raised, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = str(action())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return text


BOTH = pytest.mark.parametrize("pages", [False, True], ids=["pool", "own pages"])


def test_without_the_contract_a_child_changes_its_parents_function() -> None:
    """The failure of managers with shared mappings, on a bare region: this is what the contract is for."""
    region = Region.map(4096, "bare", (0,), 4096, MEMORY_FILE, SystemCalls(), [], [])
    assert region is not None
    region.write(0, RETURN_42)
    assert kernel.call(region.address) == 42
    in_child(lambda: os.pwrite(region.write_descriptor, RETURN_43, 0))
    assert kernel.call(region.address) == 43
    region.close()


@BOTH
def test_a_child_may_call_what_it_inherits(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(RETURN_42, pages=pages) as memory:
        assert in_child(lambda: kernel.call(memory.address)) == "42"


@BOTH
def test_a_child_may_not_write(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(64, pages=pages) as memory:
        memory.write(RETURN_42)
        told = in_child(lambda: memory.write(RETURN_43))
        assert told.startswith("InheritedMemoryError: this manager belongs to the process this one was forked from")
        assert "may be called here, not written to" in told
        assert kernel.call(memory.address) == 42


@BOTH
def test_a_child_that_tries_past_us_has_no_descriptor_to_write_with(manager: CodeMemoryManager, pages: bool) -> None:
    with manager.allocate(64, pages=pages) as memory:
        memory.write(RETURN_42)
        descriptor = block_of(memory).region.write_descriptor
        assert descriptor > 2
        assert in_child(lambda: os.pwrite(descriptor, RETURN_43, block_of(memory).offset)).startswith(
            "OSError: [Errno 9]"
        )
        assert kernel.call(memory.address) == 42


def test_a_child_may_not_release_allocate_move_seal_or_clean_up(manager: CodeMemoryManager) -> None:
    memory = manager.allocate(64)
    address = manager.allocate(64).release()
    attempts: list[Callable[[], object]] = [
        memory.close, memory.move, memory.release, memory.seal, manager.cleanup, lambda: manager.allocate(64),
        lambda: manager.release(address), lambda: manager.adopt(address), lambda: manager.allocate_unmanaged(64),
    ]  # fmt: skip
    for attempt in attempts:
        assert in_child(attempt).startswith("InheritedMemoryError: ")
    memory.close()
    manager.release(address)


@BOTH
def test_a_child_that_leaves_its_scopes_frees_nothing(manager: CodeMemoryManager, pages: bool) -> None:
    def leave() -> int:
        with manager:
            with memory:
                pass
            return kernel.call(memory.address)

    with manager.allocate(RETURN_42, pages=pages) as memory:
        assert in_child(leave) == "42"
        assert kernel.call(memory.address) == 42


def test_a_child_that_forgets_everything_frees_nothing_and_warns_of_nothing(manager: CodeMemoryManager) -> None:
    holder = {"memory": manager.allocate(RETURN_42, pages=True)}
    address = holder["memory"].address

    def forget() -> int:
        holder.clear()
        gc.collect()
        return kernel.call(address)

    assert in_child(forget) == "42"
    assert kernel.call(address) == 42
    holder["memory"].close()


def test_a_child_gets_a_session_manager_of_its_own() -> None:
    parent = em.manager()

    def child() -> int:
        assert parent.inherited
        assert em.manager() is not parent
        with em.manager().allocate(RETURN_43) as memory:
            return kernel.call(memory.address)

    assert in_child(child) == "43"
    assert em.manager() is parent


def test_a_fork_while_another_thread_allocates_leaves_the_child_usable(manager: CodeMemoryManager) -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            manager.allocate(RETURN_42).close()

    thread = threading.Thread(target=churn)
    memory = manager.allocate(RETURN_42)
    thread.start()
    try:
        for _ in range(20):
            with memory.pinned():
                assert in_child(lambda: kernel.call(memory.address)) == "42"
    finally:
        stop.set()
        thread.join()
        memory.close()


def test_a_child_of_a_child_is_no_exception(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42) as memory:
        told = in_child(lambda: in_child(lambda: memory.write(RETURN_43)))
        assert told.startswith(InheritedMemoryError.__name__)


def test_books_can_be_read_in_a_child(manager: CodeMemoryManager) -> None:
    with manager.allocate(RETURN_42, name="add"):
        assert in_child(lambda: manager.snapshot().regions[0].name) == "add"
        assert in_child(lambda: manager.statistics().live) == "1"


def test_an_audit_in_a_child_finds_the_parents_code_owned(manager: CodeMemoryManager) -> None:
    before = len(manager.audit().foreign)
    with manager.allocate(RETURN_42, pages=True), manager.allocate(RETURN_42):
        assert in_child(lambda: len(manager.audit().foreign) - before) == "0"
