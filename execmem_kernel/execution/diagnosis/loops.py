"""What the counter of an endless loop did, told by the first steps of the run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis.hint_lines import typed
from execmem_kernel.program.program import Program
from execmem_kernel.wording import listed, signed
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import GENERAL, PARTS, STATUS_FLAGS, full_register

_SHOWN, _FEWEST = 4, 3
"""How many rounds are shown, and how many there must have been."""


class LoopCondition(NamedTuple):
    """What decides whether a loop goes on: a conditional jump, and the instruction that set the flags for it."""

    jump: Instruction
    setter: Instruction
    registers: tuple[str, ...]
    """What the setter looks at, as it names them."""


def condition_of(loop: Sequence[Instruction]) -> LoopCondition | None:
    """What the last conditional jump out of a loop looks at; None where that is not to be seen in the code.

    Args:
        loop: Its instructions, by address.
    """
    inside = {one.address for one in loop}
    for position in range(len(loop) - 1, -1, -1):
        jump = loop[position]
        if "conditional" not in jump.groups or {jump.target, jump.end} <= inside:
            continue
        if jump.mnemonic.startswith("loop") or jump.mnemonic in ("jrcxz", "jecxz"):
            return LoopCondition(jump, jump, ("rcx",))
        setter = next((one for one in reversed(loop[:position]) if _sets_flags(one)), None)
        if setter is None:
            continue
        named = tuple(dict.fromkeys(name for name in setter.operands if name in PARTS or name in GENERAL))
        return LoopCondition(jump, setter, named) if named else None
    return None


def _sets_flags(one: Instruction) -> bool:
    return bool({flag.upper() for flag in one.flags_written} & set(STATUS_FLAGS))


def values_of(program: Program, loop: Sequence[Instruction], condition: LoopCondition, trace: Trace) -> str:
    """What the registers of a loop's condition hold in its first rounds, and which lines set them again; or nothing.

    Args:
        program: The program.
        loop: The loop's instructions.
        condition: What decides whether it goes on.
        trace: The first steps of a run.
    """
    addresses = trace.addresses()
    rounds = [position for position, at in enumerate(addresses) if at == condition.setter.address][:_SHOWN]
    if len(rounds) < _FEWEST:
        return ""
    between = [set(addresses[start:end]) for start, end in itertools.pairwise(rounds)]
    said = []
    for name in condition.registers:
        whole, shift, bits = PARTS.get(name, (name, 0, 64))
        numbers = [(trace[position].after[whole] >> shift) & ((1 << bits) - 1) for position in rounds]
        shown = [str(signed(number, bits)) for number in numbers]
        same = len(set(shown)) == 1
        said.append(f"{name} stays {shown[0]}" if same else f"{name} goes {', '.join(shown)}, ...")
        again = [
            one
            for one in loop
            if _sets_again(one, whole) and all(one.address in carried_out for carried_out in between)
        ]
        if again:
            lines = [text for one in again if (text := _line(program, one))]
            said[-1] += f", because {listed(lines)} sets it again in every round" if lines else ""
        elif same and not any(full_register(other) == whole for one in loop for other in one.registers_written):
            said[-1] += ", and nothing in the loop changes it"
    return f"{_line(program, condition.jump)} decides whether the loop goes on: {'; '.join(said)}"


def _sets_again(one: Instruction, whole: str) -> bool:
    """Whether an instruction gives a register a value that does not come from the one it had."""
    written = {full_register(name) for name in one.registers_written}
    read = {full_register(name) for name in one.registers_read}
    of_itself = one.mnemonic in ("xor", "sub") and len(set(one.operands)) == 1
    return whole in written and (whole not in read or of_itself) and one.mnemonic in ("mov", "xor", "sub", "lea")


def _line(program: Program, one: Instruction) -> str:
    row = program.row_at(one.address)
    return "" if row is None else f"line {row.span.line} (`{typed(row)}`)"
