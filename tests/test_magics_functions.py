"""`%%asm --function`: a cell of assembly becomes a Python function."""

from __future__ import annotations

import inspect

import pytest

from execmem_kernel import errors
from tests.test_magics import Notebook, bare, notebook

__all__ = ["bare", "notebook"]  # fixtures

ADD = '%%asm --function "int64_t add(int64_t a, int64_t b)"{options}\nlea rax, [rdi + rsi]\nret\n'


def test_a_cell_becomes_a_function_of_its_prototypes_name(notebook: Notebook) -> None:
    shown = notebook.cell(ADD.format(options=""))
    assert (
        shown.splitlines()[0] == "function: add is a Python function now; isolated: a process of its own for every call"
    )
    assert "lea rax, [rdi + rsi]" in shown
    assert notebook["add"](40, 2) == 42
    notebook.cell("assert add.map([(n, n) for n in range(10)]) == [2 * n for n in range(10)]")


def test_a_native_cell_becomes_a_builtin(notebook: Notebook) -> None:
    shown = notebook.cell(ADD.format(options=" --native --name plus"))
    assert shown.splitlines()[0] == (
        "function: plus is a Python function now; native: a builtin made of machine code, guarded against faults"
    )
    assert inspect.isbuiltin(notebook["plus"])
    assert notebook["plus"](40, 2) == 42
    assert "add" not in notebook.shell.user_ns


def test_a_function_of_a_cell_reports_its_fault_by_the_cells_line(notebook: Notebook) -> None:
    for native in ("", "--native"):
        notebook.cell(f'%%asm --function "int f(void)" {native}\nxor eax, eax\nmov eax, [rax]\nret\n')
        assert notebook.fails("f()", errors.SegmentationFault).startswith("line 2: reads 4 bytes at address 0")


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        ("%%asm --native\nret", errors.MagicError, "--native needs a prototype"),
        ('%%asm rdi=1 --function "int f(void)"\nret', errors.MagicError, "rdi=1: with --function"),
        ('%%asm --function "int f("\nret', errors.PrototypeError, "is not complete"),
        ('%%asm --function "int f(void)"\nmove eax', errors.AssemblyError, "line 1"),
    ],
)
def test_what_is_wrong_fails_the_cell_and_makes_nothing(
    notebook: Notebook, cell: str, error: type[BaseException], message: str
) -> None:
    assert message in notebook.fails(cell, error)
    assert "f" not in notebook.shell.user_ns
