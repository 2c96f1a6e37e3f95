"""Causes of endings that are no signals: limits, exits, refused system calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from execmem_kernel.execution.contract.address_map import USER_END
from execmem_kernel.execution.contract.call import Call, Limits
from execmem_kernel.execution.contract.cause import Cause, CauseName
from execmem_kernel.execution.contract.outcome import is_whole
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis import flow, loops, run_checks
from execmem_kernel.execution.process.seccomp_filter import X32
from execmem_kernel.execution.syscalls import numbers
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import GENERAL, full_register

_Limit = tuple[CauseName, Callable[[Limits], str], str]

_LIMITS: Mapping[str, _Limit] = MappingProxyType(
    {
        "wall": ("limit-wall", lambda limits: f"did not end within {limits.time_s:g} s", ""),
        "cpu": ("limit-cpu", lambda limits: f"used more than {limits.time_s:g} s of processor time", ""),
        "steps": ("limit-steps", lambda limits: f"took more than {limits.steps or 0:,} steps", ""),
        "output": (
            "limit-output",
            lambda limits: f"wrote more than {limits.output_size:,} bytes; what came after them is cut off",
            "look at the loop around the write",
        ),
        "memory": (
            "limit-memory",
            lambda limits: f"asked for more than {limits.memory_size:,} bytes of memory",
            "give memory back with munmap, or ask for less",
        ),
        "system calls": (
            "limit-system-calls",
            lambda limits: f"made more than {limits.system_calls:,} system calls",
            "look at the loop around the call",
        ),
    }
)
"""`TimedOut.limit` -> the cause's name, what it says, what to look at."""


def limit_reached(limit: str, limits: Limits) -> Cause:
    """The cause of an outcome that a limit made."""
    name, sentence, look_at = _LIMITS[limit]
    return Cause(name, sentence(limits), look_at=look_at)


def endless(limit: str, call: Call, registers: dict[str, int]) -> tuple[Cause, ListingRow | None, tuple[str, ...]]:
    """The cause of a run out of time: the lines it goes round, and the registers that no longer change.

    Only what every run would show is said: which of the loop's instructions it was in when time ran out is chance.

    Args:
        limit: "wall", "cpu" or "steps".
        call: What was run.
        registers: As they were when it was stopped.

    Returns:
        The cause, the listing's row to show, and the general registers that no instruction of the loop writes.
    """
    program, rip = call.program, registers["rip"]
    plain = limit_reached(limit, call.limits)
    loop = flow.loop_at(program, rip, call.entry)
    if not loop:
        # A count of steps ends every run at the same instruction; a clock does not.
        return plain, program.row_at(rip) if limit == "steps" else None, ()
    steady = flow.steady_in(loop)
    shown = tuple(name for name in GENERAL if name in _read_in(loop) and name in steady and name != "rsp")
    cause = Cause(
        plain.name,
        plain.sentence + _lines_of(loop, program),
        MappingProxyType({name: registers[name] for name in shown}),
        _way_out(loop, shown),
    )
    return cause, program.row_at(min(one.address for one in loop)), steady


def with_steps(cause: Cause, row: ListingRow | None, call: Call, first_steps: Callable[[], Trace | None]) -> Cause:
    """The cause of a run that a limit ended, with what its first steps and its calls say about the loop it was in.

    Args:
        cause: As it is known without them.
        row: The listing's row that is shown: a place in the loop.
        call: What was run.
        first_steps: The first steps, from a second run.
    """
    program = call.program
    loop = () if row is None else flow.loop_at(program, row.address, call.entry)
    if not loop:
        return cause
    lost = run_checks.lost_in_loop(program, loop, call.entry)
    if lost:
        return replace(cause, look_at=lost)
    looked_at = loops.condition_of(loop)
    if looked_at is None:
        return cause
    trace = first_steps()
    said = "" if trace is None else loops.values_of(program, loop, looked_at, trace)
    return replace(cause, look_at=said) if said else cause


def _read_in(loop: Sequence[Instruction]) -> set[str]:
    """The general registers that a loop reads, parts of them too."""
    return {full_register(name) for one in loop for name in one.registers_read}.intersection(GENERAL)


def _lines_of(loop: Sequence[Instruction], program: Program) -> str:
    """The end of a sentence: which lines a loop goes round."""
    lines = sorted({line for line in (program.line_at(one.address) for one in loop) if line is not None})
    if not lines:
        return ""
    return f", going round line {lines[0]}" if len(lines) == 1 else f", going round lines {lines[0]} to {lines[-1]}"


