"""Second check: Capstone's text of the bytes must say what the operation says."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

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
from execmem_kernel.assembly.encoding.read_back import Reading, read_back
from execmem_kernel.x86.canonical_form import SAME_IN_32_BITS, canonical
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.features import features_of
from execmem_kernel.x86.forms import Form, Slot
from execmem_kernel.x86.instruction_text import as_typed, texts_of
from execmem_kernel.x86.operands import REX_PREFIXES, Encoding, Immediate, Memory, Operand, Operation, Refusal, Register
from execmem_kernel.x86.registers import full_register, register_size
from execmem_kernel.x86.selection import explicit_slots


def verified_by_capstone(
    requests: Sequence[Request], chosen: Sequence[Candidate | None]
) -> list[PositionedEncoding | Refusal]:
    """The encodings in which Capstone, too, reads what was meant; a refusal for each of the others."""
    there = [one for one in chosen if one is not None]
    # What follows fwait is an instruction of its own.
    codes = [one.code[1:] if one.form.info.fwait else one.code for one in there]
    texts = iter(texts_of(codes, [one.form.mnemonic for one in there]))
    found: list[PositionedEncoding | Refusal] = []
    for request, one in zip(requests, chosen, strict=True):
        if one is None:
            found.append(_unencodable(request.operation))
            continue
        seen, form = next(texts), one.form
        # Nearly all agree letter by letter; only the others are parsed.
        if not (seen == request.text and _is_of_one_size(form, request.candidates[0])) and not (
            seen == canonical_text(request.operation, form) or _says(seen, request.operation, form)
        ):
            found.append(_unencodable(request.operation))
            continue
        shown = as_typed(seen.replace("fn", "f", 1) if form.info.fwait else seen)
        if request.operation.prefixes or form.mnemonic in ("call", "jmp"):
            shown = disassemble(one.code)[0].text  # Capstone leaves out some prefixes, and `far`
        found.append(PositionedEncoding(Encoding(one.code, shown, features_of(form.code)), one.displacement_offset))
    return found


def _is_of_one_size(form: Form, other: Form) -> bool:
    """Whether two forms write their memory operands alike."""
    return form is other or (form.memory_size, form.broadcast_size) == (other.memory_size, other.broadcast_size)


def _unencodable(operation: Operation) -> Refusal:
    """Forms take these operands, and still neither encoder says it so that it reads back right."""
    for prefix in operation.prefixes:
        if prefix in RAW_PREFIXES or prefix in REX_PREFIXES:
            return Refusal("ASM120", f"`{prefix}` would make another instruction of this `{operation.mnemonic}`.", None)
        if prefix in ("{disp8}", "{disp32}"):
            return Refusal("ASM120", f"`{prefix}` does not go with this `{operation.mnemonic}`.", None)
    return Refusal("ASM199", f"The assembler has no checked encoding for this `{operation.mnemonic}`.", -1)


# ---- whether a text says an operation --------------------------------------------------------------------------------

_CAPSTONE_NAMES = {
    "lcall": "call", "ljmp": "jmp", "fdisi8087_nop": "fdisi", "feni8087_nop": "feni", "fsetpm": "fnsetpm", "vpcmpestri64": "vpcmpestriq", "vpcmpestrm64": "vpcmpestrmq",
}  # fmt: skip
"""Capstone's name of an instruction -> its one name here."""
_WIDE_NAMES_DROPPED = SAME_IN_32_BITS | {"lar", "smsw", "tpause", "umwait", "vmovw"}
"""Capstone names the 32-bit (or 16-bit) register whatever the operand size."""
_PREFIX_NAMES = {"repe": "rep", "repz": "rep", "repnz": "repne"}
_NOT_ALWAYS_SHOWN = frozenset(("xacquire", "xrelease"))
"""Capstone does not show them behind other prefixes, nor before mov; iced-x86 does."""


def _says(seen: str, operation: Operation, form: Form) -> bool:
    """Whether the disassembler's text says what the operation says."""
    if any(map(is_raw_prefix, operation.prefixes)):
        return _says_without_raw_prefixes(operation, form)
    reading = read_back(seen)
    if reading is None:
        return False
    operands = _operands_seen(reading, operation, form)
    return (
        operands is not None
        and all(
            _is_same_operand(slot, form, ours, _without_notrack(theirs, operation))
            for slot, ours, theirs in zip(explicit_slots(form, operation), operation.operands, operands, strict=True)
        )
        and reading.decorations == _decorations(operation)
        and _shown_prefixes(reading.prefixes) == _shown_prefixes(_written_prefixes(operation))
    )


