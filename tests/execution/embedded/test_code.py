"""Machine code of ours in the notebook's process: there once, and for each process by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from execmem_kernel.errors import ProtectionDeniedError
from execmem_kernel.execution.embedded.code import EmbeddedCode
from execmem_kernel.memory.manager import CodeMemoryManager

LAUNCHER = "execmem_kernel.execution.process", "launcher"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a source file of its own, which adds 1 to its argument."""
    folder = tmp_path / "package_with_code"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "add.s").write_text("lea rax, [rdi + 1]\nret\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder.name


def test_a_packages_source_file_becomes_a_function(package: str) -> None:
    code = EmbeddedCode(package, "add")
    assert not code.is_there
    add = code.function()
    assert add is not None
    assert add(41) == 42
    assert code.is_there
    assert code.function() is add


def test_a_forked_child_has_code_of_its_own(package: str) -> None:
    code = EmbeddedCode(package, "add")
    assert code.function() is not None
    child = os.fork()
    if not child:
        inherited = code.is_there
        add = code.function()
        os._exit(0 if not inherited and add is not None and add(1) == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_host_that_allows_no_executable_memory_has_no_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise ProtectionDeniedError("this host allows no executable memory")

    monkeypatch.setattr(CodeMemoryManager, "allocate", refuse)
    code = EmbeddedCode(*LAUNCHER)
    assert code.function() is None
    assert not code.is_there
