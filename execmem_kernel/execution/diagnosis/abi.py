"""The calling convention: what a function must have kept when it returns, and what it may not rely on.

System V AMD64: rbx, rbp, r12 to r15 and rsp are the caller's; the direction flag is clear, the control bits of MXCSR
and of the x87 unit are as they were, and no MMX state is left. Source: System V ABI, AMD64 supplement, 3.2.1 and 3.2.3.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution.contract import address_map
from execmem_kernel.execution.contract.call import Call, Start
from execmem_kernel.execution.contract.details import Warned
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.diagnosis import alignment, flow, inner_calls
from execmem_kernel.execution.values import xsave
from execmem_kernel.program.program import ListingRow, Program
from execmem_kernel.x86.disassembler import Instruction, disassemble
from execmem_kernel.x86.registers import FLAGS, GENERAL, PARTS

_MXCSR_CONTROL = 0xFFC0
"""Everything but the six status flags, which arithmetic sets and nobody keeps."""


_DEFAULT_MXCSR, _DEFAULT_X87 = 0x1F80, 0x037F


_X87_WAITING = 1 << 7
"""The status word's ES bit. Source: Intel SDM vol. 1, 8.1.3."""


@dataclass(frozen=True, slots=True)
class FinalState:
    """What is known when a program has returned."""

    call: Call
    before: Registers
    after: Registers
    raw: dict[str, int]
    extended: bytes
    trace: Trace | None
    history: Callable[[], Trace | None]
    describe: Callable[[int], str]
    misaligned: int | None = None
    """Where the first call into the C library with a stack that was not 16-aligned would have come back to."""


_CODE_SELECTOR = 0x33
"""What cs holds in every 64-bit program. Source: Linux, arch/x86/include/asm/segment.h, __USER_CS."""


def check(ending: FinalState) -> tuple[Warned, ...]:
    """Every breach of the convention, with the line that made it where that is known."""
    found = (*_kept(ending), *_state(ending), *_unset(ending), *check_calls(ending))
    if ending.call.trace and ending.trace is not None and ending.trace.complete:
        told = {(one.code, one.line) for one in found}
        found += tuple(one for one in inner_calls.check(ending.trace, ending.call) if (one.code, one.line) not in told)
    return found


def _line(ending: FinalState, register: str) -> int | None:
    trace = ending.history()
    try:
        step = None if trace is None else trace.last_write(register)
    except NotRecordedError:
        return None
    return None if step is None else step.line


def _kept(ending: FinalState) -> Iterator[Warned]:
    if ending.raw["cs"] != _CODE_SELECTOR:
        yield Warned(
            "mode",
            "it returned in 32-bit mode: the caller's instructions would be read as others",
            None,
            "go back to 64-bit code with a far return to selector 0x33 first",
        )
    before, after = ending.before.values_, ending.after.values_
    for name in inner_calls.SAVED:
        if (old := before[name]) != (new := after[name]):
            yield Warned(
                "callee-saved",
                f"{name} is the caller's and was changed: {ending.describe(old)} -> {ending.describe(new)}",
                _line(ending, name),
                _KEEP.format(name),
            )
    yield from _lost(ending)
    if after["rsp"] != before["rsp"] + 8:
        off = after["rsp"] - before["rsp"] - 8
        far = f"{abs(off)} bytes {'above' if off > 0 else 'below'} where the caller left it"
        elsewhere = f"{ending.describe(after['rsp'])}, which is not where the caller left it"
        yield Warned(
            "stack-pointer",
            f"rsp is {far if abs(off) <= address_map.STACK_SIZE else elsewhere}",
            _line(ending, "rsp"),
            "take off the stack what was put on it, and no more",
        )


def _lost(ending: FinalState) -> Iterator[Warned]:
    """Registers of the caller's that hold what they held, but were written over before they were kept: that is luck."""
    program, before, after = ending.call.program, ending.before.values_, ending.after.values_
    entry = program.entry if ending.call.entry is None else ending.call.entry
    lost = _written_first(program.code, program.address, entry)
    names = {name for name in lost if before[name] == after[name]}
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
                _KEEP.format(name),
            )
        touched |= reads | writes


