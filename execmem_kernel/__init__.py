"""Machine code in a notebook that cannot hurt it, in executable memory whose owner you can see.

%load_ext execmem_kernel        then begin a cell with %%asm
import execmem_kernel as em     the same, as a library
"""

# General layout, from what everything stands on to what a user types (the levels are in tests/test_architecture.py):
#
# wording.py     sizes, counts and numbers as a sentence says them
# linux/         every system call of ours, typed and errno-checked
# program/       what an assembled program and a diagnostic are: plain values
# x86/           what the processor is: registers, operands, instruction forms, effects, disassembly
# errors.py      every error, on one page
# assembly/      text -> checked bytes: syntax, preprocessor, semantics, encoding, diagnostics
# explain/       an instruction in one sentence
# memory/        owning executable pages
# execution/     running a Program in a process of its own and saying what happened
# views/         values -> text, HTML, pictures; measures nothing
# editor/        completion, inspection and diagnostics while a cell is typed; the tables that editors read
# magics/        %%asm and %execmem; the only package that knows IPython
# moved.py       where pickles of version 0.1 find their classes
#
# Names are imported on first use, so that loading the extension stays fast.

from __future__ import annotations

import copyreg
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from execmem_kernel import moved
from execmem_kernel.errors import (
    AddressError,
    ArithmeticFault,
    AssemblyError,
    BreakpointTrap,
    BusError,
    ClosedMemoryError,
    CodeMemoryError,
    DoubleReleaseError,
    EncoderLostError,
    EngineUnavailableError,
    ExecmemError,
    ExecutionError,
    ExpectationFailed,
    ForbiddenSystemCall,
    ForeignAddressError,
    IllegalInstruction,
    InheritedMemoryError,
    InteriorAddressError,
    LeakError,
    LimitExceeded,
    MagicError,
    MemoryInUseError,
    NotRecordedError,
    OutOfCodeMemoryError,
    ProgramExited,
    ProgramFault,
    ProtectionDeniedError,
    PrototypeError,
    SealedMemoryError,
    SegmentationFault,
    StaleAddressError,
    TimeLimitExceeded,
    UnreachableError,
    UnsealedMemoryError,
    WorkerLostError,
)
from execmem_kernel.memory import hooks
from execmem_kernel.program import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    import execmem_kernel.views.charts as _charts
    import execmem_kernel.views.memory_map as _memory_map

    # What `__getattr__` finds on first use, said to type checkers and editors; the tests hold it equal to `_HOMES`.
    from execmem_kernel.assembly.assembler import assemble
    from execmem_kernel.execution.api.bench import Timing, bench
    from execmem_kernel.execution.api.function import Function, function
    from execmem_kernel.execution.api.running import run
    from execmem_kernel.execution.contract.call import Buffer, Call, Limits
    from execmem_kernel.execution.contract.cause import Cause
    from execmem_kernel.execution.contract.details import LifeEvent, SystemCall, Warned
    from execmem_kernel.execution.contract.outcome import Exited, Faulted, Outcome, Returned, TimedOut
    from execmem_kernel.execution.contract.registers import Registers
    from execmem_kernel.execution.contract.trace import Step, Trace
    from execmem_kernel.memory.capabilities import Capabilities
    from execmem_kernel.memory.growth import Bounded, Doubling, Fixed
    from execmem_kernel.memory.handle import ExecutableMemory
    from execmem_kernel.memory.manager import CodeMemoryManager
    from execmem_kernel.memory.session import allocate_executable_memory, manager
    from execmem_kernel.memory.testing import assert_no_leaks
    from execmem_kernel.memory.values import (
        CleanupReport,
        Event,
        Finding,
        LeakReport,
        RegionState,
        Snapshot,
        Statistics,
    )
    from execmem_kernel.program.diagnostic import Diagnostic, Span
    from execmem_kernel.program.program import ListingRow, Program, Segment
    from execmem_kernel.views.stepper import stepper
    from execmem_kernel.x86.disassembler import Instruction, disassemble

__version__ = "0.1.0"


def _read_only(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)


# Our values hold read-only mappings, which neither pickle nor deepcopy knows: a worker sends outcomes to its parent.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))

moved.find_old_modules()

