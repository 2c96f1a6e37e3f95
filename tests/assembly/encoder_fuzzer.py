"""The whole instruction set against GNU as: random operands for every form, equal bytes or an equal meaning.

    python -m tests.assembly.encoder_fuzzer 100000 --seed 1

Not a test by itself; tests/assembly/encoding/test_encoder.py runs a small part of it.
"""

# ruff: noqa: E501 (cases are read by row)

from __future__ import annotations

import argparse
import random
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from execmem_kernel.assembly.encoding.encoder import default_encoder
from execmem_kernel.x86 import forms, mnemonics, operands
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.forms import Form, Slot
from execmem_kernel.x86.operands import Encoding, Immediate, Memory, Operand, Operation, Register

ADDRESSES = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
ROUNDINGS = ("rn-sae", "rd-sae", "ru-sae", "rz-sae")

LEFT_OUT = {
    "call r/m16": "Intel and AMD processors disagree about the operand size",
    "jmp r/m16": "the same",
    "call m16:16": "a dword after call is a slip of 32-bit code far more often than a far pointer",
    "jmp m16:16": "the same",
    "bswap r16": "its result is undefined",
}
"""Forms that the encoder refuses on purpose."""


@dataclass(frozen=True, slots=True)
class Case:
    """One instruction in our words and in GNU as'."""

    form: Form
    operation: Operation
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How our answer and GNU as' compare."""

    kind: str
    """same, equal, wrong, refused (only by us), extra (only by us accepted), neither."""
    case: Case
    ours: str
    theirs: str


def random_operation(form: Form, source: random.Random) -> Operation | None:
    """An operation that the form can say, or None for forms with operands that are not chosen (branches)."""
    if form.text in LEFT_OUT:
        return None
    operands: list[Operand] = []
    evex = form.encoding == 2
    for slot in form.slots:
        if slot.memory == "implied":
            continue
        operand = _random_operand(form, slot, evex, source)
        if operand is None:
            return None
        operands.append(operand)
    if form.mnemonic == "mov" and operands[0] == Register("cs"):
        return None  # an invalid opcode
    if form.info.requires_unique_reg_nums:
        # A gather whose registers are not all different is an invalid opcode; GNU as only warns.
        registers = [operand.name for operand in operands if isinstance(operand, Register)]
        registers += [
            o.index.name
            for o in operands
            if isinstance(o, Memory) and o.index is not None and o.index.name[1:3] == "mm"
        ]
        numbers = [re.sub(r"^[a-z]+", "", name) for name in registers]
        if len(set(numbers)) < len(numbers):
            return None
    mask = rounding = None
    zeroing = False
    info = form.info
    if info.require_op_mask_register or (evex and info.can_use_op_mask_register and source.random() < 0.4):
        mask = Register(f"k{source.randrange(1, 8)}")
        memory_first = bool(operands) and isinstance(operands[0], Memory)
        zeroing = info.can_use_zeroing_masking and not memory_first and source.random() < 0.5
    if evex and not any(isinstance(operand, Memory) for operand in operands) and source.random() < 0.4:
        if info.can_use_rounding_control and not info.ignores_rounding_control:
            rounding = source.choice(ROUNDINGS)
        elif info.can_suppress_all_exceptions:
            rounding = "sae"
    prefixes: tuple[str, ...] = ()
    mnemonic = "movabs" if any(slot.memory == "moffs" for slot in form.slots) else form.mnemonic
    if info.can_use_lock_prefix and operands and isinstance(operands[0], Memory) and source.random() < 0.2:
        prefixes = ("lock",)
    elif (
        form.mnemonic.startswith(("movs", "stos", "lods", "ins", "outs"))
        and info.can_use_rep_prefix
        and source.random() < 0.3
    ):
        prefixes = ("rep",)
    elif form.mnemonic.startswith(("cmps", "scas")) and info.can_use_rep_prefix and source.random() < 0.3:
        prefixes = (source.choice(("repe", "repne")),)
    return Operation(mnemonic, tuple(operands), prefixes, 0, mask, zeroing, rounding)


