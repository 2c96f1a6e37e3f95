"""What each mnemonic takes: the names of the machine, the operand forms, and the words that say what does not fit.

The forms come from iced-x86's opcode tables (Intel SDM vol. 2 and AMD APM vol. 3-5 in machine-readable shape), the other
names that assemblers and textbooks use for the same instructions from the tables below.
"""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

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

from execmem_kernel.assembly.operands import Immediate, Memory, Operand, Operation, Register, Target

IcedNumber = Any
"""A value of one of iced-x86's enumerations: an int at run time, a class of its own in the library's stubs."""

# ---- registers -------------------------------------------------------------------------------------------------------

_LEGACY = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")


def _register_sizes() -> dict[str, int]:
    """Canonical register name -> size in bytes."""
    sizes = dict.fromkeys(("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh", "spl", "bpl", "sil", "dil"), 1)
    for number in range(8, 16):
        sizes |= {f"r{number}b": 1, f"r{number}w": 2, f"r{number}d": 4, f"r{number}": 8}
    for name in _LEGACY:
        sizes |= {name: 2, f"e{name}": 4, f"r{name}": 8}
    sizes |= {"ip": 2, "eip": 4, "rip": 8}
    sizes |= dict.fromkeys(("es", "cs", "ss", "ds", "fs", "gs"), 2)
    for number in range(32):
        sizes |= {f"xmm{number}": 16, f"ymm{number}": 32, f"zmm{number}": 64}
    for number in range(8):
        sizes |= {f"mm{number}": 8, f"st({number})": 10, f"k{number}": 8, f"tmm{number}": 1024}
    for number in range(16):
        sizes |= {f"cr{number}": 8, f"dr{number}": 8}
    for number in range(4):
        sizes[f"bnd{number}"] = 16
    del sizes["ip"]
    return sizes


_REGISTER_SIZES = _register_sizes()

_REGISTER_ALIASES = (
    {"st": "st(0)"}
    | {f"st{number}": f"st({number})" for number in range(8)}
    | {f"r{number}l": f"r{number}b" for number in range(8, 16)}
    | {f"db{number}": f"dr{number}" for number in range(16)}
)


def canonical_register(name: str) -> str | None:
    """The one name of a register that has several ("st" -> "st(0)", "r8l" -> "r8b"), or None for what is no register."""
    lowered = name.lower()
    lowered = _REGISTER_ALIASES.get(lowered, lowered)
    return lowered if lowered in _REGISTER_SIZES else None


def is_register(name: str) -> bool:
    """Whether the name, in any spelling or case, is a register."""
    return canonical_register(name) is not None


def register_size(name: str) -> int:
    """Bytes that the register holds; a mask register counts as 8, an x87 register as 10.

    Raises:
        KeyError: It is no register.
    """
    canonical = canonical_register(name)
    if canonical is None:
        raise KeyError(name)
    return _REGISTER_SIZES[canonical]


@cache
def full_register(name: str) -> str:
    """The widest register of which this one is a part: "al" -> "rax", "xmm3" -> "zmm3"; itself for what is no part."""
    if name[1:3] == "mm" and name[0] in "xy":
        return f"z{name[1:]}"
    if name[0] == "r" and name[1:2].isdigit():
        return name.rstrip("bwd")
    stem = name.removeprefix("e").removeprefix("r")
    for legacy in _LEGACY:
        if (
            stem == legacy
            or name == legacy + "l"
            or (legacy.endswith("x") and name in (f"{legacy[0]}l", f"{legacy[0]}h"))
        ):
            return f"r{legacy}"
    return name


def known_registers() -> frozenset[str]:
    """Every canonical register name."""
    return frozenset(_REGISTER_SIZES)


SIZE_NAMES = MappingProxyType(
    {1: "byte", 2: "word", 4: "dword", 6: "fword", 8: "qword", 10: "tbyte", 16: "xmmword", 32: "ymmword", 64: "zmmword"}
)
"""Bytes -> the word for them before `ptr`."""


@cache
def iced_registers() -> Mapping[str, IcedNumber]:
    """Canonical register name -> iced-x86's number."""
    special = {f"st({n})": f"ST{n}" for n in range(8)} | {f"r{n}b": f"R{n}L" for n in range(8, 16)}
    return MappingProxyType({name: getattr(IcedRegister, special.get(name, name.upper())) for name in _REGISTER_SIZES})


@cache
def register_names() -> Mapping[int, str]:
    """iced-x86's number -> canonical register name."""
    return MappingProxyType({number: name for name, number in iced_registers().items()})


# ---- other names for the same instruction ----------------------------------------------------------------------------

_CONDITION_ALIASES = MappingProxyType(
    {
        "z": "e", "nz": "ne", "c": "b", "nae": "b", "nc": "ae", "nb": "ae", "na": "be", "nbe": "a", "pe": "p", "po": "np",
        "nge": "l", "nl": "ge", "ng": "le", "nle": "g",
    }
)  # fmt: skip
"""Condition code -> the spelling that stands for it here (Intel SDM vol. 1, appendix B)."""

