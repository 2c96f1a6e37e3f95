"""What type checkers and editors see of the package, none of which runs it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

import execmem_kernel as em

ROOT = Path(em.__file__).parent.parent

USER = """\
from collections.abc import Callable
from typing import Any, assert_type

import execmem_kernel as em
from execmem_kernel import Program, assemble, run

ADD = "lea rax, [rdi + rsi]\\nret"
PROTOTYPE = "long add(long a, long b)"

assert_type(em.run("ret").registers["rax"], int)
assert_type(em.run("ret"), em.Outcome)
assert_type(run(assemble("ret")), em.Outcome)
assert_type(em.assemble("ret"), Program)
assert_type(em.function(ADD, PROTOTYPE), em.Function)
assert_type(em.function(ADD, PROTOTYPE, native=False), em.Function)
assert_type(em.function(ADD, PROTOTYPE, native=True), Callable[..., Any])
assert_type(em.manager(), em.CodeMemoryManager)
assert_type(em.manager().allocate(64), em.ExecutableMemory)
assert_type(em.__version__, str)


def chosen(native: bool) -> Callable[..., Any]:
    return em.function(ADD, PROTOTYPE, native=native)


def told(source: str) -> str:
    try:
        return em.run(source).report()
    except em.AssemblyError as error:
        return str(error.diagnostics)


em.run(1, bogus=2)  # wrong
em.run("ret", bogus=2)  # wrong
em.run(1)  # wrong
em.functoin("x")  # wrong
em.function(ADD)  # wrong
em.function(ADD, PROTOTYPE, native="yes")  # wrong
em.function(ADD, PROTOTYPE, syntax="masm")  # wrong
em.run("ret").registers[0]  # wrong
em.SegmentationFualt  # wrong
"""
"""A program of somebody's. What is marked is a mistake; everything else is right."""

WRONG = {number for number, line in enumerate(USER.splitlines(), 1) if line.endswith("# wrong")}


def output_of(*command: str) -> str:
    """What a checker prints; it ends with an error where it has something to say."""
    # pyright's --verifytypes looks at the `python` of PATH, whatever --pythonpath says
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.fixture
def user(tmp_path: Path) -> Path:
    path = tmp_path / "user.py"
    path.write_text(USER)
    return path


def test_mypy_finds_the_mistakes_of_a_user_and_no_others(user: Path) -> None:
    # With the project's settings, strict among them, so that it can use what it remembers of the package.
    said = output_of("mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-pretty", str(user))
    found = [line for line in said.splitlines() if f"{user.name}:" in line and ": error: " in line]
    assert {int(line.split(f"{user.name}:")[1].split(":")[0]) for line in found} == WRONG, said


def test_pyright_finds_the_mistakes_of_a_user_and_no_others(user: Path) -> None:
    settings = {"include": [user.name], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (user.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    said = output_of(
        "basedpyright",
        "--project",
        str(user.parent),
        "--pythonpath",
        sys.executable,
        "--level",
        "error",
        "--outputjson",
    )
    found = json.loads(said)["generalDiagnostics"]
    assert {each["range"]["start"]["line"] + 1 for each in found} == WRONG, said


def test_pyright_knows_the_types_of_nearly_everything_in_the_package() -> None:
    said = output_of("basedpyright", "--verifytypes", "execmem_kernel", "--outputjson")
    report = json.loads(said)["typeCompleteness"]
    assert Path(report["packageRootDirectory"]) == ROOT / "execmem_kernel"
    unknown = [each["name"] for each in report["symbols"] if each["isExported"] and not each["isTypeKnown"]]
    assert report["completenessScore"] >= 0.97, unknown


def test_an_editor_that_does_not_run_the_package_completes_every_public_name() -> None:
    project = jedi.Project(ROOT, added_sys_path=[str(ROOT)], smart_sys_path=False)
    found = jedi.Script("import execmem_kernel as em\nem.", project=project).complete(2, 3)
    assert set(em.__all__) <= {each.name for each in found}
    [run] = [each for each in found if each.name == "run"]
    assert "timeout_s" in {parameter.name for signature in run.get_signatures() for parameter in signature.params}


def test_the_mark_that_says_that_the_package_is_typed_is_there() -> None:
    spec = importlib.util.find_spec("execmem_kernel")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    assert (Path(spec.submodule_search_locations[0]) / "py.typed").exists()