_HOMES = {
    "execmem_kernel.assembly.assembler": ("assemble",),
    "execmem_kernel.execution.api.bench": ("Timing", "bench"),
    "execmem_kernel.execution.api.function": ("Function", "function"),
    "execmem_kernel.execution.api.running": ("run",),
    "execmem_kernel.execution.contract.call": ("Buffer", "Call", "Limits"),
    "execmem_kernel.execution.contract.cause": ("Cause",),
    "execmem_kernel.execution.contract.details": ("LifeEvent", "SystemCall", "Warned"),
    "execmem_kernel.execution.contract.outcome": ("Exited", "Faulted", "Outcome", "Returned", "TimedOut"),
    "execmem_kernel.execution.contract.registers": ("Registers",),
    "execmem_kernel.execution.contract.trace": ("Step", "Trace"),
    "execmem_kernel.memory.capabilities": ("Capabilities",),
    "execmem_kernel.memory.growth": ("Bounded", "Doubling", "Fixed"),
    "execmem_kernel.memory.handle": ("ExecutableMemory",),
    "execmem_kernel.memory.manager": ("CodeMemoryManager",),
    "execmem_kernel.memory.session": ("allocate_executable_memory", "manager"),
    "execmem_kernel.memory.testing": ("assert_no_leaks",),
    "execmem_kernel.memory.values":
        ("CleanupReport", "Event", "Finding", "LeakReport", "RegionState", "Snapshot", "Statistics",),
    "execmem_kernel.program.diagnostic": ("Diagnostic", "Span"),
    "execmem_kernel.program.program": ("ListingRow", "Program", "Segment"),
    "execmem_kernel.views.stepper": ("stepper",),
    "execmem_kernel.x86.disassembler": ("Instruction", "disassemble"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # a literal, because type checkers and editors read it without running it
    "AddressError", "ArithmeticFault", "AssemblyError", "Bounded", "BreakpointTrap", "Buffer", "BusError",
    "Call", "Capabilities", "Cause", "CleanupReport", "ClosedMemoryError", "CodeMemoryError",
    "CodeMemoryManager", "Diagnostic", "DoubleReleaseError", "Doubling", "EncoderLostError",
    "EngineUnavailableError", "Event", "ExecmemError", "ExecutableMemory", "ExecutionError", "Exited",
    "ExpectationFailed", "Faulted", "Finding", "Fixed", "ForbiddenSystemCall", "ForeignAddressError",
    "Function", "IllegalInstruction", "InheritedMemoryError", "Instruction", "InteriorAddressError",
    "LeakError", "LeakReport", "LifeEvent", "LimitExceeded", "Limits", "ListingRow", "MagicError",
    "MemoryInUseError", "NotRecordedError", "OutOfCodeMemoryError", "Outcome", "Program", "ProgramExited",
    "ProgramFault", "ProtectionDeniedError", "PrototypeError", "RegionState", "Registers", "Returned",
    "SealedMemoryError", "Segment", "SegmentationFault", "Snapshot", "Span", "StaleAddressError", "Statistics",
    "Step", "SystemCall", "TimeLimitExceeded", "TimedOut", "Timing", "Trace", "UnreachableError",
    "UnsealedMemoryError", "Warned", "WorkerLostError", "__version__", "allocate_executable_memory", "assemble",
    "assert_no_leaks", "bench", "disassemble", "function", "leak_chart", "load_ipython_extension", "manager",
    "memory_map", "run", "stepper", "unload_ipython_extension",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker that saw this would believe that every name exists

    def __getattr__(name: str) -> Any:
        if name in _HOME_OF:
            value = getattr(import_module(_HOME_OF[name]), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def _native_function(memory: Any, prototype: str) -> Any:
    return import_module("execmem_kernel.execution.native.function").function_of_memory(memory, prototype)


def _watching() -> Any:
    return import_module("execmem_kernel.execution.engines.choice").watching()


def _bundle(value: Any) -> dict[str, str]:
    from execmem_kernel.program.program import Program

    home, name = ("listing", "program_report") if isinstance(value, Program) else ("outcome", "outcome_report")
    report = getattr(import_module(f"execmem_kernel.views.{home}"), name)
    bundle: dict[str, str] = report(value)._repr_mimebundle_()
    return bundle


shown.bundle = _bundle
# memory stands below the packages that call code and run programs; they are imported when it first needs one.
hooks.function_factory = _native_function
hooks.watching = _watching


# Views are given what they show; that it is the session's manager's unless another is meant is decided here.
def leak_chart(events: Sequence[Event] | None = None) -> _charts.Chart:
    """Draw bytes owned, and bytes that nobody owns, after each event of the memory manager.

    Args:
        events: What to draw; by default all that the session's manager remembers.
    """
    from execmem_kernel.memory import session
    from execmem_kernel.views import charts

    return charts.leak_chart(session.manager().events() if events is None else events)


def memory_map(manager: CodeMemoryManager | None = None) -> _memory_map.MemoryMap:
    """A live view of a manager's executable memory; the session's manager unless another is given."""
    from execmem_kernel.memory import session
    from execmem_kernel.views.memory_map import map_of

    return map_of(session.manager() if manager is None else manager)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register `%%asm` and `%execmem`; IPython calls this for `%load_ext execmem_kernel`."""
    from execmem_kernel.magics import extension

    extension.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take out what loading put in; IPython calls this for `%unload_ext execmem_kernel`."""
    from execmem_kernel.magics import extension

    extension.unload(shell)
