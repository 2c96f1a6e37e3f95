"""An operation in one instruction form, built and encoded with iced-x86."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

import threading
from collections.abc import Iterator

import iced_x86
from iced_x86 import Instruction, OpKind, RoundingControl
from iced_x86 import Register as IcedRegister

from execmem_kernel.x86.forms import Form, Slot, iced_registers
from execmem_kernel.x86.operands import REX_PREFIXES, Immediate, Memory, Operand, Operation, Register, Target
from execmem_kernel.x86.registers import MASK, register_size
from execmem_kernel.x86.selection import has_data16

IMMEDIATE_KINDS = {
    "IMM4_M2Z": OpKind.IMMEDIATE8, "IMM8": OpKind.IMMEDIATE8, "IMM8_CONST_1": OpKind.IMMEDIATE8, "IMM8SEX16": OpKind.IMMEDIATE8TO16,
    "IMM8SEX32": OpKind.IMMEDIATE8TO32, "IMM8SEX64": OpKind.IMMEDIATE8TO64, "IMM16": OpKind.IMMEDIATE16, "IMM32": OpKind.IMMEDIATE32,
    "IMM32SEX64": OpKind.IMMEDIATE32TO64, "IMM64": OpKind.IMMEDIATE64,
}  # fmt: skip
"""Name of a slot for an immediate -> the kind of operand that iced-x86 has for it."""
_IMPLIED_KINDS = {
    ("si", 8): OpKind.MEMORY_SEG_RSI, ("si", 4): OpKind.MEMORY_SEG_ESI, ("di", 8): OpKind.MEMORY_ESRDI, ("di", 4): OpKind.MEMORY_ESEDI,
    ("seg di", 8): OpKind.MEMORY_SEG_RDI, ("seg di", 4): OpKind.MEMORY_SEG_EDI,
}  # fmt: skip
"""The pointer of an implied memory operand, with its size in bytes -> iced-x86's kind."""
_ROUNDINGS = {
    "rn-sae": RoundingControl.ROUND_TO_NEAREST, "rd-sae": RoundingControl.ROUND_DOWN, "ru-sae": RoundingControl.ROUND_UP,
    "rz-sae": RoundingControl.ROUND_TOWARD_ZERO,
}  # fmt: skip
_PREFIX_FLAGS = {
    "lock": "has_lock_prefix", "rep": "has_rep_prefix", "repe": "has_rep_prefix", "repz": "has_rep_prefix", "repne": "has_repne_prefix",
    "repnz": "has_repne_prefix", "bnd": "has_repne_prefix", "xacquire": "has_xacquire_prefix", "xrelease": "has_xrelease_prefix",
}  # fmt: skip
"""Prefix -> the flag of iced-x86's instruction that stands for its byte."""
_REPEATED = frozenset(("xsha1", "xsha256", "xcryptcbc", "xcryptcfb", "xcryptctr", "xcryptecb", "xcryptofb"))
"""VIA PadLock: the rep prefix belongs to the instruction."""


# ---- building --------------------------------------------------------------------------------------------------------


def build_instruction(form: Form, operation: Operation) -> Instruction:
    """The operation in the given form, as iced-x86 holds it.

    Raises:
        TypeError: An operand is the target of a branch; branches.py encodes those.
    """
    iced_numbers = iced_registers()
    instruction = Instruction()
    instruction.code = form.code
    has_immediate = False
    for number, (slot, operand) in enumerate(_filled_slots(form, operation)):
        match operand:
            case Register(name):
                instruction.set_op_kind(number, OpKind.REGISTER)
                instruction.set_op_register(number, iced_numbers[name])
            case Immediate(value):
                # enter, extrq and insertq have two; of the second, a byte, iced-x86 makes a kind of its own.
                instruction.set_op_kind(number, OpKind.IMMEDIATE8_2ND if has_immediate else IMMEDIATE_KINDS[slot.name])
                instruction.set_immediate_u64(number, value & slot.mask)
                has_immediate = True
            case Memory():
                _set_memory(instruction, number, slot, operand)
                _ask_for_displacement_size(instruction, form, operand, operation.prefixes)
            case Target():
                raise TypeError("branches are encoded elsewhere")
    _set_decorations(instruction, operation)
    for prefix in operation.prefixes:
        if prefix in _PREFIX_FLAGS:
            setattr(instruction, _PREFIX_FLAGS[prefix], True)
        elif prefix == "notrack":
            instruction.segment_prefix = IcedRegister.DS  # the same byte
    if form.mnemonic in _REPEATED:
        instruction.has_rep_prefix = True
    return instruction


