"""Causes in the instruction itself: privileged, undefined, misused, or data taken for one."""

from __future__ import annotations

import re

from execmem_kernel.execution.contract.cause import Cause, Explanation
from execmem_kernel.execution.contract.signal_codes import SI_KERNEL
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.endings import refused
from execmem_kernel.execution.syscalls import numbers
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.features import cpu_features

_PRIVILEGED = frozenset(
    (
        "hlt", "cli", "sti", "in", "out", "ins", "outs", "insb", "insw", "insd", "outsb", "outsw", "outsd", "rdmsr",
        "wrmsr",
        "lgdt", "lidt", "lldt", "ltr", "lmsw", "invd", "wbinvd", "invlpg", "invpcid", "swapgs", "xsetbv", "rdpmc",
        "clts", "sysexit", "sysret",
        "sysexitq", "sysretq", "monitor", "mwait", "xsaves", "xrstors", "clac", "stac", "vmcall", "wbnoinvd", "sgdt",
        "sidt", "sldt", "str", "smsw",
    )
)  # fmt: skip
"""Instructions that the processor carries out for the operating system only. Source: Intel SDM vol. 3, 6.9."""
_LEGACY_PREFIXES = bytes.fromhex("66 67 f2 f3 f0 2e 36 3e 26 64 65")
_OVERFLOW, _INT_4 = 4, b"\xcd\x04"
_SYSCALL = b"\x0f\x05"
_LOCK = b"\xf0"


def software_interrupt(context: FaultContext) -> Explanation | None:
    """`int` with a number that ends a program: 3, 4 and 0x80 are open to programs. Source: Intel SDM vol. 2, INT n."""
    if context.instruction is None or context.stop.code != SI_KERNEL:
        return None
    row = context.row
    if context.mnemonic == "int":
        number = int(context.instruction.operands[0], 0)
    elif context.stop.read(context.rip - 2, 2) == _INT_4:  # a trap, not a fault: rip is already behind it
        number, row = 4, context.program.row_at(context.rip - 2)
    else:
        return None
    cause = Cause(
        "software-interrupt",
        f"`int {number:#x}` raises the overflow exception, which nothing handles here"
        if number == _OVERFLOW
        else f"`int {number:#x}` is reserved: a program may raise no interrupt but 3 and 4 "
        "(and 0x80, the old system call)",
        look_at="for a system call in a 64-bit program, use `syscall`",
    )
    return Explanation(cause, row)


def privileged(context: FaultContext) -> Cause | None:
    """An instruction, or an operand (cr, dr), for the operating system only."""
    if context.instruction is None or (context.access is not None and context.stop.code != SI_KERNEL):
        return None
    control = re.search(r"\b(cr|dr)\d+\b", context.instruction.text)
    name = context.mnemonic
    if name not in _PRIVILEGED and not control and "privileged" not in context.instruction.groups:
        return None
    return Cause(
        "privileged",
        f"`{context.instruction.text}` is privileged: only the operating system may use it",
        look_at="a program asks the operating system with `syscall`",
    )


def too_long(context: FaultContext) -> Cause | None:
    """An instruction of more than 15 bytes, prefixes and all."""
    if context.instruction is None or context.stop.code != SI_KERNEL or context.instruction.is_instruction:
        return None
    code = context.stop.read(context.rip, 15)
    if len(code) == 15 and all(byte in _LEGACY_PREFIXES or 0x40 <= byte < 0x50 for byte in code[:12]):  # or REX
        return Cause(
            "too-long",
            "the instruction is longer than 15 bytes, which is the most there is",
            look_at="leave out prefixes: most of them change nothing here",
        )
    return None


def segment_register(context: FaultContext) -> Cause | None:
    """A segment register, or a far jump, with a selector that does not exist."""
    if context.instruction is None or context.stop.code != SI_KERNEL:
        return None
    first = context.instruction.operands[0] if context.instruction.operands else ""
    if first in ("ds", "es", "ss", "fs", "gs", "cs") or context.mnemonic in ("lfs", "lgs", "lss"):
        return Cause(
            "segment-selector",
            f"`{context.instruction.text}` loads a segment register with a selector that does not exist",
            look_at="segments play no part in a 64-bit program: leave them as they are",
        )
    if context.mnemonic in ("iretq", "iret", "iretd", "retf", "retfq", "ljmp", "lcall"):
        return Cause(
            "segment-selector",
            f"`{context.instruction.text}` returns to a code segment that does not exist",
            look_at="use `ret`",
        )
    return None


