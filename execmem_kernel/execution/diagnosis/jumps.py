"""Causes in control flow: calls, jumps and returns to where no code is."""

from __future__ import annotations

from types import MappingProxyType

from execmem_kernel.execution.contract.address_map import NULL_PAGE, PAGE, RUNNER, canonical
from execmem_kernel.execution.contract.cause import Cause, Explanation
from execmem_kernel.execution.contract.signal_codes import SEGV_ACCERR, SI_KERNEL
from execmem_kernel.execution.contract.trace import Step
from execmem_kernel.execution.diagnosis.context import FaultContext
from execmem_kernel.execution.diagnosis.returns import bad_return
from execmem_kernel.x86.registers import GENERAL


def wild_jump(context: FaultContext) -> Explanation | None:
    """An rip outside the code: the call, jump or return that set it is to blame."""
    if context.in_code or context.stop.signal not in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGTRAP"):
        return None
    if RUNNER <= context.rip < RUNNER + PAGE:
        steps = reversed(context.history or ())
        row = next(filter(None, map(context.row_of, steps)), None)
        return Explanation(Cause("jump-outside", "jumped out of the program, into what started its process"), row)
    step = _jumper(context)
    row = context.row_of(step)
    word = step.text.split()[0] if step is not None else _guessed_jump(context)
    if row is None and word == "call":
        row = context.program.row_at(context.word_at(context.rsp) - 1)
    if word == "ret":
        return Explanation(bad_return(context, context.rip, context.rsp - 8, row), row)
    cause = _bad_target(context, word, step.text if step is not None else "")
    return Explanation(cause, row)


def _jumper(context: FaultContext) -> Step | None:
    """The step that set rip to where it is now."""
    step = context.last_step
    return step if step is not None and step.after["rip"] == context.rip else None


def _guessed_jump(context: FaultContext) -> str:
    """Without steps to look at: a call has left its return address, a ret has left where it went."""
    back = context.word_at(context.rsp)
    text = context.program.text
    if text.address < back <= text.end:
        return "call"
    return "ret" if context.word_at(context.rsp - 8) == context.rip else "jmp"


def _bad_target(context: FaultContext, word: str, text: str) -> Cause:
    """The cause of a call or jump to where no code is.

    Args:
        context: The stop; its rip is where the jump went.
        word: "call" or a jump.
        text: The instruction, `jmp [rax]`; empty where it is not known.
    """
    calls = word == "call"
    does = "called" if calls else "jumped to"
    target = text.partition(" ")[2]
    register = target if target in GENERAL else ""
    through = f" through {target}" if register or "[" in target else ""
    # A call has written rsp itself; where the stack is, it was before.
    since = context.because(register) if register and register != "rsp" else ""
    evidence = MappingProxyType({register: context.rip} if register else {})
    place = context.place_of(context.rip)
    if context.rip < NULL_PAGE:
        null = f"{register} is a null pointer{context.origin(register)}" if register else "a null pointer"
        return Cause(
            "null-call" if calls else "null-jump",
            f"{does} address {context.rip:#x}{through}: {null}".replace(" 0x0", " 0"),
            evidence,
            "load the address of the function first, with `lea`",
        )
    if place is not None:
        return Cause(
            "jump-to-stack" if place == "stack" else "jump-to-data",
            f"{'called' if calls else 'jumped into'} {_named(place)}{through}, which is not executable{since}",
            evidence,
            "only the program's text is executable: what is data stays data",
        )
    if context.stop.code == SEGV_ACCERR:
        return Cause(
            "jump-to-data",
            f"{does} {context.rip:#x}{through}, which is not executable{since}",
            evidence,
            "memory that a program asks for holds data; only the program's text is executable",
        )
    return Cause(
        "wild-jump",
        f"{does} {context.rip:#x}{through}, where nothing is mapped{since}",
        evidence,
        "check where the address comes from",
    )


def _named(place: str) -> str:
    """A named range of a program's memory, in the middle of a sentence."""
    return {"stack": "the stack", "data": "the data", "bss": "the data", "rodata": "the data"}.get(
        place, f"buffer {place}"
    )


def non_canonical_jump(context: FaultContext) -> Cause | None:
    """The processor refuses the jump itself: rip still points to it."""
    if context.stop.code != SI_KERNEL or context.instruction is None:
        return None
    groups = context.instruction.groups
    if "return" in groups and context.mnemonic == "ret" and context.place_of(context.rsp) == "stack":
        target = context.word_at(context.rsp)
        return bad_return(context, target, context.rsp, context.row) if not canonical(target) else None
    if "indirect" not in groups or not ("jump" in groups or "call" in groups):
        return None
    operand = context.instruction.operands[0]
    in_register = operand in GENERAL
    if in_register:
        target = context[operand]
    else:
        target = context.word_at(context.accesses[0].address) if context.accesses else 0
    if canonical(target):
        return None
    return Cause(
        "non-canonical-jump",
        f"{'calls' if 'call' in groups else 'jumps to'} {target:#x}, which cannot be an address, "
        f"its bits 63 to 47 differ{context.because(operand) if in_register else ''}",
        context.evidence(*((operand,) if in_register else ())),
        "check where the address comes from",
    )
