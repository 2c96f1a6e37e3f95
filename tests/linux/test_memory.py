"""The lowest layer, where it makes promises of its own: what it refuses, and what it makes of the kernel's text."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execmem_kernel.linux import memory as linux_memory
from tests import kernel

READ_WRITE_EXECUTE = linux_memory.PROT_READ | linux_memory.PROT_WRITE | linux_memory.PROT_EXEC
ANONYMOUS = linux_memory.MAP_PRIVATE | linux_memory.MAP_ANONYMOUS


def test_nothing_is_ever_mapped_or_made_writable_and_executable() -> None:
    with pytest.raises(AssertionError, match="never writable and executable"):
        linux_memory.map_pages(0, 4096, READ_WRITE_EXECUTE, ANONYMOUS)
    address = linux_memory.map_pages(0, 4096, linux_memory.PROT_READ, ANONYMOUS)
    with pytest.raises(AssertionError, match="never writable and executable"):
        linux_memory.protect_pages(address, 4096, READ_WRITE_EXECUTE)
    assert kernel.protection_at(address) == "r--p"
    linux_memory.unmap_pages([(address, 4096)])
    assert kernel.protection_at(address) is None


def test_a_taken_range_is_not_replaced() -> None:
    address = linux_memory.map_pages(0, 8192, linux_memory.PROT_READ | linux_memory.PROT_WRITE, ANONYMOUS)
    linux_memory.copy_to_memory(address, b"mine")
    with pytest.raises(OSError, match="mmap") as caught:
        linux_memory.map_pages(
            address + 4096, 4096, linux_memory.PROT_NONE, ANONYMOUS | linux_memory.MAP_FIXED_NOREPLACE
        )
    assert caught.value.errno == errno.EEXIST
    assert linux_memory.read_memory(address, 4) == b"mine"
    linux_memory.unmap_pages([(address, 8192)])


def test_a_failed_call_says_its_name_and_errno() -> None:
    for call, failing in (
        ("mmap", lambda: linux_memory.map_pages(0, 0, linux_memory.PROT_READ, ANONYMOUS)),
        ("munmap", lambda: linux_memory.unmap_pages([(1, 4096)])),
        ("mprotect", lambda: linux_memory.protect_pages(1, 4096, linux_memory.PROT_READ)),
    ):
        with pytest.raises(OSError, match=f"{call}: Invalid argument") as caught:
            failing()
        assert caught.value.errno == errno.EINVAL


def test_a_frozen_file_can_be_changed_by_nobody() -> None:
    descriptor = linux_memory.code_file("test")
    linux_memory.resize_file(descriptor, 4096)
    linux_memory.pwrite(descriptor, b"before", 0)
    linux_memory.freeze_file(descriptor)
    for change in (
        lambda: linux_memory.pwrite(descriptor, b"after", 0),
        lambda: linux_memory.resize_file(descriptor, 0),
    ):
        with pytest.raises(PermissionError):
            change()
    assert os.pread(descriptor, 6, 0) == b"before"
    os.close(descriptor)


def test_a_code_file_is_no_program_and_is_not_inherited() -> None:
    descriptor = linux_memory.code_file("test")
    assert not os.get_inheritable(descriptor)
    with pytest.raises(PermissionError):
        os.execve(descriptor, ["test"], {})
    os.close(descriptor)


def test_a_read_only_way_in_maps_pages_that_cannot_become_writable() -> None:
    writing = linux_memory.code_file("test")
    linux_memory.resize_file(writing, 4096)
    reading = linux_memory.reopen_read_only(writing)
    address = linux_memory.map_pages(
        0, 4096, linux_memory.PROT_READ | linux_memory.PROT_EXEC, linux_memory.MAP_SHARED, reading
    )
    with pytest.raises(PermissionError, match="mprotect"):
        linux_memory.protect_pages(address, 4096, linux_memory.PROT_READ | linux_memory.PROT_WRITE)
    linux_memory.pwrite(writing, b"seen at once", 100)
    assert linux_memory.read_memory(address + 100, 12) == b"seen at once"
    assert linux_memory.view_memory(address, 4096)[100:112] == b"seen at once"
    linux_memory.unmap_pages([(address, 4096)])
    os.close(reading)
    os.close(writing)


def test_the_list_of_mappings_is_the_kernels() -> None:
    found = linux_memory.mappings()
    assert all(line.size > 0 and len(line.protection) == 4 for line in found)
    assert [line.start for line in found] == sorted(line.start for line in found)
    assert any(line.path == "[stack]" for line in found)
    assert any("libc" in line.path and "x" in line.protection for line in found)


LINES = (
    "00400000-00401000 r-xp 00000000 fe:00 7    /usr/bin/a name with blanks\n"
    "7f0000008000-7f0000009000 rw-p 00000000 00:00 0 \n"
    "7f000000a000-7f000000b000 r-xs 00002000 00:01 5    /memfd:execmem:add (deleted)\n"
)


def test_a_line_is_read_in_all_its_parts() -> None:
    assert linux_memory.parse_mappings(LINES) == [
        linux_memory.KernelMapping(0x400000, 0x401000, "r-xp", 0, 7, "/usr/bin/a name with blanks"),
        linux_memory.KernelMapping(0x7F0000008000, 0x7F0000009000, "rw-p", 0, 0, ""),
        linux_memory.KernelMapping(0x7F000000A000, 0x7F000000B000, "r-xs", 0x2000, 5, "/memfd:execmem:add (deleted)"),
    ]


@given(st.integers(0, len(LINES)))
def test_torn_text_loses_lines_and_invents_none(cut: int) -> None:
    whole = {(line.start, line.protection) for line in linux_memory.parse_mappings(LINES)}
    torn = linux_memory.parse_mappings(LINES[:cut]) + linux_memory.parse_mappings(LINES[cut:].partition("\n")[2])
    assert {(line.start, line.protection) for line in torn} <= whole