_PLAIN_ALIASES = {
    "movabs": "mov", "movabsq": "mov", "retn": "ret", "lret": "retf", "lretq": "retfq", "retq": "ret", "callq": "call", "jmpq": "jmp", "leaveq": "leave",
    "pushfd": "pushfd", "cltq": "cdqe", "cqto": "cqo", "cltd": "cdq", "cwtl": "cwde", "cwtd": "cwd", "cbtw": "cbw",
    "sal": "shl", "xlat": "xlatb", "loopz": "loope", "loopnz": "loopne", "ud2a": "ud2", "icebp": "int1", "fwait": "wait",
    "setalc": "salc", "iret": "iretd", "iretw": "iret", "fcmovnae": "fcmovb", "fcmovna": "fcmovbe", "fcmovae": "fcmovnb", "fcmova": "fcmovnbe",
    "fcmovz": "fcmove", "fcmovnz": "fcmovne", "lodsl": "lodsd", "stosl": "stosd", "movsl": "movsd", "scasl": "scasd", "cmpsl": "cmpsd",
    "smovb": "movsb", "smovw": "movsw", "smovl": "movsd", "smovq": "movsq", "insl": "insd", "outsl": "outsd", "slodb": "lodsb", "slodw": "lodsw",
    "slodl": "lodsd", "slodq": "lodsq", "sstob": "stosb", "sstow": "stosw", "sstol": "stosd", "sstoq": "stosq",
    "sysretl": "sysret", "sysexitl": "sysexit", "pushfw": "pushf", "popfw": "popf",
    "xstorerng": "xstore", "ud1": "ud1", "ud2b": "ud1", "sysretd": "sysret", "sysexitd": "sysexit",
    "fcompi": "fcomip", "fucompi": "fucomip", "fnclex": "fnclex",
}  # fmt: skip

_SSE_COMPARISONS = ("eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord")
_AVX_COMPARISONS = (
    *_SSE_COMPARISONS, "eq_uq", "nge", "ngt", "false", "neq_oq", "ge", "gt", "true", "eq_os", "lt_oq", "le_oq", "unord_s", "neq_us",
    "nlt_uq", "nle_uq", "ord_s", "eq_us", "nge_uq", "ngt_uq", "false_os", "neq_os", "ge_oq", "gt_oq", "true_us",
)  # fmt: skip
_AVX_COMPARISON_ALIASES = {
    "eq_oq": 0, "lt_os": 1, "le_os": 2, "unord_q": 3, "neq_uq": 4, "nlt_us": 5, "nle_us": 6, "ord_q": 7, "nge_us": 9, "ngt_us": 10,
    "false_oq": 11, "ge_os": 13, "gt_os": 14, "true_uq": 15,
}  # fmt: skip
_INTEGER_COMPARISONS = {"eq": 0, "lt": 1, "le": 2, "neq": 4, "nlt": 5, "nle": 6}
_XOP_COMPARISONS = {"lt": 0, "le": 1, "gt": 2, "ge": 3, "eq": 4, "neq": 5, "false": 6, "true": 7}


def _pseudo_operations() -> dict[str, tuple[str, int]]:
    """Name that carries its predicate in itself -> instruction and predicate byte (Intel SDM vol. 2, CMPPS, VCMPPS, VPCMPB)."""
    table: dict[str, tuple[str, int]] = {}
    for kind in ("ps", "pd", "ss", "sd"):
        for value, name in enumerate(_SSE_COMPARISONS):
            table[f"cmp{name}{kind}"] = (f"cmp{kind}", value)
    for kind in ("ps", "pd", "ss", "sd", "ph", "sh"):
        for value, name in enumerate(_AVX_COMPARISONS):
            table[f"vcmp{name}{kind}"] = (f"vcmp{kind}", value)
        for name, value in _AVX_COMPARISON_ALIASES.items():
            table[f"vcmp{name}{kind}"] = (f"vcmp{kind}", value)
    for kind in ("b", "w", "d", "q", "ub", "uw", "ud", "uq"):
        for name, value in _INTEGER_COMPARISONS.items():
            table[f"vpcmp{name}{kind}"] = (f"vpcmp{kind}", value)
        for name, value in _XOP_COMPARISONS.items():
            table[f"vpcom{name}{kind}"] = (f"vpcom{kind}", value)
    # The signed "equal" of AVX has an opcode of its own.
    for kind in ("b", "w", "d", "q"):
        del table[f"vpcmpeq{kind}"]
    for prefix in ("", "v"):
        for value, name in ((0x00, "lqlq"), (0x01, "hqlq"), (0x10, "lqhq"), (0x11, "hqhq")):
            table[f"{prefix}pclmul{name}dq"] = (f"{prefix}pclmulqdq", value)
    return table


_PSEUDO_OPERATIONS = _pseudo_operations()

_ATT_SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}
_SUFFIXED = frozenset(
    (
        "mov", "add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test", "lea", "inc", "dec", "neg", "not", "mul", "imul", "div", "idiv",
        "shl", "sal", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd", "push", "pop", "xchg", "xadd", "cmpxchg", "bt", "bts", "btr",
        "btc", "bsf", "bsr", "bswap", "popcnt", "lzcnt", "tzcnt", "call", "jmp", "ret", "enter", "leave", "in", "out", "movbe", "crc32",
        "andn", "bextr", "blsi", "blsr", "blsmsk", "bzhi", "pdep", "pext", "mulx", "rorx", "sarx", "shlx", "shrx", "adcx", "adox", "nop", "lar",
        "lsl", "iret", "movnti", "rdrand", "rdseed", "cvtsi2sd", "cvtsi2ss", "rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase",
        "vcvtsi2sd", "vcvtsi2ss", "vcvtsi2sh", "vcvtusi2sd", "vcvtusi2ss", "vcvtusi2sh", "vmread", "vmwrite", "ptwrite", "sldt", "lldt", "str", "ltr",
        "smsw", "lmsw", "lss", "lfs", "lgs", "blcfill", "blci", "blcic", "blcmsk", "blcs", "blsfill", "blsic", "t1mskc", "tzmsk",
        *(f"{stem}{condition}" for stem in ("cmov", "set") for condition in (
            "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g", *_CONDITION_ALIASES)),
    )
)  # fmt: skip
"""Integer instructions that GNU as also takes with a size letter, in either syntax."""


