"""Machine code in a notebook that cannot hurt it, in executable memory whose owner you can see.

%load_ext execmem_kernel        then begin a cell with %%asm
import execmem_kernel as em     the same, as a library
"""

# General layout:
#
# errors.py      every error, on one page; imports nothing
# linux.py       every system call, typed; imports errors
# assembly/      text <-> bytes; knows nothing of memory or processes
# memory/        owning executable pages; stands on linux
# execution/     running a Program and saying what happened; stands on the three above
# views/         values -> text, HTML, pictures; measures nothing
# magics.py      %%asm and friends; the only room that knows IPython
#
# Names are imported on first use, so that loading the extension stays fast.

from __future__ import annotations

import copyreg
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    # What `__getattr__` finds on first use, said to type checkers and editors; the tests hold it equal to `_HOMES`.
    from execmem_kernel.assembly.assembler import assemble
    from execmem_kernel.assembly.diagnostics import Diagnostic, Span
    from execmem_kernel.assembly.disassembler import Instruction, disassemble
    from execmem_kernel.assembly.program import ListingRow, Program, Segment
    from execmem_kernel.execution.bench import Timing, bench
    from execmem_kernel.execution.engine import (
        Buffer,
        Call,
        Cause,
        Exited,
        Faulted,
        LifeEvent,
        Limits,
        Outcome,
        Registers,
        Returned,
        SystemCall,
        TimedOut,
        Warned,
    )
    from execmem_kernel.execution.function import Function, function
    from execmem_kernel.execution.running import run
    from execmem_kernel.execution.tracing import Step, Trace
    from execmem_kernel.memory.audit import Finding, LeakReport, assert_no_leaks
    from execmem_kernel.memory.capabilities import Capabilities
    from execmem_kernel.memory.growth import Bounded, Doubling, Fixed
    from execmem_kernel.memory.manager import (
        CleanupReport,
        CodeMemoryManager,
        Event,
        RegionState,
        Snapshot,
        Statistics,
        allocate_executable_memory,
        manager,
    )
    from execmem_kernel.memory.region import ExecutableMemory
    from execmem_kernel.views.charts import leak_chart
    from execmem_kernel.views.memory_map import memory_map
    from execmem_kernel.views.stepper import stepper

__version__ = "0.1.0"


def _read_only(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)


# Our values hold read-only mappings, which neither pickle nor deepcopy knows: a worker sends outcomes to its parent.
copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))

_HOMES = {
    "execmem_kernel.assembly.assembler": ("assemble",),
    "execmem_kernel.assembly.diagnostics": ("Diagnostic", "Span"),
    "execmem_kernel.assembly.disassembler": ("Instruction", "disassemble"),
    "execmem_kernel.assembly.program": ("ListingRow", "Program", "Segment"),
    "execmem_kernel.execution.bench": ("Timing", "bench"),
    "execmem_kernel.execution.engine": (
        "Buffer", "Call", "Cause", "Exited", "Faulted", "LifeEvent", "Limits", "Outcome", "Registers", "Returned",
        "SystemCall", "TimedOut", "Warned",
    ),
    "execmem_kernel.execution.function": ("Function", "function"),
    "execmem_kernel.execution.running": ("run",),
    "execmem_kernel.execution.tracing": ("Step", "Trace"),
    "execmem_kernel.memory.audit": ("Finding", "LeakReport", "assert_no_leaks"),
    "execmem_kernel.memory.capabilities": ("Capabilities",),
    "execmem_kernel.memory.growth": ("Bounded", "Doubling", "Fixed"),
    "execmem_kernel.memory.manager": (
        "CleanupReport", "CodeMemoryManager", "Event", "RegionState", "Snapshot", "Statistics",
        "allocate_executable_memory", "manager",
    ),
    "execmem_kernel.memory.region": ("ExecutableMemory",),
    "execmem_kernel.views.charts": ("leak_chart",),
    "execmem_kernel.views.memory_map": ("memory_map",),
    "execmem_kernel.views.stepper": ("stepper",),
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


def _attach_functions() -> None:
    """Bring in the room that can call code; memory, which stands below it, asks for that on first use."""
    import_module("execmem_kernel.execution.native")


def _attach_running() -> None:
    """Bring in the room that runs programs; memory, which stands below it, asks for that to say what a host allows."""
    import_module("execmem_kernel.execution.supervisor")


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register `%%asm` and `%execmem`; IPython calls this for `%load_ext execmem_kernel`."""
    from execmem_kernel import magics

    magics.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take out what loading put in; IPython calls this for `%unload_ext execmem_kernel`."""
    from execmem_kernel import magics

    magics.unload(shell)
