"""Why a program stopped: signal, address and instruction to a named cause, in one table.

The kernel's own word is not enough: SIGSEGV with address 0 may be a null pointer, an address that cannot exist, a
misaligned vector or a privileged instruction. So the instruction is decoded and the address it used is computed from
the registers. `TABLE` at the end lists every cause in the order in which they are tried; the first that fits is the
answer.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from execmem_kernel.assembly.disassembler import Instruction, MemoryAccess, cpu_features, disassemble
from execmem_kernel.assembly.program import ListingRow, Program
from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution import flow, layout, syscalls, vectors
from execmem_kernel.execution.engine import GENERAL, PARTS, Call, Cause, Limits, describe, describe_place, is_whole
from execmem_kernel.execution.recorder import TRAP_FLAG, effective_address
from execmem_kernel.execution.tracing import Step, Trace, whole_register

KERNEL_HALF = 0xFFFF_8000_0000_0000
LOW_HALF_END = 0x8000_0000_0000
NULL_PAGE = 0x1000
FAULT, PROTECTED, BY_KERNEL = 1, 2, 128
"""si_code of a SIGSEGV: nothing is mapped there, it is mapped otherwise, or the processor gave no address."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What is known at the instant a program stopped."""

    signal: str
    code: int
    address: int
    registers: dict[str, int]
    call: Call
    plan: layout.Layout
    read: Callable[[int, int], bytes]
    extended: bytes
    history: Callable[[], Trace | None]
    mapped: tuple[Mapped, ...] = ()


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a call of mmap gave, and where munmap took it back."""

    start: int
    end: int
    line: int | None
    gone: bool = False

    @property
    def where(self) -> str:
        return "" if self.line is None else f" on line {self.line}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The cause, the listing's row that is to blame, and the address that was used."""

    cause: Cause
    row: ListingRow | None
    accessed: int | None = None


_PREFIXES = frozenset(
    ("rep", "repe", "repne", "lock", "bnd", "notrack", "xacquire", "xrelease", "data16", "addr32", "{vex}")
)


