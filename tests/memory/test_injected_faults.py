"""The n-th system call fails, for every n: what was asked either works or raises ours, and nothing is left behind."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from typing import Any

import pytest

from execmem_kernel.errors import CodeMemoryError, UnreachableError
from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.growth import Fixed
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel
from tests.kernel import RETURN_42

CALLS = (
    "open_code_file", "resize_file", "pwrite", "reopen_held_read_only", "reserve_pages", "map_pages", "protect_pages",
    "freeze_file", "unmap_pages",
)  # fmt: skip
"""Every function of linux.py that a manager may reach and that can fail."""


class FailingKernel:
    """Lets calls through but the n-th (and all later ones, if `for_good`), which fails with an errno."""

    def __init__(self, patch: pytest.MonkeyPatch, fails_at: int, number: int, for_good: bool) -> None:
        self.count = 0
        self.broken = True
        for name in CALLS:
            patch.setattr(linux_memory, name, self.wrap(getattr(linux_memory, name), fails_at, number, for_good))

    def wrap(self, real: Callable[..., Any], fails_at: int, number: int, for_good: bool) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.count += 1
            if self.broken and (self.count == fails_at or (for_good and self.count > fails_at)):
                raise OSError(number, "injected")
            return real(*arguments)

        return call


def life(manager: CodeMemoryManager) -> int:
    """One of everything; returns how many steps raised."""
    raised = 0
    held = []
    for step in (
        lambda: manager.allocate(RETURN_42),
        lambda: manager.allocate(64),
        lambda: manager.allocate(RETURN_42, pages=True),
        lambda: manager.allocate(64, pages=True),
        lambda: manager.allocate(RETURN_42, mapped=False),
        lambda: manager.allocate(9000),
        lambda: manager.allocate(20_000),
    ):
        try:
            memory = step()
        except CodeMemoryError:
            raised += 1
            continue
        held.append(memory)
        if not memory.sealed:
            for finish in (lambda memory=memory: memory.write(RETURN_42), memory.seal):
                try:
                    finish()
                except CodeMemoryError:
                    raised += 1
        if memory.sealed and memory.read(0, 6) == RETURN_42:
            with contextlib.suppress(UnreachableError):
                assert kernel.call(memory.address) == 42
    for memory in held:
        memory.close()
    return raised


def sums_hold(manager: CodeMemoryManager) -> bool:
    numbers = manager.statistics()
    return numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free == numbers.reserved


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("number", [errno.ENOMEM, errno.EACCES, errno.EMFILE])
def test_no_failing_system_call_leaves_anything_behind(number: int, for_good: bool) -> None:
    before = kernel.mappings_of_ours(), kernel.executable_mappings(), kernel.open_files()
    fails_at, steps = 1, 1
    while fails_at <= steps:
        manager = CodeMemoryManager(growth=Fixed(16 * 1024))
        with pytest.MonkeyPatch.context() as patch:
            host = FailingKernel(patch, fails_at, number, for_good)
            life(manager)
            steps = 60 if for_good else host.count
            assert sums_hold(manager)
            assert manager.statistics().live == 0
            host.broken = False
            assert life(manager) == 0, f"not usable after call {fails_at} failed"
            manager.cleanup()
        numbers = manager.statistics()
        assert (numbers.reserved, numbers.stuck) == (0, 0)
        if fails_at <= steps and not for_good:
            assert sum(count for (_, name), count in numbers.failures.items() if name != "EEXIST") == 1
        assert (kernel.mappings_of_ours(), kernel.executable_mappings(), kernel.open_files()) == before, fails_at
        fails_at += 1
    assert fails_at > 30


def test_a_short_write_is_an_error(manager: CodeMemoryManager, monkeypatch: pytest.MonkeyPatch) -> None:
    with manager.allocate(64) as memory:
        monkeypatch.setattr(linux_memory, "pwrite", lambda descriptor, data, offset: len(data) - 1)
        with pytest.raises(MemoryError, match="no memory left for memory files"):
            memory.write(RETURN_42)
        monkeypatch.undo()
        memory.write(RETURN_42)


def test_a_region_that_cannot_be_unmapped_is_tried_again(
    manager: CodeMemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = manager.allocate(RETURN_42, pages=True)
    address = memory.address

    def refuse(held: list[tuple[int, int]]) -> None:
        raise OSError(errno.ENOMEM, "munmap would have to split a mapping")

    monkeypatch.setattr(linux_memory, "unmap_pages", refuse)
    memory.close()
    assert manager.statistics().stuck == 1
    assert manager.statistics().failures == {("munmap", "ENOMEM"): 1}
    assert kernel.protection_at(address) == "r-xs"
    monkeypatch.undo()
    manager.cleanup()
    assert manager.statistics().stuck == 0
    assert kernel.protection_at(address) is None
