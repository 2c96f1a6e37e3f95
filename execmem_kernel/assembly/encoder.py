"""Operations in, checked bytes out: Keystone in a child process, iced-x86 beside it, and nobody is believed.

    Operation --canonical--> forms --+--> iced-x86, in process -----------+--> read back, compared with the operation --> Encoding
                                     +--> text --> Keystone, in a child --+

Every literal goes to Keystone as 0x.., one canonical instruction a line; every answer is decoded again and must say what the
operation says, or it does not exist. Branches are encoded here, from the tables of the Intel SDM.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import iced_x86
from iced_x86 import Instruction, OpKind, RoundingControl

from execmem_kernel.assembly import forms
from execmem_kernel.assembly.forms import Form, Slot
from execmem_kernel.assembly.operands import (
    Encoder,
    Encoding,
    Immediate,
    Memory,
    Operand,
    Operation,
    Refusal,
    Register,
    Target,
)

# ---- branches --------------------------------------------------------------------------------------------------------

_CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
_BRANCHES: dict[str, tuple[bytes, bytes]] = {
    "jmp": (b"\xeb", b"\xe9"),
    "call": (b"", b"\xe8"),
    "loopne": (b"\xe0", b""),
    "loope": (b"\xe1", b""),
    "loop": (b"\xe2", b""),
    "jrcxz": (b"\xe3", b""),
    "jecxz": (b"\x67\xe3", b""),
    "xbegin": (b"", b"\xc7\xf8"),
    **{f"j{name}": (bytes([0x70 + n]), bytes([0x0F, 0x80 + n])) for n, name in enumerate(_CONDITIONS)},
}
"""Direct branch -> opcode of the short form and of the near form, empty where there is none (Intel SDM vol. 2, JMP, Jcc, LOOPcc)."""
_BRANCH_PREFIXES = {"bnd": b"\xf2", "repne": b"\xf2", "notrack": b"\x3e"}


def _branch(operation: Operation, target: Target) -> Encoding | Refusal:
    short, near = _BRANCHES.get(operation.mnemonic, (b"", b""))
    if not short and not near:
        return forms.refuse_operands(operation)
    prefix = b""
    for name in operation.prefixes:
        if name not in _BRANCH_PREFIXES:
            return Refusal("ASM120", f"The prefix '{name}' does not go with '{operation.mnemonic}'.", None)
        prefix += _BRANCH_PREFIXES[name]
    form = target.form
    distance = target.address - (operation.address + len(prefix) + len(short) + 1)
    if form == "short" or (form is None and short and (not near or -128 <= distance <= 127)):
        if not short:
            return Refusal("ASM115", f"'{operation.mnemonic}' has no short form.", 0, "leave out 'short'")
        if not -128 <= distance <= 127:
            return Refusal(
                "ASM116",
                f"The target is {distance:+,} bytes away; '{operation.mnemonic}' reaches -128 to +127 from its end.",
                0,
                "" if near else f"jump over a jmp instead: '{operation.mnemonic}' has no longer form",
            )
        return Encoding(prefix + short + distance.to_bytes(1, "little", signed=True))
    if not near:
        return Refusal("ASM115", f"'{operation.mnemonic}' has no near form.", 0, "leave out 'near'")
    distance = target.address - (operation.address + len(prefix) + len(near) + 4)
    if not -(1 << 31) <= distance < 1 << 31:
        return Refusal(
            "ASM116",
            "The target is more than 2 GiB away, further than a jump or call reaches.",
            0,
            "load the address into a register and jump to that",
        )
    return Encoding(prefix + near + distance.to_bytes(4, "little", signed=True))


# ---- iced-x86 --------------------------------------------------------------------------------------------------------


_IMMEDIATE_KINDS = {
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
_NO_REGISTER = iced_x86.Register.NONE


def _build(form: Form, operation: Operation) -> Instruction:
    """The operation in the given form, as iced-x86 holds it."""
    registers = forms.iced_registers()
    instruction = Instruction()
    instruction.code = form.code
    given = list(operation.operands)
    spare = len(form.slots) - len(given)
    second_immediate = False
    for number, slot in enumerate(form.slots):
        if spare and slot.memory == "implied":
            operand: Operand = Memory(base=Register(f"r{slot.implied}"))
            spare -= 1
        else:
            operand = given.pop(0)
        match operand:
            case Register(name):
                instruction.set_op_kind(number, OpKind.REGISTER)
                instruction.set_op_register(number, registers[name])
            case Immediate(value):
                kind = _IMMEDIATE_KINDS[slot.name]
                if second_immediate:
                    kind = OpKind.IMMEDIATE8_2ND
                second_immediate = True
                instruction.set_op_kind(number, kind)
                bits = slot.wrap or slot.width * 8
                instruction.set_immediate_u64(number, value & ((1 << bits) - 1))
            case Memory():
                _build_memory(instruction, number, slot, operand, registers)
            case Target():
                raise TypeError("branches are encoded elsewhere")
    if operation.mask is not None:
        instruction.op_mask = registers[operation.mask.name]
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
                instruction.segment_prefix = iced_x86.Register.DS
    return instruction


def _build_memory(
    instruction: Instruction, number: int, slot: Slot, operand: Memory, registers: Mapping[str, int]
) -> None:
    if operand.segment is not None:
        instruction.segment_prefix = registers[operand.segment.name]
    base = operand.base.name if operand.base is not None else None
    if slot.memory == "implied":
        if slot.name == "SEG_RBX_AL":
            instruction.set_op_kind(number, OpKind.MEMORY)
            instruction.memory_base = registers[base or "rbx"]
            instruction.memory_index = registers["al"]
            return
        which = "seg di" if slot.name == "SEG_RDI" else slot.implied
        instruction.set_op_kind(number, _IMPLIED_KINDS[which, 4 if base is not None and base.startswith("e") else 8])
        return
    instruction.set_op_kind(number, OpKind.MEMORY)
    if operand.base is not None:
        instruction.memory_base = registers[operand.base.name]
    if operand.index is not None:
        instruction.memory_index = registers[operand.index.name]
        instruction.memory_index_scale = operand.scale
    wide = (
        4
        if (base or (operand.index.name if operand.index is not None else "r"))[0] == "e" or (base or "").endswith("d")
        else 8
    )
    if base in ("rip", "eip"):
        instruction.memory_displ_size = 4 if base == "eip" else 8
        instruction.memory_displacement = operand.displacement
        return
    instruction.memory_displacement = operand.displacement & ((1 << 64) - 1)
    if slot.memory == "moffs" or operand.movable or (base is None and operand.index is None):
        instruction.memory_displ_size = wide
    elif operand.displacement:
        instruction.memory_displ_size = 1 if base is not None else wide
    else:
        instruction.memory_displ_size = 0


_encoders = threading.local()


def _encode_form(form: Form, operation: Operation) -> tuple[bytes, int] | None:
    """The bytes of the operation in this form and where its displacement lies (0: none), or None if it cannot be said so."""
    if not hasattr(_encoders, "value"):
        _encoders.value = iced_x86.Encoder(64)
    encoder: iced_x86.Encoder = _encoders.value
    instruction = _build(form, operation)
    try:
        # A rip-relative displacement is an absolute address to iced-x86; at address 0 with length n it is off by n.
        encoder.encode(instruction, 0)
    except ValueError:
        encoder.take_buffer()
        return None
    offsets = encoder.get_constant_offsets()
    return bytes(encoder.take_buffer()), offsets.displacement_offset if offsets.has_displacement else 0


# ---- the encoder -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Relocatable:
    """An encoding without its address: a rip-relative displacement is filled in at `displacement_offset`."""

    code: bytes
    displacement_offset: int


class CheckedEncoder:
    """The `Encoder` this package uses; safe to share between threads and across a fork."""

    _CACHE_SIZE = 16384

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._known: OrderedDict[Operation, _Relocatable | Refusal] = OrderedDict()

    def encode(self, operations: Sequence[Operation]) -> list[Encoding | Refusal]:
        """Encode every operation at its own address; one answer for each, in order.

        Raises:
            EncoderLostError: The encoder's process broke twice on the same batch.
        """
        answers: list[Encoding | Refusal] = []
        with self._lock:
            for operation in operations:
                answers.append(self._encode(operation))
        return answers

    def _encode(self, operation: Operation) -> Encoding | Refusal:
        canonical = forms.canonical(operation)
        if isinstance(canonical, Refusal):
            return canonical
        if canonical.operands and isinstance(canonical.operands[-1], Target):
            return _branch(canonical, canonical.operands[-1])
        target: int | None = None
        operands = list(canonical.operands)
        for number, operand in enumerate(operands):
            if isinstance(operand, Memory) and operand.target is not None:
                target = operand.target
                operands[number] = replace(operand, target=None, displacement=0)
        anywhere = replace(canonical, address=0, operands=tuple(operands))
        found = self._known.get(anywhere)
        if found is None:
            found = self._known[anywhere] = self._find(anywhere)
            if len(self._known) > self._CACHE_SIZE:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(anywhere)
        if isinstance(found, Refusal):
            return found
        if target is None:
            return Encoding(found.code)
        distance = target - (operation.address + len(found.code))
        if not -(1 << 31) <= distance < 1 << 31:
            return Refusal(
                "ASM117", "The address is more than 2 GiB away, further than rip-relative addressing reaches.", None
            )
        start = found.displacement_offset
        return Encoding(found.code[:start] + distance.to_bytes(4, "little", signed=True) + found.code[start + 4 :])

    def _find(self, operation: Operation) -> _Relocatable | Refusal:
        candidates = forms.select(operation)
        if isinstance(candidates, Refusal):
            return candidates
        best: tuple[tuple[int, int, int], _Relocatable] | None = None
        for order, form in enumerate(candidates):
            encoded = _encode_form(form, operation)
            if encoded is None:
                continue
            code, offset = encoded
            if any(
                isinstance(o, Memory) and o.base is not None and o.base.name in ("rip", "eip")
                for o in operation.operands
            ):
                # Not by address but by distance: what the brackets say is the displacement itself.
                value = next(o.displacement for o in operation.operands if isinstance(o, Memory))
                code = code[:offset] + (value & 0xFFFFFFFF).to_bytes(4, "little") + code[offset + 4 :]
            key = (int(form.encoding == iced_x86.EncodingKind.EVEX), len(code), order)
            if best is None or key < best[0]:
                best = key, _Relocatable(code, offset)
        if best is None:
            return forms.refuse_operands(operation)
        return best[1]


_shared: CheckedEncoder | None = None
_shared_lock = threading.Lock()


def default_encoder() -> Encoder:
    """The encoder that everything in this process shares."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = CheckedEncoder()
        return _shared
