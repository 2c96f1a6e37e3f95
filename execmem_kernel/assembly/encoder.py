"""Operations in, checked bytes out: Keystone in a child process, iced-x86 beside it, and nobody is believed.

    Operation --canonical--> forms --+--> iced-x86, in process -----------+--> read back, compared --> Encoding
                                     +--> text --> Keystone, in a child --+

Keystone gets canonical instructions with every number as 0x.. or as one digit, which no radix changes. Where the two
encoders agree, that is the answer; where they differ, the shorter one. Every answer is decoded by iced-x86 and by
Capstone and must say what the operation says, or it does not exist. Branches are encoded here, from the Intel SDM.
"""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import iced_x86
from iced_x86 import Decoder, DecoderOptions, Instruction, OpKind, RoundingControl
from iced_x86 import Register as IcedRegister

from execmem_kernel.assembly import disassembler, effects, forms, refusals
from execmem_kernel.assembly.forms import Form, Slot
from execmem_kernel.assembly.keystone_child import ChildLost, KeystoneChild
from execmem_kernel.assembly.operands import (
    REX_PREFIXES,
    Encoder,
    Encoding,
    Immediate,
    Memory,
    Operand,
    Operation,
    Refusal,
    Register,
    Target,
)
from execmem_kernel.assembly.outlines import Outline, outline_of
from execmem_kernel.errors import EncoderLostError

# ---- branches --------------------------------------------------------------------------------------------------------

_CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
_BRANCHES: dict[str, tuple[bytes, bytes]] = {
    "jmp": (b"\xeb", b"\xe9"),
    "call": (b"", b"\xe8"),
    "loopne": (b"\xe0", b""),
    "loope": (b"\xe1", b""),
    "loop": (b"\xe2", b""),
    "jrcxz": (b"\xe3", b""),
    "jecxz": (b"\x67\xe3", b""),
    "xbegin": (b"", b"\xc7\xf8"),
    **{f"j{name}": (bytes([0x70 + n]), bytes([0x0F, 0x80 + n])) for n, name in enumerate(_CONDITIONS)},
}
"""Direct branch -> opcode of the short form and of the near form, empty where there is none (Intel SDM vol. 2, JMP, Jcc, LOOPcc)."""
_BRANCH_PREFIXES = {"bnd": b"\xf2", "repne": b"\xf2", "notrack": b"\x3e", "cs": b"\x2e", "ds": b"\x3e"}


def _branch(operation: Operation, target: Target) -> Encoding | Refusal:
    short, near = _BRANCHES.get(operation.mnemonic, (b"", b""))
    if not short and not near:
        return Refusal("ASM102", f"`{operation.mnemonic}` does not go to a label.", 0)
    prefix = b""
    for name in operation.prefixes:
        if name not in _BRANCH_PREFIXES:
            return Refusal("ASM120", f"The prefix `{name}` does not go with `{operation.mnemonic}`.", None)
        prefix += _BRANCH_PREFIXES[name]
    form = target.form
    distance = target.address - (operation.address + len(prefix) + len(short) + 1)
    if form == "short" or (form is None and short and (not near or -128 <= distance <= 127)):
        if not short:
            return Refusal("ASM115", f"`{operation.mnemonic}` has no short form.", 0, "leave out `short`")
        if not -128 <= distance <= 127:
            return Refusal(
                "ASM116",
                f"The target is {distance:+,} bytes away; `{operation.mnemonic}` reaches -128 to +127 from its end.",
                0,
                "" if near else f"jump over a jmp instead: `{operation.mnemonic}` has no longer form",
            )
        return Encoding(prefix + short + distance.to_bytes(1, "little", signed=True))
    if not near:
        return Refusal("ASM115", f"`{operation.mnemonic}` has no near form.", 0, "leave out `near`")
    distance = target.address - (operation.address + len(prefix) + len(near) + 4)
    if not -(1 << 31) <= distance < 1 << 31:
        return Refusal(
            "ASM116",
            "The target is more than 2 GiB away, further than a jump or call reaches.",
            0,
            "load the address into a register and jump to that",
        )
    return Encoding(prefix + near + distance.to_bytes(4, "little", signed=True))


# ---- iced-x86 --------------------------------------------------------------------------------------------------------


_IMMEDIATE_KINDS = {
    "IMM4_M2Z": OpKind.IMMEDIATE8, "IMM8": OpKind.IMMEDIATE8, "IMM8_CONST_1": OpKind.IMMEDIATE8, "IMM8SEX16": OpKind.IMMEDIATE8TO16,
    "IMM8SEX32": OpKind.IMMEDIATE8TO32, "IMM8SEX64": OpKind.IMMEDIATE8TO64, "IMM16": OpKind.IMMEDIATE16, "IMM32": OpKind.IMMEDIATE32,
    "IMM32SEX64": OpKind.IMMEDIATE32TO64, "IMM64": OpKind.IMMEDIATE64,
}  # fmt: skip
_IMMEDIATE_OP_KINDS = frozenset((*_IMMEDIATE_KINDS.values(), OpKind.IMMEDIATE8_2ND))
_IMPLIED_KINDS = {
    ("si", 8): OpKind.MEMORY_SEG_RSI, ("si", 4): OpKind.MEMORY_SEG_ESI, ("di", 8): OpKind.MEMORY_ESRDI, ("di", 4): OpKind.MEMORY_ESEDI,
    ("seg di", 8): OpKind.MEMORY_SEG_RDI, ("seg di", 4): OpKind.MEMORY_SEG_EDI,
}  # fmt: skip
_ROUNDINGS = {
    "rn-sae": RoundingControl.ROUND_TO_NEAREST, "rd-sae": RoundingControl.ROUND_DOWN, "ru-sae": RoundingControl.ROUND_UP,
    "rz-sae": RoundingControl.ROUND_TOWARD_ZERO,
}  # fmt: skip


