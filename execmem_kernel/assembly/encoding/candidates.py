"""Encoding requests, their candidate encodings, and what operations of one encoding class share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import iced_x86
from iced_x86 import Instruction

from execmem_kernel.assembly.encoding.iced_encoder import build_instruction, encode_instruction, relative_operand
from execmem_kernel.x86.forms import Form, iced_registers
from execmem_kernel.x86.operands import Encoding, Immediate, Memory, Operation, Register
from execmem_kernel.x86.registers import MASK
from execmem_kernel.x86.selection import encoding_rank


@dataclass(frozen=True, slots=True)
class PositionedEncoding:
    """An encoding without its address: a rip-relative displacement is filled in at `displacement_offset`."""

    encoding: Encoding
    displacement_offset: int


class Candidate(NamedTuple):
    """Bytes for an operation, and the instruction that they have to be decoded as."""

    form: Form
    code: bytes
    displacement_offset: int
    instruction: Instruction


_REGISTER_OF = ("op0_register", "op1_register", "op2_register", "op3_register", "op4_register")


class EncodingClass:
    """What all operations of one encoding key have in common."""

    __slots__ = ("best", "candidates", "is_for_keystone", "is_relative", "masks", "mnemonic", "models")

    def __init__(self, operation: Operation, candidates: tuple[Form, ...], is_for_keystone: bool) -> None:
        self.mnemonic = operation.mnemonic
        self.candidates = candidates
        """The forms that say them, best first."""
        self.is_for_keystone = is_for_keystone
        self.is_relative = relative_operand(operation) is not None
        self.masks = [[slot.mask for slot in form.slots] for form in candidates]
        self.models = tuple(build_instruction(form, operation) for form in candidates)
        """One such operation in each of the forms, as iced-x86 holds it."""
        self.best: int | None = None
        """Index of the form that is the shortest for all of them, once that is known."""

    def instruction(self, form: int, operation: Operation) -> Instruction:
        """An operation of this class in the form of that index: the model with other registers and numbers."""
        iced_numbers = iced_registers()
        instruction = self.models[form].copy()
        for number, operand in enumerate(operation.operands):
            if isinstance(operand, Register):
                setattr(instruction, _REGISTER_OF[number], iced_numbers[operand.name])
            elif isinstance(operand, Immediate):
                instruction.set_immediate_u64(number, operand.value & self.masks[form][number])
            elif isinstance(operand, Memory):
                base, index = operand.base, operand.index
                if base is not None:
                    if base.name in ("rip", "eip"):
                        continue
                    instruction.memory_base = iced_numbers[base.name]
                if index is not None:
                    instruction.memory_index = iced_numbers[index.name]
                    instruction.memory_index_scale = operand.scale
                instruction.memory_displacement = operand.displacement & MASK
        if operation.mask is not None:
            instruction.op_mask = iced_numbers[operation.mask.name]
        return instruction


class Request:
    """An operation whose encoding is looked for."""

    __slots__ = ("candidates", "encoding_class", "is_for_keystone", "operation", "text")

    def __init__(
        self,
        operation: Operation,
        candidates: tuple[Form, ...],
        is_for_keystone: bool,
        text: str,
        encoding_class: EncodingClass | None,
    ) -> None:
        self.operation = operation
        self.candidates = candidates
        """The forms that say it, best first."""
        self.is_for_keystone = is_for_keystone
        self.text = text
        """The operation as Capstone would write it."""
        self.encoding_class = encoding_class
        """What it shares with others, once one of them has been looked at."""

    def encodings(self, encoder: iced_x86.Encoder) -> list[Candidate]:
        """It in every form in which iced-x86 can say it: the preferred encoding space first, then the fewest bytes.

        Of the forms without VEX and EVEX the same one is the shortest for a whole encoding class: which prefixes they
        need follows from the kinds of registers, and all of them have the same address behind the opcode. Only that
        one is tried.
        """
        shared, operation = self.encoding_class, self.operation
        relative = relative_operand(operation) if shared is None or shared.is_relative else None
        if shared is not None and shared.best is not None:
            instruction = shared.instruction(shared.best, operation)
            made = encode_instruction(encoder, instruction, operation, self.candidates[shared.best], relative)
            return [] if made is None else [Candidate(self.candidates[shared.best], *made, instruction)]
        encoded: list[Candidate] = []
        for order, form in enumerate(self.candidates):
            instruction = build_instruction(form, operation) if shared is None else shared.instruction(order, operation)
            made = encode_instruction(encoder, instruction, operation, form, relative)
            if made is not None:
                encoded.append(Candidate(form, *made, instruction))
        if len(encoded) > 1:
            encoded.sort(key=lambda one: (encoding_rank(one.form, operation), len(one.code)))
        if shared is not None and all(one.form.encoding == iced_x86.EncodingKind.LEGACY for one in encoded):
            shared.best = self.candidates.index(encoded[0].form) if encoded else None
        return encoded
