"""The opcode forms of each mnemonic, from iced-x86's tables (Intel SDM vol. 2 and AMD APM vol. 3-5 in machine-readable shape)."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from iced_x86 import (
    Code,
    CpuidFeature,
    EncodingKind,
    Instruction,
    MemorySizeInfo,
    Mnemonic,
    OpCodeInfo,
    OpCodeOperandKind,
)
from iced_x86 import Register as IcedRegister

from execmem_kernel.x86.operands import SIZE_NAMES
from execmem_kernel.x86.registers import CLASS_MEMBERS, EXISTING_SYSTEM_REGISTERS, REGISTER_SIZES, RegisterClass

IcedNumber = Any
"""A value of one of iced-x86's enumerations: an int at run time, a class of its own in the library's stubs."""


@cache
def iced_registers() -> Mapping[str, IcedNumber]:
    """Canonical register name -> iced-x86's number."""
    special = {f"st({n})": f"ST{n}" for n in range(8)} | {f"r{n}b": f"R{n}L" for n in range(8, 16)}
    return MappingProxyType({name: getattr(IcedRegister, special.get(name, name.upper())) for name in REGISTER_SIZES})


@cache
def register_names() -> Mapping[int, str]:
    """iced-x86's number -> canonical register name."""
    return MappingProxyType({number: name for name, number in iced_registers().items()})


# ---- what an operand kind takes --------------------------------------------------------------------------------------


MemoryKind = Literal["any", "vsib xmm", "vsib ymm", "vsib zmm", "moffs", "implied", ""]
"""Which memory an operand can be: a vector of addresses, a plain address without a ModRM byte, the one that a string
instruction always uses; "" is none."""
_VECTORS_OF_ADDRESSES: dict[str, MemoryKind] = {"X": "vsib xmm", "Y": "vsib ymm", "Z": "vsib zmm"}
"""The last letter of iced-x86's name for the kind of operand."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What one operand of a form may be."""

    name: str
    """The kind in iced-x86's words: "R64_OR_MEM"."""
    registers: frozenset[str] = frozenset()
    memory: MemoryKind = ""
    low: int = 0
    high: int = -1
    """The smallest and the largest immediate; none where high < low."""
    wrap: int = 0
    """Bits of the operation: an immediate that differs by 2**wrap is the same one."""
    width: int = 0
    """Bytes of the immediate in the code."""
    implied: str = ""
    """The address register of a string operand."""

    @property
    def immediate(self) -> bool:
        """Whether a number can stand here."""
        return self.width > 0

    @property
    def mask(self) -> int:
        """The bits of the operation that an immediate fills."""
        return (1 << (self.wrap or self.width * 8)) - 1

    def fits(self, value: int) -> bool:
        """Whether the immediate can be written in this slot without changing its value."""
        if self.low <= value <= self.high:
            return True
        return bool(self.wrap) and self.low <= value - (1 << self.wrap) < 0


_FIXED = {
    "ES": "es", "CS": "cs", "SS": "ss", "DS": "ds", "FS": "fs", "GS": "gs", "AL": "al", "CL": "cl", "AX": "ax", "DX": "dx", "EAX": "eax",
    "RAX": "rax", "ST0": "st(0)", "STI_OPCODE": None,
}  # fmt: skip
IMMEDIATES = {
    "IMM4_M2Z": (0, 15, 0, 1), "IMM8": (-128, 255, 0, 1), "IMM8_CONST_1": (1, 1, 0, 1), "IMM8SEX16": (-128, 127, 16, 1),
    "IMM8SEX32": (-128, 127, 32, 1), "IMM8SEX64": (-128, 127, 64, 1), "IMM16": (-(1 << 15), (1 << 16) - 1, 0, 2),
    "IMM32": (-(1 << 31), (1 << 32) - 1, 0, 4), "IMM32SEX64": (-(1 << 31), (1 << 31) - 1, 64, 4),
    "IMM64": (-(1 << 63), (1 << 64) - 1, 0, 8),
}  # fmt: skip
"""Immediate kind -> smallest, largest, bits after which values wrap, bytes in the code."""
FIXED_REGISTERS = frozenset(name for name in _FIXED.values() if name is not None)
"""Those that an operand slot names alone."""


