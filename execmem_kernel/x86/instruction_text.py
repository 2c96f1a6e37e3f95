"""The text of one instruction from its bytes: Capstone's, or iced-x86's where Capstone is wrong or silent."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import capstone
from iced_x86 import Decoder, Formatter, FormatterSyntax, MemorySizeOptions

from execmem_kernel.x86 import forms
from execmem_kernel.x86.effects import mnemonic_of

Syntax = Literal["intel", "att"]
_ONLY_HERE = frozenset(forms.TABLE_NAMES.values())
"""Names that assemblers use and iced-x86's text does not."""
_formatters = threading.local()
_ROUNDING = re.compile(r" ?\{(?:r[ndzu]e?-)?sae\}")


def iced_text(code: bytes, address: int, syntax: Syntax = "intel") -> tuple[str, str]:
    """Mnemonic and operands of the first instruction by iced-x86, in the spelling that Capstone uses too.

    Args:
        code: The bytes.
        address: Where the first of them lies.
        syntax: How the text is written.
    """
    formatter = _formatter(syntax)
    instruction = Decoder(64, code, ip=address).decode()
    mnemonic = formatter.format_mnemonic(instruction)
    operands = formatter.format_all_operands(instruction)
    if instruction.op_mask and "{k" not in operands:
        # Gathers and scatters, whose mask iced-x86 writes as an operand.
        operands = re.sub(r", (k\d)(?=,|$)", r" {\1}", operands, count=1)
    if syntax == "intel" and (rounding := _ROUNDING.search(operands)) is not None:
        # iced-x86 writes it behind the operand that the manual's tables say, everybody else behind the last register.
        parts = _ROUNDING.sub("", operands).split(", ")
        parts.insert(len(parts) - (parts[-1][0] in "-0123456789"), rounding[0].strip().replace("rne", "rn"))
        operands = ", ".join(parts)
    name = mnemonic_of(instruction)
    return name if name in _ONLY_HERE else mnemonic, operands


def _formatter(syntax: Syntax) -> Formatter:
    """iced-x86's formatter of this thread's own."""
    formatter: Formatter | None = getattr(_formatters, syntax, None)
    if formatter is None:
        formatter = Formatter(FormatterSyntax.INTEL if syntax == "intel" else FormatterSyntax.GAS)
        formatter.hex_prefix, formatter.hex_suffix = "0x", ""
        formatter.space_after_operand_separator = True
        formatter.space_between_memory_add_operators = syntax == "intel"
        formatter.uppercase_hex = False
        formatter.small_hex_numbers_in_decimal = True
        formatter.rip_relative_addresses = True
        formatter.branch_leading_zeros = False
        formatter.show_branch_size = False
        formatter.memory_size_options = MemorySizeOptions.ALWAYS
        setattr(_formatters, syntax, formatter)
    return formatter


_SCATTERED = tuple(
    f"v{stem}{kind}"
    for stem in ("gather", "scatter", "pgather", "pscatter", "gatherpf0", "gatherpf1", "scatterpf0", "scatterpf1")
    for kind in ("dps", "qps", "dpd", "qpd", "dd", "dq", "qd", "qq")
)
CAPSTONE_MISREADS = frozenset(
    (
        # shown with the size of all elements together
        *_SCATTERED,
        # read as an older instruction whose bytes they extend
        "mcommit", "seamcall", "seamret", "seamops", "stui", "clui", "testui", "uiret", "erets", "eretu", "vmgexit",
        "prefetchit0", "prefetchit1", "pcmpestriq", "pcmpestrmq", "tdcall", "senduipi", "rmpquery",
        # displacement multiplied by the wrong size
        "vmovq",
        # operands shown with another size, or implied ones
        "comisd", "clrssbsy", "rstorssp", "vgf2p8affineqb", "vgf2p8affineinvqb", "fnsave", "fsave", "lsl", "movsxd",
        "invlpga", "vmsave", "vmload", "vmrun", "xlatb", "monitor", "monitorx", "fndisi", "fneni",
        "fdisi", "feni", "lar",
    )
)  # fmt: skip
"""What Capstone 5 gets wrong: these are read by iced-x86 alone."""
_engines = threading.local()


def _engine(syntax: Syntax) -> capstone.Cs:
    """A Capstone engine of this thread's own: one engine must not be used by two threads."""
    engine = getattr(_engines, syntax, None)
    if engine is None:
        engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        if syntax == "att":
            engine.syntax = capstone.CS_OPT_SYNTAX_ATT
        setattr(_engines, syntax, engine)
    return engine


@lru_cache(maxsize=8192)
def capstone_text(syntax: Syntax, code: bytes, address: int) -> tuple[str, str] | None:
    """Capstone's text of the one instruction, or None where Capstone sees another one, or none.

    Args:
        syntax: How the text is written.
        code: The bytes of one instruction and no more.
        address: Where the first of them lies.
    """
    for _, size, mnemonic, operands in _engine(syntax).disasm_lite(code, address, 1):
        if size == len(code):
            return mnemonic, operands
    return None


_BARE_POINTER = re.compile(r"(?:\bmem384 )?(?<!word )(?<!byte )\bptr (?=(?:[c-gs]s:)?\[)")


def as_typed(text: str) -> str:
    """Capstone's text in the assembler's words: tbyte, and no `ptr` where no word names the size: `xsave [rax]`."""
    return _BARE_POINTER.sub("", text.replace("xword ptr", "tbyte ptr")) if "ptr " in text else text


def split_operands(operands: str) -> tuple[str, ...]:
    """Operands at the commas that stand outside brackets."""
    parts = re.split(r",\s*(?![^\[(]*[\])])", operands)
    return tuple(part for part in parts if part)


def text_of(code: bytes, name: str) -> str:
    """What the bytes of an instruction of this name say at address 0: by Capstone, or by iced-x86 where that fails."""
    seen = None if name in CAPSTONE_MISREADS else capstone_text("intel", code, 0)
    mnemonic, operands = seen or iced_text(code, 0)
    return f"{mnemonic} {operands}" if operands else mnemonic


_TOGETHER = 64
"""Instructions read in one call: few enough that to begin again behind one that Capstone cannot read costs little."""


def texts_of(codes: Sequence[bytes], names: Sequence[str]) -> list[str]:
    """`text_of` for many instructions, one call of Capstone for all that it reads one after the other."""
    found: list[str] = []
    while len(found) < len(codes):
        waiting = codes[len(found) : len(found) + _TOGETHER]
        begun = len(found)
        read = _engine("intel").disasm_lite(b"".join(waiting), 0)
        for code, (_, size, mnemonic, operands) in zip(waiting, read, strict=False):
            if size != len(code) or names[len(found)] in CAPSTONE_MISREADS:
                break
            found.append(f"{mnemonic} {operands}" if operands else mnemonic)
        if len(found) < begun + len(waiting):
            found.append(text_of(codes[len(found)], names[len(found)]))
    return found
