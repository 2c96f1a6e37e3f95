"""Which flags mean something at the end of a program, and which the processor was free to set as it liked.

Many instructions leave some flags undefined (`imul`: ZF, SF, PF, AF; a shift: OF, AF). What stands in them then
differs from one model of processor to the next, so a report that must be the same everywhere cannot show them.
"""

from __future__ import annotations

from collections.abc import Mapping

from execmem_kernel.execution.diagnosis.flow import Flow, flow_of
from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import STATUS_FLAGS


def undefined_flags(program: Program, entry: int, stopped: int | None) -> tuple[str, ...]:
    """The status flags that may be undefined where a program stopped, whichever way it went.

    Args:
        program: The program.
        entry: Where it started.
        stopped: The instruction it stopped at, before it had any effect; None where it returned to its caller.
    """
    flow = flow_of(program.code, program.address, (entry,))
    before = _before(flow, entry)
    if stopped is None:
        ends = [
            undefined_after(flow.instructions[here], before[here])
            for here in _last_returns(flow, entry)
            if here in before
        ]
    else:
        ends = [before[stopped]] if stopped in before else []
    # It stopped where no known way leads (through a computed jump, say): every flag may be undefined.
    undefined = frozenset().union(*ends) if ends else frozenset(STATUS_FLAGS)
    return tuple(name for name in STATUS_FLAGS if name in undefined)


def _before(flow: Flow, entry: int) -> Mapping[int, frozenset[str]]:
    """Instruction -> the flags that may be undefined when it begins, over all ways from the entry."""
    before: dict[int, frozenset[str]] = {entry: frozenset()}
    waiting = [entry]
    while waiting:
        here = waiting.pop()
        instruction = flow.instructions.get(here)
        if instruction is None:
            continue
        after = undefined_after(instruction, before[here])
        following = flow.following[here]
        called = "call" in instruction.groups and instruction.mnemonic != "syscall"
        if called and instruction.target not in flow.instructions:
            # Code that cannot be seen from here: the C library's, or wherever a computed call goes.
            following, after = (instruction.end,), frozenset(STATUS_FLAGS)
        for target in following:
            merged = after | before.get(target, frozenset())
            if target not in before or merged != before[target]:
                before[target] = merged
                waiting.append(target)
    return before


def undefined_after(instruction: Instruction, before: frozenset[str]) -> frozenset[str]:
    """The flags that may be undefined after one instruction, given those that were before it."""
    written = {name.upper() for name in instruction.flags_written}
    undefined = {name.upper() for name in instruction.flags_undefined}
    return frozenset((before - written | undefined) & set(STATUS_FLAGS))


def _last_returns(flow: Flow, entry: int) -> list[int]:
    """The `ret`s that end the program: those of the function at the entry, not of the functions that it calls."""
    seen: set[int] = set()
    waiting, found = [entry], []
    while waiting:
        here = waiting.pop()
        instruction = flow.instructions.get(here)
        if instruction is None or here in seen:
            continue
        seen.add(here)
        if "return" in instruction.groups:
            found.append(here)
        elif "call" in instruction.groups:
            waiting.append(instruction.end)
        else:
            waiting += flow.following[here]
    return found