_KEEP = "push {0} first and pop it before the ret, or use rax, rcx, rdx, rsi, rdi or r8 to r11"


@lru_cache(1024)
def _uses(code: bytes, address: int) -> tuple[frozenset[str], frozenset[str]]:
    """The whole registers that an instruction reads, and those that it writes."""
    one = disassemble(code, address)[0]
    return frozenset(map(_whole, one.registers_read)), frozenset(map(_whole, one.registers_written))


@lru_cache(256)
def _written_first(code: bytes, address: int, entry: int) -> frozenset[str]:
    """Registers of the caller's that can be written, on some way from the entry, before anything has read them."""
    graph = flow.flow_of(code, address, (entry,))
    if not any(
        _whole(name) in inner_calls.SAVED for one in graph.instructions.values() for name in one.registers_written
    ):
        return frozenset()
    found: set[str] = set()
    seen: dict[int, frozenset[str]] = {}
    waiting = [(entry, frozenset(inner_calls.SAVED))]
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


def _state(ending: FinalState) -> Iterator[Warned]:
    flags = ending.after["rflags"]
    if flags >> FLAGS["DF"] & 1:
        line = _flag_line(ending, "DF")
        yield Warned("direction-flag", "the direction flag was left set", line, "clear it with `cld` before the ret")
    if flags >> FLAGS["AC"] & 1:
        line = _flag_line(ending, "AC")
        yield Warned("alignment-check", "the alignment-check flag was left set", line, "clear bit 18 of the flags")
    state = ending.extended
    mxcsr = struct.unpack_from("<I", state, xsave.MXCSR)[0]
    if mxcsr & _MXCSR_CONTROL != _DEFAULT_MXCSR & _MXCSR_CONTROL:
        yield Warned(
            "mxcsr",
            "the control bits of MXCSR (rounding, masks) were left changed",
            _mnemonic_line(ending, "ldmxcsr"),
            "keep it with `stmxcsr` and put it back with `ldmxcsr`",
        )
    control, status, tags = struct.unpack_from("<HHB", state, xsave.CONTROL_WORD)
    if xsave.in_use(state) & xsave.X87_BIT:
        if status & _X87_WAITING:
            yield Warned(
                "x87-exception",
                "an x87 exception that the program has unmasked still waits for the next x87 instruction to raise it",
                hint="`fnclex` takes it away; leave the masks in the control word set (0x037f)",
            )
        if control & 0x0F3F != _DEFAULT_X87 & 0x0F3F:
            yield Warned(
                "x87-control",
                "the x87 control word (rounding, precision, masks) was left changed",
                _mnemonic_line(ending, "fldcw"),
                "keep it with `fnstcw` and put it back with `fldcw`",
            )
        if xsave.holds_mmx(state):
            yield Warned(
                "mmx-state",
                "MMX registers were used without `emms`: the next x87 instruction would go wrong",
                _step_line(ending, _writes("mm")),
                "put `emms` before the ret",
            )
        elif tags.bit_count() > 2:
            yield Warned(
                "x87-stack",
                f"{tags.bit_count()} values were left on the x87 stack",
                _step_line(ending, lambda one: one.mnemonic.startswith(("fld", "fild", "fbld"))),
                "pop what is not a result: `fstp st(0)`",
            )
    if xsave.upper_halves(state):
        yield Warned(
            "upper-halves",
            "the upper halves of ymm registers were left in use, which slows down SSE code that comes after",
            _step_line(ending, lambda one: bool(one.operands) and one.operands[0][:3] in ("ymm", "zmm")),
            "put `vzeroupper` before the ret, unless a ymm register is the result",
        )
    for name in ("fs_base", "gs_base"):
        # The C library keeps its thread's data there.
        if ending.raw[name] and not (name == "fs_base" and ending.call.program.externs):
            line = _mnemonic_line(ending, f"wr{name.replace('_', '')}")
            yield Warned(
                name.replace("_", "-"), f"{name[:2]}'s base was changed; thread-local storage hangs on it", line
            )


