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

from execmem_kernel import errors

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

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
_ERRORS = tuple(name for name in vars(errors) if isinstance(getattr(errors, name), type))

__all__ = sorted([*_HOME_OF, *_ERRORS, "__version__", "load_ipython_extension", "unload_ipython_extension"])  # pyright: ignore


def __getattr__(name: str) -> Any:
    if name in _ERRORS:
        return getattr(errors, name)
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
