"""Random programs, on this processor and in Unicorn: the same registers, defined flags, vectors and memory at the end.

The suite runs a few hundred; by hand, as many as you like:

    python -m tests.execution.test_differential 20000 --seed 7
    python -m tests.execution.test_differential 1000 --traced      (one instruction at a time, against full speed)
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import unicorn
from unicorn import x86_const

import execmem_kernel as em
from execmem_kernel.execution.contract.address_map import RETURN, STACK_AT_ENTRY, STACK_END
from execmem_kernel.execution.contract.call import Buffer
from execmem_kernel.execution.contract.outcome import Returned
from execmem_kernel.execution.trace import stepping_loop
from execmem_kernel.program.program import CODE_ADDRESS, Program, Segment
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.registers import FLAGS, GENERAL

BUFFER, BUFFER_SIZE = 0x2010_0000, 4096
MIDDLE = BUFFER + BUFFER_SIZE // 2
STACK_SIZE = 0x10_0000
STACK_START = STACK_END - STACK_SIZE
COMPARED = ("CF", "PF", "AF", "ZF", "SF", "DF", "OF")
FREE = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
"""Registers that a function may write; rbx holds a pointer, r15 a small index, rbp counts."""
PARTS = {
    8: dict(zip(FREE, ("al", "cl", "dl", "sil", "dil", "r8b", "r9b", "r10b", "r11b"), strict=True)),
    16: dict(zip(FREE, ("ax", "cx", "dx", "si", "di", "r8w", "r9w", "r10w", "r11w"), strict=True)),
    32: dict(zip(FREE, ("eax", "ecx", "edx", "esi", "edi", "r8d", "r9d", "r10d", "r11d"), strict=True)),
    64: {name: name for name in FREE},
}
WORDS = {8: "byte", 16: "word", 32: "dword", 64: "qword"}
SIZES = {name: bits for bits, names in PARTS.items() for name in names.values()} | {w: b for b, w in WORDS.items()}
SPECIAL = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1)

BINARY = ("add", "sub", "and", "or", "xor", "cmp", "adc", "sbb")
CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
SHIFTS = ("shl", "shr", "sar", "rol", "ror", "rcl", "rcr")
VECTOR = (
    "paddb", "paddw", "paddd", "paddq", "psubb", "psubw", "psubd", "psubq", "paddusb", "paddsw", "psubusw", "pmullw",
    "pmulhw", "pmulhuw", "pmuludq", "pmaddwd", "pand", "pandn", "por", "pxor", "pcmpeqb", "pcmpeqd", "pcmpgtw", "pavgb",
    "pminub", "pmaxsw", "psadbw", "packsswb", "packuswb", "punpcklbw", "punpckhdq", "pshufb", "phaddw", "pabsd",
    "psignw", "palignr", "pminud", "pmaxsb", "pmulld", "blendvps", "paddsb", "psllw", "psrlq", "psrad", "unpcklps",
    "shufps", "pshufd", "pshufhw", "minpd", "maxps", "andps", "xorpd",
)  # fmt: skip
"""No arithmetic on floats: of two NaNs Unicorn 2.1 returns the one that x87 would, not the first."""
WITH_IMMEDIATE = {"palignr", "shufps", "pshufd", "pshufhw"}


def _memory(chance: random.Random, bits: int) -> str:
    index = chance.choice(("", "+ r15*1", "+ r15*2", "+ r15*8"))
    return f"{WORDS[bits]} ptr [rbx {index} {chance.randrange(-900, 900):+d}]"


def _value(chance: random.Random, bits: int) -> int:
    """An immediate that the instruction can hold: at most 32 bits, as a signed number."""
    size = min(bits, 32)
    value = chance.choice((chance.choice(SPECIAL), chance.getrandbits(32))) & ((1 << size) - 1)
    return value - (1 << size) if value >> size - 1 else value


def one_line(chance: random.Random) -> str:
    """A random instruction that cannot fault."""
    bits = chance.choice((8, 16, 32, 32, 64, 64))
    wide = chance.choice((16, 32, 64))

    def register(size: int = bits) -> str:
        return PARTS[size][chance.choice(FREE)]

    def source(size: int = bits) -> str:
        return chance.choice((register(size), register(size), _memory(chance, size)))

    xmm, other = f"xmm{chance.randrange(8)}", f"xmm{chance.randrange(8)}"
    match chance.randrange(20):
        case 0 | 1:
            return f"{chance.choice(BINARY)} {register()}, {source()}"
        case 2:
            target = chance.choice((register(), _memory(chance, bits)))
            return f"{chance.choice(BINARY)} {target}, {_value(chance, bits)}"
        case 3:
            return f"{chance.choice(BINARY)} {_memory(chance, bits)}, {register()}"
        case 4:
            return f"{chance.choice(('inc', 'dec', 'neg', 'not'))} {source()}"
        case 5:
            amount = chance.choice(("cl", str(chance.randrange(1, min(bits, 32)))))
            return f"{chance.choice(SHIFTS)} {chance.choice((register(), _memory(chance, bits)))}, {amount}"
        case 6:
            amount = chance.choice(("cl", str(chance.randrange(1, 16))))
            return f"{chance.choice(('shld', 'shrd'))} {register(max(bits, 32))}, {register(max(bits, 32))}, {amount}"
        case 7:
            return f"{chance.choice(('mul', 'imul'))} {source()}"
        case 8:
            return f"imul {register(wide)}, {source(wide)}" + chance.choice(("", f", {_value(chance, wide)}"))
        case 9:
            bit = chance.choice((register(wide), str(chance.randrange(wide))))
            return f"{chance.choice(('bt', 'bts', 'btr', 'btc'))} {register(wide)}, {bit}"
        case 10:
            return f"{chance.choice(('movzx', 'movsx'))} {register(wide)}, {source(8)}"
        case 11:
            return f"mov {register()}, {source()}"
        case 12:
            return f"mov {_memory(chance, bits)}, {register()}"
        case 13:
            scale = chance.choice((1, 2, 4, 8))
            return f"lea {register(64)}, [rbx + {register(64)}*{scale} {chance.randrange(-99, 99):+d}]"
        case 14:
            return f"cmov{chance.choice(CONDITIONS)} {register(wide)}, {source(wide)}"
        case 15:
            return f"set{chance.choice(CONDITIONS)} {chance.choice((register(8), _memory(chance, 8)))}"
        case 16:
            return f"{chance.choice(('xchg', 'xadd'))} {source()}, {register()}"
        case 17:
            # cmpxchg with a register: processors differ in whether one that fails clears the upper half.
            return chance.choice(
                (
                    "cdq", "cqo", "cwde", "cdqe", "cbw", "cwd", "clc", "stc", "cmc", "lahf", "sahf", "cld",
                    f"bswap {register(64)}", f"test {source()}, {register()}",
                    f"cmpxchg {_memory(chance, bits)}, {register()}", f"popcnt {register(wide)}, {source(wide)}",
                    f"movsxd {register(64)}, {source(32)}", f"movbe {register(wide)}, {_memory(chance, wide)}",
                    f"crc32 {register(32)}, {source(8)}",
                )
            )  # fmt: skip
        case 18:
            name = chance.choice(VECTOR)
            if name == "phaddw" and other == xmm:  # Unicorn 2.1 overwrites its own operand halfway
                name = "paddw"
            return f"{name} {xmm}, {other}" + (f", {chance.randrange(16)}" if name in WITH_IMMEDIATE else "")
        case _:
            return chance.choice(
                (
                    f"movdqu {xmm}, xmmword ptr [rbx {chance.randrange(-900, 900):+d}]",
                    f"movdqu xmmword ptr [rbx {chance.randrange(-900, 900):+d}], {xmm}",
                    f"movq {register(64)}, {xmm}", f"movq {xmm}, {register(64)}", f"movd {register(32)}, {xmm}",
                    f"pmovmskb {register(32)}, {xmm}", f"pextrw {register(32)}, {xmm}, {chance.randrange(8)}",
                    f"pinsrd {xmm}, {register(32)}, {chance.randrange(4)}", f"ptest {xmm}, {other}",
                    f"ucomisd {xmm}, {other}", f"cvtsi2sd {xmm}, {register(64)}", f"cvttsd2si {register(64)}, {xmm}",
                )
            )  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """Some instructions that go together, as bytes; which flags they need, define, and leave undefined."""

    text: str
    code: bytes
    reads: frozenset[str]
    defines: frozenset[str]
    undefines: frozenset[str]


GROUPS = (
    ("push {a}", "add {a}, {b}", "pop {a}"),
    ("push {a}", "push {b}", "pop {a}", "pop {b}"),
    ("pushfq", "pop {a}"),
    ("xor edx, edx", "or {a}, 1", "mov rax, {b}", "div {a}"),
    ("mov ecx, {n}", "lea rdi, [rbx + 64]", "rep stosb"),
    ("mov ecx, {n}", "lea rsi, [rbx - 700]", "lea rdi, [rbx + 100]", "rep movsw"),
    ("mov ecx, {n}", "mov rdi, rbx", "repne scasb"),
    ("mov ecx, {n}", "lea rsi, [rbx - 700]", "mov rdi, rbx", "repe cmpsb"),
)


def _group(chance: random.Random) -> tuple[str, ...]:
    a, b = chance.sample([name for name in FREE if name not in ("rax", "rdx")], 2)
    number = chance.randrange(40)
    return tuple(line.format(a=a, b=b, n=number) for line in chance.choice(GROUPS))


def pool(seed: int, count: int) -> list[Piece]:
    """Random pieces, assembled together: none of their bytes depends on where it lies."""
    chance = random.Random(seed)
    groups = [(one_line(chance),) if chance.random() < 0.9 else _group(chance) for _ in range(count)]
    program = em.assemble("\n".join(line for group in groups for line in group))
    rows = iter(program.listing)
    return [_piece("; ".join(group), b"".join(next(rows).code for _ in group)) for group in groups]


def _piece(text: str, code: bytes) -> Piece:
    reads: set[str] = set()
    defines: set[str] = set()
    undefines: set[str] = set()
    for instruction in disassemble(code, CODE_ADDRESS):
        needed = set(COMPARED) if instruction.mnemonic.startswith("pushf") else _flags(instruction.flags_read)
        reads |= needed - defines
        unknown = _flags(instruction.flags_undefined) | _also_undefined(instruction.text)
        fresh = _flags(instruction.flags_written) - unknown
        # A count in cl may be 0, a string may be empty: then the flags stay as they were.
        if not (instruction.operands[-1:] == ("cl",) or instruction.text.startswith("rep")):
            defines |= fresh
            undefines -= fresh
        undefines |= unknown
        defines -= unknown
    return Piece(text, code, frozenset(reads), frozenset(defines), frozenset(undefines))


def _flags(names: tuple[str, ...]) -> set[str]:
    return {name.upper() for name in names}


def _also_undefined(text: str) -> set[str]:
    """CF, where a shift by cl may shift further than its operand is wide. Source: Intel SDM vol. 2, SHL."""
    words = text.replace(",", " ").split()
    narrow = words[0] in ("shl", "shr", "sal") and words[-1] == "cl" and SIZES.get(words[1], 64) < 32
    return {"CF"} if narrow else set()


@dataclass(frozen=True)
class Case:
    """A program and what it starts with."""

    text: str
    code: bytes
    registers: dict[str, int]
    memory: bytes
    undefined: frozenset[str]
    """Flags whose value at the end is anybody's guess."""


