"""Programs with one planted bug of a known kind, among instructions that do no harm: what a report must name."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

SCRATCH = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9")
SAVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
LOW = {"rax": "eax", "rcx": "ecx", "rdx": "edx", "rsi": "esi", "rdi": "edi", "r8": "r8d", "r9": "r9d"}


class Planted(NamedTuple):
    """A program, the line that is wrong, and what is said of it."""

    source: str
    line: int
    """Counted from 1."""
    names: tuple[str, ...]
    """The cause's name, or a warning's code: one of these."""
    says: tuple[str, ...] = ()


class Writer:
    """Lines of a program; `here` is the number of the last one."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.lines: list[str] = []

    def add(self, *lines: str) -> int:
        """Add lines, with some before them that do no harm; the number of the last one."""
        for line in lines:
            for _ in range(self.chance.randrange(3)):
                number = self.chance.randrange(1, 99)
                self.lines.append(
                    self.chance.choice(("nop", f"mov r10d, {number}", "lea r11, [rsp]", f"mov r11, {number}"))
                )
            self.lines.append(line)
        return len(self.lines)

    def plain(self, *lines: str) -> int:
        """Add lines as they are."""
        self.lines += lines
        return len(self.lines)

    def planted(self, line: int, *names: str, says: tuple[str, ...] = ()) -> Planted:
        return Planted("\n".join(self.lines), line, names, says)


def missing_pop(w: Writer) -> Planted:
    at = w.add(f"push {w.chance.choice(SCRATCH)}")
    w.add("mov eax, 1", "ret")
    return w.planted(at, "push-without-pop", says=("one push too many",))


def missing_pop_in_function(w: Writer) -> Planted:
    w.add("call f", "ret", "f:")
    at = w.add(f"push {w.chance.choice(SAVED)}")
    w.add("mov eax, 1", "ret")
    return w.planted(at, "push-without-pop", says=("one push too many",))


def locals_left(w: Writer) -> Planted:
    size = 8 * w.chance.randrange(1, 9)
    at = w.add(f"sub rsp, {size}")
    w.add(f"mov qword ptr [rsp], {w.chance.randrange(9)}", "ret")
    return w.planted(at, "stack-area-left", says=(f"{size} bytes higher",))


def locals_left_in_frame(w: Writer) -> Planted:
    size = 8 * w.chance.randrange(1, 9)
    w.add("push rbp", "mov rbp, rsp")
    at = w.add(f"sub rsp, {size}")
    w.add("mov qword ptr [rbp - 8], 7", f"mov qword ptr [rbp - {size}], 7", "pop rbp", "ret")
    return w.planted(at, "stack-area-left", says=(f"write `add rsp, {size}`",))


def too_much_given_back(w: Writer) -> Planted:
    size = 8 * w.chance.randrange(1, 9)
    w.add(f"sub rsp, {size}")
    at = w.add(f"add rsp, {size + 8}")
    w.add("ret")
    return w.planted(at, "return-address-popped", says=("8 bytes more",))


def extra_pop(w: Writer) -> Planted:
    at = w.add(f"pop {w.chance.choice(SCRATCH)}")
    w.add("push rcx", "pop rcx", "ret")
    return w.planted(at, "return-address-popped", says=("one pop too many",))


def push_in_loop(w: Writer) -> Planted:
    rounds = w.chance.randrange(2, 9)
    w.add(f"mov ecx, {rounds}", "again:")
    at = w.add("push rcx")
    w.add("dec ecx", "jnz again", "ret")
    return w.planted(at, "push-without-pop", says=(f"{rounds} pushes too many",))


def overwritten(w: Writer) -> Planted:
    w.add("call f", "ret", "f:")
    at = w.add(f"mov qword ptr [rsp], {w.chance.randrange(99)}")
    w.add("ret")
    return w.planted(at, "return-address-overwritten")


def null_read(w: Writer) -> Planted:
    name = w.chance.choice(SCRATCH)
    at = w.add(f"xor {LOW[name]}, {LOW[name]}")
    w.add(f"mov rax, [{name} + {8 * w.chance.randrange(9)}]", "ret")
    return w.planted(at, "null-read")