def _build(form: Form, operation: Operation) -> Instruction:
    """The operation in the given form, as iced-x86 holds it."""
    iced_numbers = forms.iced_registers()
    instruction = Instruction()
    instruction.code = form.code
    given = list(operation.operands)
    spare = len(form.slots) - len(given)
    second_immediate = False
    for number, slot in enumerate(form.slots):
        if spare and slot.memory == "implied":
            operand: Operand = Memory(base=Register(f"{'e' if 'addr32' in operation.prefixes else 'r'}{slot.implied}"))
            spare -= 1
        elif spare and not operation.operands:
            operand = Register(next(iter(slot.registers)))
            spare -= 1
        else:
            operand = given.pop(0)
        match operand:
            case Register(name):
                instruction.set_op_kind(number, OpKind.REGISTER)
                instruction.set_op_register(number, iced_numbers[name])
            case Immediate(value):
                kind = _IMMEDIATE_KINDS[slot.name]
                if second_immediate:
                    kind = OpKind.IMMEDIATE8_2ND
                second_immediate = True
                instruction.set_op_kind(number, kind)
                instruction.set_immediate_u64(number, value & slot.mask)
            case Memory():
                _build_memory(instruction, number, slot, operand, iced_numbers)
                if "{disp8}" in operation.prefixes and operand.base is not None and -128 <= operand.displacement <= 127:
                    instruction.memory_displ_size = 1
                elif "{disp32}" in operation.prefixes:
                    instruction.memory_displ_size = forms.register_size(
                        next((one.name for one in (operand.base, operand.index) if one is not None), "rax")
                    )
                if form.info.address_size == 32 and operand.base is None and operand.index is None:
                    instruction.memory_displ_size = 4  # enqcmd ecx, [address]: the register's size is the address's
            case Target():
                raise TypeError("branches are encoded elsewhere")
    if operation.mask is not None:
        instruction.op_mask = iced_numbers[operation.mask.name]
    instruction.zeroing_masking = operation.zeroing
    if operation.rounding == "sae":
        instruction.suppress_all_exceptions = True
    elif operation.rounding is not None:
        instruction.rounding_control = _ROUNDINGS[operation.rounding]
    for prefix in operation.prefixes:
        match prefix:
            case "lock":
                instruction.has_lock_prefix = True
            case "rep" | "repe" | "repz":
                instruction.has_rep_prefix = True
            case "repne" | "repnz" | "bnd":
                instruction.has_repne_prefix = True
            case "xacquire":
                instruction.has_xacquire_prefix = True
            case "xrelease":
                instruction.has_xrelease_prefix = True
            case "notrack":
                instruction.segment_prefix = IcedRegister.DS
    if form.mnemonic in _REPEATED:
        instruction.has_rep_prefix = True
    return instruction


_REPEATED = frozenset(("xsha1", "xsha256", "xcryptcbc", "xcryptcfb", "xcryptctr", "xcryptecb", "xcryptofb"))
"""VIA PadLock: the rep prefix belongs to the instruction."""


def _build_memory(
    instruction: Instruction, number: int, slot: Slot, operand: Memory, iced_numbers: Mapping[str, forms.IcedNumber]
) -> None:
    if operand.segment is not None:
        instruction.segment_prefix = iced_numbers[operand.segment.name]
    base = operand.base.name if operand.base is not None else None
    if slot.memory == "implied":
        if slot.name == "SEG_RBX_AL":
            instruction.set_op_kind(number, OpKind.MEMORY)
            instruction.memory_base = iced_numbers[base or "rbx"]
            instruction.memory_index = iced_numbers["al"]
            return
        which = "seg di" if slot.name == "SEG_RDI" else slot.implied
        instruction.set_op_kind(number, _IMPLIED_KINDS[which, 4 if base is not None and base.startswith("e") else 8])
        return
    instruction.set_op_kind(number, OpKind.MEMORY)
    instruction.is_broadcast = operand.broadcast is not None
    if operand.base is not None:
        instruction.memory_base = iced_numbers[operand.base.name]
    if operand.index is not None:
        instruction.memory_index = iced_numbers[operand.index.name]
        instruction.memory_index_scale = operand.scale
    wide = (
        4
        if (base or (operand.index.name if operand.index is not None else "r"))[0] == "e" or (base or "").endswith("d")
        else 8
    )
    if base in ("rip", "eip"):
        instruction.memory_displ_size = 4 if base == "eip" else 8
        return  # the displacement is written over the encoded bytes
    instruction.memory_displacement = operand.displacement & ((1 << 64) - 1)
    if slot.memory == "moffs" or operand.movable or (base is None and operand.index is None):
        instruction.memory_displ_size = wide
    elif operand.displacement:
        instruction.memory_displ_size = 1 if base is not None else wide
    else:
        instruction.memory_displ_size = 0


_of_this_thread = threading.local()


def _iced_encoder() -> iced_x86.Encoder:
    if not hasattr(_of_this_thread, "encoder"):
        _of_this_thread.encoder = iced_x86.Encoder(64)
    encoder: iced_x86.Encoder = _of_this_thread.encoder
    return encoder


_PREFIX_ORDER = {
    byte: rank
    for rank, group in enumerate((b"\x9b", b"\x26\x2e\x36\x3e\x64\x65", b"\x67", b"\x66", b"\xf2\xf3", b"\xf0"))
    for byte in group
}


