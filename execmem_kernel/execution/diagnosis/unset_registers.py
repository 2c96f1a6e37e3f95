"""Registers and flags that a program reads before anything has put a value in them, found by data-flow analysis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.calling_convention import CALLEE_SAVED
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.diagnosis import flow
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import GENERAL, PARTS, STATUS_FLAGS


def check_unset_registers(call: Call) -> Iterator[Warned]:
    """Registers and flags that are read before anything has put a value in them, but for those that the call gives."""
    entry = call.program.entry if call.entry is None else call.entry
    unset = _read_unset(call.program.code, call.program.address, entry)
    if not unset:
        return
    start = "any number" if call.poison is not None else "0"
    given = frozenset(map(_tracked, call.registers))
    if call.start == "main":
        given |= {"rdi", "rsi", "rdx"}
    if "rflags" in given:
        given |= set(STATUS_FLAGS)
    for name, address in unset:
        if name in given:
            continue
        hint = f"give it one first, or run with {name}=..."
        if name in STATUS_FLAGS:
            hint = "a calculation sets it, and so does a comparison: `cmp` or `test`"
        yield Warned(
            "unset-register",
            f"{name} is read here, and nothing has put a value in it: it starts as {start}",
            call.program.line_at(address),
            hint,
        )


_VECTOR = re.compile(r"[xyz](mm\d+)")
_TRACKED = frozenset(
    (*GENERAL, *(f"xmm{number}" for number in range(32)), *(f"k{number}" for number in range(8)), *STATUS_FLAGS)
)
"""What is followed through the code, and what a function may have written."""


def _tracked(name: str) -> str:
    """The register that a part belongs to, where a vector register is called by its lowest part."""
    if name in PARTS:
        return PARTS[name][0]
    vector = _VECTOR.fullmatch(name)
    return f"x{vector[1]}" if vector else name


@lru_cache(256)
def _read_unset(code: bytes, address: int, entry: int) -> tuple[tuple[str, int], ...]:
    """Registers and flags read, on some way from the entry, before they are written: each with the first such place.

    Pushing a register and storing a callee-saved one are how a caller's value is kept, and do not count.
    """
    graph = flow.flow_of(code, address, (entry,))
    found: dict[str, int] = {}
    best: dict[int, frozenset[str]] = {}
    """What was written before an instruction, on every way to it so far: the intersection, so it only gets smaller."""
    waiting = [(entry, frozenset({"rsp"}))]
    while waiting:
        here, written = waiting.pop()
        instruction = graph.instructions.get(here)
        if instruction is None:
            continue
        if here in best:
            merged = best[here] & written
            if merged == best[here]:
                continue
            written = merged
        best[here] = written
        for name in _really_read(instruction):
            if name in _TRACKED and name not in written and found.get(name, here + 1) > here:
                found[name] = here
        written |= set(map(_tracked, instruction.registers_written))
        written |= {flag.upper() for flag in (*instruction.flags_written, *instruction.flags_undefined)}
        if "call" in instruction.groups:
            # Whatever a function is to give back, it may have written; where it comes back to, others do not.
            waiting.append((instruction.end, written | _TRACKED))
            if instruction.target is not None:
                waiting.append((instruction.target, written))
        elif "return" not in instruction.groups:
            waiting += [(target, written) for target in graph.following.get(here, ())]
    return tuple(sorted(found.items(), key=lambda item: item[1]))


_MERGING = re.compile(
    r"v?(?:cvtsi2s[sd]|cvtusi2s[sd]|sqrts[sd]|rcpss|rsqrtss|rounds[sd]|cvtss2sd|cvtsd2ss|mov[lh]p[sd]|movs[sd]|pinsr.|insertps)"
)
"""Instructions that leave the rest of a vector register as it was: what is kept there is mostly of no interest."""


def _really_read(instruction: Instruction) -> tuple[str, ...]:
    """The registers and flags whose value matters: not a push, not `xor eax, eax`, nothing that is only kept."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if mnemonic.startswith(("push", "vzero")) or mnemonic in ("syscall", "enter", "leave", "xchg", "nop", "endbr64"):
        return ()
    if mnemonic == "cpuid":  # ecx matters to some of its leaves only
        return ("rax",)
    flags = tuple(flag.upper() for flag in instruction.flags_read)
    read = tuple(map(_tracked, instruction.registers_read))
    same = operands[:3] if mnemonic.startswith("vpternlog") else operands[-2:]
    if len(same) > 1 and len(set(same)) == 1 and mnemonic.startswith(_OF_ITSELF):
        return flags
    if mnemonic.startswith(("mov", "vmov")) and operands and operands[0].endswith("]"):
        return tuple(name for name in read if name not in CALLEE_SAVED and name[:3] != "xmm")
    if _MERGING.fullmatch(mnemonic):
        sources = operands[1 if mnemonic[0] != "v" else 2 :]
        read = tuple(name for name in read if name[:3] != "xmm" or name in map(_tracked, sources))
    return (*read, *flags)


_OF_ITSELF = (
    "xor", "sub", "sbb", "pxor", "vpxor", "vxor", "pcmpeq", "vpcmpeq", "psub", "vpsub", "vpternlog", "kxor", "kxnor",
    "pandn", "vpandn",
)  # fmt: skip
"""What gives the same result of a register with itself, whatever that holds (`sbb`: but for the carry)."""