def _filled_slots(form: Form, operation: Operation) -> Iterator[tuple[Slot, Operand]]:
    """Every slot of the form with its operand; what the operation leaves out is as the slot implies."""
    given = iter(operation.operands)
    left_out = len(form.slots) - len(operation.operands)
    for slot in form.slots:
        if left_out and slot.memory == "implied":
            left_out -= 1
            yield slot, Memory(base=Register(f"{'e' if 'addr32' in operation.prefixes else 'r'}{slot.implied}"))
        elif left_out and not operation.operands:
            left_out -= 1
            yield slot, Register(next(iter(slot.registers)))
        else:
            yield slot, next(given)


def _set_decorations(instruction: Instruction, operation: Operation) -> None:
    if operation.mask is not None:
        instruction.op_mask = iced_registers()[operation.mask.name]
    instruction.zeroing_masking = operation.zeroing
    if operation.rounding == "sae":
        instruction.suppress_all_exceptions = True
    elif operation.rounding is not None:
        instruction.rounding_control = _ROUNDINGS[operation.rounding]


def _set_memory(instruction: Instruction, number: int, slot: Slot, operand: Memory) -> None:
    iced_numbers = iced_registers()
    if operand.segment is not None:
        instruction.segment_prefix = iced_numbers[operand.segment.name]
    base, index = operand.base, operand.index
    if slot.memory == "implied":
        _set_implied_memory(instruction, number, slot, base.name if base is not None else "")
        return
    instruction.set_op_kind(number, OpKind.MEMORY)
    instruction.is_broadcast = operand.broadcast is not None
    if base is not None:
        instruction.memory_base = iced_numbers[base.name]
    if index is not None:
        instruction.memory_index = iced_numbers[index.name]
        instruction.memory_index_scale = operand.scale
    if base is None or base.name not in ("rip", "eip"):
        instruction.memory_displacement = operand.displacement & MASK
    # A displacement that rip is added to is written over the encoded bytes.
    instruction.memory_displ_size = _displacement_size(slot, operand)


def _set_implied_memory(instruction: Instruction, number: int, slot: Slot, pointer: str) -> None:
    """Memory at rsi, rdi or rbx, which the instruction does not encode; `pointer` is the register where it is written."""
    if slot.name == "SEG_RBX_AL":  # xlatb
        instruction.set_op_kind(number, OpKind.MEMORY)
        instruction.memory_base = iced_registers()[pointer or "rbx"]
        instruction.memory_index = iced_registers()["al"]
        return
    which = "seg di" if slot.name == "SEG_RDI" else slot.implied
    instruction.set_op_kind(number, _IMPLIED_KINDS[which, 4 if pointer.startswith("e") else 8])


def _displacement_size(slot: Slot, operand: Memory) -> int:
    """What iced-x86 is to know of the displacement: 0 leaves it out, 1 is as short as can be, otherwise all its bytes."""
    base, index = operand.base, operand.index
    first = base or index
    narrow = first is not None and (first.name[0] == "e" or (first is base and first.name[-1] == "d"))
    whole = 4 if narrow else 8
    if base is None:
        no_address = index is None
        return whole if no_address or operand.displacement or slot.memory == "moffs" or operand.movable else 0
    if base.name in ("rip", "eip") or slot.memory == "moffs" or operand.movable:
        return whole
    return 1 if operand.displacement else 0


