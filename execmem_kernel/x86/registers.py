"""The registers of x86-64: names and aliases, sizes, classes, and which is a part of which."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

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


TRAP_FLAG, DIRECTION_FLAG, RESUME_FLAG = 1 << 8, 1 << 10, 1 << 16


STATUS_FLAGS = ("CF", "PF", "AF", "ZF", "SF", "OF")
"""The flags that arithmetic sets, in bit order. Source: Intel SDM vol. 1, 3.4.3.1, "Status Flags"."""


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


REGISTER_SIZES = _register_sizes()


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
    return lowered if lowered in REGISTER_SIZES else None


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
    return REGISTER_SIZES[canonical]


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
    return frozenset(REGISTER_SIZES)


def _numbered(stem: str, count: int) -> frozenset[str]:
    return frozenset(f"{stem}{number}" for number in range(count))


_CLASS_OF = {
    **{name: f"r{size * 8}" for name, size in REGISTER_SIZES.items() if size <= 8},
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


CLASS_MEMBERS = {
    family: frozenset(name for name, of in _CLASS_OF.items() if of == family) for family in set(_CLASS_OF.values())
}


EXISTING_SYSTEM_REGISTERS = frozenset(("cr0", "cr2", "cr3", "cr4", "cr8", *(f"dr{number}" for number in range(8))))
"""The others have numbers, and using them is an invalid opcode (Intel SDM vol. 2, MOV-Move to/from Control Registers)."""


SEGMENTS = frozenset(("cs", "ds", "es", "ss", "fs", "gs"))
"""Segments that may be written before an instruction, as objdump does."""


@cache
def register_classes(registers: frozenset[str]) -> frozenset[str]:
    """The families of a slot's registers."""
    return frozenset(_CLASS_OF[name] for name in registers)


EXTENDED_REGISTERS = frozenset(f"r{number}{ending}" for number in range(8, 16) for ending in ("", "d", "w", "b"))
"""The general registers that exist only with a REX prefix."""


REX_BYTE_REGISTERS = frozenset(("spl", "bpl", "sil", "dil"))
"""Those that a REX prefix, whatever is in it, names in the place of ah, ch, dh and bh."""


HIGH_BYTE_REGISTERS = frozenset(("ah", "ch", "dh", "bh"))


def needs_evex(name: str) -> bool:
    """Whether the register is one of the vector registers 16 to 31."""
    return name[1:3] == "mm" and int(name[3:]) >= 16
