"""Calls made with a stack that is not 16-aligned: proved from the code where it can be, without a single step.

The stack pointer is known when a program starts, and so is what a push, a call or `sub rsp, 24` takes off it. So for
every instruction that can be reached, rsp modulo 16 is followed along every way to it; rbp too, through which frames
are given back. Where a way is unknown (rsp from memory, or from another register), nothing is said. Each function is
taken to be entered as it should be, so that a caller's mistake is not blamed on it.
Source: System V ABI, AMD64 supplement, 3.2.2: rsp + 8 is a multiple of 16 when control enters a function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from execmem_kernel.execution.diagnosis import flow
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import full_register

NEVER_RETURN = frozenset(
    ("_Exit", "__assert_fail", "__chk_fail", "__stack_chk_fail", "_exit", "abort", "exit", "longjmp", "siglongjmp")
)
"""Functions of the C library that do not return: the instruction behind a call of them is not reached from it."""
_AT_ENTRY = 8
"""rsp modulo 16 at the first instruction of a function that was called as it should be."""
_MOST_STATES = 20_000
"""Where more states than this are found, nothing is said: the analysis is to take no longer than a run."""
_DEEPEST = 512
"""Bytes on the stack up to which a function's depth is followed: a loop that pushes would make states without end."""
_BELOW = -1
"""The depth of a function that has taken its return address off the stack."""
_EXITS = frozenset((1, 60, 231))
"""Numbers of exit: int 0x80's, and exit and exit_group of 64-bit programs. Source: asm/unistd_32.h, asm/unistd_64.h."""
_STOPS = frozenset(("ud2", "ud1", "ud0", "hlt", "int3"))
_OPERAND_SIZE_PREFIX = b"\x66"
"""Before a push or pop of 16 bits."""
_ON_STACK = re.compile(r"\[(rsp|rbp)(?: ([+-]) (0x[0-9a-f]+|\d+))?\]")


class _State(NamedTuple):
    """What is known before an instruction."""

    rsp: int | None
    """Modulo 16."""
    rbp: int | None = None
    """Modulo 16."""
    rax: int | None = None
    """Where it may be the number of exit."""
    depth: int | None = 0
    """Bytes that the function has put on the stack, up to a bound: what it pops beyond is its own return address."""
    function: int = 0
    """Where the function begins that this is in."""

    def of(self, register: str) -> int | None:
        return self.rsp if register == "rsp" else self.rbp

    def moved(self, by: int) -> _State:
        """With the stack pointer moved; unknown from where a function takes its return address off the stack."""
        depth = None if self.depth in (None, _BELOW) else self.depth - by
        if depth is not None and depth < 0:
            return self._replace(rsp=None, depth=_BELOW)
        return self._replace(rsp=_moved(self.rsp, by), depth=None if depth is None or depth > _DEEPEST else depth)


@lru_cache(256)
def stack_at_calls(
    code: bytes, address: int, entry: int, rsp: int, endings: frozenset[int]
) -> Mapping[int, int | None]:
    """The address of each call that can be reached, and rsp modulo 16 there; None where that is not the same for sure.

    Where what is called takes the return address off the stack, that is no call of a function, and 0 stands for it.

    Args:
        code: The program's text.
        address: Where it starts.
        entry: Where the program starts.
        rsp: The stack pointer there.
        endings: Addresses of functions that do not return.
    """
    graph = flow.flow_of(code, address, (entry,))
    if not any(map(_is_call, graph.instructions.values())):
        return MappingProxyType({})
    found: dict[int, set[int | None]] = {}
    taking: set[int] = set()
    """Functions that take their return address off the stack."""
    waiting = [(entry, _State(rsp % 16, function=entry))]
    seen = set(waiting)
    while waiting:
        here, state = waiting.pop()
        instruction = graph.instructions.get(here)
        if instruction is None:
            continue
        if _is_call(instruction):
            found.setdefault(here, set()).add(state.rsp)
            after = _after_call(graph, instruction, state, endings)
        else:
            after = _after(graph, instruction, state)
        for each in after:
            if each[1].depth == _BELOW:
                taking.add(each[1].function)
            if each not in seen:
                seen.add(each)
                waiting.append(each)
        if len(seen) > _MOST_STATES:
            return MappingProxyType({})
    for here, values in found.items():
        if graph.instructions[here].target in taking:
            values.clear()
            values.add(0)
    return MappingProxyType({here: values.pop() if len(values) == 1 else None for here, values in found.items()})


def _is_call(instruction: Instruction) -> bool:
    return instruction.mnemonic == "call"


