"""Bytes to instructions: the text by Capstone, what each reads, writes, changes and needs by the opcode tables."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import capstone

from execmem_kernel.assembly import effects, forms
from execmem_kernel.assembly.effects import MemoryAccess
from execmem_kernel.assembly.operands import Immediate, Memory, Register

__all__ = ["Instruction", "MemoryAccess", "Reading", "cpu_features", "disassemble", "read_back", "text_of", "texts_of"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One machine instruction, read back from its bytes."""

    address: int
    code: bytes
    text: str
    """As it would be typed: "mov rax, qword ptr [rbx + 8]"; bytes that are no instruction are ".byte 0x06"."""
    mnemonic: str
    operands: tuple[str, ...] = ()
    """The operands as they stand in the text."""
    registers_read: tuple[str, ...] = ()
    registers_written: tuple[str, ...] = ()
    """A write to eax clears the upper half of rax, so it is listed as rax."""
    memory: tuple[MemoryAccess, ...] = ()
    flags_read: tuple[str, ...] = ()
    flags_written: tuple[str, ...] = ()
    flags_undefined: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Of: jump, conditional, indirect, call, return, interrupt, exception, transaction, stack, string, privileged."""
    features: tuple[str, ...] = ()
    """CPU features it needs beyond the x86-64 baseline, by iced-x86's names in lower case."""
    target: int | None = None
    """Where a direct jump or call goes."""
    relative: int | None = None
    """The address that a rip-relative operand means, whether it is read, written or only computed."""

    @property
    def size(self) -> int:
        return len(self.code)

    @property
    def end(self) -> int:
        return self.address + len(self.code)

    @property
    def is_instruction(self) -> bool:
        """False for bytes that the processor does not know."""
        return self.mnemonic != ".byte"

    def __str__(self) -> str:
        return self.text


_SCATTERED = tuple(
    f"v{stem}{kind}"
    for stem in ("gather", "scatter", "pgather", "pscatter", "gatherpf0", "gatherpf1", "scatterpf0", "scatterpf1")
    for kind in ("dps", "qps", "dpd", "qpd", "dd", "dq", "qd", "qq")
)

CAPSTONE_MISREADS = frozenset(
    (
        # shown with the size of all elements together
        *_SCATTERED,
        # read as an older instruction whose bytes they extend
        "mcommit", "seamcall", "seamret", "seamops", "stui", "clui", "testui", "uiret", "erets", "eretu", "vmgexit",
        "prefetchit0", "prefetchit1", "pcmpestriq", "pcmpestrmq", "tdcall", "senduipi", "rmpquery",
        # displacement multiplied by the wrong size
        "vmovq",
        # operands shown with another size, or implied ones
        "comisd", "clrssbsy", "rstorssp", "vgf2p8affineqb", "vgf2p8affineinvqb", "fnsave", "fsave", "lsl", "movsxd",
        "invlpga", "vmsave", "vmload", "vmrun", "xlatb", "monitor", "monitorx", "fndisi", "fneni",
        "fdisi", "feni", "lar",
    )
)  # fmt: skip
"""What Capstone 5 gets wrong: these are read by iced-x86 alone."""


_engines = threading.local()


def _engine(syntax: str) -> capstone.Cs:
    """A Capstone engine of this thread's own: one engine must not be used by two threads."""
    engine = getattr(_engines, syntax, None)
    if engine is None:
        engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        if syntax == "att":
            engine.syntax = capstone.CS_OPT_SYNTAX_ATT
        setattr(_engines, syntax, engine)
    return engine


def disassemble(
    code: bytes,
    address: int = 0,
    labels: Mapping[str, int] | None = None,
    syntax: Literal["intel", "att"] = "intel",
) -> tuple[Instruction, ...]:
    """Read instructions back from bytes; every byte is in exactly one of the results.

    Args:
        code: What to read.
        address: Where the first byte lies.
        labels: Name -> address; branches to them and rip-relative operands are shown by name.
        syntax: How the text is written.
    """
    names = None if not labels else LabelsByAddress(labels)
    return tuple(_instructions(bytes(code), address, names, syntax))


