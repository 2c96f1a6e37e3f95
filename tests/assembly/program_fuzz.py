"""Random whole programs in GNU's Intel and AT&T spellings and in NASM's, against GNU as or NASM linked by ld.

By hand, as many as wanted: `python -m tests.assembly.program_fuzz 5000 --seed 1`.
"""

from __future__ import annotations

import argparse
import random
import sys

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError
from tests.assembly.linked import OracleRefused, decoded, differences, linked

_WIDE = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r12", "r13", "r15"]
_HALF = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "r8d", "r10d", "r14d"]
_FROM_MEMORY = ["add", "sub", "or", "mov", "imul", "cmp"]
_CONDITIONS = ["e", "ne", "z", "nz", "l", "le", "g", "ge", "a", "ae", "b", "be", "s", "ns", "o", "p", "c", "nc"]


class _Writer:
    """Writes one random program; which spelling, the subclass says."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.labels = [f"place{number}" for number in range(self.random.randint(2, 12))]
        self.data = [f"value{number}" for number in range(self.random.randint(1, 5))]
        self.constants: list[str] = []

    def pick(self, names: list[str]) -> str:
        return self.random.choice(names)

    def number(self) -> str:
        value = self.random.choice(
            [0, 1, 5, 8, 100, 127, 128, 255, 4096, 0x7FFFFFFF, -1, -128, -129, self.random.randint(0, 1 << 31) - 1]
        )
        return self.random.choice([str(value), hex(value)])

    def expression(self, depth: int = 0) -> str:
        choice = self.random.randrange(6)
        if depth > 2 or choice < 2:
            return str(self.random.randint(0, 40))
        if choice == 2 and self.constants:
            return self.pick(self.constants)
        if choice == 3:
            operator = self.pick(["+", "-", "*", "|", "&", "^"])
            return f"({self.expression(depth + 1)} {operator} {self.expression(depth + 1)})"
        return f"{self.expression(depth + 1)} {self.pick(['+', '-'])} {self.expression(depth + 1)}"


class GnuWriter(_Writer):
    """GNU as, Intel syntax."""

    heading = ".intel_syntax noprefix\n"
    comment = "#"

    def memory(self) -> str:
        form = self.random.randrange(7)
        base, index = self.pick(_WIDE), self.pick(_WIDE)
        if form == 0:
            return f"[{base}]"
        if form == 1:
            return f"[{base}+{self.random.randint(-300, 300)}]"
        if form == 2:
            return f"[{base}+{index}*{self.pick(['1', '2', '4', '8'])}+{self.expression()}]"
        if form == 3:
            return f"[rip+{self.pick(self.data)}]"
        if form == 4:
            return f"{self.pick(self.data)}[rip+{self.random.randint(0, 7)}]"
        if form == 5:
            return f"[{index}*8+{self.pick(self.data)}]"
        return "[rsp+8]"

    def instruction(self) -> str:
        choice = self.random.randrange(12)
        if choice == 0:
            return f"mov {self.pick(_WIDE)}, {self.pick(_WIDE)}"
        if choice == 1:
            return f"{self.pick(['add', 'sub', 'xor', 'and', 'cmp', 'mov'])} {self.pick(_HALF)}, {self.number()}"
        if choice == 2:
            size = self.pick(["", "qword ptr "])
            return f"{self.pick(_FROM_MEMORY)} {self.pick(_WIDE)}, {size}{self.memory()}"
        if choice == 3:
            return f"lea {self.pick(_WIDE)}, {self.memory()}"
        if choice == 4:
            return f"j{self.pick(_CONDITIONS)} {self.pick(self.labels)}"
        if choice == 5:
            return f"{self.pick(['jmp', 'call'])} {self.pick(self.labels)}"
        if choice == 6:
            size = self.pick(["byte", "word", "dword", "qword"])
            return f"mov {size} ptr {self.memory()}, {self.random.randint(0, 100)}"
        if choice == 7:
            return f"mov {self.pick(_HALF)}, offset {self.pick(self.data + self.labels)}+{self.random.randint(0, 9)}"
        if choice == 8:
            return f"{self.pick(['push', 'pop', 'inc', 'neg'])} {self.pick(_WIDE)}"
        if choice == 9:
            return f"{self.pick(['shl', 'sar', 'ror'])} {self.pick(_HALF)}, {self.pick(['1', 'cl', '7'])}"
        if choice == 10:
            return self.pick(["nop", "ret", "cqo", "rep movsb", "syscall", "cdqe", "leave"])
        return f"mov edx, {self.expression()}"

    def datum(self) -> str:
        choice = self.random.randrange(9)
        if choice == 0:
            return f".byte {self.random.randint(-128, 255)}, {self.random.randint(0, 9)}"
        if choice == 1:
            return f".quad {self.pick(self.data + self.labels)} + {self.random.randint(0, 64)}"
        if choice == 2:
            text = self.pick(["hi", "a b", r"x\n", r"quote \" in", r"\x41\0"])
            return f'.{self.pick(["ascii", "asciz", "string"])} "{text}"'
        if choice == 3:
            return f".{self.pick(['word', 'long', 'quad', 'int', 'short'])} {self.expression()}"
        if choice == 4:
            return f".{self.pick(['zero', 'skip', 'space'])} {self.random.randint(0, 40)}"
        if choice == 5:
            return f".long {self.pick(self.labels)} - {self.pick(self.labels)}"
        if choice == 6:
            return f".{self.pick(['double', 'float'])} {self.random.uniform(-1000, 1000)!r}"
        if choice == 7:
            return f".fill {self.random.randint(0, 5)}, {self.pick(['1', '2', '4'])}, {self.random.randint(0, 255)}"
        return f".{self.pick(['align', 'balign'])} {self.pick(['2', '4', '8', '16'])}"

    def program(self) -> str:
        lines: list[str] = []
        for number in range(self.random.randint(0, 3)):
            name = f"CONST{number}"
            lines.append(
                self.pick(
                    [
                        f"{name} = {self.expression()}",
                        f".set {name}, {self.expression()}",
                        f".equ {name}, {self.expression()}",
                    ]
                )
            )
            self.constants.append(name)
        lines.append(".text")
        for label in self.labels:
            lines.append(f"{label}:")
            for _ in range(self.random.choice([0, 1, 3, 8, 40, 60])):
                lines.append("    " + self.instruction())
            if self.random.random() < 0.3:
                lines.append(
                    f"    .{self.pick(['align 8', 'align 16', 'p2align 4', 'p2align 4,,10', 'balign 32', 'p2align 3'])}"
                )
            if self.random.random() < 0.3:
                number = self.random.randint(1, 3)
                lines += [f"{number}: dec ecx", f"jnz {number}b", f"jmp {number}f", f"{number}: nop"]
            if self.random.random() < 0.2:
                lines += [f".rept {self.random.randint(0, 4)}", "    " + self.instruction(), ".endr"]
            if self.random.random() < 0.15:
                lines += [".irp reg, rax, r9, rdi", "    push \\reg", ".endr"]
            if self.random.random() < 0.15:
                lines += [f".if {self.expression()} > {self.expression()}", "    nop", ".else", "    cqo", ".endif"]
            if self.random.random() < 0.15:
                lines += ["    " + self.datum() for _ in range(2)]
        lines.append(self.pick([".data", ".section .data", ".section .rodata"]))
        for name in self.data:
            lines.append(f"{name}: {self.datum()}")
            lines += ["    " + self.datum() for _ in range(self.random.randint(0, 4))]
        if self.random.random() < 0.5:
            lines += ["size = . - " + self.data[0], ".long size", ".text", "mov eax, size"]
        lines = [line + (f" {self.comment} note" if self.random.random() < 0.05 else "") for line in lines]
        return self.heading + "\n".join(lines) + "\n"


class AttWriter(GnuWriter):
    """GNU as, AT&T syntax."""

    heading = ""

    def memory(self) -> str:
        form = self.random.randrange(6)
        base, index = self.pick(_WIDE), self.pick(_WIDE)
        if form == 0:
            return f"(%{base})"
        if form == 1:
            return f"{self.random.randint(-300, 300)}(%{base})"
        if form == 2:
            return f"{self.expression()}(%{base},%{index},{self.pick(['1', '2', '4', '8'])})"
        if form == 3:
            return f"{self.pick(self.data)}(%rip)"
        if form == 4:
            return f"{self.pick(self.data)}+4(,%{index},8)"
        return "8(%rsp)"

    def instruction(self) -> str:
        choice = self.random.randrange(13)
        if choice == 0:
            return f"{self.pick(['mov', 'movq', 'addq'])} %{self.pick(_WIDE)}, %{self.pick(_WIDE)}"
        if choice == 1:
            return f"{self.pick(['addl', 'sub', 'xorl', 'and', 'cmpl', 'movl'])} ${self.number()}, %{self.pick(_HALF)}"
        if choice == 2:
            return f"{self.pick(['add', 'subq', 'or', 'movq', 'imulq', 'cmp'])} {self.memory()}, %{self.pick(_WIDE)}"
        if choice == 3:
            return f"{self.pick(['lea', 'leaq'])} {self.memory()}, %{self.pick(_WIDE)}"
        if choice == 4:
            return f"j{self.pick(_CONDITIONS)} {self.pick(self.labels)}"
        if choice == 5:
            targets = [self.pick(self.labels), "*%rax", "*8(%rbx)", f"*{self.pick(self.data)}(,%rax,8)"]
            return f"{self.pick(['jmp', 'call'])} {self.pick(targets)}"
        if choice == 6:
            return f"mov{self.pick(['b', 'w', 'l', 'q'])} ${self.random.randint(0, 100)}, {self.memory()}"
        if choice == 7:
            return f"movl ${self.pick(self.data + self.labels)}+{self.random.randint(0, 9)}, %{self.pick(_HALF)}"
        if choice == 8:
            return f"{self.pick(['push', 'popq', 'incq', 'neg'])} %{self.pick(_WIDE)}"
        if choice == 9:
            return f"{self.pick(['shll', 'sar', 'rorl'])} {self.pick(['$1', '%cl', '$7'])}, %{self.pick(_HALF)}"
        if choice == 10:
            return self.pick(["nop", "ret", "cqto", "rep movsb", "syscall", "cltq", "leave", "retq", "cltd"])
        if choice == 11:
            return f"{self.pick(['movzbl', 'movsbl', 'movzwl', 'movswl'])} {self.memory()}, %{self.pick(_HALF)}"
        return f"movl ${self.expression()}, %edx"

    def program(self) -> str:
        text = super().program().replace("dec ecx", "decl %ecx")
        return text.replace("push \\reg", "push %\\reg").replace("mov eax, size", "movl $size, %eax")


class NasmWriter(_Writer):
    """NASM; only what it encodes as GNU as does is generated (NASM shortens `mov rax, 5`)."""

    def memory(self) -> str:
        form = self.random.randrange(6)
        base, index = self.pick(_WIDE), self.pick(_WIDE)
        if form == 0:
            return f"[{base}]"
        if form == 1:
            return f"[{base}+{self.random.randint(0, 300)}]"
        if form == 2:
            return f"[{base}+{index}*{self.pick(['2', '4', '8'])}+{self.expression()}]"
        if form == 3:
            return f"[{self.pick(self.data)}]"
        if form == 4:
            return f"[rel {self.pick(self.data)}+{self.random.randint(0, 7)}]"
        return "[rsp+8]"

    def instruction(self) -> str:
        choice = self.random.randrange(10)
        if choice == 0:
            return f"mov {self.pick(_WIDE)}, {self.pick(_WIDE)}"
        if choice == 1:
            name = self.pick(["add", "sub", "xor", "and", "cmp", "mov"])
            return f"{name} {self.pick(_HALF)}, {self.random.randint(0, 1 << 31)}"
        if choice == 2:
            return f"{self.pick(_FROM_MEMORY)} {self.pick(_WIDE)}, {self.pick(['', 'qword '])}{self.memory()}"
        if choice == 3:
            return f"lea {self.pick(_WIDE)}, {self.memory()}"
        if choice == 4:
            return f"j{self.pick(_CONDITIONS)} {self.pick([*self.labels, '.inner'])}"
        if choice == 5:
            return f"{self.pick(['jmp', 'call'])} {self.pick(self.labels)}"
        if choice == 6:
            return f"mov {self.pick(['byte', 'word', 'dword', 'qword'])} {self.memory()}, {self.random.randint(0, 100)}"
        if choice == 7:
            return f"mov {self.pick(_HALF)}, {self.pick(self.data)}+{self.random.randint(0, 9)}"
        if choice == 8:
            return self.pick(
                [
                    "nop",
                    "ret",
                    "cqo",
                    "rep movsb",
                    "syscall",
                    "push rbx",
                    "pop r12",
                    "twice rax",
                    "twice r9",
                    "mov eax, WIDTH*2",
                ]
            )
        return f"times {self.random.randint(0, 4)} nop"

    def datum(self) -> str:
        choice = self.random.randrange(8)
        if choice == 0:
            return f"db {self.random.randint(0, 255)}, 'text', 10, 0"
        if choice == 1:
            return f"dq {self.pick(self.data)} + {self.random.randint(0, 64)}"
        if choice == 2:
            return self.pick(['db "a\\n", 0', "db `a\\n\\x41\\0`", "dw 'abc'", "dd 'ab', 'abcde'"])
        if choice == 3:
            return f"{self.pick(['dw', 'dd', 'dq'])} {self.expression()}"
        if choice == 4:
            return f"times {self.random.randint(0, 9)} db {self.random.randint(0, 255)}"
        if choice == 5:
            return f"dd $ - {self.data[0]}"
        if choice == 6:
            return f"{self.pick(['dd', 'dq', 'dt'])} {self.random.uniform(-1000, 1000):.6f}"
        return f"dd {self.pick(['0ffh', '0x1F', '0b1010', '1010b', '17q', '0o17', '1_000', '$0f', '017'])}"

    def program(self) -> str:
        lines = [
            "bits 64",
            "default rel",
            f"%define WIDTH {self.random.randint(1, 30)}",
            "%macro twice 1",
            "    push %1",
            "    jmp %%on",
            "%%on: push %1",
            "%endmacro",
        ]
        lines += ["section .text", "global _start", "_start:", ".inner: nop"]
        for label in self.labels:
            lines += [f"{label}:", ".inner:"]
            lines += ["    " + self.instruction() for _ in range(self.random.choice([0, 1, 3, 8, 40]))]
        lines.append("section .data")
        for name in self.data:
            lines.append(f"{name}{self.pick([':', ''])} {self.datum()}")
            lines += ["    " + self.datum() for _ in range(self.random.randint(0, 4))]
        lines += [
            f"length equ $ - {self.data[0]}",
            "section .text",
            "    mov edx, length",
            "section .bss",
            "room: resb 64",
            "more resq 2",
        ]
        return "\n".join(lines) + "\n"


WRITERS = {"gnu": GnuWriter, "att": AttWriter, "nasm": NasmWriter}


def check(kind: str, seed: int) -> str | None:
    """What is wrong with our reading of one random program: a sentence, or None."""
    source = WRITERS[kind](seed).program()
    try:
        program = assemble(source, syntax="att" if kind == "att" else "intel")
    except AssemblyError as error:
        return f"{kind} {seed}: refused: {error.diagnostics[0]}"
    try:
        other = linked(source, program, assembler="nasm" if kind == "nasm" else "as")
    except OracleRefused as refusal:
        return f"{kind} {seed}: the oracle refuses: {refusal}"
    found = differences(program, other)
    if found and len(program.code) <= len(other["text"]):
        # The others leave a jump near here and there that would reach; the instructions must be the same all the same.
        ours, others = decoded(program.code, program.address), decoded(other["text"], program.address)
        if [text.split()[0] for text in ours] == [text.split()[0] for text in others]:
            return None
    return f"{kind} {seed}: {found[0]}" if found else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=[*WRITERS, "all"], default="all")
    options = parser.parse_args()
    kinds = list(WRITERS) if options.kind == "all" else [options.kind]
    failures = 0
    for number in range(options.count):
        complaint = check(kinds[number % len(kinds)], options.seed + number)
        if complaint is not None:
            failures += 1
            print(complaint)
    print(f"{options.count} programs, {failures} disagreements")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
