"""What `import execmem_kernel` promises."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import execmem_kernel as em
from execmem_kernel import errors


def test_every_public_name_exists() -> None:
    for name in em.__all__:
        assert getattr(em, name) is not None


def said_in_the_source() -> tuple[dict[str, str], dict[str, str], set[str]]:
    """What __init__.py imports for type checkers and which errors, name -> module; and what it defines itself."""
    tree = ast.parse(inspect.getsource(em))
    typed, imported, defined = {}, {}, set()
    for statement in tree.body:
        match statement:
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
                typed |= homes_in(body)
            case ast.ImportFrom(module="execmem_kernel.errors"):
                imported |= homes_in([statement])
            case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                defined.add(name)
    return typed, imported, defined


def homes_in(statements: list[ast.stmt]) -> dict[str, str]:
    """The package's names that some imports bring in, each with its module."""
    return {
        alias.asname or alias.name: statement.module
        for statement in statements
        if isinstance(statement, ast.ImportFrom) and statement.module and statement.module.startswith("execmem_kernel")
        for alias in statement.names
    }


def test_what_type_checkers_see_is_what_first_use_imports() -> None:
    typed, imported, defined = said_in_the_source()
    assert typed == em._HOME_OF
    assert sum(len(names) for names in em._HOMES.values()) == len(em._HOME_OF)
    own = {name for name in defined if not name.startswith("_")} | {"__version__"}
    assert em.__all__ == sorted({*typed, *imported, *own})


def test_every_error_is_a_public_name() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes <= set(em.__all__)
    assert all(getattr(em, name) is getattr(errors, name) for name in classes)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        em.no_such_name  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"keystone", "capstone", "iced_x86", "matplotlib", "anywidget", "IPython", "numpy", "pycparser", "ctypes"}
    script = "import sys, execmem_kernel; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert heavy.isdisjoint(loaded)


def test_the_command_of_the_readme_prints_42() -> None:
    script = (
        "import execmem_kernel as em;"
        r"print(em.run('lea rax,[rdi+rsi]\nret', registers={'rdi':40,'rsi':2}).registers['rax'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"
    assert done.stderr == ""


def test_programs_outcomes_and_books_can_be_copied_and_sent() -> None:
    source = "again: add eax, edi\ndec edi\njnz again\nmovd xmm0, eax\nret"
    program = em.assemble(source)
    outcome = em.run(program, registers={"rdi": 3}, trace=True)
    values = (program, outcome, outcome.trace, em.manager().snapshot(), em.manager().audit())
    for value in values:
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.deepcopy(value) == value


def test_a_worker_process_sends_its_outcome_home() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as workers:
        outcome = workers.submit(em.run, "xor eax, eax\nmov rax, [rax]\nret").result()
    assert isinstance(outcome, em.Faulted)
    assert outcome.report() == em.run("xor eax, eax\nmov rax, [rax]\nret").report()


OLD_VALUES = Path(__file__).parent / "data" / "values-0.1.0.pickle"
"""Made by version 0.1.0: `pickle.dumps` of a dictionary of one value of each public class, protocol 4."""


def test_pickles_of_version_0_1_still_open() -> None:
    """A value of each public class, as that version wrote it; see OLD_VALUES."""
    values = pickle.loads(OLD_VALUES.read_bytes())
    program, returned = values["program"], values["returned"]
    assert values["data"].read("x", 4) == (42).to_bytes(4, "little")
    assert [row.text for row in program.listing if row.kind == "instruction"] == [
        row.text for row in em.assemble(program.source).listing if row.kind == "instruction"
    ]
    assert returned.registers["rax"] == 6
    assert [step.line for step in returned.trace] == [1, 2, 3] * 3 + [4, 5]
    for name in ("faulted", "timed_out", "exited", "buffers", "hello", "data"):
        assert values[name].report(), name
    assert values["faulted"].headline == em.run("xor eax, eax\nmov rax, [rax]\nret").headline
    assert [region.name for region in values["snapshot"].regions] == ["kept"]
    assert [finding.name for finding in values["audit"].findings] == ["kept"]
    assert values["error"].diagnostics[0].code == "ASM100"
    assert pickle.loads(pickle.dumps(values["returned"])) == returned