def _random_operand(form: Form, slot: Slot, evex: bool, source: random.Random) -> Operand | None:
    wants_memory = slot.memory and (not slot.registers or source.random() < 0.5)
    if wants_memory:
        memory = _random_memory(form, slot, evex, source)
        # Left out now and then: what the size is then, or that it is missing, is to be agreed on too.
        return replace(memory, size=None) if memory.broadcast is None and source.random() < 0.15 else memory
    if slot.registers:
        names = sorted(name for name in slot.registers if evex or not (name[1:3] == "mm" and int(name[3:]) > 15))
        return Register(source.choice(names))
    if slot.immediate:
        return Immediate(_random_immediate(slot, source))
    return None


def _random_immediate(slot: Slot, source: random.Random) -> int:
    edges = [slot.low, slot.high, 0, 1, -1, slot.low + 1, slot.high - 1]
    value = source.choice([*edges, source.randint(slot.low, slot.high), source.randint(0, max(0, slot.high))])
    return min(max(value, slot.low), slot.high)


def _random_memory(form: Form, slot: Slot, evex: bool, source: random.Random) -> Memory:
    size = form.memory_size or None
    displacement = source.choice(
        (0, 0, 1, 8, 64, 127, -128, 128, -64, source.randint(-(1 << 31), (1 << 31) - 1), source.randrange(0, 4096, 4))
    )
    broadcast = None
    if form.broadcast_size and source.random() < 0.4:
        broadcast = form.memory_size // form.broadcast_size
        size = form.broadcast_size
    if slot.memory == "moffs":
        return Memory(displacement=source.randrange(1 << 33, 1 << 62), absolute=True, size=size)
    if slot.memory.startswith("vsib"):
        family = slot.memory[5:]
        index = Register(f"{family}{source.randrange(32 if evex else 16)}")
        base = Register(source.choice(ADDRESSES)) if source.random() < 0.9 else None
        return Memory(base, index, source.choice((1, 2, 4, 8)), displacement, size)
    shape = source.random()
    if slot.name not in ("SIBMEM", "MEM_MIB", "MEM_MPX", "R32_OR_MEM_MPX", "R64_OR_MEM_MPX", "BND_OR_MEM_MPX"):
        if shape < 0.06:
            return Memory(Register("rip"), displacement=displacement, size=size, broadcast=broadcast)
        if shape < 0.12:
            segment = Register(source.choice(("fs", "gs"))) if source.random() < 0.5 else None
            return Memory(
                displacement=displacement & 0x7FFFFFFF, absolute=True, size=size, segment=segment, broadcast=broadcast
            )
        if shape < 0.2:
            base = Register(source.choice(ADDRESSES[:4]).replace("r", "e", 1))
            return Memory(base, displacement=displacement, size=size, broadcast=broadcast)
    base = Register(source.choice(ADDRESSES))
    chosen = None
    scale = 1
    if shape > 0.5:
        chosen = Register(source.choice([name for name in ADDRESSES if name != "rsp"]))
        scale = source.choice((1, 2, 4, 8))
    elif shape > 0.45:
        chosen, scale = Register(source.choice([name for name in ADDRESSES if name != "rsp"])), source.choice((2, 4, 8))
        return Memory(None, chosen, scale, displacement, size, broadcast=broadcast)
    segment = Register(source.choice(("fs", "gs"))) if source.random() < 0.05 else None
    return Memory(base, chosen, scale, displacement, size, segment, broadcast=broadcast)


def gnu_text(operation: Operation) -> str:
    """The operation as GNU as reads it under `.intel_syntax noprefix`."""
    words = [_gnu_operand(operand) for operand in operation.operands]
    if operation.mask is not None:
        words[0] += f"{{{operation.mask.name}}}" + ("{z}" if operation.zeroing else "")
    if operation.rounding is not None:
        sae = f"{{{operation.rounding}}}"
        # Before a trailing immediate: GNU as takes no other place.
        words.insert(len(words) - isinstance(operation.operands[-1], Immediate), sae)
    prefixes = " ".join(operation.prefixes)
    return f"{prefixes} {operation.mnemonic} {', '.join(words)}".strip()


