"""First check: iced-x86's decoder must read the bytes as the instruction that was encoded."""

from __future__ import annotations

from collections.abc import Sequence

from iced_x86 import Decoder, DecoderOptions, Instruction, OpKind
from iced_x86 import Register as IcedRegister

from execmem_kernel.assembly.encoding.candidates import Candidate, Request
from execmem_kernel.assembly.encoding.iced_encoder import (
    IMMEDIATE_KINDS,
    build_instruction,
    relative_operand,
    thread_encoder,
)
from execmem_kernel.x86 import registers
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Memory, Operation

_IMMEDIATE_OP_KINDS = frozenset((*IMMEDIATE_KINDS.values(), OpKind.IMMEDIATE8_2ND))


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
            relative = relative_operand(operation)
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
        any(prefix in registers.SEGMENTS for prefix in operation.prefixes)
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


def shortest_encodings(questions: Sequence[Request]) -> list[Candidate | None]:
    """For each the best encoding that iced-x86 makes and its decoder reads back as what was meant."""
    encoder = thread_encoder()
    encodings = [question.encodings(encoder) for question in questions]
    # All the best ones are read in one go: a decoder is costly to begin with.
    decoder = _decoder(b"".join([found[0].code for found in encodings if found]))
    start = 0
    best: list[Candidate | None] = []
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


def verified_by_iced(code: bytes, candidates: Sequence[Form], operation: Operation) -> Candidate | None:
    """Keystone's bytes, if they are one of the forms that say the operation."""
    read = _decoder(code).decode()
    for form in candidates:
        if form.code == read.code:
            meant = build_instruction(form, operation)
            if _decodes_to(code, form, meant, operation):
                return Candidate(form, code, _decoder(code).get_constant_offsets(read).displacement_offset, meant)
    return None