_VECTOR_SUFFIXED = frozenset(
    (
        "vcvtneps2bf16", "vcvtpd2dq", "vcvtpd2ph", "vcvtpd2ps", "vcvtpd2udq", "vcvtps2phx", "vcvtqq2ph", "vcvtqq2ps", "vcvttpd2dq", "vcvttpd2udq",
        "vcvtdq2ph", "vcvtudq2ph", "vcvtuqq2ph", "vcvtuqq2ps", "vfpclasspd", "vfpclassph", "vfpclassps",
    )
)  # fmt: skip
"""Instructions whose destination does not tell the size of their memory operand: an x, y or z behind the name does."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a mnemonic in the source stands for."""

    mnemonic: str
    """The instruction's one name here."""
    size: int | None = None
    """Operand size in bytes that the spelling carries ("addq": 8)."""
    predicate: int | None = None
    """Immediate byte that the spelling carries ("cmpeqps": 0); it goes last."""


@lru_cache(maxsize=16384)
def resolve(name: str) -> Name | None:
    """What a mnemonic stands for, or None when no instruction of any x86 has that name (64-bit mode or not)."""
    if name in _PSEUDO_OPERATIONS:
        mnemonic, predicate = _PSEUDO_OPERATIONS[name]
        return Name(mnemonic, predicate=predicate)
    if name in _PLAIN_ALIASES:
        return Name(_PLAIN_ALIASES[name])
    if forms_of(name) or any(_lines(name)):
        return Name(name)
    for prefix in ("j", "set", "cmov", "cmp"):
        ending = "xadd" if prefix == "cmp" else ""
        if name.startswith(prefix) and name.endswith(ending):
            condition = _CONDITION_ALIASES.get(name[len(prefix) : len(name) - len(ending)])
            if condition is not None and forms_of(f"{prefix}{condition}{ending}"):
                return Name(f"{prefix}{condition}{ending}")
    if prefix_of_cmpxadd := _CMPXADD_ALIASES.get(name):
        return Name(prefix_of_cmpxadd)
    if name in ("lcall", "ljmp"):
        return Name(name[1:], size=6)
    vector = {"x": 16, "y": 32, "z": 64}.get(name[-1:])
    if vector is not None and name[:-1] in _VECTOR_SUFFIXED:
        return Name(name[:-1], size=vector)
    size = _ATT_SIZES.get(name[-1:])
    if size is not None and name[:-1] in _SUFFIXED:
        base = resolve(name[:-1])
        return None if base is None else Name(base.mnemonic, size=size)
    return None


_CMPXADD_ALIASES = {
    f"cmp{alias}xadd": f"cmp{name}xadd"
    for name, aliases in {
        "b": ("c", "nae"), "nb": ("ae", "nc"), "be": ("na",), "nbe": ("a",), "z": ("e",), "nz": ("ne",), "p": ("pe",), "np": ("po",),
        "l": ("nge",), "nl": ("ge",), "le": ("ng",), "nle": ("g",),
    }.items()
    for alias in aliases
}  # fmt: skip


def is_mnemonic(name: str) -> bool:
    """Whether the name, in any case, is an instruction of an x86 processor, under any of its spellings."""
    lowered = name.lower()
    return lowered in _STRING_STEMS or resolve(lowered) is not None


@cache
def known_mnemonics() -> frozenset[str]:
    """Every name that `is_mnemonic` knows in 64-bit mode, size letters apart."""
    return _other_names() | known_forms().keys()


@cache
def _other_names() -> frozenset[str]:
    """The names that are not the tables'."""
    names = {*_STRING_STEMS, *_PLAIN_ALIASES, *_PSEUDO_OPERATIONS, *_CMPXADD_ALIASES}
    for prefix in ("j", "set", "cmov"):
        names |= {f"{prefix}{condition}" for condition in _CONDITION_ALIASES}
    return frozenset(names)


@lru_cache(maxsize=1024)
def nearest_mnemonics(name: str, count: int = 3) -> tuple[str, ...]:
    """The known mnemonics that look most like a misspelt one, best first."""
    near = {edited for edited in _one_edit_away(name) if edited in _other_names() or forms_of(edited)}
    if not near:
        pool = [other for other in known_mnemonics() if abs(len(other) - len(name)) <= 2 and other[0] == name[0]]
        near = set(difflib.get_close_matches(name, pool, n=count, cutoff=0.7))
    # The common ones first: a beginner's typo is rarely near `vpermt2ps`; then the same letters in another order.
    return tuple(sorted(near, key=lambda other: (other not in _COMMON, sorted(other) != sorted(name), other))[:count])


def _one_edit_away(name: str) -> Iterator[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    for place in range(len(name) + 1):
        head, tail = name[:place], name[place:]
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in letters)
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        yield from (head + letter + tail for letter in letters)


