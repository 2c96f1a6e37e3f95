"""What each mnemonic takes: the names of the machine, the operand forms, and the words that say what does not fit.

The forms come from iced-x86's opcode tables (Intel SDM vol. 2 and AMD APM vol. 3-5 in machine-readable shape), the other
names that assemblers and textbooks use for the same instructions from the tables below.
"""

from __future__ import annotations

import difflib
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Literal

from iced_x86 import (
    Code,
    CpuidFeature,
    Decoder,
    EncodingKind,
    FlowControl,
    Formatter,
    FormatterSyntax,
    Instruction,
    InstructionInfoFactory,
    MemorySizeInfo,
    MemorySizeOptions,
    Mnemonic,
    OpAccess,
    OpCodeInfo,
    OpCodeOperandKind,
    OpKind,
    UsedMemory,
)
from iced_x86 import Register as IcedRegister

from execmem_kernel.assembly.operands import Immediate, Memory, Operand, Operation, Refusal, Register, Target

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


# ---- other names for the same instruction ----------------------------------------------------------------------------

_CONDITION_ALIASES = MappingProxyType(
    {
        "z": "e", "nz": "ne", "c": "b", "nae": "b", "nc": "ae", "nb": "ae", "na": "be", "nbe": "a", "pe": "p", "po": "np",
        "nge": "l", "nl": "ge", "ng": "le", "nle": "g",
    }
)  # fmt: skip
"""Condition code -> the spelling that stands for it here (Intel SDM vol. 1, appendix B)."""

_PLAIN_ALIASES = {
    "movabs": "mov", "movabsq": "mov", "retn": "ret", "retq": "ret", "retfq": "retf", "callq": "call", "jmpq": "jmp", "leaveq": "leave",
    "pushfd": "pushfd", "cltq": "cdqe", "cqto": "cqo", "cltd": "cdq", "cwtl": "cwde", "cwtd": "cwd", "cbtw": "cbw",
    "sal": "shl", "xlat": "xlatb", "loopz": "loope", "loopnz": "loopne", "ud2a": "ud2", "icebp": "int1", "fwait": "wait",
    "setalc": "salc", "iret": "iretd", "iretw": "iret", "fcmovnae": "fcmovb", "fcmovna": "fcmovbe", "fcmovae": "fcmovnb", "fcmova": "fcmovnbe",
    "fcmovz": "fcmove", "fcmovnz": "fcmovne", "lodsl": "lodsd", "stosl": "stosd", "movsl": "movsd", "scasl": "scasd", "cmpsl": "cmpsd",
    "smovb": "movsb", "smovw": "movsw", "smovl": "movsd", "smovq": "movsq", "insl": "insd", "outsl": "outsd", "slodb": "lodsb", "slodw": "lodsw",
    "slodl": "lodsd", "slodq": "lodsq", "sstob": "stosb", "sstow": "stosw", "sstol": "stosd", "sstoq": "stosq",
    "syscallq": "syscall", "sysretl": "sysret", "sysexitl": "sysexit", "pushfw": "pushf", "popfw": "popf",
    "xstorerng": "xstore", "ud1": "ud1", "ud2b": "ud1", "vmovnti": "movnti",
    "cvtsi2sdl": "cvtsi2sd", "cvtsi2sdq": "cvtsi2sd", "cvtsi2ssl": "cvtsi2ss", "cvtsi2ssq": "cvtsi2ss",
    "tdpbf16": "tdpbf16ps", "fcompi": "fcomip", "fucompi": "fucomip", "fnclex": "fnclex",
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
        "lsl", "iret", "movnti", "rdrand", "rdseed", "rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase",
        *(f"cmov{condition}" for condition in (
            "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g", *_CONDITION_ALIASES)),
    )
)  # fmt: skip
"""Integer instructions that GNU as also takes with a size letter, in either syntax."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a mnemonic in the source stands for."""

    mnemonic: str
    """The instruction's one name here."""
    size: int | None = None
    """Operand size in bytes that the spelling carries ("addq": 8)."""
    predicate: int | None = None
    """Immediate byte that the spelling carries ("cmpeqps": 0); it goes last."""


