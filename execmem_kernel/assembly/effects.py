"""What an instruction does: the registers, memory and flags it reads and writes, and the CPU features it needs.

From iced-x86's tables; Capstone's text beside it is in disassembler.py.
"""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from iced_x86 import (
    Code,
    CpuidFeature,
    Decoder,
    FlowControl,
    Formatter,
    FormatterSyntax,
    Instruction,
    InstructionInfoFactory,
    MemorySizeInfo,
    MemorySizeOptions,
    Mnemonic,
    OpAccess,
    OpKind,
    UsedMemory,
)

from execmem_kernel.assembly import forms


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
    relative: int | None
    """The address that a rip-relative operand means, whether it is read, written or only computed."""
    is_plain: bool
    """False for prefixes, and an encoding beside the usual one, that Capstone does not show."""


FLAGS = ("of", "sf", "zf", "af", "cf", "pf", "df", "if", "ac", "uif", "c0", "c1", "c2", "c3")
"""Flags in the order of iced-x86's bits."""

_BASELINE = frozenset(
    ("intel8086", "intel8086_only", "intel186", "intel286", "intel286_only", "intel386", "intel386_only", "intel486", "x64", "cmov", "cpuid",
     "cx8", "fpu", "fpu287", "fpu387", "fxsr", "mmx", "msr", "sse", "sse2", "syscall", "tsc", "multibytenop", "pause", "clfsh",
     "smm", "sep", "fpu287xl_only")
)  # fmt: skip
"""What every x86-64 processor has."""
_HINTS = frozenset(("cet_ibt", "cldemote", "prefetchiti", "prefetchw", "prefetchwt1"))
"""Features whose instructions do nothing on a processor without them: endbr64, cldemote, the prefetches."""
_UNREMARKABLE = _BASELINE | _HINTS
_HINT_CODES = frozenset((Code.RDSSPD_R32, Code.RDSSPQ_R64))
"""The same of single instructions: rdsspq leaves its register alone where there is no shadow stack."""

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
def _feature_names() -> Mapping[int, str]:
    return {value: name.lower() for name, value in vars(CpuidFeature).items() if isinstance(value, int)}


@cache
def features_of(code: forms.IcedNumber) -> tuple[str, ...]:
    """The CPU features beyond the baseline that instructions of iced-x86's form number need."""
    if code in _HINT_CODES:
        return ()
    probe = Instruction()
    probe.code = code
    names = (_feature_names()[feature] for feature in probe.cpuid_features())
    return tuple(name for name in names if name not in _UNREMARKABLE)


@cache
def _mnemonic_names() -> Mapping[int, str]:
    return {value: name.lower() for name, value in vars(Mnemonic).items() if isinstance(value, int)}


def _name_of(instruction: Instruction) -> str:
    name = _mnemonic_names()[instruction.mnemonic]
    return forms.TABLE_NAMES.get(name, name)


_ONLY_HERE = frozenset(forms.TABLE_NAMES.values())
"""Names that assemblers use and iced-x86's text does not."""

_factory = threading.local()


