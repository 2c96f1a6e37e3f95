"""One plain sentence for any instruction: what it reads, what it changes, and what it leaves alone."""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re
from types import MappingProxyType

from execmem_kernel.assembly.disassembler import Instruction, MemoryAccess, disassemble
from execmem_kernel.assembly.forms import canonical_register, full_register, register_class, register_size, resolve
from execmem_kernel.assembly.vector_words import in_words

__all__ = ["explain"]


def explain(instruction: str | Instruction) -> str:
    """Say in one sentence what an instruction does.

    Args:
        instruction: One instruction as text, in any spelling the assembler takes, or as the disassembler gave it.

    Raises:
        AssemblyError: The text is no instruction.
    """
    if isinstance(instruction, str):
        # Only a text needs the assembler, which itself needs the disassembler.
        from execmem_kernel.assembly.assembler import assemble

        program = assemble(instruction)
        found = disassemble(program.code, program.address, program.labels)
        return " ".join(_sentence(one) for one in found)
    return _sentence(instruction)


def _sentence(instruction: Instruction) -> str:
    if not instruction.is_instruction:
        return f"The byte {instruction.operands[0]} is no instruction that the processor knows."
    words = instruction.mnemonic.split(" ")
    if words[-1] == "far":
        verb = (
            "jumps"
            if words[-2] == "jmp"
            else "pushes the code segment and the address of the next instruction and jumps"
        )
        return _finished(f"{verb} to the address and the code segment held in {_value(instruction.operands[0])}")
    name = resolve(words[-1])
    mnemonic = name.mnemonic if name is not None else words[-1]
    text = (
        _special(instruction, mnemonic, words[:-1])
        or _vector(instruction, words[-1])
        or _from_template(instruction, mnemonic)
    )
    if text is None:
        return _generic(instruction)
    text = _with_mask(text, instruction) + _about_rounding(instruction)
    flags = _about_flags(instruction, mnemonic)
    if mnemonic not in _REST_IS_SAID and not mnemonic.startswith("cmov"):
        rest = "" if " the rest" in text and "zero" in text else _about_the_rest(instruction)
        text += rest.removeprefix(", and").join((",", "")) if rest and flags.startswith(", and") else rest
    text += flags
    if "lock" in words[:-1] or (mnemonic == "xchg" and any("[" in operand for operand in instruction.operands)):
        text += ", as one step that no other processor can interrupt"
    return _finished(text)


def _vector(instruction: Instruction, name: str) -> str | None:
    given = [re.sub(r"\s*\{(?!1to)[^}]*\}", "", operand) for operand in instruction.operands]
    given = [operand for operand in given if operand]
    raw = [operand.partition("{")[0] for operand in given]
    return in_words(name, [_value(operand) for operand in given], raw, _encoding_is_vex(instruction))


_VECTOR_PREFIXES = (b"\xc4", b"\xc5", b"\x62")
"""VEX and EVEX, behind no other prefix."""


def _encoding_is_vex(instruction: Instruction) -> bool:
    return instruction.code.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x67")[:1] in _VECTOR_PREFIXES


_REST_IS_SAID = frozenset(
    ("cwde", "cdqe", "movsxd", "cmpxchg8b", "cpuid", "rdtsc", "rdtscp", "cdq", "mulx", "xadd", "xchg", "lsl", "lar")
)


def _about_the_rest(instruction: Instruction) -> str:
    """What becomes of the part of the destination that is not named: 32 bits clear it, 16 and 8 do not; so do VEX and SSE."""
    first = re.sub(r"\s*\{[^}]*\}", "", instruction.operands[0]) if instruction.operands else ""
    name = canonical_register(first)
    if name is None or full_register(name) not in map(full_register, instruction.registers_written):
        return ""
    match register_class(name):
        case "r32":
            verb = "which clears" if instruction.mnemonic == "mov" else "and clears"
            return f", {verb} the upper half of {full_register(name)}"
        case "r8" | "r16" if instruction.mnemonic == "mov":
            return f", leaving the rest of {full_register(name)} as it is"
        case "xmm" | "ymm" if _encoding_is_vex(instruction):
            return f", and clears all of the register above these {register_size(name)} bytes"
    return ""


_ROUNDINGS = {"rn": "to the nearest", "rd": "down", "ru": "up", "rz": "towards zero"}


def _about_rounding(instruction: Instruction) -> str:
    found = re.search(r"\{(r[nduz])-sae\}", instruction.text)
    if found is not None:
        return f", rounding {_ROUNDINGS[found[1]]}"
    return ", raising no exceptions" if "{sae}" in instruction.text else ""