@cache
def resolve(name: str) -> Name | None:
    """What a mnemonic stands for, or None when no instruction of any x86 has that name (64-bit mode or not)."""
    if name in _PSEUDO_OPERATIONS:
        mnemonic, predicate = _PSEUDO_OPERATIONS[name]
        return Name(mnemonic, predicate=predicate)
    if name in _PLAIN_ALIASES:
        return Name(_PLAIN_ALIASES[name])
    forms = known_forms()
    if name in forms or name in _not_in_64_bit():
        return Name(name)
    for prefix in ("j", "set", "cmov", "cmp"):
        ending = "xadd" if prefix == "cmp" else ""
        if name.startswith(prefix) and name.endswith(ending):
            condition = _CONDITION_ALIASES.get(name[len(prefix) : len(name) - len(ending)])
            if condition is not None and f"{prefix}{condition}{ending}" in forms:
                return Name(f"{prefix}{condition}{ending}")
    if prefix_of_cmpxadd := _CMPXADD_ALIASES.get(name):
        return Name(prefix_of_cmpxadd)
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
    return resolve(name.lower()) is not None


@cache
def known_mnemonics() -> frozenset[str]:
    """Every name that `is_mnemonic` knows in 64-bit mode, size letters apart."""
    names = set(known_forms()) | set(_PLAIN_ALIASES) | set(_PSEUDO_OPERATIONS) | set(_CMPXADD_ALIASES)
    for prefix in ("j", "set", "cmov"):
        names |= {f"{prefix}{condition}" for condition in _CONDITION_ALIASES}
    return frozenset(names)


def nearest_mnemonics(name: str, count: int = 3) -> list[str]:
    """The known mnemonics that look most like a misspelt one, best first."""
    # The common names first: difflib keeps the order of equals, and a beginner's typo is rarely near `vpermt2ps`.
    pool = sorted(known_mnemonics(), key=lambda known: (known not in _COMMON, known))
    return difflib.get_close_matches(name.lower(), pool, n=count, cutoff=0.6)


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

_IMMEDIATES = {
    "IMM4_M2Z": (0, 15, 0, 1), "IMM8": (-128, 255, 0, 1), "IMM8_CONST_1": (1, 1, 0, 1), "IMM8SEX16": (-128, 127, 16, 1),
    "IMM8SEX32": (-128, 127, 32, 1), "IMM8SEX64": (-128, 127, 64, 1), "IMM16": (-(1 << 15), (1 << 16) - 1, 0, 2),
    "IMM32": (-(1 << 31), (1 << 32) - 1, 0, 4), "IMM32SEX64": (-(1 << 31), (1 << 31) - 1, 64, 4),
    "IMM64": (-(1 << 63), (1 << 64) - 1, 0, 8),
}  # fmt: skip
"""Immediate kind -> smallest, largest, bits after which values wrap, bytes in the code."""


@cache
def _slots() -> Mapping[int, Slot]:
    """iced-x86's operand kind -> what it takes."""
    table = {}
    for name, kind in vars(OpCodeOperandKind).items():
        if isinstance(kind, int) and not name.startswith("_"):
            table[kind] = _slot(name)
    return MappingProxyType(table)


_EXISTING_SYSTEM_REGISTERS = frozenset(("cr0", "cr2", "cr3", "cr4", "cr8", *(f"dr{number}" for number in range(8))))
"""The others have numbers, and using them is an invalid opcode (Intel SDM vol. 2, MOV-Move to/from Control Registers)."""


def _slot(name: str) -> Slot:
    if name in _IMMEDIATES:
        low, high, wrap, width = _IMMEDIATES[name]
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
        registers &= _EXISTING_SYSTEM_REGISTERS
    return Slot(name, registers=registers, memory="any" if "_OR_MEM" in name else "")


# ---- the forms -------------------------------------------------------------------------------------------------------

