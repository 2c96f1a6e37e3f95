"""Conditions in all their forms: what stands between `.if` and its end is read or skipped."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError


def is_read(condition: str, before: str = "") -> bool:
    """Whether the lines behind a condition are read, and those behind its `else` are not."""
    dot = condition[0]
    program = assemble(f"{before}\n{condition}\nmov eax, 1\n{dot}else\nmov eax, 2\n{dot}endif\nret")
    return program.code[1] == 1


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        (".if 1", True), (".if 0", False), (".ifeq 0", True), (".ifne 0", False), (".iflt -1", True),
        (".ifle 0", True), (".ifgt 0", False), (".ifge 0", True), (".ifdef known", True), (".ifndef known", False),
        (".ifnotdef other", True), (".ifb", True), (".ifnb x", True), (".ifc a, a", True), (".ifnc a, a", False),
        ('.ifeqs "a", "b"', False),
    ],
)  # fmt: skip
def test_conditions_of_gnu_as(condition: str, truth: bool) -> None:
    assert is_read(condition, "known = 1") == truth


@pytest.mark.parametrize(
    ("condition", "truth"),
    [
        ("%if 2 > 1", True), ("%ifdef N", True), ("%ifndef N", False), ("%ifmacro m", True), ("%ifnmacro m", False),
        ("%ifidn N, 5", True), ("%ifnidn N, 5", False), ("%ifidni A, a", True), ("%ifnidni A, a", False),
        ("%ifnum N", True), ("%ifnnum N", False), ("%ifid name", True), ("%ifnid 5", True), ("%ifstr 'x'", True),
        ("%ifnstr x", True), ("%ifempty", True), ("%ifnempty N", True),
    ],
)  # fmt: skip
def test_conditions_of_nasm(condition: str, truth: bool) -> None:
    assert is_read(condition, "%define N 5\n%macro m 0\n%endmacro") == truth


def test_the_first_branch_that_holds_is_read_and_no_other() -> None:
    source = "%if 0\nmov eax, 1\n%elif 1\nmov eax, 2\n%elif 1\nmov eax, 3\n%else\nmov eax, 4\n%endif\nret"
    assert assemble(source).code == assemble("mov eax, 2\nret").code


def test_conditions_inside_of_what_is_skipped_are_closed_by_their_own_ends() -> None:
    source = ".if 0\n.if 1\nmov eax, 1\n.endif\nmov eax, 2\n.endif\nret"
    assert assemble(source).code == assemble("ret").code


@pytest.mark.parametrize(
    ("source", "code"),
    [(".endif", "ASM052"), (".else", "ASM052"), (".if 1\nret", "ASM065"), (".if\nret\n.endif", "ASM010")],
)
def test_a_condition_that_does_not_fit_together_is_one_error(source: str, code: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert [found.code for found in caught.value.diagnostics] == [code]