def _ordered(code: bytes) -> bytes:
    """The same instruction with its prefixes in GNU as' order; to the processor any order is the same."""
    if code[0] not in _PREFIX_ORDER:
        return code
    count = 1
    while count < len(code) and code[count] in _PREFIX_ORDER:
        count += 1
    if count < 2:
        return code
    prefixes = sorted((byte for byte in code[:count]), key=lambda byte: _PREFIX_ORDER[byte])
    return bytes(prefixes) + code[count:]


_RAW_PREFIXES = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "ds": 0x3E, "addr32": 0x67, "data16": 0x66}


def _is_raw(prefix: str) -> bool:
    """Whether the prefix is written out for its own sake: it changes nothing, or the instruction does not exist."""
    return prefix in _RAW_PREFIXES or prefix.strip("{}") in REX_PREFIXES


def _with_raw_prefixes(code: bytes, operation: Operation, form: Form) -> bytes:
    """The prefixes that are written out: before the rest, and REX before the opcode. Reading back shows if they harm."""
    before = b""
    for prefix in reversed(operation.prefixes):
        if prefix == "addr32" and _addresses_unwritten(form, operation):
            continue
        if prefix == "data16" and forms.has_data16(form):
            continue
        if prefix in _RAW_PREFIXES:
            before = bytes([_RAW_PREFIXES[prefix]]) + before
        elif (rex := REX_PREFIXES.get(prefix.strip("{}"))) is not None:
            place = next(place for place, byte in enumerate(code) if byte not in _PREFIX_ORDER)
            if form.encoding == iced_x86.EncodingKind.LEGACY and 0x40 <= code[place] <= 0x4F:
                code = code[:place] + bytes([code[place] | rex]) + code[place + 1 :]
            else:
                code = code[:place] + bytes([rex]) + code[place:]
    return before + code


def _addresses_unwritten(form: Form, operation: Operation) -> bool:
    """Whether the instruction goes to an address that is in no operand, so that the prefix is iced-x86's to write."""
    return not operation.operands and (
        form.info.address_size == 32 or any(slot.memory == "implied" for slot in form.slots)
    )


def _relative(operation: Operation) -> Memory | None:
    """The rip- or eip-relative operand, if there is one."""
    for operand in operation.operands:
        if isinstance(operand, Memory) and operand.base is not None and operand.base.name in ("rip", "eip"):
            return operand
    return None


def _encode(
    encoder: iced_x86.Encoder, instruction: Instruction, operation: Operation, form: Form, relative: Memory | None
) -> tuple[bytes, int] | None:
    """The bytes and where in them the displacement lies, or None if iced-x86 cannot say it so."""
    encoder.prevent_vex2 = "{vex3}" in operation.prefixes
    try:
        encoder.encode(instruction, 0)
    except ValueError:
        encoder.take_buffer()
        return None
    if relative is None:
        plain = _ordered(encoder.take_buffer())
        return (_with_raw_prefixes(plain, operation, form) if operation.prefixes else plain), 0
    # To iced-x86 a rip-relative displacement is the address meant; to us it is the number in the brackets.
    offset = encoder.get_constant_offsets().displacement_offset
    plain = _ordered(encoder.take_buffer())
    code = _with_raw_prefixes(plain, operation, form) if operation.prefixes else plain
    offset += len(code) - len(plain)
    return code[:offset] + (relative.displacement & 0xFFFFFFFF).to_bytes(4, "little") + code[offset + 4 :], offset


def _decoder(code: bytes) -> Decoder:
    return Decoder(64, code, DecoderOptions.MPX)


def _decodes_to(code: bytes, form: Form, meant: Instruction, operation: Operation) -> bool:
    """Whether iced-x86's decoder reads the bytes as one instruction, of this form, with these operands."""
    if form.info.fwait:
        if code[:1] != b"\x9b":
            return False
        return _decoded_equals(_decoder(code[1:]).decode(), len(code) - 1, meant, operation, form, fwait=True)
    return _decoded_equals(_decoder(code).decode(), len(code), meant, operation, form)


def _decoded_equals(
    read: Instruction, size: int, meant: Instruction, operation: Operation, form: Form, fwait: bool = False
) -> bool:
    if read.len != size or (read.code != meant.code and not fwait) or read.op_count != meant.op_count:
        return False
    for number in range(meant.op_count):
        kind = meant.op_kind(number)
        if read.op_kind(number) != kind:
            return False
        if kind == OpKind.REGISTER:
            if read.op_register(number) != meant.op_register(number):
                return False
        elif kind == OpKind.MEMORY:
            displacement = meant.memory_displacement
            relative = _relative(operation)
            if relative is not None:
                mask = 0xFFFFFFFF if meant.memory_base == IcedRegister.EIP else (1 << 64) - 1
                displacement = (relative.displacement + size) & mask
            elif 0 < read.memory_base <= IcedRegister.R15D or 0 < read.memory_index <= IcedRegister.R15D:
                displacement &= 0xFFFFFFFF
            if (
                read.memory_base != meant.memory_base
                or read.memory_index != meant.memory_index
                or (read.memory_index and read.memory_index_scale != meant.memory_index_scale)
                or read.memory_displacement != displacement
                or read.is_broadcast != meant.is_broadcast
            ):
                return False
        elif kind in _IMMEDIATE_OP_KINDS and read.immediate(number) != meant.immediate(number):
            return False
    segment_of_nothing = (
        any(prefix in forms.SEGMENT_PREFIXES for prefix in operation.prefixes)
        and not any(isinstance(operand, Memory) for operand in operation.operands)
        and not form.is_string
    )
    return (
        (read.segment_prefix == meant.segment_prefix or segment_of_nothing)
        and read.op_mask == meant.op_mask
        and read.zeroing_masking == meant.zeroing_masking
        and read.rounding_control == meant.rounding_control
        and read.suppress_all_exceptions == meant.suppress_all_exceptions
        and read.has_lock_prefix == meant.has_lock_prefix
        and read.has_rep_prefix == meant.has_rep_prefix
        and read.has_repne_prefix == meant.has_repne_prefix
    )