_FOREIGN_FEATURES = ("KNC", "CYRIX", "GEODE", "UDBG", "CL1INVMB", "PADLOCK_UNDOC", "HALT_CYRIX")
"""Instructions of processors that no 64-bit Linux runs on, by the feature they need."""


@dataclass(frozen=True, slots=True)
class Form:
    """One line of the opcode tables: which operands, in which encoding."""

    code: int
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
    def is_string(self) -> bool:
        return self.mnemonic[:-1] in _STRING_STEMS and any(slot.memory == "implied" for slot in self.slots)


_TABLE_NAMES = {
    "xstore_alt": "xstore", "xsha512_alt": "xsha512", "pcmpestri64": "pcmpestriq", "pcmpestrm64": "pcmpestrmq", "vpcmpestri64": "vpcmpestriq", "vpcmpestrm64": "vpcmpestrmq",
}  # fmt: skip
"""Names that only the tables use -> those that assemblers use."""


@cache
def _all_codes() -> tuple[tuple[OpCodeInfo, str], ...]:
    """Every opcode form with its mnemonic in lower case, MVEX and foreign processors left out."""
    foreign = {
        value
        for name, value in vars(CpuidFeature).items()
        if isinstance(value, int) and name.startswith(_FOREIGN_FEATURES)
    }
    found = []
    probe = Instruction()
    for name, value in vars(Code).items():
        if not isinstance(value, int) or name.startswith("_"):
            continue
        info = OpCodeInfo(value)
        if not info.is_instruction or info.encoding == EncodingKind.MVEX:
            continue
        probe.code = value
        mnemonic = info.instruction_string.split(" ", 1)[0].lower()
        if foreign.intersection(probe.cpuid_features()) or mnemonic in ("reservednop", "undoc", "getsecq", "montmul"):
            continue
        found.append((info, _TABLE_NAMES.get(mnemonic, mnemonic)))
    return tuple(found)


@cache
def known_forms() -> Mapping[str, tuple[Form, ...]]:
    """Mnemonic -> its forms in 64-bit mode, in the order of the tables."""
    table: dict[str, list[Form]] = {}
    slots = _slots()
    names = {value: name for name, value in vars(Code).items() if isinstance(value, int)}
    for info, mnemonic in _all_codes():
        if not info.mode64:
            continue
        text = info.instruction_string
        table.setdefault(mnemonic, []).append(
            Form(
                info.code,
                mnemonic,
                readable(text),
                tuple(slots[kind] for kind in info.op_kinds()),
                info.encoding,
                _size_of(info.memory_size),
                _size_of(info.broadcast_memory_size),
                _rank(names[info.code], info),
                info,
            )
        )
    return MappingProxyType({mnemonic: tuple(forms) for mnemonic, forms in table.items()})


def _size_of(memory_size: int) -> int:
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


@cache
def _not_in_64_bit() -> frozenset[str]:
    """Mnemonics that exist only outside 64-bit mode."""
    return frozenset(mnemonic for info, mnemonic in _all_codes() if not info.mode64) - set(known_forms())


def readable(text: str) -> str:
    """A form of the tables in the source's spelling: lower case but for what is no register."""
    head, _, tail = text.partition(" ")
    return f"{head.lower()} {tail.lower()}".strip()


# ---- from what was written to the forms that say it ------------------------------------------------------------------

_STRING_SIZES = {"b": 1, "w": 2, "d": 4, "q": 8}
_STRING_STEMS = ("movs", "cmps", "stos", "lods", "scas", "ins", "outs")
_DEFAULT_QUADWORD = frozenset(("push", "pop", "call", "jmp"))
_HIGH_BYTES = frozenset(("ah", "bh", "ch", "dh"))
_X87_WITH_TOP = frozenset(("fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr"))


