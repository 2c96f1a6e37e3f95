"""First check: iced-x86's decoder must read the bytes as the instruction that was encoded."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from iced_x86 import Decoder, DecoderOptions, Instruction, OpKind
from iced_x86 import Register as IcedRegister

from execmem_kernel.assembly.encoding.candidates import Candidate, Request
from execmem_kernel.assembly.encoding.iced_encoder import (
    IMMEDIATE_KINDS,
    build_instruction,
    relative_operand,
    thread_encoder,
)
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Memory, Operation
from execmem_kernel.x86.registers import MASK, SEGMENTS


def shortest_encodings(requests: Sequence[Request]) -> list[Candidate | None]:
    """For each the best encoding that iced-x86 makes and its decoder reads back as what was meant."""
    encoder = thread_encoder()
    encodings = [request.encodings(encoder) for request in requests]
    # All the best ones are read in one go: a decoder is costly to begin with.
    decoder = _decoder(b"".join([found[0].code for found in encodings if found]))
    start = 0
    best: list[Candidate | None] = []
    for request, found in zip(requests, encodings, strict=True):
        if not found:
            best.append(None)
            continue
        first = found[0]
        size = len(first.code)
        read = decoder.decode()
        start += size
        if read.len != size:
            decoder.position = start
        elif _is_identical(read, first.instruction):
            best.append(first)
            continue
        best.append(
            next((one for one in found if _decodes_to(one.code, one.form, one.instruction, request.operation)), None)
        )
    return best


def verified_by_iced(code: bytes, candidates: Sequence[Form], operation: Operation) -> Candidate | None:
    """Bytes that another encoder made, if they are the operation in one of its forms.

    Args:
        code: The bytes of one instruction.
        candidates: The forms that say the operation.
        operation: What they are to say.
    """
    read = _decoder(code).decode()
    for form in candidates:
        if form.code == read.code:
            meant = build_instruction(form, operation)
            if _decodes_to(code, form, meant, operation):
                return Candidate(form, code, _decoder(code).get_constant_offsets(read).displacement_offset, meant)
    return None


def _decoder(code: bytes) -> Decoder:
    return Decoder(64, code, DecoderOptions.MPX)


def _is_identical(read: Instruction, meant: Instruction) -> bool:
    """Whether two instructions are the same in everything that they say; False also where it takes a closer look."""
    if meant.memory_displ_size:
        read.memory_displ_size = meant.memory_displ_size  # how many bytes the displacement takes says nothing
    return read == meant


def _decodes_to(code: bytes, form: Form, meant: Instruction, operation: Operation) -> bool:
    """Whether iced-x86's decoder reads the bytes as one instruction, of this form, with these operands."""
    if form.info.fwait:
        # To the decoder fwait is an instruction of its own, and what follows has another code.
        if code[:1] != b"\x9b":
            return False
        code = code[1:]
    read = _decoder(code).decode()
    return (
        read.len == len(code)
        and (read.code == meant.code or form.info.fwait)
        and read.op_count == meant.op_count
        and all(_is_same_operand(number, read, meant, operation) for number in range(meant.op_count))
        and (read.segment_prefix == meant.segment_prefix or _has_idle_segment(operation, form))
        and _decorations(read) == _decorations(meant)
    )


_decorations = attrgetter(
    "op_mask",
    "zeroing_masking",
    "rounding_control",
    "suppress_all_exceptions",
    "has_lock_prefix",
    "has_rep_prefix",
    "has_repne_prefix",
)
_IMMEDIATE_OP_KINDS = frozenset((*IMMEDIATE_KINDS.values(), OpKind.IMMEDIATE8_2ND))


def _is_same_operand(number: int, read: Instruction, meant: Instruction, operation: Operation) -> bool:
    kind = meant.op_kind(number)
    if read.op_kind(number) != kind:
        return False
    if kind == OpKind.REGISTER:
        return read.op_register(number) == meant.op_register(number)
    if kind == OpKind.MEMORY:
        return _is_same_memory(read, meant, operation)
    return kind not in _IMMEDIATE_OP_KINDS or read.immediate(number) == meant.immediate(number)


def _is_same_memory(read: Instruction, meant: Instruction, operation: Operation) -> bool:
    return (
        read.memory_base == meant.memory_base
        and read.memory_index == meant.memory_index
        and (not read.memory_index or read.memory_index_scale == meant.memory_index_scale)
        and read.memory_displacement == _displacement_read(read, meant, operation)
        and read.is_broadcast == meant.is_broadcast
    )


def _displacement_read(read: Instruction, meant: Instruction, operation: Operation) -> int:
    """The displacement that was meant, as the decoder says it: an absolute address, or cut to the address's size."""
    relative = relative_operand(operation)
    if relative is not None:
        mask = 0xFFFFFFFF if meant.memory_base == IcedRegister.EIP else MASK
        return (relative.displacement + read.len) & mask
    if 0 < read.memory_base <= IcedRegister.R15D or 0 < read.memory_index <= IcedRegister.R15D:
        return meant.memory_displacement & 0xFFFFFFFF
    return meant.memory_displacement


def _has_idle_segment(operation: Operation, form: Form) -> bool:
    """Whether a segment prefix is written before an instruction without memory, where it says nothing."""
    return (
        any(prefix in SEGMENTS for prefix in operation.prefixes)
        and not any(isinstance(operand, Memory) for operand in operation.operands)
        and not form.is_string
    )
