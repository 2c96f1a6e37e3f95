"""Random programs for the differential tests, and by hand: python -m tests.execution.random_programs 20000

Register and flag arithmetic over a buffer and the stack: what every x86-64 does in the same way, on this processor and
in an emulator. Flags that an instruction leaves undefined are masked out, from the same tables that the listing uses.
"""

from __future__ import annotations

import random
import sys

import unicorn
from unicorn import x86_const

import execmem_kernel as em
from execmem_kernel.assembly.disassembler import disassemble
from execmem_kernel.execution.engine import FLAGS, GENERAL

REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")
NARROW = {
    "rax": ("eax", "ax", "al"), "rbx": ("ebx", "bx", "bl"), "rcx": ("ecx", "cx", "cl"), "rdx": ("edx", "dx", "dl"),
    "rsi": ("esi", "si", "sil"),
} | {f"r{n}": (f"r{n}d", f"r{n}w", f"r{n}b") for n in range(8, 16)}  # fmt: skip
TWO = (
    "add",
    "sub",
    "and",
    "or",
    "xor",
    "cmp",
    "test",
    "mov",
    "adc",
    "sbb",
    "xchg",
    "imul",
    "cmovc",
    "cmovle",
)
ONE = ("inc", "dec", "neg", "not", "mul", "imul")
SHIFTS = ("shl", "shr", "sar", "rol", "ror", "rcl", "rcr")
SET = ("setz", "setc", "sets", "seto", "setle", "seta")
BUFFER_SIZE = 256


def instruction(generator: random.Random) -> str:
    """One random instruction."""
    pick = generator.choice
    size = generator.randrange(4)

    def register(size: int = size) -> str:
        whole = pick(REGISTERS)
        return whole if size == 0 else NARROW[whole][size - 1]

    def memory(size: int = size) -> str:
        word = ("qword", "dword", "word", "byte")[size]
        return f"{word} ptr [rdi + {generator.randrange(BUFFER_SIZE - 8)}]"

    kind = generator.randrange(10)
    if kind < 3:
        name = pick(TWO)
        if name in ("imul", "cmovc", "cmovle") and size == 3:
            size = 1
        return f"{name} {register(size)}, {register(size)}"
    if kind == 3:
        return (
            f"{pick(('add', 'sub', 'and', 'or', 'xor', 'cmp', 'mov'))} {register()}, {generator.randrange(-128, 128)}"
        )
    if kind == 4:
        return f"{pick(('add', 'sub', 'and', 'or', 'xor', 'cmp', 'mov', 'adc', 'sbb'))} {register()}, {memory()}"
    if kind == 5:
        return f"{pick(('add', 'sub', 'and', 'or', 'xor', 'mov', 'adc', 'sbb'))} {memory()}, {register()}"
    if kind == 6:
        return f"{pick(ONE)} {pick((register(), memory()))}"
    if kind == 7:
        return f"{pick(SHIFTS)} {register()}, {generator.randrange(1, 8)}"
    if kind == 8:
        return pick(
            (f"{pick(SET)} {register(3)}", f"bswap {register(generator.randrange(2))}", "cdq", "cqo", "cwde", "cdqe")
        )
    return pick(
        (
            f"lea {register(0)}, [{register(0)} + {register(0)}*{pick((1, 2, 4, 8))} + {generator.randrange(-99, 99)}]",
            f"push {register(0)}\npop {register(0)}",
            f"movzx {register(generator.randrange(3))}, {register(3)}",
            f"movsx {register(generator.randrange(3))}, {register(3)}",
            f"bt {register(size % 3)}, {generator.randrange(16)}",
            f"xadd {register()}, {register()}",
            f"popcnt {register(size % 3)}, {register(size % 3)}",
        )
    )


def program(seed: int) -> str:
    """A random program, with a loop around it or without."""
    generator = random.Random(seed)
    lines = [instruction(generator) for _ in range(generator.randrange(3, 25))]
    if generator.random() < 0.3:
        lines = ["mov ebp, 3", "again:", *lines, "dec ebp", "jnz again"]
    return "\n".join([*lines, "ret"])


