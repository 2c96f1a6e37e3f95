"""One plain sentence for any instruction: what it reads, what it changes, and what it leaves alone."""

from __future__ import annotations

import re

from execmem_kernel.explain.clauses import (
    REST_IS_SAID,
    about_flags,
    about_rounding,
    about_the_rest,
    encoding_is_vex,
    with_mask,
)
from execmem_kernel.explain.families import family_sentence
from execmem_kernel.explain.operands import value_words
from execmem_kernel.explain.phrases import listed
from execmem_kernel.explain.templates import from_template
from execmem_kernel.explain.vector_words import in_words
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.mnemonics import resolve

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
        return _finished(f"{verb} to the address and the code segment held in {value_words(instruction.operands[0])}")
    name = resolve(words[-1])
    mnemonic = name.mnemonic if name is not None else words[-1]
    text = (
        family_sentence(instruction, mnemonic, words[:-1])
        or _vector(instruction, words[-1])
        or from_template(instruction, mnemonic)
    )
    if text is None:
        return _generic(instruction)
    text = with_mask(text, instruction) + about_rounding(instruction)
    flags = about_flags(instruction, mnemonic)
    if mnemonic not in REST_IS_SAID and not mnemonic.startswith("cmov"):
        rest = "" if " the rest" in text and "zero" in text else about_the_rest(instruction)
        text += rest.removeprefix(", and").join((",", "")) if rest and flags.startswith(", and") else rest
    text += flags
    if "lock" in words[:-1] or (mnemonic == "xchg" and any("[" in operand for operand in instruction.operands)):
        text += ", as one step that no other processor can interrupt"
    return _finished(text)


def _vector(instruction: Instruction, name: str) -> str | None:
    given = [re.sub(r"\s*\{(?!1to)[^}]*\}", "", operand) for operand in instruction.operands]
    given = [operand for operand in given if operand]
    raw = [operand.partition("{")[0] for operand in given]
    return in_words(name, [value_words(operand) for operand in given], raw, encoding_is_vex(instruction))


def _finished(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


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
        parts.append(f"reads {listed(read)}")
    if written:
        parts.append(f"writes {listed(written)}")
    if instruction.flags_read:
        parts.append(f"looks at {listed(instruction.flags_read)}")
    if instruction.flags_written:
        parts.append(f"sets {listed(instruction.flags_written)}")
    if instruction.flags_undefined:
        parts.append(f"leaves {listed(instruction.flags_undefined)} undefined")
    if not instruction.flags_written and not instruction.flags_undefined:
        parts.append("changes no flags")
    if "privileged" in instruction.groups:
        parts.append("is for the operating system only")
    if instruction.features:
        parts.append(
            f"needs a processor with {listed([name.upper().replace('_', '-') for name in instruction.features])}"
        )
    return f"`{instruction.mnemonic}` {listed(parts)}."


def _touched(access: MemoryAccess) -> str:
    terms = [access.base] if access.base is not None else []
    if access.index is not None:
        terms.append(f"{access.index}*{access.scale}" if access.scale > 1 else access.index)
    if access.displacement or not terms:
        terms.append(f"{access.displacement:#x}" if abs(access.displacement) > 9 else str(access.displacement))
    place = " + ".join(terms).replace("+ -", "- ")
    size = f"{access.size} bytes" if access.size > 1 else "the byte" if access.size == 1 else "memory"
    return f"{size} at {f'{access.segment}:' if access.segment else ''}{place}"