def _gnu_operand(operand: Operand) -> str:
    match operand:
        case Register(name):
            return name
        case Immediate(value):
            return str(value)
        case Memory():
            size = f"{operands.SIZE_NAMES[operand.size]} ptr " if operand.size else ""
            parts = [register.name for register in (operand.base,) if register is not None]
            if operand.index is not None:
                parts.append(f"{operand.index.name}*{operand.scale}")
            if operand.displacement or not parts:
                parts.append(str(operand.displacement))
            segment = (
                f"{operand.segment.name}:"
                if operand.segment is not None
                else "ds:"
                if operand.base is None and operand.index is None
                else ""
            )
            broadcast = f"{{1to{operand.broadcast}}}" if operand.broadcast is not None else ""
            return f"{size}{segment}[{'+'.join(parts)}]{broadcast}"
    raise TypeError(operand)


_LISTED = re.compile(r"^\s*(\d+) [0-9a-f]{4,} ((?:[0-9A-F]+ )+)")


def gnu_assemble(texts: Sequence[str]) -> list[bytes | str]:
    """The bytes of each line by GNU as, or its error."""
    answers: list[bytes | str] = [""] * len(texts)
    waiting = list(range(len(texts)))
    with tempfile.TemporaryDirectory() as folder:
        source, listing = Path(folder, "a.s"), Path(folder, "a.lst")
        while waiting:
            source.write_text(".intel_syntax noprefix\n" + "".join(f"{texts[number]}\n" for number in waiting))
            done = subprocess.run(
                ["as", "--64", f"-aln={listing}", "--listing-lhs-width=8", "-o", str(Path(folder, "a.o")), str(source)],
                capture_output=True,
                text=True,
                check=False,
            )  # fmt: skip
            bad = {}
            for line in done.stderr.splitlines():
                found = re.match(r".*?:(\d+): (Error|Warning): (.*)", line)
                if found is not None and found[2] == "Error":
                    bad[int(found[1]) - 2] = found[3]
            if not bad:
                assert done.returncode == 0, done.stderr[-500:]
                for line in listing.read_text().splitlines():
                    found = _LISTED.match(line)
                    if found is not None:
                        number = waiting[int(found[1]) - 2]
                        already = answers[number]
                        answers[number] = (already if isinstance(already, bytes) else b"") + bytes.fromhex(found[2])
                break
            for place, error in bad.items():
                answers[waiting[place]] = error
            waiting = [number for place, number in enumerate(waiting) if place not in bad]
    return answers


def meaning(code: bytes) -> tuple[str, ...]:
    """What the bytes say, for two encodings of the same instruction."""
    return tuple(instruction.text for instruction in disassemble(code))


def compare(cases: Iterable[Case]) -> Iterator[Finding]:
    """Every case through our encoder and through GNU as."""
    batch = list(cases)
    ours = default_encoder().encode([case.operation for case in batch])
    theirs = gnu_assemble([case.text for case in batch])
    for case, our, their in zip(batch, ours, theirs, strict=True):
        if isinstance(our, Encoding):
            if isinstance(their, str):
                yield Finding("extra", case, our.code.hex(), their)
            elif our.code == their:
                yield Finding("same", case, our.code.hex(), their.hex())
            elif meaning(our.code) == meaning(their):
                yield Finding("equal", case, our.code.hex(), their.hex())
            else:
                yield Finding("wrong", case, our.code.hex(), their.hex())
        elif isinstance(their, str):
            yield Finding("neither", case, our.message, their)
        else:
            yield Finding("refused", case, our.message, their.hex())


def cases(count: int, seed: int) -> Iterator[Case]:
    """Random instructions, every form in turn."""
    source = random.Random(seed)
    every = [form for mnemonic in sorted(forms.known_forms()) for form in forms.known_forms()[mnemonic]]
    made = 0
    while made < count:
        source.shuffle(every)
        for form in every:
            operation = random_operation(form, source)
            if operation is None:
                continue
            yield Case(form, operation, gnu_text(operation))
            made += 1
            if made >= count:
                return