# ---- the second reader -----------------------------------------------------------------------------------------------


def _objection(seen: str, operation: Operation, form: Form) -> str:
    """What the disassembler's text says that the operation does not say; empty where they agree."""
    if any(map(_is_raw, operation.prefixes)):
        return _objection_to_plain(operation, form)
    read = disassembler.read_back(seen)
    if read is None:
        return "no single instruction"
    mnemonic = read.mnemonic
    operands: tuple[Operand, ...] = read.operands
    if form.info.fwait:
        mnemonic = mnemonic.replace("fn", "f", 1)
    if mnemonic != operation.mnemonic or len(operands) != len(operation.operands):
        there = forms.canonical(Operation(_CAPSTONE_NAMES.get(mnemonic, mnemonic), operands, read.prefixes))
        if there is None:
            return f"it is {mnemonic}"
        mnemonic, operands = there.mnemonic, there.operands
        if mnemonic != operation.mnemonic and operation.mnemonic.startswith("vpcmp"):
            # vpcmpb with predicate 0 is also called vpcmpeqb, which besides has an opcode of its own.
            mnemonic, operands = mnemonic.replace("vpcmpeq", "vpcmp"), (*operands, Immediate(0))
        if mnemonic != operation.mnemonic:
            return f"it is {mnemonic}"
        if not operation.operands and form.is_string:
            operands = ()
        if len(operands) != len(operation.operands):
            return "the count of operands"
    slots = forms.explicit_slots(form, operation)
    for slot, ours, theirs in zip(slots, operation.operands, operands, strict=True):
        if "notrack" in operation.prefixes and isinstance(theirs, Memory):
            theirs = replace(theirs, segment=None)  # its byte is that of ds, and Capstone shows both
        if not _same_operand(slot, form, ours, theirs):
            return f"operand {theirs}"
    decorations = {operation.mask.name} if operation.mask is not None else set()
    if operation.zeroing:
        decorations.add("z")
    if operation.rounding is not None:
        decorations.add(operation.rounding)
    if read.decorations != decorations:
        return f"in braces {sorted(read.decorations)}"
    if {_PREFIX_NAMES.get(name, name) for name in read.prefixes if name not in _SEEN_AT_TIMES} != {
        _PREFIX_NAMES.get(name, name)
        for name in operation.prefixes
        if name[0] != "{" and name != "movabs" and name not in _SEEN_AT_TIMES
    }:
        return f"prefixes {read.prefixes}"
    return ""


def _objection_to_plain(operation: Operation, form: Form) -> str:
    """The same without the prefixes that Capstone reads in its own way; iced-x86 has read them with it."""
    prefixes = tuple(
        prefix
        for prefix in operation.prefixes
        if not _is_raw(prefix) or (prefix == "addr32" and form.info.address_size == 32 and not form.slots)
    )
    if prefixes == operation.prefixes:
        return ""
    plain = operation._replace(prefixes=prefixes)
    made = _encode(_iced_encoder(), _build(form, plain), plain, form, _relative(plain))
    if made is None:
        return "nothing without its prefixes"
    (seen,) = disassembler.texts_of([made[0][1:] if form.info.fwait else made[0]], [form.mnemonic])
    return "" if seen == _written(plain, form) else _objection(seen, plain, form)


_PREFIX_NAMES = {"repe": "rep", "repz": "rep", "repnz": "repne"}
_SEEN_AT_TIMES = frozenset(("xacquire", "xrelease"))
"""Capstone does not show them behind other prefixes, nor before mov; iced-x86 does."""
_CAPSTONE_NAMES = {
    "lcall": "call", "ljmp": "jmp", "fdisi8087_nop": "fdisi", "feni8087_nop": "feni", "fsetpm": "fnsetpm", "vpcmpestri64": "vpcmpestriq", "vpcmpestrm64": "vpcmpestrmq",
}  # fmt: skip
_WIDE_NAMES_DROPPED = forms.SAME_IN_32_BITS | {"lar", "smsw", "tpause", "umwait", "vmovw"}
"""Capstone names the 32-bit (or 16-bit) register whatever the operand size."""


def _same_operand(slot: Slot, form: Form, ours: Operand, theirs: Operand) -> bool:
    match ours, theirs:
        case Register(one), Register(other):
            return one == other or (
                form.mnemonic in _WIDE_NAMES_DROPPED and forms.full_register(one) == forms.full_register(other)
            )
        case Immediate(one), Immediate(other):
            bits = slot.wrap or slot.width * 8
            if form.mnemonic.startswith("vcmp"):
                bits = 5  # the upper bits of a comparison's predicate are ignored, and do not show in its name
            return (one - other) % (1 << bits) == 0
        case Memory(), Memory():
            size = form.broadcast_size if ours.broadcast is not None else form.memory_size
            if slot.memory.startswith("vsib") or slot.memory == "implied":
                size = 0  # shown as the size of all elements, or of one
            narrow = any(
                register is not None and forms.register_size(register.name) == 4 for register in (ours.base, ours.index)
            )
            if ours.base is None and ours.scale == 1 and theirs.index is None and theirs.base == ours.index:
                theirs = replace(theirs, base=None, index=ours.index)  # `[rax*1]`, an index alone, is shown as `[rax]`
            return (
                ours.base == theirs.base
                and ours.index == theirs.index
                and (ours.index is None or ours.scale == theirs.scale)
                and (ours.displacement - theirs.displacement) % (1 << (32 if narrow else 64)) == 0
                and (ours.segment == theirs.segment or slot.memory == "implied")
                and ours.broadcast == theirs.broadcast
                and (not size or theirs.size in (None, size))
            )
    return False