def canonical(operation: Operation) -> Operation | Refusal:
    """The same instruction under its one name here, with every operand that its spelling leaves out."""
    name = resolve(operation.mnemonic)
    operands = operation.operands
    if name is None:
        return _generic_string(operation) or _unknown(operation.mnemonic)
    mnemonic = name.mnemonic
    if name.predicate is not None:
        operands = (*operands, Immediate(name.predicate))
    if name.size is not None:
        operands = tuple(_with_size(operand, name.size) for operand in operands)
    implied = _IMPLIED_OPERANDS.get(mnemonic)
    if implied is not None and len(operands) >= _WRITTEN_LEAST.get(mnemonic, 1):
        for tail in implied:
            if operands[len(operands) - len(tail) :] == tuple(map(Register, tail)):
                operands = operands[: len(operands) - len(tail)]
                break
    match mnemonic, operands:
        case (("test" | "xchg"), (Register(), Memory())):
            operands = operands[::-1]
        case "xchg", (Register("rax" | "eax" | "ax"), Register()):
            operands = operands[::-1]
        case "mov", (Register(), Register(source)) if register_class(source) == "sreg":
            operands = (_narrowed(operands[0], "r64"), operands[1])
        case "mov", (Register(destination), Register()) if register_class(destination) == "sreg":
            operands = (operands[0], _narrowed(_narrowed(operands[1], "r16"), "r64"))
        case _ if mnemonic in _SAME_IN_32_BITS:
            operands = tuple(_narrowed(operand, "r64") for operand in operands)
            if mnemonic in ("verr", "verw", "lmsw", "lldt", "ltr"):
                operands = tuple(_narrowed(operand, "r16") for operand in operands)
        case "imul", (Register(), Immediate()):
            operands = (operands[0], *operands)
        case (("shl" | "shr" | "sar" | "rol" | "ror" | "rcl" | "rcr"), (_,)):
            operands = (*operands, Immediate(1))
        case "int", (Immediate(3),):
            mnemonic, operands = "int3", ()
        case "movsx", (_, Register(low)) if register_class(low) == "r32":
            mnemonic = "movsxd"
        case "movsx", (_, Memory(size=4)):
            mnemonic = "movsxd"
        case "movq", (first, second) if not any(_is_vector(operand) for operand in (first, second)):
            mnemonic, operands = "mov", tuple(_with_size(operand, 8) for operand in operands)
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
    return Operation(
        mnemonic, operands, operation.prefixes, operation.address, operation.mask, operation.zeroing, operation.rounding
    )


_SAME_IN_32_BITS = frozenset(
    "movmskps movmskpd vmovmskps vmovmskpd pmovmskb vpmovmskb extractps vextractps pextrb pextrw vpextrb vpextrw pinsrb pinsrw vpinsrb "
    "vpinsrw sldt str verr verw lmsw lldt ltr".split()
)
"""The 64-bit form does what the 32-bit form does, with one more prefix; GNU as writes the shorter one too."""


def _narrowed(operand: Operand, family: str) -> Operand:
    """The 32-bit register of the same number, for a general register of the given family."""
    if not isinstance(operand, Register) or register_class(operand.name) != family:
        return operand
    full = full_register(operand.name)
    return Register(f"{full}d" if full in _EXTENDED else f"e{full[1:]}")


_IMPLIED_OPERANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"), (("xmm0",),)),
    "monitor": (("rax", "rcx", "rdx"), ("rax", "ecx", "edx"), ("eax", "ecx", "edx")),
    "monitorx": (("rax", "rcx", "rdx"), ("rax", "ecx", "edx"), ("eax", "ecx", "edx")),
    "mwait": (("rax", "rcx"), ("eax", "ecx")),
    "mwaitx": (("rax", "rcx", "rbx"), ("eax", "ecx", "ebx")),
    **dict.fromkeys(("clzero", "vmrun", "vmload", "vmsave"), (("rax",),)),
    "invlpga": (("rax", "ecx"), ("rax", "rcx")),
    "tpause": (("edx", "eax"),),
    "umwait": (("edx", "eax"),),
    "pvalidate": (("rax", "ecx", "edx"), ("rax",)),
    "skinit": (("eax",),),
    "invlpgb": (("rax", "edx", "ecx"), ("rax", "ecx", "edx"), ("rax",)),
}
"""Instruction -> the registers it always uses, which may be written out last."""
_WRITTEN_LEAST = dict.fromkeys(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"), 3) | dict.fromkeys(
    ("tpause", "umwait"), 3
)
"""With fewer operands than this, the last is not the implied one."""


