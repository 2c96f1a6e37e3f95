"""What is recorded of each step: the state after it, and the memory and the vector registers that it touched.

    SingleStepper (stepping.py) ──> Recorder ──machine code──> recorder.s: plain instructions, as fast as ptrace goes
                                 │ └──── Python ───────> everything else, one step at a time
                                 └──> Trace: the first steps in full, samples, the last steps in full

Both ways write the same columns, so a trace does not tell which of them took a step.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from types import MappingProxyType

from execmem_kernel.execution.contract.stretch import BOTH, INVALIDATED, READ, STATE, VECTOR, WRITTEN
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.contract.traced_instruction import TracedInstruction
from execmem_kernel.execution.process.guest import Guest
from execmem_kernel.execution.trace.decoded import REGISTER_INDEX, Decoded, decoded
from execmem_kernel.execution.trace.log import StepLog
from execmem_kernel.execution.trace.stepping_loop import PATIENCE, SteppingLoop, loop_code, machine, vector_rows
from execmem_kernel.execution.values import xsave
from execmem_kernel.linux import process as linux_process
from execmem_kernel.program.program import Program
from execmem_kernel.x86.addressing import bit_string_offset, effective_address, gathered
from execmem_kernel.x86.effects import MemoryAccess
from execmem_kernel.x86.registers import DIRECTION_FLAG, MASK, RESUME_FLAG, is_vector

_POSITIONS = tuple(REGISTER_INDEX[name] for name in STATE)
_LONGEST = 4096
"""Bytes recorded of one access; a `rep` may touch more."""


class Recorder:
    """Records the steps of one run."""

    def __init__(self, program: Program, guest: Guest, in_full: int) -> None:
        self.log: StepLog = StepLog(in_full)
        self._program = program
        self._guest = guest
        self._decoded: dict[int, Decoded] = {}
        self._functions = {address: name for name, address in program.externs.items()}
        self._names = {**program.labels, **program.externs}
        self._contents: tuple[tuple[int, int, bytes], ...] = ()
        self._text = program.text
        self._vector_rows: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {}
        self._vectors_before = b""
        self._fast: SteppingLoop | None = None

    @property
    def count(self) -> int:
        """Steps taken so far."""
        return self.log.count

    def begin(self, values: tuple[int, ...], contents: tuple[tuple[int, int, bytes], ...]) -> None:
        """Take the state before the first step, and what memory holds then."""
        self.log.begin(_state(values))
        self._contents = contents
        self._vectors_before = self._guest.child.extended_state()
        self._vector_rows = vector_rows(self._vectors_before)

    def trace(self, ended: bool) -> Trace:
        """What has been recorded so far, as a value."""
        places = {address: step.place for address, step in self._decoded.items() if step.place.code}
        held, between = self.log.stretches()
        return Trace(held, MappingProxyType(places), ended, between, self._contents)

    def decode(self, address: int, within: str = "") -> Decoded:
        """The instruction at an address; `within` names the function of the C library that lies there."""
        found = self._decoded.get(address)
        if found is None:
            code = self._guest.read(address, 15)
            name = self._functions.get(address, within)
            if name:
                found = Decoded(TracedInstruction(address, code[:5], name, None, "", foreign=True), vectors=-1)
            else:
                found = decoded(self._program, code, address, self._names)
            self._decoded[address] = found
            if self._fast is not None:
                self._fast.learn(address, found)
        return found

    # ---- by machine code

    def fast(self, values: tuple[int, ...]) -> bool:
        """Whether the machine code can take the next step."""
        if self._fast is None:
            if self._guest.witness != "supervisor" or (self.count < PATIENCE and not loop_code.is_there):
                return False
            function = machine()
            if function is None:
                return False
            self._fast = SteppingLoop(function, self._guest.child.pid, self._text.address, len(self._text.data))
            self._fast.set_vector_rows(self._vector_rows, self._vectors_before)
            for address, step in self._decoded.items():
                self._fast.learn(address, step)
        return self._fast.knows(values[REGISTER_INDEX["rip"]])

    def go(self, values: tuple[int, ...], most: int) -> tuple[int, int, tuple[int, ...]]:
        """Let the machine code take up to `most` steps: why it stopped, the wait status, and the registers."""
        assert self._fast is not None
        columns, room = self.log.open()
        why, status, values, taken = self._fast.go(values, min(most, room), columns)
        self.log.count += taken
        return why, status, values

    # ---- by Python

    def before(self, step: Decoded, values: tuple[int, ...]) -> list[tuple[MemoryAccess, int, bytes]]:
        """What a step is about to touch, with the bytes that are there now."""
        if not step.accesses:
            return []
        registers = dict(zip(linux_process.USER_REGISTERS, values, strict=True))
        touched = []
        for access in step.accesses:
            size = access.size
            address = effective_address(access, registers)
            if access.index is not None and is_vector(access.index):
                items = gathered(step.place.text, access, registers, xsave.read(self._guest.child.extended_state()))
                touched += [(access, item, self._guest.read(item, size)) for item in items]
                continue
            if step.repeats:
                size = _element(step.place.text)
                address, size = _extent(address, size, registers["rcx"], registers["rflags"])
            if step.bit_string is not None:
                address += bit_string_offset(step.bit_string, size, registers)
            touched.append((access, address & MASK, self._guest.read(address & MASK, min(size, _LONGEST))))
        return touched

    def after(
        self,
        step: Decoded,
        touched: list[tuple[MemoryAccess, int, bytes]],
        values: tuple[int, ...],
        written: Sequence[tuple[int, bytes, bytes]] = (),
        invalidated: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Take a step that is done.

        Args:
            step: The instruction.
            touched: What `before` said.
            values: The registers after it.
            written: What something else than the instruction wrote meanwhile: address, old and new bytes.
            invalidated: Memory that may have been written unseen: address and size.
        """
        columns, _ = self.log.open()
        log = columns.log
        for address, size in invalidated:
            log.extend((INVALIDATED << 56, address, size))
        for access, address, old in touched:
            if access.access == "read":
                _note(log, READ, address, old)
            else:
                kind = WRITTEN if access.access == "write" else BOTH
                _note(log, kind, address, old, self._guest.read(address, len(old)))
        for address, old, new in written:
            _note(log, WRITTEN, address, old, new)
        if step.vectors:
            self._note_vectors(step.vectors, log)
        columns.states += _state(values)
        columns.ends.append(len(log))
        self.log.count += 1

    def _note_vectors(self, which: int, log: array[int]) -> None:
        if self._fast is not None:
            self._vectors_before = self._fast.vectors()
        now = self._guest.child.extended_state()
        for number, (size, parts) in self._vector_rows.items():
            if not which >> number & 1:
                continue
            old, new = (b"".join(state[at : at + part] for at, part in parts) for state in (self._vectors_before, now))
            if old != new:
                log.append(VECTOR << 56 | number << 32 | size)
                log.frombytes(new)
        self._vectors_before = now
        if self._fast is not None:
            self._fast.set_vectors(now)


def _note(log: array[int], kind: int, address: int, *contents: bytes) -> None:
    log.extend((kind << 56 | len(contents[0]), address))
    for data in contents:
        log.frombytes(data.ljust(len(data) + 7 & -8, b"\0"))


def _state(values: tuple[int, ...]) -> array[int]:
    """The recorded registers; the flags without what a breakpoint of the tracer's leaves in them."""
    state = array("Q", [values[position] for position in _POSITIONS])
    state[-1] &= ~RESUME_FLAG
    return state


def _element(text: str) -> int:
    """Bytes that one round of a string instruction touches, from its mnemonic: "rep stosd ..." -> 4."""
    return {"b": 1, "w": 2, "d": 4, "q": 8}.get(text.split()[1][-1], 1)


def _extent(address: int, size: int, count: int, flags: int) -> tuple[int, int]:
    """Where `count` rounds of a string instruction start, and how many bytes they touch, whichever way they go."""
    total = size * min(count, _LONGEST // size)
    return (address - total + size if flags & DIRECTION_FLAG and total else address), total