# ---- what Keystone is asked -------------------------------------------------------------------------------------------


def _is_for_keystone(operation: Operation, form: Form) -> bool:
    """Whether Keystone is asked: not where it is known to read an operation wrongly or not at all."""
    memory = next((operand for operand in operation.operands if isinstance(operand, Memory)), None)
    if memory is not None:
        if form.is_evex and (memory.displacement or memory.movable):
            return False  # displacements of EVEX are not divided by the operand's size
        if memory.base is None and memory.index is None:
            return False  # plain addresses become rip-relative
        if memory.base is not None and memory.base.name == "eip":
            return False  # read as rax
        if memory.movable:
            return False  # there is no way to ask for a wide displacement
    braced = any(prefix.startswith("{") or _is_raw(prefix) for prefix in operation.prefixes)
    return not braced and form.mnemonic not in _BEYOND_KEYSTONE


def _written(operation: Operation, form: Form) -> str:
    """The operation as text, the way Capstone would write it."""
    words = [_spell_operand(operand, form) for operand in operation.operands]
    if operation.mask is not None:
        words[0] += f" {{{operation.mask.name}}}" + (" {z}" if operation.zeroing else "")
    if operation.rounding is not None:
        words.append(f"{{{operation.rounding}}}")
    text = f"{form.mnemonic} {', '.join(words)}" if words else form.mnemonic
    if operation.prefixes:
        if "movabs" in operation.prefixes:
            return text.replace("mov ", "movabs ", 1)
        return f"{' '.join(operation.prefixes)} {text}"
    return text


_BEYOND_KEYSTONE = frozenset(("nop", "endbr32", "endbr64", "salc", "ud0", "ud1", "int1"))
"""Refused, or encoded as something else."""


_SIZE_WORDS = {size: f"{word} ptr " for size, word in forms.SIZE_NAMES.items()}


def _spell_operand(operand: Operand, form: Form) -> str:
    if isinstance(operand, Register):
        return operand.name
    if isinstance(operand, Immediate):
        return _spell_number(operand.value)
    if isinstance(operand, Target):
        raise TypeError("branches are encoded here")
    size = form.broadcast_size if operand.broadcast is not None else operand.size or form.memory_size
    index, displacement = operand.index, operand.displacement
    text = operand.base.name if operand.base is not None else ""
    if index is not None:
        scale = f"*{operand.scale}" if operand.scale > 1 or not text else ""
        text += f"{' + ' if text else ''}{index.name}{scale}"
    if displacement > 0:
        text += f" + {_spell_number(displacement)}"
    elif displacement < 0:
        text += f" - {_spell_number(-displacement)}"
    segment = f"{operand.segment.name}:" if operand.segment is not None else ""
    broadcast = f"{{1to{operand.broadcast}}}" if operand.broadcast is not None else ""
    return f"{_SIZE_WORDS.get(size, '')}{segment}[{text}]{broadcast}"


def _spell_number(value: int) -> str:
    """As Capstone writes it; a digit is the same number under every radix that Keystone may have."""
    return f"{value}" if -10 < value < 10 else f"{value:#x}"


# ---- the encoder -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Placed:
    """An encoding without its address: a rip-relative displacement is filled in at `displacement_offset`."""

    encoding: Encoding
    displacement_offset: int


class _Kind:
    """What all operations of one outline have in common."""

    __slots__ = ("best", "candidates", "is_for_keystone", "is_relative", "masks", "mnemonic", "models")

    def __init__(self, operation: Operation, candidates: tuple[Form, ...], is_for_keystone: bool) -> None:
        self.mnemonic = operation.mnemonic
        self.candidates = candidates
        """The forms that say them, best first."""
        self.is_for_keystone = is_for_keystone
        self.is_relative = _relative(operation) is not None
        self.masks = [[slot.mask for slot in form.slots] for form in candidates]
        self.models = tuple(_build(form, operation) for form in candidates)
        """One such operation in each of the forms, as iced-x86 holds it."""
        self.best: int | None = None
        """Which of the forms is the shortest for all of them, once that is known."""

    def built(self, number: int, operation: Operation) -> Instruction:
        """Another such operation in the form of that number: the same but for its registers and numbers."""
        iced_numbers = forms.iced_registers()
        instruction = self.models[number].copy()
        for place, operand in enumerate(operation.operands):
            if isinstance(operand, Register):
                setattr(instruction, _REGISTER_OF[place], iced_numbers[operand.name])
            elif isinstance(operand, Immediate):
                instruction.set_immediate_u64(place, operand.value & self.masks[number][place])
            elif isinstance(operand, Memory):
                base, index = operand.base, operand.index
                if base is not None:
                    if base.name in ("rip", "eip"):
                        continue
                    instruction.memory_base = iced_numbers[base.name]
                if index is not None:
                    instruction.memory_index = iced_numbers[index.name]
                    instruction.memory_index_scale = operand.scale
                instruction.memory_displacement = operand.displacement & ((1 << 64) - 1)
        if operation.mask is not None:
            instruction.op_mask = iced_numbers[operation.mask.name]
        return instruction


_REGISTER_OF = ("op0_register", "op1_register", "op2_register", "op3_register", "op4_register")