def _is_vector(operand: Operand) -> bool:
    return isinstance(operand, Register) and register_class(operand.name) in ("xmm", "ymm", "zmm", "mm", "k", "bnd")


def _with_size(operand: Operand, size: int) -> Operand:
    if isinstance(operand, Memory) and operand.size is None:
        return replace(operand, size=size)
    return operand


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
    return replace(operation, mnemonic=operation.mnemonic + letters[0])


def _unknown(mnemonic: str) -> Refusal:
    near = nearest_mnemonics(mnemonic)
    hint = f"did you mean {' or '.join(near)}?" if near else ""
    return Refusal("ASM100", f"There is no instruction named '{mnemonic}'.", None, hint)


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
    return tuple(form for form in known_forms().get(mnemonic, ()) if _takes(form, shape))


def _takes(form: Form, shape: tuple[str, ...]) -> bool:
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
    return any(_CLASS_OF[name] == kind for name in slot.registers)


def select(operation: Operation) -> tuple[Form, ...] | Refusal:
    """The forms that say exactly this operation, best first; the operation is canonical.

    GNU as' choices: VEX before EVEX, the operand size that needs no prefix where nothing names one.
    """
    shape = tuple(shape_of(operand) for operand in operation.operands)
    found = [form for form in _candidates(operation.mnemonic, shape) if _says(form, operation)]
    if not found:
        return refuse_operands(operation)
    clash = _high_byte_clash(operation)
    if clash is not None:
        return clash
    found = _settle_sizes(operation, found)
    if isinstance(found, Refusal):
        return found
    return tuple(sorted(found, key=lambda form: (encoding_rank(form, operation), form.rank)))


def encoding_rank(form: Form, operation: Operation) -> int:
    if form.encoding != EncodingKind.EVEX:
        return 1 if form.mnemonic in _EVEX_FIRST and "{vex}" not in operation.prefixes else 0
    return 0 if form.mnemonic in _EVEX_FIRST else 1


_EVEX_FIRST = frozenset(
    ("vpdpbusd", "vpdpbusds", "vpdpwssd", "vpdpwssds", "vpmadd52luq", "vpmadd52huq", "vcvtneps2bf16")
)
"""AVX-512 had these first; the VEX form is meant only by `{vex}` (AVX-VNNI, AVX-IFMA, AVX-NE-CONVERT)."""


def _says(form: Form, operation: Operation) -> bool:
    info = form.info
    evex = form.encoding == EncodingKind.EVEX
    if form.text == "bswap r16":
        return False  # its result is undefined (Intel SDM vol. 2, BSWAP)
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
    return all(
        _operand_says(form, slot, operand, evex)
        for slot, operand in zip(explicit_slots(form, operation), operation.operands, strict=True)
    )


def explicit_slots(form: Form, operation: Operation) -> tuple[Slot, ...]:
    """The form's slots that the operation's operands stand for: string operands may be left out."""
    if len(form.slots) == len(operation.operands):
        return form.slots
    if not operation.operands:
        return ()
    return tuple(slot for slot in form.slots if slot.memory != "implied")


def _operand_says(form: Form, slot: Slot, operand: Operand, evex: bool) -> bool:
    match operand:
        case Register(name):
            return name in slot.registers and (evex or not _needs_evex(name))
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
                    and form.memory_size == operand.broadcast * form.broadcast_size
                    and operand.size in (None, form.broadcast_size)
                )
            if not evex and operand.index is not None and _needs_evex(operand.index.name):
                return False
            return operand.size is None or form.memory_size in (0, operand.size)
        case Immediate(value, size):
            return slot.fits(value) and (size is None or slot.width <= size)
        case Target():
            return False


