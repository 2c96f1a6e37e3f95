"""The host's own C library."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.errors import EngineUnavailableError
from execmem_kernel.execution.contract.outcome import Returned
from execmem_kernel.execution.libc import host_files
from execmem_kernel.linux import memory as linux_memory


def calling(names: str, body: str, data: str = "") -> str:
    """A program whose stack is aligned, and whose lines can be counted: the body starts on line 6."""
    return (
        f"extern {names}\nsection .data\ndata: {data or 'db 0'}\nsection .text\nmain: push rbx\n{body}\npop rbx\nret\n"
    )


def test_a_host_without_glibc_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    host_files.host_libraries.cache_clear()
    elsewhere = [linux_memory.KernelMapping(0, 4096, "r-xp", 0, 1, "/lib/ld-musl-x86_64.so.1")]
    monkeypatch.setattr(linux_memory, "mappings", lambda: elsewhere)
    with pytest.raises(EngineUnavailableError, match="musl"):
        em.run("extern puts\nmain: call puts\nret\n")
    monkeypatch.undo()
    host_files.host_libraries.cache_clear()
    assert isinstance(em.run(calling("puts", "lea rdi, [data]\ncall puts")), Returned)