_COMMON = frozenset(
    [
        "mov",
        "lea",
        "add",
        "sub",
        "and",
        "or",
        "xor",
        "not",
        "neg",
        "inc",
        "dec",
        "cmp",
        "test",
        "jmp",
        "je",
        "jne",
        "jz",
        "jnz",
        "jl",
        "jle",
        "jg",
        "jge",
        "ja",
        "jae",
        "jb",
        "jbe",
        "call",
        "ret",
        "push",
        "pop",
        "imul",
        "mul",
        "idiv",
        "div",
        "shl",
        "shr",
        "sar",
        "rol",
        "ror",
        "movzx",
        "movsx",
        "movsxd",
        "cdq",
        "cqo",
        "nop",
        "xchg",
        "syscall",
        "loop",
        "sete",
        "setne",
        "cmove",
        "cmovne",
        "leave",
        "int3",
        "bt",
        "popcnt",
    ]
)


# ---- what an operand kind takes --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slot:
    """What one operand of a form may be."""

    name: str
    """The kind in iced-x86's words: "R64_OR_MEM"."""
    registers: frozenset[str] = frozenset()
    memory: str = ""
    """"any", "vsib xmm", "vsib ymm", "vsib zmm", "moffs", "implied" (string operands), or "" where memory does not go."""
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


def _numbered(stem: str, count: int) -> frozenset[str]:
    return frozenset(f"{stem}{number}" for number in range(count))


_CLASS_OF = {
    **{name: f"r{size * 8}" for name, size in _REGISTER_SIZES.items() if size <= 8},
    **dict.fromkeys(("es", "cs", "ss", "ds", "fs", "gs"), "sreg"),
    **dict.fromkeys(("rip", "eip"), "ip"),
    **{f"{stem}{number}": stem for stem in ("xmm", "ymm", "zmm") for number in range(32)},
    **{f"{stem}{number}": stem for stem in ("mm", "k", "tmm") for number in range(8)},
    **{f"st({number})": "st" for number in range(8)},
    **{f"{stem}{number}": stem for stem in ("cr", "dr") for number in range(16)},
    **{f"bnd{number}": "bnd" for number in range(4)},
}


def register_class(name: str) -> str:
    """The family of a canonical register name: r8, r16, r32, r64, xmm, ymm, zmm, mm, k, st, sreg, cr, dr, bnd, tmm or ip."""
    return _CLASS_OF[name]


_MEMBERS = {
    family: frozenset(name for name, of in _CLASS_OF.items() if of == family) for family in set(_CLASS_OF.values())
}

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


EXISTING_SYSTEM_REGISTERS = frozenset(("cr0", "cr2", "cr3", "cr4", "cr8", *(f"dr{number}" for number in range(8))))
"""The others have numbers, and using them is an invalid opcode (Intel SDM vol. 2, MOV-Move to/from Control Registers)."""


def _slot(name: str) -> Slot:
    if name in IMMEDIATES:
        low, high, wrap, width = IMMEDIATES[name]
        return Slot(name, low=low, high=high, wrap=wrap, width=width)
    if name in _FIXED:
        fixed = _FIXED[name]
        return Slot(name, registers=_MEMBERS["st"] if fixed is None else frozenset({fixed}))
    if name.startswith("MEM_VSIB"):
        return Slot(name, memory=f"vsib {name[-1].lower()}mm")
    if name == "MEM_OFFS":
        return Slot(name, memory="moffs")
    if name in ("MEM", "MEM_MPX", "MEM_MIB", "SIBMEM"):
        return Slot(name, memory="any")
    implied = {"SEG_RSI": "si", "ES_RDI": "di", "SEG_RDI": "di", "SEG_RBX_AL": "bx"}.get(name)
    if implied is not None:
        return Slot(name, memory="implied", implied=implied)
    stem = name.split("_", 1)[0]
    family = {
        "R8": "r8", "R16": "r16", "R32": "r32", "R64": "r64", "MM": "mm", "XMM": "xmm", "XMMP3": "xmm", "YMM": "ymm", "ZMM": "zmm",
        "ZMMP3": "zmm", "K": "k", "KP1": "k", "SEG": "sreg", "CR": "cr", "DR": "dr", "BND": "bnd", "TMM": "tmm",
    }.get(stem)  # fmt: skip
    registers = _MEMBERS[family] if family is not None else frozenset()
    if family in ("cr", "dr"):
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
        return self.encoding == EncodingKind.EVEX

    @property
    def is_string(self) -> bool:
        return self.mnemonic[:-1] in _STRING_STEMS and any(slot.memory == "implied" for slot in self.slots)


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


def _lines(mnemonic: str) -> Iterator[tuple[str, OpCodeInfo]]:
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
        for name, info in _lines(mnemonic)
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


# ---- from what was written to the forms that say it ------------------------------------------------------------------

_STRING_SIZES = {"b": 1, "w": 2, "d": 4, "q": 8}
_STRING_STEMS = ("movs", "cmps", "stos", "lods", "scas", "ins", "outs")
_DEFAULT_QUADWORD = frozenset(("push", "pop", "call", "jmp"))
_X87_WITH_TOP = frozenset(("fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr"))


