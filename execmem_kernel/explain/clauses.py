"""What is added to a sentence: the rest of the destination, mask, rounding, flags."""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re

from execmem_kernel.explain.templates import COUNTED, count_modulo
from execmem_kernel.wording import listed
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import canonical_register, full_register, register_class, register_size

_VECTOR_PREFIXES = (b"\xc4", b"\xc5", b"\x62")
"""VEX and EVEX, behind no other prefix."""


def encoding_is_vex(instruction: Instruction) -> bool:
    """Whether the instruction is encoded with VEX or EVEX."""
    return instruction.code.lstrip(b"\x26\x2e\x36\x3e\x64\x65\x67")[:1] in _VECTOR_PREFIXES


REST_IS_SAID = frozenset(
    ("cwde", "cdqe", "movsxd", "cmpxchg8b", "cpuid", "rdtsc", "rdtscp", "cdq", "mulx", "xadd", "xchg", "lsl", "lar")
)


def about_the_rest(instruction: Instruction) -> str:
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
        case "xmm" | "ymm" if encoding_is_vex(instruction):
            return f", and clears all of the register above these {register_size(name)} bytes"
    return ""


_ROUNDINGS = {"rn": "to the nearest", "rd": "down", "ru": "up", "rz": "towards zero"}


def about_rounding(instruction: Instruction) -> str:
    """`{rn-sae}` and the like in words, or ""."""
    found = re.search(r"\{(r[nduz])-sae\}", instruction.text)
    if found is not None:
        return f", rounding {_ROUNDINGS[found[1]]}"
    return ", raising no exceptions" if "{sae}" in instruction.text else ""


def with_mask(text: str, instruction: Instruction) -> str:
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


def about_flags(instruction: Instruction, mnemonic: str) -> str:
    """Which flags the instruction sets and leaves undefined, unless its sentence speaks of them; or ""."""
    if mnemonic in _FLAGS_ARE_SAID or (mnemonic[0] == "f" and instruction.mnemonic.split(" ")[-1][0] == "f"):
        return ""  # the condition bits of the floating-point unit are read after comparisons only, which speak of them
    written, undefined = instruction.flags_written, instruction.flags_undefined
    if not written and not undefined:
        return ""
    status = [flag for flag in ("cf", "pf", "af", "zf", "sf", "of") if flag in written]
    if len(status) >= 5:
        but = ", all but cf" if mnemonic in ("inc", "dec") else ""
        return f", and sets the flags by the result{but}" + (f" ({listed(undefined)} undefined)" if undefined else "")
    if not written and len(undefined) >= 4:
        return "; the flags are undefined after it"
    parts = []
    if written:
        parts.append(f"sets {listed(written)}")
    if undefined:
        parts.append(f"leaves {listed(undefined)} undefined")
    counted = mnemonic in COUNTED and instruction.operands[-1] == "cl"
    unless = f", unless cl modulo {count_modulo(instruction)} is 0" if counted else ""
    return ", and " + " and ".join(parts) + unless


_FLAGS_ARE_SAID = frozenset(
    ("xtest", "tpause", "umwait", "enqcmd", "enqcmds", "stac", "clac", "lar", "lsl", "verr", "verw", "mul", "imul", "vtestps", "vtestpd", "ktestb", "ktestw", "ktestd", "ktestq", "kortestb", "kortestw", "kortestd", "kortestq", "vcomish", "vucomish", "popcnt", "iretd", "iret",
     "sysret", "sysretq", "sysenter", "vmcall", "cmp", "test", "clc", "stc", "cmc", "cld", "std", "popfq", "popf", "sahf", "bt", "bts", "btr", "btc", "comiss", "comisd", "ucomiss", "ucomisd",
     "sti", "cli", "cmpxchg", "cmpxchg8b", "cmpxchg16b", "ptest", "vptest", "iretq", "scasb", "scasw", "scasd", "scasq", "cmpsb", "cmpsw", "cmpsd",
     "cmpsq", "rdrand", "rdseed", "syscall", "fcomi", "fcomip", "fucomi", "fucomip", "vcomiss", "vcomisd", "vucomiss", "vucomisd")
)  # fmt: skip
"""Their sentence speaks of flags itself."""
