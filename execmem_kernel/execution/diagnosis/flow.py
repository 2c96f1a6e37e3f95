"""Where a program can go: its instructions as a graph, to say which lines an endless loop goes round."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.registers import GENERAL, full_register


@dataclass(frozen=True, slots=True)
class Flow:
    """Every instruction that can be reached from the entry, and where each can lead."""

    instructions: Mapping[int, Instruction]
    following: Mapping[int, tuple[int, ...]]
    """Address -> the addresses that may come next; a `ret` leads behind every call of its function."""


@lru_cache(64)
def flow_of(code: bytes, address: int, entries: tuple[int, ...]) -> Flow:
    """The control-flow graph of the code that can be reached from the entries; indirect jumps lead nowhere known.

    Args:
        code: The bytes of the text segment.
        address: Where it starts.
        entries: Addresses in it.
    """
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
        following[here], returns_to = _leads_to(instruction)
        if returns_to is not None and not address <= following[here][0] < address + len(code):
            following[here], returns_to = (returns_to,), None  # a function from elsewhere, which comes back
        waiting += following[here]
        if returns_to is not None:
            calls.setdefault(following[here][0], []).append(returns_to)
            waiting.append(returns_to)
    for function, returns in calls.items():
        for exit_ in _exits(function, instructions, following):
            following[exit_] = (*following[exit_], *returns)
    return Flow(instructions, following)


def _leads_to(instruction: Instruction) -> tuple[tuple[int, ...], int | None]:
    """Where an instruction leads, and for a call of a known function where that comes back to."""
    groups, target = instruction.groups, instruction.target
    if "call" in groups and target is not None:
        return (target,), instruction.end
    if "return" in groups:
        return (), None
    if "jump" in groups and "conditional" not in groups:
        return () if target is None else (target,), None
    return (instruction.end,) if target is None else (target, instruction.end), None


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


def ways_to_return(flow: Flow, function: int, without: Container[int]) -> int | None:
    """The first conditional jump on a way through a function that makes none of some calls; None where there is no way.

    Args:
        flow: The graph.
        function: Where the function begins.
        without: The addresses of the calls.
    """
    seen: set[int] = set()
    waiting: list[tuple[int, int | None]] = [(function, None)]
    while waiting:
        here, jump = waiting.pop()
        instruction = flow.instructions.get(here)
        if instruction is None or here in seen or here in without:
            continue
        seen.add(here)
        if "return" in instruction.groups:
            return jump
        if "conditional" in instruction.groups:
            jump = here if jump is None else jump
        ahead = (instruction.end,) if "call" in instruction.groups else flow.following[here]
        waiting += [(target, jump) for target in ahead]
    return None


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


def reaches(flow: Flow, start: int, goal: int) -> bool:
    """Whether one instruction can be followed by another, now or later.

    Args:
        flow: The graph.
        start: The address of the one.
        goal: The address of the other.
    """
    return start == goal or goal in _reached(flow.following, [start])


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
    written = {full_register(name) for instruction in loop for name in instruction.registers_written}
    return tuple(name for name in GENERAL if name not in written)


def loop_at(program: Program, address: int, entry: int | None = None) -> tuple[Instruction, ...]:
    """The loop of a program that an address is in; nothing where it is in none.

    Args:
        program: The program.
        address: An instruction of it.
        entry: Where it starts; its own entry if not given.
    """
    starts = (program.entry if entry is None else entry, address)
    return round_of(flow_of(program.code, program.address, starts), address)