class Scene:
    """A stop with everything that can be worked out about it, each thing when it is asked for."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop
        self.program: Program = stop.call.program
        self.registers: dict[str, int] = stop.registers
        self.rip: int = stop.registers["rip"]
        self.rsp: int = stop.registers["rsp"]

    def __getitem__(self, name: str) -> int:
        whole, shift, bits = PARTS.get(name, (name, 0, 64))
        return (self.registers[whole] >> shift) & ((1 << bits) - 1)

    @cached_property
    def in_code(self) -> bool:
        return self.program.text.address <= self.rip < layout.page_ceil(self.program.text.end)

    @cached_property
    def instruction(self) -> Instruction | None:
        """What rip points to, where that may be executed."""
        code = self.stop.read(self.rip, 15) if self.in_code else b""
        return disassemble(code, self.rip, self.program.labels)[0] if code else None

    @property
    def mnemonic(self) -> str:
        """The mnemonic without its prefixes."""
        if self.instruction is None:
            return ""
        return next((word for word in self.instruction.text.split() if word not in _PREFIXES), "")

    @cached_property
    def row(self) -> ListingRow | None:
        return self.program.row_at(self.rip)

    @cached_property
    def history(self) -> Trace | None:
        return self.stop.history()

    @cached_property
    def last_step(self) -> Step | None:
        """The last instruction that was carried out before the stop."""
        return self.history[-1] if self.history is not None and len(self.history) else None

    def last_write(self, what: str | int) -> Step | None:
        """The step that last wrote a register or a byte of memory; None where none did or that is not known."""
        try:
            return None if self.history is None else self.history.last_write(what)
        except NotRecordedError:
            return None

    def row_of(self, step: Step | None) -> ListingRow | None:
        return None if step is None else self.program.row_at(step.address)

    def describe(self, value: int) -> str:
        """A number or a pointer."""
        return describe(value, self.stop.plan.places)

    def address(self, value: int) -> str:
        """What is known to be an address: its place, or in hex."""
        return describe_place(value, self.stop.plan.places) or (f"{value:#x}" if value > 9 else str(value))

    def place_of(self, address: int) -> str | None:
        """The name of what lies at an address: "code", "stack", a buffer's name, ..."""
        for name, (start, end) in self.stop.plan.places.items():
            if start <= address < end:
                return name
        return None

    def origin(self, register: str) -> str:
        """Where a register got its value, as the end of a sentence; empty where that is not known."""
        whole = whole_register(register)
        if self.history is None:
            return ""
        try:
            step = self.history.last_write(whole)
        except NotRecordedError:
            return ""
        if step is None:
            given = whole in {whole_register(name) for name in self.stop.call.registers}
            return ", as it was given" if given else ", which nothing has set"
        if step.line is None:  # a function of the C library, taken as one step
            return f", which {step.text} {'returned' if whole == 'rax' else 'left there'}"
        return f", set on line {step.line}"

    def because(self, register: str) -> str:
        """Where a register got its value, as a sentence of its own behind a colon; empty where that is not known."""
        origin = self.origin(register)
        if origin.startswith(", set"):
            return f": {register} was {origin.removeprefix(', ')}"
        if origin.startswith(", which nothing"):
            return f": nothing has set {register}"
        return origin.replace(", as", f": {register} is as").replace(", which", f": {register} is what")

    def values(self, registers: tuple[str, ...]) -> str:
        """What registers hold and where they got it: `rax is 0, set on line 1, and rcx is 3, set on line 2`."""
        return ", and ".join(
            f"{name} is {self.describe(self[name])}{self.origin(name)}" for name in dict.fromkeys(registers)
        )

    # What the instruction touches

    @cached_property
    def accesses(self) -> tuple[tuple[MemoryAccess, int], ...]:
        """Every memory operand, implicit ones too, with the address it has now."""
        if self.instruction is None:
            return ()
        return tuple((one, effective_address(one, self.registers)) for one in self.instruction.memory)

    @cached_property
    def gathered(self) -> tuple[int, int, int] | None:
        """Of a gather or scatter that faulted: which item of its index, that item, and the address it makes."""
        for one, start in self.accesses:
            if one.index is None or one.index[1:3] != "mm":
                continue
            number = one.index[3:]
            found = vectors.read(self.stop.extended)
            data = next((found[wide + number] for wide in ("zmm", "ymm", "xmm") if wide + number in found), b"")
            width = 8 if re.search("(gather|scatter)q", self.mnemonic) else 4
            for item in range({"x": 16, "y": 32, "z": 64}[one.index[0]] // width):
                value = int.from_bytes(data[item * width : (item + 1) * width], "little", signed=True)
                address = (start + value * one.scale) % 2**64
                at_fault = address <= self.stop.address < address + max(one.size, 1)
                if at_fault if self.stop.code in (FAULT, PROTECTED) else not canonical(address):
                    return item, value, address
        return None

    @cached_property
    def access(self) -> tuple[MemoryAccess, int] | None:
        """The memory operand that faulted."""
        if self.gathered is not None:
            return next((one, self.gathered[2]) for one, _ in self.accesses if one.index is not None)
        if self.stop.code in (FAULT, PROTECTED) and self.stop.signal == "SIGSEGV":
            for one, address in self.accesses:
                # An access of 16 bytes across two pages faults at the second; xsave and the like have no size here.
                if address <= self.stop.address < address + max(one.size, 1) or one.size == 0:
                    return one, self.stop.address
            if self.mnemonic == "enter" and self.accesses:  # it tries out where rsp is to be in the end
                return self.accesses[0][0], self.stop.address
        else:
            for one, address in self.accesses:
                if not canonical(address):
                    return one, address
        return None

    @property
    def verb(self) -> str:
        one = self.access[0] if self.access else None
        if one is None:
            return "uses"
        if one.access == "read-write":  # x86 asks for write permission first
            return "writes" if self.stop.code == PROTECTED else "reads"
        return f"{one.access}s"

    @property
    def what(self) -> str:
        """`8 bytes`, of the operand that faulted."""
        size = self.access[0].size if self.access else 0
        if size == 0 and self.instruction is not None and "string" in self.instruction.groups:
            size = {"b": 1, "w": 2, "d": 4, "q": 8}.get(self.mnemonic[-1], 0)
        return "memory" if size == 0 else "1 byte" if size == 1 else f"{size} bytes"

    @property
    def operand(self) -> str:
        """The operand as written, `[rax + 8]`; empty where it is implicit."""
        if self.access is None or self.instruction is None:
            return ""
        found = re.findall(r"\[[^\]]*\]", self.instruction.text)
        access = self.access[0]
        for text in found:
            if access.base is None or access.base in text:
                return str(text)
        return ""

    @property
    def through(self) -> str:
        return f" through {self.operand}" if self.operand else ""

    @property
    def blamed(self) -> tuple[str, ...]:
        """The registers that make the address of the operand that faulted."""
        if self.access is None:
            return ()
        return tuple(name for name in (self.access[0].base, self.access[0].index) if name and name[1:3] != "mm")

    @property
    def item(self) -> str:
        """The end of a sentence about a gather or scatter: which item of its index register made the address."""
        if self.gathered is None or self.access is None:
            return ""
        return f"; item {self.gathered[0]} of {self.access[0].index} is {self.gathered[1]}"

    def evidence(self, *names: str) -> MappingProxyType[str, int]:
        return MappingProxyType({name: self[name] for name in names if name in self.registers or name in PARTS})


def canonical(address: int) -> bool:
    """Whether an address can exist: bits 63 to 47 are all equal."""
    return address < LOW_HALF_END or address >= KERNEL_HALF


def explain(stop: Stop) -> Explanation:
    """Find the first row of the table that fits."""
    scene = Scene(stop)
    for signals, rule in TABLE:
        if stop.signal in signals:
            found = rule(scene)
            if found is not None:
                if isinstance(found, Cause):
                    found = Explanation(found, scene.row, scene.access[1] if scene.access else None)
                return found
    return Explanation(Cause("unknown", f"stopped by {stop.signal}, for a reason that is not known"), scene.row)


# ---- the stack -------------------------------------------------------------------------------------------------------

_STACK_WORDS = ("push", "pop", "call", "ret", "pushfq", "popfq", "enter", "leave", "pushf", "popf")


def _leave_without_frame(scene: Scene) -> Cause | None:
    if scene.mnemonic != "leave" or scene.access is None or scene.place_of(scene["rbp"]) == "stack":
        return None
    return Cause(
        "leave-without-frame",
        f"`leave` takes the stack back to rbp, and rbp is {scene.describe(scene['rbp'])}: there is no stack frame",
        scene.evidence("rbp", "rsp"),
        "begin the function with `push rbp` and `mov rbp, rsp`, or leave out `leave`",
    )


def _uses_stack(scene: Scene) -> bool:
    """Whether the fault is of the instruction's own push or pop, or of an operand on rsp."""
    return scene.access is not None and scene.access[0].base in ("rsp", "esp")


def _stack_pointer_lost(scene: Scene) -> Cause | None:
    if not _uses_stack(scene) or not scene.instruction:
        return None
    rsp = scene.rsp
    near = layout.STACK_START - 64 * layout.STACK_SIZE <= rsp <= layout.STACK_END + 64 * layout.PAGE
    near = near or _took_locals(scene)
    place = scene.place_of(rsp)
    if near or place == "stack":
        return None
    does = f"`{scene.mnemonic}` uses the stack" if scene.mnemonic in _STACK_WORDS else "uses the stack"
    if rsp == 0:
        holds = "rsp is 0"
    elif place is not None:
        holds = f"rsp points into {'the code' if place == 'code' else place}"
    else:
        holds = f"rsp is {scene.address(rsp)}"
    return Cause(
        "stack-pointer-lost",
        f"{does}, but {holds}: the stack pointer was destroyed{_on_line(scene, 'rsp')}",
        scene.evidence("rsp"),
        "rsp may change only by what is pushed, popped, or taken for locals and given back",
    )


def _took_locals(scene: Scene) -> bool:
    """Whether rsp lies where it does because a local area was taken off it."""
    step = scene.last_write("rsp")
    return step is not None and step.text.startswith("sub rsp") and step.before["rsp"] > scene.rsp


def _on_line(scene: Scene, register: str) -> str:
    origin = scene.origin(register)
    return origin.removeprefix(", set") if origin.startswith(", set") else ""


def _stack_overflow(scene: Scene) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    below = layout.STACK_START - address
    reach = layout.STACK_START if _took_locals(scene) else 64 * layout.STACK_SIZE
    if not 0 < below <= reach or scene.rsp > layout.STACK_START + 64 * layout.PAGE:
        return None
    size = layout.STACK_SIZE // 1024**2
    if below > layout.PAGE and scene.rsp < layout.STACK_START - layout.PAGE:
        area = scene.stop.plan.first[0] - scene.rsp
        return Cause(
            "stack-too-small",
            f"a local area of {_amount(area)}{_taken(scene)} is larger than the stack, which has {size} MiB",
            MappingProxyType({}),
            "keep large data in the data section or in a buffer",
        )
    words = struct.unpack(f"<{layout.STACK_SIZE // 8}Q", scene.stop.read(layout.STACK_START, layout.STACK_SIZE))
    text = scene.program.text
    returns = Counter(word for word in words if text.address < word <= text.end)
    if returns:
        back, times = returns.most_common(1)[0]
        row = scene.program.row_at(back - 1)
        if times > 1000 or scene.mnemonic == "call":
            where = "" if row is None else f" on line {row.span.line}"
            return Cause(
                "stack-overflow-recursion",
                f"stack overflow: {times:,} calls deep, the call{where} again and again without coming back",
                scene.evidence("rsp"),
                "a recursion needs a case that returns without calling itself",
            )
    return Cause(
        "stack-overflow",
        f"stack overflow: the stack's {size} MiB are full; something is pushed again and again and never popped",
        scene.evidence("rsp"),
        "take as much off the stack as you put on it, in every round of a loop",
    )


def _taken(scene: Scene) -> str:
    """Where the local area was taken, in the middle of a sentence."""
    line = _on_line(scene, "rsp")
    return f", taken{line}," if line else ""


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"


def _amount(size: int) -> str:
    for unit, name in ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"


def _above_stack(scene: Scene) -> Cause | None:
    if scene.access is None or not _uses_stack(scene):
        return None
    if not layout.STACK_END <= scene.access[1] < layout.STACK_END + 64 * layout.PAGE:
        return None
    if scene.mnemonic == "ret":
        step = scene.last_write("rsp")
        where = "" if step is None or step.line is None else f" on line {step.line}"
        return Cause(
            "return-address-popped",
            f"`ret` finds the stack empty: the return address is gone, there was one pop too many{where}",
            scene.evidence("rsp"),
            "every pop needs a push of this function's own",
        )
    return Cause(
        "above-stack",
        f"{scene.verb} {scene.what} above the start of the stack{scene.through}",
        scene.evidence("rsp"),
        "nothing of the program's lies above the return address it was called with",
    )


# ---- jumps to where no code is ---------------------------------------------------------------------------------------


def _wild_jump(scene: Scene) -> Explanation | None:
    """rip is outside the code: say who sent it there."""
    if scene.in_code or scene.stop.signal not in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGTRAP"):
        return None
    if layout.RUNNER <= scene.rip < layout.RUNNER + layout.PAGE:
        steps = reversed(scene.history or ())
        row = next(filter(None, map(scene.row_of, steps)), None)
        return Explanation(Cause("jump-outside", "jumped out of the program, into what started its process"), row)
    step = _jumper(scene)
    row = scene.row_of(step)
    word = step.text.split()[0] if step is not None else _guessed_jump(scene)
    if row is None and word == "call":
        row = scene.program.row_at(_word(scene, scene.rsp) - 1)
    if word == "ret":
        return Explanation(_bad_return(scene, scene.rip, scene.rsp - 8), row)
    cause = _bad_target(scene, word, step.text if step is not None else "")
    return Explanation(cause, row)


def _jumper(scene: Scene) -> Step | None:
    """The step that set rip to where it is now."""
    step = scene.last_step
    return step if step is not None and step.after["rip"] == scene.rip else None


def _word(scene: Scene, address: int) -> int:
    return int.from_bytes(scene.stop.read(address, 8).ljust(8, b"\0"), "little")


def _guessed_jump(scene: Scene) -> str:
    """Without steps to look at: a call has left its return address, a ret has left where it went."""
    back = _word(scene, scene.rsp)
    text = scene.program.text
    if text.address < back <= text.end:
        return "call"
    return "ret" if _word(scene, scene.rsp - 8) == scene.rip else "jmp"


def _bad_target(scene: Scene, word: str, text: str) -> Cause:
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
    if scene.stop.code == PROTECTED:
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


def _bad_return(scene: Scene, target: int, slot: int) -> Cause:
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


def _non_canonical_jump(scene: Scene) -> Cause | None:
    """The processor refuses the jump itself: rip still points to it."""
    if scene.stop.code != BY_KERNEL or scene.instruction is None:
        return None
    groups = scene.instruction.groups
    if "return" in groups and scene.mnemonic == "ret" and scene.place_of(scene.rsp) == "stack":
        target = _word(scene, scene.rsp)
        return _bad_return(scene, target, scene.rsp) if not canonical(target) else None
    if "indirect" in groups and ("jump" in groups or "call" in groups):
        operand = scene.instruction.operands[0]
        target = scene[operand] if operand in GENERAL else _word(scene, scene.accesses[0][1]) if scene.accesses else 0
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


# ---- memory ----------------------------------------------------------------------------------------------------------


def _write_to_code(scene: Scene) -> Cause | None:
    if scene.access is None or scene.stop.code != PROTECTED or scene.access[0].access == "read":
        return None
    place = scene.place_of(scene.access[1])
    start, end = scene.program.text.address, layout.page_ceil(scene.program.text.end)
    if start <= scene.access[1] < end:
        row = scene.program.row_at(scene.access[1])
        which = "" if row is None else f", into line {row.span.line}"
        return Cause(
            "write-to-code",
            f"writes {scene.what} to its own code{scene.through}{which}: code is read-only while it can run",
            scene.evidence(*scene.blamed),
            "keep what changes in the data section: section .data",
        )
    if place in ("rodata",):
        return Cause(
            "write-to-rodata",
            f"writes {scene.what} to read-only data{scene.through}",
            scene.evidence(*scene.blamed),
            "put what changes in section .data",
        )
    if place is not None:
        return Cause(
            "write-to-read-only",
            f"writes {scene.what} to buffer {place}{scene.through}, which was given read-only",
            scene.evidence(*scene.blamed),
            "give it with em.Buffer(..., writable=True)",
        )
    return None


def _null_pointer(scene: Scene) -> Cause | None:
    if scene.access is None or scene.access[1] >= NULL_PAGE:
        return None
    address = scene.access[1]
    shown = "0" if address == 0 else f"{address:#x}"
    registers = scene.blamed
    kind = "null-write" if scene.verb == "writes" else "null-read"
    if not registers:
        return Cause(
            kind,
            f"{scene.verb} {scene.what} at address {shown}, where nothing is ever mapped",
            look_at="to name a variable's place, write its label: [label]",
        )
    base = registers[0]
    if scene[base] == 0 and len(registers) == 1:
        why = f"{base} is a null pointer{scene.origin(base)}"
    else:
        why = scene.values(registers)
    return Cause(
        kind,
        f"{scene.verb} {scene.what} at address {shown}{scene.through}: {why}{scene.item}",
        scene.evidence(*registers),
        f"put an address in {base} first: `lea {base}, [label]`, or an argument that is one",
    )


def _negative_offset(scene: Scene) -> Cause | None:
    if scene.access is None or scene.access[1] < 2**64 - NULL_PAGE:
        return None
    address = scene.access[1]
    registers = scene.blamed
    if registers and all(scene[name] == 0 for name in registers):
        why = f"the address is 0 - {2**64 - address}: {registers[0]} is 0{scene.origin(registers[0])}"
    else:
        why = f"the address is 0 - {2**64 - address}" + (scene.origin(registers[0]) if registers else "")
    return Cause(
        "negative-address",
        f"{scene.verb} {scene.what}{scene.through}, but {why}",
        scene.evidence(*registers),
        "a small negative address is a null pointer with a negative offset",
    )


def _non_canonical(scene: Scene) -> Cause | None:
    if scene.access is None or canonical(scene.access[1]):
        return None
    address = scene.access[1]
    registers = scene.blamed
    guilty = next((name for name in registers if not canonical(scene[name])), registers[0] if registers else "")
    holds = f"{guilty} is {scene[guilty]:#x}{scene.origin(guilty)}, so " if guilty else ""
    return Cause(
        "non-canonical",
        f"{scene.verb} {scene.what}{scene.through}: {holds}{address:#x} cannot be an address, its bits 63 to 47 differ"
        f"{scene.item}",
        scene.evidence(*registers),
        "the register holds a number or a text, not a pointer",
    )


def _kernel_half(scene: Scene) -> Cause | None:
    if scene.access is None or scene.access[1] < KERNEL_HALF:
        return None
    return Cause(
        "kernel-memory",
        f"{scene.verb} {scene.what} at {scene.access[1]:#x}{scene.through}: that half is the operating system's",
        scene.evidence(*scene.blamed),
        "a program's addresses are below 0x800000000000",
    )


def _beside_buffer(scene: Scene) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    for name, place in scene.stop.plan.buffers.items():
        past = place.page_end <= address < place.page_end + layout.PAGE
        ahead = place.page_start - layout.PAGE <= address < place.page_start
        if not (past or ahead):
            continue
        where = (
            f"{address - place.end} bytes past the end" if past else f"{place.start - address} bytes before the start"
        )
        where = "just past the end" if past and address == place.end else where
        rounds = ""
        if scene.instruction is not None and scene.instruction.mnemonic.startswith("rep"):
            rounds = f"; {scene['rcx']:,} rounds were still to come"
        return Cause(
            "past-buffer" if past else "before-buffer",
            f"{scene.verb} {scene.what} {where} of buffer {name} ({place.size} bytes){scene.through}{rounds}",
            scene.evidence(*scene.blamed, *(("rcx",) if rounds else ())),
            "check the count, and the last index: the items of a buffer of n go from 0 to n-1",
        )
    return None


def _beside_segment(scene: Scene) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    for segment in scene.program.segments:
        end = layout.page_ceil(segment.end)
        if end <= address < end + layout.PAGE:
            rounds = ""
            if scene.instruction is not None and scene.instruction.mnemonic.startswith("rep"):
                rounds = f"; {scene['rcx']:,} rounds were still to come"
            name = "code" if segment.name == "text" else segment.name
            return Cause(
                "past-segment",
                f"{scene.verb} {scene.what} past the end of the program's {name}{scene.through}{rounds}",
                scene.evidence(*scene.blamed, *(("rcx",) if rounds else ())),
                "check the count, and where the pointer began",
            )
    return None


def _thread_storage(scene: Scene) -> Cause | None:
    if scene.access is None or scene.access[0].segment not in ("fs", "gs"):
        return None
    base = scene.registers.get(f"{scene.access[0].segment}_base", 0)
    return Cause(
        "no-thread-storage",
        f"{scene.verb} {scene.what} through {scene.access[0].segment}:, which means nothing here: "
        f"its base is {scene.address(base)}",
        look_at="thread-local storage belongs to the C library; use the stack or section .data",
    )


def _beside_mapping(scene: Scene) -> Cause | None:
    """Memory that mmap gave: used after munmap took it back, or beside its ends."""
    if scene.access is None or scene.stop.code == PROTECTED:
        return None
    address = scene.access[1]
    for one in reversed(scene.stop.mapped):
        if one.gone and one.start <= address < one.end:
            place, name = f"in memory that munmap gave back{one.where}", "after-munmap"
            look_at = "use memory before it is given back, or ask mmap for more"
        elif not one.gone and one.end <= address < one.end + layout.PAGE:
            place = (
                f"{address - one.end} bytes past the end of the {one.end - one.start:,} bytes that mmap gave{one.where}"
            )
            place, name = (
                place.removeprefix("0 bytes ").replace("past", "just past", place.startswith("0 ")),
                "past-mapping",
            )
            look_at = "check the count, or ask mmap for more"
        elif not one.gone and one.start - layout.PAGE <= address < one.start:
            place = f"{_bytes(one.start - address)} before the start of what mmap gave{one.where}"
            name, look_at = "before-mapping", "mmap returns the address of the first byte: go up from there"
        else:
            continue
        sentence = f"{scene.verb} {scene.what}{scene.through}, {place}{scene.item}"
        return Cause(name, sentence, scene.evidence(*scene.blamed), look_at)
    return None


def _unmapped(scene: Scene) -> Cause | None:
    if scene.access is None:
        return None
    address = scene.access[1]
    registers = scene.blamed
    released = scene.stop.call.whose(address)
    if released:
        return Cause(
            "released-region",
            f"{scene.verb} {scene.what}{scene.through} in {released}",
            scene.evidence(*registers),
            "an address of the notebook's memory means nothing to a program in a process of its own",
        )
    since = f": {scene.values(registers)}" if len(registers) > 1 else scene.because(*registers) if registers else ""
    rounds = ""
    if scene.instruction is not None and scene.instruction.mnemonic.startswith("rep"):
        rounds = f"; {scene['rcx']:,} rounds were still to come"
    protected = scene.stop.code == PROTECTED
    why = "which is mapped, but not for that" if protected else "where nothing is mapped"
    return Cause(
        "protected" if protected else "unmapped",
        f"{scene.verb} {scene.what} at {scene.address(address)}{scene.through}, {why}{since}{rounds}{scene.item}",
        scene.evidence(*registers),
        "check where the address comes from, and how far the program has moved it",
    )


def _misaligned(scene: Scene) -> Explanation | None:
    """General protection, an aligned vector operand, and an address that is not a multiple of its size."""
    if scene.stop.code != BY_KERNEL or scene.instruction is None:
        return None
    name = scene.mnemonic
    for one, address in scene.accesses:
        size = (
            64 if name.startswith(("xsave", "xrstor")) else 16 if name.startswith(("fxsave", "fxrstor")) else one.size
        )
        if size not in (16, 32, 64) or address % size == 0:
            continue
        loose = {"movaps": "movups", "movapd": "movupd", "movdqa": "movdqu", "vmovaps": "vmovups", "vmovapd": "vmovupd"}
        registers = tuple(part for part in (one.base, one.index) if part)
        found = re.findall(r"\[[^\]]*\]", scene.instruction.text)
        operand = found[0] if found else "its operand"
        if size == 16 and one.base in ("rsp", "rbp") and scene.place_of(address) == "stack" and address % 16 == 8:
            cause = Cause(
                "misaligned-stack",
                f"`{name}` needs an address that is a multiple of {size}, and the stack is off by 8: {operand}",
                scene.evidence(*registers),
                "at a function's first instruction rsp is 16n+8: `sub rsp, 8` makes it a multiple of 16",
            )
        else:
            instead = loose.get(name) or (name.replace("dqa", "dqu") if "dqa" in name else "")
            cause = Cause(
                "misaligned",
                f"`{name}` needs a multiple of {size} for an address, and {operand} is {address % size} more",
                scene.evidence(*registers),
                f"use {instead}, which takes any address, or align the data" if instead else "align the data",
            )
        return Explanation(cause, scene.row, address)
    return None


# ---- instructions that may not be, or are not ------------------------------------------------------------------------

_PRIVILEGED = """
hlt cli sti in out ins outs insb insw insd outsb outsw outsd rdmsr wrmsr
lgdt lidt lldt ltr lmsw invd wbinvd invlpg invpcid swapgs xsetbv rdpmc clts sysexit sysret
sysexitq sysretq monitor mwait xsaves xrstors clac stac vmcall wbnoinvd sgdt sidt sldt str smsw
"""
"""Instructions that fault in a program, all words of one list."""


def _software_interrupt(scene: Scene) -> Explanation | None:
    if scene.instruction is None or scene.stop.code != BY_KERNEL:
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


def _privileged(scene: Scene) -> Cause | None:
    if scene.instruction is None or (scene.access is not None and scene.stop.code != BY_KERNEL):
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


def _too_long(scene: Scene) -> Cause | None:
    if scene.instruction is None or scene.stop.code != BY_KERNEL or scene.instruction.is_instruction:
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


def _segment_register(scene: Scene) -> Cause | None:
    if scene.instruction is None or scene.stop.code != BY_KERNEL:
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


def _mxcsr(scene: Scene) -> Cause | None:
    if scene.stop.code != BY_KERNEL or scene.mnemonic not in ("ldmxcsr", "vldmxcsr", "fxrstor", "xrstor", "xrstor64"):
        return None
    if scene.mnemonic.endswith("ldmxcsr"):
        return Cause(
            "mxcsr-reserved",
            f"`{scene.mnemonic}` sets reserved bits of MXCSR; bits 16 and up must be 0",
            look_at="0x1f80 is the value a program starts with",
        )
    return Cause("state-invalid", f"`{scene.mnemonic}` was given a state that is not valid")


def _general_protection(scene: Scene) -> Cause | None:
    if scene.stop.code != BY_KERNEL or scene.instruction is None:
        return None
    return Cause(
        "general-protection",
        f"the processor refuses `{scene.instruction.text}`",
        look_at="its operands break a rule of the instruction: an alignment, a reserved bit, or a privilege",
    )


def _ran_into_data(scene: Scene) -> Cause | None:
    if scene.row is None or scene.row.kind != "data" or scene.row.item == "b":
        return None  # single bytes in the text are instructions spelled out, more often than not
    return Cause(
        "ran-into-data",
        "ran into data and took it for instructions",
        look_at="put a `ret` or a `jmp` before the data, or the data in section .data",
    )


def _kernels_own_call(scene: Scene) -> Explanation | None:
    """The call that the kernel makes for its own probes: it comes past every filter, and ends whoever else makes it."""
    step = scene.last_step
    if step is None or step.after["rip"] != scene.rip - 2 or scene.stop.read(scene.rip - 2, 2) != b"\x0f\x05":
        return None
    if step.after["rax"] & 0xFFFFFFFF != syscalls.NUMBERS["uretprobe"]:
        return None
    reason = "the kernel ends a program that makes its own call for probes"
    cause = refused("uretprobe()", reason, "check the number in rax", step.after)
    return Explanation(cause, scene.program.row_at(scene.rip - 2))


def _undefined(scene: Scene) -> Cause | None:
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


# ---- traps -----------------------------------------------------------------------------------------------------------


def _trap(scene: Scene) -> Explanation | None:
    """SIGTRAP: a breakpoint of the program's own, the filler behind its end, or the trap flag."""
    program, rip = scene.program, scene.rip
    behind = scene.stop.read(rip - 1, 1)
    if scene.in_code or program.address < rip <= layout.page_ceil(program.text.end):
        for at in (rip, rip - 1):
            if scene.stop.code == FAULT and scene.stop.read(at, 1) == b"\xf1":
                cause = Cause(
                    "icebp",
                    "`int1` (icebp) is a breakpoint for hardware debuggers, and there is none here",
                    look_at="for a breakpoint of your own, use `int3`",
                )
                return Explanation(cause, program.row_at(at))
        if scene.stop.code == BY_KERNEL:
            short = behind == b"\xcc"
            at = rip - 1 if short else rip - 2
            if at >= program.text.end and short:
                row = program.row_at(program.text.end - 1)
                last = next((one for one in reversed(program.listing) if one.segment == "text"), row)
                cause = Cause(
                    "ran-past-end",
                    "ran past the last instruction: there is no `ret` at the end",
                    look_at="end the function with `ret`",
                )
                return Explanation(cause, last)
            row = program.row_at(at)
            if row is not None and row.kind == "padding":
                cause = Cause(
                    "ran-past-end",
                    "ran past the end of a function into the filling behind it: there is no `ret`",
                    look_at="end the function with `ret`",
                )
                return Explanation(cause, row)
            text = "int3" if short else "int 3"
            cause = Cause(
                "breakpoint",
                f"`{text}` is a breakpoint: the program stopped itself here",
                look_at="take it out, or look at the registers as they are here",
            )
            return Explanation(cause, row)
    if scene.registers["rflags"] & TRAP_FLAG:
        step = scene.last_step
        row = scene.row_of(step) or scene.row
        cause = Cause(
            "trap-flag",
            "the program has set the trap flag, which stops it after the next instruction",
            MappingProxyType({"rflags": scene.registers["rflags"]}),
            "bit 8 of the flags is for debuggers: leave it 0 in what `popfq` takes",
        )
        return Explanation(cause, row)
    return None


# ---- arithmetic ------------------------------------------------------------------------------------------------------

_BITS = {1: 8, 2: 16, 4: 32, 8: 64}
_DIVIDEND = {8: ("ax",), 16: ("dx", "ax"), 32: ("edx", "eax"), 64: ("rdx", "rax")}


def _division(scene: Scene) -> Cause | None:
    if scene.mnemonic not in ("div", "idiv") or scene.instruction is None:
        return None
    operand = scene.instruction.operands[0]
    if scene.accesses:
        size = scene.accesses[0][0].size
        divisor = int.from_bytes(scene.stop.read(scene.accesses[0][1], size), "little")
        names: tuple[str, ...] = ()
        bits = _BITS[size]
    else:
        bits = PARTS.get(operand, (operand, 0, 64))[2]
        divisor, names = scene[operand], (operand,)
    high_low = _DIVIDEND[bits]
    evidence = scene.evidence(*names, *high_low)
    dividend_name = ":".join(high_low)
    if divisor == 0:
        since = scene.origin(operand) if names else ""
        return Cause(
            "divide-by-zero",
            f"divides by zero: {operand} is 0{since}",
            evidence,
            "test the divisor before dividing",
        )
    dividend = 0
    for name in high_low:
        dividend = dividend << (16 if bits == 8 else bits) | scene[name]
    if scene.mnemonic == "idiv":
        wide = 16 if bits == 8 else 2 * bits
        signed = dividend - (1 << wide) if dividend >> (wide - 1) else dividend
        signed_divisor = divisor - (1 << bits) if divisor >> (bits - 1) else divisor
        quotient = abs(signed) // abs(signed_divisor) * (1 if (signed < 0) == (signed_divisor < 0) else -1)
        target = "al" if bits == 8 else high_low[-1]
        extend = {8: "cbw", 16: "cwd", 32: "cdq", 64: "cqo"}[bits]
        look_at = f"sign-extend the dividend before `idiv`: `{extend}` fills {high_low[0]} from {high_low[-1]}"
        if signed_divisor == -1:
            look_at = "the smallest number there is has no opposite: test for it, or divide numbers twice as wide"
            why = f"{signed} / -1 is {quotient}, which does not fit in {target}: its most is {(1 << bits - 1) - 1}"
        else:
            why = f"{dividend_name} is {signed}, and {signed} / {signed_divisor} does not fit in {target}"
        return Cause("quotient-overflow", f"the quotient is too large: {why}", evidence, look_at)
    target = "al" if bits == 8 else high_low[-1]
    limit = (1 << bits) - 1
    clear = "ah" if bits == 8 else high_low[0]
    return Cause(
        "quotient-overflow",
        f"the quotient is too large: {dividend_name} is {dividend}, and {dividend} / {divisor} is more than "
        f"{limit}, the most that {target} holds",
        evidence,
        f"the dividend is {dividend_name}: clear its upper half before `div`, with `xor {clear}, {clear}`",
    )


_FLOAT_NAMES = {
    0: "an invalid operation",
    1: "a denormal operand",
    2: "a division by zero",
    3: "an overflow",
    4: "an underflow",
    5: "an inexact result",
}


def _floating_point(scene: Scene) -> Cause | None:
    control, status = struct.unpack_from("<HH", scene.stop.extended, vectors.CONTROL_WORD)
    mxcsr = struct.unpack_from("<I", scene.stop.extended, vectors.MXCSR)[0]
    pending = status & ~control & 0x3F
    raised = pending or (mxcsr & ~(mxcsr >> 7) & 0x3F)
    if not raised and scene.mnemonic not in ("fwait", "wait"):
        return None
    name = next((text for bit, text in _FLOAT_NAMES.items() if raised >> bit & 1), "a floating-point exception")
    if pending:
        return Cause(
            "x87-exception",
            f"{name} in an earlier x87 instruction is reported here, because the program has unmasked it",
            look_at="x87 reports at the next x87 instruction; leave the masks in the control word set (0x037f)",
        )
    return Cause(
        "sse-exception",
        f"{name}, which the program has unmasked in MXCSR",
        look_at="leave the masks in MXCSR set (0x1f80) to get infinities and NaNs instead",
    )


def _arithmetic(scene: Scene) -> Cause | None:
    return Cause("arithmetic", "an arithmetic operation has no result")


# ---- bus errors ------------------------------------------------------------------------------------------------------


def _alignment_check(scene: Scene) -> Explanation | None:
    if scene.stop.signal != "SIGBUS" or not scene.registers["rflags"] & 1 << 18:
        return None
    for one, address in scene.accesses:
        if one.size in (2, 4, 8, 16) and address % one.size:
            cause = Cause(
                "alignment-check",
                f"{one.access}s {one.size} bytes at an address that is no multiple of {one.size}, with the AC flag set",
                MappingProxyType({"rflags": scene.registers["rflags"]}),
                "the program has set AC, bit 18 of the flags: clear it, or align the data",
            )
            return Explanation(cause, scene.row, address)
    return None


Rule = Callable[[Scene], Cause | Explanation | None]
_MEMORY = ("SIGSEGV", "SIGBUS")

TABLE: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("SIGTRAP",), _trap),
    (("SIGFPE",), _division),
    (("SIGFPE",), _floating_point),
    (("SIGFPE",), _arithmetic),
    (("SIGBUS",), _alignment_check),
    ((*_MEMORY, "SIGILL", "SIGTRAP"), _wild_jump),
    ((*_MEMORY, "SIGILL"), _ran_into_data),
    (_MEMORY, _software_interrupt),
    (_MEMORY, _non_canonical_jump),
    (_MEMORY, _leave_without_frame),
    (_MEMORY, _stack_pointer_lost),
    (_MEMORY, _stack_overflow),
    (_MEMORY, _above_stack),
    (_MEMORY, _thread_storage),
    (_MEMORY, _write_to_code),
    (_MEMORY, _null_pointer),
    (_MEMORY, _negative_offset),
    (_MEMORY, _non_canonical),
    (_MEMORY, _kernel_half),
    (_MEMORY, _beside_buffer),
    (_MEMORY, _beside_segment),
    (_MEMORY, _beside_mapping),
    (_MEMORY, _unmapped),
    (_MEMORY, _privileged),
    (_MEMORY, _segment_register),
    (_MEMORY, _misaligned),
    (_MEMORY, _mxcsr),
    (_MEMORY, _too_long),
    (_MEMORY, _general_protection),
    (("SIGILL",), _kernels_own_call),
    (("SIGILL",), _privileged),
    (("SIGILL",), _undefined),
)
"""Signals -> a rule that gives the cause, if it is this one; tried in this order."""