def _finished(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


# ---- operands in words -----------------------------------------------------------------------------------------------

_POINTED = re.compile(r"(?:(\w+) ptr )?(?:(\w\w):)?\[(.*)\](.*)")
_BYTES = {
    "byte": "the byte", "word": "the 2 bytes", "dword": "the 4 bytes", "fword": "the 6 bytes", "qword": "the 8 bytes", "tbyte": "the 10 bytes",
    "xword": "the 10 bytes", "xmmword": "the 16 bytes", "ymmword": "the 32 bytes", "zmmword": "the 64 bytes",
}  # fmt: skip


def _address(operand: str) -> str:
    """What is in the brackets: "rdi + rsi*4"."""
    found = _POINTED.match(operand)
    return operand if found is None else (f"{found[2]}:" if found[2] else "") + found[3]


def _value(operand: str) -> str:
    """An operand as something that can be read or written."""
    operand = re.sub(r"\s*\{(?!1to)[^}]*\}", "", operand)
    found = _POINTED.match(operand)
    if found is None:
        number = re.fullmatch(r"-?0x[0-9a-f]+", operand)
        value = int(operand, 16) if number is not None else 0
        if value >> 16 == (1 << 48) - 1:
            return str(value - (1 << 64))
        return str(value) if number is not None and abs(value) < 1 << 16 else operand
    repeated = " (repeated for every element)" if found[4] else ""
    return f"{_BYTES.get(found[1] or '', 'the memory')} at {_address(operand)}{repeated}"


def _with_mask(text: str, instruction: Instruction) -> str:
    """The sentence with what the mask chooses: instructions that speak of it get its name."""
    found = re.search(r"\{(k\d)\}", instruction.text)
    if found is None or "the mask has" not in text:
        return text + _about_mask(instruction)
    zeroing = ", and makes the rest zero" if "{z}" in instruction.text else ", and leaves the rest as it is"
    return text.replace("the mask has", f"{found[1]} has") + ("" if "blendm" in instruction.mnemonic else zeroing)


def _about_mask(instruction: Instruction) -> str:
    """`{k1}` and `{z}` on the destination."""
    found = re.search(r"\{(k\d)\}", instruction.text)
    if found is None:
        return ""
    to_mask = instruction.operands[0].startswith("k")
    rest = "makes the others zero" if "{z}" in instruction.text or to_mask else "leaves the others as they are"
    return f", only in the elements where {found[1]} has a 1, and {rest}"


def _about_flags(instruction: Instruction, mnemonic: str) -> str:
    if mnemonic in _FLAGS_ARE_SAID or (mnemonic[0] == "f" and instruction.mnemonic.split(" ")[-1][0] == "f"):
        return ""  # the condition bits of the floating-point unit are read after comparisons only, which speak of them
    written, undefined = instruction.flags_written, instruction.flags_undefined
    if not written and not undefined:
        return ""
    status = [flag for flag in ("cf", "pf", "af", "zf", "sf", "of") if flag in written]
    if len(status) >= 5:
        but = ", all but cf" if mnemonic in ("inc", "dec") else ""
        return f", and sets the flags by the result{but}" + (f" ({_listed(undefined)} undefined)" if undefined else "")
    if not written and len(undefined) >= 4:
        return "; the flags are undefined after it"
    parts = []
    if written:
        parts.append(f"sets {_listed(written)}")
    if undefined:
        parts.append(f"leaves {_listed(undefined)} undefined")
    unless = ", unless cl is 0" if mnemonic in _COUNTED and instruction.operands[-1] == "cl" else ""
    return ", and " + " and ".join(parts) + unless


def _listed(words: tuple[str, ...] | list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


_COUNTED = frozenset(("shl", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd"))


# ---- conditions ------------------------------------------------------------------------------------------------------

_CONDITIONS = MappingProxyType(
    {
        "o": ("there was a signed overflow", "of is 1"), "no": ("there was no signed overflow", "of is 0"),
        "b": ("the first was below the second, as unsigned numbers", "cf is 1"),
        "ae": ("the first was above or equal, as unsigned numbers", "cf is 0"),
        "e": ("the two were equal, or the result was zero", "zf is 1"),
        "ne": ("the two were different, or the result was not zero", "zf is 0"),
        "be": ("the first was below or equal, as unsigned numbers", "cf or zf is 1"),
        "a": ("the first was above the second, as unsigned numbers", "cf and zf are 0"),
        "s": ("the result was negative", "sf is 1"), "ns": ("the result was not negative", "sf is 0"),
        "p": ("the low byte of the result has an even number of ones", "pf is 1"),
        "np": ("the low byte of the result has an odd number of ones", "pf is 0"),
        "l": ("the first was less than the second, as signed numbers", "sf differs from of"),
        "ge": ("the first was greater or equal, as signed numbers", "sf equals of"),
        "le": ("the first was less or equal, as signed numbers", "zf is 1 or sf differs from of"),
        "g": ("the first was greater than the second, as signed numbers", "zf is 0 and sf equals of"),
    }
)  # fmt: skip
"""Condition code -> what it says after a comparison, and which flags it looks at (Intel SDM vol. 1, appendix B)."""

_FLAGS_ARE_SAID = frozenset(
    ("xtest", "tpause", "umwait", "enqcmd", "enqcmds", "stac", "clac", "lar", "lsl", "verr", "verw", "mul", "imul", "vtestps", "vtestpd", "ktestb", "ktestw", "ktestd", "ktestq", "kortestb", "kortestw", "kortestd", "kortestq", "vcomish", "vucomish", "popcnt", "iretd", "iret",
     "sysret", "sysretq", "sysenter", "vmcall", "cmp", "test", "clc", "stc", "cmc", "cld", "std", "popfq", "popf", "sahf", "bt", "bts", "btr", "btc", "comiss", "comisd", "ucomiss", "ucomisd",
     "sti", "cli", "cmpxchg", "cmpxchg8b", "cmpxchg16b", "ptest", "vptest", "iretq", "scasb", "scasw", "scasd", "scasq", "cmpsb", "cmpsw", "cmpsd",
     "cmpsq", "rdrand", "rdseed", "syscall", "fcomi", "fcomip", "fucomi", "fucomip", "vcomiss", "vcomisd", "vucomiss", "vucomisd")
)  # fmt: skip
"""Their sentence speaks of flags itself."""


def _special(instruction: Instruction, mnemonic: str, prefixes: list[str]) -> str | None:
    """Families whose sentence depends on more than the operands."""
    operands = [_value(operand) for operand in instruction.operands]
    for stem, count in (("cmov", 2), ("set", 1), ("j", 1)):
        condition = _CONDITIONS.get(mnemonic.removeprefix(stem)) if mnemonic.startswith(stem) else None
        if condition is not None and len(operands) == count:
            meaning, flags = condition
            match stem:
                case "cmov":
                    otherwise = "and otherwise leaves it as it is"
                    if _class_of(instruction.operands[0]) == "r32":
                        return f"copies {operands[1]} into {operands[0]} if {meaning} ({flags}), {otherwise}; either way the upper half of {full_register(instruction.operands[0])} is cleared"
                    return f"copies {operands[1]} into {operands[0]} if {meaning} ({flags}), {otherwise}"
                case "set":
                    return f"makes {operands[0]} 1 if {meaning} ({flags}), and 0 otherwise"
                case _:
                    return f"jumps to {operands[0]} if {meaning} ({flags}), and otherwise goes on below"
    if mnemonic in ("xor", "sub", "pxor", "xorps", "xorpd") and len(operands) == 2 and operands[0] == operands[1]:
        return f"makes {operands[0]} zero, the short way"
    if (
        mnemonic in ("vpxor", "vxorps", "vxorpd", "vpxord", "vpxorq")
        and len(set(operands[1:])) == 1
        and len(operands) == 3
    ):
        return f"makes {operands[0]} zero, the short way"
    if mnemonic in ("and", "or") and len(operands) == 2 and operands[0] == operands[1]:
        return f"changes nothing in {operands[0]}"
    if mnemonic == "sbb" and operands[0] == operands[1]:
        return f"makes {operands[0]} all ones if the carry flag is 1, and zero otherwise"
    bit = _single_bit(operands[1]) if len(operands) == 2 and mnemonic in ("or", "xor", "test") else None
    if bit is not None:
        match mnemonic:
            case "or":
                return f"makes bit {bit} of {operands[0]} 1"
            case "xor":
                return f"flips bit {bit} of {operands[0]}"
            case _:
                return f"looks whether bit {bit} of {operands[0]} is 1 (then zf becomes 0, otherwise 1), and changes nothing but the flags"
    if mnemonic in ("and", "or", "xor", "test") and len(operands) == 2 and _is_number(instruction.operands[1]):
        operands[1] = instruction.operands[1] if "0x" in instruction.operands[1] else hex(int(operands[1]))
        return _TEMPLATES[mnemonic].format(*operands)
    if (
        mnemonic in ("bt", "bts", "btr", "btc")
        and "[" in instruction.operands[0]
        and not _is_number(instruction.operands[1])
    ):
        return _TEMPLATES[mnemonic].format(operands[0].replace("the ", "the bits that begin with the ", 1), operands[1])
    if mnemonic in ("push", "pop") and operands:
        size = next((access.size for access in instruction.memory if access.base == "rsp"), 8)
        if mnemonic == "push":
            return f"lowers rsp by {size} and stores {operands[0]} there, on top of the stack"
        if operands[0] == "rsp":
            return "takes the top of the stack into rsp, whose old value is gone"
        return f"takes the top of the stack into {operands[0]} and raises rsp by {size}"
    if mnemonic == "enter" and len(operands) == 2 and operands[1] not in ("0", "0x0"):
        return f"makes a stack frame that is nested {operands[1]} deep: pushes rbp and the frame pointers above it, and makes room for {operands[0]} bytes"
    if mnemonic == "cmpxchg":
        accumulator = _accumulators(instruction.operands[0])[0]
        return (
            f"compares {accumulator} with {operands[0]}: if they are equal, zf becomes 1 and {operands[1]} goes there, "
            f"otherwise zf becomes 0 and {accumulator} gets what is there"
        )
    if mnemonic == "test" and len(operands) == 2 and operands[0] == operands[1]:
        return f"looks whether {operands[0]} is zero or negative, changing nothing but the flags (zf, sf, pf; cf and of become 0)"
    if mnemonic == "nop" or instruction.text == "xchg ax, ax":
        return "does nothing, and takes " + ("one byte" if instruction.size == 1 else f"{instruction.size} bytes")
    if mnemonic == "mul" or (mnemonic == "imul" and len(operands) == 1):
        kind = "signed" if mnemonic == "imul" else "unsigned"
        low, high = _accumulators(instruction.operands[0])
        upper = {"ax": "ah", "dx:ax": "dx", "edx:eax": "edx", "rdx:rax": "rdx"}[high]
        full = f"{upper} is needed for it" if kind == "unsigned" else f"it does not fit into {low}"
        return f"multiplies {low} by {operands[0]} as {kind} numbers, the double-length product going to {high} (cf and of become 1 if {full}, the other flags are undefined)"
    if mnemonic == "imul":
        fits = f"(cf and of become 1 if it does not fit into {operands[0]}, the other flags are undefined)"
        if len(operands) == 2:
            return f"multiplies {operands[0]} by {operands[1]}, signed, and keeps the low half of the product {fits}"
        return f"puts the low half of the signed product of {operands[1]} and {operands[2]} into {operands[0]} {fits}"
    if mnemonic in ("div", "idiv"):
        kind = "signed" if mnemonic == "idiv" else "unsigned"
        low, high = _accumulators(instruction.operands[0])
        rest = {"ax": "ah", "dx:ax": "dx", "edx:eax": "edx", "rdx:rax": "rdx"}[high]
        return (
            f"divides {high} by {operands[0]} as {kind} numbers: the quotient goes to {low}, the remainder to {rest}, "
            "and a quotient that does not fit, or a zero divisor, is a divide error"
        )
    if mnemonic == "mov" and any(_is_segment(operand) for operand in instruction.operands):
        if _is_segment(instruction.operands[0]) and "[" not in instruction.operands[1]:
            return f"copies the low 16 bits of {operands[1]} into {operands[0]}"
        return f"copies {operands[1]} into {operands[0]}"
    if mnemonic == "ret" and operands:
        return f"returns to the address on top of the stack, then drops {operands[0]} more bytes of the stack"
    if mnemonic in ("jmp", "call") and "indirect" in instruction.groups:
        verb = "jumps" if mnemonic == "jmp" else "pushes the address of the next instruction and jumps"
        return f"{verb} to the address held in {operands[0]}"
    if mnemonic == "fstp" and operands == ["st(0)"]:
        return "pops st(0) off the floating-point stack"
    return _x87(mnemonic, operands) or _string(instruction, mnemonic, prefixes)


_X87_ARITHMETIC = {
    "fadd": "adds {1} to {0}", "fmul": "multiplies {0} by {1}", "fsub": "subtracts {1} from {0}", "fdiv": "divides {0} by {1}",
    "fsubr": "subtracts {0} from {1}, into {0}", "fdivr": "divides {1} by {0}, into {0}",
}  # fmt: skip


def _x87(mnemonic: str, operands: list[str]) -> str | None:
    """Arithmetic of the floating-point stack: with its top, unless both registers are named."""
    popping = mnemonic.endswith("p") and mnemonic[:-1] in _X87_ARITHMETIC
    template = _X87_ARITHMETIC.get(mnemonic.removesuffix("p") if popping else mnemonic)
    if template is None:
        condition = _CONDITIONS.get(
            {"u": "p", "nu": "np", "nb": "ae", "nbe": "a"}.get(
                mnemonic.removeprefix("fcmov"), mnemonic.removeprefix("fcmov")
            )
        )
        if mnemonic.startswith("fcmov") and condition is not None:
            return f"copies {operands[-1]} into st(0) if {condition[1]}, and otherwise leaves it as it is"
        return None
    if popping:
        to = operands[0] if operands else "st(1)"
        return template.format(to, "st(0)") + " and pops st(0) off the floating-point stack"
    if len(operands) == 2:
        return template.format(*operands)
    return template.format("st(0)", operands[0] if operands else "st(1)")


def _is_segment(operand: str) -> bool:
    name = canonical_register(operand)
    return name is not None and register_class(name) == "sreg"


def _class_of(operand: str) -> str:
    name = canonical_register(operand)
    return register_class(name) if name is not None else ""


def _is_number(operand: str) -> bool:
    return re.fullmatch(r"-?(?:0x[0-9a-f]+|\d+)", operand) is not None


def _single_bit(operand: str) -> int | None:
    """The number of the one bit that is 1 in a constant, or None."""
    value = int(operand, 0) if _is_number(operand) else 0
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def _accumulators(operand: str) -> tuple[str, str]:
    """The register that mul and div work on, and the pair that holds twice as much."""
    found = _POINTED.match(operand)
    name = canonical_register(operand)
    size = {"byte": 1, "word": 2, "dword": 4, "qword": 8}.get(found[1] or "", 8) if found else 8
    if name is not None:
        size = {"r8": 1, "r16": 2, "r32": 4, "r64": 8}.get(register_class(name), 8)
    return {1: ("al", "ax"), 2: ("ax", "dx:ax"), 4: ("eax", "edx:eax"), 8: ("rax", "rdx:rax")}[size]


_STRING_SENTENCES = {
    "movs": "copies {bytes} from where {from} points to where {to} points, and moves both on",
    "stos": "stores {accumulator} where {to} points, and moves {to} on",
    "lods": "loads {accumulator} from where {from} points, and moves {from} on",
    "scas": "compares {accumulator} with {bytes} where {to} points, sets the flags, and moves {to} on",
    "ins": "reads {bytes} from the port numbered in dx to where {to} points, and moves {to} on",
    "outs": "writes {bytes} from where {from} points to the port numbered in dx, and moves {from} on",
    "cmps": "compares {bytes} where {from} points with as many where {to} points, sets the flags, and moves both on",
}


def _string(instruction: Instruction, mnemonic: str, prefixes: list[str]) -> str | None:
    if "string" not in instruction.groups or mnemonic[:-1] not in _STRING_SENTENCES:
        return None
    size = {"b": "a byte", "w": "2 bytes", "d": "4 bytes", "q": "8 bytes"}[mnemonic[-1]]
    accumulator = {"b": "al", "w": "ax", "d": "eax", "q": "rax"}[mnemonic[-1]]
    places = {"from": "rsi", "to": "rdi"}
    for operand in instruction.operands:
        found = re.search(r"(?:([fg]s):)?\[([re])([sd])i\]", operand)
        if found is not None:
            segment = f"{found[1]}:" if found[1] else ""
            places["from" if found[3] == "s" else "to"] = f"{segment}{found[2]}{found[3]}i"
    text = _STRING_SENTENCES[mnemonic[:-1]].format(bytes=size, accumulator=accumulator, **places)
    text += " (forwards; backwards if df is 1)"
    compares = mnemonic[:4] in ("scas", "cmps")
    if "repne" in prefixes or "repnz" in prefixes:
        text += ", again and again, rcx times at most, until they are equal"
    elif compares and prefixes:
        text += ", again and again, rcx times at most, as long as they are equal"
    elif prefixes:
        text += ", rcx times"
    return text


# ---- templates -------------------------------------------------------------------------------------------------------
# {0} {1} {2} {3} are the operands in words, {a0} {a1} the address in an operand's brackets.

_TEMPLATES = {
    "mov": "copies {1} into {0}", "movabs": "copies {1} into {0}", "lea": "puts the address {a1} into {0}, without reading memory or changing flags",
    "movzx": "copies {1} into {0} and fills the rest with zeros", "movsx": "copies {1} into {0} and fills the rest with its sign",
    "movsxd": "copies {1} into {0} and fills the rest with its sign", "movbe": "copies {1} into {0} with its bytes in reverse order",
    "xchg": "swaps {0} and {1}", "bswap": "reverses the order of the bytes of {0}", "xadd": "puts the sum of {0} and {1} into {0}, and what was in {0} into {1}",
    "cmpxchg8b": "compares edx:eax with {0}: if equal, ecx:ebx is stored there and zf becomes 1, otherwise it is loaded into edx:eax",
    "cmpxchg16b": "compares rdx:rax with {0}: if equal, rcx:rbx is stored there and zf becomes 1, otherwise it is loaded into rdx:rax",
    "pushfq": "pushes the flags", "popfq": "pops the flags", "pushf": "pushes the low 16 flags", "popf": "pops the low 16 flags",
    "enter": "makes a stack frame: pushes rbp, copies rsp into rbp, and makes room for {0} bytes",
    "leave": "takes the stack frame down: copies rbp into rsp, then pops rbp",
    "add": "adds {1} to {0}", "adc": "adds {1} and the carry flag to {0}", "sub": "subtracts {1} from {0}",
    "sbb": "subtracts {1} and the carry flag from {0}", "neg": "changes the sign of {0}",
    "cmp": "compares {0} with {1}: sets the flags as {0} minus {1} would, and changes neither",
    "and": "keeps in {0} only the bits that are 1 in {1} too", "or": "sets in {0} every bit that is 1 in {1}",
    "xor": "flips in {0} every bit that is 1 in {1}", "not": "flips every bit of {0}, leaving the flags alone",
    "test": "looks at the bits that {0} and {1} have in common: sets the flags as `and` would, and changes nothing else",
    "shl": "shifts {0} left by {1}, filling with zeros (the last bit shifted out goes to cf)", "shr": "shifts {0} right by {1}, filling with zeros (the last bit shifted out goes to cf)",
    "sar": "shifts {0} right by {1}, filling with copies of its sign (the last bit shifted out goes to cf)", "rol": "rotates {0} left by {1}", "ror": "rotates {0} right by {1}",
    "rcl": "rotates {0} and the carry flag left by {1}", "rcr": "rotates {0} and the carry flag right by {1}",
    "shld": "shifts {0} left by {2}, filling from the top of {1}", "shrd": "shifts {0} right by {2}, filling from the bottom of {1}",
    "bt": "copies bit {1} of {0} into the carry flag", "bts": "copies bit {1} of {0} into the carry flag, then makes it 1",
    "btr": "copies bit {1} of {0} into the carry flag, then makes it 0", "btc": "copies bit {1} of {0} into the carry flag, then flips it",
    "bsf": "puts the number of the lowest 1 bit of {1} into {0} (undefined for zero)", "bsr": "puts the number of the highest 1 bit of {1} into {0} (undefined for zero)",
    "popcnt": "counts the ones of {1} into {0} (zf says whether there are none, the other flags become 0)", "lzcnt": "counts the zeros at the top of {1} into {0} (all its bits, and cf 1, where it is zero)", "tzcnt": "counts the zeros at the bottom of {1} into {0} (all its bits, and cf 1, where it is zero)",
    "andn": "puts into {0} the bits of {2} that are 0 in {1}", "blsr": "copies {1} into {0} with its lowest 1 bit cleared",
    "blsi": "puts only the lowest 1 bit of {1} into {0}", "blsmsk": "puts into {0} ones up to and including the lowest 1 bit of {1}",
    "bzhi": "copies {1} into {0} with the bits from number {2} up cleared", "bextr": "puts a field of bits of {1} into {0} ({2} says where it starts and how long it is)",
    "pdep": "spreads the low bits of {1} to the places where {2} has ones, into {0}", "pext": "gathers the bits of {1} where {2} has ones to the bottom of {0}",
    "mulx": "multiplies rdx by {2}: the low half goes to {1}, the high half to {0}, and the flags stay as they are",
    "rorx": "puts {1}, rotated right by {2}, into {0}, leaving the flags alone", "sarx": "puts {1}, shifted right by {2} with its sign, into {0}, leaving the flags alone",
    "shlx": "puts {1}, shifted left by {2}, into {0}, leaving the flags alone", "shrx": "puts {1}, shifted right by {2}, into {0}, leaving the flags alone",
    "adcx": "adds {1} and the carry flag to {0}", "adox": "adds {1} and the overflow flag to {0}, as if that were the carry",
    "crc32": "takes {1} into the checksum in {0}", "cbw": "fills ah with the sign of al", "cwde": "fills the upper half of eax with the sign of ax",
    "cdqe": "fills the upper half of rax with the sign of eax", "cwd": "fills dx with the sign of ax", "cdq": "fills edx with the sign of eax, to make ready for idiv",
    "cqo": "fills rdx with the sign of rax, to make ready for idiv", "jmp": "jumps to {0}",
    "call": "pushes the address of the next instruction and jumps to {0}", "ret": "returns: takes the address on top of the stack and goes on there",
    "loop": "subtracts 1 from rcx and jumps to {0} unless that made it zero, leaving the flags alone",
    "loope": "subtracts 1 from rcx and jumps to {0} if rcx is not zero and zf is 1", "loopne": "subtracts 1 from rcx and jumps to {0} if neither rcx is zero nor zf is 1",
    "jrcxz": "jumps to {0} if rcx is zero", "jecxz": "jumps to {0} if ecx is zero",
    "syscall": "asks the operating system for the service numbered in rax; the answer comes back in rax, and rcx and r11 are overwritten",
    "int": "calls the interrupt handler number {0} of the operating system", "int3": "stops here for a debugger: a breakpoint",
    "int1": "raises a debug exception", "ud2": "raises an invalid-opcode exception, on purpose", "hlt": "halts the processor, which only the operating system may do",
    "pause": "tells the processor that this is a waiting loop", "cpuid": "puts facts about the processor, chosen by eax and ecx, into eax, ebx, ecx and edx",
    "rdtsc": "puts the time-stamp counter into edx:eax", "rdtscp": "puts the time-stamp counter into edx:eax and the processor's number into ecx",
    "rdrand": "puts a random number into {0} (cf is 1 if there was one)", "rdseed": "puts a random seed into {0} (cf is 1 if there was one)",
    "rdpid": "puts the processor's number into {0}", "clc": "makes the carry flag 0", "stc": "makes the carry flag 1", "cmc": "flips the carry flag",
    "cld": "makes the direction flag 0: string instructions go forwards", "std": "makes the direction flag 1: string instructions go backwards",
    "cli": "switches interrupts off, which only the operating system may do", "sti": "switches interrupts on, which only the operating system may do",
    "lahf": "copies the low flags into ah", "sahf": "copies ah into the low flags", "xlatb": "replaces al by the byte at rbx + al: a table look-up",
    "endbr64": "marks a place where indirect jumps may land", "lfence": "waits until every load before it is done",
    "sfence": "makes every store before it visible before those after it", "mfence": "makes every load and store before it visible before those after it",
    "prefetcht0": "brings the memory at {a0} into the caches", "prefetchnta": "brings the memory at {a0} close, for one use", "clflush": "writes the cache line at {a0} back and drops it", "vzeroall": "clears all vector registers",
    "emms": "gives the MMX registers back to the floating-point unit",
    "inc": "adds 1 to {0}", "dec": "subtracts 1 from {0}",
    "fld": "pushes {0} onto the floating-point stack", "fst": "copies st(0) into {0}", "fstp": "copies st(0) into {0} and pops it off the floating-point stack",
    "fild": "pushes the integer in {0} onto the floating-point stack", "fist": "rounds st(0) to an integer in {0}", "fistp": "rounds st(0) to an integer in {0} and pops it off the floating-point stack",
    "fisttp": "cuts st(0) to an integer in {0}, towards zero, and pops it off the floating-point stack", "fbld": "pushes the decimal number of {0} onto the floating-point stack",
    "fbstp": "rounds st(0) to a decimal number in {0} and pops it off the floating-point stack", "fldz": "pushes 0.0 onto the floating-point stack", "fld1": "pushes 1.0 onto the floating-point stack",
    "fldpi": "pushes pi onto the floating-point stack", "fldl2e": "pushes the logarithm of e to the base 2 onto the floating-point stack", "fldl2t": "pushes the logarithm of 10 to the base 2 onto the floating-point stack",
    "fldlg2": "pushes the logarithm of 2 to the base 10 onto the floating-point stack", "fldln2": "pushes the natural logarithm of 2 onto the floating-point stack",
    "fiadd": "adds the integer in {0} to st(0)", "fisub": "subtracts the integer in {0} from st(0)", "fisubr": "subtracts st(0) from the integer in {0}, into st(0)",
    "fimul": "multiplies st(0) by the integer in {0}", "fidiv": "divides st(0) by the integer in {0}", "fidivr": "divides the integer in {0} by st(0), into st(0)",
    "fsqrt": "replaces st(0) by its square root", "fchs": "changes the sign of st(0)", "fabs": "makes st(0) positive", "frndint": "rounds st(0) to an integer",
    "fsin": "replaces st(0) by its sine", "fcos": "replaces st(0) by its cosine", "fsincos": "replaces st(0) by its sine and pushes its cosine",
    "fptan": "replaces st(0) by its tangent and pushes 1.0", "fpatan": "replaces st(1) by the angle whose tangent is st(1) / st(0), and pops the stack",
    "f2xm1": "replaces st(0) by 2 to the power of st(0), less 1", "fyl2x": "replaces st(1) by st(1) times the logarithm of st(0) to the base 2, and pops the stack",
    "fyl2xp1": "replaces st(1) by st(1) times the logarithm of st(0) + 1 to the base 2, and pops the stack", "fscale": "multiplies st(0) by 2 to the power of st(1), cut to an integer",
    "fprem": "replaces st(0) by what remains of it divided by st(1), cutting the quotient; c2 is 1 while there is more to do",
    "fprem1": "replaces st(0) by what remains of it divided by st(1), rounding the quotient; c2 is 1 while there is more to do",
    "fxtract": "replaces st(0) by its exponent and pushes its mantissa", "ftst": "compares st(0) with 0.0 into c0, c2 and c3", "fxam": "says in c0, c2 and c3 what kind of number st(0) is",
    "fcom": "compares st(0) with {L} into c0, c2 and c3", "fcomp": "compares st(0) with {L} into c0, c2 and c3, and pops the stack", "fcompp": "compares st(0) with st(1) into c0, c2 and c3, and pops both",
    "fucom": "compares st(0) with {L} into c0, c2 and c3", "fucomp": "compares st(0) with {L} into c0, c2 and c3, and pops the stack", "fucompp": "compares st(0) with st(1) into c0, c2 and c3, and pops both",
    "ficom": "compares st(0) with the integer in {0} into c0, c2 and c3", "ficomp": "compares st(0) with the integer in {0} into c0, c2 and c3, and pops the stack",
    "fcomi": "compares st(0) with {L} into zf, pf and cf", "fcomip": "compares st(0) with {L} into zf, pf and cf, and pops the stack",
    "fucomi": "compares st(0) with {L} into zf, pf and cf", "fucomip": "compares st(0) with {L} into zf, pf and cf, and pops the stack",
    "fxch": "swaps st(0) and {L}", "ffree": "marks {0} as empty", "fincstp": "turns the floating-point stack by one, so that st(1) becomes st(0)", "fdecstp": "turns the floating-point stack by one, so that st(0) becomes st(1)",
    "finit": "makes the floating-point unit new", "fninit": "makes the floating-point unit new, without waiting", "fnclex": "forgets the exceptions of the floating-point unit",
    "wait": "waits until the floating-point unit has reported its exceptions", "fnop": "does nothing, in the floating-point unit", "fnstsw": "copies the status of the floating-point unit into {0}",
    "fnstcw": "copies the control word of the floating-point unit into {0}", "fldcw": "loads the control word of the floating-point unit from {0}",
    "fnstenv": "stores the state of the floating-point unit, without its numbers, at {a0}", "fldenv": "loads the state of the floating-point unit, without its numbers, from {a0}",
    "fnsave": "stores the whole floating-point unit at {a0} and makes it new", "frstor": "loads the whole floating-point unit from {a0}",
    "fxsave": "stores the floating-point unit and the xmm registers at {a0}", "fxrstor": "loads the floating-point unit and the xmm registers from {a0}",
    "fxsave64": "stores the floating-point unit and the xmm registers at {a0}", "fxrstor64": "loads the floating-point unit and the xmm registers from {a0}",
    "xsave": "stores those parts of the processor's state that edx:eax chooses at {a0}", "xrstor": "loads those parts of the processor's state that edx:eax chooses from {a0}",
    "xsave64": "stores those parts of the processor's state that edx:eax chooses at {a0}", "xrstor64": "loads those parts of the processor's state that edx:eax chooses from {a0}",
    "xgetbv": "puts the control register numbered in ecx into edx:eax: which parts of its state the processor may use", "xsetbv": "puts edx:eax into the control register numbered in ecx, which only the operating system may do",
    "ldmxcsr": "loads the control and status of the vector unit (rounding, exceptions) from {0}", "stmxcsr": "stores the control and status of the vector unit (rounding, exceptions) in {0}",
    "vldmxcsr": "loads the control and status of the vector unit (rounding, exceptions) from {0}", "vstmxcsr": "stores the control and status of the vector unit (rounding, exceptions) in {0}",
    "vzeroupper": "clears all vector registers above their low 16 bytes", "retf": "takes an address and a code segment off the stack and goes on there", "retfq": "takes a 64-bit address and a code segment off the stack and goes on there",
    "iretq": "returns from an interrupt: takes rip, cs, the flags, rsp and ss off the stack", "iretd": "returns from an interrupt, with 32-bit values: takes eip, cs, the flags, esp and ss off the stack",
    "iret": "returns from an interrupt, with 16-bit values: takes ip, cs, the flags, sp and ss off the stack",
    "sysenter": "enters the operating system, at the place that it has set up", "sysexit": "leaves the operating system, which only it may do", "sysret": "returns from a system call, which only the operating system may do",
    "sysretq": "returns from a system call to 64-bit code, which only the operating system may do", "in": "reads {0} from the port numbered {1}, which only the operating system may do",
    "out": "writes {1} to the port numbered {0}, which only the operating system may do", "rdmsr": "puts the model-specific register numbered in ecx into edx:eax, which only the operating system may do",
    "wrmsr": "puts edx:eax into the model-specific register numbered in ecx, which only the operating system may do", "rdpmc": "puts the performance counter numbered in ecx into edx:eax, if the operating system lets it",
    "rdfsbase": "copies the base address of fs into {0}", "rdgsbase": "copies the base address of gs into {0}", "wrfsbase": "makes {0} the base address of fs", "wrgsbase": "makes {0} the base address of gs",
    "clflushopt": "writes the cache line at {a0} back and drops it, without waiting for other stores", "clwb": "writes the cache line at {a0} back and keeps it", "cldemote": "hints that the cache line at {a0} may go to a cache further away",
    "prefetcht1": "brings the memory at {a0} into the second cache", "prefetcht2": "brings the memory at {a0} into the third cache", "prefetchw": "brings the memory at {a0} into the caches, to be written",
    "prefetchwt1": "brings the memory at {a0} into the second cache, to be written", "prefetch": "brings the memory at {a0} into the caches", "movnti": "stores {1} in {0}, past the caches",
    "movdiri": "stores {1} in {0}, past the caches and in one piece", "movdir64b": "copies {1} to where {0} points, past the caches and in one piece",
    "enqcmd": "sends {1} as a command to the device at {0}; zf is 1 if it was not taken", "enqcmds": "sends {1} as a command to the device at {0}, which only the operating system may do; zf is 1 if it was not taken",
    "lar": "loads the access rights of the segment chosen by {1} into {0}; zf is 1 if there is one", "lsl": "loads the limit of the segment chosen by {1} into {0}; zf is 1 if there is one",
    "verr": "looks whether the segment chosen by {0} may be read, and makes zf 1 if so", "verw": "looks whether the segment chosen by {0} may be written, and makes zf 1 if so",
    "sgdt": "stores the place and size of the global descriptor table at {a0}", "sidt": "stores the place and size of the interrupt table at {a0}", "lgdt": "loads the place and size of the global descriptor table from {a0}, which only the operating system may do",
    "lidt": "loads the place and size of the interrupt table from {a0}, which only the operating system may do", "sldt": "stores the selector of the local descriptor table in {0}", "lldt": "loads the selector of the local descriptor table from {0}, which only the operating system may do",
    "str": "stores the selector of the task register in {0}", "ltr": "loads the task register from {0}, which only the operating system may do", "smsw": "stores the low bits of cr0 in {0}", "lmsw": "loads the lowest bits of cr0 from {0}, which only the operating system may do",
    "clts": "clears the task-switched bit of cr0, which only the operating system may do", "invlpg": "forgets how the page of {a0} is mapped, which only the operating system may do", "invd": "drops the caches without writing them back, which only the operating system may do",
    "wbinvd": "writes the caches back and drops them, which only the operating system may do", "wbnoinvd": "writes the caches back and keeps them, which only the operating system may do", "swapgs": "swaps the base address of gs with the operating system's, which only it may do",
    "monitor": "watches the cache line at rax for stores, to wait with mwait", "mwait": "waits until the watched memory is stored to, or something else wakes the processor", "umonitor": "watches the cache line at {0} for stores, to wait with umwait",
    "umwait": "waits until the watched memory is stored to, until the time-stamp counter reaches edx:eax at the latest; cf is 1 if the system's limit ended it", "tpause": "waits until the time-stamp counter reaches edx:eax; cf is 1 if the system's limit ended it",
    "serialize": "waits until everything before it is done, then fetches what comes after it", "xbegin": "begins a transaction; if it fails, the processor goes on at {0} with the reason in eax", "xend": "ends a transaction, so that all its stores become visible at once",
    "xabort": "breaks a transaction off with the reason {0}; outside of one it does nothing", "xtest": "makes zf 0 inside of a transaction and 1 outside; the other flags become 0", "rdsspd": "copies the shadow stack's pointer into {0}, where there is one", "rdsspq": "copies the shadow stack's pointer into {0}, where there is one",
    "incsspd": "drops as many entries of the shadow stack as the low byte of {0} says", "incsspq": "drops as many entries of the shadow stack as the low byte of {0} says", "endbr32": "marks a place where indirect jumps of 32-bit code may land",
    "ptwrite": "writes {0} into the processor's trace", "stac": "lets the operating system reach the memory of programs, which only it may do", "clac": "keeps the operating system from the memory of programs, which only it may do",
    "ldtilecfg": "sets the shapes of the tiles up as {a0} says", "sttilecfg": "stores the shapes of the tiles at {a0}", "tilerelease": "gives the tiles back, and clears them",
    "rdpkru": "puts the rights of the protection keys into eax", "wrpkru": "makes eax the rights of the protection keys", "clzero": "makes the cache line at rax zero",
    "xsavec": "stores those parts of the processor's state that edx:eax chooses at {a0}, packed", "xsaveopt": "stores those parts of the processor's state that edx:eax chooses and that have changed at {a0}",
    "xsaves": "stores those parts of the processor's state that edx:eax chooses at {a0}, which only the operating system may do", "xrstors": "loads those parts of the processor's state that edx:eax chooses from {a0}, which only the operating system may do",
    "xsavec64": "stores those parts of the processor's state that edx:eax chooses at {a0}, packed", "xsaveopt64": "stores those parts of the processor's state that edx:eax chooses and that have changed at {a0}",
    "xsaves64": "stores those parts of the processor's state that edx:eax chooses at {a0}, which only the operating system may do", "xrstors64": "loads those parts of the processor's state that edx:eax chooses from {a0}, which only the operating system may do",
    "lfs": "loads {0} and the segment register fs from {1}", "lgs": "loads {0} and the segment register gs from {1}", "lss": "loads {0} and the segment register ss from {1}",
    "wrssd": "stores {1} in {0}, on the shadow stack", "wrssq": "stores {1} in {0}, on the shadow stack", "monitorx": "watches the cache line at rax for stores, to wait with mwaitx",
    "mwaitx": "waits until the watched memory is stored to, or for as long as ebx says", "movntss": "stores the lowest 32-bit floating-point number of {1} in {0}, past the caches",
    "movntsd": "stores the lowest 64-bit floating-point number of {1} in {0}, past the caches", "aadd": "adds {1} to {0}, in one piece", "aand": "keeps in {0} only the bits that are 1 in {1} too, in one piece",
    "aor": "sets in {0} every bit that is 1 in {1}, in one piece", "axor": "flips in {0} every bit that is 1 in {1}, in one piece",
    "ud0": "raises an invalid-opcode exception, on purpose", "ud1": "raises an invalid-opcode exception, on purpose", "vmcall": "calls the hypervisor", "vmmcall": "calls the hypervisor",
}  # fmt: skip


def _from_template(instruction: Instruction, mnemonic: str) -> str | None:
    template = _TEMPLATES.get(mnemonic)
    if template is None and mnemonic == "imul":
        template = (
            "multiplies {0} by {1}, signed"
            if len(instruction.operands) == 2
            else "puts the signed product of {1} and {2} into {0}"
        )
    if template is None:
        return None
    values = [_value(operand) for operand in instruction.operands]
    if mnemonic in ("shl", "shr", "sar", "rol", "ror", "rcl", "rcr") and len(values) == 1:
        values.append("1")
    if "{L}" in template:
        template = template.replace("{L}", values[-1] if values else "st(1)")
    wanted = {int(number) for number in re.findall(r"\{a?(\d)\}", template)}
    if wanted and max(wanted) >= len(values):
        return None
    addresses = {f"a{number}": _address(operand) for number, operand in enumerate(instruction.operands)}
    return template.format(*values, **addresses)


# ---- everything else -------------------------------------------------------------------------------------------------


def _generic(instruction: Instruction) -> str:
    """What the tables say: read, written, flags, feature."""
    parts = []
    implicit = ("rsp",) if "stack" in instruction.groups else ()
    read = [name for name in instruction.registers_read if name not in implicit]
    read += [_touched(access) for access in instruction.memory if access.access != "write"]
    written = [name for name in instruction.registers_written if name not in implicit]
    written += [_touched(access) for access in instruction.memory if access.access != "read"]
    if read:
        parts.append(f"reads {_listed(read)}")
    if written:
        parts.append(f"writes {_listed(written)}")
    if instruction.flags_read:
        parts.append(f"looks at {_listed(instruction.flags_read)}")
    if instruction.flags_written:
        parts.append(f"sets {_listed(instruction.flags_written)}")
    if instruction.flags_undefined:
        parts.append(f"leaves {_listed(instruction.flags_undefined)} undefined")
    if not instruction.flags_written and not instruction.flags_undefined:
        parts.append("changes no flags")
    if "privileged" in instruction.groups:
        parts.append("is for the operating system only")
    if instruction.features:
        parts.append(
            f"needs a processor with {_listed([name.upper().replace('_', '-') for name in instruction.features])}"
        )
    return f"`{instruction.mnemonic}` {_listed(parts)}."


def _touched(access: MemoryAccess) -> str:
    terms = [access.base] if access.base is not None else []
    if access.index is not None:
        terms.append(f"{access.index}*{access.scale}" if access.scale > 1 else access.index)
    if access.displacement or not terms:
        terms.append(f"{access.displacement:#x}" if abs(access.displacement) > 9 else str(access.displacement))
    place = " + ".join(terms).replace("+ -", "- ")
    size = f"{access.size} bytes" if access.size > 1 else "the byte" if access.size == 1 else "memory"
    return f"{size} at {f'{access.segment}:' if access.segment else ''}{place}"
