"""What native code leaves changed of floating point and the flags: put back on every way out, and said."""

from __future__ import annotations

import contextlib
import ctypes
import math
import random
import warnings
from typing import Any

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.contract.outcome import FAULT_ERRORS
from execmem_kernel.execution.native.machine_state import watch_for
from tests.execution.native.children import in_child, make, results_of

LOAD_MXCSR = "push {}\nldmxcsr [rsp]\npop rax\n"
LEFT = {
    "mxcsr rounds down": (LOAD_MXCSR.format("0x3f80"), "MXCSR"),
    "mxcsr rounds to zero": (LOAD_MXCSR.format("0x7f80"), "MXCSR"),
    "mxcsr flushes to zero": (LOAD_MXCSR.format("0x9fc0"), "MXCSR"),
    "mxcsr has all bits": (LOAD_MXCSR.format("0xffff"), "MXCSR"),
    "mxcsr masks nothing": (LOAD_MXCSR.format("0"), "MXCSR"),
    "mxcsr by xrstor": (
        "sub rsp, 640\nlea rdi, [rsp + 63]\nand rdi, -64\nmov rdx, rdi\nmov ecx, 72\nxor eax, eax\nrep stosq\n"
        "mov dword ptr [rdx + 24], 0x3f80\nmov rdi, rdx\nmov eax, 2\nxor edx, edx\nxrstor [rdi]\nadd rsp, 640\n",
        "MXCSR",
    ),
    "x87 control": ("push 0x0c7f\nfldcw [rsp]\npop rax\n", "x87 control word"),
    "x87 masks nothing": ("push 0x340\nfldcw [rsp]\npop rax\n", "x87 control word"),
    "x87 exception waits": ("push 0x340\nfldcw [rsp]\npop rax\nfldz\nfld1\nfdivrp\n", "x87"),
    "one value": ("fld1\n", "x87 stack"),
    "eight values": ("fldz\n" * 8, "x87 stack"),
    "a value below the top": ("fld1\nfincstp\n", "x87 stack"),
    "a value beside an empty one": ("fld1\nfldz\nffree st(0)\n", "x87 stack"),
    "not a number": ("fldz\nfldz\nfdivp\n", "x87 stack"),
    "mmx": ("movd mm0, eax\n", "MMX"),
    "mmx, the last register": ("pcmpeqd mm7, mm7\n", "MMX"),
    "direction": ("std\n", "direction flag"),
    "alignment check": ("pushfq\nor dword ptr [rsp], 0x40000\npopfq\n", "alignment-check"),
    "behind a return to a label": ("lea rax, [rip + there]\npush rax\nret\nthere: fld1\n", "x87 stack"),
    "in a function that it calls": ("call inner\nret\ninner: movd mm1, eax\n", "MMX"),
    "behind an indirect jump": ("lea rax, [rip + there]\njmp rax\nint3\nthere: fld1\nfincstp\n", "x87 stack"),
}
CLEAN = {
    "nothing": "",
    "callee-saved and stack": "push rbx\nmov rbx, rdi\npop rbx\n",
    "only says what happened": "xorps xmm0, xmm0\ndivss xmm0, xmm0\n",
    "x87, tidily": "fld1\nfldpi\nfmulp\nfstp st(0)\n",
    "x87 says what happened": "fldz\nfldz\nfdivp\nfstp st(0)\n",
    "an empty stack with another top": "fincstp\n",
    "mmx, tidily": "movd mm0, eax\nemms\n",
    "controls put back": "push rax\nstmxcsr [rsp]\npush 0x3f80\nldmxcsr [rsp]\npop rax\nldmxcsr [rsp]\npop rax\n",
    "direction, put back": "std\ncld\n",
}
PROTOTYPES = ("int64_t f(int64_t x)", "int64_t f(double *x)")
"""One that the stub converts, and one that is left to Python when it is given a list."""