@cache
def _slots() -> Mapping[int, Slot]:
    """iced-x86's operand kind -> what it takes."""
    table = {}
    for name, kind in vars(OpCodeOperandKind).items():
        if isinstance(kind, int) and not name.startswith("_"):
            table[kind] = _slot(name)
    return MappingProxyType(table)


def _slot(name: str) -> Slot:
    if name in IMMEDIATES:
        low, high, wrap, width = IMMEDIATES[name]
        return Slot(name, low=low, high=high, wrap=wrap, width=width)
    if name in _FIXED:
        fixed = _FIXED[name]
        return Slot(name, registers=CLASS_MEMBERS["st"] if fixed is None else frozenset({fixed}))
    if name.startswith("MEM_VSIB"):
        return Slot(name, memory=_VECTORS_OF_ADDRESSES[name[-1]])
    if name == "MEM_OFFS":
        return Slot(name, memory="moffs")
    if name in ("MEM", "MEM_MPX", "MEM_MIB", "SIBMEM"):
        return Slot(name, memory="any")
    implied = {"SEG_RSI": "si", "ES_RDI": "di", "SEG_RDI": "di", "SEG_RBX_AL": "bx"}.get(name)
    if implied is not None:
        return Slot(name, memory="implied", implied=implied)
    stem = name.split("_", 1)[0]
    classes: dict[str, RegisterClass] = {
        "R8": "r8", "R16": "r16", "R32": "r32", "R64": "r64", "MM": "mm", "XMM": "xmm", "XMMP3": "xmm", "YMM": "ymm", "ZMM": "zmm",
        "ZMMP3": "zmm", "K": "k", "KP1": "k", "SEG": "sreg", "CR": "cr", "DR": "dr", "BND": "bnd", "TMM": "tmm",
    }  # fmt: skip
    registers = CLASS_MEMBERS[classes[stem]] if stem in classes else frozenset()
    if stem in ("CR", "DR"):
        registers &= EXISTING_SYSTEM_REGISTERS
    return Slot(name, registers=registers, memory="any" if "_OR_MEM" in name else "")


# ---- the forms -------------------------------------------------------------------------------------------------------

_FOREIGN_FEATURES = ("KNC", "CYRIX", "GEODE", "UDBG", "CL1INVMB", "PADLOCK_UNDOC", "HALT_CYRIX")
"""Instructions of processors that no 64-bit Linux runs on, by the feature they need."""


@dataclass(frozen=True, slots=True)
class Form:
    """One line of the opcode tables: which operands, in which encoding."""

    code: IcedNumber
    """iced-x86's number for it."""
    mnemonic: str
    text: str
    """As a reader writes it: "add r/m64, imm32"."""
    slots: tuple[Slot, ...]
    encoding: int
    memory_size: int
    """Bytes of the memory operand; 0 where it has no size of its own, or more than 64."""
    broadcast_size: int
    """Bytes of one broadcast element, 0 where broadcast does not go."""
    rank: int
    """Preference among forms that say the same in as many bytes; lower first."""
    info: OpCodeInfo

    @property
    def is_evex(self) -> bool:
        """Whether it is encoded with the EVEX prefix of AVX-512."""
        return self.encoding == EncodingKind.EVEX

    @property
    def is_string(self) -> bool:
        """Whether it is a string instruction: its operands may be written or left out."""
        return self.mnemonic[:-1] in STRING_STEMS and any(slot.memory == "implied" for slot in self.slots)


TABLE_NAMES = {
    "xstore_alt": "xstore", "xsha512_alt": "xsha512", "pcmpestri64": "pcmpestriq", "pcmpestrm64": "pcmpestrmq", "vpcmpestri64": "vpcmpestriq", "vpcmpestrm64": "vpcmpestrmq",
}  # fmt: skip
"""Names that only the tables use -> those that assemblers use."""
_LEFT_OUT = frozenset(
    ("reservednop", "undoc", "getsecq", "montmul", "ccs_hash", "ccs_encrypt", "xsha512", "xsha512_alt", "pcommit")
)
"""Lines of the tables that no assembler has a spelling for, or that the tables themselves do not read back."""


