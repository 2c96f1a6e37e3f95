"""What each mnemonic takes: the names of the machine, the operand forms, and the words that say what does not fit.

The forms come from iced-x86's opcode tables (Intel SDM vol. 2 and AMD APM vol. 3-5 in machine-readable shape), the other
names that assemblers and textbooks use for the same instructions from the tables below.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from iced_x86 import Code, CpuidFeature, EncodingKind, Instruction, OpCodeInfo

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


def known_registers() -> frozenset[str]:
    """Every canonical register name."""
    return frozenset(_REGISTER_SIZES)


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
    "setalc": "salc", "fcmovnae": "fcmovb", "fcmovna": "fcmovbe", "fcmovae": "fcmovnb", "fcmova": "fcmovnbe",
    "fcmovz": "fcmove", "fcmovnz": "fcmovne", "lodsl": "lodsd", "stosl": "stosd", "movsl": "movsd", "scasl": "scasd", "cmpsl": "cmpsd",
    "smovb": "movsb", "smovw": "movsw", "smovl": "movsd", "smovq": "movsq", "insl": "insd", "outsl": "outsd", "slodb": "lodsb", "slodw": "lodsw",
    "slodl": "lodsd", "slodq": "lodsq", "sstob": "stosb", "sstow": "stosw", "sstol": "stosd", "sstoq": "stosq",
    "syscallq": "syscall", "sysretl": "sysret", "sysexitl": "sysexit", "pushfw": "pushf", "popfw": "popf",
    "xsha512_alt": "xsha512", "xstore_alt": "xstore", "xstorerng": "xstore", "ud1": "ud1", "ud2b": "ud1", "vmovnti": "movnti",
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
    forms = _forms()
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
    names = set(_forms()) | set(_PLAIN_ALIASES) | set(_PSEUDO_OPERATIONS) | set(_CMPXADD_ALIASES)
    for prefix in ("j", "set", "cmov"):
        names |= {f"{prefix}{condition}" for condition in _CONDITION_ALIASES}
    return frozenset(names)


def nearest_mnemonics(name: str, count: int = 3) -> list[str]:
    """The known mnemonics that look most like a misspelt one, best first."""
    # The common names first: difflib keeps the order of equals, and a beginner's typo is rarely near `vpermt2ps`.
    pool = sorted(known_mnemonics(), key=lambda known: (known not in _COMMON, known))
    return difflib.get_close_matches(name.lower(), pool, n=count, cutoff=0.6)


_COMMON = frozenset(
    "mov lea add sub and or xor not neg inc dec cmp test jmp je jne jz jnz jl jle jg jge ja jae jb jbe call ret push pop imul mul idiv div "
    "shl shr sar rol ror movzx movsx movsxd cdq cqo nop xchg syscall loop sete setne cmove cmovne leave int3 bt popcnt".split()
)


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
    kinds: tuple[int, ...]
    """iced-x86's operand kind of each operand."""
    encoding: int
    info: OpCodeInfo


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
        if foreign.intersection(probe.cpuid_features()):
            continue
        found.append((info, info.instruction_string.split(" ", 1)[0].lower()))
    return tuple(found)


@cache
def _forms() -> Mapping[str, tuple[Form, ...]]:
    """Mnemonic -> its forms in 64-bit mode, in the order of the tables."""
    table: dict[str, list[Form]] = {}
    for info, mnemonic in _all_codes():
        if not info.mode64:
            continue
        text = info.instruction_string
        table.setdefault(mnemonic, []).append(
            Form(info.code, mnemonic, readable(text), tuple(info.op_kinds()), info.encoding, info)
        )
    return MappingProxyType({mnemonic: tuple(forms) for mnemonic, forms in table.items()})


@cache
def _not_in_64_bit() -> frozenset[str]:
    """Mnemonics that exist only outside 64-bit mode."""
    return frozenset(mnemonic for info, mnemonic in _all_codes() if not info.mode64) - set(_forms())


def readable(text: str) -> str:
    """A form of the tables in the source's spelling: lower case but for what is no register."""
    head, _, tail = text.partition(" ")
    return f"{head.lower()} {tail.lower()}".strip()
