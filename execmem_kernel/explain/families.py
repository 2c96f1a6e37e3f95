"""Families of instructions whose sentence depends on more than the operands: a table of rules by mnemonic.

    mul rcx  -->  _RULES["mul"]  -->  "multiplies rax by rcx as unsigned numbers, the double-length product going to ..."

A rule that does not apply to the instruction's operands says None, and the next one of its mnemonic is asked. Instructions
without a rule, and those whose rules all say None, are left to vector_words.py and templates.py.
"""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from execmem_kernel.explain.conditions import CONDITIONS
from execmem_kernel.explain.operands import accumulators, class_of, is_number, is_segment, single_bit, value_words
from execmem_kernel.explain.templates import TEMPLATES
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import full_register


@dataclass(frozen=True, slots=True)
class _Subject:
    """The instruction that a rule speaks of."""

    instruction: Instruction
    mnemonic: str
    """The one name of the instruction, without prefixes."""
    prefixes: tuple[str, ...]
    words: tuple[str, ...]
    """The operands in words."""

    @property
    def operands(self) -> tuple[str, ...]:
        """The operands as the disassembler wrote them."""
        return self.instruction.operands

    @property
    def has_two_equal(self) -> bool:
        """Whether it has two operands, which are the same."""
        return len(self.words) == 2 and self.words[0] == self.words[1]

    def condition(self, stem: str) -> tuple[str, str]:
        """What the condition behind the stem of the mnemonic means, and the flags it looks at."""
        return CONDITIONS[self.mnemonic.removeprefix(stem)]


_Rule = Callable[[_Subject], "str | None"]


def family_sentence(instruction: Instruction, mnemonic: str, prefixes: Iterable[str]) -> str | None:
    """The sentence of an instruction that has a rule of its own, without capital and full stop; None if none applies.

    Args:
        instruction: The instruction.
        mnemonic: Its one name, as `resolve` gives it.
        prefixes: The words before the mnemonic.
    """
    rules = _RULES.get(mnemonic)
    if rules is None:
        return None
    words = tuple(value_words(operand) for operand in instruction.operands)
    subject = _Subject(instruction, mnemonic, tuple(prefixes), words)
    return next((text for rule in rules if (text := rule(subject)) is not None), None)


# ---- conditions ------------------------------------------------------------------------------------------------------


def _conditional_move(s: _Subject) -> str | None:
    if len(s.words) != 2:
        return None
    meaning, flags = s.condition("cmov")
    text = f"copies {s.words[1]} into {s.words[0]} if {meaning} ({flags}), and otherwise leaves it as it is"
    if class_of(s.operands[0]) == "r32":
        # The processor clears the upper half even where it moves nothing (Intel SDM vol. 2, CMOVcc).
        text += f"; either way the upper half of {full_register(s.operands[0])} is cleared"
    return text


def _conditional_set(s: _Subject) -> str | None:
    meaning, flags = s.condition("set")
    return f"makes {s.words[0]} 1 if {meaning} ({flags}), and 0 otherwise" if len(s.words) == 1 else None


def _conditional_jump(s: _Subject) -> str | None:
    meaning, flags = s.condition("j")
    return f"jumps to {s.words[0]} if {meaning} ({flags}), and otherwise goes on below" if len(s.words) == 1 else None


# ---- the same register twice, a single bit, a mask -------------------------------------------------------------------


def _zeroed(s: _Subject) -> str | None:
    return f"makes {s.words[0]} zero, the short way" if s.has_two_equal else None


def _zeroed_apart(s: _Subject) -> str | None:
    """The same with a destination of its own."""
    same = len(s.words) == 3 and s.words[1] == s.words[2]
    return f"makes {s.words[0]} zero, the short way" if same else None


def _unchanged(s: _Subject) -> str | None:
    return f"changes nothing in {s.words[0]}" if s.has_two_equal else None


