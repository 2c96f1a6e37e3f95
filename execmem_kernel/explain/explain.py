"""One plain sentence for any instruction: what it reads, what it changes, and what it leaves alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.errors import AssemblyError
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
        instruction: One instruction as text, in any spelling the assembler takes, or as the disassembler gave it. Names
            in a text stand for labels; a mnemonic alone is enough.

    Raises:
        AssemblyError: The text is no instruction.
    """
    return _of_text(instruction) if isinstance(instruction, str) else _sentence(instruction)


_UNDEFINED_NAME, _WRONG_COUNT = "ASM040", "ASM104"
_SAMPLES = (
    "rax, rbx", "eax, ebx", "rax", "xmm0, xmm1", "xmm0, xmm1, xmm2", "rax, [rbx]", "rax, 1", "rax, rbx, 1",
    "rax, rbx, rcx", "xmm0, xmm1, 1", "xmm0, xmm1, xmm2, 1", "xmm0, eax", "eax, xmm0", "al", "ax", "st(1)",
    "dword ptr [rbx]", "qword ptr [rbx]", "k1, k2", "k1, k2, k3", "zmm0, zmm1", "zmm0, zmm1, zmm2",
    "ymm0, xmm1", "[rbx]", "there", "1",
)  # fmt: skip
"""Operands for a mnemonic that is asked about alone, the commonest first; `there` is a label."""


def _of_text(text: str) -> str:
    """The sentences of a text: its names need not be defined, and of an instruction the mnemonic is enough."""
    # Only a text needs the assembler, which itself needs the disassembler.
    from execmem_kernel.assembly.assembler import assemble

    try:
        program = assemble(text)
    except AssemblyError as error:
        codes = {one.code for one in error.diagnostics}
        if codes == {_UNDEFINED_NAME}:
            spans = (one.span for one in error.diagnostics)
            lines = text.splitlines()
            names = {lines[span.line - 1][span.column - 1 : span.end_column - 1] for span in spans}
            program = assemble("\n".join((text, *(f"{name}: nop" for name in sorted(names)))))
            found = disassemble(program.code, program.address, program.labels)
            return " ".join(map(_sentence, found[: len(found) - len(names)]))
        if codes == {_WRONG_COUNT} and text.strip().isalnum():
            sentence = _of_mnemonic(text.strip())
            if sentence:
                return sentence
        raise
    return " ".join(map(_sentence, disassemble(program.code, program.address, program.labels)))


def _of_mnemonic(mnemonic: str) -> str:
    """What an instruction does, by an example with operands that it takes; empty where none of the samples fits."""
    from execmem_kernel.assembly.assembler import assemble

    for operands in _SAMPLES:
        try:
            program = assemble(f"{mnemonic} {operands}\nthere: nop")
        except AssemblyError:
            continue
        first = disassemble(program.code, program.address, program.labels)[0]
        return f"With operands, `{mnemonic} {operands}` for example: {_sentence(first)}"
    return ""


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