class _Question:
    """An operation whose encoding is looked for."""

    __slots__ = ("candidates", "is_for_keystone", "kind", "operation", "text")

    def __init__(
        self, operation: Operation, candidates: tuple[Form, ...], is_for_keystone: bool, text: str, kind: _Kind | None
    ) -> None:
        self.operation = operation
        self.candidates = candidates
        self.is_for_keystone = is_for_keystone
        self.text = text
        """The operation as Capstone would write it."""
        self.kind = kind

    def encodings(self, encoder: iced_x86.Encoder) -> list[_Encoded]:
        """It in every form in which iced-x86 can say it: the preferred encoding space first, then the fewest bytes.

        Of the forms without VEX and EVEX the same one is the shortest for all of a kind: which prefixes they need
        hangs on the kinds of registers, and all of them have the same address behind the opcode. Only that one is tried.
        """
        kind, operation = self.kind, self.operation
        relative = _relative(operation) if kind is None or kind.is_relative else None
        if kind is not None and kind.best is not None:
            instruction = kind.built(kind.best, operation)
            made = _encode(encoder, instruction, operation, self.candidates[kind.best], relative)
            return [] if made is None else [_Encoded(self.candidates[kind.best], *made, instruction)]
        encoded: list[_Encoded] = []
        for order, form in enumerate(self.candidates):
            instruction = _build(form, operation) if kind is None else kind.built(order, operation)
            made = _encode(encoder, instruction, operation, form, relative)
            if made is not None:
                encoded.append(_Encoded(form, *made, instruction))
        if len(encoded) > 1:
            encoded.sort(key=lambda one: (forms.encoding_rank(one.form, operation), len(one.code)))
        if kind is not None and all(one.form.encoding == iced_x86.EncodingKind.LEGACY for one in encoded):
            kind.best = self.candidates.index(encoded[0].form) if encoded else None
        return encoded


class _Encoded(NamedTuple):
    """Bytes for an operation, and what they are to be."""

    form: Form
    code: bytes
    displacement_offset: int
    instruction: Instruction


_Key = Operation | tuple[_Kind, str]
"""What the encoding of an operation is remembered by: its kind and its text, or all of it."""


