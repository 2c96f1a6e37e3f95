"""Why an operation cannot be encoded: one plain sentence, the operand to blame, and what to write instead.

The codes ASM100 to ASM199 are made here and in encoder.py; `CODES` documents each with a source line that triggers it.
Addresses that the reader of the source refuses before (ASM021, ASM023, ASM029) are refused here under the same codes, for
whoever makes operations without it.
"""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from types import MappingProxyType

from execmem_kernel.assembly import forms, habits
from execmem_kernel.assembly.forms import SIZE_NAMES, Form, operand_fits, register_class, register_size
from execmem_kernel.assembly.operands import (
    REX_PREFIXES,
    Immediate,
    Memory,
    Operand,
    Operation,
    Refusal,
    Register,
    Target,
)

CODES = MappingProxyType(
    {
        "ASM100": ("No instruction has this name.", "mvo rax, 1"),
        "ASM101": ("The instruction, or this form of it, does not exist in 64-bit mode.", "pusha"),
        "ASM102": ("The instruction does not take operands of these kinds.", "shl eax, bl"),
        "ASM103": ("The size of the memory operand is missing.", "mov [rax], 1"),
        "ASM104": ("The instruction takes another number of operands.", "add rax"),
        "ASM105": ("One instruction cannot have two memory operands.", "mov qword ptr [rax], [rbx]"),
        "ASM106": ("A number cannot be the destination.", "mov 5, rax"),
        "ASM107": ("The sizes of the operands disagree.", "mov rax, ebx"),
        "ASM108": ("The number does not fit into the operand.", "mov al, 256"),
        "ASM109": ("lock needs an instruction that changes memory.", "lock add eax, 1"),
        "ASM110": ("ah, bh, ch and dh cannot be used beside a register that needs a REX prefix.", "mov ah, r8b"),
        "ASM111": ("rip is no operand; it only stands in brackets.", "add rip, 5"),
        "ASM115": ("The branch has no form of the length asked for.", "call short f\nf: ret"),
        "ASM116": ("The target is further away than the branch reaches.", "loop f\n.skip 200\nf: ret"),
        "ASM117": (
            "The address is further away than rip-relative addressing reaches.",
            "mov rax, [rel 0x7fff00000000]",
        ),
        "ASM118": ("The displacement of the address does not fit into 32 bits.", "mov rax, [rbx+0x80000000]"),
        "ASM120": ("The prefix does not go with the instruction.", "rep add eax, 1"),
        "ASM121": ("The instruction has no form that takes a mask.", "addps xmm0{k1}, xmm1"),
        "ASM122": ("Registers 16 to 31 need an AVX-512 form, and there is none.", "addps xmm16, xmm1"),
        "ASM123": ("The instruction does not take this rounding.", "vmovaps zmm0, zmm1, {rn-sae}"),
        "ASM124": ("The instruction does not take this broadcast.", "vaddps zmm0, zmm1, dword ptr [rax]{1to8}"),
        "ASM125": ("The mask has to be k1 to k7, and {z} needs one.", "vaddps zmm0{k0}, zmm1, zmm2"),
        "ASM126": ("The registers of a gather have to be different ones.", "vpgatherdd xmm1, [rax+xmm1*4], xmm2"),
        "ASM199": ("The assembler has no encoding that reads back as what was written; report it.", ""),
    }
)
"""Code -> what it means, and a source that triggers it (none for ASM199: no such source is known)."""


def unknown(mnemonic: str) -> Refusal:
    """No instruction has this name."""
    near = ["ret" if name == "retn" else name for name in forms.nearest_mnemonics(mnemonic.lower())]
    hint = f"did you mean {_listed([f'`{name}`' for name in near], 'or')}?" if near else ""
    return Refusal("ASM100", f"There is no instruction named `{mnemonic}`.", None, hint)


