"""Diagnostics are collected: each once, cascading errors only if there is no other, in the order of lines."""

from __future__ import annotations

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.semantics.collector import ERROR_LIMIT
from tests.assembly.reported import refusals


def test_a_name_that_a_wrong_line_would_have_defined_is_not_reported_beside_it() -> None:
    assert refusals("size equ 5 5\nmov eax, size\nret") == [("ASM011", 1, 12)]


def test_a_slip_in_a_macro_is_reported_once_however_often_it_is_called() -> None:
    assert refusals(".macro m\nmov rax, ebx\n.endm\nm\nm\nm\nret") == [("ASM107", 2, 10)]


def test_errors_stop_at_the_limit() -> None:
    assert len(refusals("mov rax, ebx\n" * (ERROR_LIMIT + 5))) == ERROR_LIMIT


def test_warnings_come_in_the_order_of_lines_whoever_finds_them() -> None:
    found = assemble("nop\nunused: nop ; mov eax, 1\nmov eax, 010\njmp over\nmov ebx, 1\nover: ret").warnings
    assert [warning.line for warning in found] == sorted(warning.line for warning in found)
    assert {"ASM081", "ASM083", "ASM084", "ASM085"} <= {warning.code for warning in found}
