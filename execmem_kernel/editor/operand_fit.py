"""Which registers fit an operand: those of the opcode forms that the rest of the statement leaves possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from execmem_kernel.assembly.syntax.words import SIZES, is_branch
from execmem_kernel.editor.context import CursorContext, Piece
from execmem_kernel.x86.forms import Form, Slot, forms_of
from execmem_kernel.x86.mnemonics import resolve
from execmem_kernel.x86.registers import CLASS_MEMBERS, canonical_register, needs_evex, register_class, register_size

_SHIFTS = frozenset(("shl", "sal", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd"))


@dataclass(frozen=True, slots=True)
class OperandShape:
    """What a written operand is, as far as it decides which forms can be meant."""

    kind: str
    """register, memory, constant, name, or "" where nothing is written yet."""
    register: str = ""
    size: int = 0
    """Of a memory operand, in bytes; 0 where nothing says it."""


@dataclass(frozen=True, slots=True)
class OperandFit:
    """What can stand in an operand."""

    registers: frozenset[str]
    memory: bool
    sizes: frozenset[int]
    """Of the memory operand, in bytes."""
    target: bool
    """Whether a direct jump or call goes there."""
    vector_index: frozenset[str]
    """The registers that a gather's address has as its index."""


def shape_of_operand(pieces: Sequence[Piece], syntax: str) -> OperandShape:
    """What the pieces of an operand are."""
    words = [piece.text.lower() for piece in pieces]
    if not words:
        return OperandShape("")
    size = next((SIZES[word] for word in words if word in SIZES), 0)
    if "[" in words or ("(" in words and syntax == "att"):
        return OperandShape("memory", size=size)
    register = canonical_register(words[0].lstrip("%"))
    if register is not None:
        return OperandShape("register", "st(0)" if register == "st(0)" and len(words) == 1 else _whole(words, register))
    if pieces[0].kind in ("number", "text") or words[0] in ("$", "-", "+", "~", "offset", "("):
        return OperandShape("constant")
    return OperandShape("name", size=size)


def _whole(words: Sequence[str], register: str) -> str:
    """`st(3)` is four pieces."""
    if register == "st(0)" and words[1:2] == ["("] and len(words) > 2 and words[2].isdigit():
        return canonical_register(f"st({words[2]})") or register
    return register


def fit_of(context: CursorContext) -> OperandFit | None:
    """What the operand with the cursor can be; None for a mnemonic whose operands no table tells."""
    meant = resolve(context.head)
    name, size = (meant.mnemonic, meant.size or 0) if meant is not None else _lettered(context)
    shapes = [shape_of_operand(pieces, context.syntax) for pieces in context.operands]
    index = context.operand
    shapes += [OperandShape("")] * (index + 1 - len(shapes))
    if context.syntax == "att":
        extension = _att_extension(context.head)
        if extension is not None:
            return _extension_fit(extension, index)
        shapes.reverse()
        index = len(shapes) - 1 - index
    shapes[index] = OperandShape("")
    open_ended = context.syntax == "intel"
    fitting = [form for form in forms_of(name) if _takes(form, shapes, index, size, open_ended)]
    if name in _SHIFTS and len(shapes) == 1:
        by_one = [form for form in forms_of(name) if _takes(form, [OperandShape("")] * 2, 0, size, True)]
        return _fit(by_one, 0, size)
    if name == "movq":
        # Without a vector register it is the 64-bit `mov`.
        fitting += [form for form in forms_of("mov") if _takes(form, shapes, index, 8, open_ended)]
        fitting = [form for form in fitting if form.mnemonic == "movq" or not _is_system(form)]
    if context.syntax == "att" and not fitting:
        # In AT&T the destination comes last, and may not be written yet.
        for missing in (1, 2):
            wider = [OperandShape("")] * missing + shapes
            fitting = [form for form in forms_of(name) if _takes(form, wider, index + missing, size, False)]
            if fitting:
                return _fit(fitting, index + missing, size)
    elif context.syntax == "att":
        more = [OperandShape(""), *shapes]
        both = _fit(fitting, index, size)
        after = [form for form in forms_of(name) if _takes(form, more, index + 1, size, False)]
        return _union(both, _fit(after, index + 1, size)) if after and len(shapes) == 1 else both
    return _fit(fitting, index, size) if fitting else None


