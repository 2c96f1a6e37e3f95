"""The runner (runner.s), from whose code every program's process starts: where its labels lie, how it fails."""

from __future__ import annotations

import functools
import struct
from importlib import resources

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.contract.address_map import RUNNER
from execmem_kernel.program.program import Program

HEADERS = struct.Struct("<16sHHIQQQIHHHHHH" + "IIQQQQQQ" * 2)
"""An Elf64_Ehdr, then two Elf64_Phdr (elf.h): what lies before the runner's code in its file."""
CODE_AT = RUNNER + HEADERS.size
"""Where the runner's code lies in a program's process."""
PTRACE_STEP = 4
"""The step that a host without ptrace refuses."""
STEPS = {
    1: "its parent was gone when it started",
    2: "a mapping was refused",
    3: "a resource limit was refused",
    4: "ptrace was refused",
    5: "a timer was refused",
    6: "no_new_privs was refused",
    7: "seccomp was refused",
    8: "a signal handler was refused",
}
"""The runner's exit status -> what failed."""


@functools.cache
def runner() -> Program:
    """The runner, assembled by our own assembler once per process."""
    return assemble(resources.files(__package__).joinpath("runner.s").read_text())


@functools.cache
def address_of(label: str) -> int:
    """Where a label of the runner's lies in a program's process."""
    program = runner()
    return CODE_AT + program.labels[label] - program.address


def system_call_at() -> int:
    """Where the runner has a `syscall` instruction, for calls that a program's process is to make for us."""
    return CODE_AT + runner().code.index(b"\x0f\x05")