def _after_call(
    graph: flow.Flow, call: Instruction, state: _State, endings: frozenset[int]
) -> Iterator[tuple[int, _State]]:
    """Into the function, where it is the program's own, and behind the call, where it returns."""
    target = call.target
    if target in endings:
        return
    given_back = 0
    if target is not None and target in graph.instructions:
        yield target, _State(_AT_ENTRY, state.rbp, function=target)
        exits = flow.exits_of(graph, target)
        if not exits:
            return
        taken = {_number(exit_.operands[0]) if exit_.operands else 0 for exit_ in exits}
        given_back = taken.pop() if len(taken) == 1 else -1
    returned = state._replace(rax=None)
    yield call.end, returned.moved(given_back) if given_back >= 0 else returned._replace(rsp=None, depth=None)


def _after(graph: flow.Flow, instruction: Instruction, state: _State) -> Iterator[tuple[int, _State]]:
    mnemonic = instruction.mnemonic
    if "return" in instruction.groups or mnemonic in _STOPS:
        return
    if (mnemonic == "syscall" or instruction.text == "int 0x80") and state.rax is not None:
        return
    following = _carried_out(instruction, state)
    for target in graph.following.get(instruction.address, ()):
        yield target, following


def _carried_out(instruction: Instruction, state: _State) -> _State:
    """What an instruction that goes on makes of what is known."""
    mnemonic = instruction.mnemonic
    written = {full_register(name) for name in instruction.registers_written}
    if "rax" in written or mnemonic in ("syscall", "int"):
        state = state._replace(rax=_exit_number(instruction))
    if mnemonic == "leave":
        return state._replace(rsp=_moved(state.rbp, 8), rbp=None, depth=None)
    if mnemonic == "enter":
        return _entered(instruction, state)
    rbp = _value(instruction, "rbp", state) if "rbp" in written else state.rbp
    if mnemonic.startswith(("push", "pop")) and mnemonic != "popcnt":
        return _pushed_or_popped(instruction, state)._replace(rbp=rbp)
    if "rsp" not in written:
        return state._replace(rbp=rbp)
    by = _added_to_rsp(instruction)
    if by is not None:
        return state.moved(by)._replace(rbp=rbp)
    return state._replace(rsp=_value(instruction, "rsp", state), rbp=rbp, depth=None)


def _exit_number(instruction: Instruction) -> int | None:
    """What rax holds after it, if that is the number of exit for sure."""
    operands = instruction.operands
    if instruction.mnemonic != "mov" or operands[0] not in ("eax", "rax") or not _is_number(operands[1]):
        return None
    number = _number(operands[1])
    return number if number in _EXITS else None


def _entered(instruction: Instruction, state: _State) -> _State:
    """After `enter size, nesting`: what nested frames push besides is not worked out."""
    frame = state.moved(-8)
    size, nesting = instruction.operands
    inside = frame._replace(rbp=frame.rsp).moved(-_number(size))
    return inside if _number(nesting) == 0 else inside._replace(rsp=None, rbp=None, depth=None)


def _pushed_or_popped(instruction: Instruction, state: _State) -> _State:
    size = 2 if instruction.code[:1] == _OPERAND_SIZE_PREFIX else 8
    if instruction.mnemonic.startswith("push"):
        return state.moved(-size)
    after = state.moved(size)
    return after._replace(rsp=None, depth=None) if instruction.operands[:1] == ("rsp",) else after


def _added_to_rsp(instruction: Instruction) -> int | None:
    """What `add rsp, 24` or `sub rsp, 24` adds; None for any other instruction."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if mnemonic not in ("add", "sub") or operands[0] != "rsp" or not _is_number(operands[1]):
        return None
    return _number(operands[1]) if mnemonic == "add" else -_number(operands[1])


def _value(instruction: Instruction, register: str, state: _State) -> int | None:
    """What a register that is written holds afterwards, modulo 16."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if len(operands) != 2 or operands[0] != register:
        return None
    old, source = state.of(register), operands[1]
    if mnemonic == "mov" and source in ("rsp", "rbp"):
        return state.of(source)
    if mnemonic == "lea" and (place := _ON_STACK.fullmatch(source)):
        offset = int(place[3], 0) if place[3] else 0
        return _moved(state.of(place[1]), -offset if place[2] == "-" else offset)
    if not _is_number(source):
        return None
    number = _number(source)
    if mnemonic in ("add", "sub"):
        return _moved(old, number if mnemonic == "add" else -number)
    if mnemonic == "and":
        return 0 if number % 16 == 0 else None if old is None else old & number & 15
    return None


def _moved(value: int | None, by: int) -> int | None:
    return None if value is None else (value + by) % 16


def _is_number(text: str) -> bool:
    return text.lstrip("-")[:1].isdigit()


def _number(text: str) -> int:
    return int(text, 0)