def _mnemonic_line(ending: FinalState, mnemonic: str) -> int | None:
    return _step_line(ending, lambda one: one.mnemonic in (mnemonic, f"v{mnemonic}"))


def _step_line(ending: FinalState, picked: Callable[[Instruction], bool]) -> int | None:
    """The line of the last step that carried out such an instruction."""
    trace = ending.history()
    if trace is None or trace.gaps:
        return None
    wanted = {
        address for address, place in trace.places.items() if place.code and picked(disassemble(place.code, address)[0])
    }
    last = next((address for address in reversed(trace.addresses()) if address in wanted), None)
    return None if last is None else trace.places[last].line


def _flag_line(ending: FinalState, flag: str) -> int | None:
    trace = ending.history()
    steps = () if trace is None or trace.gaps else trace.where(f"{flag} changes")
    return steps[-1].line if steps else None


def _writes(prefix: str) -> Callable[[Instruction], bool]:
    return lambda one: any(name.startswith(prefix) for name in one.registers_written)


def _unset(ending: FinalState) -> Iterator[Warned]:
    """Registers and flags that are read before anything has been put in them."""
    call = ending.call
    entry = call.program.entry if call.entry is None else call.entry
    unset = _read_unset(call.program.code, call.program.address, entry)
    if not unset:
        return
    start = "any number" if call.poison is not None else "0"
    given = frozenset(map(_whole, call.registers))
    if call.start == "main":
        given |= {"rdi", "rsi", "rdx"}
    if "rflags" in given:
        given |= _STATUS
    for name, address in unset:
        if name in given:
            continue
        hint = f"give it one first, or run with {name}=..."
        if name in _STATUS:
            hint = "a calculation sets it, and so does a comparison: `cmp` or `test`"
        yield Warned(
            "unset-register",
            f"{name} is read here, and nothing has put a value in it: it starts as {start}",
            call.program.line_at(address),
            hint,
        )


_STATUS = frozenset(("CF", "PF", "AF", "ZF", "SF", "OF"))


_VECTOR, _MASK = re.compile(r"[xyz](mm\d+)"), re.compile(r"k\d")


_ALL = frozenset(
    (*GENERAL, *(f"xmm{number}" for number in range(32)), *(f"k{number}" for number in range(8)), *_STATUS)
)
"""What a function may have written."""


def _whole(name: str) -> str:
    """The register that a part belongs to, where a vector register is called by its lowest part."""
    if name in PARTS:
        return PARTS[name][0]
    vector = _VECTOR.fullmatch(name)
    return f"x{vector[1]}" if vector else name


@lru_cache(256)
def _read_unset(code: bytes, address: int, entry: int) -> tuple[tuple[str, int], ...]:
    """Registers and flags read, on some way from the entry, before they are written: each with the first such place.

    Pushing a register and storing a callee-saved one are how a caller's value is kept, and do not count.
    """
    graph = flow.flow_of(code, address, (entry,))
    found: dict[str, int] = {}
    best: dict[int, frozenset[str]] = {}
    waiting = [(entry, frozenset({"rsp"}))]
    while waiting:
        here, written = waiting.pop()
        instruction = graph.instructions.get(here)
        if instruction is None:
            continue
        if here in best:
            merged = best[here] & written
            if merged == best[here]:
                continue
            written = merged
        best[here] = written
        for name in _really_read(instruction):
            if name in _ALL and name not in written and found.get(name, here + 1) > here:
                found[name] = here
        written |= set(map(_whole, instruction.registers_written))
        written |= {flag.upper() for flag in (*instruction.flags_written, *instruction.flags_undefined)}
        if "call" in instruction.groups:
            # Whatever a function is to give back, it may have written; where it comes back to, others do not.
            waiting.append((instruction.end, written | _ALL))
            if instruction.target is not None:
                waiting.append((instruction.target, written))
        elif "return" not in instruction.groups:
            waiting += [(target, written) for target in graph.following.get(here, ())]
    return tuple(sorted(found.items(), key=lambda item: item[1]))


