"""The registers of x86-64: names and aliases, sizes, classes, and which is a part of which.

First the registers that a program's state has, as outcomes and traces show them; then every register that an
instruction can name.
"""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Literal, get_args

GENERAL = (
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
)  # fmt: skip
"""The sixteen general registers, in the order they are shown."""
FLAGS = MappingProxyType({"CF": 0, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "TF": 8, "DF": 10, "OF": 11, "AC": 18})
"""Flag to bit of rflags. Source: Intel SDM vol. 1, 3.4.3, "EFLAGS Register"."""
LANES = MappingProxyType(
    {
        "double": "d", "float": "f", "half": "e", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
        "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    }
)  # fmt: skip
"""A kind of lane -> its letter in `struct`."""
VECTOR_SIZES = MappingProxyType({"x": 16, "y": 32, "z": 64})
"""The first letter of a vector register's name -> the bytes it holds."""


def _register_parts() -> dict[str, tuple[str, int, int]]:
    """Every part of a general register: its whole, its shift, its width in bits."""
    parts = {"eip": ("rip", 0, 32), "eflags": ("rflags", 0, 32)}
    for whole in GENERAL:
        stem = whole[1:]
        if stem.isdigit():
            parts |= {f"{whole}d": (whole, 0, 32), f"{whole}w": (whole, 0, 16), f"{whole}b": (whole, 0, 8)}
        else:
            parts |= {f"e{stem}": (whole, 0, 32), stem: (whole, 0, 16)}
            if stem.endswith("x"):
                parts |= {f"{stem[0]}l": (whole, 0, 8), f"{stem[0]}h": (whole, 8, 8)}
            else:
                parts |= {f"{stem}l": (whole, 0, 8)}
    return parts


PARTS: Mapping[str, tuple[str, int, int]] = MappingProxyType(_register_parts())
"""A part of a general register -> the whole, how far up it lies in it, and its width, in bits."""


def whole_register(name: str) -> str:
    """The register that a part belongs to: "al" -> "rax"; a vector register's number decides: "xmm3" -> "ymm3"."""
    name = name.lower()
    if name in PARTS:
        return PARTS[name][0]
    return f"ymm{name[3:]}" if name[:3] in ("xmm", "zmm") else name


MASK = 2**64 - 1
"""The bits of a general register."""
TRAP_FLAG, DIRECTION_FLAG, RESUME_FLAG = 1 << 8, 1 << 10, 1 << 16
"""Bits of rflags that single steps deal with. Source: Intel SDM vol. 1, 3.4.3, "EFLAGS Register"."""
STATUS_FLAGS = ("CF", "PF", "AF", "ZF", "SF", "OF")
"""The flags that arithmetic sets, in bit order. Source: Intel SDM vol. 1, 3.4.3.1, "Status Flags"."""


# ---- every register that an instruction can name ---------------------------------------------------------------------

RegisterClass = Literal[
    "r8", "r16", "r32", "r64", "xmm", "ymm", "zmm", "mm", "k", "st", "sreg", "cr", "dr", "bnd", "tmm", "ip"
]  # fmt: skip
"""Registers that can stand for each other in an opcode form, high bytes and fixed ones apart."""
GENERAL_CLASSES: tuple[RegisterClass, ...] = ("r8", "r16", "r32", "r64")
VECTOR_CLASSES: tuple[RegisterClass, ...] = ("xmm", "ymm", "zmm")
SEGMENTS = frozenset(("cs", "ds", "es", "ss", "fs", "gs"))
_LEGACY = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
"""The general registers that the 8086 had, by their names there."""


def _sizes_and_classes() -> dict[str, tuple[int, RegisterClass]]:
    """Canonical register name -> size in bytes, and class."""
    table: dict[str, tuple[int, RegisterClass]] = {}
    for name in ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh", "spl", "bpl", "sil", "dil"):
        table[name] = (1, "r8")
    for number in range(8, 16):
        table |= {f"r{number}b": (1, "r8"), f"r{number}w": (2, "r16"), f"r{number}d": (4, "r32")}
        table[f"r{number}"] = (8, "r64")
    for name in _LEGACY:
        table |= {name: (2, "r16"), f"e{name}": (4, "r32"), f"r{name}": (8, "r64")}
    table |= {"eip": (4, "ip"), "rip": (8, "ip")}
    for name in ("es", "cs", "ss", "ds", "fs", "gs"):
        table[name] = (2, "sreg")
    for number in range(32):
        table |= {f"xmm{number}": (16, "xmm"), f"ymm{number}": (32, "ymm"), f"zmm{number}": (64, "zmm")}
    for number in range(8):
        table |= {f"mm{number}": (8, "mm"), f"st({number})": (10, "st"), f"k{number}": (8, "k")}
        table[f"tmm{number}"] = (1024, "tmm")
    for number in range(16):
        table |= {f"cr{number}": (8, "cr"), f"dr{number}": (8, "dr")}
    for number in range(4):
        table[f"bnd{number}"] = (16, "bnd")
    return table


_SIZES_AND_CLASSES = _sizes_and_classes()
REGISTER_SIZES = MappingProxyType({name: size for name, (size, _) in _SIZES_AND_CLASSES.items()})
"""Canonical register name -> size in bytes."""
_CLASS_OF: dict[str, RegisterClass] = {name: of for name, (_, of) in _SIZES_AND_CLASSES.items()}
CLASS_MEMBERS: Mapping[str, frozenset[str]] = MappingProxyType(
    {each: frozenset(name for name, of in _CLASS_OF.items() if of == each) for each in get_args(RegisterClass)}
)
"""Class -> the canonical names of its registers."""
_REGISTER_ALIASES = (
    {"st": "st(0)"}
    | {f"st{number}": f"st({number})" for number in range(8)}
    | {f"r{number}l": f"r{number}b" for number in range(8, 16)}
    | {f"db{number}": f"dr{number}" for number in range(16)}
)
EXTENDED_REGISTERS = frozenset(f"r{number}{ending}" for number in range(8, 16) for ending in ("", "d", "w", "b"))
"""The general registers that exist only with a REX prefix."""
REX_BYTE_REGISTERS = frozenset(("spl", "bpl", "sil", "dil"))
"""Those that a REX prefix, whatever is in it, names in the place of ah, ch, dh and bh."""
HIGH_BYTE_REGISTERS = frozenset(("ah", "ch", "dh", "bh"))
EXISTING_SYSTEM_REGISTERS = frozenset(("cr0", "cr2", "cr3", "cr4", "cr8", *(f"dr{number}" for number in range(8))))
"""The others have numbers, and using them is an invalid opcode (Intel SDM vol. 2, MOV-Move to/from Control Registers)."""


def canonical_register(name: str) -> str | None:
    """The one name of a register that has several ("st" -> "st(0)", "r8l" -> "r8b"), or None for what is no register."""
    lowered = name.lower()
    lowered = _REGISTER_ALIASES.get(lowered, lowered)
    return lowered if lowered in REGISTER_SIZES else None


def known_registers() -> frozenset[str]:
    """Every canonical register name."""
    return frozenset(REGISTER_SIZES)


def register_size(name: str) -> int:
    """Bytes that the register holds; a mask register counts as 8, an x87 register as 10.

    Raises:
        KeyError: It is no register.
    """
    canonical = canonical_register(name)
    if canonical is None:
        raise KeyError(name)
    return REGISTER_SIZES[canonical]


def register_class(name: str) -> RegisterClass:
    """The class of a canonical register name."""
    return _CLASS_OF[name]


@cache
def register_classes(registers: frozenset[str]) -> frozenset[RegisterClass]:
    """The classes of several registers by canonical name."""
    return frozenset(_CLASS_OF[name] for name in registers)


def is_vector(name: str) -> bool:
    """Whether the register is an xmm, ymm or zmm register."""
    return name[1:3] == "mm" and name[0] in "xyz"


def needs_evex(name: str) -> bool:
    """Whether the register is one of the vector registers 16 to 31."""
    return name[1:3] == "mm" and int(name[3:]) >= 16


@cache
def full_register(name: str) -> str:
    """The widest register of which this one is a part: "al" -> "rax", "xmm3" -> "zmm3"; itself for what is no part."""
    if name[1:3] == "mm" and name[0] in "xy":
        return f"z{name[1:]}"
    if name[0] == "r" and name[1:2].isdigit():
        return name.rstrip("bwd")
    stem = name.removeprefix("e").removeprefix("r")
    for legacy in _LEGACY:
        low_or_high = legacy.endswith("x") and name in (f"{legacy[0]}l", f"{legacy[0]}h")
        if stem == legacy or name == legacy + "l" or low_or_high:
            return f"r{legacy}"
    return name