def _high_byte_clash(operation: Operation) -> Refusal | None:
    """ah, bh, ch and dh cannot be named in an instruction that has a REX prefix (Intel SDM vol. 2, 2.2.1.2)."""
    named = [operand.name for operand in operation.operands if isinstance(operand, Register)]
    high = next((name for name in named if name in _HIGH_BYTES), None)
    if high is None:
        return None
    for operand in operation.operands:
        if isinstance(operand, Memory):
            named += [
                register.name
                for register in (operand.base, operand.index)
                if register is not None and register.name in _EXTENDED
            ]
    reason = next(
        (name for name in named if name in _EXTENDED or name in _NEW_BYTES or register_class(name) == "r64"), None
    )
    if reason is None:
        return None
    return Refusal(
        "ASM110",
        f"'{high}' cannot be used together with '{reason}': the REX prefix that '{reason}' needs turns '{high}' into another register.",
        next(number for number, operand in enumerate(operation.operands) if operand == Register(high)),
        f"use the low byte '{high[0]}l', or move '{high}' through one of al, bl, cl, dl first",
    )


_NEW_BYTES = frozenset(("spl", "bpl", "sil", "dil"))
_EXTENDED = frozenset(f"r{number}{ending}" for number in range(8, 16) for ending in ("", "d", "w", "b"))


def _needs_evex(name: str) -> bool:
    return name[1:3] == "mm" and int(name[3:]) >= 16


def _settle_sizes(operation: Operation, found: list[Form]) -> list[Form] | Refusal:
    """Of the forms that differ in an operand size that nothing names, the default one, or a refusal."""
    memory = next((operand for operand in operation.operands if isinstance(operand, Memory)), None)
    sizes = {form.memory_size for form in found if form.memory_size}
    if memory is not None and memory.size is None and len(sizes) > 1:
        if operation.mnemonic in _DEFAULT_QUADWORD:
            return [form for form in found if form.memory_size == 8]
        index = operation.operands.index(memory)
        names = [SIZE_NAMES[size] for size in sorted(sizes) if size in SIZE_NAMES]
        return Refusal(
            "ASM103",
            f"The size of the memory operand is missing: '{operation.mnemonic}' could mean {' or '.join(names)}.",
            index,
            f"write {names[-1]} ptr [...], or whichever is meant",
        )
    if memory is None and operation.mnemonic == "push" and isinstance(operation.operands[0], Immediate):
        size = operation.operands[0].size or 8
        return [
            form
            for form in found
            if form.info.operand_size == (16 if size == 2 else form.info.operand_size)
            and (size == 2 or form.info.operand_size != 16)
        ]
    return found


def refuse_operands(operation: Operation) -> Refusal:
    """What is wrong with an operation that no form says."""
    forms = known_forms().get(operation.mnemonic, ())
    if not forms:
        if operation.mnemonic in _not_in_64_bit():
            return Refusal("ASM101", f"'{operation.mnemonic}' does not exist in 64-bit mode.", None)
        return _unknown(operation.mnemonic)
    return Refusal(
        "ASM102",
        f"'{operation.mnemonic}' does not take these operands.",
        -1,
        forms=tuple(dict.fromkeys(form.text for form in forms))[:12],
    )


# ---- what an instruction does ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MemoryAccess:
    """One piece of memory that an instruction touches: segment:[base + index * scale + displacement], `size` bytes."""

    access: Literal["read", "write", "read-write"]
    base: str | None
    """None for a plain address; rip-relative addresses are plain ones here."""
    index: str | None
    scale: int
    displacement: int
    """Signed; an absolute address where there is neither base nor index."""
    size: int
    """0 where it depends on more than the instruction, as for xsave."""
    segment: str | None = None
    """fs or gs, which move the address; None for the others."""
    conditional: bool = False
    """Whether it may be left undone: a masked load, `rep` with a count of 0."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one instruction reads, writes and needs, as iced-x86's tables say."""

    size: int
    mnemonic: str
    registers_read: tuple[str, ...]
    registers_written: tuple[str, ...]
    memory: tuple[MemoryAccess, ...]
    flags_read: tuple[str, ...]
    flags_written: tuple[str, ...]
    flags_undefined: tuple[str, ...]
    groups: tuple[str, ...]
    features: tuple[str, ...]
    target: int | None
    """Where a direct branch goes."""


