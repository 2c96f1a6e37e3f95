"""Warnings that a run proves: values that a call changed, quotients of half a dividend, a callee's lost stack pointer.

The code says whether there may be something to see; only then is the run looked at, step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution.contract.address_map import CANARY
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.contract.trace import Step, Trace
from execmem_kernel.execution.diagnosis import flow
from execmem_kernel.execution.diagnosis.final_state import FinalState
from execmem_kernel.execution.diagnosis.hint_lines import lines, typed
from execmem_kernel.execution.diagnosis.stack_balance import balance, frames_of
from execmem_kernel.execution.diagnosis.unset_registers import really_read
from execmem_kernel.program.program import Program
from execmem_kernel.wording import plural, signed
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import GENERAL, PARTS, full_register

_VOLATILE = ("rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
"""What a function may change, but for its result. Source: System V ABI, AMD64 supplement, 3.2.1."""
_BY_SYSTEM_CALL = ("rcx", "r11")
"""What `syscall` itself changes. Source: Intel SDM vol. 2, SYSCALL."""
_UPPER = {16: ("dx", "ax", "cwd"), 32: ("edx", "eax", "cdq"), 64: ("rdx", "rax", "cqo")}


def check_run(ending: FinalState) -> Iterator[Warned]:
    """What went wrong in a run without stopping it."""
    program = ending.call.program
    graph = flow.flow_of(program.code, program.address, (ending.entry,))
    kinds = _worth_looking(program.code, program.address, ending.entry)
    filled = _holds_filling(ending)
    if not kinds and not filled:
        return
    trace = ending.history()
    if trace is None or trace.gaps or trace.first:
        return
    if filled:
        yield from _read_outside(ending, trace)
    if "call" in kinds:
        yield from _lost_in_calls(program, graph, trace)
    if "idiv" in kinds:
        yield from _half_dividends(program, trace)
    if "stack" in kinds:
        yield from _unbalanced(program, trace)


def _holds_filling(ending: FinalState) -> bool:
    """Whether a register that changed has a byte in it that fills what lies around the buffers."""
    if not any(place.canary for place in ending.buffers.values()):
        return False
    before, after = ending.before.values_, ending.after.values_
    return any(CANARY in after[name].to_bytes(8, "little") for name in GENERAL if after[name] != before[name])


def _read_outside(ending: FinalState, trace: Trace) -> Iterator[Warned]:
    """Reads around a buffer, in its pages, which do not fault."""
    told = set()
    for step in trace:
        for access in step.reads:
            start, end = access.address, access.address + len(access.data)
            for place in ending.buffers.values():
                if not place.canary or end <= place.page_start or start >= place.page_end or step.address in told:
                    continue
                if place.end < end:
                    off = start - place.end
                    where = f"{plural(off, 'byte')} past the end" if off > 0 else "past the end"
                elif start < place.start:
                    where = f"{plural(place.start - start, 'byte')} before the start"
                else:
                    continue
                told.add(step.address)
                yield Warned(
                    "buffer-overrun",
                    f"reads {plural(len(access.data), 'byte')} {where} of buffer {place.name} "
                    f"({plural(place.size, 'byte')}): what lies there is filled with {CANARY:#x}",
                    step.line,
                    "check the size of the items, and the last index: those of a buffer of n go from 0 to n-1",
                )


@lru_cache(256)
def _worth_looking(code: bytes, address: int, entry: int) -> frozenset[str]:
    """What a program has in it that is worth a look at its steps."""
    graph = flow.flow_of(code, address, (entry,))
    found = set()
    clobbered = _clobbered(graph, entry)
    read = {at: set(map(full_register, really_read(one))) for at, one in graph.instructions.items()}
    if any(read[at] & clobbered.get(at, frozenset()) for at in read):
        found.add("call")
    for one in graph.instructions.values():
        if one.mnemonic == "idiv":
            found.add("idiv")
        if "call" in one.groups and one.target is not None and not _balances(graph, one.target):
            found.add("stack")
    return frozenset(found)


def _clobbered(graph: flow.Flow, entry: int) -> Mapping[int, frozenset[str]]:
    """Before each instruction, the registers that a call may have changed since they were written."""
    before: dict[int, frozenset[str]] = {entry: frozenset()}
    waiting = [entry]
    while waiting:
        here = waiting.pop()
        instruction = graph.instructions.get(here)
        if instruction is None:
            continue
        after = before[here]
        ahead = graph.following.get(here, ())
        if instruction.mnemonic == "syscall":
            after = after | set(_BY_SYSTEM_CALL)
        elif "call" in instruction.groups:
            recursive = instruction.target in graph.instructions
            if instruction.target is not None and recursive:
                ahead = (*ahead, instruction.end)
                if flow.reaches(graph, instruction.target, here):
                    waiting += _merge(before, instruction.end, after | set(_VOLATILE))
            else:
                after = after | set(_VOLATILE)
                ahead = (instruction.end,)
        else:
            after = after - {full_register(name) for name in instruction.registers_written}
        for target in ahead:
            waiting += _merge(before, target, after)
    return before


def _merge(before: dict[int, frozenset[str]], target: int, more: frozenset[str]) -> list[int]:
    merged = before.get(target, frozenset()) | more
    if target in before and merged == before[target]:
        return []
    before[target] = merged
    return [target]


def lost_in_loop(program: Program, loop: Sequence[Instruction], entry: int | None) -> str:
    """What to look at in a loop whose condition reads a register that a call in the loop may change; empty for none.

    Args:
        program: The program.
        loop: The loop's instructions.
        entry: Where the program started; None for its own entry.
    """
    graph = flow.flow_of(program.code, program.address, (program.entry if entry is None else entry,))
    before = _clobbered(graph, program.entry if entry is None else entry)
    for one in reversed(loop):
        names = sorted({full_register(name) for name in really_read(one)} & before.get(one.address, frozenset()))
        row = program.row_at(one.address)
        if (
            not names
            or row is None
            or not ("conditional" in one.groups or one.mnemonic in ("dec", "cmp", "sub", "test"))
        ):
            continue
        call = next((call for call in loop if "call" in call.groups or call.mnemonic == "syscall"), None)
        made = None if call is None else program.row_at(call.address)
        if call is None or made is None:
            continue
        does = "always changes rcx and r11" if call.mnemonic == "syscall" else "may change it"
        push, pop = lines(program, f"push {names[0]}"), lines(program, f"pop {names[0]}")
        return (
            f"line {row.span.line} (`{typed(row)}`) reads {names[0]}, and line {made.span.line} (`{typed(made)}`) "
            f"{does}: keep it in rbx, rbp or r12 to r15, or {push} before the call and {pop} after it"
        )
    return ""


def _balances(graph: flow.Flow, function: int) -> bool:
    """Whether a function gives back what it takes off the stack, as far as its pushes, pops and sums tell."""
    seen: dict[int, int] = {}
    waiting = [(function, 0)]
    while waiting:
        here, taken = waiting.pop()
        one = graph.instructions.get(here)
        if one is None or here in seen:
            continue
        seen[here] = taken
        if "return" in one.groups:
            if taken:
                return False
            continue
        if one.mnemonic in ("leave", "enter") or ("rsp" in one.operands[:1] and one.mnemonic not in ("add", "sub")):
            return True
        if one.mnemonic.startswith("push"):
            taken += 8
        elif one.mnemonic.startswith("pop"):
            taken -= 8
        elif one.operands[:1] == ("rsp",):
            try:
                size = int(one.operands[1], 0)
            except ValueError:
                return True
            taken += size if one.mnemonic == "sub" else -size
        ahead = (one.end,) if "call" in one.groups else graph.following.get(here, ())
        waiting += [(target, taken) for target in ahead]
    return True


def _name(program: Program, step: Step) -> str:
    row = program.row_at(step.address)
    return f"`{step.text}`" if row is None else f"line {row.span.line} (`{typed(row)}`)"


def _lost_in_calls(program: Program, graph: flow.Flow, trace: Trace) -> Iterator[Warned]:
    """Registers that are read after a call which may change them, and in the program's own functions has done so."""
    lost: dict[str, tuple[Step, int | None]] = {}
    """Register -> the call since which it holds no known value, and what it held before one of the program's own."""
    open_calls: list[Step] = []
    told: set[tuple[str, int]] = set()
    for position in range(len(trace)):
        rip = trace.at(position)[0]
        place = trace.places[rip]
        if place.foreign:
            call = open_calls.pop() if open_calls else None
            if call is not None:
                lost.update(dict.fromkeys(_VOLATILE, (call, None)))
            lost.pop("rax", None)
            continue
        one = place.instruction
        for name in map(full_register, really_read(one)):
            if name in lost and (name, rip) not in told:
                told.add((name, rip))
                yield _lost(program, name, lost[name], place.line)
        for name in one.registers_written:
            lost.pop(full_register(name), None)
        if one.mnemonic == "syscall":
            lost.update(dict.fromkeys(_BY_SYSTEM_CALL, (trace[position], None)))
        elif "call" in one.groups:
            open_calls.append(trace[position])
        elif "return" in one.groups and open_calls:
            call, after = open_calls.pop(), trace[position].after
            if one.mnemonic != "ret" or after["rsp"] != call.before["rsp"]:
                open_calls.clear()
                continue
            target = call.place.instruction.target
            if target is not None and target in graph.instructions and flow.reaches(graph, target, call.address):
                changed = {name: (call, call.before[name]) for name in _VOLATILE if call.before[name] != after[name]}
                lost.update(changed)