def _says_without_raw_prefixes(operation: Operation, form: Form) -> bool:
    """The same without the prefixes that Capstone reads in its own way; iced-x86 has read them with it."""
    prefixes = tuple(
        prefix
        for prefix in operation.prefixes
        if not is_raw_prefix(prefix) or (prefix == "addr32" and form.info.address_size == 32 and not form.slots)
    )
    if prefixes == operation.prefixes:
        return True
    plain = operation._replace(prefixes=prefixes)
    made = encode_instruction(thread_encoder(), build_instruction(form, plain), plain, form, relative_operand(plain))
    if made is None:
        return False
    (seen,) = texts_of([made[0][1:] if form.info.fwait else made[0]], [form.mnemonic])
    return seen == canonical_text(plain, form) or _says(seen, plain, form)


def _operands_seen(reading: Reading, operation: Operation, form: Form) -> tuple[Operand, ...] | None:
    """The operands that were read, put as the operation puts them; None where it is another instruction."""
    mnemonic = reading.mnemonic
    operands: tuple[Operand, ...] = reading.operands
    if form.info.fwait:
        mnemonic = mnemonic.replace("fn", "f", 1)
    if mnemonic == operation.mnemonic and len(operands) == len(operation.operands):
        return operands
    meant = canonical(Operation(_CAPSTONE_NAMES.get(mnemonic, mnemonic), operands, reading.prefixes))
    if meant is None:
        return None
    mnemonic, operands = meant.mnemonic, meant.operands
    if mnemonic != operation.mnemonic and operation.mnemonic.startswith("vpcmp"):
        # vpcmpb with predicate 0 is also called vpcmpeqb, which besides has an opcode of its own.
        mnemonic, operands = mnemonic.replace("vpcmpeq", "vpcmp"), (*operands, Immediate(0))
    if not operation.operands and form.is_string:
        operands = ()
    return operands if mnemonic == operation.mnemonic and len(operands) == len(operation.operands) else None


def _without_notrack(operand: Operand, operation: Operation) -> Operand:
    """The byte of notrack is that of ds, and Capstone shows both."""
    if "notrack" in operation.prefixes and isinstance(operand, Memory):
        return replace(operand, segment=None)
    return operand


def _decorations(operation: Operation) -> set[str]:
    """What stands in braces behind the operands."""
    braces = {operation.mask.name} if operation.mask is not None else set()
    if operation.zeroing:
        braces.add("z")
    if operation.rounding is not None:
        braces.add(operation.rounding)
    return braces


def _written_prefixes(operation: Operation) -> list[str]:
    """The prefixes that are bytes, not wishes for an encoding."""
    return [name for name in operation.prefixes if name[0] != "{" and name != "movabs"]


def _shown_prefixes(names: Iterable[str]) -> set[str]:
    """The prefixes that Capstone shows, each by one name."""
    return {_PREFIX_NAMES.get(name, name) for name in names if name not in _NOT_ALWAYS_SHOWN}


def _is_same_operand(slot: Slot, form: Form, ours: Operand, theirs: Operand) -> bool:
    match ours, theirs:
        case Register(one), Register(other):
            return one == other or (form.mnemonic in _WIDE_NAMES_DROPPED and full_register(one) == full_register(other))
        case Immediate(one), Immediate(other):
            # The upper bits of a comparison's predicate are ignored, and do not show in its name.
            bits = 5 if form.mnemonic.startswith("vcmp") else slot.wrap or slot.width * 8
            return (one - other) % (1 << bits) == 0
        case Memory(), Memory():
            return _is_same_memory(slot, form, ours, theirs)
    return False


def _is_same_memory(slot: Slot, form: Form, ours: Memory, theirs: Memory) -> bool:
    size = form.broadcast_size if ours.broadcast is not None else form.memory_size
    if slot.memory.startswith("vsib") or slot.memory == "implied":
        size = 0  # shown as the size of all elements, or of one
    if ours.base is None and ours.scale == 1 and theirs.index is None and theirs.base == ours.index:
        theirs = replace(theirs, base=None, index=ours.index)  # `[rax*1]`, an index alone, is shown as `[rax]`
    narrow = any(register is not None and register_size(register.name) == 4 for register in (ours.base, ours.index))
    return (
        ours.base == theirs.base
        and ours.index == theirs.index
        and (ours.index is None or ours.scale == theirs.scale)
        and (ours.displacement - theirs.displacement) % (1 << (32 if narrow else 64)) == 0
        and (ours.segment == theirs.segment or slot.memory == "implied")
        and ours.broadcast == theirs.broadcast
        and (not size or theirs.size in (None, size))
    )
