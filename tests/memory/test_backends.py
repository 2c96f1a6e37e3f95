"""One contract, held by every backend: what may be done with its pages before and after they are frozen."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Iterator
from typing import get_args

import pytest

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.backends import BACKENDS, MEMORY_FILE
from execmem_kernel.memory.mapping import INT3, Backend, BackendName, Protection, Region, SystemCalls
from tests import kernel
from tests.kernel import RETURN_42

SIZE = mmap.PAGESIZE


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    chosen: Backend = request.param
    return chosen


@pytest.fixture
def region(backend: Backend, nothing_left: None) -> Iterator[Region]:
    made = Region.map(SIZE, "contract", (0,), SIZE, backend, SystemCalls(), [], [], RETURN_42)
    assert made is not None
    yield made
    made.close()


def test_there_is_one_for_every_name() -> None:
    assert tuple(backend.name for backend in BACKENDS) == get_args(BackendName)


def test_pages_hold_the_code_and_int3_behind_it(region: Region) -> None:
    assert region.read(0, SIZE) == RETURN_42.ljust(SIZE, INT3)


def test_what_is_written_is_what_the_processor_sees(region: Region) -> None:
    region.write(100, RETURN_42)
    region.freeze()
    assert kernel.call(region.address + 100) == 42


def test_what_it_says_of_its_pages_is_what_the_kernel_says(region: Region) -> None:
    for freeze in (lambda: None, region.freeze):
        freeze()
        assert region.protection in get_args(Protection)
        assert kernel.protection_at(region.address)[:3] == region.protection
    assert region.protection == "r-x"


def test_frozen_pages_cannot_be_made_writable_and_executable(region: Region) -> None:
    region.freeze()
    assert region.write_descriptor == -1
    with pytest.raises(AssertionError):
        linux_memory.protect_pages(region.address, SIZE, 7)


def test_a_write_to_a_file_that_stores_too_little_is_an_error(
    nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = Region.map(SIZE, "short", (0,), SIZE, MEMORY_FILE, SystemCalls(), [], [])
    assert region is not None
    monkeypatch.setattr(linux_memory, "pwrite", lambda descriptor, data, offset: len(data) - 1)
    with pytest.raises(OSError, match="no memory left") as raised:
        region.write(0, RETURN_42)
    assert raised.value.errno == errno.ENOSPC
    region.close()
