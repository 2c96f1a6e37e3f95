"""Runs a call with its code in a region of a memory manager, and completes the outcome with the region's life."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.details import LifeEvent, LifeKind, Warned
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.contract.outcome import Faulted, Outcome
from execmem_kernel.execution.engines.choice import DefaultEngine
from execmem_kernel.execution.engines.refusals import refusals_named
from execmem_kernel.execution.process import interrupts
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.features import cpu_features


def run_in(owner: CodeMemoryManager, call: Call, name: str, engine: Engine | None = None) -> Outcome:
    """Run a call with its code in a region of a memory manager, which is released afterwards.

    Args:
        owner: The memory manager.
        call: What to run.
        name: What the manager calls the region.
        engine: What runs it; see choice.py for what does if None is given.
    """
    with refusals_named(), placed(owner, call, name) as (memory, ready):
        outcome = (engine or DefaultEngine()).run(ready)
    life = _life(owner.life_of(memory), len(call.program.code))
    foreseen = _unavailable_here(call.program)
    if isinstance(outcome, Faulted):
        foreseen = tuple(warned for warned in foreseen if warned.line != outcome.line)  # its sentence says it
    return outcome._complete(life, foreseen)


_LIFE: Mapping[str, LifeKind] = MappingProxyType(
    {"allocated": "allocated", "written": "written", "sealed": "sealed", "called": "run", "released": "released"}
)
"""An event of the memory manager -> what an outcome calls it."""


@functools.lru_cache(64)
def _life(kinds: tuple[str, ...], size: int) -> tuple[LifeEvent, ...]:
    """What happened to a program's memory, in the words of an outcome."""
    return tuple(LifeEvent(_LIFE[kind], size) for kind in kinds if kind in _LIFE)


def _unavailable_here(program: Program) -> tuple[Warned, ...]:
    """What this machine's processor cannot execute, known from its features before anything runs."""
    if not cpu_features() or program.features <= cpu_features():
        return ()
    found = []
    for instruction in disassemble(program.code, program.address):
        missing = sorted(set(instruction.features) - cpu_features())
        if missing and program.row_at(instruction.address) is not None:
            found.append(
                Warned(
                    "feature",
                    f"`{instruction.mnemonic}` needs {', '.join(missing).upper()}, which this processor does not have",
                    program.line_at(instruction.address),
                    "it would stop here with SIGILL: test for the feature with `cpuid` before",
                )
            )
    return tuple(found)


@contextlib.contextmanager
def placed(owner: CodeMemoryManager, call: Call, name: str) -> Iterator[tuple[ExecutableMemory, Call]]:
    """A region with the call's code in it, until the block ends, and the call that runs it there.

    Args:
        owner: The memory manager that the region comes from.
        call: What is to run.
        name: What the manager calls the region.
    """
    with interrupts.held():
        memory = owner.allocate(call.program.code, name=name, pages=True, mapped=False)
        with memory, memory.pinned():
            yield memory, dataclasses.replace(call, backing=memory.backing(), whose=owner.story_of)