def python_is_well() -> bool:
    return (
        0.1 + 0.2 == 0.30000000000000004
        and 1e308 * float("10") == math.inf
        and 5e-324 * float("1") != 0
        and [ctypes.c_longdouble(0.1).value for _ in range(9)] == [0.1] * 9
        and bytes(range(200))[::-1][::-1] == bytes(range(200))
    )


def called(source: str, prototype: str) -> tuple[Any, list[warnings.WarningMessage]]:
    function = make(f"{source}mov eax, 7\nret", prototype)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = function([1.0] if "*" in prototype else 1)
    return result, found


@pytest.mark.parametrize("prototype", PROTOTYPES)
@pytest.mark.parametrize(("source", "what"), LEFT.values(), ids=LEFT)
def test_what_is_left_changed_is_put_back_and_said(source: str, what: str, prototype: str) -> None:
    result, found = called(source, prototype)
    assert python_is_well()
    assert result == 7
    assert found
    for one in found:
        assert one.category is RuntimeWarning
        assert str(one.message).startswith("f() left ")
        assert one.filename == __file__
    assert any(what in str(one.message) for one in found)


@pytest.mark.parametrize("prototype", PROTOTYPES)
@pytest.mark.parametrize("source", CLEAN.values(), ids=CLEAN)
def test_nothing_is_said_of_what_was_kept(source: str, prototype: str) -> None:
    result, found = called(source, prototype)
    assert python_is_well()
    assert (result, [str(one.message) for one in found]) == (7, [])


@pytest.mark.parametrize("source", [source for source, _ in LEFT.values()], ids=list(LEFT))
def test_a_fault_puts_everything_back_too(source: str) -> None:
    function = make(f"{source}xor ecx, ecx\nmov rax, [rcx]\nret", "int64_t f(void)")
    with pytest.raises(tuple(FAULT_ERRORS.values())):
        function()
    assert python_is_well()


def test_a_warning_that_is_an_error_is_raised_after_everything_was_put_back() -> None:
    function = make("std\nmov eax, 7\nret", "int64_t f(void)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            with pytest.raises(RuntimeWarning, match=r"f\(\) left the direction flag set"):
                function()
    assert python_is_well()


def test_controls_that_were_there_before_are_kept_and_nobody_is_blamed() -> None:
    script = """
        import ctypes, warnings
        warnings.simplefilter("error")
        libm = ctypes.CDLL("libm.so.6")
        libm.fesetround(0x400)  # FE_DOWNWARD, x87 and SSE
        for source in ("ret", "push rax\\npop rax\\nret", "fld1\\nfstp st(0)\\nret", "std\\ncld\\nret"):
            make(source, "void f(void)")()
        try:
            make("fld1\\nmov rax, [0]\\nret", "void f(void)")()
        except Exception as error:
            pass
        print(json.dumps(libm.fegetround()))
    """
    assert results_of(in_child(script)) == 0x400


def test_code_without_such_instructions_costs_no_look() -> None:
    assert watch_for(assemble("lea rax, [rdi + rsi]\nret")) == "nothing"
    assert watch_for(assemble("again: add rax, [rdi]\ndec rsi\njnz again\nret")) == "nothing"
    assert watch_for(assemble("push rbx\npop rbx\nret")) == "controls"
    for source in ("call rax\nret", "fld1\nret", "jmp [rdi]", "paddd mm0, mm1\nret", "syscall\nret"):
        assert watch_for(assemble(source)) == "everything"


def test_any_order_of_tidy_and_untidy_code_leaves_python_well() -> None:
    chance = random.Random(7)
    sources = [source for source, _ in LEFT.values() if "ret" not in source and "there" not in source]
    sources += [source for source in CLEAN.values() if "top" not in source]
    for _ in range(200):
        parts = chance.sample(sources, 3)
        with contextlib.suppress(*FAULT_ERRORS.values()):  # an exception that one has unmasked reaches the next
            called("".join(parts), PROTOTYPES[chance.randrange(2)])
        assert python_is_well()