def refuse(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    """Why the canonical operation cannot be encoded in any of the forms found for it, or None when it can."""
    return (
        _bad_address(operation)
        or _bad_register(operation)
        or _bad_decoration(operation)
        or _not_in_64_bit_form(operation)
        or (_no_form(operation) if not found else None)
        or _high_byte_clash(operation)
        or _bad_prefix(operation, found)
        or _missing_size(operation, found)
        or _equal_registers(operation, found)
    )


def misspelt(operation: Operation) -> Refusal | None:
    """`imull rax, rbx`: the size letter of the spelling against the operands, which the canonical name no longer shows."""
    name = forms.resolve(operation.mnemonic)
    if name is None or name.size is None or name.mnemonic in ("in", "out", "crc32"):
        return None
    if operation.mnemonic in ("lcall", "ljmp"):
        if all(isinstance(operand, Memory) for operand in operation.operands):
            return None
        return Refusal(
            "ASM102", f"`{operation.mnemonic}` takes memory: an address and a segment.", 0, "write `call` or `jmp`"
        )
    for number, operand in enumerate(operation.operands):
        size = _operand_size(operand)
        if size in (None, name.size) or operand == Register("cl"):
            continue
        if isinstance(operand, Memory) and operand.broadcast is not None and name.size > 8:
            continue
        if isinstance(operand, Register) and register_class(operand.name)[0] != "r":
            continue
        return Refusal(
            "ASM107", f"The `{operation.mnemonic[-1]}` at the end of `{operation.mnemonic}` means {_bits(name.size)}, and {_sized(operand)}.",
            number, f"write `{operation.mnemonic[:-1]}`: the registers tell the size",
        )  # fmt: skip
    return None


# ---- what is wrong whatever the instruction --------------------------------------------------------------------------


def _bad_address(operation: Operation) -> Refusal | None:
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory):
            refusal = _bad_memory(number, operand, operation)
            if refusal is not None:
                return refusal
    return None


def _bad_memory(number: int, memory: Memory, operation: Operation) -> Refusal | None:
    base = memory.base.name if memory.base is not None else None
    index = memory.index.name if memory.index is not None else None
    if index in ("rsp", "esp", "rip", "eip"):
        if base is None or memory.scale != 1 or index.endswith("ip"):
            return Refusal(
                "ASM021",
                f"`{index}` cannot be an index or be multiplied in an address.",
                number,
                "copy it to another register first",
            )
        if base in ("rsp", "esp"):
            return Refusal(
                "ASM021", f"`{base}` cannot be added twice in an address.", number, "copy it to another register first"
            )
    if index is not None and base in ("rip", "eip"):
        return Refusal(
            "ASM023",
            f"`{base}` cannot be combined with `{index}` in an address.",
            number,
            f"lea the label into a register, then add `{index}`",
        )
    if index is not None and memory.scale not in (1, 2, 4, 8):
        return Refusal("ASM029", f"An index is multiplied by 1, 2, 4 or 8, not by {memory.scale}.", number)
    classes = [register_class(name) for name in (base, index) if name is not None]
    general = [family for family in classes if family not in ("xmm", "ymm", "zmm", "ip")]
    if base is not None and register_class(base) not in ("r64", "r32", "ip"):
        wide = forms.full_register(base)
        hint = (
            f"write [{wide}]"
            if register_class(base) in ("r8", "r16")
            else "an address is made of 64-bit general registers"
        )
        return Refusal("ASM023", f"`{base}` cannot be the base of an address.", number, hint)
    if index is not None and register_class(index) not in ("r64", "r32", "xmm", "ymm", "zmm"):
        return Refusal(
            "ASM023",
            f"`{index}` cannot be an index of an address.",
            number,
            "an address is made of 64-bit general registers",
        )
    if len(set(general)) > 1:
        return Refusal(
            "ASM023", f"`{base}` and `{index}` have different sizes; an address is made of registers of one size.", number,
            f"write {forms.full_register(base or '')} and {forms.full_register(index or '')}",
        )  # fmt: skip
    low, high = -(1 << 31), (1 << 31) - 1
    narrow = "r32" in general or base == "eip"
    value = memory.displacement
    wraps = (1 << 32) if narrow else (1 << 64)
    if not (low <= value <= high or low <= value - wraps < 0) and not _goes_to_moffs(operation, memory):
        hint = "load the address into a register first: `mov rax, address`, then use `[rax]`"
        if base is None and index is None:
            hint += "; or use al, ax, eax or rax, which reach any address"
        return Refusal(
            "ASM118",
            f"The displacement {_number(value)} does not fit: an address holds 32 bits, {_number(low)} to {_number(high)}.",
            number,
            hint,
        )
    return None