def canonical(operation: Operation) -> Operation | None:
    """The same instruction under its one name here, anywhere, with every operand that its spelling leaves out.

    None if no instruction has the name.
    """
    name = resolve(operation.mnemonic)
    operands = operation.operands
    if name is None:
        sized = _generic_string(operation)
        return None if sized is None else canonical(sized)
    mnemonic = name.mnemonic
    if name.predicate is not None:
        operands = (*operands, Immediate(name.predicate))
    if name.size is not None:
        operands = tuple(_with_size(operand, name.size) for operand in operands)
    prefixes = operation.prefixes
    if prefixes and prefixes[-1] in SEGMENT_PREFIXES:
        prefixes, operands = _with_segment(prefixes, operands)
    if operation.mnemonic.startswith("movabs"):
        prefixes = (*prefixes, "movabs")
    if any(isinstance(operand, Memory) and operand.index in _STACK_POINTERS for operand in operands):
        operands = tuple(map(_with_stack_pointer_as_base, operands))
    if any(isinstance(operand, Memory) and operand.segment is not None for operand in operands):
        string = mnemonic[:-1] in _STRING_STEMS
        operands = tuple(_without_default_segment(operand, string) for operand in operands)
    implied = IMPLIED_OPERANDS.get(mnemonic)
    if implied is not None and len(operands) >= _WRITTEN_LEAST.get(mnemonic, 1):
        for tail in implied:
            if operands[len(operands) - len(tail) :] == tuple(map(Register, tail)):
                operands = operands[: len(operands) - len(tail)]
                if tail[0] == "eax" and mnemonic not in ("mwait", "mwaitx", "skinit"):
                    prefixes = (*prefixes, "addr32")  # there eax is an address, or part of one
                break
    if mnemonic == "xlatb" and operands == (Memory(Register("rbx"), size=1),):
        operands = ()
    match mnemonic, operands:
        case (("test" | "xchg"), (Register(), Memory())):
            operands = operands[::-1]
        case "xchg", (Register("rax" | "eax" | "ax"), Register()):
            operands = operands[::-1]
        case "mov", (Register(), Register(source)) if register_class(source) == "sreg":
            operands = (_narrowed(operands[0], "r64"), operands[1])
        case "mov", (Register(destination), Register()) if register_class(destination) == "sreg":
            operands = (operands[0], _narrowed(_narrowed(operands[1], "r16"), "r64"))
        case _ if mnemonic in SAME_IN_32_BITS:
            operands = tuple(_narrowed(operand, "r64") for operand in operands)
            if mnemonic in ("verr", "verw", "lmsw", "lldt", "ltr"):
                operands = tuple(_narrowed(operand, "r16") for operand in operands)
        case (("lar" | "lsl"), (Register(wide), Register(low))) if register_class(low) == "r16":
            operands = (operands[0], Register(_same_number(low, wide)))
        case (("fnstsw" | "fstsw"), ()):
            operands = (Register("ax"),)
        case "imul", (Register(), Immediate()):
            operands = (operands[0], *operands)
        case (("shl" | "shr" | "sar" | "rol" | "ror" | "rcl" | "rcr"), (_,)):
            operands = (*operands, Immediate(1))
        case "int", (Immediate(3),):
            mnemonic, operands = "int3", ()
        case "movsx", (Register(wide), Register(low)) if (register_class(wide), register_class(low)) == ("r64", "r32"):
            mnemonic = "movsxd"
        case "movsx", (Register(wide), Memory(size=4)) if register_class(wide) == "r64":
            mnemonic = "movsxd"
        case (("movd" | "vmovd"), (Register(one), Register(other))) if "r64" in (
            register_class(one),
            register_class(other),
        ):
            mnemonic = mnemonic.replace("movd", "movq")
        case "movq", (first, second) if _is_quadword(first) and _is_quadword(second):
            return canonical(
                operation._replace(mnemonic="mov", operands=tuple(_with_size(operand, 8) for operand in operands))
            )
        case "pushf", () if operation.mnemonic == "pushf":
            mnemonic = "pushfq"
        case "popf", () if operation.mnemonic == "popf":
            mnemonic = "popfq"
        case (("fadd" | "fsub" | "fsubr" | "fmul" | "fdiv" | "fdivr"), ()):
            mnemonic, operands = mnemonic + "p", (Register("st(1)"), Register("st(0)"))
        case (("faddp" | "fsubp" | "fsubrp" | "fmulp" | "fdivp" | "fdivrp"), ()):
            operands = (Register("st(1)"), Register("st(0)"))
        case (("faddp" | "fsubp" | "fsubrp" | "fmulp" | "fdivp" | "fdivrp"), (Register(),)):
            operands = (*operands, Register("st(0)"))
        case (("fxch" | "fcom" | "fcomp" | "fucom" | "fucomp" | "fcomi" | "fcomip" | "fucomi" | "fucomip"), ()):
            operands = (Register("st(0)"), Register("st(1)"))
        case _, (Register(top),) if register_class(top) == "st" and (
            mnemonic in _X87_WITH_TOP or mnemonic.startswith(("fcom", "fucom", "fxch", "fcmov"))
        ):
            operands = (Register("st(0)"), *operands)
    found = Operation(mnemonic, operands, prefixes, 0, operation.mask, operation.zeroing, operation.rounding)
    if any(isinstance(operand, Memory) and operand.broadcast == 0 for operand in operands):
        return _with_count(found)
    return found


SEGMENT_PREFIXES = frozenset(("cs", "ds", "es", "ss", "fs", "gs"))
"""Segments that may be written before an instruction, as objdump does."""