def _carry_spread(s: _Subject) -> str | None:
    if not s.has_two_equal:
        return None
    return f"makes {s.words[0]} all ones if the carry flag is 1, and zero otherwise"


def _tested_for_zero(s: _Subject) -> str | None:
    if not s.has_two_equal:
        return None
    return f"looks whether {s.words[0]} is zero or negative, changing nothing but the flags (zf, sf, pf; cf and of become 0)"


_WITH_ONE_BIT = {
    "or": "makes bit {bit} of {0} 1",
    "xor": "flips bit {bit} of {0}",
    "test": "looks whether bit {bit} of {0} is 1 (then zf becomes 0, otherwise 1), and changes nothing but the flags",
}


def _one_bit(s: _Subject) -> str | None:
    bit = single_bit(s.words[1]) if len(s.words) == 2 else None
    return None if bit is None else _WITH_ONE_BIT[s.mnemonic].format(*s.words, bit=bit)


def _bit_pattern(s: _Subject) -> str | None:
    """A number that is a pattern of bits is shown in hexadecimal."""
    if len(s.words) != 2 or not is_number(s.operands[1]):
        return None
    pattern = s.operands[1] if "0x" in s.operands[1] else hex(int(s.words[1]))
    return TEMPLATES[s.mnemonic].format(s.words[0], pattern)


def _bit_string(s: _Subject) -> str | None:
    """A register as bit number reaches beyond the memory operand (Intel SDM vol. 2, BT)."""
    if "[" not in s.operands[0] or is_number(s.operands[1]):
        return None
    return TEMPLATES[s.mnemonic].format(s.words[0].replace("the ", "the bits that begin with the ", 1), s.words[1])


# ---- the stack -------------------------------------------------------------------------------------------------------


def _stack_size(s: _Subject) -> int:
    """By how many bytes rsp moves."""
    return next((access.size for access in s.instruction.memory if access.base == "rsp"), 8)


def _pushed(s: _Subject) -> str | None:
    return f"lowers rsp by {_stack_size(s)} and stores {s.words[0]} there, on top of the stack" if s.words else None


def _popped(s: _Subject) -> str | None:
    if not s.words:
        return None
    if s.words[0] == "rsp":
        return "takes the top of the stack into rsp, whose old value is gone"
    return f"takes the top of the stack into {s.words[0]} and raises rsp by {_stack_size(s)}"


def _nested_frame(s: _Subject) -> str | None:
    if len(s.words) != 2 or s.words[1] in ("0", "0x0"):
        return None
    return f"makes a stack frame that is nested {s.words[1]} deep: pushes rbp and the frame pointers above it, and makes room for {s.words[0]} bytes"


def _returned_and_dropped(s: _Subject) -> str | None:
    if not s.words:
        return None
    return f"returns to the address on top of the stack, then drops {s.words[0]} more bytes of the stack"


# ---- operands that are not written -----------------------------------------------------------------------------------

_UPPER_HALVES = {"ax": "ah", "dx:ax": "dx", "edx:eax": "edx", "rdx:rax": "rdx"}
"""What mul and div work on -> the part of it that takes the upper half of a product, or the remainder."""


def _compared_and_exchanged(s: _Subject) -> str:
    accumulator = accumulators(s.operands[0])[0]
    return (
        f"compares {accumulator} with {s.words[0]}: if they are equal, zf becomes 1 and {s.words[1]} goes there, "
        f"otherwise zf becomes 0 and {accumulator} gets what is there"
    )


def _multiplied(s: _Subject) -> str | None:
    """mul, and imul with one operand: the product has twice the length of its factors."""
    if len(s.words) != 1:
        return None
    low, high = accumulators(s.operands[0])
    signed = s.mnemonic == "imul"
    full = f"it does not fit into {low}" if signed else f"{_UPPER_HALVES[high]} is needed for it"
    return (
        f"multiplies {low} by {s.words[0]} as {'signed' if signed else 'unsigned'} numbers, "
        f"the double-length product going to {high} (cf and of become 1 if {full}, the other flags are undefined)"
    )