FLAGS = ("of", "sf", "zf", "af", "cf", "pf", "df", "if", "ac", "uif", "c0", "c1", "c2", "c3")
"""Flags in the order of iced-x86's bits."""

_BASELINE = frozenset(
    ("intel8086", "intel8086_only", "intel186", "intel286", "intel286_only", "intel386", "intel386_only", "intel486", "x64", "cmov", "cpuid",
     "cx8", "fpu", "fpu287", "fpu387", "fxsr", "mmx", "msr", "sse", "sse2", "syscall", "tsc", "multibytenop", "pause", "clfsh",
     "smm", "sep", "fpu287xl_only")
)  # fmt: skip
"""What every x86-64 processor has."""

_FLOW_GROUPS = {
    FlowControl.UNCONDITIONAL_BRANCH: ("jump",), FlowControl.INDIRECT_BRANCH: ("jump", "indirect"),
    FlowControl.CONDITIONAL_BRANCH: ("jump", "conditional"), FlowControl.RETURN: ("return",), FlowControl.CALL: ("call",),
    FlowControl.INDIRECT_CALL: ("call", "indirect"), FlowControl.INTERRUPT: ("interrupt",), FlowControl.EXCEPTION: ("exception",),
    FlowControl.XBEGIN_XABORT_XEND: ("transaction",),
}  # fmt: skip

_READS = (OpAccess.READ, OpAccess.COND_READ, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE)
_WRITES = (OpAccess.WRITE, OpAccess.COND_WRITE, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE)
_CONDITIONAL = (OpAccess.COND_READ, OpAccess.COND_WRITE, OpAccess.READ_COND_WRITE)


@cache
def iced_registers() -> Mapping[str, int]:
    """Canonical register name -> iced-x86's number."""
    special = {f"st({n})": f"ST{n}" for n in range(8)} | {f"r{n}b": f"R{n}L" for n in range(8, 16)}
    return MappingProxyType({name: getattr(IcedRegister, special.get(name, name.upper())) for name in _REGISTER_SIZES})


@cache
def register_names() -> Mapping[int, str]:
    """iced-x86's number -> canonical register name."""
    return MappingProxyType({number: name for name, number in iced_registers().items()})


@cache
def _feature_names() -> Mapping[int, str]:
    return {value: name.lower() for name, value in vars(CpuidFeature).items() if isinstance(value, int)}


@cache
def _mnemonic_names() -> Mapping[int, str]:
    return {value: name.lower() for name, value in vars(Mnemonic).items() if isinstance(value, int)}


_factory = threading.local()


def facts_of(code: bytes, address: int) -> Facts | None:
    """What the first instruction of the bytes does, or None when they are none."""
    instruction = Decoder(64, code, ip=address).decode()
    if instruction.is_invalid:
        return None
    if not hasattr(_factory, "value"):
        _factory.value = InstructionInfoFactory()
    info = _factory.value.info(instruction)
    names = register_names()
    read, written = [], []
    for used in info.used_registers():
        name = names.get(used.register)
        if name is None:
            continue
        if used.access in _READS:
            read.append(name)
        if used.access in _WRITES:
            written.append(name)
    groups = list(_FLOW_GROUPS.get(instruction.flow_control, ()))
    if instruction.is_stack_instruction:
        groups.append("stack")
    if instruction.is_string_instruction:
        groups.append("string")
    if instruction.is_privileged:
        groups.append("privileged")
    features = tuple(
        name for feature in instruction.cpuid_features() if (name := _feature_names()[feature]) not in _BASELINE
    )
    direct = instruction.op_count > 0 and instruction.op0_kind == OpKind.NEAR_BRANCH64
    return Facts(
        instruction.len,
        _mnemonic_names()[instruction.mnemonic],
        tuple(dict.fromkeys(read)),
        tuple(dict.fromkeys(written)),
        tuple(_memory_access(used, names) for used in info.used_memory() if used.access != OpAccess.NO_MEM_ACCESS),
        _flags(instruction.rflags_read),
        _flags(instruction.rflags_written | instruction.rflags_cleared | instruction.rflags_set),
        _flags(instruction.rflags_undefined),
        tuple(groups),
        features,
        instruction.near_branch_target if direct else None,
    )