def cases(seed: int, count: int, pieces: list[Piece]) -> Iterator[Case]:
    """Random programs made of pieces, with a forward jump here and there, some in a loop."""
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        code, text, undefined = _body(chance, pieces)
        if chance.random() < 0.3:
            back = -(len(code) + 9)
            # mov ebp, 3; the body; sub ebp, 1 (which defines every flag); jnz back to the body
            code = b"\xbd\3\0\0\0" + code + b"\x83\xed\x01\x0f\x85" + back.to_bytes(4, "little", signed=True)
            text, undefined = f"three times:\n{text}", set()
        registers = {name: chance.choice((chance.choice(SPECIAL), chance.getrandbits(64))) for name in FREE}
        registers |= {"rbx": MIDDLE, "r15": chance.randrange(64), "rbp": chance.getrandbits(64)}
        for index in range(8):
            registers[f"xmm{index}"] = chance.getrandbits(128)
        yield Case(text, code + b"\xc3", registers, chance.randbytes(BUFFER_SIZE), frozenset(undefined))


def _body(chance: random.Random, pieces: list[Piece]) -> tuple[bytes, str, set[str]]:
    """Pieces in a row that never ask for a flag which an earlier one left undefined; which flags are, at the end."""
    code, text = bytearray(), []
    undefined: set[str] = set()
    skipped = jump = 0
    for _ in range(chance.randrange(5, 40)):
        piece = chance.choice(pieces)
        while piece.reads & undefined:
            piece = chance.choice(pieces)
        if not skipped and not undefined and chance.random() < 0.2:
            condition = chance.randrange(16)
            skipped = chance.randrange(1, 3)
            code += bytes((0x70 + condition, 0))
            jump = len(code)
            text.append(f"j{CONDITIONS[condition]} over the next {skipped}")
        code += piece.code
        text.append(piece.text)
        # What may have been jumped over may not have defined anything.
        undefined = undefined | piece.undefines if skipped else (undefined - piece.defines) | piece.undefines
        if skipped:
            skipped -= 1
            if not skipped:
                code[jump - 1] = len(code) - jump
    if skipped:
        code[jump - 1] = len(code) - jump
    return bytes(code), "\n".join(text), undefined


