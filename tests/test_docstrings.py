"""What every public docstring of the package says: a sentence, arguments from three on, what is raised."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from execmem_kernel import errors

PACKAGE = Path(__file__).parent.parent / "execmem_kernel"
FILES = sorted(PACKAGE.rglob("*.py"))
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
"""Our own exceptions, and those of Python that misuse raises (below)."""
MISUSE = {"ValueError", "TypeError", "KeyError", "IndexError", "AttributeError"}
"""Exceptions of Python's that a caller causes and may want to catch."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def public_functions(tree: ast.Module) -> Iterator[tuple[Function, bool]]:
    """Every public function and method of public classes, with whether it is a method."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node, False
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, Function) and not inner.name.startswith("_"):
                    yield inner, True


def is_overload(function: Function) -> bool:
    return any(ast.unparse(decorator).endswith("overload") for decorator in function.decorator_list)


def parameters(function: Function, method: bool) -> list[str]:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    static = any(ast.unparse(decorator) == "staticmethod" for decorator in function.decorator_list)
    if method and not static:
        names = names[1:]
    return names + [argument.arg for argument in arguments.kwonlyargs]


def raised_in(function: Function) -> set[str]:
    """The exceptions that a function's own body raises by name, past what it catches itself."""
    found: set[str] = set()

    def walk(node: ast.AST, caught: frozenset[str]) -> None:
        if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)) and node is not function:
            return
        if isinstance(node, ast.Try):
            inner = caught | {
                name.id
                for handler in node.handlers
                if handler.type is not None
                for name in ast.walk(handler.type)
                if isinstance(name, ast.Name)
            }
            for child in node.body:
                walk(child, inner)
            for other in (*node.handlers, *node.orelse, *node.finalbody):
                walk(other, caught)
            return
        if isinstance(node, ast.Raise) and node.exc is not None:
            raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = raised.attr if isinstance(raised, ast.Attribute) else getattr(raised, "id", "")
            if name in ERRORS | MISUSE and name not in caught:
                found.add(name)
        for child in ast.iter_child_nodes(node):
            walk(child, caught)

    walk(function, frozenset())
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_public_functions_say_what_a_caller_needs(path: Path) -> None:
    missing = []
    for function, method in public_functions(ast.parse(path.read_text())):
        if is_overload(function):
            continue
        where = f"{name_of(path)}:{function.lineno} {function.name}"
        text = ast.get_docstring(function)
        if text is None:
            if not (method and function.name in {"visit", "generic_visit"}):
                missing.append(f"{where} has no docstring")
            continue
        if not text.split("\n\n")[0].rstrip().endswith((".", "?", "!", ":", "`")):
            missing.append(f"{where} does not begin with a sentence")
        if len(parameters(function, method)) >= 3 and "Args:" not in text:
            missing.append(f"{where} has {len(parameters(function, method))} parameters and no Args")
        missing += [f"{where} raises {name}" for name in sorted(raised_in(function)) if name not in text]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text is not None
    assert text.split("\n\n")[0].rstrip().endswith((".", ":", "`", "?", "!"))