class LabelsByAddress:
    """Labels looked up by where they lie; of several in one place the first stands for all."""

    def __init__(self, labels: Mapping[str, int]) -> None:
        self._names = {address: name for name, address in reversed(list(labels.items()))}
        self._ordered: list[int] | None = None

    def at(self, address: int) -> str | None:
        """The label that lies exactly there."""
        return self._names.get(address)

    def near(self, address: int) -> str | None:
        """The label there, or the last one before it and how far behind: `numbers + 4`; at most a page.

        Segments lie a page apart, so what is nearer than that is of the same segment.
        """
        name = self._names.get(address)
        if name is not None:
            return name
        if self._ordered is None:
            self._ordered = sorted(self._names)
        index = bisect_right(self._ordered, address) - 1
        if index < 0 or address - self._ordered[index] > _PAGE:
            return None
        offset = address - self._ordered[index]
        return f"{self._names[self._ordered[index]]} + {offset if offset < 10 else hex(offset)}"


_PAGE = 4096


def _instructions(code: bytes, address: int, names: LabelsByAddress | None, syntax: str) -> Iterator[Instruction]:
    offset = 0
    while offset < len(code):
        instruction = _first(code[offset : offset + 15], address + offset, syntax)
        yield instruction if names is None else _named(instruction, names)
        offset += instruction.size


@lru_cache(maxsize=8192)
def _first(code: bytes, address: int, syntax: str) -> Instruction:
    """The instruction that the bytes begin with; remembered, for a loop that is stepped through comes by often."""
    facts = effects.facts_of(code, address)
    if facts is None:
        return Instruction(address, code[:1], f".byte 0x{code[0]:02x}", ".byte", (f"0x{code[0]:02x}",))
    code = code[: facts.size]
    seen = None if facts.mnemonic in CAPSTONE_MISREADS or not facts.is_plain else _text(syntax, code, address)
    if seen is not None and _NO_INDEX.search(seen[1]):
        seen = None  # `[rcx + riz*8]`: a register that nobody has
    mnemonic, operands = seen or effects.text_of(code, address, syntax)
    operands = as_typed(operands) if syntax == "intel" else re.sub(r", (?=[^()]*\))", ",", operands)
    if facts.mnemonic in forms.EVEX_FIRST and code[0] in _VEX:
        mnemonic = f"{{vex}} {mnemonic}"  # without it the name means the encoding of AVX-512
    return Instruction(
        address,
        code,
        f"{mnemonic} {operands}".rstrip(),
        mnemonic,
        _split(operands),
        facts.registers_read,
        facts.registers_written,
        facts.memory,
        facts.flags_read,
        facts.flags_written,
        facts.flags_undefined,
        facts.groups,
        facts.features,
        facts.target,
        facts.relative,
    )


@lru_cache(maxsize=8192)
def _text(syntax: str, code: bytes, address: int) -> tuple[str, str] | None:
    """Capstone's text of the one instruction, or None where Capstone sees another one, or none."""
    for _, size, mnemonic, operands in _engine(syntax).disasm_lite(code, address, 1):
        if size == len(code):
            return mnemonic, operands
    return None


_VEX = (0xC4, 0xC5)
_NO_INDEX = re.compile(r"\b[re]iz\b")
_BARE_POINTER = re.compile(r"(?:\bmem384 )?(?<!word )(?<!byte )\bptr (?=(?:[c-gs]s:)?\[)")


def as_typed(text: str) -> str:
    """Capstone's text in the assembler's words: tbyte, and no `ptr` where no word names the size: `xsave [rax]`."""
    return _BARE_POINTER.sub("", text.replace("xword ptr", "tbyte ptr")) if "ptr " in text else text


_RIP_OPERAND = re.compile(r"\[rip(?: [+-] \w+)?\]|(?<![\w$])-?(?:0x)?[0-9a-f]*\(%rip\)")


def _named(instruction: Instruction, names: LabelsByAddress) -> Instruction:
    """The instruction with labels put back where it holds their addresses."""
    label = None if instruction.target is None else names.at(instruction.target)
    place = None if instruction.relative is None else names.near(instruction.relative)
    if label is not None:
        operands = label
    elif place is not None:
        shown = f"{place.replace(' ', '')}(%rip)" if "%rip" in instruction.text else f"[rip + {place}]"
        operands = _RIP_OPERAND.sub(lambda _: shown, ", ".join(instruction.operands), count=1)
    else:
        return instruction
    return replace(instruction, text=f"{instruction.mnemonic} {operands}", operands=_split(operands))


def _split(operands: str) -> tuple[str, ...]:
    """Operands at the commas that stand outside brackets."""
    parts = re.split(r",\s*(?![^\[(]*[\])])", operands)
    return tuple(part for part in parts if part)