class CheckedEncoder:
    """The `Encoder` this package uses; safe to share between threads and across a fork."""

    _CACHE_SIZE = 16384
    _KINDS = 8192
    _BATCH = 1000
    _GROUP = 32
    """Instructions that go to Keystone as one line: it is ten times as fast as with one each."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._known: dict[_Key, _Placed | Refusal] = {}
        self._kinds: dict[Outline, _Kind] = {}
        self._answered: dict[int, tuple[Operation, Encoding | Refusal]] = {}
        """By identity, what was said to the very same operation: lines that are alike share theirs."""
        self._keystone = KeystoneChild()

    def encode(self, operations: Sequence[Operation]) -> list[Encoding | Refusal]:
        """Encode every operation at its own address; one answer for each, in order.

        Raises:
            EncoderLostError: The encoder's process broke twice on the same batch.
        """
        with self._lock:
            answered = self._answered
            answers: list[Encoding | Refusal | None] = []
            new: list[Operation] = []
            for operation in operations:
                found = answered.get(id(operation))
                if found is not None and found[0] is operation:
                    answers.append(found[1])
                else:
                    answers.append(None)
                    new.append(operation)
            if not new:
                return answers  # type: ignore[return-value]
            rest = iter(self._encode_new(new))
        return [next(rest) if answer is None else answer for answer in answers]

    def _encode_new(self, operations: Sequence[Operation]) -> list[Encoding | Refusal]:
        known = self._known
        fresh: dict[_Key, _Question] = {}
        keys: list[_Key | Encoding | Refusal] = []
        for operation in operations:
            outline = outline_of(operation)
            kind = self._kinds.get(outline) if outline is not None else None
            if kind is None:
                keys.append(self._look_at(operation, outline, fresh))
                continue
            text = _written(operation, kind.candidates[0])
            named = (kind, text)
            keys.append(named)
            if named not in known and named not in fresh:
                meant = _named(operation, kind.mnemonic)
                fresh[named] = _Question(meant, kind.candidates, kind.is_for_keystone, text, kind)
        if fresh:
            known |= zip(fresh, self._find_all(list(fresh.values())), strict=True)
        answers = []
        for key, operation in zip(keys, operations, strict=True):
            if isinstance(key, Encoding | Refusal):
                answers.append(key)
                continue
            answer = _place(key, known[key], operation)
            answers.append(answer)
            if operation.address == 0:
                self._answered[id(operation)] = (operation, answer)
        self._forget_the_oldest()
        return answers

    def _look_at(
        self, operation: Operation, outline: Outline | None, fresh: dict[_Key, _Question]
    ) -> _Key | Encoding | Refusal:
        """What an operation of no known kind is remembered by, or its answer where that needs no encoder."""
        meant = forms.canonical(operation)
        if meant is None:
            return refusals.unknown(operation.mnemonic)
        if meant.mnemonic != operation.mnemonic:
            refusal = refusals.misspelt(operation)
            if refusal is not None:
                return refusal
        if meant.operands and isinstance(meant.operands[-1], Target):
            answer = _branch(meant._replace(address=operation.address), meant.operands[-1])
            return _in_its_words(answer, meant.mnemonic, operation.mnemonic)
        plan = _without_target(meant)
        if plan not in self._known and plan not in fresh:
            candidates = forms.select(plan)
            refusal = refusals.refuse(plan, candidates)
            if refusal is not None:
                self._known[plan] = refusal
                return plan
            is_for_keystone = _is_for_keystone(plan, candidates[0])
            fresh[plan] = _Question(plan, candidates, is_for_keystone, _written(plan, candidates[0]), None)
            if outline is not None and _is_exemplary(operation, meant, candidates):
                if len(self._kinds) >= self._KINDS:
                    self._kinds.clear()
                self._kinds[outline] = _Kind(plan, candidates, is_for_keystone)
        return plan

    def _forget_the_oldest(self) -> None:
        if len(self._answered) > self._CACHE_SIZE:
            self._answered.clear()
        if len(self._known) > self._CACHE_SIZE:
            # The older half goes at once: to keep the order of use would cost every lookup.
            for key in list(self._known)[: len(self._known) - self._CACHE_SIZE // 2]:
                del self._known[key]

    def prepare(self) -> None:
        """Start the child process, so that it is ready by the time the first source has been read."""
        with self._lock, contextlib.suppress(EncoderLostError):  # the first request will say so again
            self._keystone.start()

    def close(self) -> None:
        """End the child process; the next request starts another."""
        with self._lock:
            self._keystone.stop()

    def after_fork(self) -> None:
        """In a forked copy: the child is the parent's, the lock may have been held by a thread that is not here."""
        self._lock = threading.RLock()
        self._keystone.forget()

    def _find_all(self, questions: list[_Question]) -> list[_Placed | Refusal]:
        """Keystone's encoding where it is right and as short as can be, otherwise iced-x86's; both checked."""
        texts = list(dict.fromkeys(question.text for question in questions if question.is_for_keystone))
        groups = [texts[start : start + self._GROUP] for start in range(0, len(texts), self._GROUP)]
        lines = [";".join(group) for group in groups]
        try:
            sent = self._send(lines[: self._BATCH])
            # Keystone works while iced-x86 does.
            by_iced = _shortest(questions)
            alike = {
                question.text: other.code
                for question, other in zip(questions, by_iced, strict=True)
                if question.is_for_keystone and other is not None
            }
            together = self._receive(lines, sent)
            codes: dict[str, bytes | None] = {}
            for group, line in zip(groups, lines, strict=True):
                if together[line] == b"".join([alike.get(text, b"") for text in group]):
                    codes.update((text, alike[text]) for text in group)
            # Where a group differs, each of it has to answer for itself.
            codes |= self._receive([text for text in texts if text not in codes], False)
        except BaseException:
            self._keystone.stop()  # interrupted in between: what it has yet to say would answer the next request
            raise
        chosen: list[_Encoded | None] = []
        for question, other in zip(questions, by_iced, strict=True):
            code = codes[question.text] if question.is_for_keystone else None
            if code is None or (other is not None and code == other.code):
                chosen.append(other)
                continue
            operation = question.operation
            believed = _believe(code, question.candidates, operation)
            chosen.append(
                min(
                    (one for one in (other, believed) if one is not None),
                    key=lambda one: (forms.encoding_rank(one.form, operation), len(one.code), one.form.rank),
                    default=None,
                )
            )
        return _read_by_capstone(questions, chosen)

    def _send(self, batch: list[str]) -> bool:
        """Send a batch to the child; False when there is none to take it."""
        if not batch:
            return False
        try:
            self._keystone.send(batch)
        except ChildLost:
            return False
        return True

    def _receive(self, texts: list[str], sent: bool) -> dict[str, bytes | None]:
        """Text -> Keystone's bytes; a child that is lost is replaced, and an instruction that kills two is skipped.

        Raises:
            EncoderLostError: Children were lost without one instruction being to blame.
        """
        answers: dict[str, bytes | None] = {}
        waiting = texts
        suspect: str | None = None
        losses = 0
        while waiting:
            batch = [suspect] if suspect is not None else waiting[: self._BATCH]
            try:
                if not sent:
                    self._keystone.send(batch)
                sent = False
                answers.update(zip(batch, self._keystone.receive(len(batch)), strict=True))
                suspect = None
            except ChildLost as lost:
                losses += 1
                (before,) = lost.args
                answers.update(zip(batch, before, strict=False))
                culprit = batch[len(before)] if len(before) < len(batch) else None
                if culprit is not None and culprit == suspect:
                    answers[culprit] = None
                    suspect = None
                elif losses > _LOSSES_ALLOWED:
                    raise EncoderLostError(
                        "The encoder's process (Keystone) was lost again and again. The program may still be right: run it once more."
                    ) from None
                else:
                    suspect = culprit
            waiting = [text for text in waiting if text not in answers]
        return answers


_LOSSES_ALLOWED = 4
"""Children lost in one request before it is given up: one, its replacement, and as much again for a second culprit."""


def _without_target(operation: Operation) -> Operation:
    """The operation with nothing in it that depends on where it lies."""
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.target is not None:
            operands = list(operation.operands)
            operands[number] = replace(operand, target=None, displacement=0)
            return operation._replace(operands=tuple(operands))
    return operation


def _is_exemplary(operation: Operation, meant: Operation, candidates: Sequence[Form]) -> bool:
    """Whether what was found out about the operation holds for all of its outline.

    Not where its operands were put into other words, and not where it matters that two registers are the same.
    """
    return (
        operation.operands == meant.operands
        and operation.prefixes == meant.prefixes
        and all(len(form.slots) == len(operation.operands) for form in candidates)
        and not any(slot.memory == "implied" for form in forms.forms_of(meant.mnemonic) for slot in form.slots)
        and not any(form.info.requires_unique_reg_nums for form in candidates)
    )