_MERGING = re.compile(
    r"v?(?:cvtsi2s[sd]|cvtusi2s[sd]|sqrts[sd]|rcpss|rsqrtss|rounds[sd]|cvtss2sd|cvtsd2ss|mov[lh]p[sd]|movs[sd]|pinsr.|insertps)"
)
"""Instructions that leave the rest of a vector register as it was, which mostly nobody minds."""


def _really_read(instruction: Instruction) -> tuple[str, ...]:
    """The registers and flags whose value matters: not a push, not `xor eax, eax`, nothing that is only kept."""
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if mnemonic.startswith(("push", "vzero")) or mnemonic in ("syscall", "enter", "leave", "xchg", "nop", "endbr64"):
        return ()
    if mnemonic == "cpuid":  # ecx matters to some of its leaves only
        return ("rax",)
    flags = tuple(flag.upper() for flag in instruction.flags_read)
    read = tuple(map(_whole, instruction.registers_read))
    same = operands[:3] if mnemonic.startswith("vpternlog") else operands[-2:]
    if len(same) > 1 and len(set(same)) == 1 and mnemonic.startswith(_OF_ITSELF):
        return flags
    if mnemonic.startswith(("mov", "vmov")) and operands and operands[0].endswith("]"):
        return tuple(name for name in read if name not in inner_calls.SAVED and name[:3] != "xmm")
    if _MERGING.fullmatch(mnemonic):
        sources = operands[1 if mnemonic[0] != "v" else 2 :]
        read = tuple(name for name in read if name[:3] != "xmm" or name in map(_whole, sources))
    return (*read, *flags)


_OF_ITSELF = (
    "xor", "sub", "sbb", "pxor", "vpxor", "vxor", "pcmpeq", "vpcmpeq", "psub", "vpsub", "vpternlog", "kxor", "kxnor",
    "pandn", "vpandn",
)  # fmt: skip
"""What gives the same result of a register with itself, whatever that holds (`sbb`: but for the carry)."""


def check_calls(ending: FinalState) -> tuple[Warned, ...]:
    """Calls made with a stack that is not 16-aligned: what the code proves, and what was seen where it proves nothing.

    A compiler calls functions of the same file as it likes (System V ABI, AMD64 supplement, 3.2: local functions may
    use conventions of their own), so what it has written is held to that for calls out of the file only.
    """
    program, before = ending.call.program, ending.before["rsp"]
    entry = program.entry if ending.call.entry is None else ending.call.entry
    endings = frozenset(at for name, at in program.externs.items() if name in alignment.NEVER_RETURN)
    proved = alignment.stack_at_calls(program.code, program.address, entry, before % 16, endings)
    found = {address: rest for address, rest in proved.items() if rest}
    if ending.trace is not None:
        for step in ending.trace.where("call"):
            if step.before["rsp"] % 16 and proved.get(step.address) is None:
                found.setdefault(step.address, step.before["rsp"] % 16)
    if ending.misaligned is not None:
        row = program.row_at(ending.misaligned - 1)
        if row is not None and proved.get(row.address) is None:
            found.setdefault(row.address, 8)
    if not found:
        return ()
    return tuple(
        _misaligned(row, found[row.address], ending.call.start, _stays_inside(program, row))
        for row in sorted(filter(None, map(program.row_at, found)), key=lambda row: row.address)
        if not (program.compiled and _stays_inside(program, row))
    )


def _stays_inside(program: Program, row: ListingRow) -> bool:
    target = disassemble(row.code, row.address)[0].target
    return target is not None and program.text.address <= target < program.text.end


def _misaligned(row: ListingRow, rest: int, start: Start, inside: bool) -> Warned:
    hint = "at a function's first instruction rsp is 16n+8: `sub rsp, 8` before the call, `add rsp, 8` after it"
    if inside:
        hint += "; it does no harm until something that is called there uses aligned vectors, as the C library does"
    if start == "process":
        hint = (
            "at `_start` rsp is a multiple of 16, at a function's first instruction 16n+8: `sub rsp, 8` makes up for it"
        )
    return Warned(
        "stack-alignment",
        f"`{row.text}` with rsp = 16n+{rest}: at a call it must be a multiple of 16",
        row.span.line,
        hint,
    )
