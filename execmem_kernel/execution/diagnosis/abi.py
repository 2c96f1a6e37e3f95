"""The calling convention: what a function must have kept when it returns, and what it may not rely on.

System V AMD64: rbx, rbp, r12 to r15 and rsp are the caller's; the direction flag is clear, the control bits of MXCSR
and of the x87 unit are as they were, and no MMX state is left. Source: System V ABI, AMD64 supplement, 3.2.1 and 3.2.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache

from execmem_kernel.execution.contract.calling_convention import CALLEE_SAVED
from execmem_kernel.execution.contract.details import Warned, WarningCode
from execmem_kernel.execution.diagnosis import flow, inner_calls
from execmem_kernel.execution.diagnosis.call_alignment import check_calls
from execmem_kernel.execution.diagnosis.final_state import FinalState
from execmem_kernel.execution.diagnosis.run_checks import check_run
from execmem_kernel.execution.diagnosis.unset_registers import check_unset_registers
from execmem_kernel.execution.values import xsave
from execmem_kernel.x86.disassembler import disassemble
from execmem_kernel.x86.registers import FLAGS, full_register

_MXCSR_CONTROL = 0xFFC0
"""Its control bits: all but the six status flags, which no function has to keep."""
_X87_CONTROL = 0x0F3F
"""The bits of the x87 control word that mean something."""
_DEFAULT_MXCSR, _DEFAULT_X87 = 0x1F80, 0x037F
_X87_WAITING = 1 << 7
"""The status word's ES bit. Source: Intel SDM vol. 1, 8.1.3."""
_X87_RESULTS = 2
"""So many values may be left on the x87 stack: a long double is returned in st(0), a complex one in st(1) too."""
_CODE_SELECTOR = 0x33
"""What cs holds in every 64-bit program. Source: Linux, arch/x86/include/asm/segment.h, __USER_CS."""


def check(ending: FinalState) -> tuple[Warned, ...]:
    """Every breach of the convention, with the line that made it where that is known."""
    found = (
        *_mode(ending),
        *_callee_saved(ending),
        *_overwritten(ending),
        *_stack_pointer(ending),
        *_flags(ending),
        *_mxcsr(ending),
        *_x87(ending),
        *_vectors(ending),
        *_segment_bases(ending),
        *check_unset_registers(ending),
        *check_calls(ending),
        *check_run(ending),
    )
    if ending.call.trace and ending.trace is not None and ending.trace.complete:
        known = {(one.code, one.line) for one in found}
        found += tuple(one for one in inner_calls.check(ending.trace, ending.call) if (one.code, one.line) not in known)
    return found


def _mode(ending: FinalState) -> Iterator[Warned]:
    if ending.raw["cs"] != _CODE_SELECTOR:
        yield Warned(
            "mode",
            "it returned in 32-bit mode: the caller's instructions would be read as others",
            None,
            "go back to 64-bit code with a far return to selector 0x33 first",
        )


def _callee_saved(ending: FinalState) -> Iterator[Warned]:
    before, after = ending.before.values_, ending.after.values_
    for name in CALLEE_SAVED:
        if (old := before[name]) != (new := after[name]):
            yield Warned(
                "callee-saved",
                f"{name} is the caller's and was changed: {ending.describe(old)} -> {ending.describe(new)}",
                ending.line_of_write(name),
                inner_calls.KEEP.format(name),
            )


def _stack_pointer(ending: FinalState) -> Iterator[Warned]:
    before, after = ending.before.values_, ending.after.values_
    if after["rsp"] != before["rsp"] + 8:
        off = after["rsp"] - before["rsp"] - 8
        far = f"{abs(off)} bytes {'above' if off > 0 else 'below'} where the caller left it"
        elsewhere = f"{ending.describe(after['rsp'])}, which is not where the caller left it"
        yield Warned(
            "stack-pointer",
            f"rsp is {far if abs(off) <= ending.call.limits.stack_size else elsewhere}",
            ending.line_of_write("rsp"),
            "take off the stack what was put on it, and no more",
        )


def _overwritten(ending: FinalState) -> Iterator[Warned]:
    """Registers of the caller's that hold what they held, but were written over before they were kept: that is luck."""
    program, before, after = ending.call.program, ending.before.values_, ending.after.values_
    written = _written_first(program.code, program.address, ending.entry)
    names = {name for name in written if before[name] == after[name]}
    trace = ending.history() if names else None
    if trace is None or trace.gaps:
        return
    touched: set[str] = set()
    uses = {address: _uses(place.code, address) for address, place in trace.places.items() if place.code}
    for address in trace.addresses():
        reads, writes = uses.get(address, (frozenset(), frozenset()))
        for name in sorted(names & (writes - reads - touched)):
            yield Warned(
                "callee-saved",
                f"{name} is the caller's and was not kept: that it holds {ending.describe(after[name])} again is luck",
                trace.places[address].line,
                inner_calls.KEEP.format(name),
            )
        touched |= reads | writes


