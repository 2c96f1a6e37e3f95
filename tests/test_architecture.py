"""Which package may import which, that no imports go in a circle, and the exact doors to foreign libraries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "execmem_kernel"
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""Module name -> its file."""
FACADE = "execmem_kernel"
"""The package itself: it reaches everything, but imports nothing else until a name is asked for."""

LEVELS = {
    "wording": 0,
    "linux": 0,
    "program": 0,
    "x86": 0,
    "errors": 1,
    "assembly.diagnostics": 1,
    "assembly.syntax": 2,
    "assembly.encoding": 2,
    "execution.contract": 2,
    "memory": 2,
    "assembly.preprocessor": 3,
    "execution.syscalls": 3,
    "execution.values": 3,
    "assembly.semantics": 4,
    "assembly": 5,
    "explain": 6,
    "execution": 6,
    "execution.embedded": 6,
    "execution.process": 7,
    "execution.diagnosis": 8,
    "execution.libc": 8,
    "execution.trace": 8,
    "execution.engines": 9,
    "views": 9,
    "execution.native": 10,
    "execution.api": 11,
    "editor": 11,
    "magics": 12,
    "moved": 13,
}
"""Package -> its level: it may import packages of smaller levels, and no other package of its own."""

DOORS = {
    "keystone": {"assembly/encoding/keystone_worker.py"},
    "iced_x86": {
        "assembly/encoding/candidates.py",
        "assembly/encoding/iced_check.py",
        "assembly/encoding/iced_encoder.py",
        "x86/effects.py",
        "x86/features.py",
        "x86/forms.py",
        "x86/instruction_text.py",
        "x86/selection.py",
    },
    "capstone": {"x86/instruction_text.py"},
    "ctypes": {
        "execution/native/cpython.py",
        "execution/native/ctypes_function.py",
        "execution/native/function.py",
        "execution/native/guard.py",
        "execution/values/addresses.py",
        "linux/libc.py",
        "linux/memory.py",
        "linux/process.py",
        "linux/signals.py",
    },
    "IPython": {"__init__.py", "magics/editor.py", "magics/extension.py", "magics/session.py"},
    "anywidget": {"views/memory_map.py", "views/stepper.py"},
    "traitlets": {"views/memory_map.py", "views/stepper.py"},
    "matplotlib": {"views/charts.py"},
    "pycparser": {"execution/values/prototype_parser.py"},
    "pytest": {"memory/pytest_plugin.py"},
}
"""Foreign library -> exactly the files that import it."""


class Import(NamedTuple):
    """One mention of a module: by an import statement wherever it stands, or by its name in a string."""

    module: str
    line: int


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text())


def mentions(module: str) -> Iterator[Import]:
    """Every module that a file imports: at the top, lazily, for the type checker only, or by a name in a string."""
    for node in ast.walk(tree_of(module)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, node.lineno)
            case ast.ImportFrom(module=name, names=names, level=level):
                assert level == 0, f"{module} imports relatively"
                assert name is not None
                for alias in names:
                    inner = f"{name}.{alias.name}"
                    yield Import(inner if inner in FILES else name, node.lineno)
            case ast.Constant(value=str(text)) if text in FILES and text != FACADE:
                yield Import(text, node.lineno)


@cache
def own_imports(module: str) -> frozenset[str]:
    """The modules of this package that a module mentions."""
    return frozenset(found.module for found in mentions(module) if found.module in FILES and found.module != module)


def package_of(module: str) -> str:
    """The package whose level counts for a module: the longest in LEVELS that its name begins with."""
    name = module.removeprefix("execmem_kernel.")
    while name not in LEVELS:
        name, _, last = name.rpartition(".")
        assert last, f"{module} has no place in the layout"
    return name


def circles(graph: dict[str, frozenset[str]]) -> list[list[str]]:
    """The strongly connected components of more than one member, after Tarjan, "Depth-first search and linear graph
    algorithms" (1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


MODULES = [name for name in FILES if name != FACADE]


@pytest.mark.parametrize("module", MODULES)
def test_a_package_imports_only_packages_of_lower_levels(module: str) -> None:
    package = package_of(module)
    for other in own_imports(module) - {FACADE}:
        if package_of(other) != package:
            assert LEVELS[package_of(other)] < LEVELS[package], f"{module} imports {other}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_the_facade(module: str) -> None:
    assert FACADE not in own_imports(module)


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles({module: own_imports(module) - {FACADE} for module in MODULES}) == []


def test_a_circle_would_be_found() -> None:
    graph = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b"), "d": frozenset("a")}
    assert circles(graph) == [["b", "c"]]


def test_every_package_of_the_table_exists() -> None:
    assert {package_of(module) for module in MODULES} == set(LEVELS)


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_foreign_library_has_exactly_its_doors(library: str) -> None:
    found = {
        FILES[module].relative_to(PACKAGE).as_posix()
        for module in FILES
        if any(found.module.split(".")[0] == library for found in mentions(module))
    }
    assert found == DOORS[library]


def test_javascript_lives_in_files_of_its_own() -> None:
    for module in FILES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert "export default" not in node.value, module
                assert "addEventListener" not in node.value, module


def test_no_two_public_classes_share_a_name() -> None:
    homes: dict[str, str] = {}
    for module in FILES:
        for node in tree_of(module).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert node.name not in homes, f"{node.name} stands in {homes[node.name]} and {module}"
                homes[node.name] = module


PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`?\b((?:[\w.]+/)*[\w-]+\.(?:py|s|md|json|toml))\b", text)) - {"NAME.py", "views/NAME.py"}
    places = [ROOT, PACKAGE, *(path for top in (PACKAGE, ROOT / "tests") for path in top.rglob("*") if path.is_dir())]
    missing = {name for name in named if not any((place / name).exists() for place in places)}
    assert len(named) > 20
    assert missing == set()


def test_the_table_of_levels_is_in_the_architecture_page() -> None:
    rows = re.findall(r"^\| (\d+) \| `([\w.]+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert {name: int(level) for level, name in rows} == {k: v for k, v in LEVELS.items() if k != "execution"}
