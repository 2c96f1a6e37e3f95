"""Mnemonics: the other names that assemblers and textbooks use, size suffixes, and the names nearest to a misspelt one."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from execmem_kernel.x86.forms import STRING_STEMS, forms_of, known_forms, table_lines

ENDINGS = frozenset(("jmp", "jmpq", "ret", "retq", "retn", "retf", "retfq", "iretq", "hlt", "ud2", "sysexit", "sysret"))
"""Instructions that never go on to the next."""

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
class ResolvedMnemonic:
    """What a mnemonic in the source stands for."""

    mnemonic: str
    """The instruction's one name here."""
    size: int | None = None
    """Operand size in bytes that the spelling carries ("addq": 8)."""
    predicate: int | None = None
    """Immediate byte that the spelling carries ("cmpeqps": 0); it goes last."""


@lru_cache(maxsize=16384)
def resolve(name: str) -> ResolvedMnemonic | None:
    """What a mnemonic stands for, or None when no instruction of any x86 has that name (64-bit mode or not)."""
    if name in _PSEUDO_OPERATIONS:
        mnemonic, predicate = _PSEUDO_OPERATIONS[name]
        return ResolvedMnemonic(mnemonic, predicate=predicate)
    if name in _PLAIN_ALIASES:
        return ResolvedMnemonic(_PLAIN_ALIASES[name])
    if forms_of(name) or any(table_lines(name)):
        return ResolvedMnemonic(name)
    for prefix in ("j", "set", "cmov", "cmp"):
        ending = "xadd" if prefix == "cmp" else ""
        if name.startswith(prefix) and name.endswith(ending):
            condition = _CONDITION_ALIASES.get(name[len(prefix) : len(name) - len(ending)])
            if condition is not None and forms_of(f"{prefix}{condition}{ending}"):
                return ResolvedMnemonic(f"{prefix}{condition}{ending}")
    if prefix_of_cmpxadd := _CMPXADD_ALIASES.get(name):
        return ResolvedMnemonic(prefix_of_cmpxadd)
    if name in ("lcall", "ljmp"):
        return ResolvedMnemonic(name[1:], size=6)
    vector = {"x": 16, "y": 32, "z": 64}.get(name[-1:])
    if vector is not None and name[:-1] in _VECTOR_SUFFIXED:
        return ResolvedMnemonic(name[:-1], size=vector)
    size = _ATT_SIZES.get(name[-1:])
    if size is not None and name[:-1] in _SUFFIXED:
        base = resolve(name[:-1])
        return None if base is None else ResolvedMnemonic(base.mnemonic, size=size)
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
    return lowered in STRING_STEMS or resolve(lowered) is not None


@cache
def known_mnemonics() -> frozenset[str]:
    """Every name that `is_mnemonic` knows in 64-bit mode, size letters apart."""
    return _other_names() | known_forms().keys()


@cache
def _other_names() -> frozenset[str]:
    """The names that are not the tables'."""
    names = {*STRING_STEMS, *_PLAIN_ALIASES, *_PSEUDO_OPERATIONS, *_CMPXADD_ALIASES}
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