def _memory_access(used: UsedMemory, names: Mapping[int, str]) -> MemoryAccess:
    reads, writes = used.access in _READS, used.access in _WRITES
    base, segment = names.get(used.base), names.get(used.segment)
    return MemoryAccess(
        "read-write" if reads and writes else "write" if writes else "read",
        None if base in ("rip", "eip") else base,
        names.get(used.index),
        used.scale,
        used.displacement_i64,
        MemorySizeInfo(used.memory_size).size,
        segment if segment in ("fs", "gs") else None,
        used.access in _CONDITIONAL,
    )


def _flags(bits: int) -> tuple[str, ...]:
    return tuple(name for number, name in enumerate(FLAGS) if bits >> number & 1)


_formatter = threading.local()


def text_of(code: bytes, address: int) -> tuple[str, str]:
    """Mnemonic and operands of the first instruction, in the spelling that Capstone uses too."""
    if not hasattr(_formatter, "value"):
        formatter = Formatter(FormatterSyntax.INTEL)
        formatter.hex_prefix, formatter.hex_suffix = "0x", ""
        formatter.space_after_operand_separator = True
        formatter.space_between_memory_add_operators = True
        formatter.uppercase_hex = False
        formatter.small_hex_numbers_in_decimal = True
        formatter.rip_relative_addresses = True
        formatter.branch_leading_zeros = False
        formatter.show_branch_size = False
        formatter.memory_size_options = MemorySizeOptions.ALWAYS
        _formatter.value = formatter
    formatter = _formatter.value
    instruction = Decoder(64, code, ip=address).decode()
    mnemonic = formatter.format_mnemonic(instruction)
    return mnemonic, formatter.format_all_operands(instruction)


_LINUX_FEATURES = {
    "pni": "sse3", "sse4_1": "sse4_1", "sse4_2": "sse4_2", "abm": "lzcnt", "pclmulqdq": "pclmulqdq", "avx512_vnni": "avx512_vnni",
    "avx512vbmi": "avx512_vbmi", "avx512_vbmi2": "avx512_vbmi2", "avx512_bitalg": "avx512_bitalg", "avx512_vpopcntdq": "avx512_vpopcntdq",
    "avx512ifma": "avx512_ifma", "avx512_bf16": "avx512_bf16", "avx512_fp16": "avx512_fp16", "avx512_vp2intersect": "avx512_vp2intersect",
    "avx_vnni": "avx_vnni", "sha_ni": "sha", "cx16": "cmpxchg16b", "amx_tile": "amx_tile", "amx_int8": "amx_int8", "amx_bf16": "amx_bf16",
    "rdrand": "rdrand", "user_shstk": "cet_ss", "ibt": "cet_ibt", "3dnow": "d3now", "3dnowext": "d3nowext", "lahf_lm": "lahf_sahf_x64",
}  # fmt: skip
"""Linux's name for a feature -> iced-x86's, where they differ by more than case."""


def features_of_linux(flags: Iterable[str]) -> frozenset[str]:
    """The names that `Facts.features` uses, from the flags of /proc/cpuinfo."""
    known = {name.replace("_", ""): name for name in _feature_names().values()}
    found = set()
    for flag in flags:
        name = _LINUX_FEATURES.get(flag) or known.get(flag.replace("_", ""))
        if name is not None:
            found.add(name)
    return frozenset(found)