def _with_segment(
    prefixes: tuple[str, ...], operands: tuple[Operand, ...]
) -> tuple[tuple[str, ...], tuple[Operand, ...]]:
    """`cs nop word ptr [rax]`: the prefix before the name is the segment in the operand."""
    for number, operand in enumerate(operands):
        if isinstance(operand, Memory) and operand.segment is None:
            sized = replace(operand, segment=Register(prefixes[-1]))
            return prefixes[:-1], (*operands[:number], sized, *operands[number + 1 :])
    return prefixes, operands


def _with_count(operation: Operation) -> Operation:
    """`dword bcst [rax]`: how often the element is repeated, as the registers say; as it was where they say it not."""
    counts = set()
    shape = tuple(shape_of(operand) for operand in operation.operands)
    for form in _candidates(operation.mnemonic, shape):
        if form.broadcast_size and _says(form, operation):
            counts.add(form.memory_size // form.broadcast_size)
    if len(counts) != 1:
        return operation
    (count,) = counts
    counted = tuple(
        replace(operand, broadcast=count) if isinstance(operand, Memory) and operand.broadcast == 0 else operand
        for operand in operation.operands
    )
    return operation._replace(operands=counted)


def _same_number(name: str, like: str) -> str:
    """The register of which `name` is a part, in the size of `like`."""
    full, family = full_register(name), register_class(like)
    return next((other for other in _MEMBERS[family] if full_register(other) == full), name)


SAME_IN_32_BITS = frozenset(
    [
        "movmskps",
        "movmskpd",
        "vmovmskps",
        "vmovmskpd",
        "pmovmskb",
        "vpmovmskb",
        "extractps",
        "vextractps",
        "pextrb",
        "pextrw",
        "vpextrb",
        "vpextrw",
        "pinsrb",
        "pinsrw",
        "vpinsrb",
        "vpinsrw",
        "sldt",
        "str",
        "verr",
        "verw",
        "lmsw",
        "lldt",
        "ltr",
    ]
)
"""The 64-bit form does what the 32-bit form does, with one more prefix; GNU as writes the shorter one too."""


def _narrowed(operand: Operand, family: str) -> Operand:
    """The 32-bit register of the same number, for a general register of the given family."""
    if not isinstance(operand, Register) or register_class(operand.name) != family:
        return operand
    full = full_register(operand.name)
    return Register(f"{full}d" if full in EXTENDED_REGISTERS else f"e{full[1:]}")


IMPLIED_OPERANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"), (("xmm0",),)),
    "monitor": (("rax", "rcx", "rdx"), ("rax", "ecx", "edx"), ("eax", "ecx", "edx"), ("eax", "rcx", "rdx")),
    "monitorx": (("rax", "rcx", "rdx"), ("rax", "ecx", "edx"), ("eax", "ecx", "edx"), ("eax", "rcx", "rdx")),
    "mwait": (("rax", "rcx"), ("eax", "ecx")),
    "mwaitx": (("rax", "rcx", "rbx"), ("eax", "ecx", "ebx")),
    **dict.fromkeys(("clzero", "vmrun", "vmload", "vmsave"), (("rax",), ("eax",))),
    "invlpga": (("rax", "ecx"), ("rax", "rcx"), ("eax", "ecx")),
    "tpause": (("edx", "eax"),),
    "umwait": (("edx", "eax"),),
    "pvalidate": (("rax", "ecx", "edx"), ("rax", "rcx", "rdx"), ("eax", "ecx", "edx"), ("rax",), ("eax",)),
    "skinit": (("eax",),),
    "invlpgb": (
        ("rax", "edx", "ecx"),
        ("rax", "ecx", "edx"),
        ("eax", "edx", "ecx"),
        ("eax", "ecx", "edx"),
        ("rax",),
        ("eax",),
    ),
    "psmash": (("rax",), ("eax",)),
    "rmpupdate": (("rax", "rcx"), ("eax", "rcx"), ("rax",), ("eax",)),
    "rmpadjust": (("rax", "rcx", "rdx"), ("eax", "rcx", "rdx"), ("rax",), ("eax",)),
    "rmpquery": (("rax", "rcx", "rdx"), ("eax", "rcx", "rdx"), ("rax",), ("eax",)),
}
"""Instruction -> the registers it always uses, which may be written out last."""
_WRITTEN_LEAST = dict.fromkeys(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"), 3) | dict.fromkeys(
    ("tpause", "umwait"), 3
)
"""With fewer operands than this, the last is not the implied one."""


def _is_quadword(operand: Operand) -> bool:
    """Whether `movq` with it, and without a vector register, is the 64-bit `mov`."""
    match operand:
        case Register(name):
            return register_class(name) in ("r64", "sreg", "cr", "dr")
        case Memory(size=size):
            return size in (None, 8)
        case Immediate():
            return True
        case Target():
            return False


def _with_size(operand: Operand, size: int) -> Operand:
    if isinstance(operand, Memory) and operand.size is None and operand.broadcast is None:
        return replace(operand, size=size)
    return operand


_STACK_POINTERS = (Register("rsp"), Register("esp"))


