"""One plain sentence for any instruction: what it reads, what it changes, and what it leaves alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
from execmem_kernel.explain.templates import from_template
from execmem_kernel.explain.vector_words import in_words
from execmem_kernel.wording import listed
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
    *prefixes, written = instruction.mnemonic.split(" ")
    if written == "far":
        return _finished(_far_branch(instruction, prefixes[-1]))
    name = resolve(written)
    mnemonic = name.mnemonic if name is not None else written
    text = (
        family_sentence(instruction, mnemonic, prefixes)
        or _vector(instruction, written)
        or from_template(instruction, mnemonic)
    )
    if text is None:
        return _generic(instruction)
    text = with_mask(text, instruction) + about_rounding(instruction)
    flags = about_flags(instruction, mnemonic)
    if mnemonic not in REST_IS_SAID and not mnemonic.startswith("cmov"):
        rest = "" if " the rest" in text and "zero" in text else about_the_rest(instruction)
        # ", and clears ..., and sets ..." is one list.
        text += rest.removeprefix(", and").join((",", "")) if rest and flags.startswith(", and") else rest
    text += flags
    if "lock" in prefixes or (mnemonic == "xchg" and any("[" in operand for operand in instruction.operands)):
        text += ", as one step that no other processor can interrupt"
    return _finished(text)


def _far_branch(instruction: Instruction, mnemonic: str) -> str:
    pushed = "pushes the code segment and the address of the next instruction and jumps"
    verb = "jumps" if mnemonic == "jmp" else pushed
    return f"{verb} to the address and the code segment held in {value_words(instruction.operands[0])}"


def _vector(instruction: Instruction, name: str) -> str | None:
    given = [re.sub(r"\s*\{(?!1to)[^}]*\}", "", operand) for operand in instruction.operands]
    given = [operand for operand in given if operand]
    raw = [operand.partition("{")[0] for operand in given]
    return in_words(name, [value_words(operand) for operand in given], raw, encoding_is_vex(instruction))


def _finished(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


# ---- everything else -------------------------------------------------------------------------------------------------


def _generic(instruction: Instruction) -> str:
    """What the tables say of an instruction without a sentence: read, written, flags, CPU features."""
    hidden = ("rsp",) if "stack" in instruction.groups else ()
    read = [name for name in instruction.registers_read if name not in hidden]
    read += [_memory_words(access) for access in instruction.memory if access.access != "write"]
    written = [name for name in instruction.registers_written if name not in hidden]
    written += [_memory_words(access) for access in instruction.memory if access.access != "read"]
    features = [name.upper().replace("_", "-") for name in instruction.features]
    changes_no_flags = not instruction.flags_written and not instruction.flags_undefined
    parts = [
        *_clause("reads {}", read),
        *_clause("writes {}", written),
        *_clause("looks at {}", instruction.flags_read),
        *_clause("sets {}", instruction.flags_written),
        *_clause("leaves {} undefined", instruction.flags_undefined),
        *(["changes no flags"] if changes_no_flags else []),
        *(["is for the operating system only"] if "privileged" in instruction.groups else []),
        *_clause("needs a processor with {}", features),
    ]
    return f"`{instruction.mnemonic}` {listed(parts)}."


def _clause(text: str, names: Sequence[str]) -> list[str]:
    return [text.format(listed(names))] if names else []


def _memory_words(access: MemoryAccess) -> str:
    terms = [access.base] if access.base is not None else []
    if access.index is not None:
        terms.append(f"{access.index}*{access.scale}" if access.scale > 1 else access.index)
    if access.displacement or not terms:
        terms.append(f"{access.displacement:#x}" if abs(access.displacement) > 9 else str(access.displacement))
    place = " + ".join(terms).replace("+ -", "- ")
    size = f"{access.size} bytes" if access.size > 1 else "the byte" if access.size == 1 else "memory"
    return f"{size} at {f'{access.segment}:' if access.segment else ''}{place}"