def _ask_for_displacement_size(
    instruction: Instruction, form: Form, operand: Memory, prefixes: tuple[str, ...]
) -> None:
    """`{disp8}` and `{disp32}`, and the one instruction whose register says how wide its address is."""
    base, index = operand.base, operand.index
    if "{disp8}" in prefixes and base is not None and -128 <= operand.displacement <= 127:
        instruction.memory_displ_size = 1
    elif "{disp32}" in prefixes:
        first = base or index
        instruction.memory_displ_size = register_size(first.name if first is not None else "rax")
    if form.info.address_size == 32 and base is None and index is None:
        instruction.memory_displ_size = 4  # enqcmd ecx, [address]


# ---- encoding --------------------------------------------------------------------------------------------------------

_of_this_thread = threading.local()


def thread_encoder() -> iced_x86.Encoder:
    """This thread's encoder of iced-x86, which holds a buffer and must not be shared."""
    if not hasattr(_of_this_thread, "encoder"):
        _of_this_thread.encoder = iced_x86.Encoder(64)
    encoder: iced_x86.Encoder = _of_this_thread.encoder
    return encoder


def relative_operand(operation: Operation) -> Memory | None:
    """The rip- or eip-relative operand, if there is one."""
    for operand in operation.operands:
        if isinstance(operand, Memory) and operand.base is not None and operand.base.name in ("rip", "eip"):
            return operand
    return None


def encode_instruction(
    encoder: iced_x86.Encoder, instruction: Instruction, operation: Operation, form: Form, relative: Memory | None
) -> tuple[bytes, int] | None:
    """The bytes of a built instruction and the offset of its displacement in them; None if iced-x86 has no such bytes.

    Args:
        encoder: This thread's.
        instruction: The operation as `build_instruction` made it.
        operation: What is encoded, for its prefixes.
        form: In which form.
        relative: Its rip- or eip-relative operand, as `relative_operand` finds it.
    """
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


# ---- prefixes --------------------------------------------------------------------------------------------------------

_PREFIX_ORDER = {
    byte: rank
    for rank, group in enumerate((b"\x9b", b"\x26\x2e\x36\x3e\x64\x65", b"\x67", b"\x66", b"\xf2\xf3", b"\xf0"))
    for byte in group
}
"""Byte of a prefix -> its place among others in what GNU as writes. Source: the *_PREFIX numbers of binutils 2.40,
gas/config/tc-i386.c."""
RAW_PREFIXES = {"es": 0x26, "cs": 0x2E, "ss": 0x36, "ds": 0x3E, "addr32": 0x67, "data16": 0x66}
"""Prefix that is written out for its own sake -> its byte; REX_PREFIXES has the others."""


def is_raw_prefix(prefix: str) -> bool:
    """Whether the prefix is written out for its own sake: it changes nothing, or the instruction does not exist."""
    return prefix in RAW_PREFIXES or prefix.strip("{}") in REX_PREFIXES


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


def _with_raw_prefixes(code: bytes, operation: Operation, form: Form) -> bytes:
    """The prefixes that are written out: before the rest, and REX before the opcode. Reading back shows if they harm."""
    before = b""
    for prefix in reversed(operation.prefixes):
        if prefix == "addr32" and _addresses_unwritten(form, operation):
            continue
        if prefix == "data16" and has_data16(form):
            continue
        if prefix in RAW_PREFIXES:
            before = bytes([RAW_PREFIXES[prefix]]) + before
        elif (rex := REX_PREFIXES.get(prefix.strip("{}"))) is not None:
            opcode = next(offset for offset, byte in enumerate(code) if byte not in _PREFIX_ORDER)
            if form.encoding == iced_x86.EncodingKind.LEGACY and 0x40 <= code[opcode] <= 0x4F:
                code = code[:opcode] + bytes([code[opcode] | rex]) + code[opcode + 1 :]
            else:
                code = code[:opcode] + bytes([rex]) + code[opcode:]
    return before + code


def _addresses_unwritten(form: Form, operation: Operation) -> bool:
    """Whether the instruction goes to an address that is in no operand, so that the prefix is iced-x86's to write."""
    return not operation.operands and (
        form.info.address_size == 32 or any(slot.memory == "implied" for slot in form.slots)
    )
