"""Refusals of a mnemonic: it does not exist, or its size suffix contradicts the operands."""

# ruff: noqa: E501 (its sentences are read whole)

from __future__ import annotations

from execmem_kernel.assembly.encoding.refusals.comparing import operand_size
from execmem_kernel.assembly.encoding.refusals.phrases import bits_text, size_text
from execmem_kernel.wording import listed
from execmem_kernel.x86 import mnemonics
from execmem_kernel.x86.operands import Memory, Operation, Refusal, Register
from execmem_kernel.x86.registers import register_class


def unknown(mnemonic: str) -> Refusal:
    """No instruction has this name."""
    near = ["ret" if name == "retn" else name for name in mnemonics.nearest_mnemonics(mnemonic.lower())]
    hint = f"did you mean {listed([f'`{name}`' for name in near], 'or')}?" if near else ""
    return Refusal("ASM100", f"There is no instruction named `{mnemonic}`.", None, hint)


def misspelt(operation: Operation) -> Refusal | None:
    """`imull rax, rbx`: the size letter of the spelling against the operands, which the canonical name no longer shows."""
    name = mnemonics.resolve(operation.mnemonic)
    if name is None or name.size is None or name.mnemonic in ("in", "out", "crc32"):
        return None
    if operation.mnemonic in ("lcall", "ljmp"):
        if all(isinstance(operand, Memory) for operand in operation.operands):
            return None
        return Refusal(
            "ASM102", f"`{operation.mnemonic}` takes memory: an address and a segment.", 0, "write `call` or `jmp`"
        )
    for number, operand in enumerate(operation.operands):
        size = operand_size(operand)
        if size in (None, name.size) or operand == Register("cl"):
            continue
        if isinstance(operand, Memory) and operand.broadcast is not None and name.size > 8:
            continue
        if isinstance(operand, Register) and register_class(operand.name)[0] != "r":
            continue
        return Refusal(
            "ASM107", f"The `{operation.mnemonic[-1]}` at the end of `{operation.mnemonic}` means {bits_text(name.size)}, and {size_text(operand)}.",
            number, f"write `{operation.mnemonic[:-1]}`: the registers tell the size",
        )  # fmt: skip
    return None