def _with_stack_pointer_as_base(operand: Operand) -> Operand:
    """`[rax + rsp]`: rsp has no encoding as an index, and with a scale of 1 the two may change places."""
    if not isinstance(operand, Memory) or operand.index not in _STACK_POINTERS or operand.scale != 1:
        return operand
    if operand.base is None or operand.base in _STACK_POINTERS or operand.base.name in ("rip", "eip"):
        return operand
    return replace(operand, base=operand.index, index=operand.base)


def _without_default_segment(operand: Operand, string: bool) -> Operand:
    """`ds:[rbx]` says what goes without saying, and takes no prefix; `ds:[rbp]` does (Intel SDM vol. 1, 3.7.4)."""
    if not isinstance(operand, Memory) or operand.segment is None:
        return operand
    on_stack = operand.base is not None and operand.base.name in ("rsp", "rbp", "esp", "ebp")
    if operand.segment.name == "es" and operand.base is not None and operand.base.name in ("rdi", "edi") and string:
        return replace(operand, segment=None)
    return replace(operand, segment=None) if operand.segment.name == ("ss" if on_stack else "ds") else operand


def _generic_string(operation: Operation) -> Operation | None:
    """`movs byte ptr [rdi], byte ptr [rsi]`: the size is in the operands."""
    if operation.mnemonic not in _STRING_STEMS:
        return None
    sizes = {operand.size for operand in operation.operands if isinstance(operand, Memory)}
    sizes |= {
        register_size(operand.name)
        for operand in operation.operands
        if isinstance(operand, Register) and operand.name != "dx"
    }
    letters = [letter for letter, size in _STRING_SIZES.items() if size in sizes]
    if len(letters) != 1:
        return None
    return operation._replace(mnemonic=operation.mnemonic + letters[0])


def shape_of(operand: Operand) -> str:
    """The kind of operand, as far as it decides which forms can be meant."""
    match operand:
        case Register(name):
            return name if name in ("rip", "eip") else register_class(name)
        case Memory(index=index):
            return (
                "m"
                if index is None or register_class(index.name) not in ("xmm", "ymm", "zmm")
                else f"m {register_class(index.name)}"
            )
        case Immediate():
            return "i"
        case Target():
            return "t"


@cache
def _candidates(mnemonic: str, shape: tuple[str, ...]) -> tuple[Form, ...]:
    """The forms of a mnemonic that take operands of these kinds."""
    return tuple(form for form in forms_of(mnemonic) if takes(form, shape))


def takes(form: Form, shape: tuple[str, ...]) -> bool:
    slots = form.slots
    if len(slots) != len(shape):
        if form.is_string and shape:
            return False  # all of a string instruction's operands are written, or none
        slots = () if form.is_string else tuple(slot for slot in slots if slot.memory != "implied")
        if len(slots) != len(shape):
            return False
    return all(_slot_takes(slot, kind) for slot, kind in zip(slots, shape, strict=True))


def _slot_takes(slot: Slot, kind: str) -> bool:
    if kind == "i":
        return slot.immediate
    if kind == "m":
        return slot.memory in ("any", "moffs", "implied")
    if kind.startswith("m "):
        return slot.memory == f"vsib {kind[2:]}"
    return kind in families(slot.registers)


@cache
def families(registers: frozenset[str]) -> frozenset[str]:
    """The families of a slot's registers."""
    return frozenset(_CLASS_OF[name] for name in registers)


def select(operation: Operation) -> tuple[Form, ...]:
    """The forms that say exactly this operation, best first; the operation is canonical.

    GNU as' choices: VEX before EVEX, 64 bits for `push`, `call` and the like. A memory operand without a size may leave
    forms of several sizes: `refusals` says so.
    """
    shape = tuple(shape_of(operand) for operand in operation.operands)
    found = [form for form in _candidates(operation.mnemonic, shape) if _says(form, operation)]
    found = _with_wide_numbers(operation, _with_default_size(operation, found))
    found.sort(key=lambda form: (encoding_rank(form, operation), form.rank))
    return tuple(_in_direction(operation, found))


def _in_direction(operation: Operation, found: list[Form]) -> list[Form]:
    """Of two opcodes that differ in the direction only, the one that `{load}`, `{store}` or the ending `.s` asks for."""
    for prefix in operation.prefixes:
        if prefix in ("{load}", "{store}", "{swap}"):
            loads = prefix == "{load}" if prefix != "{swap}" else not _loads(found[0]) if found else False
            return [form for form in found if _loads(form) == loads] or found
    return found


def _loads(form: Form) -> bool:
    """Whether the first operand is the one that can only be a register."""
    return bool(form.slots) and form.slots[0].name.endswith("_REG")


def encoding_rank(form: Form, operation: Operation) -> int:
    if form.encoding != EncodingKind.EVEX:
        return 1 if form.mnemonic in EVEX_FIRST and "{vex}" not in operation.prefixes else 0
    return 0 if form.mnemonic in EVEX_FIRST else 1


EVEX_FIRST = frozenset(
    ("vpdpbusd", "vpdpbusds", "vpdpwssd", "vpdpwssds", "vpmadd52luq", "vpmadd52huq", "vcvtneps2bf16")
)
"""AVX-512 had these first; the VEX form is meant only by `{vex}` (AVX-VNNI, AVX-IFMA, AVX-NE-CONVERT)."""


_CODE_SEGMENT = Register("cs")


