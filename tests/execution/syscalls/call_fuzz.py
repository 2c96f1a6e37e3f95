"""Programs that make system calls with hostile arguments: sizes near 2**63, edges of mappings, lengths that wrap.

By hand, as many as wanted: `python -m tests.execution.syscalls.call_fuzz 5000 --seed 1`.
"""

from __future__ import annotations

import argparse
import random

import execmem_kernel as em
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.engine import Engine
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine
from execmem_kernel.execution.engines.self_reporting_engine import SelfReportingEngine
from execmem_kernel.execution.libc.system_calls import LibrarySystemCallHandler
from execmem_kernel.execution.syscalls.handlers import SystemCallHandler
from execmem_kernel.execution.syscalls.numbers import NUMBERS

ENGINES: dict[str, Engine] = {"supervisor": PtraceEngine(), "guest": SelfReportingEngine()}
_ENDINGS = {"exit", "exit_group", "tgkill", "openat", "dup"}
CALLS = {
    "alone": sorted(SystemCallHandler._handlers.keys() - _ENDINGS),
    "with the C library": sorted(LibrarySystemCallHandler._handlers.keys() - _ENDINGS),
}
EDGES = (
    0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 0x22, 0x32, 0xFFF, 0x1000, 0x1001, 0x2000, 0x10000, 0x7FFFFFFF, 0x80000000,
    0xFFFFFFFF, 1 << 32, (1 << 47) - 0x1000, (1 << 47) - 1, 1 << 47, (1 << 63) - 0x1000, (1 << 63) - 1, 1 << 63,
    (1 << 63) + 1, (1 << 64) - 0x1000, (1 << 64) - 16, (1 << 64) - 1,
    *(base + offset for offset in (-0x1000, -8, -1, 0, 1, 8, 0x1000)
      for base in (address_map.BREAK, address_map.MAPPINGS, address_map.STACK_LOWEST, address_map.STACK_END,
                   address_map.BUFFERS, 0x1000_0000, address_map.RETURN, address_map.RUNNER)),
)  # fmt: skip
"""Numbers at which lengths and addresses go wrong."""


_SHAPES = {
    "write": "fas", "read": "zas", "brk": "b", "mmap": "zspm", "munmap": "Ms", "mremap": "Mss1", "madvise": "Ms4",
    "mprotect": "Msp", "writev": "fVc", "fstat": "fA", "ioctl": "ftA", "getrandom": "asz", "clock_gettime": "cA",
    "sysinfo": "A", "prlimit64": "zczA", "time": "A", "gettimeofday": "A", "futex": "A1", "newfstatat": "fAA",
}  # fmt: skip
"""What a program that means well would pass, a letter for each argument."""
_KINDS: dict[str, tuple[str, ...]] = {
    "f": ("1", "2"), "z": ("0",), "1": ("1",), "4": ("4",), "t": ("0x5401",), "m": ("0x22",), "p": ("0", "1", "3"),
    "c": ("0", "1", "2", "7", "1024"), "s": ("1", "8", "0x1000", "0x1001", "0x3000", "0x100000"),
    "a": ("r12", "r13", "rsp"), "A": ("r12", "r13"), "M": ("r12", "r14"),
    "V": ("r13", "r12", str(address_map.STACK_END - 8)),
    "b": ("0", *(str(address_map.BREAK + more) for more in (0x1000, 0x5008, 0x2000))),
}  # fmt: skip


def source(seed: int, kind: str) -> str:
    """A program with twelve calls; r12 and r14 hold the last memory that two of them gave."""
    chance = random.Random(seed)
    lines = ["extern puts", "main: push rbx"] if kind != "alone" else []
    lines += [f"mov r12, {address_map.BREAK}", "mov r14, r12", "lea r13, [rsp - 64]", "lea rbx, [rsp - 4096]"]
    for number in range(12):
        name = chance.choice(CALLS[kind])
        shape = _SHAPES.get(name, "")
        for place, register in enumerate(("rdi", "rsi", "rdx", "r10", "r8", "r9")):
            given = chance.choice(_KINDS[shape[place]]) if place < len(shape) else "0"
            if chance.random() < 0.2:
                given = f"{chance.choice(EDGES):#x}"
            lines.append(f"mov {register}, {given}")
            if chance.random() < 0.05:
                lines.append(f"add {register}, {chance.choice((-16, -8, 8, 0x1000, 0x2000))}")
        if name in ("writev", "write"):
            size = chance.choice((0, 4, 0x7FFFFFFF, -1, -(1 << 63), (1 << 63) - 1))
            lines += ["mov [r13], rsp", f"mov rax, {size}", "mov [r13 + 8], rax"]
        lines += [
            f"mov eax, {NUMBERS[name]}",
            "syscall",
            "cmp rax, 0x1000",
            f"jl n{number}",
            "mov r14, r12",
            "mov r12, rax",
            f"n{number}:",
        ]
    if kind != "alone":
        lines += ["lea rdi, [rip + t]", "call puts", "xor eax, eax", "pop rbx"]
    lines += ["ret"] + (['t: .asciz "still here"'] if kind != "alone" else [])
    return "\n".join(lines)


def check(seed: int, kind: str, witness: str, trace: bool = False) -> str | None:
    """What is wrong with the end of a program; None for an outcome that can be told."""
    text = source(seed, kind)
    limits = em.Limits(wall_s=20, memory_size=1 << 22, output_size=4096)
    try:
        outcome = em.run(text, engine=ENGINES[witness], stdin=b"some input", limits=limits, seed=1, trace=trace)
    except Exception as error:
        return f"{kind}, {witness}, seed {seed}: {type(error).__name__}: {error}"
    return None if outcome.report() else f"{kind}, {witness}, seed {seed}: says nothing"


def main() -> None:
    """Try as many programs as asked for, and tell of those that end otherwise than in an outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = 0
    for seed in range(options.seed, options.seed + options.count):
        for kind in CALLS:
            for witness in ENGINES:
                if found := check(seed, kind, witness, trace=seed % 8 == 0):
                    wrong += 1
                    print(found, flush=True)
    print(f"{wrong} of {options.count * 4:,} programs ended otherwise than in an outcome")


if __name__ == "__main__":
    main()
