"""One plain sentence for any instruction: what it reads, what it changes, and what it leaves alone."""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re
from types import MappingProxyType

from execmem_kernel.assembly.disassembler import Instruction, MemoryAccess, disassemble
from execmem_kernel.assembly.forms import canonical_register, register_class, resolve

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
    name = resolve(words[-1])
    mnemonic = name.mnemonic if name is not None else words[-1]
    text = _special(instruction, mnemonic, words[:-1]) or _from_template(instruction, mnemonic)
    if text is None:
        return _generic(instruction)
    text += _about_mask(instruction) + _about_flags(instruction, mnemonic)
    if "lock" in words[:-1]:
        text += ", as one step that no other processor can interrupt"
    return _finished(text)


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
        return str(int(operand, 16)) if number is not None and abs(int(operand, 16)) < 1 << 16 else operand
    repeated = ", repeated for every element," if found[4] else ""
    return f"{_BYTES.get(found[1] or '', 'the memory')} at {_address(operand)}{repeated}"


def _about_mask(instruction: Instruction) -> str:
    """`{k1}` and `{z}` on the destination."""
    found = re.search(r"\{(k\d)\}", instruction.text)
    if found is None:
        return ""
    rest = "makes the others zero" if "{z}" in instruction.text else "leaves the others as they are"
    return f", only in the elements where {found[1]} has a 1, and {rest}"


def _about_flags(instruction: Instruction, mnemonic: str) -> str:
    if mnemonic in _FLAGS_ARE_SAID:
        return ""
    written, undefined = instruction.flags_written, instruction.flags_undefined
    if not written and not undefined:
        return ""
    status = [flag for flag in ("cf", "pf", "af", "zf", "sf", "of") if flag in written]
    if len(status) >= 5:
        return ", and sets the flags by the result" + (f" ({_listed(undefined)} undefined)" if undefined else "")
    parts = []
    if written:
        parts.append(f"sets {_listed(written)}")
    if undefined:
        parts.append(f"leaves {_listed(undefined)} undefined")
    return ", and " + " and ".join(parts)