def _lost(program: Program, name: str, since: tuple[Step, int | None], line: int | None) -> Warned:
    call, old = since
    if call.place.mnemonic == "syscall":
        sentence = f"{name} is read here after {_name(program, call)}, and `syscall` always changes rcx and r11"
    elif old is None:
        sentence = f"{name} is read here after {_name(program, call)}, and a function may change it"
    else:
        sentence = f"{name} is read here after {_name(program, call)}, which has changed it"
    push, pop = lines(program, f"push {name}"), lines(program, f"pop {name}")
    hint = f"keep it in rbx, rbp or r12 to r15, or {push} before the call and {pop} after it"
    return Warned("lost-in-call", sentence, line, hint)


def _half_dividends(program: Program, trace: Trace) -> Iterator[Warned]:
    """`idiv` of a negative number whose sign is not in the upper half of the dividend."""
    told = set()
    for step in trace.where("idiv"):
        one = step.place.instruction
        found = None if step.address in told else _half_dividend(trace, step, one)
        if found is not None:
            told.add(step.address)
            yield Warned("half-dividend", found[0], step.line, f"write `{found[1]}` before line {step.line}")


def _half_dividend(trace: Trace, step: Step, one: Instruction) -> tuple[str, str] | None:
    bits = 8 * one.memory[0].size if one.memory else _bits(one.operands[0])
    try:
        low_step = trace.last_write("rax", step)
        high_step = trace.last_write("rdx", step)
    except NotRecordedError:
        return None
    rax, rdx = step.before["rax"], step.before["rdx"]
    if bits == 8:
        written = low_step.place.instruction.operands[:1] if low_step is not None and not low_step.place.foreign else ()
        if written != ("al",) or rax >> 8 & 0xFF or not rax >> 7 & 1:
            return None
        value = signed(rax & 0xFF, 8)
        return f"`idiv` divides ax, which is {rax & 0xFFFF} here: ah is 0, and al alone is {value}", "cbw"
    mask = (1 << bits) - 1
    if rdx & mask or not (rax & mask) >> (bits - 1):
        return None
    made = None if high_step is None or high_step.place.foreign else high_step.place.instruction
    if made is not None and made.mnemonic in ("mul", "imul") and len(made.operands) == 1:
        return None
    high, low, extension = _UPPER[bits]
    return (
        f"`idiv` divides {high}:{low}, which is {rax & mask} here: {high} is 0, and {low} alone is "
        f"{signed(rax & mask, bits)}",
        extension,
    )


def _bits(name: str) -> int:
    return 64 if name in GENERAL else PARTS[name][2]


def _unbalanced(program: Program, trace: Trace) -> Iterator[Warned]:
    """Functions that a `ret` left with another return address than their own."""
    told = set()
    for frame, step in frames_of(trace, trace.state(0)["rsp"]):
        off = step.before["rsp"] - frame.slot
        if off <= 0 or frame.slot == trace.state(0)["rsp"] or step.address in told:
            continue
        told.add(step.address)
        found = balance(frame.changes)
        who = found.surplus[0].step if found.surplus else step
        yield Warned(
            "stack-pointer",
            f"`ret` on line {step.line} took the return address of its caller: the function has taken "
            f"{plural(off, 'byte')} more off the stack than it had put there",
            who.line,
            "a function gives back what it has taken, and no more",
        )