def _multiplied_low(s: _Subject) -> str:
    """imul with two or three operands keeps the low half."""
    fits = f"(cf and of become 1 if it does not fit into {s.words[0]}, the other flags are undefined)"
    if len(s.words) == 2:
        return f"multiplies {s.words[0]} by {s.words[1]}, signed, and keeps the low half of the product {fits}"
    return f"puts the low half of the signed product of {s.words[1]} and {s.words[2]} into {s.words[0]} {fits}"


def _divided(s: _Subject) -> str:
    kind = "signed" if s.mnemonic == "idiv" else "unsigned"
    low, high = accumulators(s.operands[0])
    return (
        f"divides {high} by {s.words[0]} as {kind} numbers: the quotient goes to {low}, the remainder to {_UPPER_HALVES[high]}, "
        "and a quotient that does not fit, or a zero divisor, is a divide error"
    )


# ---- copies, jumps, nothing at all -----------------------------------------------------------------------------------


def _segment_copied(s: _Subject) -> str | None:
    if not any(map(is_segment, s.operands)):
        return None
    if is_segment(s.operands[0]) and "[" not in s.operands[1]:
        return f"copies the low 16 bits of {s.words[1]} into {s.words[0]}"
    return f"copies {s.words[1]} into {s.words[0]}"


def _indirect_branch(s: _Subject) -> str | None:
    if "indirect" not in s.instruction.groups:
        return None
    verb = "jumps" if s.mnemonic == "jmp" else "pushes the address of the next instruction and jumps"
    return f"{verb} to the address held in {s.words[0]}"


def _nothing(s: _Subject) -> str | None:
    if s.mnemonic != "nop" and s.instruction.text != "xchg ax, ax":
        return None
    size = s.instruction.size
    return "does nothing, and takes " + ("one byte" if size == 1 else f"{size} bytes")


# ---- the floating-point stack ----------------------------------------------------------------------------------------

_X87_ARITHMETIC = {
    "fadd": "adds {1} to {0}", "fmul": "multiplies {0} by {1}", "fsub": "subtracts {1} from {0}", "fdiv": "divides {0} by {1}",
    "fsubr": "subtracts {0} from {1}, into {0}", "fdivr": "divides {1} by {0}, into {0}",
}  # fmt: skip
_X87_CONDITIONS = {
    **CONDITIONS,
    "u": CONDITIONS["p"],
    "nu": CONDITIONS["np"],
    "nb": CONDITIONS["ae"],
    "nbe": CONDITIONS["a"],
}
"""fcmov's own names beside the usual ones."""


def _x87_arithmetic(s: _Subject) -> str:
    """With the top of the stack, unless both registers are named."""
    template = _X87_ARITHMETIC[s.mnemonic]
    if len(s.words) == 2:
        return template.format(*s.words)
    return template.format("st(0)", s.words[0] if s.words else "st(1)")


def _x87_arithmetic_popping(s: _Subject) -> str:
    text = _X87_ARITHMETIC[s.mnemonic.removesuffix("p")].format(s.words[0] if s.words else "st(1)", "st(0)")
    return f"{text} and pops st(0) off the floating-point stack"


def _x87_conditional_move(s: _Subject) -> str:
    flags = _X87_CONDITIONS[s.mnemonic.removeprefix("fcmov")][1]
    return f"copies {s.words[-1]} into st(0) if {flags}, and otherwise leaves it as it is"


def _x87_popped(s: _Subject) -> str | None:
    return "pops st(0) off the floating-point stack" if s.words == ("st(0)",) else None


# ---- string instructions ---------------------------------------------------------------------------------------------

