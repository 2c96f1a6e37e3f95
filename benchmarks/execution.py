"""What an isolated run costs, against a bare spawn and as + ld + run; and a recorded step, against raw ptrace in C
and against an emulator whose every instruction calls Python.

    python benchmarks/execution.py

Everything that is compared takes turns in every round, and both the fastest and the median round are shown: on a busy
machine the fastest is what the work itself takes. `as`, `ld` and `cc` are needed for the comparisons with them.
"""

from __future__ import annotations

import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import execmem_kernel as em
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.engines.ptrace_engine import PtraceEngine

ROUNDS = 300
STEPS, STEP_ROUNDS = 6_000, 30
SOURCE = "lea rax, [rdi + rsi]\nret"
STEPPER = r"""
#define _GNU_SOURCE
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <sched.h>
#include <unistd.h>
int main(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        __asm__ volatile("int3\n1: dec %%ecx\njmp 1b" ::: "ecx");
    }
    int status;
    struct user_regs_struct registers;
    waitpid(child, &status, 0);
    for (int i = 0; i < STEPS; i++) {
        ptrace(PTRACE_SINGLESTEP, child, 0, 0);
        waitpid(child, &status, 0);
        ptrace(PTRACE_GETREGS, child, 0, &registers);
    }
    ptrace(PTRACE_KILL, child, 0, 0);
    return 0;
}
"""


def empty_executable(path: Path) -> None:
    """The least there can be: a static ELF of one segment whose code is exit(0)."""
    code = bytes.fromhex("b83c000000 31ff 0f05")
    header = struct.Struct("<16sHHIQQQIHHHHHH" + "IIQQQQQQ")
    base, size = 0x400000, header.size + len(code)
    path.write_bytes(
        header.pack(
            *(b"\x7fELF\x02\x01\x01".ljust(16, b"\0"), 2, 62, 1, base + header.size, 64, 0, 0, 64, 56, 1, 0, 0, 0),
            *(1, 5, 0, base, base, size, size, 0x1000),
        )
        + code
    )
    path.chmod(0o700)


def race(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Microseconds of each candidate in each round; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, work in candidates.items():
            started = time.perf_counter()
            work()
            times[name].append((time.perf_counter() - started) * 1e6)
    return times


def show(times: dict[str, list[float]], base: str) -> None:
    for name, values in times.items():
        low, middle = min(values), statistics.median(values)
        ratios = f"{low / min(times[base]):7.2f} {middle / statistics.median(times[base]):7.2f}"
        print(f"  {name:<38}{low:10.1f} us {middle:10.1f} us   {ratios}")


def main() -> None:
    print(f"Python {sys.version.split()[0]}; fastest, median, and both as multiples of the first line")
    program = em.assemble(SOURCE)
    values = {"rdi": 40, "rsi": 2}
    assert em.run(program, registers=values).registers["rax"] == 42
    supervisor, call = PtraceEngine(), Call(program, registers=values)
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "empty")
        empty_executable(empty)

        def spawn() -> None:
            os.waitpid(os.posix_spawn(empty, ["empty"], {}), 0)

        print("an isolated run")
        candidates: dict[str, Callable[[], object]] = {
            "bare spawn of an empty static ELF": spawn,
            "the supervisor alone": lambda: supervisor.run(call),
            "em.run(program), region and all": lambda: em.run(program, registers=values),
        }
        show(race(candidates, ROUNDS), "bare spawn of an empty static ELF")

        if shutil.which("as") and shutil.which("ld"):
            text = Path(folder, "a.s")
            text.write_text("mov edi, 40\nmov esi, 2\nlea rdi, [rdi + rsi]\nmov eax, 60\nsyscall\n")

            def toolchain() -> None:
                made = [f"{folder}/a.o", f"{folder}/a.out"]
                subprocess.run(["as", "--64", "-msyntax=intel", "-mnaked-reg", "-o", made[0], str(text)], check=True)
                subprocess.run(["ld", "-e", "0x401000", "-o", made[1], made[0]], check=True, capture_output=True)
                assert subprocess.run([made[1]], check=False).returncode == 42

            print("the same program by as + ld + run")
            versus: dict[str, Callable[[], object]] = {
                "em.run(program)": candidates["em.run(program), region and all"],
                "em.run(source), assembled every time": lambda: em.run(SOURCE, registers=values),
                "as + ld + run": toolchain,
            }
            show(race(versus, 20), "em.run(program)")

        print("a recorded step")
        rounds = race(_steppers(folder), STEP_ROUNDS)
        show({name: [one / STEPS for one in values] for name, values in rounds.items()}, next(iter(rounds)))


def _steppers(folder: str) -> dict[str, Callable[[], object]]:
    """What records the steps of a loop, each in its own way; the first is what the others are compared with."""
    loops = {
        "registers": f"mov ecx, {STEPS // 2}\nl: dec ecx\njnz l\nret",
        "registers and memory": f"mov ecx, {STEPS // 3}\nl: mov [rdi], ecx\ndec ecx\njnz l\nret",
        "registers and vectors": f"mov ecx, {STEPS // 3}\nl: paddd xmm0, xmm1\ndec ecx\njnz l\nret",
    }

    def recorder(source: str) -> Callable[[], object]:
        program = em.assemble(source)

        def record() -> None:
            outcome = em.run(program, registers={"rdi": "b"}, buffers={"b": 8}, trace=True)
            assert outcome.trace is not None
            assert abs(len(outcome.trace) - STEPS) < 4

        return record

    candidates: dict[str, Callable[[], object]] = {}
    if shutil.which("cc"):
        source = Path(folder, "stepper.c")
        source.write_text(STEPPER.replace("STEPS", str(STEPS)))
        subprocess.run(["cc", "-O2", "-o", f"{folder}/stepper", str(source)], check=True)
        candidates["raw ptrace in C, registers"] = lambda: subprocess.run([f"{folder}/stepper"], check=True)
    for name, text in loops.items():
        candidates[name] = recorder(text)
    candidates["unicorn, a hook in Python, registers"] = _emulator(em.assemble(loops["registers"]).code)
    for work in candidates.values():
        work()  # what is set up once is not timed
    return candidates


def _emulator(code: bytes) -> Callable[[], object]:
    """The same loop in an emulator that calls Python before every instruction, which reads all registers."""
    import unicorn
    from unicorn import x86_const

    machine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    machine.mem_map(0x1000_0000, 0x1000)
    machine.mem_map(0x7000_0000, 0x1000)
    machine.mem_write(0x1000_0000, code)
    names = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags".upper().split()
    numbers = [getattr(x86_const, f"UC_X86_REG_{name}") for name in names]
    states: list[tuple[int, ...]] = []

    def hook(_machine: object, _address: int, _size: int, _data: object) -> None:
        states.append(tuple(machine.reg_read_batch(numbers)))

    machine.hook_add(unicorn.UC_HOOK_CODE, hook)

    def emulate() -> None:
        states.clear()
        machine.reg_write(x86_const.UC_X86_REG_RSP, 0x7000_0800)
        machine.emu_start(0x1000_0000, 0x1000_0000 + len(code) - 1)
        assert len(states) == STEPS + 1

    return emulate


if __name__ == "__main__":
    main()