def _goes_to_moffs(operation: Operation, memory: Memory) -> bool:
    """al, ax, eax and rax can be moved to and from any 64-bit address."""
    return (
        operation.mnemonic == "mov"
        and memory.base is None
        and memory.index is None
        and any(
            operand in (Register("al"), Register("ax"), Register("eax"), Register("rax"))
            for operand in operation.operands
        )
    )


def _bad_register(operation: Operation) -> Refusal | None:
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Register) and operand.name in ("rip", "eip"):
            return Refusal(
                "ASM111",
                f"`{operand.name}` cannot be an operand; it is the address of the next instruction.",
                number,
                "read it with `lea rax, [rip]`, change it with `jmp`, `call` or `ret`",
            )
    return None


def _high_byte_clash(operation: Operation) -> Refusal | None:
    """ah, bh, ch and dh cannot be named in an instruction that has a REX prefix (Intel SDM vol. 2, 2.2.1.2)."""
    named = [operand.name for operand in operation.operands if isinstance(operand, Register)]
    high = next((name for name in named if name in forms.HIGH_BYTE_REGISTERS), None)
    if high is None:
        return None
    for operand in operation.operands:
        if isinstance(operand, Memory):
            named += [
                one.name
                for one in (operand.base, operand.index)
                if one is not None and one.name in forms.EXTENDED_REGISTERS
            ]
    for name in named:
        if name in forms.EXTENDED_REGISTERS or name in forms.REX_BYTE_REGISTERS or register_class(name) == "r64":
            return Refusal(
                "ASM110",
                f"`{high}` cannot be used together with `{name}`: the prefix that `{name}` needs makes `{high}` mean another register.",
                operation.operands.index(Register(high)),
                f"use `{high[0]}l`, or move `{high}` into al, bl, cl or dl first",
            )
    return None


# ---- prefixes, masks, rounding ---------------------------------------------------------------------------------------

_ALLOWED_PREFIXES = frozenset(
    (
        "{vex}", "{vex2}", "{vex3}", "{evex}", "{load}", "{store}", "{swap}", "{disp8}", "{disp32}", "{rex}", "{nooptimize}",
        "data16", "addr32", "cs", "ds", "es", "ss", *REX_PREFIXES,
    )
)  # fmt: skip
"""Prefixes that choose among encodings, or change nothing; whether they do, is seen when the bytes are read back."""