# ---- endings that are not signals ------------------------------------------------------------------------------------


def limit_reached(limit: str, limits: Limits) -> Cause:
    """The cause of an outcome that a limit made."""
    amounts = {
        "wall": f"did not end within {limits.wall_s:g} s",
        "cpu": f"used more than {limits.cpu_s:g} s of processor time",
        "steps": f"took more than {limits.steps or 0:,} steps",
        "output": f"wrote more than {limits.output_size:,} bytes; what came after them is cut off",
        "memory": f"asked for more than {limits.memory_size:,} bytes of memory",
        "system calls": f"made more than {limits.system_calls:,} system calls",
    }
    try_ = {
        "output": "look at the loop around the write",
        "memory": "give memory back with munmap, or ask for less",
        "system calls": "look at the loop around the call",
    }
    return Cause(f"limit-{limit.replace(' ', '-')}", amounts[limit], look_at=try_.get(limit, ""))


def endless(limit: str, call: Call, registers: dict[str, int]) -> tuple[Cause, ListingRow | None, tuple[str, ...]]:
    """The cause of a run out of time: the lines it goes round, and the registers that no longer change.

    Only what every run would show is said: which of the loop's instructions it was in when time ran out is chance.
    """
    program, rip = call.program, registers["rip"]
    plain = limit_reached(limit, call.limits)
    loop = flow.loop_at(program, rip, call.entry)
    if not loop:
        return plain, program.row_at(rip) if limit == "steps" else None, ()
    steady = flow.steady_in(loop)
    lines = sorted({line for line in (program.line_at(one.address) for one in loop) if line is not None})
    if not lines:
        where = ""
    elif len(lines) == 1:
        where = f", going round line {lines[0]}"
    else:
        where = f", going round lines {lines[0]} to {lines[-1]}"
    used = {
        PARTS.get(name, (name,))[0] for one in loop for name in one.registers_read if name in PARTS or name in GENERAL
    }
    shown = tuple(name for name in GENERAL if name in used and name in steady and name != "rsp")
    conditional = [one for one in loop if "conditional" in one.groups]
    if not conditional:
        look_at = "nothing in the loop leaves it: it needs a conditional jump, or a `ret`"
    elif shown:
        look_at = (
            f"{', '.join(shown)} never change{'s' if len(shown) == 1 else ''} in the loop: is that what it waits for?"
        )
    else:
        look_at = "check what changes the condition of the loop's last jump"
    cause = Cause(
        plain.name, plain.sentence + where, MappingProxyType({name: registers[name] for name in shown}), look_at
    )
    return cause, program.row_at(min(loop, key=lambda one: one.address).address), steady


