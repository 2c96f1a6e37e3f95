"""What `import execmem_kernel` promises."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import execmem_kernel as em


def test_every_public_name_exists() -> None:
    for name in em.__all__:
        assert getattr(em, name) is not None


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