@cache
def _codes() -> Mapping[str, list[tuple[str, IcedNumber]]]:
    """Mnemonic -> iced-x86's name and number for each line of the tables that could be a form of it.

    Nothing else is asked of the 4,900 lines at once: what a line says costs ten times as much as whose it is.
    """
    names = {value: name.lower() for name, value in vars(Mnemonic).items() if isinstance(value, int)}
    found: dict[str, list[tuple[str, IcedNumber]]] = {}
    probe = Instruction()
    for name, value in vars(Code).items():
        if isinstance(value, int):
            number: IcedNumber = value
            probe.code = number
            # The tables call all three sizes retf.
            mnemonic = "retfq" if name.startswith("RETFQ") else names[probe.mnemonic]
            found.setdefault(TABLE_NAMES.get(mnemonic, mnemonic), []).append((name, number))
    return MappingProxyType(found)


@cache
def _foreign_features() -> frozenset[int]:
    return frozenset(
        value
        for name, value in vars(CpuidFeature).items()
        if isinstance(value, int) and name.startswith(_FOREIGN_FEATURES)
    )


def table_lines(mnemonic: str) -> Iterator[tuple[str, OpCodeInfo]]:
    """Name and line of every opcode form of a mnemonic, in any mode, MVEX and foreign processors left out."""
    probe = Instruction()
    for name, number in _codes().get(mnemonic, ()):
        info = OpCodeInfo(number)
        if not info.is_instruction or info.encoding == EncodingKind.MVEX or name == "UD0":
            continue
        probe.code = number
        if _foreign_features().intersection(probe.cpuid_features()):
            continue
        if info.instruction_string.split(" ", 1)[0].lower() not in _LEFT_OUT:
            yield name, info


def forms_of(mnemonic: str) -> tuple[Form, ...]:
    """The forms of a mnemonic in 64-bit mode, in the order of the tables; none for what is no mnemonic."""
    return _forms_of(mnemonic) if mnemonic in _codes() else ()


@cache
def _forms_of(mnemonic: str) -> tuple[Form, ...]:
    slots = _slots()
    return tuple(
        Form(
            info.code,
            mnemonic,
            readable(info.instruction_string),
            tuple(slots[kind] for kind in info.op_kinds()),
            info.encoding,
            _size_of(info.memory_size),
            _size_of(info.broadcast_memory_size),
            _rank(name, info),
            info,
        )
        for name, info in table_lines(mnemonic)
        if info.mode64
    )


@cache
def known_forms() -> Mapping[str, tuple[Form, ...]]:
    """Every mnemonic of 64-bit mode -> its forms."""
    return MappingProxyType({mnemonic: found for mnemonic in _codes() if (found := _forms_of(mnemonic))})


def _size_of(memory_size: IcedNumber) -> int:
    size = MemorySizeInfo(memory_size).size
    return size if size in SIZE_NAMES else 0


def _rank(name: str, info: OpCodeInfo) -> int:
    """GNU as' choice between two directions and two opcodes: the plain opcode, r/m first for general registers."""
    rank = 0
    if re.search(r"_(?:[0-9A-F]{2}(?:R\d)?|D[C-F][CD][08])$", name):
        rank += 4  # a second opcode for the same thing: ADD_RM8_IMM8_82, FCOM_ST0_STI_DCD0
    slots = [_slots()[kind] for kind in info.op_kinds()]
    if re.search(r"MOVQ_(X?MM_RM64|RM64_X?MM)", name):
        rank += 2 * (info.encoding != EncodingKind.EVEX)
    if len(slots) == 4 and slots[2].memory == "any" and slots[3].name.endswith("IS4"):
        rank += name.startswith(("VEX_VFM", "VEX_VFNM"))  # FMA4: the last operand as r/m first
    if name.endswith("_AX_IMM16"):
        rank += 1  # as long as the sign-extended byte, and slower to decode
    vector = info.encoding != EncodingKind.LEGACY or any(
        "MM" in slot.name.replace("IMM", "") or "BND" in slot.name for slot in slots
    )
    if slots and (slots[0].memory == "any" if vector else slots[0].name.endswith("_REG")):
        rank += 1
    return rank


def readable(text: str) -> str:
    """A form of the tables in the source's spelling: lower case but for what is no register."""
    head, _, tail = text.partition(" ")
    return f"{head.lower()} {tail.lower()}".strip()


STRING_STEMS = ("movs", "cmps", "stos", "lods", "scas", "ins", "outs")
