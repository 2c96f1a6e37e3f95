"""Where a program can go: its instructions as a graph, to say which lines an endless loop goes round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.registers import GENERAL, PARTS


@dataclass(frozen=True, slots=True)
class Flow:
    """Every instruction that can be reached from the entry, and where each can lead."""

    instructions: Mapping[int, Instruction]
    following: Mapping[int, tuple[int, ...]]


@lru_cache(64)
def flow_of(code: bytes, address: int, entries: tuple[int, ...]) -> Flow:
    """The graph of the code that can be reached from the entries; indirect jumps lead nowhere known."""
    instructions: dict[int, Instruction] = {}
    following: dict[int, tuple[int, ...]] = {}
    calls: dict[int, list[int]] = {}  # function -> where its calls come back to
    waiting = list(entries)
    while waiting:
        here = waiting.pop()
        if here in instructions or not address <= here < address + len(code):
            continue
        instruction = disassemble(code[here - address : here - address + 15], here)[0]
        instructions[here] = instruction
        groups, target = instruction.groups, instruction.target
        if "call" in groups and target is not None:
            calls.setdefault(target, []).append(instruction.end)
            following[here] = (target,)
            waiting += [target, instruction.end]
        elif "return" in groups:
            following[here] = ()
        elif "jump" in groups and "conditional" not in groups:
            following[here] = () if target is None else (target,)
            waiting += following[here]
        else:
            following[here] = (instruction.end,) if target is None else (target, instruction.end)
            waiting += following[here]
    for function, returns in calls.items():
        for exit_ in _exits(function, instructions, following):
            following[exit_] = (*following[exit_], *returns)
    return Flow(instructions, following)


def _exits(
    function: int, instructions: Mapping[int, Instruction], following: Mapping[int, tuple[int, ...]]
) -> list[int]:
    """The `ret`s of a function, walking over the calls it makes itself."""
    seen: set[int] = set()
    waiting = [function]
    found = []
    while waiting:
        here = waiting.pop()
        if here in seen or here not in instructions:
            continue
        seen.add(here)
        instruction = instructions[here]
        if "return" in instruction.groups:
            found.append(here)
        elif "call" in instruction.groups:
            waiting.append(instruction.end)
        else:
            waiting += following[here]
    return found


def exits_of(flow: Flow, function: int) -> tuple[Instruction, ...]:
    """The `ret`s of the function at an address."""
    return tuple(flow.instructions[here] for here in _exits(function, flow.instructions, flow.following))


def round_of(flow: Flow, address: int) -> tuple[Instruction, ...]:
    """The instructions that lead from an address back to it: the loop that it is in; none where it is in no loop."""
    ahead = _reached(flow.following, [address])
    if address not in ahead:
        return ()
    backwards: dict[int, list[int]] = {}
    for here, targets in flow.following.items():
        for target in targets:
            backwards.setdefault(target, []).append(here)
    inside = ahead & _reached(backwards, [address])
    return tuple(flow.instructions[here] for here in sorted(inside) if here in flow.instructions)


def _reached(following: Mapping[int, Iterable[int]], starts: Iterable[int]) -> set[int]:
    """What can be reached in one step or more."""
    seen: set[int] = set()
    waiting = [target for start in starts for target in following.get(start, ())]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += following.get(here, ())
    return seen


def steady_in(loop: Iterable[Instruction]) -> tuple[str, ...]:
    """The general registers that no instruction of a loop writes."""
    written = {PARTS.get(name, (name,))[0] for instruction in loop for name in instruction.registers_written}
    return tuple(name for name in GENERAL if name not in written)


def loop_at(program: Program, address: int, entry: int | None = None) -> tuple[Instruction, ...]:
    """The loop of a program that an address is in."""
    starts = (program.entry if entry is None else entry, address)
    return round_of(flow_of(program.code, program.address, starts), address)
