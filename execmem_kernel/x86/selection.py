"""Form selection: the opcode forms that say exactly an operation, in the order of GNU as' preference."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from functools import cache

from iced_x86 import EncodingKind

from execmem_kernel.x86.forms import Form, Slot, forms_of
from execmem_kernel.x86.operands import Immediate, Memory, Operand, Operation, Register, Target
from execmem_kernel.x86.registers import is_vector, needs_evex, register_class, register_classes

_CODE_SEGMENT = Register("cs")
_DEFAULT_QUADWORD = frozenset(("push", "pop", "call", "jmp"))
"""Instructions that work on 64 bits where nothing says a size."""


def shape_of(operand: Operand) -> str:
    """The kind of operand, as far as it decides which forms can be meant."""
    match operand:
        case Register(name):
            return name if name in ("rip", "eip") else register_class(name)
        case Memory(index=index):
            return "m" if index is None or not is_vector(index.name) else f"m {register_class(index.name)}"
        case Immediate():
            return "i"
        case Target():
            return "t"


@cache
def candidate_forms(mnemonic: str, shape: tuple[str, ...]) -> tuple[Form, ...]:
    """The forms of a mnemonic that take operands of these kinds."""
    return tuple(form for form in forms_of(mnemonic) if takes_shape(form, shape))


def takes_shape(form: Form, shape: tuple[str, ...]) -> bool:
    """Whether the form takes operands of these kinds, as `shape_of` names them."""
    slots = form.slots
    if len(slots) != len(shape):
        if form.is_string and shape:
            return False  # all of a string instruction's operands are written, or none
        slots = () if form.is_string else tuple(slot for slot in slots if slot.memory != "implied")
        if len(slots) != len(shape):
            return False
    return all(_slot_takes(slot, kind) for slot, kind in zip(slots, shape, strict=True))


def _slot_takes(slot: Slot, kind: str) -> bool:
    if kind == "i":
        return slot.immediate
    if kind == "m":
        return slot.memory in ("any", "moffs", "implied")
    if kind.startswith("m "):
        return slot.memory == f"vsib {kind[2:]}"
    return kind in register_classes(slot.registers)


def select(operation: Operation) -> tuple[Form, ...]:
    """The forms that say exactly this operation, best first; the operation is canonical.

    GNU as' choices: VEX before EVEX, 64 bits for `push`, `call` and the like. A memory operand without a size may leave
    forms of several sizes: refusing that is the encoder's.
    """
    shape = tuple(shape_of(operand) for operand in operation.operands)
    found = [form for form in candidate_forms(operation.mnemonic, shape) if form_says(form, operation)]
    found = _with_wide_numbers(operation, _with_default_size(operation, found))
    found.sort(key=lambda form: (encoding_rank(form, operation), form.rank))
    return tuple(_in_direction(operation, found))


def _in_direction(operation: Operation, found: list[Form]) -> list[Form]:
    """Of two opcodes that differ in the direction only, the one that `{load}`, `{store}` or the ending `.s` asks for."""
    for prefix in operation.prefixes:
        if prefix in ("{load}", "{store}", "{swap}"):
            loads = prefix == "{load}" if prefix != "{swap}" else not _loads(found[0]) if found else False
            return [form for form in found if _loads(form) == loads] or found
    return found


def _loads(form: Form) -> bool:
    """Whether the first operand is the one that can only be a register."""
    return bool(form.slots) and form.slots[0].name.endswith("_REG")


def encoding_rank(form: Form, operation: Operation) -> int:
    """Preference among encodings of the same operation, lower first: VEX before EVEX but for what AVX-512 had first."""
    if form.encoding != EncodingKind.EVEX:
        return 1 if form.mnemonic in EVEX_FIRST and "{vex}" not in operation.prefixes else 0
    return 0 if form.mnemonic in EVEX_FIRST else 1


EVEX_FIRST = frozenset(
    ("vpdpbusd", "vpdpbusds", "vpdpwssd", "vpdpwssds", "vpmadd52luq", "vpmadd52huq", "vcvtneps2bf16")
)
"""AVX-512 had these first; the VEX form is meant only by `{vex}` (AVX-VNNI, AVX-IFMA, AVX-NE-CONVERT)."""


def form_says(form: Form, operation: Operation) -> bool:
    """Whether the form says the operation, with its prefixes, its decorations and every operand."""
    if "movabs" in operation.prefixes and not any(slot.name in ("IMM64", "MEM_OFFS") for slot in form.slots):
        return False
    if form.mnemonic == "mov" and operation.operands[0] == _CODE_SEGMENT:
        return False  # an invalid opcode
    if form.text == "bswap r16":
        return False  # its result is undefined (Intel SDM vol. 2, BSWAP)
    plain = operation.mask is None and operation.rounding is None and not operation.prefixes
    if plain and not form.info.require_op_mask_register:
        return _operands_say(form, operation, form.is_evex)
    return (
        _decorations_fit(form, operation)
        and _prefixes_fit(form, operation)
        and _operands_say(form, operation, form.is_evex)
    )


def _decorations_fit(form: Form, operation: Operation) -> bool:
    """Whether the form takes the mask, the zeroing and the rounding, and has what it needs of them."""
    info = form.info
    if operation.mask is None and info.require_op_mask_register:
        return False
    if operation.mask is not None and not (form.is_evex and info.can_use_op_mask_register):
        return False
    if operation.zeroing and not info.can_use_zeroing_masking:
        return False
    if operation.rounding == "sae":
        return bool(info.can_suppress_all_exceptions)
    if operation.rounding is not None:
        return bool(info.can_use_rounding_control and not info.ignores_rounding_control)
    return True


def _prefixes_fit(form: Form, operation: Operation) -> bool:
    """Whether the form has the encoding and the sizes that prefixes ask for."""
    info, prefixes = form.info, operation.prefixes
    if "{evex}" in prefixes and not form.is_evex:
        return False
    if form.encoding != EncodingKind.VEX and any(prefix in ("{vex}", "{vex2}", "{vex3}") for prefix in prefixes):
        return False
    if "data16" in prefixes and info.operand_size == 16 and not has_data16(form):
        return False  # `data16 ret` would return by 16 bits
    # monitor: which register is the address, only the prefix tells
    return not info.address_size or bool(form.slots) or (info.address_size == 32) == ("addr32" in prefixes)


def _operands_say(form: Form, operation: Operation, evex: bool) -> bool:
    for slot, operand in zip(explicit_slots(form, operation), operation.operands, strict=True):
        if not _operand_says(form, slot, operand, evex):
            return False
    return True


def explicit_slots(form: Form, operation: Operation) -> tuple[Slot, ...]:
    """The form's slots that the operation's operands stand for: string operands may be left out."""
    if len(form.slots) == len(operation.operands):
        return form.slots
    if not operation.operands:
        return ()
    return tuple(slot for slot in form.slots if slot.memory != "implied")


def operand_fits(form: Form, slot: Slot, operand: Operand) -> bool:
    """Whether the operand can stand in this slot of the form.

    Args:
        form: An opcode form.
        slot: One of its slots.
        operand: What is to stand there.
    """
    return _operand_says(form, slot, operand, form.encoding == EncodingKind.EVEX)


def operand_counts(form: Form) -> tuple[int, ...]:
    """How many operands may be written for the form."""
    count = len(form.slots)
    if form.is_string:
        return (0, count)
    implied = sum(slot.memory == "implied" for slot in form.slots)
    return (count - implied, count) if implied else (count,)


def _operand_says(form: Form, slot: Slot, operand: Operand, evex: bool) -> bool:
    match operand:
        case Register(name):
            return name in slot.registers and (evex or not needs_evex(name))
        case Memory():
            if slot.memory == "implied":
                return (
                    operand.base is not None
                    and operand.base.name.endswith(slot.implied)
                    and operand.size in (None, form.memory_size)
                )
            if slot.memory == "moffs":
                return operand.base is None and operand.index is None and operand.size in (None, form.memory_size)
            if operand.broadcast is not None:
                return (
                    form.broadcast_size > 0
                    and operand.broadcast in (0, form.memory_size // form.broadcast_size)
                    and operand.size in (None, form.broadcast_size)
                )
            if not evex and operand.index is not None and needs_evex(operand.index.name):
                return False
            return operand.size is None or form.memory_size in (0, operand.size)
        case Immediate(value, size):
            return slot.fits(value) and (size is None or slot.width <= size)
        case Target():
            return False


def has_data16(form: Form) -> bool:
    """Whether the form is the one that `data16` asks for: two bytes of nothing, or fs and gs as 16 bits on the stack."""
    return form.info.operand_size == 16 and form.text in ("nop", "push fs", "push gs", "pop fs", "pop gs")


def _with_wide_numbers(operation: Operation, found: list[Form]) -> list[Form]:
    """For a number that is still to move, only the forms with room for any: 32 bits, or as many as there are."""
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Immediate) and operand.movable:
            widths = {explicit_slots(form, operation)[number].width for form in found}
            width = 4 if 4 in widths else max(widths, default=0)
            found = [form for form in found if explicit_slots(form, operation)[number].width == width]
    return found


def _with_default_size(operation: Operation, found: list[Form]) -> list[Form]:
    """Of the forms that differ in an operand size that nothing names, those of the default size."""
    for operand in operation.operands:
        if isinstance(operand, Memory) and operand.size is None and operation.mnemonic in _DEFAULT_QUADWORD:
            return [form for form in found if form.memory_size == 8]
        if isinstance(operand, Immediate) and operation.mnemonic == "push":
            return [form for form in found if (form.info.operand_size == 16) == (operand.size == 2)]
    return found