# ---- reading back, for the encoder's check ---------------------------------------------------------------------------

_MEMORY_TEXT = re.compile(
    r"(?:(?:(?P<size>\w+) )?ptr )?(?:(?P<segment>[c-gs]s):)?\[(?P<address>[^]]*)\](?:\{1to(?P<broadcast>\d+)\})?"
)
_SIZES = {word: size for size, word in forms.SIZE_NAMES.items()} | {"xword": 10}


@dataclass(frozen=True, slots=True)
class Reading:
    """One instruction as Capstone reads it, in the terms of `operands`."""

    mnemonic: str
    prefixes: tuple[str, ...]
    operands: tuple[Register | Immediate | Memory, ...]
    decorations: frozenset[str]
    """What stands in braces: the mask, "z", a rounding."""


def text_of(code: bytes, name: str) -> str:
    """What the bytes of an instruction of this name say at address 0: by Capstone, or by iced-x86 where that fails."""
    seen = None if name in CAPSTONE_MISREADS else _text("intel", code, 0)
    mnemonic, operands = seen or effects.text_of(code, 0)
    return f"{mnemonic} {operands}" if operands else mnemonic


_TOGETHER = 64
"""Instructions read in one call: few enough that to begin again behind one that Capstone cannot read costs little."""


def texts_of(codes: Sequence[bytes], names: Sequence[str]) -> list[str]:
    """`text_of` for many instructions, one call of Capstone for all that it reads one after the other."""
    found: list[str] = []
    while len(found) < len(codes):
        waiting = codes[len(found) : len(found) + _TOGETHER]
        begun = len(found)
        read = _engine("intel").disasm_lite(b"".join(waiting), 0)
        for code, (_, size, mnemonic, operands) in zip(waiting, read, strict=False):
            if size != len(code) or names[len(found)] in CAPSTONE_MISREADS:
                break
            found.append(f"{mnemonic} {operands}" if operands else mnemonic)
        if len(found) < begun + len(waiting):
            found.append(text_of(codes[len(found)], names[len(found)]))
    return found


_PREFIXES = frozenset(
    ("lock", "rep", "repe", "repz", "repne", "repnz", "notrack", "bnd", "xacquire", "xrelease", "data16", "addr32")
)


def read_back(text: str) -> Reading | None:
    """What a text of `text_of` says, to be compared with what was meant; None if it cannot be understood."""
    words = text.split(" ")
    count = next(number for number, word in enumerate(words) if word not in _PREFIXES)
    prefixes, mnemonic = words[:count], words[count]
    operands: list[Register | Immediate | Memory] = []
    decorations: list[str] = []
    for part in _split(" ".join(words[count + 1 :])):
        body = _MEMORY_TEXT.match(part)
        rest = part[body.end() :] if body is not None else part
        word, *braces = re.split(r"[ {}]+", rest.strip("} "))
        decorations += [brace.replace("rne-", "rn-") for brace in braces if brace]
        if body is not None:
            operands.append(_read_memory(body))
        elif word:
            operand = _read_word(word)
            if operand is None:
                return None
            operands.append(operand)
    return Reading(mnemonic, tuple(prefixes), tuple(operands), frozenset(decorations))


def _read_word(word: str) -> Register | Immediate | None:
    register = forms.canonical_register(word)
    if register is not None:
        return Register(register)
    try:
        return Immediate(int(word, 0))
    except ValueError:
        return None


def _read_memory(found: re.Match[str]) -> Memory:
    base = index = None
    scale, displacement = 1, 0
    for sign, term in re.findall(r"([+-]?) ?([^ +-]+)", found["address"]):
        name, _, factor = term.partition("*")
        if name[0].isdigit():
            displacement += int(name, 0) * (-1 if sign == "-" else 1)
        elif factor or base is not None or name[1:3] == "mm":
            index, scale = Register(name), int(factor or "1")
        else:
            base = Register(name)
    return Memory(
        base,
        index,
        scale,
        displacement,
        _SIZES.get(found["size"] or ""),
        Register(found["segment"]) if found["segment"] else None,
        broadcast=int(found["broadcast"]) if found["broadcast"] else None,
    )


# ---- what this processor has -----------------------------------------------------------------------------------------


@cache
def cpu_features() -> frozenset[str]:
    """The features of this machine's processor, by the names that `Instruction.features` uses; none without /proc."""
    try:
        listing = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    for line in listing.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return effects.features_of_linux(value.split())
    return frozenset()
