"""Families of instructions whose sentence depends on more than the operands."""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re

from execmem_kernel.explain.conditions import CONDITIONS
from execmem_kernel.explain.operands import accumulators, class_of, is_number, is_segment, single_bit, value_words
from execmem_kernel.explain.templates import TEMPLATES
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import full_register


def family_sentence(instruction: Instruction, mnemonic: str, prefixes: list[str]) -> str | None:
    """Families whose sentence depends on more than the operands."""
    operands = [value_words(operand) for operand in instruction.operands]
    for stem, count in (("cmov", 2), ("set", 1), ("j", 1)):
        condition = CONDITIONS.get(mnemonic.removeprefix(stem)) if mnemonic.startswith(stem) else None
        if condition is not None and len(operands) == count:
            meaning, flags = condition
            match stem:
                case "cmov":
                    otherwise = "and otherwise leaves it as it is"
                    if class_of(instruction.operands[0]) == "r32":
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
    bit = single_bit(operands[1]) if len(operands) == 2 and mnemonic in ("or", "xor", "test") else None
    if bit is not None:
        match mnemonic:
            case "or":
                return f"makes bit {bit} of {operands[0]} 1"
            case "xor":
                return f"flips bit {bit} of {operands[0]}"
            case _:
                return f"looks whether bit {bit} of {operands[0]} is 1 (then zf becomes 0, otherwise 1), and changes nothing but the flags"
    if mnemonic in ("and", "or", "xor", "test") and len(operands) == 2 and is_number(instruction.operands[1]):
        operands[1] = instruction.operands[1] if "0x" in instruction.operands[1] else hex(int(operands[1]))
        return TEMPLATES[mnemonic].format(*operands)
    if (
        mnemonic in ("bt", "bts", "btr", "btc")
        and "[" in instruction.operands[0]
        and not is_number(instruction.operands[1])
    ):
        return TEMPLATES[mnemonic].format(operands[0].replace("the ", "the bits that begin with the ", 1), operands[1])
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
        accumulator = accumulators(instruction.operands[0])[0]
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
        low, high = accumulators(instruction.operands[0])
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
        low, high = accumulators(instruction.operands[0])
        rest = {"ax": "ah", "dx:ax": "dx", "edx:eax": "edx", "rdx:rax": "rdx"}[high]
        return (
            f"divides {high} by {operands[0]} as {kind} numbers: the quotient goes to {low}, the remainder to {rest}, "
            "and a quotient that does not fit, or a zero divisor, is a divide error"
        )
    if mnemonic == "mov" and any(is_segment(operand) for operand in instruction.operands):
        if is_segment(instruction.operands[0]) and "[" not in instruction.operands[1]:
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
        condition = CONDITIONS.get(
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