@dataclass(frozen=True)
class End:
    """What a run leaves."""

    registers: dict[str, int]
    flags: dict[str, int]
    memory: bytes


LEFT = (*GENERAL, *(f"xmm{index}" for index in range(8)))


def run_case(case: Case, traced: bool = False) -> em.Outcome:
    program = Program("", "intel", (Segment("text", CODE_ADDRESS, case.code, len(case.code), "r-x"),))
    return em.run(program, case.registers, {"memory": Buffer(case.memory, address=BUFFER)}, trace=traced)


def native(case: Case, traced: bool = False) -> End:
    outcome = run_case(case, traced)
    assert type(outcome) is Returned, f"{outcome.report()}\n{case.text}"
    flags = {name: outcome.registers["rflags"] >> FLAGS[name] & 1 for name in COMPARED}
    return End({name: outcome.registers[name] for name in LEFT}, flags, outcome.buffers["memory"])


@functools.cache
def _machine() -> Any:
    """One emulator for all cases: making one takes longer than a hundred programs."""
    machine: Any = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    machine.mem_map(CODE_ADDRESS, 0x10000)
    machine.mem_map(BUFFER, BUFFER_SIZE)
    machine.mem_map(STACK_START, STACK_SIZE)
    machine.mem_map(RETURN, 0x1000)
    return machine


