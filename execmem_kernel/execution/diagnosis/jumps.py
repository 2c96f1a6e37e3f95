"""Causes in control flow: calls, jumps and returns to where no code is."""

from __future__ import annotations

from types import MappingProxyType

from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.address_map import NULL_PAGE, canonical
from execmem_kernel.execution.contract.cause import Explanation
from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.execution.contract.signal_codes import SEGV_ACCERR, SI_KERNEL
from execmem_kernel.execution.contract.trace import Step
from execmem_kernel.execution.diagnosis.context import FaultContext, word_at
from execmem_kernel.x86.registers import GENERAL

# ---- jumps to where no code is ---------------------------------------------------------------------------------------


def wild_jump(scene: FaultContext) -> Explanation | None:
    """rip is outside the code: say who sent it there."""
    if scene.in_code or scene.stop.signal not in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGTRAP"):
        return None
    if address_map.RUNNER <= scene.rip < address_map.RUNNER + address_map.PAGE:
        steps = reversed(scene.history or ())
        row = next(filter(None, map(scene.row_of, steps)), None)
        return Explanation(Cause("jump-outside", "jumped out of the program, into what started its process"), row)
    step = _jumper(scene)
    row = scene.row_of(step)
    word = step.text.split()[0] if step is not None else _guessed_jump(scene)
    if row is None and word == "call":
        row = scene.program.row_at(word_at(scene, scene.rsp) - 1)
    if word == "ret":
        return Explanation(_bad_return(scene, scene.rip, scene.rsp - 8), row)
    cause = _bad_target(scene, word, step.text if step is not None else "")
    return Explanation(cause, row)


def _jumper(scene: FaultContext) -> Step | None:
    """The step that set rip to where it is now."""
    step = scene.last_step
    return step if step is not None and step.after["rip"] == scene.rip else None


def _guessed_jump(scene: FaultContext) -> str:
    """Without steps to look at: a call has left its return address, a ret has left where it went."""
    back = word_at(scene, scene.rsp)
    text = scene.program.text
    if text.address < back <= text.end:
        return "call"
    return "ret" if word_at(scene, scene.rsp - 8) == scene.rip else "jmp"


def _bad_target(scene: FaultContext, word: str, text: str) -> Cause:
    does = "called" if word == "call" else "jumped to"
    target = text.partition(" ")[2]
    register = target if target in GENERAL else ""
    through = f" through {target}" if register or "[" in target else ""
    evidence = {register: scene.rip} if register else {}
    since = scene.because(register) if register else ""
    place = scene.place_of(scene.rip)
    common = MappingProxyType(evidence)
    if scene.rip < NULL_PAGE:
        null = f"{register} is a null pointer{scene.origin(register)}" if register else "a null pointer"
        return Cause(
            "null-call" if word == "call" else "null-jump",
            f"{does} address {scene.rip:#x}{through}: {null}".replace(" 0x0", " 0"),
            common,
            "load the address of the function first, with `lea`",
        )
    if place is not None:
        kind = (
            "the stack" if place == "stack" else "the data" if place in ("data", "bss", "rodata") else f"buffer {place}"
        )
        return Cause(
            "jump-to-data" if place != "stack" else "jump-to-stack",
            f"{'called' if word == 'call' else 'jumped into'} {kind}{through}, which is not executable{since}",
            common,
            "only the program's text is executable: what is data stays data",
        )
    if scene.stop.code == SEGV_ACCERR:
        return Cause(
            "jump-to-data",
            f"{does} {scene.rip:#x}{through}, which is not executable{since}",
            common,
            "memory that a program asks for holds data; only the program's text is executable",
        )
    return Cause(
        "wild-jump",
        f"{does} {scene.rip:#x}{through}, where nothing is mapped{since}",
        common,
        "check where the address comes from",
    )


def _bad_return(scene: FaultContext, target: int, slot: int) -> Cause:
    """`ret` went to what was no return address; `slot` is where it took it from."""
    value = scene.address(target)
    evidence = MappingProxyType({"rsp": slot})
    at_entry, _ = scene.stop.plan.first
    if scene.stop.call.start == "process" and slot >= at_entry:
        took = f"the number of arguments, {value}," if slot == at_entry else value
        return Cause(
            "return-from-start",
            f"`ret` has nowhere to go: nobody has called `_start`, and it took {took} for its return address",
            evidence,
            "a program that starts at `_start` ends with the system call exit: `mov eax, 60`, `xor edi, edi`, "
            "`syscall`; one that starts at `main`, or has neither label, may end with `ret`",
        )
    step = scene.last_write(slot)
    where = "" if step is None or step.line is None else f" on line {step.line}"
    pushed = step is not None and step.text.startswith("push")
    if slot < at_entry and (pushed or step is None):
        return Cause(
            "push-without-pop",
            f"`ret` took {value} for its return address: there was one push too many{where}",
            evidence,
            "every push needs a pop before the ret",
        )
    if slot > at_entry:
        return Cause(
            "return-address-popped",
            f"`ret` took {value} for its return address: there was one pop too many",
            evidence,
            "every pop needs a push of this function's own",
        )
    return Cause(
        "return-address-overwritten",
        f"`ret` took {value} for its return address: it was overwritten{where}",
        evidence,
        "something wrote past its place on the stack, over what the call had left there",
    )


def non_canonical_jump(scene: FaultContext) -> Cause | None:
    """The processor refuses the jump itself: rip still points to it."""
    if scene.stop.code != SI_KERNEL or scene.instruction is None:
        return None
    groups = scene.instruction.groups
    if "return" in groups and scene.mnemonic == "ret" and scene.place_of(scene.rsp) == "stack":
        target = word_at(scene, scene.rsp)
        return _bad_return(scene, target, scene.rsp) if not canonical(target) else None
    if "indirect" in groups and ("jump" in groups or "call" in groups):
        operand = scene.instruction.operands[0]
        target = scene[operand] if operand in GENERAL else word_at(scene, scene.accesses[0][1]) if scene.accesses else 0
        if not canonical(target):
            names = (operand,) if operand in GENERAL else ()
            return Cause(
                "non-canonical-jump",
                f"{'calls' if 'call' in groups else 'jumps to'} {target:#x}, which cannot be an address, "
                f"its bits 63 to 47 differ{scene.because(operand) if names else ''}",
                scene.evidence(*names),
                "check where the address comes from",
            )
    return None