_STRING_SENTENCES = {
    "movs": "copies {bytes} from where {from} points to where {to} points, and moves both on",
    "stos": "stores {accumulator} where {to} points, and moves {to} on",
    "lods": "loads {accumulator} from where {from} points, and moves {from} on",
    "scas": "compares {accumulator} with {bytes} where {to} points, sets the flags, and moves {to} on",
    "ins": "reads {bytes} from the port numbered in dx to where {to} points, and moves {to} on",
    "outs": "writes {bytes} from where {from} points to the port numbered in dx, and moves {from} on",
    "cmps": "compares {bytes} where {from} points with as many where {to} points, sets the flags, and moves both on",
}
_STRING_SIZES = {"b": ("a byte", "al"), "w": ("2 bytes", "ax"), "d": ("4 bytes", "eax"), "q": ("8 bytes", "rax")}
"""Last letter -> how much is moved, and the accumulator of that size."""
_STRING_POINTER = re.compile(r"(?:([fg]s):)?\[([re])([sd])i\]")


def _string(s: _Subject) -> str | None:
    if "string" not in s.instruction.groups:
        return None  # `movsd xmm0, xmm1` has the same name
    size, accumulator = _STRING_SIZES[s.mnemonic[-1]]
    pointers = {"from": "rsi", "to": "rdi"}
    for operand in s.operands:
        found = _STRING_POINTER.search(operand)
        if found is not None:
            segment = f"{found[1]}:" if found[1] else ""
            pointers["from" if found[3] == "s" else "to"] = f"{segment}{found[2]}{found[3]}i"
    text = _STRING_SENTENCES[s.mnemonic[:-1]].format(bytes=size, accumulator=accumulator, **pointers)
    return f"{text} (forwards; backwards if df is 1){_repetition(s)}"


def _repetition(s: _Subject) -> str:
    if not s.prefixes:
        return ""
    if "repne" in s.prefixes or "repnz" in s.prefixes:
        return ", again and again, rcx times at most, until they are equal"
    if s.mnemonic[:-1] in ("scas", "cmps"):
        return ", again and again, rcx times at most, as long as they are equal"
    return ", rcx times"


# ---- the table -------------------------------------------------------------------------------------------------------

_RULES: dict[str, tuple[_Rule, ...]] = {
    **{f"cmov{condition}": (_conditional_move,) for condition in CONDITIONS},
    **{f"set{condition}": (_conditional_set,) for condition in CONDITIONS},
    **{f"j{condition}": (_conditional_jump,) for condition in CONDITIONS},
    **dict.fromkeys(("sub", "pxor", "xorps", "xorpd"), (_zeroed,)),
    **dict.fromkeys(("vpxor", "vxorps", "vxorpd", "vpxord", "vpxorq"), (_zeroed_apart,)),
    "xor": (_zeroed, _one_bit, _bit_pattern),
    "or": (_unchanged, _one_bit, _bit_pattern),
    "and": (_unchanged, _bit_pattern),
    "test": (_one_bit, _bit_pattern, _tested_for_zero),
    "sbb": (_carry_spread,),
    **dict.fromkeys(("bt", "bts", "btr", "btc"), (_bit_string,)),
    "push": (_pushed,),
    "pop": (_popped,),
    "enter": (_nested_frame,),
    "ret": (_returned_and_dropped,),
    "cmpxchg": (_compared_and_exchanged,),
    "mul": (_multiplied,),
    "imul": (_multiplied, _multiplied_low),
    **dict.fromkeys(("div", "idiv"), (_divided,)),
    "mov": (_segment_copied,),
    **dict.fromkeys(("jmp", "call"), (_indirect_branch,)),
    **dict.fromkeys(("nop", "xchg"), (_nothing,)),
    "fstp": (_x87_popped,),
    **dict.fromkeys(_X87_ARITHMETIC, (_x87_arithmetic,)),
    **{f"{name}p": (_x87_arithmetic_popping,) for name in _X87_ARITHMETIC},
    **{f"fcmov{condition}": (_x87_conditional_move,) for condition in _X87_CONDITIONS},
    **{f"{stem}{size}": (_string,) for stem in _STRING_SENTENCES for size in _STRING_SIZES},
}
"""Mnemonic -> its rules, in the order in which they are asked."""