WILD_REGISTERS = [
    "rax",
    "rbx",
    "rcx",
    "eax",
    "ebx",
    "al",
    "ah",
    "cl",
    "r8b",
    "r9d",
    "r13w",
    "dx",
    "xmm0",
    "xmm1",
    "xmm17",
    "ymm2",
    "zmm3",
    "k1",
    "st(0)",
    "st(1)",
    "mm1",
    "cs",
    "fs",
    "cr0",
    "dr7",
    "rip",
    "sil",
    "tmm1",
    "bnd0",
]
WILD_NAMES = [
    "mov",
    "add",
    "lea",
    "cmp",
    "test",
    "push",
    "pop",
    "call",
    "jmp",
    "imul",
    "mul",
    "div",
    "shl",
    "movzx",
    "movsx",
    "xchg",
    "inc",
    "neg",
    "not",
    "bt",
    "bswap",
    "cmpxchg",
    "xadd",
    "in",
    "out",
    "enter",
    "ret",
    "int",
    "movd",
    "movq",
    "movaps",
    "movss",
    "cvtsi2sd",
    "pinsrw",
    "vaddps",
    "vmovups",
    "nop",
    "loop",
    "setz",
    "sete",
    "cmove",
    "adc",
    "shld",
    "movsb",
    "stosd",
    "movs",
    "fadd",
    "fstp",
    "kmovq",
    "vpgatherdd",
    "bextr",
]
WILD_NUMBERS = (
    0, 1, -1, 127, 128, 255, 256, -128, -129, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 31) - 1,
)  # fmt: skip


def wild_cases(count: int, seed: int) -> Iterator[Case]:
    """Any name with any operands: nearly all of it nonsense, to be refused without a stumble."""
    source = random.Random(seed)
    names = sorted(mnemonics.known_mnemonics())
    some_form = forms.known_forms()["mov"][0]

    def register() -> Register:
        return Register(source.choice(WILD_REGISTERS))

    def memory() -> Memory:
        base = (
            register()
            if source.random() < 0.3
            else Register(source.choice(ADDRESSES))
            if source.random() < 0.8
            else None
        )
        index = None
        if source.random() < 0.4:
            index = register() if source.random() < 0.2 else Register(source.choice(ADDRESSES))
        return Memory(
            base,
            index,
            source.choice((1, 1, 2, 4, 8, 3)),
            source.choice((0, 0, 8, -8, 128, 1 << 31, -(1 << 31), 1 << 40)),
            source.choice((None, None, 1, 2, 4, 8, 10, 16, 32, 64, 6)),
            Register(source.choice(("fs", "gs", "ds", "es"))) if source.random() < 0.1 else None,
            broadcast=source.choice((2, 4, 8, 16)) if source.random() < 0.03 else None,
        )

    def number() -> Immediate:
        return Immediate(source.choice(WILD_NUMBERS))

    for _ in range(count):
        mnemonic = source.choice(WILD_NAMES if source.random() < 0.5 else names)
        operands = tuple(
            source.choice((register, register, memory, number))()
            for _ in range(source.choice((0, 1, 2, 2, 2, 3, 3, 4)))
        )
        decorated = bool(operands) and source.random() < 0.05
        operation = Operation(
            mnemonic,
            operands,
            (source.choice(("lock", "rep", "repne", "notrack", "xacquire", "bnd")),) if source.random() < 0.05 else (),
            mask=Register(source.choice(("k0", "k1", "k7"))) if decorated else None,
            zeroing=decorated and source.random() < 0.3,
            rounding=source.choice(("rn-sae", "sae")) if decorated and source.random() < 0.3 else None,
        )
        yield Case(some_form, operation, gnu_text(operation))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=40)
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    shown: Counter[tuple[str, str]] = Counter()
    source = cases(options.count, options.seed)
    batch: list[Case] = []
    lines: dict[str, list[str]] = {}
    while True:
        batch = [case for _, case in zip(range(5000), source, strict=False)]
        if not batch:
            break
        for finding in compare(batch):
            totals[finding.kind] += 1
            if finding.kind in ("wrong", "refused", "extra", "equal"):
                key = (finding.kind, finding.case.form.mnemonic)
                shown[key] += 1
                if shown[key] <= 2:
                    lines.setdefault(finding.kind, []).append(
                        f"{finding.case.text:60} | {finding.ours} | {finding.theirs}"
                    )
    for kind, found in lines.items():
        print(f"--- {kind}")
        for line in found[: options.show]:
            print(line)
    print(dict(totals))
    valid = totals["same"] + totals["equal"] + totals["wrong"] + totals["refused"]
    print(
        f"valid (GNU as accepts): {valid}; accepted {100 * (valid - totals['refused']) / valid:.3f} %; wrong {totals['wrong']}"
    )


if __name__ == "__main__":
    main()
