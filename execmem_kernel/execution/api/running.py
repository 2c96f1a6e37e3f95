"""`run`: source text or a program in, an `Outcome` out."""

from __future__ import annotations

import dataclasses
import operator
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.execution.contract.call import DEFAULT_LIMITS, Buffer, Call, Limits, Start
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.execution.engines.placed_run import run_in
from execmem_kernel.execution.values.buffers import as_buffer
from execmem_kernel.execution.values.lanes import register_value
from execmem_kernel.memory.session import manager
from execmem_kernel.program.program import Program
from execmem_kernel.x86.registers import MASK

BytesLike = bytes | bytearray | memoryview


def run(
    source_or_program: str | Program,
    registers: Mapping[str, Any] | None = None,
    buffers: Mapping[str, Buffer | BytesLike | int] | None = None,
    entry: str | int | None = None,
    timeout_s: float | None = None,
    trace: bool = False,
    stdin: bytes = b"",
    limits: Limits | None = None,
    address: int | None = None,
    syntax: Literal["intel", "att"] = "intel",
    seed: int | None = None,
    name: str | None = None,
    poison: bool = False,
    args: Sequence[str | bytes] = (),
    engine: Engine | None = None,
) -> Outcome:
    """Run a program in a process of its own, and say what happened.

    Args:
        source_or_program: Assembly source, or what `assemble` made of it.
        registers: Register to a number, or to a buffer's name: its address. A vector register also takes a float, a
            list of floats, or bytes or an array, whose items are its lanes. Registers not named start as 0.
        buffers: Name to memory for the program: a `Buffer`, bytes, or a size; what the program leaves in each is in
            `outcome.buffers`.
        entry: Where to start instead of the program's own entry: a label or an address.
        timeout_s: Seconds until it is stopped, as `Limits.wall_s` counts them; 2 unless `limits` says otherwise.
        trace: Whether every step is recorded, in `outcome.trace`.
        stdin: What the program reads from descriptor 0.
        limits: All limits at once.
        address: Where the code goes instead of its usual place; only with source.
        syntax: Which syntax the source has.
        seed: Makes what is random to a program (`getrandom`) and its clocks the same in every run with this seed, and
            chooses what `rdrand`, `rdseed` and `poison` give.
        poison: Whether registers that are not given start with numbers that nobody chose instead of 0, so that a
            program which relies on them shows it; `seed` chooses others.
        name: What the memory manager calls the region; "run" if not given.
        args: What a program that starts at `main` or `_start` finds in argv, after its own name.
        engine: What runs it, anything with `run(call) -> Outcome`; if not given, a process that ptrace watches, or
            where this host refuses ptrace, one that reports for itself.

    Raises:
        AssemblyError: The source is wrong; every wrong line is named.
        ValueError: A register, a buffer or the entry cannot be what was asked for.
        TypeError: An argument is of a kind that cannot be taken.
        EngineUnavailableError: This host refuses what running a program apart needs.
    """
    program = _program(source_or_program, syntax, address)
    if not isinstance(stdin, (bytes, bytearray, memoryview)):
        raise TypeError(f"stdin is bytes, not {type(stdin).__name__}: stdin=b'12\\n'")
    limits = _limits(limits, timeout_s)
    starting_at = _entry(program, entry)
    start = _start(program, starting_at)
    if args and start == "function":
        raise ValueError(
            "args are for a whole program, which starts at `main` or `_start`; a function is given its arguments in "
            "registers: registers={'rdi': 40}"
        )
    call = Call(
        program=program,
        registers=MappingProxyType(
            {
                name: value if type(value) is int else register_value(str(name), value)
                for name, value in registers.items()
            }
            if registers
            else {}
        ),
        buffers=MappingProxyType({name: as_buffer(name, value) for name, value in (buffers or {}).items()}),
        entry=starting_at,
        start=start,
        arguments=_arguments(args),
        stdin=bytes(stdin),
        limits=limits,
        trace=trace,
        seed=seed,
        poison=(zlib.crc32(program.code) if seed is None else seed) if poison else None,
    )
    return run_in(manager(), call, name=name or "run", engine=engine)


def _program(source_or_program: str | Program, syntax: Literal["intel", "att"], address: int | None) -> Program:
    if isinstance(source_or_program, Program):
        program = source_or_program
    else:
        program = assemble(source_or_program, syntax=syntax, address=address)
    if not program.code:
        raise ValueError("there is nothing to run: the source has no instruction; the shortest program is `ret`")
    return program


def _limits(limits: Limits | None, timeout_s: float | None) -> Limits:
    limits = limits or DEFAULT_LIMITS
    if timeout_s is None:
        return limits
    if not isinstance(timeout_s, (int, float)):
        raise TypeError(f"timeout_s is a number of seconds, not {timeout_s!r}")
    if not timeout_s > 0:
        raise ValueError(f"timeout_s is {timeout_s:g}; a program needs some time: timeout_s=2.0")
    return dataclasses.replace(limits, wall_s=timeout_s)


def _start(program: Program, entry: int | None) -> Start:
    """How a program begins, which its labels say."""
    at = program.entry if entry is None else entry
    if program.labels.get("_start") == at:
        return "process"
    return "main" if program.labels.get("main") == at else "function"


def _arguments(args: Sequence[str | bytes]) -> tuple[bytes, ...]:
    if isinstance(args, (str, bytes)) or not all(isinstance(text, (str, bytes)) for text in args):
        given = repr(args) if isinstance(args, (str, bytes)) else "one of other things"
        raise TypeError(f"args is a list of texts, not {given}: args=['one', 'two']")
    data = tuple(text.encode() if isinstance(text, str) else text for text in args)
    for text in data:
        if b"\0" in text:
            raise ValueError(f"an argument of a program cannot hold a zero byte, which ends it: {text!r}")
    return data


def _entry(program: Program, entry: str | int | None) -> int | None:
    if entry is None:
        return None
    if isinstance(entry, str):
        if entry not in program.labels:
            known = ", ".join(sorted(program.labels)) or "none"
            raise ValueError(f"entry {entry!r} is not a label of this program; its labels: {known}")
        return program.labels[entry]
    try:
        address = operator.index(entry)
    except TypeError:
        raise TypeError(f"entry is a label or an address, not {entry!r}") from None
    if not 0 <= address <= MASK:
        raise ValueError(f"entry {address:#x} is no address: addresses are 64 bits, from 0 on")
    return address
