"""Causes in the instruction itself: privileged, undefined, misused, or data taken for one."""

from __future__ import annotations

import re

from execmem_kernel.execution.contract.cause import Explanation
from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.contract.signal_codes import SI_KERNEL
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.endings import refused
from execmem_kernel.execution.syscalls import numbers
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.features import cpu_features

# ---- instructions that may not be, or are not ------------------------------------------------------------------------

_PRIVILEGED = """
hlt cli sti in out ins outs insb insw insd outsb outsw outsd rdmsr wrmsr
lgdt lidt lldt ltr lmsw invd wbinvd invlpg invpcid swapgs xsetbv rdpmc clts sysexit sysret
sysexitq sysretq monitor mwait xsaves xrstors clac stac vmcall wbnoinvd sgdt sidt sldt str smsw
"""
"""Instructions that fault in a program, all words of one list."""


def software_interrupt(scene: FaultContext) -> Explanation | None:
    if scene.instruction is None or scene.stop.code != SI_KERNEL:
        return None
    row = scene.row
    if scene.mnemonic == "int":
        number = int(scene.instruction.operands[0], 0)
    elif scene.stop.read(scene.rip - 2, 2) == b"\xcd\x04":  # a trap, not a fault: rip is already behind it
        number, row = 4, scene.program.row_at(scene.rip - 2)
    else:
        return None
    cause = Cause(
        "software-interrupt",
        f"`int {number:#x}` is reserved: a program may raise no interrupt but 3 (and 0x80, the old system call)",
        look_at="for a system call in a 64-bit program, use `syscall`",
    )
    return Explanation(cause, row)


def privileged(scene: FaultContext) -> Cause | None:
    if scene.instruction is None or (scene.access is not None and scene.stop.code != SI_KERNEL):
        return None
    control = re.search(r"\b(cr|dr)\d+\b", scene.instruction.text)
    name = scene.mnemonic
    if name not in _PRIVILEGED.split() and not control and "privileged" not in scene.instruction.groups:
        return None
    return Cause(
        "privileged",
        f"`{scene.instruction.text}` is privileged: only the operating system may use it",
        look_at="a program asks the operating system with `syscall`",
    )


def too_long(scene: FaultContext) -> Cause | None:
    if scene.instruction is None or scene.stop.code != SI_KERNEL or scene.instruction.is_instruction:
        return None
    code = scene.stop.read(scene.rip, 15)
    prefixes = bytes.fromhex("66 67 f2 f3 f0 2e 36 3e 26 64 65")
    if len(code) == 15 and all(byte in prefixes or 0x40 <= byte < 0x50 for byte in code[:12]):
        return Cause(
            "too-long",
            "the instruction is longer than 15 bytes, which is the most there is",
            look_at="leave out prefixes: most of them change nothing here",
        )
    return None


def segment_register(scene: FaultContext) -> Cause | None:
    if scene.instruction is None or scene.stop.code != SI_KERNEL:
        return None
    first = scene.instruction.operands[0] if scene.instruction.operands else ""
    if first in ("ds", "es", "ss", "fs", "gs", "cs") or scene.mnemonic in ("lfs", "lgs", "lss"):
        return Cause(
            "segment-selector",
            f"`{scene.instruction.text}` loads a segment register with a selector that does not exist",
            look_at="segments play no part in a 64-bit program: leave them as they are",
        )
    if scene.mnemonic in ("iretq", "iret", "iretd", "retf", "retfq", "ljmp", "lcall"):
        return Cause(
            "segment-selector",
            f"`{scene.instruction.text}` returns to a code segment that does not exist",
            look_at="use `ret`",
        )
    return None


def mxcsr(scene: FaultContext) -> Cause | None:
    if scene.stop.code != SI_KERNEL or scene.mnemonic not in ("ldmxcsr", "vldmxcsr", "fxrstor", "xrstor", "xrstor64"):
        return None
    if scene.mnemonic.endswith("ldmxcsr"):
        return Cause(
            "mxcsr-reserved",
            f"`{scene.mnemonic}` sets reserved bits of MXCSR; bits 16 and up must be 0",
            look_at="0x1f80 is the value a program starts with",
        )
    return Cause("state-invalid", f"`{scene.mnemonic}` was given a state that is not valid")


def general_protection(scene: FaultContext) -> Cause | None:
    if scene.stop.code != SI_KERNEL or scene.instruction is None:
        return None
    return Cause(
        "general-protection",
        f"the processor refuses `{scene.instruction.text}`",
        look_at="its operands break a rule of the instruction: an alignment, a reserved bit, or a privilege",
    )


def ran_into_data(scene: FaultContext) -> Cause | None:
    if scene.row is None or scene.row.kind != "data" or scene.row.item == "b":
        return None  # single bytes in the text are instructions spelled out, more often than not
    return Cause(
        "ran-into-data",
        "ran into data and took it for instructions",
        look_at="put a `ret` or a `jmp` before the data, or the data in section .data",
    )


def kernels_own_call(scene: FaultContext) -> Explanation | None:
    """The call that the kernel makes for its own probes: it comes past every filter, and ends whoever else makes it."""
    step = scene.last_step
    if step is None or step.after["rip"] != scene.rip - 2 or scene.stop.read(scene.rip - 2, 2) != b"\x0f\x05":
        return None
    if step.after["rax"] & 0xFFFFFFFF != numbers.NUMBERS["uretprobe"]:
        return None
    reason = "the kernel ends a program that makes its own call for probes"
    cause = refused("uretprobe()", reason, "check the number in rax", step.after)
    return Explanation(cause, scene.program.row_at(scene.rip - 2))


def undefined(scene: FaultContext) -> Cause | None:
    if scene.instruction is None:
        return None
    name = scene.mnemonic
    if name in ("ud0", "ud1", "ud2"):
        return Cause("undefined-on-purpose", f"`{name}` stops a program on purpose: it is defined to be undefined")
    if name in ("sysenter", "syscall", "sysexit", "sysret"):
        return Cause(
            "no-sysenter",
            f"`{name}` is not available in 64-bit programs on this processor",
            look_at="use `syscall`",
        )
    code = scene.stop.read(scene.rip, 15)
    if code[:1] == b"\xf0":
        rest = disassemble(code[1:], scene.rip + 1)[0]
        return Cause(
            "lock-misused",
            f"`lock` before `{rest.text}`: it may stand only before an instruction that changes memory",
            look_at="lock goes with add, inc, xchg, cmpxchg and their like, with a memory destination",
        )
    if not scene.instruction.is_instruction:
        shown = " ".join(f"{byte:02x}" for byte in code[: max(1, scene.row.size if scene.row else 1)][:4])
        return Cause(
            "not-an-instruction",
            f"the bytes {shown} are not an instruction in 64-bit mode",
            look_at="a jump went into the middle of something, or the bytes were meant to be data",
        )
    missing = sorted(set(scene.instruction.features) - cpu_features())
    if missing:
        return Cause(
            "missing-feature",
            f"this processor does not have `{name}`: it needs {', '.join(missing).upper()}",
            look_at="test for it with `cpuid` before, or use instructions that every x86-64 has",
        )
    return Cause("illegal-instruction", f"the processor does not execute `{scene.instruction.text}` here")
