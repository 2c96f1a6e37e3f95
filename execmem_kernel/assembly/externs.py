"""Where a program finds what it declares `extern`: fixed places below its code, one for each name.

    code - 0x100000   a stub for each function: what `call puts` reaches
    code - 0x80000    the C library's own variables, for the few that can be asked for: `stdout` is a label there

Who runs the program puts something there (execution/libc.py); the assembler needs the addresses only.
"""

from __future__ import annotations

STUBS_BELOW, VARIABLES_BELOW = 0x10_0000, 0x8_0000
SLOT = 16
"""Bytes from one name's place to the next."""

VARIABLES = frozenset(("stdin", "stdout", "stderr", "environ"))
"""The names that stand for memory; every other name stands for code."""


def place(name: str, index: int, code_address: int) -> int:
    """The address of the `index`-th name that a program declares."""
    below = VARIABLES_BELOW if name in VARIABLES else STUBS_BELOW
    return max(0, code_address - below) + SLOT * index
