"""An instruction in its canonical form: its one name here, and every operand that its spelling leaves out.

First what holds for every instruction (aliases, sizes and prefixes that belong to an operand, implied operands), then
the rewrites of single mnemonics, which are the table `_REWRITES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from execmem_kernel.x86.forms import STRING_STEMS
from execmem_kernel.x86.mnemonics import resolve
from execmem_kernel.x86.operands import Immediate, Memory, Operand, Operation, Register, Target
from execmem_kernel.x86.registers import (
    CLASS_MEMBERS,
    EXTENDED_REGISTERS,
    SEGMENTS,
    full_register,
    register_class,
    register_size,
)
from execmem_kernel.x86.selection import candidate_forms, form_says, shape_of

_STRING_SIZES = {"b": 1, "w": 2, "d": 4, "q": 8}
_TOP, _NEXT = Register("st(0)"), Register("st(1)")


def canonical(operation: Operation) -> Operation | None:
    """The same instruction under its one name here, at address 0, with every operand that its spelling leaves out.

    None if no instruction has the name.
    """
    name = resolve(operation.mnemonic)
    operands, prefixes = operation.operands, operation.prefixes
    if name is None:
        sized = _generic_string(operation)
        return None if sized is None else canonical(sized)
    mnemonic = name.mnemonic
    if name.predicate is not None:
        operands = (*operands, Immediate(name.predicate))
    if name.size is not None:
        operands = tuple(_with_size(operand, name.size) for operand in operands)
    if prefixes and prefixes[-1] in SEGMENTS:
        prefixes, operands = _with_segment(prefixes, operands)
    if operation.mnemonic.startswith("movabs"):
        prefixes = (*prefixes, "movabs")
    if any(isinstance(operand, Memory) and operand.index in _STACK_POINTERS for operand in operands):
        operands = tuple(map(_with_stack_pointer_as_base, operands))
    if any(isinstance(operand, Memory) and operand.segment is not None for operand in operands):
        string = mnemonic[:-1] in STRING_STEMS
        operands = tuple(_without_default_segment(operand, string) for operand in operands)
    if mnemonic in IMPLIED_OPERANDS:
        prefixes, operands = _without_implied(mnemonic, prefixes, operands)
    if mnemonic == "movq" and len(operands) == 2 and all(map(_is_quadword, operands)):
        # Without a vector register it is the 64-bit `mov`.
        mov = operation._replace(mnemonic="mov", operands=tuple(_with_size(operand, 8) for operand in operands))
        return canonical(mov)
    if not operands and operation.mnemonic in _QUADWORD_FLAGS:
        mnemonic = _QUADWORD_FLAGS[operation.mnemonic]
    rewrite = _REWRITES.get(mnemonic)
    if rewrite is None and mnemonic.startswith(_WITH_TOP):
        rewrite = _x87_with_top
    if rewrite is not None:
        mnemonic, operands = rewrite(mnemonic, operands)
    found = Operation(mnemonic, operands, prefixes, 0, operation.mask, operation.zeroing, operation.rounding)
    if any(isinstance(operand, Memory) and operand.broadcast == 0 for operand in operands):
        return _with_count(found)
    return found


# ---- what holds for every instruction --------------------------------------------------------------------------------


def _with_segment(
    prefixes: tuple[str, ...], operands: tuple[Operand, ...]
) -> tuple[tuple[str, ...], tuple[Operand, ...]]:
    """`cs nop word ptr [rax]`: the prefix before the name is the segment in the operand."""
    for number, operand in enumerate(operands):
        if isinstance(operand, Memory) and operand.segment is None:
            sized = replace(operand, segment=Register(prefixes[-1]))
            return prefixes[:-1], (*operands[:number], sized, *operands[number + 1 :])
    return prefixes, operands


def _with_count(operation: Operation) -> Operation:
    """`dword bcst [rax]`: how often the element is repeated, as the registers say; as it was where they say it not."""
    counts = set()
    shape = tuple(shape_of(operand) for operand in operation.operands)
    for form in candidate_forms(operation.mnemonic, shape):
        if form.broadcast_size and form_says(form, operation):
            counts.add(form.memory_size // form.broadcast_size)
    if len(counts) != 1:
        return operation
    (count,) = counts
    counted = tuple(
        replace(operand, broadcast=count) if isinstance(operand, Memory) and operand.broadcast == 0 else operand
        for operand in operation.operands
    )
    return operation._replace(operands=counted)


def _without_implied(
    mnemonic: str, prefixes: tuple[str, ...], operands: tuple[Operand, ...]
) -> tuple[tuple[str, ...], tuple[Operand, ...]]:
    """Registers that the instruction always uses left out where they are written, as in `monitor rax, rcx, rdx`."""
    if len(operands) < _WRITTEN_LEAST.get(mnemonic, 1):
        return prefixes, operands
    for tail in IMPLIED_OPERANDS[mnemonic]:
        kept = len(operands) - len(tail)
        if operands[kept:] == tuple(map(Register, tail)):
            if tail[0] == "eax" and mnemonic not in ("mwait", "mwaitx", "skinit"):
                prefixes = (*prefixes, "addr32")  # there eax is an address, or part of one
            return prefixes, operands[:kept]
    return prefixes, operands


IMPLIED_OPERANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"), (("xmm0",),)),
    "monitor": (("rax", "rcx", "rdx"), ("rax", "ecx", "edx"), ("eax", "ecx", "edx"), ("eax", "rcx", "rdx")),
    "monitorx": (("rax", "rcx", "rdx"), ("rax", "ecx", "edx"), ("eax", "ecx", "edx"), ("eax", "rcx", "rdx")),
    "mwait": (("rax", "rcx"), ("eax", "ecx")),
    "mwaitx": (("rax", "rcx", "rbx"), ("eax", "ecx", "ebx")),
    **dict.fromkeys(("clzero", "vmrun", "vmload", "vmsave"), (("rax",), ("eax",))),
    "invlpga": (("rax", "ecx"), ("rax", "rcx"), ("eax", "ecx")),
    "tpause": (("edx", "eax"),),
    "umwait": (("edx", "eax"),),
    "pvalidate": (("rax", "ecx", "edx"), ("rax", "rcx", "rdx"), ("eax", "ecx", "edx"), ("rax",), ("eax",)),
    "skinit": (("eax",),),
    "invlpgb": (
        ("rax", "edx", "ecx"),
        ("rax", "ecx", "edx"),
        ("eax", "edx", "ecx"),
        ("eax", "ecx", "edx"),
        ("rax",),
        ("eax",),
    ),
    "psmash": (("rax",), ("eax",)),
    "rmpupdate": (("rax", "rcx"), ("eax", "rcx"), ("rax",), ("eax",)),
    "rmpadjust": (("rax", "rcx", "rdx"), ("eax", "rcx", "rdx"), ("rax",), ("eax",)),
    "rmpquery": (("rax", "rcx", "rdx"), ("eax", "rcx", "rdx"), ("rax",), ("eax",)),
}
"""Instruction -> the registers it always uses, which may be written out last."""
_WRITTEN_LEAST = dict.fromkeys(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"), 3) | dict.fromkeys(
    ("tpause", "umwait"), 3
)
"""With fewer operands than this, the last is not the implied one."""


def _is_quadword(operand: Operand) -> bool:
    """Whether the 64-bit `mov` takes it."""
    match operand:
        case Register(name):
            return register_class(name) in ("r64", "sreg", "cr", "dr")
        case Memory(size=size):
            return size in (None, 8)
        case Immediate():
            return True
        case Target():
            return False


def _with_size(operand: Operand, size: int) -> Operand:
    if isinstance(operand, Memory) and operand.size is None and operand.broadcast is None:
        return replace(operand, size=size)
    return operand


_STACK_POINTERS = (Register("rsp"), Register("esp"))


def _with_stack_pointer_as_base(operand: Operand) -> Operand:
    """`[rax + rsp]`: rsp has no encoding as an index, and with a scale of 1 the two may change places."""
    if not isinstance(operand, Memory) or operand.index not in _STACK_POINTERS or operand.scale != 1:
        return operand
    if operand.base is None or operand.base in _STACK_POINTERS or operand.base.name in ("rip", "eip"):
        return operand
    return replace(operand, base=operand.index, index=operand.base)


def _without_default_segment(operand: Operand, string: bool) -> Operand:
    """`ds:[rbx]` says what goes without saying, and takes no prefix; `ds:[rbp]` does (Intel SDM vol. 1, 3.7.4)."""
    if not isinstance(operand, Memory) or operand.segment is None:
        return operand
    on_stack = operand.base is not None and operand.base.name in ("rsp", "rbp", "esp", "ebp")
    if operand.segment.name == "es" and operand.base is not None and operand.base.name in ("rdi", "edi") and string:
        return replace(operand, segment=None)
    return replace(operand, segment=None) if operand.segment.name == ("ss" if on_stack else "ds") else operand


def _generic_string(operation: Operation) -> Operation | None:
    """`movs byte ptr [rdi], byte ptr [rsi]`: the size is in the operands."""
    if operation.mnemonic not in STRING_STEMS:
        return None
    sizes = {operand.size for operand in operation.operands if isinstance(operand, Memory)}
    sizes |= {
        register_size(operand.name)
        for operand in operation.operands
        if isinstance(operand, Register) and operand.name != "dx"
    }
    letters = [letter for letter, size in _STRING_SIZES.items() if size in sizes]
    if len(letters) != 1:
        return None
    return operation._replace(mnemonic=operation.mnemonic + letters[0])


# ---- single mnemonics ------------------------------------------------------------------------------------------------

_Rewrite = Callable[[str, tuple[Operand, ...]], tuple[str, tuple[Operand, ...]]]
"""From a mnemonic and its operands to those of the same instruction in its one form."""


def _test(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    match operands:
        case (Register(), Memory()):
            return mnemonic, operands[::-1]
    return mnemonic, operands


def _xchg(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    match operands:
        case (Register(), Memory()) | (Register("rax" | "eax" | "ax"), Register()):
            return mnemonic, operands[::-1]
    return mnemonic, operands


def _mov(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    """Between a segment register and a general one only 16 bits count: the 32-bit register needs no prefix."""
    match operands:
        case (Register(), Register(source)) if register_class(source) == "sreg":
            return mnemonic, (_narrowed(operands[0], "r64"), operands[1])
        case (Register(destination), Register()) if register_class(destination) == "sreg":
            return mnemonic, (operands[0], _narrowed(_narrowed(operands[1], "r16"), "r64"))
    return mnemonic, operands


SAME_IN_32_BITS = frozenset(
    (
        "movmskps", "movmskpd", "vmovmskps", "vmovmskpd", "pmovmskb", "vpmovmskb", "extractps", "vextractps", "pextrb",
        "pextrw", "vpextrb", "vpextrw", "pinsrb", "pinsrw", "vpinsrb", "vpinsrw", "sldt", "str", "verr", "verw", "lmsw",
        "lldt", "ltr",
    )
)  # fmt: skip
"""The 64-bit form does what the 32-bit form does, with one more prefix; GNU as writes the shorter one too."""


def _in_32_bits(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    return mnemonic, tuple(_narrowed(operand, "r64") for operand in operands)


def _selector(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    """A selector of 16 bits, read from a register of any size."""
    return mnemonic, tuple(_narrowed(_narrowed(operand, "r64"), "r16") for operand in operands)


def _lar(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    match operands:
        case (Register(wide), Register(low)) if register_class(low) == "r16":
            return mnemonic, (operands[0], Register(_same_number(low, wide)))
    return mnemonic, operands


def _fnstsw(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    return mnemonic, operands or (Register("ax"),)


def _imul(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    match operands:
        case (Register(), Immediate()):
            return mnemonic, (operands[0], *operands)
    return mnemonic, operands


def _shift(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    return mnemonic, (*operands, Immediate(1)) if len(operands) == 1 else operands


def _int(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    match operands:
        case (Immediate(3),):
            return "int3", ()
    return mnemonic, operands


def _movsx(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    """From 32 bits to 64 it has an opcode, and a name, of its own."""
    match operands:
        case (Register(wide), Register(low)) if (register_class(wide), register_class(low)) == ("r64", "r32"):
            return "movsxd", operands
        case (Register(wide), Memory(size=4)) if register_class(wide) == "r64":
            return "movsxd", operands
    return mnemonic, operands


def _movd(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    match operands:
        case (Register(one), Register(other)) if "r64" in (register_class(one), register_class(other)):
            return mnemonic.replace("movd", "movq"), operands
    return mnemonic, operands


def _xlatb(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    return mnemonic, () if operands == (Memory(Register("rbx"), size=1),) else operands


def _x87_with_top(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    """`fcmove st1`: the other register is the top of the stack."""
    match operands:
        case (Register(name),) if register_class(name) == "st":
            return mnemonic, (_TOP, *operands)
    return mnemonic, operands


def _x87_comparison(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    return _x87_with_top(mnemonic, operands) if operands else (mnemonic, (_TOP, _NEXT))


def _x87_arithmetic(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    """Without operands it pops, as `faddp` does."""
    return _x87_with_top(mnemonic, operands) if operands else (f"{mnemonic}p", (_NEXT, _TOP))


def _x87_popping(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[str, tuple[Operand, ...]]:
    match operands:
        case ():
            return mnemonic, (_NEXT, _TOP)
        case (Register(),):
            return mnemonic, (*operands, _TOP)
    return mnemonic, operands


_REWRITES: dict[str, _Rewrite] = {
    "test": _test,
    "xchg": _xchg,
    "mov": _mov,
    **dict.fromkeys(SAME_IN_32_BITS, _in_32_bits),
    **dict.fromkeys(("verr", "verw", "lmsw", "lldt", "ltr"), _selector),
    **dict.fromkeys(("lar", "lsl"), _lar),
    **dict.fromkeys(("fnstsw", "fstsw"), _fnstsw),
    "imul": _imul,
    **dict.fromkeys(("shl", "shr", "sar", "rol", "ror", "rcl", "rcr"), _shift),
    "int": _int,
    "movsx": _movsx,
    **dict.fromkeys(("movd", "vmovd"), _movd),
    "xlatb": _xlatb,
    **dict.fromkeys(("fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr"), _x87_arithmetic),
    **dict.fromkeys(("faddp", "fsubp", "fsubrp", "fmulp", "fdivp", "fdivrp"), _x87_popping),
    **dict.fromkeys(
        ("fxch", "fcom", "fcomp", "fucom", "fucomp", "fcomi", "fcomip", "fucomi", "fucomip"), _x87_comparison
    ),
}
"""Mnemonic -> what makes the spellings of its operands one."""
_WITH_TOP = ("fcom", "fucom", "fxch", "fcmov")
"""How the mnemonics begin that are not in the table and take one x87 register beside the top."""
_QUADWORD_FLAGS = {"pushf": "pushfq", "popf": "popfq"}
"""Without a suffix they work on 64 bits; the tables give their plain names to the 16-bit forms."""


def _same_number(name: str, like: str) -> str:
    """The register of which `name` is a part, in the size of `like`."""
    full, family = full_register(name), register_class(like)
    return next((other for other in CLASS_MEMBERS[family] if full_register(other) == full), name)


def _narrowed(operand: Operand, family: str) -> Operand:
    """The 32-bit register of the same number, for a general register of the given family."""
    if not isinstance(operand, Register) or register_class(operand.name) != family:
        return operand
    full = full_register(operand.name)
    return Register(f"{full}d" if full in EXTENDED_REGISTERS else f"e{full[1:]}")