def _bad_prefix(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    mnemonic, first = operation.mnemonic, operation.operands[0] if operation.operands else None
    infos = [form.info for form in found]
    for prefix in operation.prefixes:
        match prefix:
            case "lock":
                if not any(info.can_use_lock_prefix for info in infos):
                    return Refusal(
                        "ASM109",
                        f"`lock` does not go with `{mnemonic}`.",
                        None,
                        "it goes with add, adc, and, btc, btr, bts, cmpxchg, dec, inc, neg, not, or, sbb, sub, xadd, xchg, xor",
                    )
                if not isinstance(first, Memory):
                    return Refusal(
                        "ASM109",
                        f"`lock {mnemonic}` needs memory as its first operand.",
                        0,
                        "a register needs no lock: nobody else sees it",
                    )
            case "rep" | "repe" | "repz" | "repne" | "repnz":
                if not any(form.is_string for form in found) and (mnemonic, prefix[:4]) not in (
                    ("ret", "rep"),
                    ("ret", "repe"),
                    ("ret", "repz"),
                ):
                    return Refusal(
                        "ASM120",
                        f"`{prefix}` does not go with `{mnemonic}`.",
                        None,
                        "it goes with movs, stos, lods, cmps, scas, ins and outs",
                    )
            case "xacquire" | "xrelease":
                allowed = any(
                    info.can_use_xacquire_prefix if prefix == "xacquire" else info.can_use_xrelease_prefix
                    for info in infos
                )
                if not allowed or not isinstance(first, Memory):
                    return Refusal("ASM120", f"`{prefix}` does not go with this `{mnemonic}`.", None)
                if "lock" not in operation.prefixes and mnemonic not in ("xchg", "mov"):
                    return Refusal(
                        "ASM120", f"`{prefix}` needs `lock` beside it.", None, f"write `{prefix} lock {mnemonic}`"
                    )
            case "notrack" if not any(info.can_use_notrack_prefix for info in infos):
                return Refusal(
                    "ASM120",
                    f"`notrack` does not go with this `{mnemonic}`.",
                    None,
                    "it goes with jmp and call through a register or memory",
                )
            case "bnd" if not any(info.can_use_bnd_prefix for info in infos):
                return Refusal("ASM120", f"`bnd` does not go with `{mnemonic}`.", None)
            case "data16" if mnemonic in ("ret", "call", "jmp"):
                return Refusal(
                    "ASM120",
                    f"`data16 {mnemonic}` means different things to Intel and AMD processors.",
                    None,
                    "leave it out",
                )
            case "notrack" | "bnd" | "movabs":
                pass
            case _ if prefix not in _ALLOWED_PREFIXES:
                return Refusal("ASM120", f"The prefix `{prefix}` cannot be written before `{mnemonic}`.", None)
    return None


def _bad_decoration(operation: Operation) -> Refusal | None:
    if operation.mask is not None and (operation.mask.name == "k0" or register_class(operation.mask.name) != "k"):
        return Refusal(
            "ASM125",
            f"`{operation.mask.name}` cannot be a mask.",
            0,
            "k1 to k7 can; no mask at all means every element",
        )
    if operation.zeroing and operation.mask is None:
        return Refusal("ASM125", "`{z}` needs a mask before it.", 0, "write {k1}{z}")
    every = forms.forms_of(operation.mnemonic)
    if not every:
        return None
    if operation.mask is not None and not any(form.info.can_use_op_mask_register for form in every):
        return Refusal("ASM121", f"`{operation.mnemonic}` does not take a mask.", 0, _evex_name(operation.mnemonic))
    if operation.zeroing and (
        not any(form.info.can_use_zeroing_masking for form in every) or isinstance(operation.operands[0], Memory)
    ):
        return Refusal(
            "ASM125",
            f"`{{z}}` does not go with this `{operation.mnemonic}`.",
            0,
            "leave it out: the unselected elements keep their values",
        )
    high = next(
        (
            number
            for number, operand in enumerate(operation.operands)
            if isinstance(operand, Register) and forms.needs_evex(operand.name)
        ),
        None,
    )
    if high is not None and not any(form.is_evex for form in every):
        register = operation.operands[high]
        assert isinstance(register, Register)
        return Refusal(
            "ASM122",
            f"`{operation.mnemonic}` cannot use `{register.name}`: registers 16 to 31 need an AVX-512 form.",
            high,
            _evex_name(operation.mnemonic),
        )
    if operation.rounding is not None:
        sae = operation.rounding == "sae"
        if not any(
            form.info.can_suppress_all_exceptions if sae else form.info.can_use_rounding_control for form in every
        ):
            return Refusal("ASM123", f"`{operation.mnemonic}` does not take {{{operation.rounding}}}.", -1)
        if any(isinstance(operand, Memory) for operand in operation.operands):
            return Refusal("ASM123", f"{{{operation.rounding}}} goes with registers only, not with memory.", -1)
    return _bad_broadcast(operation, every)


def _bad_broadcast(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.broadcast is not None:
            shape = tuple(forms.shape_of(other) for other in operation.operands)
            fitting = [form for form in every if form.broadcast_size and forms.takes(form, shape)]
            if not fitting:
                return Refusal(
                    "ASM124",
                    f"`{operation.mnemonic}` does not broadcast.",
                    number,
                    "leave out {1to" + str(operand.broadcast) + "}",
                )
            counts = {form.memory_size // form.broadcast_size: form.broadcast_size for form in fitting}
            if operand.broadcast not in counts or operand.size not in (None, counts[operand.broadcast]):
                ways = _listed(
                    [f"{SIZE_NAMES[size]} ptr [...]{{1to{count}}}" for count, size in sorted(counts.items())], "or"
                )
                return Refusal(
                    "ASM124",
                    f"`{operation.mnemonic}` does not broadcast like this with these registers.",
                    number,
                    f"write {ways}",
                )
    return None


def _evex_name(mnemonic: str) -> str:
    return f"`v{mnemonic}` may" if forms.forms_of(f"v{mnemonic}") else "only AVX-512 instructions do"


# ---- what does not fit the instruction -------------------------------------------------------------------------------


def _no_form(operation: Operation) -> Refusal:
    """No form says the operation: find the operand to blame, from the grossest mismatch to the finest."""
    mnemonic, operands = operation.mnemonic, operation.operands
    every = forms.forms_of(mnemonic)
    if not every:
        return Refusal("ASM101", f"`{mnemonic}` does not exist in 64-bit mode.", None, _REPLACEMENTS.get(mnemonic, ""))
    counts = sorted({count for form in every for count in forms.operand_counts(form)})
    if len(operands) not in counts:
        wanted = _listed([str(count) for count in counts], "or")
        plural = "operand" if counts == [1] else "operands"
        return Refusal(
            "ASM104", f"`{mnemonic}` takes {wanted if counts != [0] else 'no'} {plural}, and {len(operands)} {'is' if len(operands) == 1 else 'are'} given.",
            -1, habits.miscounted(mnemonic, len(operands)), _form_texts(every, operation),
        )  # fmt: skip
    if mnemonic == "mov" and operands[0] == Register("cs"):
        return Refusal("ASM102", "`cs` cannot be written to; it changes with far jumps, calls and returns.", 0)
    if mnemonic == "bswap":
        return Refusal("ASM102", "`bswap` of 16 bits has no defined result.", 0, "write `rol ax, 8` to swap two bytes")
    return (
        _impossible_kinds(operation, every)
        or _misfit_size(operation, every)
        or _misfit_number(operation, every)
        or _misfit_kind(operation, every)
    )


_REPLACEMENTS = {
    "pusha": "push the registers one by one", "pushad": "push the registers one by one", "popa": "pop the registers one by one",
    "popad": "pop the registers one by one", "into": "use `jo` to a call", "pushfd": "write pushfq", "popfd": "write popfq",
    "les": "use lfs or lgs", "lds": "use lfs or lgs", "jcxz": "write jrcxz or jecxz", "salc": "write sbb al, al",
}  # fmt: skip


def _impossible_kinds(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    operands, mnemonic = operation.operands, operation.mnemonic
    if (
        any(form.is_string for form in every)
        and operands
        and isinstance(operands[0], Memory | Register)
        and mnemonic not in ("movsd", "cmpsd")
    ):
        return Refusal(
            "ASM102", f"`{mnemonic}` always works on the memory at rdi and rsi, and on the accumulator.", -1,
            f"write `{mnemonic}` alone", _form_texts(every, operation),
        )  # fmt: skip
    memories = [number for number, operand in enumerate(operands) if isinstance(operand, Memory)]
    if len(memories) > 1:
        return Refusal(
            "ASM105", f"`{mnemonic}` cannot have two memory operands: one instruction reaches memory once.", memories[1],
            f"go through a register: `mov rax, ...`, then `{mnemonic}` with rax", _form_texts(every, operation),
        )  # fmt: skip
    if (
        len(operands) > 1
        and isinstance(operands[0], Immediate)
        and not any(form.slots[0].immediate for form in every if form.slots)
    ):
        return Refusal(
            "ASM106",
            f"The destination of `{mnemonic}` cannot be a number.",
            0,
            f"the destination comes first: `{_turned(operation)}`",
            _form_texts(every, operation),
        )
    return None


def _not_in_64_bit_form(operation: Operation) -> Refusal | None:
    """push eax, call ecx, push ds: what 32-bit code does."""
    mnemonic, operands = operation.mnemonic, operation.operands
    if mnemonic not in ("push", "pop", "call", "jmp") or len(operands) != 1:
        return None
    operand = operands[0]
    if mnemonic in ("call", "jmp") and _operand_size(operand) == 2:
        return Refusal(
            "ASM101",
            f"`{mnemonic}` to a 16-bit address means different things to Intel and AMD processors.",
            0,
            "use 64 bits",
        )
    if isinstance(operand, Register) and register_class(operand.name) == "r32":
        return Refusal(
            "ASM101",
            f"`{mnemonic}` with a 32-bit register does not exist in 64-bit mode.",
            0,
            f"write `{mnemonic} {forms.full_register(operand.name)}`",
        )
    if isinstance(operand, Register) and operand.name in ("cs", "ds", "es", "ss"):
        return Refusal(
            "ASM101", f"`{mnemonic} {operand.name}` does not exist in 64-bit mode.", 0, "fs and gs can be pushed"
        )
    if isinstance(operand, Memory) and operand.size == 4:
        return Refusal(
            "ASM101",
            f"`{mnemonic}` with a dword in memory does not exist in 64-bit mode.",
            0,
            f"write `{mnemonic} qword ptr [...]`",
        )
    return None


def _relaxed(operand: Operand) -> str:
    """The kind of operand, sizes apart."""
    match operand:
        case Register(name):
            family = register_class(name)
            return (
                "general"
                if family in ("r8", "r16", "r32", "r64")
                else "vector"
                if family in ("xmm", "ymm", "zmm")
                else family
            )
        case Memory():
            return "memory"
        case Immediate():
            return "number"
        case Target():
            return "target"


@cache
def _slot_relaxed(slot: forms.Slot) -> set[str]:
    kinds = {_relaxed(Register(name)) for name in slot.registers}
    if slot.memory:
        kinds.add("memory")
    if slot.immediate:
        kinds.add("number")
    if "BR" in slot.name or "XBEGIN" in slot.name:
        kinds.add("target")
    return kinds


def _alike(operation: Operation, every: Sequence[Form]) -> list[Form]:
    """The forms that take operands of these kinds, if only sizes, values and particular registers were others."""
    kinds = [_relaxed(operand) for operand in operation.operands]
    return [
        form
        for form in every
        if len(form.slots) == len(kinds)
        and all(kind in _slot_relaxed(slot) for kind, slot in zip(kinds, form.slots, strict=True))
    ]


def _operand_size(operand: Operand) -> int | None:
    match operand:
        case Register(name) if register_class(name) not in ("sreg", "cr", "dr"):
            return register_size(name)
        case Memory(size=size):
            return size
    return None


def _misfit_size(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    """Two operands of sizes that no form puts together, each possible by itself."""
    operands = operation.operands
    alike = _alike(operation, every)
    if not alike or any(_sizes_fit(form, operation) for form in alike):
        return None
    if len(alike) and all(len(slot.registers) == 1 for form in alike for slot in form.slots[1:2] if slot.registers):
        return None  # `shl eax, bl`: not a matter of size
    sized = [(number, size) for number, operand in enumerate(operands) if (size := _operand_size(operand)) is not None]
    for (first, one), (second, other) in pairwise(sized):
        if one != other:
            return Refusal(
                "ASM107",
                f"The sizes disagree: {_sized(operands[first])}, {_sized(operands[second])}.",
                second,
                _size_hint(operation, first, second, one, other),
                _form_texts(alike, operation),
            )
    if len(sized) == 1:
        number, size = sized[0]
        possible = sorted({found for form in alike for found in _slot_sizes(form, number)})
        words = _listed([_bits(found) for found in possible], "or")
        return Refusal(
            "ASM107",
            f"{_sized(operands[number])}; `{operation.mnemonic}` takes {words} here.",
            number,
            forms=_form_texts(alike, operation),
        )
    return None


def _slot_sizes(form: Form, number: int) -> set[int]:
    slot = form.slots[number]
    sizes = {register_size(name) for name in slot.registers}
    return sizes | ({form.memory_size} if slot.memory and form.memory_size else set())


def _sizes_fit(form: Form, operation: Operation) -> bool:
    for slot, operand in zip(form.slots, operation.operands, strict=True):
        if isinstance(operand, Register) and register_class(operand.name) not in forms.families(slot.registers):
            return False
        if (
            isinstance(operand, Memory)
            and operand.size
            and form.memory_size
            and operand.broadcast is None
            and form.memory_size != operand.size
        ):
            return False
    return True


def _size_hint(operation: Operation, first: int, second: int, one: int, other: int) -> str:
    small = operation.operands[second]
    if operation.mnemonic == "movzx" and (one, other) == (8, 4) and isinstance(small, Register):
        return f"`mov {_same_register(operation.operands[0], 4)}, {small.name}` clears the upper half already"
    if operation.mnemonic in ("movd", "movq") and other in (4, 8):
        return "movd moves 32 bits, movq 64"
    if operation.mnemonic == "mov" and one > other and first == 0 and isinstance(small, Register):
        if (one, other) == (8, 4):
            return f"`mov {_same_register(operation.operands[0], 4)}, {small.name}` clears the upper half; `movsxd` keeps the sign"
        return "`movzx` fills up with zeros, `movsx` keeps the sign"
    if isinstance(small, Memory):
        return f"write {SIZE_NAMES.get(one, '')} ptr [...], or leave the size out".replace("  ", " ")
    return "use registers of one size"


def _same_register(operand: Operand, size: int) -> str:
    if not isinstance(operand, Register):
        return "eax"
    full = forms.full_register(operand.name)
    return next(
        (
            name
            for name in sorted(forms.known_registers())
            if forms.full_register(name) == full and register_size(name) == size
        ),
        operand.name,
    )


def _misfit_number(operation: Operation, every: Sequence[Form]) -> Refusal | None:
    """Everything fits but the value of an immediate."""
    shape = tuple(forms.shape_of(operand) for operand in operation.operands)
    candidates = [
        form
        for form in every
        if len(form.slots) == len(shape) and forms.takes(form, shape) and _others_fit(form, operation)
    ]
    for number, operand in enumerate(operation.operands):
        if not isinstance(operand, Immediate):
            continue
        slots = [form.slots[number] for form in candidates]
        if not slots or any(slot.fits(operand.value) for slot in slots):
            continue
        widest = max(slots, key=lambda slot: (slot.width, slot.high))
        low, high = widest.low, widest.high
        hint = ""
        if widest.wrap == 64 and operation.mnemonic != "push":
            hint = f"only `mov` to a register takes a 64-bit number: `mov rcx, {_number(operand.value)}`, then `{operation.mnemonic}` with rcx"
        elif operation.mnemonic == "push":
            hint = f"`mov rax, {_number(operand.value)}`, then `push rax`"
        elif widest.width == 1 and low < 0:
            hint = "only the low byte would be left of it"
        return Refusal(
            "ASM108",
            f"{_number(operand.value)} does not fit here: the number can be {_number(low)} to {_number(high)}.",
            number,
            hint,
        )
    return None


def _others_fit(form: Form, operation: Operation) -> bool:
    return all(
        isinstance(operand, Immediate) or operand_fits(form, slot, operand)
        for slot, operand in zip(form.slots, operation.operands, strict=True)
    )


def _misfit_kind(operation: Operation, every: Sequence[Form]) -> Refusal:
    """The first operand that no form takes in its place, given those before it."""
    remaining = [form for form in every if len(form.slots) == len(operation.operands)] or list(every)
    for number, operand in enumerate(operation.operands):
        kept = [
            form for form in remaining if len(form.slots) > number and operand_fits(form, form.slots[number], operand)
        ]
        if not kept:
            return Refusal(
                "ASM102",
                f"`{operation.mnemonic}` does not take {_described(operand)} as its {_ORDINALS[number]} operand here.",
                number,
                _kind_hint(operation, remaining, number),
                _form_texts(remaining, operation),
            )
        remaining = kept
    return Refusal(
        "ASM102",
        f"`{operation.mnemonic}` does not take these operands together.",
        -1,
        "it goes to a label only" if operation.mnemonic[0] == "j" and operation.mnemonic != "jmp" else "",
        _form_texts(every, operation),
    )


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def _kind_hint(operation: Operation, remaining: Sequence[Form], number: int) -> str:
    mnemonic, operand = operation.mnemonic, operation.operands[number]
    vector = isinstance(operand, Register) and register_class(operand.name) in ("xmm", "ymm", "zmm")
    if mnemonic == "lea":
        return f"write brackets: `lea rax, [{operand.name if isinstance(operand, Register) else '...'}]`, or `mov` for what is no address"
    if mnemonic.startswith("set") and isinstance(operand, Register):
        return f"it sets one byte: `{mnemonic} al`, then `movzx eax, al`"
    if mnemonic == "mov" and vector:
        return "movd, movq, movaps and movups move vector registers"
    if vector and forms.forms_of(f"{mnemonic}ps"):
        return f"`{mnemonic}ps` and `{mnemonic}pd` work on vectors of numbers with a fraction, `p{mnemonic}d` and the like on integers"
    if (mnemonic[0] == "j" or mnemonic.startswith("loop")) and mnemonic != "jmp":
        return "it goes to a label only"
    if mnemonic == "imul" and isinstance(operand, Immediate) and number == 1 and len(operation.operands) == 3:
        return "the number comes last: `imul rbx, rax, 5`"
    general = isinstance(operand, Register) and register_class(operand.name) in ("r8", "r16", "r32", "r64")
    hint = habits.unfit(
        mnemonic,
        _operand_size(operand) if general else None,
        vector=vector,
        number=isinstance(operand, Immediate),
        high=_operand_size(operation.operands[0]),
    )
    if hint:
        return hint
    if isinstance(operand, Immediate) and mnemonic in ("mul", "div", "idiv", "imul", "mov", "xchg"):
        return "put the number into a register first"
    fixed = {
        name
        for form in remaining
        if len(form.slots) > number
        for name in form.slots[number].registers
        if len(form.slots[number].registers) == 1
    }
    if fixed and all(len(form.slots[number].registers) <= 1 for form in remaining if len(form.slots) > number):
        return f"it has to be {_listed(sorted(fixed), 'or')}" + (
            " or a number"
            if any(form.slots[number].immediate for form in remaining if len(form.slots) > number)
            else ""
        )
    return ""


def _missing_size(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    for number, operand in enumerate(operation.operands):
        if isinstance(operand, Memory) and operand.size is None and operand.broadcast is None:
            possible = found
            if not any(isinstance(other, Register) for other in operation.operands):
                # Not the value of the number decides: that only a dword holds it does not say that a dword is meant.
                shape = tuple(forms.shape_of(other) for other in operation.operands)
                possible = [form for form in forms.forms_of(operation.mnemonic) if forms.takes(form, shape)]
                if operation.mnemonic in ("push", "pop", "call", "jmp"):
                    possible = found
            sizes = sorted({form.memory_size for form in possible if form.memory_size})
            if len(sizes) > 1:
                words = [f"`{SIZE_NAMES[size]} ptr`" for size in sizes]
                return Refusal(
                    "ASM103", f"The size of the memory operand is missing: it could be {_listed(words, 'or')}.", number,
                    f"for {sizes[-1]} bytes write `{SIZE_NAMES[sizes[-1]]} ptr [...]`",
                )  # fmt: skip
    return None


def _equal_registers(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    """A gather whose destination, index and mask are not three registers is an invalid opcode."""
    if not found or not found[0].info.requires_unique_reg_nums:
        return None
    numbers: dict[str, str] = {}
    for operand in operation.operands:
        register = operand.index if isinstance(operand, Memory) else operand
        if isinstance(register, Register) and register_class(register.name) in ("xmm", "ymm", "zmm", "tmm"):
            number = register.name.lstrip("xyztm")
            if number in numbers:
                return Refusal(
                    "ASM126", f"`{operation.mnemonic}` needs different registers, and has `{numbers[number]}` and `{register.name}`.", -1,
                    "the processor refuses it as an invalid opcode",
                )  # fmt: skip
            numbers[number] = register.name
    return None


# ---- words -----------------------------------------------------------------------------------------------------------


def _listed(words: Sequence[str], conjunction: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {conjunction} {words[-1]}" if words else ""


def _number(value: int) -> str:
    return f"{value:,}" if abs(value) < 1 << 16 else f"{'-' if value < 0 else ''}{abs(value):#x}"


def _bits(size: int) -> str:
    return f"{size * 8} bits"


def _turned(operation: Operation) -> str:
    """`cmp 5, eax` with its operands the other way round, or an example where that says nothing."""
    match operation.operands:
        case (Immediate(value), Register(name)):
            return f"{operation.mnemonic} {name}, {value if abs(value) < 10_000 else hex(value)}"
    return "mov rax, 5"


def _sized(operand: Operand) -> str:
    size = _operand_size(operand)
    assert size is not None
    name = f"`{operand.name}`" if isinstance(operand, Register) else f"the memory operand ({SIZE_NAMES.get(size, '')})"
    return f"{name} has {_bits(size)}"


def _described(operand: Operand) -> str:
    match operand:
        case Register(name):
            return f"`{name}`"
        case Memory(size=None):
            return "memory"
        case Memory(size=size):
            return f"a {SIZE_NAMES.get(size or 0, '')} in memory"
        case Immediate(value):
            return f"the number {_number(value)}"
        case Target():
            return "a label"


def _form_texts(every: Sequence[Form], operation: Operation) -> tuple[str, ...]:
    """The forms as text, those most like the operation first."""
    kinds = [_relaxed(operand) for operand in operation.operands]

    def unlike(form: Form) -> int:
        pairs = zip(form.slots, kinds, operation.operands, strict=False)
        return abs(len(form.slots) - len(kinds)) * 16 + sum(
            4 * (kind not in _slot_relaxed(slot)) + (not operand_fits(form, slot, operand))
            for slot, kind, operand in pairs
        )

    return tuple(dict.fromkeys(form.text for form in sorted(every, key=unlike)))[:8]