def facts_of(code: bytes, address: int) -> Facts | None:
    """What the first instruction of the bytes does, or None when they are none."""
    instruction = Decoder(64, code, ip=address).decode()
    if instruction.is_invalid:
        return None
    if not hasattr(_factory, "value"):
        _factory.value = InstructionInfoFactory()
    info = _factory.value.info(instruction)
    names = forms.register_names()
    read, written = [], []
    for used in info.used_registers():
        name = names.get(used.register)
        if name is None:
            continue
        if used.access in _READS or used.access == OpAccess.COND_WRITE:
            read.append(name)  # where it is not written, what it holds then is what it held before: cmov
        if used.access in _WRITES:
            written.append(name)
    groups = list(_FLOW_GROUPS.get(instruction.flow_control, ()))
    if instruction.is_stack_instruction:
        groups.append("stack")
    if instruction.is_string_instruction:
        groups.append("string")
    if instruction.is_privileged:
        groups.append("privileged")
    direct = instruction.op_count > 0 and instruction.op0_kind == OpKind.NEAR_BRANCH64
    return Facts(
        instruction.len,
        _name_of(instruction),
        tuple(dict.fromkeys(read)),
        tuple(dict.fromkeys(written)),
        tuple(_memory_access(used, names) for used in info.used_memory() if used.access != OpAccess.NO_MEM_ACCESS),
        _flags(instruction.rflags_read),
        _flags(instruction.rflags_written | instruction.rflags_cleared | instruction.rflags_set),
        _flags(instruction.rflags_undefined),
        tuple(groups),
        features_of(instruction.code),
        instruction.near_branch_target if direct else None,
        instruction.ip_rel_memory_address if instruction.is_ip_rel_memory_operand else None,
        not (
            instruction.code in _NOT_SHOWN
            or instruction.has_xacquire_prefix
            or instruction.has_xrelease_prefix
            or (instruction.has_lock_prefix and (instruction.has_rep_prefix or instruction.has_repne_prefix))
        ),
    )


_NOT_SHOWN = frozenset(
    (
        Code.PUSHW_FS, Code.PUSHW_GS, Code.POPW_FS, Code.POPW_GS, Code.JMP_M1616, Code.JMP_M1632, Code.JMP_M1664,
        Code.CALL_M1616, Code.CALL_M1632, Code.CALL_M1664,
    )
)  # fmt: skip
"""Forms whose size Capstone leaves out."""


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


_formatters = threading.local()


def text_of(code: bytes, address: int, syntax: str = "intel") -> tuple[str, str]:
    """Mnemonic and operands of the first instruction, in the spelling that Capstone uses too."""
    formatter = getattr(_formatters, syntax, None)
    if formatter is None:
        formatter = Formatter(FormatterSyntax.INTEL if syntax == "intel" else FormatterSyntax.GAS)
        formatter.hex_prefix, formatter.hex_suffix = "0x", ""
        formatter.space_after_operand_separator = True
        formatter.space_between_memory_add_operators = syntax == "intel"
        formatter.uppercase_hex = False
        formatter.small_hex_numbers_in_decimal = True
        formatter.rip_relative_addresses = True
        formatter.branch_leading_zeros = False
        formatter.show_branch_size = False
        formatter.memory_size_options = MemorySizeOptions.ALWAYS
        setattr(_formatters, syntax, formatter)
    instruction = Decoder(64, code, ip=address).decode()
    mnemonic = formatter.format_mnemonic(instruction)
    operands = formatter.format_all_operands(instruction)
    if instruction.op_mask and "{k" not in operands:
        # Gathers and scatters, whose mask iced-x86 writes as an operand.
        operands = re.sub(r", (k\d)(?=,|$)", r" {\1}", operands, count=1)
    if syntax == "intel" and (rounding := _ROUNDING.search(operands)) is not None:
        # iced-x86 writes it behind the operand that the manual's tables say, everybody else behind the last register.
        parts = _ROUNDING.sub("", operands).split(", ")
        parts.insert(len(parts) - (parts[-1][0] in "-0123456789"), rounding[0].strip().replace("rne", "rn"))
        operands = ", ".join(parts)
    name = _name_of(instruction)
    return name if name in _ONLY_HERE else mnemonic, operands


_ROUNDING = re.compile(r" ?\{(?:r[ndzu]e?-)?sae\}")

_LINUX_FEATURES = {
    "mwaitx": "monitorx", "sgx": "sgx1", "svm": "svm", "pni": "sse3", "sse4_1": "sse4_1", "sse4_2": "sse4_2", "abm": "lzcnt", "pclmulqdq": "pclmulqdq", "avx512_vnni": "avx512_vnni",
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
    if found & {"hle", "rtm"}:
        found.add("hle_or_rtm")
    if found & {"skinit", "svm"}:
        found.add("skinit_or_svm")
    if "vmx" in found:
        found |= {"invept", "invvpid"}
    return frozenset(found)