def _way_out(loop: Sequence[Instruction], unchanged: Sequence[str]) -> str:
    """What to look at in a loop that does not end."""
    if not any("conditional" in one.groups for one in loop):
        return "nothing in the loop leaves it: it needs a conditional jump, or a `ret`"
    if unchanged:
        change = "changes" if len(unchanged) == 1 else "change"
        return f"{', '.join(unchanged)} never {change} in the loop: is that what it waits for?"
    return "check what changes the condition of the loop's last jump"


def exited(name: str, status: int, program: Program) -> Cause:
    """The cause of a program that asked to be ended.

    Args:
        name: The system call: "exit" or "exit_group".
        status: What it passed.
        program: Whether it is a whole program says whether that was to be expected.
    """
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
    """The cause of a system call that a program may not make.

    Args:
        text: The call, as `open("x", 0)`, or in words.
        reason: Why not.
        look_at: What to look at instead; empty for nothing.
        registers: As they were when it was made.
    """
    look_at = _of_32_bits(registers) or look_at
    return Cause(
        "forbidden-system-call",
        f"{text if '(' not in text else 'the system call ' + text} is refused: {reason}",
        MappingProxyType({"rax": registers["rax"]}),
        look_at,
    )


def _of_32_bits(registers: Mapping[str, int]) -> str:
    """What to look at in a call made by `syscall` with a number and arguments as `int 0x80` takes them; empty if not.

    A number alone says nothing; that the first argument is where the 32-bit interface has it, and none where
    `syscall` has it, does.
    """
    meant = numbers.NAMES_32.get(registers["rax"])
    here = numbers.NUMBERS.get(meant or "")
    if meant is None or here is None or here == registers["rax"] or registers["rdi"] or not registers["rbx"]:
        return ""
    return (
        f"{registers['rax']} is {meant} for `int 0x80`, which has its arguments in ebx, ecx, edx; "
        f"for `syscall` {meant} is {here}, with its arguments in rdi, rsi, rdx"
    )


_NO_CALL_BIT = 1 << 31
"""Set in no number of any interface."""
_X32_NUMBER = (1 << 30) - 1
"""The number of an x32 call is that of the 64-bit call with bit 30 set."""
_CODE_SELECTOR_32 = 0x23
"""What cs holds in 32-bit mode. Source: Linux, arch/x86/include/asm/segment.h, __USER32_CS."""


def other_interface(
    way: int, program: Program, registers: dict[str, int], read: Callable[[int, int], bytes]
) -> dict[str, Any]:
    """The cause and row of a system call that came in by an interface which is closed.

    Args:
        way: What the seccomp filter said of it: OTHER_ARCHITECTURE, or X32; 0 for a call from the vsyscall page.
        program: Its listing says which line made the call.
        registers: As they were when it was made.
        read: The process's memory, by address and size.
    """
    number = registers["orig_rax"]
    rip = registers["rip"]
    if rip >= USER_END:
        back = int.from_bytes(read(registers["rsp"], 8).ljust(8, b"\0"), "little")
        return {"cause": _vsyscall(number), "row": program.row_at(back - 1)}
    if way != X32:
        cause = _interface_of_32_bits(number & 0xFFFFFFFF, number, registers["cs"] == _CODE_SELECTOR_32)
    elif number & _NO_CALL_BIT:
        cause = refused(numbers.name_of(number), "there is no system call of that number", "look at rax", registers)
    else:
        cause = _x32(number)
    return {"cause": cause, "row": program.row_at(rip - 2)}


def _vsyscall(number: int) -> Cause:
    name = numbers.name_of(number)
    return Cause(
        "vsyscall",
        f"called the old vsyscall page for {name}, which is closed",
        MappingProxyType({"rax": number}),
        "a program does not need to know its processor" if name == "getcpu" else "use `syscall` with clock_gettime",
    )


def _x32(number: int) -> Cause:
    name = numbers.NAMES.get(number & _X32_NUMBER, str(number & _X32_NUMBER))
    return Cause(
        "x32-system-call",
        f"a system call by the x32 interface, for {name}: that interface is closed",
        MappingProxyType({"rax": number}),
        "leave bit 30 out of the number in rax",
    )


def _interface_of_32_bits(number: int, rax: int, in_32_bit_mode: bool) -> Cause:
    known = numbers.NAMES_32.get(number)
    name = known or f"number {number}"
    here = numbers.NUMBERS.get(known or "")
    if in_32_bit_mode:
        sentence = f"the program has switched to 32-bit mode and made a 32-bit system call there, {name}"
    else:
        sentence = f"`int 0x80` is the 32-bit system call interface, which is closed; this is {name} there"
    return Cause(
        "32-bit-system-call",
        sentence,
        MappingProxyType({"rax": rax}),
        "use `syscall` with the 64-bit numbers"
        + (f": {known} is {here}, with its arguments in rdi, rsi, rdx" if here is not None else ""),
    )