def _says(form: Form, operation: Operation) -> bool:
    info = form.info
    evex = form.encoding == EncodingKind.EVEX
    if "movabs" in operation.prefixes and not any(slot.name in ("IMM64", "MEM_OFFS") for slot in form.slots):
        return False
    if form.mnemonic == "mov" and operation.operands[0] == _CODE_SEGMENT:
        return False  # an invalid opcode
    if form.text == "bswap r16":
        return False  # its result is undefined (Intel SDM vol. 2, BSWAP)
    if (
        operation.mask is None
        and operation.rounding is None
        and not operation.prefixes
        and not info.require_op_mask_register
    ):
        return _operands_say(form, operation, evex)
    if operation.mask is not None and not (evex and info.can_use_op_mask_register):
        return False
    if operation.mask is None and info.require_op_mask_register:
        return False
    if operation.zeroing and not info.can_use_zeroing_masking:
        return False
    if operation.rounding is not None and not (
        info.can_suppress_all_exceptions
        if operation.rounding == "sae"
        else info.can_use_rounding_control and not info.ignores_rounding_control
    ):
        return False
    for prefix in operation.prefixes:
        if prefix == "{evex}" and not evex:
            return False
        if prefix in ("{vex}", "{vex2}", "{vex3}") and form.encoding != EncodingKind.VEX:
            return False
    if "data16" in operation.prefixes and info.operand_size == 16 and not has_data16(form):
        return False  # `data16 ret` would return by 16 bits
    if info.address_size and (info.address_size == 32) != ("addr32" in operation.prefixes) and not form.slots:
        return False  # monitor: which register is the address, only the prefix tells
    return _operands_say(form, operation, evex)


def _operands_say(form: Form, operation: Operation, evex: bool) -> bool:
    for slot, operand in zip(explicit_slots(form, operation), operation.operands, strict=True):
        if not _operand_says(form, slot, operand, evex):
            return False
    return True


def explicit_slots(form: Form, operation: Operation) -> tuple[Slot, ...]:
    """The form's slots that the operation's operands stand for: string operands may be left out."""
    if len(form.slots) == len(operation.operands):
        return form.slots
    if not operation.operands:
        return ()
    return tuple(slot for slot in form.slots if slot.memory != "implied")


def operand_fits(form: Form, slot: Slot, operand: Operand) -> bool:
    """Whether the operand can stand in this slot of the form."""
    return _operand_says(form, slot, operand, form.encoding == EncodingKind.EVEX)


def operand_counts(form: Form) -> tuple[int, ...]:
    """How many operands may be written for the form."""
    count = len(form.slots)
    if form.is_string:
        return (0, count)
    implied = sum(slot.memory == "implied" for slot in form.slots)
    return (count - implied, count) if implied else (count,)


def _operand_says(form: Form, slot: Slot, operand: Operand, evex: bool) -> bool:
    match operand:
        case Register(name):
            return name in slot.registers and (evex or not needs_evex(name))
        case Memory():
            if slot.memory == "implied":
                return (
                    operand.base is not None
                    and operand.base.name.endswith(slot.implied)
                    and operand.size in (None, form.memory_size)
                )
            if slot.memory == "moffs":
                return operand.base is None and operand.index is None and operand.size in (None, form.memory_size)
            if operand.broadcast is not None:
                return (
                    form.broadcast_size > 0
                    and operand.broadcast in (0, form.memory_size // form.broadcast_size)
                    and operand.size in (None, form.broadcast_size)
                )
            if not evex and operand.index is not None and needs_evex(operand.index.name):
                return False
            return operand.size is None or form.memory_size in (0, operand.size)
        case Immediate(value, size):
            return slot.fits(value) and (size is None or slot.width <= size)
        case Target():
            return False


def has_data16(form: Form) -> bool:
    """Whether the form is the one that `data16` asks for: two bytes of nothing, or fs and gs as 16 bits on the stack."""
    return form.info.operand_size == 16 and form.text in ("nop", "push fs", "push gs", "pop fs", "pop gs")


EXTENDED_REGISTERS = frozenset(f"r{number}{ending}" for number in range(8, 16) for ending in ("", "d", "w", "b"))
"""The general registers that exist only with a REX prefix."""
REX_BYTE_REGISTERS = frozenset(("spl", "bpl", "sil", "dil"))
"""Those that a REX prefix, whatever is in it, names in the place of ah, ch, dh and bh."""
HIGH_BYTE_REGISTERS = frozenset(("ah", "ch", "dh", "bh"))


def needs_evex(name: str) -> bool:
    """Whether the register is one of the vector registers 16 to 31."""
    return name[1:3] == "mm" and int(name[3:]) >= 16


def _with_wide_numbers(operation: Operation, found: list[Form]) -> list[Form]:
    """For a number that is still to move, only the forms with room for any: 32 bits, or as many as there are."""
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Immediate) and operand.movable:
            widths = {explicit_slots(form, operation)[number].width for form in found}
            width = 4 if 4 in widths else max(widths, default=0)
            found = [form for form in found if explicit_slots(form, operation)[number].width == width]
    return found


def _with_default_size(operation: Operation, found: list[Form]) -> list[Form]:
    """Of the forms that differ in an operand size that nothing names, those of the default size."""
    for operand in operation.operands:
        if isinstance(operand, Memory) and operand.size is None and operation.mnemonic in _DEFAULT_QUADWORD:
            return [form for form in found if form.memory_size == 8]
        if isinstance(operand, Immediate) and operation.mnemonic == "push":
            return [form for form in found if (form.info.operand_size == 16) == (operand.size == 2)]
    return found