def _shortest(questions: Sequence[_Question]) -> list[_Encoded | None]:
    """For each the best encoding that iced-x86 makes and its decoder reads back as what was meant."""
    encoder = _iced_encoder()
    encodings = [question.encodings(encoder) for question in questions]
    # All the best ones are read in one go: a decoder is costly to begin with.
    decoder = _decoder(b"".join([found[0].code for found in encodings if found]))
    start = 0
    best: list[_Encoded | None] = []
    for question, found in zip(questions, encodings, strict=True):
        if not found:
            best.append(None)
            continue
        first = found[0]
        size = len(first.code)
        read = decoder.decode()
        start += size
        if read.len != size:
            decoder.position = start
        elif _is_same(read, first.instruction):
            best.append(first)
            continue
        best.append(
            next((one for one in found if _decodes_to(one.code, one.form, one.instruction, question.operation)), None)
        )
    return best


def _is_same(read: Instruction, meant: Instruction) -> bool:
    """Whether two instructions are the same in everything that they say; False also where it takes a closer look."""
    if meant.memory_displ_size:
        read.memory_displ_size = meant.memory_displ_size  # how many bytes the displacement takes says nothing
    return read == meant


def _read_by_capstone(questions: Sequence[_Question], chosen: Sequence[_Encoded | None]) -> list[_Placed | Refusal]:
    """The encodings in which Capstone, too, reads what was meant; a refusal for each of the others."""
    there = [one for one in chosen if one is not None]
    # What follows fwait is an instruction of its own.
    codes = [one.code[1:] if one.form.info.fwait else one.code for one in there]
    texts = iter(disassembler.texts_of(codes, [one.form.mnemonic for one in there]))
    found: list[_Placed | Refusal] = []
    for question, one in zip(questions, chosen, strict=True):
        if one is None:
            found.append(_refuse_unencodable(question.operation))
            continue
        seen, form = next(texts), one.form
        if not (seen == question.text and _is_of_one_size(form, question.candidates[0])) and (
            seen != _written(question.operation, form) and _objection(seen, question.operation, form)
        ):
            found.append(_refuse_unencodable(question.operation))
            continue
        shown = disassembler.as_typed(seen.replace("fn", "f", 1) if form.info.fwait else seen)
        if question.operation.prefixes or form.mnemonic in ("call", "jmp"):
            shown = disassembler.disassemble(one.code)[0].text  # Capstone leaves out some prefixes, and `far`
        found.append(_Placed(Encoding(one.code, shown, effects.features_of(form.code)), one.displacement_offset))
    return found


def _is_of_one_size(form: Form, other: Form) -> bool:
    """Whether two forms write their memory operands alike."""
    return form is other or (form.memory_size, form.broadcast_size) == (other.memory_size, other.broadcast_size)


def _believe(code: bytes, candidates: Sequence[Form], operation: Operation) -> _Encoded | None:
    """Keystone's bytes, if they are one of the forms that say the operation."""
    read = _decoder(code).decode()
    for form in candidates:
        if form.code == read.code:
            meant = _build(form, operation)
            if _decodes_to(code, form, meant, operation):
                return _Encoded(form, code, _decoder(code).get_constant_offsets(read).displacement_offset, meant)
    return None


def _in_its_words(answer: Encoding | Refusal, name: str, written: str) -> Encoding | Refusal:
    """A refusal speaks of the instruction as the source does: `setz`, not `sete`."""
    if name == written or isinstance(answer, Encoding):
        return answer
    said, meant = f"`{written}`", f"`{name}`"
    return replace(
        answer, message=answer.message.replace(meant, said), hint=answer.hint.replace(f"`{name} ", f"`{written} ")
    )


def _refuse_unencodable(operation: Operation) -> Refusal:
    """Forms take these operands, and still neither encoder says it so that it reads back right."""
    for prefix in operation.prefixes:
        if prefix in _RAW_PREFIXES or prefix in REX_PREFIXES:
            return Refusal("ASM120", f"`{prefix}` would make another instruction of this `{operation.mnemonic}`.", None)
        if prefix in ("{disp8}", "{disp32}"):
            return Refusal("ASM120", f"`{prefix}` does not go with this `{operation.mnemonic}`.", None)
    return Refusal("ASM199", f"The assembler has no checked encoding for this `{operation.mnemonic}`.", -1)


def _named(operation: Operation, mnemonic: str) -> Operation:
    """The operation under the instruction's one name here."""
    return operation if operation.mnemonic == mnemonic else operation._replace(mnemonic=mnemonic)


def _place(key: _Key, found: _Placed | Refusal, operation: Operation) -> Encoding | Refusal:
    """The encoding at the operation's own address."""
    if isinstance(found, _Placed):
        for operand in operation.operands:
            if isinstance(operand, Memory) and operand.target is not None:
                break
        else:
            return found.encoding
        encoding, start = found.encoding, found.displacement_offset
        code = encoding.code
        distance = operand.target - (operation.address + len(code))
        if -(1 << 31) <= distance < 1 << 31:
            code = code[:start] + distance.to_bytes(4, "little", signed=True) + code[start + 4 :]
            return Encoding(code, encoding.text, encoding.features)
        found = Refusal(
            "ASM117", "The address is more than 2 GiB away, further than rip-relative addressing reaches.", None
        )
    return _in_its_words(found, key.mnemonic if isinstance(key, Operation) else key[0].mnemonic, operation.mnemonic)


_shared: CheckedEncoder | None = None
_shared_lock = threading.Lock()


def default_encoder() -> Encoder:
    """The encoder that everything in this process shares."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = CheckedEncoder()
            _shared.prepare()
            atexit.register(_shared.close)
            os.register_at_fork(after_in_child=_shared.after_fork)
        return _shared