def start(seed: int) -> tuple[dict[str, int | str], bytes]:
    """The registers and the buffer that a program starts with."""
    generator = random.Random(~seed)
    values = (0, 1, 0x7F, 0x80, 0xFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
    registers: dict[str, int | str] = {
        name: generator.choice((*values, generator.randrange(2**64))) for name in REGISTERS
    }
    return registers | {"rdi": "buffer"}, generator.randbytes(BUFFER_SIZE)


def undefined_flags(code: bytes, address: int) -> int:
    """The flags that some instruction of the program leaves undefined: their value is whatever the processor likes."""
    mask = 0
    for one in disassemble(code, address):
        for name in one.flags_undefined:
            mask |= 1 << FLAGS[name.upper()]
    return mask


def emulate(assembled: em.Program, before: em.Registers, data: bytes, at: int) -> tuple[dict[str, int], bytes]:
    """Run it in the emulator from the same state: registers and buffer at the end."""
    machine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    page = at & -4096
    machine.mem_map(assembled.address, 0x10000)
    machine.mem_write(assembled.address, assembled.code)
    machine.mem_map(page, 0x2000)
    machine.mem_write(at, data)
    stack = before["rsp"] & -4096
    machine.mem_map(stack - 0x1000, 0x2000)
    end = 0x7100_0000
    machine.mem_map(end, 0x1000)
    machine.mem_write(before["rsp"], end.to_bytes(8, "little"))
    ids = {name: getattr(x86_const, f"UC_X86_REG_{name.upper()}") for name in GENERAL}
    for name, number in ids.items():
        machine.reg_write(number, before[name])
    machine.reg_write(x86_const.UC_X86_REG_EFLAGS, before["rflags"])
    machine.emu_start(assembled.entry, end, count=10_000)
    found = {name: machine.reg_read(number) for name, number in ids.items()}
    found["rflags"] = machine.reg_read(x86_const.UC_X86_REG_EFLAGS)
    return found, bytes(machine.mem_read(at, len(data)))


def difference(seed: int, trace: bool = False) -> str:
    """Where a program ends differently here and in the emulator; empty where it does not."""
    source = program(seed)
    assembled = em.assemble(source)
    registers, data = start(seed)
    outcome = em.run(assembled, registers=registers, buffers={"buffer": data}, trace=trace)
    if not isinstance(outcome, em.Returned):
        return f"seed {seed}: {outcome.headline}\n{source}"
    expected, memory = emulate(assembled, outcome.before, data, outcome.places["buffer"][0])
    undefined = undefined_flags(assembled.code, assembled.address)
    tainted = _taints(source) if undefined else False
    wrong = [
        f"{name}: {outcome.registers[name]:#x}, emulator {expected[name]:#x}"
        for name in GENERAL
        if outcome.registers[name] != expected[name]
    ]
    flags = sum(1 << bit for name, bit in FLAGS.items() if name not in ("TF", "AC")) & ~undefined
    if (outcome.registers["rflags"] ^ expected["rflags"]) & flags:
        wrong.append(f"flags: {outcome.registers['rflags']:#x}, emulator {expected['rflags']:#x}")
    if outcome.buffers["buffer"] != memory:
        wrong.append("the buffer")
    return f"seed {seed}: {'; '.join(wrong)}\n{source}" if wrong and not tainted else ""


def _taints(source: str) -> bool:
    """Whether an instruction reads flags, which an earlier one may have left undefined."""
    readers = ("adc", "sbb", "cmov", "set", "rcl", "rcr")
    return any(line.startswith(readers) for line in source.split("\n"))


def main() -> None:
    """Compare as many random programs as asked for, and print every difference."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    found = 0
    for seed in range(count):
        text = difference(seed)
        if text:
            found += 1
            print(text, end="\n\n")
    print(f"{count} programs, {found} differences")


if __name__ == "__main__":
    main()