def emulated(case: Case) -> End:
    machine = _machine()
    machine.ctl_remove_cache(CODE_ADDRESS, CODE_ADDRESS + 0x10000)
    machine.mem_write(CODE_ADDRESS, case.code)
    machine.mem_write(BUFFER, case.memory)
    machine.mem_write(STACK_AT_ENTRY, RETURN.to_bytes(8, "little"))
    for name in GENERAL:
        machine.reg_write(_register(name), 0)
    machine.reg_write(_register("rsp"), STACK_AT_ENTRY)
    machine.reg_write(x86_const.UC_X86_REG_EFLAGS, 0x202)
    for name, value in case.registers.items():
        machine.reg_write(_register(name), value)
    machine.emu_start(CODE_ADDRESS, RETURN)
    flags = machine.reg_read(x86_const.UC_X86_REG_EFLAGS)
    return End(
        {name: machine.reg_read(_register(name)) for name in LEFT},
        {name: flags >> FLAGS[name] & 1 for name in COMPARED},
        bytes(machine.mem_read(BUFFER, BUFFER_SIZE)),
    )


@functools.cache
def _register(name: str) -> int:
    return int(getattr(x86_const, f"UC_X86_REG_{name.upper()}"))


def difference(case: Case, traced: bool = False) -> str:
    """What differs between here and the emulator, or here and here in single steps; nothing where both agree."""
    here, there = native(case), native(case, traced=True) if traced else emulated(case)
    found = [
        f"{name}: {value:#x} here, {there.registers[name]:#x} there"
        for name, value in here.registers.items()
        if value != there.registers[name]
    ]
    found += [
        f"{name}: {value} here, {there.flags[name]} there"
        for name, value in here.flags.items()
        if name not in case.undefined and value != there.flags[name]
    ]
    found += [
        f"memory+{offset:#x}: {one:#x} here, {other:#x} there"
        for offset, (one, other) in enumerate(zip(here.memory, there.memory, strict=True))
        if one != other
    ][:4]
    return "\n".join(found)


@pytest.fixture(scope="module")
def pieces() -> Iterator[list[Piece]]:
    yield pool(5, 900)
    _machine.cache_clear()  # the emulator's own code is writable and executable: it must not outlive these tests


@pytest.mark.parametrize("seed", range(4))
def test_random_programs_end_as_they_do_in_an_emulator(seed: int, pieces: list[Piece]) -> None:
    for case in cases(seed, 60, pieces):
        assert difference(case) == "", case.text


def test_random_programs_end_in_the_same_way_when_they_are_traced(pieces: list[Piece]) -> None:
    assert stepping_loop.machine() is not None  # so that it takes the steps, from the first one on
    for case in cases(9, 25, pieces):
        assert difference(case, traced=True) == "", case.text


def test_the_comparison_can_fail(pieces: list[Piece]) -> None:
    case = next(cases(1, 1, pieces))
    more = b"\xff\x03" + case.code  # inc dword ptr [rbx]
    changed = Case(case.text, more, case.registers, case.memory, case.undefined)
    assert native(changed) != emulated(case)
    assert native(case) != native(changed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--traced", action="store_true")
    options = parser.parse_args()
    pieces = pool(options.seed, 4000)
    stepping_loop.machine()
    started = time.monotonic()
    wrong = 0
    for number, case in enumerate(cases(options.seed, options.count, pieces)):
        found = difference(case, options.traced)
        if found:
            wrong += 1
            print(f"program {number} of seed {options.seed}:\n{found}\n{case.text}\n")
    print(f"{options.count} programs, {wrong} differ, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
