"""What an instruction does, from iced-x86's tables: the registers, memory and flags that it reads and writes."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from iced_x86 import (
    Code,
    Decoder,
    FlowControl,
    Instruction,
    InstructionInfoFactory,
    MemorySizeInfo,
    Mnemonic,
    OpAccess,
    OpKind,
    UsedMemory,
)

from execmem_kernel.x86 import forms
from execmem_kernel.x86.features import features_of


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
def _mnemonic_names() -> Mapping[int, str]:
    return {value: name.lower() for name, value in vars(Mnemonic).items() if isinstance(value, int)}


def mnemonic_of(instruction: Instruction) -> str:
    """The mnemonic of one of iced-x86's instructions, by the name that assemblers use."""
    name = _mnemonic_names()[instruction.mnemonic]
    return forms.TABLE_NAMES.get(name, name)


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
        mnemonic_of(instruction),
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
