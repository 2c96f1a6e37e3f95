"""The addresses of names that a program declares `extern`."""

from __future__ import annotations

from execmem_kernel.program.externs import SLOT, VARIABLES, extern_address
from execmem_kernel.program.program import CODE_ADDRESS


def test_functions_and_variables_have_slots_of_their_own_below_the_code() -> None:
    functions = [extern_address("puts", index, CODE_ADDRESS) for index in range(100)]
    variables = [extern_address("stdout", index, CODE_ADDRESS) for index in range(100)]
    assert "stdout" in VARIABLES
    assert len({*functions, *variables}) == 200
    assert functions[1] - functions[0] == SLOT
    assert max(functions) < min(variables) <= max(variables) < CODE_ADDRESS


def test_code_at_the_bottom_of_memory_has_externs_that_are_addresses() -> None:
    assert extern_address("puts", 0, 0x1000) == 0
