"""Second check: Capstone's text of the bytes must say what the operation says."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from execmem_kernel.assembly.encoding import read_back
from execmem_kernel.assembly.encoding.candidates import Candidate, PositionedEncoding, Request
from execmem_kernel.assembly.encoding.canonical_text import canonical_text
from execmem_kernel.assembly.encoding.iced_encoder import (
    RAW_PREFIXES,
    build_instruction,
    encode_instruction,
    is_raw_prefix,
    relative_operand,
    thread_encoder,
)
from execmem_kernel.x86 import canonical_form, disassembler, features, instruction_text, registers, selection
from execmem_kernel.x86.forms import Form, Slot
from execmem_kernel.x86.operands import REX_PREFIXES, Encoding, Immediate, Memory, Operand, Operation, Refusal, Register

# ---- the second reader -----------------------------------------------------------------------------------------------


def _objection(seen: str, operation: Operation, form: Form) -> str:
    """What the disassembler's text says that the operation does not say; empty where they agree."""
    if any(map(is_raw_prefix, operation.prefixes)):
        return _objection_without_raw_prefixes(operation, form)
    read = read_back.read_back(seen)
    if read is None:
        return "no single instruction"
    mnemonic = read.mnemonic
    operands: tuple[Operand, ...] = read.operands
    if form.info.fwait:
        mnemonic = mnemonic.replace("fn", "f", 1)
    if mnemonic != operation.mnemonic or len(operands) != len(operation.operands):
        there = canonical_form.canonical(Operation(_CAPSTONE_NAMES.get(mnemonic, mnemonic), operands, read.prefixes))
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
    slots = selection.explicit_slots(form, operation)
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
    if {_PREFIX_NAMES.get(name, name) for name in read.prefixes if name not in _NOT_ALWAYS_SHOWN} != {
        _PREFIX_NAMES.get(name, name)
        for name in operation.prefixes
        if name[0] != "{" and name != "movabs" and name not in _NOT_ALWAYS_SHOWN
    }:
        return f"prefixes {read.prefixes}"
    return ""


def _objection_without_raw_prefixes(operation: Operation, form: Form) -> str:
    """The same without the prefixes that Capstone reads in its own way; iced-x86 has read them with it."""
    prefixes = tuple(
        prefix
        for prefix in operation.prefixes
        if not is_raw_prefix(prefix) or (prefix == "addr32" and form.info.address_size == 32 and not form.slots)
    )
    if prefixes == operation.prefixes:
        return ""
    plain = operation._replace(prefixes=prefixes)
    made = encode_instruction(thread_encoder(), build_instruction(form, plain), plain, form, relative_operand(plain))
    if made is None:
        return "nothing without its prefixes"
    (seen,) = instruction_text.texts_of([made[0][1:] if form.info.fwait else made[0]], [form.mnemonic])
    return "" if seen == canonical_text(plain, form) else _objection(seen, plain, form)


_PREFIX_NAMES = {"repe": "rep", "repz": "rep", "repnz": "repne"}


_NOT_ALWAYS_SHOWN = frozenset(("xacquire", "xrelease"))
"""Capstone does not show them behind other prefixes, nor before mov; iced-x86 does."""


_CAPSTONE_NAMES = {
    "lcall": "call", "ljmp": "jmp", "fdisi8087_nop": "fdisi", "feni8087_nop": "feni", "fsetpm": "fnsetpm", "vpcmpestri64": "vpcmpestriq", "vpcmpestrm64": "vpcmpestrmq",
}  # fmt: skip


_WIDE_NAMES_DROPPED = canonical_form.SAME_IN_32_BITS | {"lar", "smsw", "tpause", "umwait", "vmovw"}
"""Capstone names the 32-bit (or 16-bit) register whatever the operand size."""


def _same_operand(slot: Slot, form: Form, ours: Operand, theirs: Operand) -> bool:
    match ours, theirs:
        case Register(one), Register(other):
            return one == other or (
                form.mnemonic in _WIDE_NAMES_DROPPED and registers.full_register(one) == registers.full_register(other)
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
                register is not None and registers.register_size(register.name) == 4
                for register in (ours.base, ours.index)
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


def verified_by_capstone(
    questions: Sequence[Request], chosen: Sequence[Candidate | None]
) -> list[PositionedEncoding | Refusal]:
    """The encodings in which Capstone, too, reads what was meant; a refusal for each of the others."""
    there = [one for one in chosen if one is not None]
    # What follows fwait is an instruction of its own.
    codes = [one.code[1:] if one.form.info.fwait else one.code for one in there]
    texts = iter(instruction_text.texts_of(codes, [one.form.mnemonic for one in there]))
    found: list[PositionedEncoding | Refusal] = []
    for question, one in zip(questions, chosen, strict=True):
        if one is None:
            found.append(_refuse_unencodable(question.operation))
            continue
        seen, form = next(texts), one.form
        if not (seen == question.text and _is_of_one_size(form, question.candidates[0])) and (
            seen != canonical_text(question.operation, form) and _objection(seen, question.operation, form)
        ):
            found.append(_refuse_unencodable(question.operation))
            continue
        shown = instruction_text.as_typed(seen.replace("fn", "f", 1) if form.info.fwait else seen)
        if question.operation.prefixes or form.mnemonic in ("call", "jmp"):
            shown = disassembler.disassemble(one.code)[0].text  # Capstone leaves out some prefixes, and `far`
        found.append(
            PositionedEncoding(Encoding(one.code, shown, features.features_of(form.code)), one.displacement_offset)
        )
    return found


def _is_of_one_size(form: Form, other: Form) -> bool:
    """Whether two forms write their memory operands alike."""
    return form is other or (form.memory_size, form.broadcast_size) == (other.memory_size, other.broadcast_size)


def _refuse_unencodable(operation: Operation) -> Refusal:
    """Forms take these operands, and still neither encoder says it so that it reads back right."""
    for prefix in operation.prefixes:
        if prefix in RAW_PREFIXES or prefix in REX_PREFIXES:
            return Refusal("ASM120", f"`{prefix}` would make another instruction of this `{operation.mnemonic}`.", None)
        if prefix in ("{disp8}", "{disp32}"):
            return Refusal("ASM120", f"`{prefix}` does not go with this `{operation.mnemonic}`.", None)
    return Refusal("ASM199", f"The assembler has no checked encoding for this `{operation.mnemonic}`.", -1)