def null_write(w: Writer) -> Planted:
    name = w.chance.choice(SCRATCH)
    at = w.add(f"mov {LOW[name]}, 0")
    w.add(f"mov dword ptr [{name}], 5", "ret")
    return w.planted(at, "null-write")


def no_address(w: Writer) -> Planted:
    name = w.chance.choice(SCRATCH)
    at = w.add(f"mov {name}, 0x{w.chance.randrange(1, 99):x}00414141414141")
    w.add(f"mov al, [{name}]", "ret")
    return w.planted(at, "non-canonical")


def divided_by_zero(w: Writer) -> Planted:
    w.add("mov eax, 5", "xor edx, edx")
    at = w.add("mov ecx, 0")
    w.add(f"{w.chance.choice(('div', 'idiv'))} ecx", "ret")
    return w.planted(at, "divide-by-zero")


def upper_half_left(w: Writer) -> Planted:
    at = w.add(f"mov edx, {w.chance.randrange(5, 99)}")
    w.add("mov eax, 7", "mov ecx, 3", "div ecx", "ret")
    return w.planted(at, "quotient-overflow")


def sign_for_unsigned(w: Writer) -> Planted:
    w.add(f"mov eax, -{w.chance.randrange(1, 99)}", "cdq", "mov ecx, 3")
    at = w.add("div ecx")
    w.add("ret")
    return w.planted(at, "quotient-overflow", says=("write `idiv ecx`",))


def byte_quotient(w: Writer) -> Planted:
    w.add(f"mov ax, {w.chance.randrange(600, 9999)}", "mov cl, 2")
    at = w.add("div cl")
    w.add("ret")
    return w.planted(at, "quotient-overflow", says=("`div cx`",))


def no_ret(w: Writer) -> Planted:
    at = w.add("mov eax, 1")
    return w.planted(at, "ran-past-end")


def no_exit(w: Writer) -> Planted:
    w.plain("_start:")
    at = w.add("mov eax, 1")
    return w.planted(at, "ran-past-end", says=("`mov eax, 60`",))


def data_in_the_way(w: Writer) -> Planted:
    w.add("mov eax, 5")
    at = w.plain(f"text: db {w.chance.choice(('`hello`', '`abc`', '`wow`'))}, 0".replace("`", '"'))
    w.plain("ret")
    return w.planted(at, "ran-into-data")


def counter_set_again(w: Writer) -> Planted:
    w.add("again:")
    at = w.add(f"mov ecx, {w.chance.randrange(2, 9)}")
    w.add("dec ecx", "jnz again", "ret")
    return w.planted(at, "limit-cpu", "limit-wall", says=("sets it again",))


def counter_not_changed(w: Writer) -> Planted:
    w.add("mov ecx, 5", "again:", "add eax, ecx", "cmp ecx, 0")
    at = w.plain("jne again")
    w.add("ret")
    return w.planted(at, "limit-cpu", "limit-wall", says=("ecx stays 5, and nothing in the loop changes it",))


def counter_misses(w: Writer) -> Planted:
    w.add(f"mov ecx, {2 * w.chance.randrange(2, 9) + 1}", "again:", "sub ecx, 2")
    at = w.plain("jnz again")
    w.add("ret")
    return w.planted(at, "limit-cpu", "limit-wall", says=("ecx goes",))


def recursion(w: Writer) -> Planted:
    w.add("f:", "push rdi")
    at = w.add("call f")
    w.add("pop rdi", "ret")
    return w.planted(at, "stack-overflow-recursion", says=("needs a case",))


def mutual_recursion(w: Writer) -> Planted:
    w.add("a:")
    at = w.add("call b")
    w.add("ret", "b:")
    other = w.add("call a")
    w.add("ret")
    return w.planted(at, "stack-overflow-recursion", says=(f"the calls on lines {at} and {other}",))


def constant_written(w: Writer) -> Planted:
    w.add("lea rdi, [rip + text]")
    at = w.add("mov byte ptr [rdi], 5")
    w.add("ret")
    w.plain("section .rodata", "text: db 1, 2, 3")
    return w.planted(at, "write-to-rodata", says=("at text",))


