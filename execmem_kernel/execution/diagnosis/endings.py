"""Causes of endings that are no signals: limits, exits, refused system calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.call import Call, Limits
from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.contract.outcome import is_whole
from execmem_kernel.execution.diagnosis import flow
from execmem_kernel.execution.syscalls import numbers
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.x86.registers import GENERAL, PARTS

# ---- endings that are not signals ------------------------------------------------------------------------------------


def limit_reached(limit: str, limits: Limits) -> Cause:
    """The cause of an outcome that a limit made."""
    amounts = {
        "wall": f"did not end within {limits.wall_s:g} s",
        "cpu": f"used more than {limits.cpu_s:g} s of processor time",
        "steps": f"took more than {limits.steps or 0:,} steps",
        "output": f"wrote more than {limits.output_size:,} bytes; what came after them is cut off",
        "memory": f"asked for more than {limits.memory_size:,} bytes of memory",
        "system calls": f"made more than {limits.system_calls:,} system calls",
    }
    try_ = {
        "output": "look at the loop around the write",
        "memory": "give memory back with munmap, or ask for less",
        "system calls": "look at the loop around the call",
    }
    return Cause(f"limit-{limit.replace(' ', '-')}", amounts[limit], look_at=try_.get(limit, ""))


def endless(limit: str, call: Call, registers: dict[str, int]) -> tuple[Cause, ListingRow | None, tuple[str, ...]]:
    """The cause of a run out of time: the lines it goes round, and the registers that no longer change.

    Only what every run would show is said: which of the loop's instructions it was in when time ran out is chance.
    """
    program, rip = call.program, registers["rip"]
    plain = limit_reached(limit, call.limits)
    loop = flow.loop_at(program, rip, call.entry)
    if not loop:
        return plain, program.row_at(rip) if limit == "steps" else None, ()
    steady = flow.steady_in(loop)
    lines = sorted({line for line in (program.line_at(one.address) for one in loop) if line is not None})
    if not lines:
        where = ""
    elif len(lines) == 1:
        where = f", going round line {lines[0]}"
    else:
        where = f", going round lines {lines[0]} to {lines[-1]}"
    used = {
        PARTS.get(name, (name,))[0] for one in loop for name in one.registers_read if name in PARTS or name in GENERAL
    }
    shown = tuple(name for name in GENERAL if name in used and name in steady and name != "rsp")
    conditional = [one for one in loop if "conditional" in one.groups]
    if not conditional:
        look_at = "nothing in the loop leaves it: it needs a conditional jump, or a `ret`"
    elif shown:
        look_at = (
            f"{', '.join(shown)} never change{'s' if len(shown) == 1 else ''} in the loop: is that what it waits for?"
        )
    else:
        look_at = "check what changes the condition of the loop's last jump"
    cause = Cause(
        plain.name, plain.sentence + where, MappingProxyType({name: registers[name] for name in shown}), look_at
    )
    return cause, program.row_at(min(loop, key=lambda one: one.address).address), steady


def exited(name: str, status: int, program: Program) -> Cause:
    """The cause of a program that asked to be ended."""
    if not is_whole(program):
        look_at = "a function in a cell ends with `ret`, with its result in rax; a whole program starts at `_start`"
    else:
        look_at = "" if status == 0 else f"status 0 says that all went well; if {status} is meant: `--expect exit`"
    return Cause(
        "exit", f"asked the operating system to end it, with status {status}: {name}({status})", look_at=look_at
    )


def unreported(signal: str) -> Cause:
    """The cause of a program that has destroyed what reports for it, on a host without ptrace."""
    return Cause(
        "unreported",
        f"ended by {signal}, and could not report where: what reports in its own process was destroyed",
        look_at="without ptrace, memory from 0x7fe00000 on belongs to the handler that reports: leave it alone",
    )


def refused(text: str, reason: str, look_at: str, registers: Mapping[str, int]) -> Cause:
    """The cause of a system call that a program may not make."""
    return Cause(
        "forbidden-system-call",
        f"{text if '(' not in text else 'the system call ' + text} is refused: {reason}",
        MappingProxyType({"rax": registers["rax"]}),
        look_at,
    )


def other_interface(
    way: int, program: Program, registers: dict[str, int], read: Callable[[int, int], bytes]
) -> dict[str, Any]:
    """The cause and row of a system call that came in by an interface which is closed."""
    number = registers["orig_rax"]
    rip = registers["rip"]
    evidence = MappingProxyType({"rax": number})
    if rip >= address_map.USER_END:
        row = program.row_at(int.from_bytes(read(registers["rsp"], 8).ljust(8, b"\0"), "little") - 1)
        name = numbers.name_of(number)
        cause = Cause(
            "vsyscall",
            f"called the old vsyscall page for {name}, which is closed",
            evidence,
            "a program does not need to know its processor" if name == "getcpu" else "use `syscall` with clock_gettime",
        )
        return {"cause": cause, "row": row}
    row = program.row_at(rip - 2)
    if way == 2 and not number & 1 << 31:
        name = numbers.NAMES.get(number & 0x3FFFFFFF, str(number & 0x3FFFFFFF))
        cause = Cause(
            "x32-system-call",
            f"a system call by the x32 interface, for {name}: that interface is closed",
            evidence,
            "leave bit 30 out of the number in rax",
        )
        return {"cause": cause, "row": row}
    if way == 2:
        cause = refused(numbers.name_of(number), "there is no system call of that number", "look at rax", registers)
        return {"cause": cause, "row": row}
    number &= 0xFFFFFFFF
    known = numbers.NAMES_32.get(number)
    name = known or f"number {number}"
    here = numbers.NUMBERS.get(known or "")
    if registers["cs"] == 0x23:
        sentence = f"the program has switched to 32-bit mode and made a 32-bit system call there, {name}"
    else:
        sentence = f"`int 0x80` is the 32-bit system call interface, which is closed; this is {name} there"
    return {
        "cause": Cause(
            "32-bit-system-call",
            sentence,
            evidence,
            "use `syscall` with the 64-bit numbers"
            + (f": {known} is {here}, with its arguments in rdi, rsi, rdx" if here is not None else ""),
        ),
        "row": row,
    }