def _lettered(context: CursorContext) -> tuple[str, int]:
    """A mnemonic with a letter that only AT&T syntax has, such as cvttsd2sil."""
    stem = context.head[:-1]
    if context.syntax == "att" and forms_of(stem):
        return stem, {"b": 1, "w": 2, "l": 4, "q": 8}.get(context.head[-1], 0)
    return context.head, 0


def _is_system(form: Form) -> bool:
    return any(register_class(min(slot.registers)) in ("cr", "dr", "sreg") for slot in form.slots if slot.registers)


def _att_extension(name: str) -> tuple[int, int] | None:
    """Bytes of the source and the destination of movzbl and its kin."""
    letters = {"b": 1, "w": 2, "l": 4, "q": 8}
    if len(name) == 6 and name[:3] == "mov" and name[3] in "zs" and name[4] in "bwl" and name[5] in "wlq":
        return letters[name[4]], letters[name[5]]
    return None


def _extension_fit(sizes: tuple[int, int], index: int) -> OperandFit:
    registers = frozenset(name for name in _general() if register_size(name) == sizes[min(index, 1)])
    return OperandFit(registers, index == 0, frozenset(), False, frozenset())


@cache
def _general() -> frozenset[str]:
    return frozenset().union(*(CLASS_MEMBERS[family] for family in ("r8", "r16", "r32", "r64")))


def _union(one: OperandFit, other: OperandFit) -> OperandFit:
    return OperandFit(
        one.registers | other.registers,
        one.memory or other.memory,
        one.sizes | other.sizes,
        one.target or other.target,
        one.vector_index | other.vector_index,
    )


def _takes(form: Form, shapes: Sequence[OperandShape], index: int, size: int, open_ended: bool) -> bool:
    """Whether the operands that are written leave the form possible."""
    slots = [slot for slot in form.slots if slot.memory != "implied"]
    if index >= len(slots) or (len(slots) != len(shapes) if not open_ended else len(slots) < len(shapes)):
        return False
    for position, (slot, shape) in enumerate(zip(slots, shapes, strict=False)):
        if position != index and not _slot_takes(form, slot, shape):
            return False
    return not size or any(_has_size(form, slot, size) for slot in slots)


def _slot_takes(form: Form, slot: Slot, shape: OperandShape) -> bool:
    match shape.kind:
        case "register":
            return shape.register in slot.registers and (form.is_evex or not needs_evex(shape.register))
        case "memory":
            return slot.memory != "" and (not shape.size or not form.memory_size or shape.size == form.memory_size)
        case "constant":
            return slot.immediate
        case "name":
            return slot.immediate or slot.memory != "" or not slot.registers
    return True


def _has_size(form: Form, slot: Slot, size: int) -> bool:
    """Whether a size letter of the mnemonic can be that of an operand: a general register, or memory."""
    general = slot.registers & _general()
    if general and general != {"cl"}:
        return any(register_size(name) == size for name in general)
    if slot.registers:
        return False
    return slot.memory != "" and form.memory_size in (0, size)


def _fit(forms: Iterable[Form], index: int, size: int) -> OperandFit:
    registers: set[str] = set()
    sizes: set[int] = set()
    vectors: set[str] = set()
    memory = target = False
    for form in forms:
        slot = [slot for slot in form.slots if slot.memory != "implied"][index]
        named = slot.registers if form.is_evex else frozenset(name for name in slot.registers if not needs_evex(name))
        count = form.mnemonic in _SHIFTS and index > 0 and named == {"cl"}
        registers |= (
            named if not size or count else {name for name in named if register_size(name) in (size, 16, 32, 64)}
        )
        if slot.memory:
            memory = True
            sizes |= {form.memory_size} - {0}
            if slot.memory.startswith("vsib"):
                vectors.add(slot.memory[5:])
        target = target or (not slot.registers and not slot.memory and not slot.immediate)
    mnemonics = {form.mnemonic for form in forms}
    if any(map(is_branch, mnemonics)):
        registers = {name for name in registers if register_class(name) == "r64"}
    if mnemonics == {"mov"} and index == 0:
        registers.discard("cs")  # it changes with far jumps only
    if mnemonics == {"bswap"}:
        registers = {name for name in registers if register_size(name) > 2}  # of 16 bits the result is undefined
    return OperandFit(frozenset(registers), memory, frozenset(sizes), target, frozenset(vectors))