def counter_lost_in_call(w: Writer) -> Planted:
    w.add("mov ecx, 3", "again:", "mov eax, 39")
    at = w.plain("syscall")
    w.plain("loop again")
    w.add("ret")
    return w.planted(at, "limit-system-calls", says=("`syscall`) always changes rcx and r11",))


def value_lost_in_call(w: Writer) -> Planted:
    w.add("mov r8d, 3", "mov rcx, r8", "mov eax, 39")
    at = w.plain("syscall")
    w.plain("mov rax, rcx")
    w.add("ret")
    return w.planted(at, "lost-in-call")


def sign_not_extended(w: Writer) -> Planted:
    w.add(f"mov eax, -{w.chance.randrange(5, 99)}", "xor edx, edx", "mov ecx, 3")
    at = w.add("idiv ecx")
    w.add("ret")
    return w.planted(at, "half-dividend", says=("write `cdq`",))


def failed_call(w: Writer) -> Planted:
    w.add("mov eax, 9", "xor edi, edi", "xor esi, esi", "mov edx, 3", "mov r8, -1", "xor r9d, r9d")
    w.plain("mov r10d, 0x22")
    at = w.plain("syscall")
    w.plain("mov byte ptr [rax], 5")
    w.add("ret")
    return w.planted(at, "negative-address", says=("mmap", "EINVAL"))


def called_nothing(w: Writer) -> Planted:
    name = w.chance.choice(SCRATCH)
    at = w.add(f"xor {LOW[name]}, {LOW[name]}")
    w.add(f"call {name}", "ret")
    return w.planted(at, "null-call")


def inside_instruction(w: Writer) -> Planted:
    w.plain("call f", "mov eax, 1", "ret", "f:")
    at = w.add("inc qword ptr [rsp]")
    w.plain("ret")
    return w.planted(at, "inside-instruction")


def copy_from_nothing(w: Writer) -> Planted:
    at = w.add("xor esi, esi")
    w.add("lea rdi, [rsp - 64]", "mov ecx, 3", f"rep movs{w.chance.choice('bdq')}", "ret")
    return w.planted(at, "null-read", says=("through [rsi]",))


def number_in_brackets(w: Writer) -> Planted:
    w.plain(f"size equ {w.chance.randrange(1, 99)}")
    at = w.add("mov edx, [size]")
    w.add("ret")
    return w.planted(at, "null-read", says=(f"write `mov edx, size` on line {at}",))


def caller_register(w: Writer) -> Planted:
    at = w.add(f"mov {w.chance.choice(SAVED)}, 5")
    w.add("mov eax, 1", "ret")
    return w.planted(at, "callee-saved")


def return_from_start(w: Writer) -> Planted:
    w.plain("_start:")
    at = w.add("ret")
    return w.planted(at, "return-from-start", says=("`mov eax, 60`",))


def caller_return_taken(w: Writer) -> Planted:
    w.add("call g", "ret", "g:", "call f", "add eax, 5", "ret", "f:", "sub rsp, 24", "mov eax, 1")
    at = w.add("add rsp, 32")
    w.add("ret")
    return w.planted(at, "stack-pointer")


KINDS: tuple[Callable[[Writer], Planted], ...] = (
    missing_pop, missing_pop_in_function, locals_left, locals_left_in_frame, too_much_given_back, extra_pop,
    push_in_loop, overwritten, null_read, null_write, no_address, divided_by_zero, upper_half_left, sign_for_unsigned,
    byte_quotient, no_ret, no_exit, data_in_the_way, counter_set_again, counter_not_changed, counter_misses, recursion,
    mutual_recursion, constant_written, counter_lost_in_call, value_lost_in_call, sign_not_extended, failed_call,
    called_nothing, inside_instruction, copy_from_nothing, number_in_brackets, caller_register, return_from_start,
    caller_return_taken,
)  # fmt: skip


def program_with(kind: Callable[[Writer], Planted], seed: int) -> Planted:
    """A program with a bug of a kind; the same for the same seed."""
    return kind(Writer(random.Random(f"{kind.__name__}-{seed}")))