def mxcsr(context: FaultContext) -> Cause | None:
    """A control register or a saved state with bits that must be 0."""
    if context.stop.code != SI_KERNEL or context.mnemonic not in (
        "ldmxcsr",
        "vldmxcsr",
        "fxrstor",
        "xrstor",
        "xrstor64",
    ):
        return None
    if context.mnemonic.endswith("ldmxcsr"):
        return Cause(
            "mxcsr-reserved",
            f"`{context.mnemonic}` sets reserved bits of MXCSR; bits 16 and up must be 0",
            look_at="0x1f80 is the value a program starts with",
        )
    return Cause("state-invalid", f"`{context.mnemonic}` was given a state that is not valid")


def general_protection(context: FaultContext) -> Cause | None:
    """Any other general protection fault."""
    if context.stop.code != SI_KERNEL or context.instruction is None:
        return None
    return Cause(
        "general-protection",
        f"the processor refuses `{context.instruction.text}`",
        look_at="its operands break a rule of the instruction: an alignment, a reserved bit, or a privilege",
    )


def kernels_own_call(context: FaultContext) -> Explanation | None:
    """The call that the kernel makes for its own probes: no filter sees it, and it ends any program that makes it."""
    step = context.last_step
    if step is None or step.after["rip"] != context.rip - 2 or context.stop.read(context.rip - 2, 2) != _SYSCALL:
        return None
    if step.after["rax"] & 0xFFFFFFFF != numbers.NUMBERS["uretprobe"]:
        return None
    reason = "the kernel ends a program that makes its own call for probes"
    cause = refused("uretprobe()", reason, "check the number in rax", step.after)
    return Explanation(cause, context.program.row_at(context.rip - 2))


def undefined_on_purpose(context: FaultContext) -> Cause | None:
    """`ud2` and its like."""
    name = context.mnemonic
    if name not in ("ud0", "ud1", "ud2"):
        return None
    return Cause("undefined-on-purpose", f"`{name}` stops a program on purpose: it is defined to be undefined")


def no_sysenter(context: FaultContext) -> Cause | None:
    """A way into the operating system that this processor does not have in 64-bit mode."""
    name = context.mnemonic
    if name not in ("sysenter", "syscall", "sysexit", "sysret"):
        return None
    return Cause(
        "no-sysenter",
        f"`{name}` is not available in 64-bit programs on this processor",
        look_at="use `syscall`",
    )


def lock_misused(context: FaultContext) -> Cause | None:
    """`lock` before an instruction that cannot have it."""
    if context.instruction is None:
        return None
    code = context.stop.read(context.rip, 15)
    if code[:1] != _LOCK:
        return None
    rest = disassemble(code[1:], context.rip + 1)[0]
    return Cause(
        "lock-misused",
        f"`lock` before `{rest.text}`: it may stand only before an instruction that changes memory",
        look_at="lock goes with add, inc, xchg, cmpxchg and their like, with a memory destination",
    )


def not_an_instruction(context: FaultContext) -> Cause | None:
    """Bytes that no instruction begins with."""
    if context.instruction is None or context.instruction.is_instruction:
        return None
    size = max(1, context.row.size if context.row else 1)
    shown = context.stop.read(context.rip, 15)[:size][:4].hex(" ")
    return Cause(
        "not-an-instruction",
        f"the bytes {shown} are not an instruction in 64-bit mode",
        look_at="a jump went into the middle of something, or the bytes were meant to be data",
    )


def missing_feature(context: FaultContext) -> Cause | None:
    """An instruction of an extension that this processor does not have."""
    if context.instruction is None:
        return None
    missing = sorted(set(context.instruction.features) - cpu_features())
    if not missing:
        return None
    return Cause(
        "missing-feature",
        f"this processor does not have `{context.mnemonic}`: it needs {', '.join(missing).upper()}",
        look_at="test for it with `cpuid` before, or use instructions that every x86-64 has",
    )


def illegal_instruction(context: FaultContext) -> Cause | None:
    """Any other SIGILL."""
    if context.instruction is None:
        return None
    return Cause("illegal-instruction", f"the processor does not execute `{context.instruction.text}` here")
