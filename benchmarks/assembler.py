"""How long a cell, a long program and twenty mistakes take, beside raw Keystone, GNU as and NASM.

    python benchmarks/assembler.py

Wall-clock times, each the best of several rounds, so that another program's turn on the processor does not count; `as`
and `nasm` are timed as the processes a notebook would have to start; Keystone as one call in this process, on text it can
read (no section, no comment), which is the fastest there is.
"""

# ruff: noqa: E501 (rows are read by row)

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keystone

from execmem_kernel.assembly import assembler
from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.encoding.encoder import default_encoder
from execmem_kernel.assembly.syntax import fast_path, line_parser
from execmem_kernel.errors import AssemblyError

CELL = """\
; the sum of an array, and its largest element
section .data
numbers: dq 3, 1, 4, 1, 5, 9, 2, 6
section .text
sum:
    lea rsi, [rel numbers]
    mov ecx, 8
    xor eax, eax
    mov rdx, [rsi]
again:
    mov rbx, [rsi]
    add rax, rbx
    cmp rbx, rdx
    jle smaller
    mov rdx, rbx
smaller:
    add rsi, 8
    dec ecx
    jnz again
    ret
"""

MISTAKES = [
    "mvo rax, 1", "mov rax, ebx", "mov al, 256", "mov [rax], 1", "add rax", "push eax", "lea rax, rbx", "shl eax, bl", "mov ah, r8b",
    "jmp nowhere", "mov rax, [rsp*2+rsp*2]", "add rip, 5", "lock add eax, 1", "mov 5, rax", "vaddps xmm0, ymm1, xmm2", "imull rax, rbx",
    "mov qword ptr [rax], [rbx]", "pusha", "movzx rax, ebx", "sete eax",
]  # fmt: skip


def long_program(lines: int, salt: int) -> str:
    """Straight code as a compiler or a student's generator writes it: the same idioms, ever other numbers."""
    chance = random.Random(salt)
    registers = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
    text = []
    while len(text) < lines - 1:
        one, two = chance.sample(registers, 2)
        number, offset = chance.randrange(10, 100_000), chance.randrange(16, 4096, 8)
        text += chance.choice(
            (
                [f"mov {one}, {number:#x}"],
                [f"mov {one}, {two}"],
                [f"mov {one}, qword ptr [{two} + {offset:#x}]"],
                [f"mov qword ptr [rsp + {offset:#x}], {one}"],
                [f"add {one}, {number:#x}"],
                [f"lea {one}, [{two} + {one}*4 + {offset:#x}]"],
                [f"imul {one}, {two}"],
                [f"xor {one}, {one}"],
                [f"cmp {one}, {two}", f"je l{len(text)}", f"l{len(text)}:"],
                [f"shl {one}, {number % 60 + 2:#x}"],
            )
        )
    return "\n".join([*text[: lines - 1], "ret", ""])


def forget() -> None:
    """Forget every line and every encoding, as if none had been met before; not which kinds of instruction there are."""
    assembler._assemble.cache_clear()
    fast_path.read_line.cache_clear()
    line_parser.read_line.cache_clear()
    encoder = default_encoder()
    encoder._known.clear()  # type: ignore[attr-defined]
    encoder._answered.clear()  # type: ignore[attr-defined]


def best(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds of the fastest round."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return min(times)


def as_process(command: list[str], text: str) -> float:
    """Milliseconds from the text to the object file, through a process."""
    with tempfile.TemporaryDirectory() as folder:
        typed, made = Path(folder, "a.s"), Path(folder, "a.o")

        def run() -> None:
            typed.write_text(text)
            subprocess.run([*command, "-o", str(made), str(typed)], check=True, capture_output=True)

        return best(run, 15)


def row(what: str, milliseconds: float, note: str = "") -> None:
    print(f"{what:58} {milliseconds:9.3f} ms  {note}")


def main() -> None:
    start = time.perf_counter()
    assemble("ret\n")
    row("the first program of a session (child started)", (time.perf_counter() - start) * 1000)

    print("\na cell of 20 lines")
    fresh = iter(range(10_000))
    cell = best(lambda: assemble(f"{CELL}; {next(fresh)}\n"), 50)
    row("  ours, edited and run again", cell, "aim: under 2 ms")
    row("  ours, unchanged", best(lambda: assemble(CELL), 50))

    def cold() -> None:
        forget()
        assemble(f"{CELL}; {next(fresh)}\n")

    row("  ours, every instruction new", best(cold, 20))
    gnu = (
        CELL.replace(";", "#")
        .replace("section ", ".section ")
        .replace("dq", ".quad")
        .replace("[rel numbers]", "[rip + numbers]")
    )
    if shutil.which("as"):
        row("  GNU as, as a process", as_process(["as", "--64", "-msyntax=intel", "-mnaked-reg"], gnu))
    if shutil.which("nasm"):
        row("  NASM, as a process", as_process(["nasm", "-felf64"], CELL))

    print("\na program of 1,000 lines")
    programs = [long_program(1000, salt) for salt in range(6)]
    engine = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64)
    raw = min(best(lambda text=text: engine.asm(text.encode()), 3) for text in programs)  # type: ignore[misc]
    first, spent = [], []
    for text in programs * 4:
        forget()
        began = time.process_time()
        first.append(best(lambda text=text: assemble(text), 1))  # type: ignore[misc]
        spent.append((time.process_time() - began) * 1000)
    edited = min(best(lambda text=text: assemble(f"{text}; {next(fresh)}\n"), 3) for text in programs)  # type: ignore[misc]
    row("  Keystone, raw, in this process, one call", raw)
    row("  ours, the first time", min(first), f"{min(first) / raw:.1f} times Keystone; aim: 10")
    row("    of which this process's own time", min(spent), f"{min(spent) / raw:.1f} times Keystone")
    row("  ours, edited and run again", edited, f"{edited / raw:.1f} times Keystone")
    row("  ours, unchanged", best(lambda: assemble(programs[-1]), 5))
    if shutil.which("as"):
        row("  GNU as, as a process", as_process(["as", "--64", "-msyntax=intel", "-mnaked-reg"], programs[0]))
    if shutil.which("nasm"):
        row("  NASM, as a process", as_process(["nasm", "-felf64"], programs[0].replace(" ptr", "")))

    print("\ntwenty mistakes")

    def wrong() -> None:
        found = ()
        try:
            assemble("\n".join(MISTAKES) + f"\n; {next(fresh)}\n")
        except AssemblyError as error:
            found = error.diagnostics
        if len(found) != len(MISTAKES):
            raise SystemExit(f"{len(found)} of {len(MISTAKES)} mistakes were found")

    began = time.process_time()
    row("  ours, the first time", best(wrong, 1))
    row("    of which this process's own time", (time.process_time() - began) * 1000, "aim: under 10 ms")
    row("  ours, again", best(wrong, 20))


if __name__ == "__main__":
    main()