def _listed(words: tuple[str, ...] | list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


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
    ("cmp", "test", "clc", "stc", "cmc", "cld", "std", "popfq", "popf", "sahf", "bt", "bts", "btr", "btc", "comiss", "comisd", "ucomiss", "ucomisd",
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
                    return f"copies {operands[1]} into {operands[0]} if {meaning} ({flags}), and otherwise leaves it as it is"
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
    if mnemonic == "test" and len(operands) == 2 and operands[0] == operands[1]:
        return f"looks whether {operands[0]} is zero or negative, changing nothing but the flags (zf, sf, pf; cf and of become 0)"
    if mnemonic == "nop" or instruction.text == "xchg ax, ax":
        return "does nothing, and takes " + ("one byte" if instruction.size == 1 else f"{instruction.size} bytes")
    if mnemonic == "mul" or (mnemonic == "imul" and len(operands) == 1):
        kind = "signed" if mnemonic == "imul" else "unsigned"
        low, high = _accumulators(instruction.operands[0])
        return f"multiplies {low} by {operands[0]} as {kind} numbers, the double-length product going to {high}"
    if mnemonic in ("div", "idiv"):
        kind = "signed" if mnemonic == "idiv" else "unsigned"
        low, high = _accumulators(instruction.operands[0])
        rest = {"ax": "ah", "dx:ax": "dx", "edx:eax": "edx", "rdx:rax": "rdx"}[high]
        return (
            f"divides {high} by {operands[0]} as {kind} numbers: the quotient goes to {low}, the remainder to {rest}, "
            "and a quotient that does not fit, or a zero divisor, is a divide error"
        )
    if mnemonic in ("mov", "movsxd") and any(_is_segment(operand) for operand in instruction.operands):
        return f"copies {operands[1]} into {operands[0]}"
    if mnemonic == "mov" and re.fullmatch(r"e\w\w|r\d+d", instruction.operands[0]):
        return f"copies {operands[1]} into {operands[0]}, which clears the upper half of {_wide(instruction)}"
    if mnemonic == "ret" and operands:
        return f"returns to the address on top of the stack, then drops {operands[0]} more bytes of the stack"
    if mnemonic in ("jmp", "call") and "indirect" in instruction.groups:
        verb = "jumps" if mnemonic == "jmp" else "pushes the address of the next instruction and jumps"
        return f"{verb} to the address held in {operands[0]}"
    return _string(instruction, mnemonic, prefixes)


def _is_segment(operand: str) -> bool:
    name = canonical_register(operand)
    return name is not None and register_class(name) == "sreg"


def _wide(instruction: Instruction) -> str:
    return instruction.registers_written[0] if instruction.registers_written else "the register"


def _accumulators(operand: str) -> tuple[str, str]:
    """The register that mul and div work on, and the pair that holds twice as much."""
    found = _POINTED.match(operand)
    name = canonical_register(operand)
    size = {"byte": 1, "word": 2, "dword": 4, "qword": 8}.get(found[1] or "", 8) if found else 8
    if name is not None:
        size = {"r8": 1, "r16": 2, "r32": 4, "r64": 8}.get(register_class(name), 8)
    return {1: ("al", "ax"), 2: ("ax", "dx:ax"), 4: ("eax", "edx:eax"), 8: ("rax", "rdx:rax")}[size]


_STRING_SENTENCES = {
    "movs": "copies {bytes} from where rsi points to where rdi points, and moves both on",
    "stos": "stores {accumulator} where rdi points, and moves rdi on",
    "lods": "loads {accumulator} from where rsi points, and moves rsi on",
    "scas": "compares {accumulator} with {bytes} where rdi points, sets the flags, and moves rdi on",
    "cmps": "compares {bytes} where rsi points with those where rdi points, sets the flags, and moves both on",
}


def _string(instruction: Instruction, mnemonic: str, prefixes: list[str]) -> str | None:
    if "string" not in instruction.groups or mnemonic[:-1] not in _STRING_SENTENCES:
        return None
    size = {"b": "a byte", "w": "2 bytes", "d": "4 bytes", "q": "8 bytes"}[mnemonic[-1]]
    accumulator = {"b": "al", "w": "ax", "d": "eax", "q": "rax"}[mnemonic[-1]]
    text = _STRING_SENTENCES[mnemonic[:-1]].format(bytes=size, accumulator=accumulator)
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
    "cmpxchg": "compares {0} with the accumulator: if equal, {1} goes into {0} and zf becomes 1, otherwise {0} goes into the accumulator",
    "cmpxchg8b": "compares edx:eax with {0}: if equal, ecx:ebx is stored there and zf becomes 1, otherwise it is loaded into edx:eax",
    "cmpxchg16b": "compares rdx:rax with {0}: if equal, rcx:rbx is stored there and zf becomes 1, otherwise it is loaded into rdx:rax",
    "push": "lowers rsp by the operand's size and stores {0} there, on top of the stack",
    "pop": "takes the top of the stack into {0} and raises rsp by the operand's size",
    "pushfq": "pushes the flags", "popfq": "pops the flags", "pushf": "pushes the low 16 flags", "popf": "pops the low 16 flags",
    "enter": "makes a stack frame: pushes rbp, copies rsp into rbp, and makes room for {0} bytes",
    "leave": "takes the stack frame down: copies rbp into rsp, then pops rbp",
    "add": "adds {1} to {0}", "adc": "adds {1} and the carry flag to {0}", "sub": "subtracts {1} from {0}",
    "sbb": "subtracts {1} and the carry flag from {0}", "inc": "adds 1 to {0}, leaving the carry flag alone",
    "dec": "subtracts 1 from {0}, leaving the carry flag alone", "neg": "changes the sign of {0}",
    "cmp": "compares {0} with {1}: sets the flags as {0} minus {1} would, and changes neither",
    "and": "keeps in {0} only the bits that are 1 in {1} too", "or": "sets in {0} every bit that is 1 in {1}",
    "xor": "flips in {0} every bit that is 1 in {1}", "not": "flips every bit of {0}, leaving the flags alone",
    "test": "looks at the bits that {0} and {1} have in common: sets the flags as `and` would, and changes nothing else",
    "shl": "shifts {0} left by {1}, filling with zeros", "shr": "shifts {0} right by {1}, filling with zeros",
    "sar": "shifts {0} right by {1}, filling with copies of its sign", "rol": "rotates {0} left by {1}", "ror": "rotates {0} right by {1}",
    "rcl": "rotates {0} and the carry flag left by {1}", "rcr": "rotates {0} and the carry flag right by {1}",
    "shld": "shifts {0} left by {2}, filling from the top of {1}", "shrd": "shifts {0} right by {2}, filling from the bottom of {1}",
    "bt": "copies bit {1} of {0} into the carry flag", "bts": "copies bit {1} of {0} into the carry flag, then makes it 1",
    "btr": "copies bit {1} of {0} into the carry flag, then makes it 0", "btc": "copies bit {1} of {0} into the carry flag, then flips it",
    "bsf": "puts the number of the lowest 1 bit of {1} into {0} (undefined for zero)", "bsr": "puts the number of the highest 1 bit of {1} into {0} (undefined for zero)",
    "popcnt": "counts the ones of {1} into {0}", "lzcnt": "counts the zeros at the top of {1} into {0}", "tzcnt": "counts the zeros at the bottom of {1} into {0}",
    "andn": "puts into {0} the bits of {2} that are 0 in {1}", "blsr": "copies {1} into {0} with its lowest 1 bit cleared",
    "blsi": "puts only the lowest 1 bit of {1} into {0}", "blsmsk": "puts into {0} ones up to and including the lowest 1 bit of {1}",
    "bzhi": "copies {1} into {0} with the bits from number {2} up cleared", "bextr": "puts a field of bits of {1} into {0}; {2} says where it starts and how long it is",
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
    "syscall": "asks the operating system for the service numbered in rax, and gets rcx and r11 back overwritten",
    "int": "calls the interrupt handler number {0} of the operating system", "int3": "stops here for a debugger: a breakpoint",
    "int1": "raises a debug exception", "ud2": "raises an invalid-opcode exception, on purpose", "hlt": "halts the processor, which only the operating system may do",
    "pause": "tells the processor that this is a waiting loop", "cpuid": "puts facts about the processor, chosen by eax and ecx, into eax, ebx, ecx and edx",
    "rdtsc": "puts the time-stamp counter into edx:eax", "rdtscp": "puts the time-stamp counter into edx:eax and the processor's number into ecx",
    "rdrand": "puts a random number into {0}; cf is 1 if there was one", "rdseed": "puts a random seed into {0}; cf is 1 if there was one",
    "rdpid": "puts the processor's number into {0}", "clc": "makes the carry flag 0", "stc": "makes the carry flag 1", "cmc": "flips the carry flag",
    "cld": "makes the direction flag 0: string instructions go forwards", "std": "makes the direction flag 1: string instructions go backwards",
    "cli": "switches interrupts off, which only the operating system may do", "sti": "switches interrupts on, which only the operating system may do",
    "lahf": "copies the low flags into ah", "sahf": "copies ah into the low flags", "xlatb": "replaces al by the byte at rbx + al: a table look-up",
    "endbr64": "marks a place where indirect jumps may land", "lfence": "waits until every load before it is done",
    "sfence": "makes every store before it visible before those after it", "mfence": "makes every load and store before it visible before those after it",
    "prefetcht0": "brings the memory at {a0} into the caches", "prefetchnta": "brings the memory at {a0} close, for one use", "clflush": "writes the cache line at {a0} back and drops it",
    "movaps": "copies {1} into {0}; memory has to be aligned to 16 bytes", "movapd": "copies {1} into {0}; memory has to be aligned to 16 bytes",
    "movdqa": "copies {1} into {0}; memory has to be aligned to 16 bytes", "movups": "copies {1} into {0}, aligned or not", "movupd": "copies {1} into {0}, aligned or not",
    "movdqu": "copies {1} into {0}, aligned or not", "movd": "copies 32 bits from {1} to {0}", "movq": "copies 64 bits from {1} to {0}",
    "movss": "copies one 32-bit floating-point number from {1} to {0}", "movsd": "copies one 64-bit floating-point number from {1} to {0}",
    "addss": "adds the 32-bit floating-point number {1} to {0}", "addsd": "adds the 64-bit floating-point number {1} to {0}",
    "subss": "subtracts the 32-bit floating-point number {1} from {0}", "subsd": "subtracts the 64-bit floating-point number {1} from {0}",
    "mulss": "multiplies {0} by the 32-bit floating-point number {1}", "mulsd": "multiplies {0} by the 64-bit floating-point number {1}",
    "divss": "divides {0} by the 32-bit floating-point number {1}", "divsd": "divides {0} by the 64-bit floating-point number {1}",
    "sqrtss": "puts the square root of the 32-bit floating-point number {1} into {0}", "sqrtsd": "puts the square root of the 64-bit floating-point number {1} into {0}",
    "minss": "keeps in {0} the smaller of {0} and {1}, 32-bit floating-point numbers", "minsd": "keeps in {0} the smaller of {0} and {1}, 64-bit floating-point numbers",
    "maxss": "keeps in {0} the larger of {0} and {1}, 32-bit floating-point numbers", "maxsd": "keeps in {0} the larger of {0} and {1}, 64-bit floating-point numbers",
    "addps": "adds four 32-bit floating-point numbers of {1} to those of {0}, each to each", "addpd": "adds two 64-bit floating-point numbers of {1} to those of {0}, each to each",
    "subps": "subtracts four 32-bit floating-point numbers of {1} from those of {0}", "subpd": "subtracts two 64-bit floating-point numbers of {1} from those of {0}",
    "mulps": "multiplies four 32-bit floating-point numbers of {0} by those of {1}", "mulpd": "multiplies two 64-bit floating-point numbers of {0} by those of {1}",
    "divps": "divides four 32-bit floating-point numbers of {0} by those of {1}", "divpd": "divides two 64-bit floating-point numbers of {0} by those of {1}",
    "ucomisd": "compares {0} with {1} as 64-bit floating-point numbers into zf, pf and cf", "ucomiss": "compares {0} with {1} as 32-bit floating-point numbers into zf, pf and cf",
    "comisd": "compares {0} with {1} as 64-bit floating-point numbers into zf, pf and cf", "comiss": "compares {0} with {1} as 32-bit floating-point numbers into zf, pf and cf",
    "cvtsi2sd": "makes a 64-bit floating-point number in {0} of the integer {1}", "cvtsi2ss": "makes a 32-bit floating-point number in {0} of the integer {1}",
    "cvttsd2si": "cuts the 64-bit floating-point number {1} to an integer in {0}, towards zero", "cvttss2si": "cuts the 32-bit floating-point number {1} to an integer in {0}, towards zero",
    "cvtsd2si": "rounds the 64-bit floating-point number {1} to an integer in {0}", "cvtss2si": "rounds the 32-bit floating-point number {1} to an integer in {0}",
    "cvtss2sd": "makes the 32-bit floating-point number {1} a 64-bit one in {0}", "cvtsd2ss": "makes the 64-bit floating-point number {1} a 32-bit one in {0}",
    "pxor": "flips in {0} every bit that is 1 in {1}", "por": "sets in {0} every bit that is 1 in {1}", "pand": "keeps in {0} only the bits that are 1 in {1} too",
    "paddb": "adds the bytes of {1} to those of {0}, each to each", "paddw": "adds the 16-bit numbers of {1} to those of {0}, each to each",
    "paddd": "adds the 32-bit numbers of {1} to those of {0}, each to each", "paddq": "adds the 64-bit numbers of {1} to those of {0}, each to each",
    "psubb": "subtracts the bytes of {1} from those of {0}", "psubd": "subtracts the 32-bit numbers of {1} from those of {0}", "psubq": "subtracts the 64-bit numbers of {1} from those of {0}",
    "pcmpeqb": "makes every byte of {0} all ones where it equals that of {1}, and zero elsewhere",
    "pcmpeqd": "makes every 32-bit number of {0} all ones where it equals that of {1}, and zero elsewhere",
    "pmovmskb": "gathers the top bit of every byte of {1} into {0}", "pshufd": "picks four 32-bit numbers of {1} into {0}, in the order that {2} says",
    "pshufb": "picks bytes of {0}, in the order that {1} says", "movmskps": "gathers the four signs of {1} into {0}", "movmskpd": "gathers the two signs of {1} into {0}",
    "vaddps": "adds the 32-bit floating-point numbers of {1} and {2}, each to each, into {0}", "vaddpd": "adds the 64-bit floating-point numbers of {1} and {2}, each to each, into {0}",
    "vsubps": "subtracts the 32-bit floating-point numbers of {2} from those of {1}, into {0}", "vmulps": "multiplies the 32-bit floating-point numbers of {1} and {2}, each by each, into {0}",
    "vmulpd": "multiplies the 64-bit floating-point numbers of {1} and {2}, each by each, into {0}", "vpaddd": "adds the 32-bit numbers of {1} and {2}, each to each, into {0}",
    "vpaddq": "adds the 64-bit numbers of {1} and {2}, each to each, into {0}", "vaddsd": "adds the 64-bit floating-point numbers {1} and {2} into {0}",
    "vmovaps": "copies {1} into {0}; memory has to be aligned", "vmovups": "copies {1} into {0}, aligned or not", "vmovdqa": "copies {1} into {0}; memory has to be aligned",
    "vmovdqu": "copies {1} into {0}, aligned or not", "vzeroupper": "clears the upper halves of all vector registers", "vzeroall": "clears all vector registers",
    "fld": "pushes {0} onto the floating-point stack", "fst": "copies st(0) to {0}", "fstp": "copies st(0) to {0} and pops it", "fild": "pushes the integer {0} onto the floating-point stack",
    "fistp": "rounds st(0) to an integer in {0} and pops it", "fldz": "pushes 0.0 onto the floating-point stack", "fld1": "pushes 1.0 onto the floating-point stack",
    "fldpi": "pushes pi onto the floating-point stack", "fsqrt": "replaces st(0) by its square root", "fchs": "changes the sign of st(0)", "fabs": "makes st(0) positive",
    "fxch": "swaps st(0) and another register of the floating-point stack", "finit": "makes the floating-point unit new", "fninit": "makes the floating-point unit new",
    "emms": "gives the MMX registers back to the floating-point unit",
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
