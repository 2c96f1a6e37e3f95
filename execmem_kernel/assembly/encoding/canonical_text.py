"""An operation as canonical text: as Capstone writes it, and as Keystone is asked."""

from __future__ import annotations

from execmem_kernel.assembly.encoding.iced_encoder import is_raw_prefix
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import SIZE_NAMES, Immediate, Memory, Operand, Operation, Register, Target

_BEYOND_KEYSTONE = frozenset(("nop", "endbr32", "endbr64", "salc", "ud0", "ud1", "int1"))
"""Refused, or encoded as something else."""
_SIZE_WORDS = {size: f"{word} ptr " for size, word in SIZE_NAMES.items()}


def keystone_reads(operation: Operation, form: Form) -> bool:
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
    braced = any(prefix.startswith("{") or is_raw_prefix(prefix) for prefix in operation.prefixes)
    return not braced and form.mnemonic not in _BEYOND_KEYSTONE


def canonical_text(operation: Operation, form: Form) -> str:
    """The operation as text, the way Capstone would write it."""
    words = [_operand_text(operand, form) for operand in operation.operands]
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


def _operand_text(operand: Operand, form: Form) -> str:
    if isinstance(operand, Register):
        return operand.name
    if isinstance(operand, Immediate):
        return _number_text(operand.value)
    if isinstance(operand, Target):
        raise TypeError("branches have no text here")
    size = form.broadcast_size if operand.broadcast is not None else operand.size or form.memory_size
    index, displacement = operand.index, operand.displacement
    text = operand.base.name if operand.base is not None else ""
    if index is not None:
        scale = f"*{operand.scale}" if operand.scale > 1 or not text else ""
        text += f"{' + ' if text else ''}{index.name}{scale}"
    if displacement > 0:
        text += f" + {_number_text(displacement)}"
    elif displacement < 0:
        text += f" - {_number_text(-displacement)}"
    segment = f"{operand.segment.name}:" if operand.segment is not None else ""
    broadcast = f"{{1to{operand.broadcast}}}" if operand.broadcast is not None else ""
    return f"{_SIZE_WORDS.get(size, '')}{segment}[{text}]{broadcast}"


def _number_text(value: int) -> str:
    """As Capstone writes it; a digit is the same number under every radix that Keystone may have."""
    return f"{value}" if -10 < value < 10 else f"{value:#x}"
