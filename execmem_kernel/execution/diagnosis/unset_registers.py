"""Registers and flags that a program reads before anything has put a value in them, found by data-flow analysis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import lru_cache
from types import MappingProxyType

from execmem_kernel.execution.contract.calling_convention import CALLEE_SAVED
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis import flow
from execmem_kernel.execution.diagnosis.final_state import FinalState
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.registers import GENERAL, PARTS, STATUS_FLAGS


def check_unset_registers(ending: FinalState) -> Iterator[Warned]:
    """Registers and flags that this run read before anything had put a value in them.

    Where the steps of the run are not known, only those count that nothing writes on any way to where they are read.
    """
    call = ending.call
    program, entry = call.program, ending.entry
    given = frozenset(map(_tracked, call.registers))
    if call.start == "main":
        given |= {"rdi", "rsi", "rdx"}
    if "rflags" in given:
        given |= set(STATUS_FLAGS)
    possible = {name for name, _ in _read_unset(program.code, program.address, entry)} - given
    if not possible:
        return
    at_once = _read_at_once(program.code, program.address, entry)
    known = possible <= at_once.keys()  # then the run need not be looked at again
    trace = None if known else ending.history()
    if known:
        found = {name: address for name, address in at_once.items() if name in possible}
    elif trace is not None and not trace.gaps and not trace.first:
        found = _read_in_run(trace, possible)
    else:
        certain = _read_unset(program.code, program.address, entry, certain=True)
        found = {name: address for name, address in certain if name in possible}
    start = "any number" if call.poison is not None else "0"
    for name, address in sorted(found.items(), key=lambda item: item[1]):
        hint = f"give it one first, or run with {name}=..."
        if name in STATUS_FLAGS:
            hint = "a calculation sets it, and so does a comparison: `cmp` or `test`"
        yield Warned(
            "unset-register",
            f"{name} is read here, and nothing has put a value in it: it starts as {start}",
            program.line_at(address),
            hint,
        )


@lru_cache(256)
def _read_at_once(code: bytes, address: int, entry: int) -> Mapping[str, int]:
    """What is read unset before the program's first branch or call, which every run carries out."""
    graph = flow.flow_of(code, address, (entry,))
    found: dict[str, int] = {}
    written = frozenset({"rsp"})
    here, seen = entry, set[int]()
    while here in graph.instructions and here not in seen:
        seen.add(here)
        instruction = graph.instructions[here]
        for name in _TRACKED.intersection(really_read(instruction)) - written:
            found.setdefault(name, here)
        written |= _written(instruction)
        if len(graph.following[here]) != 1 or "call" in instruction.groups:
            break
        here = graph.following[here][0]
    return MappingProxyType(found)


def _read_in_run(trace: Trace, possible: Set[str]) -> dict[str, int]:
    """Of some registers and flags, those that a run read before it wrote them: each with where it first did."""
    uses = {at: _uses(place.code, at) for at, place in trace.places.items() if not place.foreign}
    found: dict[str, int] = {}
    waiting = set(possible)
    for address in trace.addresses():
        if not waiting:
            break
        if address not in uses:
            waiting &= set(CALLEE_SAVED)  # a function of the C library may have written all others
            continue
        reads, writes = uses[address]
        for name in waiting & reads:
            found[name] = address
        waiting -= reads | writes
    saved = _saved(place.instruction for place in trace.places.values() if not place.foreign)
    return {name: address for name, address in found.items() if name not in saved or not _only_kept(trace, address)}


def _only_kept(trace: Trace, address: int) -> bool:
    """Whether an instruction is a plain copy of a whole register, as one that keeps the caller's value is."""
    instruction = trace.places[address].instruction
    return instruction.mnemonic in ("mov", "movq", "vmovq") and instruction.operands[-1] in CALLEE_SAVED


@lru_cache(1024)
def _uses(code: bytes, address: int) -> tuple[frozenset[str], frozenset[str]]:
    """What an instruction really reads, and what it writes."""
    instruction = disassemble(code, address)[0]
    return frozenset(really_read(instruction)) & _TRACKED, _written(instruction)


def _written(instruction: Instruction) -> frozenset[str]:
    flags = {flag.upper() for flag in (*instruction.flags_written, *instruction.flags_undefined)}
    written = frozenset(map(_tracked, instruction.registers_written)) | flags
    return written | {"rax", "rcx", "r11"} if instruction.mnemonic == "syscall" else written


def _saved(instructions: Iterable[Instruction]) -> frozenset[str]:
    """The callee-saved registers that are kept in another register, and taken back from it."""
    copies = {
        (one.operands[0], one.operands[1])
        for one in instructions
        if one.mnemonic in ("mov", "movq", "vmovq") and len(one.operands) == 2
    }
    return frozenset(source for target, source in copies if source in CALLEE_SAVED and (source, target) in copies)


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
def _read_unset(code: bytes, address: int, entry: int, certain: bool = False) -> tuple[tuple[str, int], ...]:
    """Registers and flags read before they are written: each with the first such place.

    Pushing a register and storing a callee-saved one are how a caller's value is kept, and do not count.

    Args:
        code: The bytes of the text segment.
        address: Where it starts.
        entry: Where the program does.
        certain: Whether to take those only that are written on no way to where they are read, instead of those that
            are not written on some way.
    """
    graph = flow.flow_of(code, address, (entry,))
    saved = _saved(graph.instructions.values())
    found: dict[str, int] = {}
    best: dict[int, frozenset[str]] = {}
    """What was written before an instruction: on every way to it so far, or on any."""
    waiting = [(entry, frozenset({"rsp"}))]
    while waiting:
        here, written = waiting.pop()
        instruction = graph.instructions.get(here)
        if instruction is None:
            continue
        if here in best:
            merged = best[here] | written if certain else best[here] & written
            if merged == best[here]:
                continue
            written = merged
        best[here] = written
        written |= _written(instruction)
        if "call" in instruction.groups:
            # Whatever a function is to give back, it may have written; where it comes back to, others do not.
            waiting.append((instruction.end, written | _TRACKED))
            if instruction.target is not None:
                waiting.append((instruction.target, written))
        elif "return" not in instruction.groups:
            waiting += [(target, written) for target in graph.following.get(here, ())]
    for here, written in best.items():
        instruction = graph.instructions[here]
        copies = instruction.mnemonic in ("mov", "movq", "vmovq") and instruction.operands[-1] in saved
        for name in really_read(instruction):
            if name in _TRACKED and name not in written and found.get(name, here + 1) > here and not copies:
                found[name] = here
    return tuple(sorted(found.items(), key=lambda item: item[1]))


_MERGING = re.compile(
    r"v?(?:cvtsi2s[sd]|cvtusi2s[sd]|sqrts[sd]|rcpss|rsqrtss|rounds[sd]|cvtss2sd|cvtsd2ss|mov[lh]p[sd]|movs[sd]|pinsr.|insertps)"
)
"""Instructions that leave the rest of a vector register as it was: what is kept there is mostly of no interest."""


def really_read(instruction: Instruction) -> tuple[str, ...]:
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
