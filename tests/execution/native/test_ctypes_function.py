"""What stands in for native functions where the interpreter is not one we know."""

from __future__ import annotations

import pytest

from execmem_kernel.execution.native import cpython, function
from execmem_kernel.execution.native.ctypes_function import CtypesFunction
from execmem_kernel.execution.native.function import NativeCode
from tests.execution.native.children import ADD, make


def test_ctypes_stands_in_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "unavailable", lambda: "PyPy is not CPython")
    add = make(ADD, "int64_t add(int64_t a, int64_t b)")
    assert isinstance(add, CtypesFunction)
    assert add.engine == "ctypes, without a guard against faults: PyPy is not CPython"
    assert add(40, 2) == 42
    assert add(-1, 2**40) == 2**40 - 1
    with pytest.raises(OverflowError, match="does not fit int64_t"):
        add(2**63, 0)
    assert make("mulss xmm0, xmm1\nret", "float f(float a, float b)")(1.5, 2.0) == 3.0
    assert make("ret", "void f(void)")() is None
    numbers = [1, 2]
    make("mov dword ptr [rdi], 9\nret", "void f(int *a)")(numbers)
    assert numbers == [9, 2]


def test_this_interpreter_is_known() -> None:
    assert cpython.unavailable() is None
    assert isinstance(make(ADD, "int64_t add(int64_t a, int64_t b)").__self__, NativeCode)  # type: ignore[attr-defined]
