"""A fresh manager for each test; whatever the test leaves mapped fails it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel


@pytest.fixture
def manager(nothing_left: None) -> Iterator[CodeMemoryManager]:
    with CodeMemoryManager() as fresh:
        yield fresh
        assert kernel.writable_and_executable() == []
        sums = fresh.statistics()
        assert sums.payload + sums.rounding + sums.padding + sums.metadata + sums.free == sums.reserved
