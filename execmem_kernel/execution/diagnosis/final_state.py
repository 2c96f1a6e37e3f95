"""What is known when a program has returned, and which line of it did something last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from execmem_kernel.errors import NotRecordedError
from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.contract.registers import Registers
from execmem_kernel.execution.contract.trace import Trace
from execmem_kernel.execution.process.address_space import PlacedBuffer
from execmem_kernel.x86.disassembler import Instruction, disassemble


@dataclass(frozen=True, slots=True)
class FinalState:
    """What is known when a program has returned."""

    call: Call
    before: Registers
    after: Registers
    raw: dict[str, int]
    """Every register that ptrace gives, by its name in user_regs_struct."""
    extended: bytes
    """The XSAVE area: values/xsave.py."""
    trace: Trace | None
    """What was recorded because a trace was asked for."""
    history: Callable[[], Trace | None]
    """The steps, from a second run that is stepped through where there is no trace; made only when asked for."""
    describe: Callable[[int], str]
    misaligned: int | None = None
    """Where the first call into the C library with a stack that was not 16-aligned would have come back to."""
    buffers: Mapping[str, PlacedBuffer] = field(default_factory=lambda: MappingProxyType({}))
    """Where the buffers lie."""

    @property
    def entry(self) -> int:
        """Where the program started."""
        return self.call.program.entry if self.call.entry is None else self.call.entry

    def line_of_write(self, register: str) -> int | None:
        """The line that last wrote a register; None where that is not known, as in the two below."""
        trace = self.history()
        try:
            step = None if trace is None else trace.last_write(register)
        except NotRecordedError:
            return None
        return None if step is None else step.line

    def line_of_flag(self, flag: str) -> int | None:
        """The line that last changed a flag."""
        trace = self.history()
        steps = () if trace is None or trace.gaps else trace.where(f"{flag} changes")
        return steps[-1].line if steps else None

    def line_of_step(self, picked: Callable[[Instruction], bool]) -> int | None:
        """The line of the last step that carried out such an instruction."""
        trace = self.history()
        if trace is None or trace.gaps:
            return None
        wanted = {
            address
            for address, place in trace.places.items()
            if place.code and picked(disassemble(place.code, address)[0])
        }
        last = next((address for address in reversed(trace.addresses()) if address in wanted), None)
        return None if last is None else trace.places[last].line

    def line_of_mnemonic(self, mnemonic: str) -> int | None:
        """The line of the last step of an instruction, also in its VEX form."""
        return self.line_of_step(lambda one: one.mnemonic in (mnemonic, f"v{mnemonic}"))
