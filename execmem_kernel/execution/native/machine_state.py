"""What a native call can leave changed of the processor's state that a function keeps for its caller, and the warning.

Of the control bits of MXCSR and of the x87 unit, the x87 stack and MMX registers, and the flags for the direction and
the alignment check, code that follows the ABI keeps all; Python's own arithmetic relies on them. Source: System V ABI,
AMD64 supplement, 3.2.1 and 3.2.3.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Literal

from execmem_kernel.execution.diagnosis.flow import flow_of
from execmem_kernel.program.program import Program
from execmem_kernel.x86.disassembler import Instruction

DIRECTION, ALIGNMENT, MXCSR, X87_CONTROL, X87_STACK, MMX = (1 << number for number in range(6))
"""What `tidy` in guard.s says was left; its LEFT_... bits."""
LEFT = MappingProxyType(
    {
        DIRECTION: "the direction flag set: clear it with `cld` before the ret",
        ALIGNMENT: "the alignment-check flag set: clear bit 18 of the flags before the ret",
        MXCSR: "the control bits of MXCSR (rounding, masks) changed: keep it with `stmxcsr` and put it back with "
        "`ldmxcsr`",
        X87_CONTROL: "the x87 control word (rounding, precision, masks) changed: keep it with `fnstcw` and put it back "
        "with `fldcw`",
        X87_STACK: "values on the x87 stack: pop what is not a result with `fstp st(0)`",
        MMX: "MMX registers in use: put `emms` before the ret",
    }
)
"""What a warning says was left, and what to write against it."""

Watch = Literal["nothing", "controls", "everything"]
"""How a stub looks after a call. Nothing but the flags: the code can change nothing else. Control words and the top of
the x87 stack: a quick look, for code that has no x87 or MMX instruction on any way that is known. The x87 tags too,
which takes as long as a call: for the rest."""
_MMX_REGISTER = re.compile(r"\bmm[0-7]\b")
_LOADS_MXCSR = frozenset(("ldmxcsr", "vldmxcsr"))
_FAR = frozenset(("int", "iret", "iretd", "iretq", "retf", "retfq", "sysret", "sysexit", "uiret"))


def watch_for(program: Program) -> Watch:
    """What has to be looked at after a call of the program at its entry."""
    reached = flow_of(program.code, program.address, (program.entry,)).instructions.values()
    if any(_touches_x87(one) or _leads_elsewhere(one, program) for one in reached):
        return "everything"
    # A return address that the code has put on the stack itself leads anywhere.
    plain = all(
        one.mnemonic not in _LOADS_MXCSR
        and ("return" in one.groups or "rsp" not in (*one.registers_read, *one.registers_written))
        for one in reached
    )
    return "nothing" if plain else "controls"


def _touches_x87(one: Instruction) -> bool:
    """Whether it uses the x87 unit or its registers; all mnemonics with an f in front do, but for fs and gs bases."""
    return one.mnemonic.startswith(("f", "xrstor")) or any(map(_MMX_REGISTER.search, one.operands))


def _leads_elsewhere(one: Instruction, program: Program) -> bool:
    """Whether it can lead to code that is not known here."""
    if one.target is not None:
        return not program.address <= one.target < program.address + len(program.code)
    return not one.is_instruction or one.mnemonic in _FAR or bool({"call", "indirect"} & set(one.groups))


def left_changed(name: str, left: int) -> list[str]:
    """The sentences of the warnings about a call of a function.

    Args:
        name: The function's.
        left: The bits of what it left.
    """
    return [f"{name}() left {what}; it has been put back" for bit, what in LEFT.items() if left & bit]