def exited(name: str, status: int, program: Program) -> Cause:
    """The cause of a program that asked to be ended."""
    if not is_whole(program):
        look_at = "a function in a cell ends with `ret`, with its result in rax; a whole program starts at `_start`"
    else:
        look_at = "" if status == 0 else f"status 0 says that all went well; if {status} is meant: `--expect exit`"
    return Cause(
        "exit", f"asked the operating system to end it, with status {status}: {name}({status})", look_at=look_at
    )


def unreported(signal: str) -> Cause:
    """The cause of a program that has destroyed what reports for it, on a host without ptrace."""
    return Cause(
        "unreported",
        f"ended by {signal}, and could not report where: what reports in its own process was destroyed",
        look_at="without ptrace, memory from 0x7fe00000 on belongs to the handler that reports: leave it alone",
    )


def refused(text: str, reason: str, look_at: str, registers: Mapping[str, int]) -> Cause:
    """The cause of a system call that a program may not make."""
    return Cause(
        "forbidden-system-call",
        f"{text if '(' not in text else 'the system call ' + text} is refused: {reason}",
        MappingProxyType({"rax": registers["rax"]}),
        look_at,
    )


def other_interface(
    way: int, program: Program, registers: dict[str, int], read: Callable[[int, int], bytes]
) -> dict[str, Any]:
    """The cause and row of a system call that came in by an interface which is closed."""
    number = registers["orig_rax"]
    rip = registers["rip"]
    evidence = MappingProxyType({"rax": number})
    if rip >= layout.USER_END:
        row = program.row_at(int.from_bytes(read(registers["rsp"], 8).ljust(8, b"\0"), "little") - 1)
        name = syscalls.name_of(number)
        cause = Cause(
            "vsyscall",
            f"called the old vsyscall page for {name}, which is closed",
            evidence,
            "a program does not need to know its processor" if name == "getcpu" else "use `syscall` with clock_gettime",
        )
        return {"cause": cause, "row": row}
    row = program.row_at(rip - 2)
    if way == 2 and not number & 1 << 31:
        name = syscalls.NAMES.get(number & 0x3FFFFFFF, str(number & 0x3FFFFFFF))
        cause = Cause(
            "x32-system-call",
            f"a system call by the x32 interface, for {name}: that interface is closed",
            evidence,
            "leave bit 30 out of the number in rax",
        )
        return {"cause": cause, "row": row}
    if way == 2:
        cause = refused(syscalls.name_of(number), "there is no system call of that number", "look at rax", registers)
        return {"cause": cause, "row": row}
    number &= 0xFFFFFFFF
    known = syscalls.NAMES_32.get(number)
    name = known or f"number {number}"
    here = syscalls.NUMBERS.get(known or "")
    if registers["cs"] == 0x23:
        sentence = f"the program has switched to 32-bit mode and made a 32-bit system call there, {name}"
    else:
        sentence = f"`int 0x80` is the 32-bit system call interface, which is closed; this is {name} there"
    return {
        "cause": Cause(
            "32-bit-system-call",
            sentence,
            evidence,
            "use `syscall` with the 64-bit numbers"
            + (f": {known} is {here}, with its arguments in rdi, rsi, rdx" if here is not None else ""),
        ),
        "row": row,
    }
