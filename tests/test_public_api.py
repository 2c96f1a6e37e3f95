"""What `import execmem_kernel` promises."""

from __future__ import annotations

import subprocess
import sys

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
