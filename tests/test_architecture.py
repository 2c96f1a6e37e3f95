"""Who may import whom, and which file is the one door to each foreign library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "execmem_kernel"
FILES = sorted(PACKAGE.rglob("*.py"))

ROOMS = {
    "errors": set(),
    "linux": {"errors"},
    "assembly": {"errors"},
    "memory": {"errors", "linux"},
    "execution": {"errors", "linux", "assembly", "memory"},
    "views": {"errors", "linux", "assembly", "memory", "execution"},
    "magics": {"errors", "linux", "assembly", "memory", "execution", "views"},
    "__init__": {"errors", "magics"},
}
"""Room -> the other rooms it may import. `__init__` reaches the rest by name, on first use."""

VERBS_CLOSED_TO_VIEWS = {
    "execmem_kernel.assembly.assembler",
    "execmem_kernel.assembly.encoder",
    "execmem_kernel.execution.supervisor",
    "execmem_kernel.execution.running",
    "execmem_kernel.execution.native",
    "execmem_kernel.linux",
}
"""Views receive values; what makes or measures them is not theirs to call."""

DOORS = {
    "keystone": {"assembly/encoder.py", "assembly/keystone_worker.py"},
    "iced_x86": {"assembly/effects.py", "assembly/encoder.py", "assembly/forms.py"},
    "capstone": {"assembly/disassembler.py"},
    "ctypes": {"linux.py", "execution/native.py"},
    "mmap": {"linux.py", "execution/native.py"},
    "IPython": {"magics.py"},
    "anywidget": {"views/memory_map.py", "views/stepper.py"},
    "traitlets": {"views/memory_map.py", "views/stepper.py"},
    "matplotlib": {"views/charts.py"},
    "pycparser": {"execution/prototype.py"},
    "pytest": {"memory/pytest_plugin.py"},
}
"""Foreign library -> the only files that import it."""


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module a file imports, with whether the import runs (False: only for the type checker)."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in typing_only
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            assert node.module is not None
            yield node.module, id(node) not in typing_only
            if node.module.startswith("execmem_kernel"):
                for alias in node.names:
                    yield f"{node.module}.{alias.name}", id(node) not in typing_only


def room_of(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] != "execmem_kernel" or len(parts) < 2:
        return None
    return parts[1] if parts[1] in ROOMS else None


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_room_imports_only_what_stands_below_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in ROOMS, f"{room} has no place in the layout"
    for module, runs in imports(path):
        other = room_of(module)
        if runs and other is not None and other != room:
            assert other in ROOMS[room], f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "views").glob("*.py")), ids=name_of)
def test_views_call_nothing_that_measures_or_runs(path: Path) -> None:
    for module, runs in imports(path):
        assert not (runs and module in VERBS_CLOSED_TO_VIEWS), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_foreign_library_has_one_door(library: str) -> None:
    found = {
        name_of(path) for path in FILES for module, runs in imports(path) if runs and module.split(".")[0] == library
    }
    assert found <= DOORS[library]
    assert found, f"nothing imports {library}: take it out of the table"


def test_nobody_imports_the_magics_but_the_package_itself() -> None:
    for path in FILES:
        if name_of(path) != "__init__.py":
            assert not any(module.startswith("execmem_kernel.magics") for module, _ in imports(path)), path


def test_javascript_lives_in_files_of_its_own() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert "export default" not in node.value, path
                assert "addEventListener" not in node.value, path
