"""The page of errors: its drawing is true, and every error survives a journey between processes."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from execmem_kernel import errors
from execmem_kernel.program.diagnostic import Diagnostic, Span

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__]


def drawn_tree() -> dict[str, str | None]:
    """Class -> parent, as the module's docstring draws it."""
    tree: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^( {4,})([A-Z]\w+)(\s{2,}.*|\s+\(.*|)$", line)
        if found:
            depth, name = len(found[1]), found[2]
            while above and above[-1][0] >= depth:
                above.pop()
            tree[name] = above[-1][1] if above else None
            above.append((depth, name))
    return tree


def test_the_tree_in_the_docstring_is_the_real_tree() -> None:
    real = {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES}
    real["ExecmemError"] = None
    assert drawn_tree() == real


def test_the_builtins_named_in_the_drawing_are_real_bases() -> None:
    for name, builtin in re.findall(r"^\s+(\w+)\s+\((\w+)\)", errors.__doc__ or "", re.MULTILINE):
        assert builtin in [base.__name__ for base in getattr(errors, name).__mro__], name


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_survives_pickling_with_its_message(cls: type[errors.ExecmemError]) -> None:
    if cls is errors.AssemblyError:
        original: errors.ExecmemError = cls([Diagnostic("error", "ASM001", "wrong", Span(1, 1, 2), "x", "try y")])
    else:
        original = cls("line 2: something happened")
    copy = pickle.loads(pickle.dumps(original))
    assert type(copy) is cls
    assert str(copy) == str(original)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_shows_as_one_entry_in_a_notebook(cls: type[errors.ExecmemError]) -> None:
    error = cls(()) if cls is errors.AssemblyError else cls("sentence")
    assert len(error._render_traceback_()) == 1
    assert error._render_traceback_()[0].startswith(cls.__name__)
    assert cls.__doc__