@lru_cache(1024)
def _uses(code: bytes, address: int) -> tuple[frozenset[str], frozenset[str]]:
    """The whole registers that an instruction reads, and those that it writes."""
    one = disassemble(code, address)[0]
    return frozenset(map(full_register, one.registers_read)), frozenset(map(full_register, one.registers_written))


@lru_cache(256)
def _written_first(code: bytes, address: int, entry: int) -> frozenset[str]:
    """Registers of the caller's that can be written, on some way from the entry, before anything has read them."""
    graph = flow.flow_of(code, address, (entry,))
    if not any(
        full_register(name) in CALLEE_SAVED for one in graph.instructions.values() for name in one.registers_written
    ):
        return frozenset()
    found: set[str] = set()
    seen: dict[int, frozenset[str]] = {}
    waiting = [(entry, frozenset(CALLEE_SAVED))]
    while waiting:
        here, untouched = waiting.pop()
        instruction = graph.instructions.get(here)
        if instruction is None or untouched <= seen.get(here, frozenset()):
            continue
        untouched |= seen.get(here, frozenset())
        seen[here] = untouched
        reads, writes = _uses(instruction.code, here)
        found |= untouched & (writes - reads)
        waiting += [(target, untouched - reads - writes) for target in graph.following.get(here, ())]
    return frozenset(found)


def _flags(ending: FinalState) -> Iterator[Warned]:
    flags = ending.after["rflags"]
    if flags >> FLAGS["DF"] & 1:
        line = ending.line_of_flag("DF")
        yield Warned("direction-flag", "the direction flag was left set", line, "clear it with `cld` before the ret")
    if flags >> FLAGS["AC"] & 1:
        line = ending.line_of_flag("AC")
        yield Warned("alignment-check", "the alignment-check flag was left set", line, "clear bit 18 of the flags")


def _mxcsr(ending: FinalState) -> Iterator[Warned]:
    mxcsr = struct.unpack_from("<I", ending.extended, xsave.MXCSR)[0]
    if mxcsr & _MXCSR_CONTROL != _DEFAULT_MXCSR & _MXCSR_CONTROL:
        yield Warned(
            "mxcsr",
            "the control bits of MXCSR (rounding, masks) were left changed",
            ending.line_of_mnemonic("ldmxcsr"),
            "keep it with `stmxcsr` and put it back with `ldmxcsr`",
        )


def _x87(ending: FinalState) -> Iterator[Warned]:
    state = ending.extended
    if not xsave.in_use(state) & xsave.X87_BIT:
        return
    control, status, tags = struct.unpack_from("<HHB", state, xsave.CONTROL_WORD)
    if status & _X87_WAITING:
        yield Warned(
            "x87-exception",
            "an x87 exception that the program has unmasked still waits for the next x87 instruction to raise it",
            hint="`fnclex` takes it away; leave the masks in the control word set (0x037f)",
        )
    if control & _X87_CONTROL != _DEFAULT_X87 & _X87_CONTROL:
        yield Warned(
            "x87-control",
            "the x87 control word (rounding, precision, masks) was left changed",
            ending.line_of_mnemonic("fldcw"),
            "keep it with `fnstcw` and put it back with `fldcw`",
        )
    if xsave.holds_mmx(state):
        yield Warned(
            "mmx-state",
            "MMX registers were used without `emms`: the next x87 instruction would go wrong",
            ending.line_of_step(lambda one: any(name.startswith("mm") for name in one.registers_written)),
            "put `emms` before the ret",
        )
    elif tags.bit_count() > _X87_RESULTS:
        yield Warned(
            "x87-stack",
            f"{tags.bit_count()} values were left on the x87 stack",
            ending.line_of_step(lambda one: one.mnemonic.startswith(("fld", "fild", "fbld"))),
            "pop what is not a result: `fstp st(0)`",
        )


def _vectors(ending: FinalState) -> Iterator[Warned]:
    if xsave.upper_halves(ending.extended):
        yield Warned(
            "upper-halves",
            "the upper halves of ymm registers were left in use, which slows down SSE code that comes after",
            ending.line_of_step(lambda one: bool(one.operands) and one.operands[0][:3] in ("ymm", "zmm")),
            "put `vzeroupper` before the ret, unless a ymm register is the result",
        )


def _segment_bases(ending: FinalState) -> Iterator[Warned]:
    for name in ("fs_base", "gs_base"):
        # The C library keeps its thread's data there.
        if ending.raw[name] and not (name == "fs_base" and ending.call.program.externs):
            line = ending.line_of_mnemonic(f"wr{name.replace('_', '')}")
            code: WarningCode = "fs-base" if name == "fs_base" else "gs-base"
            yield Warned(code, f"{name[:2]}'s base was changed; thread-local storage hangs on it", line)
