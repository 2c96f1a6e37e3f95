"""An operation in one instruction form, built and encoded with iced-x86."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import threading
from collections.abc import Mapping

import iced_x86
from iced_x86 import Instruction, OpKind, RoundingControl
from iced_x86 import Register as IcedRegister

from execmem_kernel.x86 import forms, registers, selection
from execmem_kernel.x86.forms import Form, Slot
from execmem_kernel.x86.operands import REX_PREFIXES, Immediate, Memory, Operand, Operation, Register, Target

# ---- iced-x86 --------------------------------------------------------------------------------------------------------


IMMEDIATE_KINDS = {
    "IMM4_M2Z": OpKind.IMMEDIATE8, "IMM8": OpKind.IMMEDIATE8, "IMM8_CONST_1": OpKind.IMMEDIATE8, "IMM8SEX16": OpKind.IMMEDIATE8TO16,
    "IMM8SEX32": OpKind.IMMEDIATE8TO32, "IMM8SEX64": OpKind.IMMEDIATE8TO64, "IMM16": OpKind.IMMEDIATE16, "IMM32": OpKind.IMMEDIATE32,
    "IMM32SEX64": OpKind.IMMEDIATE32TO64, "IMM64": OpKind.IMMEDIATE64,
}  # fmt: skip


_IMPLIED_KINDS = {
    ("si", 8): OpKind.MEMORY_SEG_RSI, ("si", 4): OpKind.MEMORY_SEG_ESI, ("di", 8): OpKind.MEMORY_ESRDI, ("di", 4): OpKind.MEMORY_ESEDI,
    ("seg di", 8): OpKind.MEMORY_SEG_RDI, ("seg di", 4): OpKind.MEMORY_SEG_EDI,
}  # fmt: skip


_ROUNDINGS = {
    "rn-sae": RoundingControl.ROUND_TO_NEAREST, "rd-sae": RoundingControl.ROUND_DOWN, "ru-sae": RoundingControl.ROUND_UP,
    "rz-sae": RoundingControl.ROUND_TOWARD_ZERO,
}  # fmt: skip


def build_instruction(form: Form, operation: Operation) -> Instruction:
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
                kind = IMMEDIATE_KINDS[slot.name]
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
                    instruction.memory_displ_size = registers.register_size(
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


def thread_encoder() -> iced_x86.Encoder:
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


RAW_PREFIXES = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "ds": 0x3E, "addr32": 0x67, "data16": 0x66}


def is_raw_prefix(prefix: str) -> bool:
    """Whether the prefix is written out for its own sake: it changes nothing, or the instruction does not exist."""
    return prefix in RAW_PREFIXES or prefix.strip("{}") in REX_PREFIXES


def _with_raw_prefixes(code: bytes, operation: Operation, form: Form) -> bytes:
    """The prefixes that are written out: before the rest, and REX before the opcode. Reading back shows if they harm."""
    before = b""
    for prefix in reversed(operation.prefixes):
        if prefix == "addr32" and _addresses_unwritten(form, operation):
            continue
        if prefix == "data16" and selection.has_data16(form):
            continue
        if prefix in RAW_PREFIXES:
            before = bytes([RAW_PREFIXES[prefix]]) + before
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


def relative_operand(operation: Operation) -> Memory | None:
    """The rip- or eip-relative operand, if there is one."""
    for operand in operation.operands:
        if isinstance(operand, Memory) and operand.base is not None and operand.base.name in ("rip", "eip"):
            return operand
    return None


def encode_instruction(
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
