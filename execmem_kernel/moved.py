"""Where the classes are now that a pickle of version 0.1 names by the modules of that version."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED: dict[str, dict[str, tuple[str, ...]]] = {
    "execmem_kernel.assembly.diagnostics": {"execmem_kernel.program.diagnostic": ("Diagnostic", "Span")},
    "execmem_kernel.assembly.disassembler": {"execmem_kernel.x86.disassembler": ("Instruction",)},
    "execmem_kernel.assembly.effects": {"execmem_kernel.x86.effects": ("MemoryAccess",)},
    "execmem_kernel.assembly.program": {"execmem_kernel.program.program": ("ListingRow", "Program", "Segment")},
    "execmem_kernel.execution.bench": {"execmem_kernel.execution.api.bench": ("Timing",)},
    "execmem_kernel.execution.engine": {
        "execmem_kernel.execution.contract.call": ("Buffer", "Call", "Limits"),
        "execmem_kernel.execution.contract.cause": ("Cause",),
        "execmem_kernel.execution.contract.details": ("LifeEvent", "SystemCall", "Warned"),
        "execmem_kernel.execution.contract.outcome": ("Exited", "Faulted", "Returned", "TimedOut"),
        "execmem_kernel.execution.contract.registers": ("Registers",),
    },
    "execmem_kernel.execution.tracing": {
        "execmem_kernel.execution.contract.stretch": ("Access", "Between", "Stretch"),
        "execmem_kernel.execution.contract.trace": ("Loop", "Step", "Trace"),
        "execmem_kernel.execution.contract.traced_instruction": ("Place=TracedInstruction",),
    },
    "execmem_kernel.execution.vectors": {"execmem_kernel.execution.values.xsave": ("Lazy=LazyVectors",)},
}
"""Module of version 0.1 -> module of today -> the classes it holds; `old=new` where the name is another one, too.

The classes of `memory.manager`, `memory.audit`, `memory.growth` and `memory.capabilities` are still found there.
"""


class OldModules(MetaPathFinder, Loader):
    """Finds the modules of version 0.1: the last of the finders, asked only when no other knows a name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The place of a module that only an old pickle asks for.

        Args:
            fullname: The module's dotted name.
            path: Where its package lies; the table does not need it.
            target: The module that is being reloaded, if one is; not needed either.
        """
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Put into an old module the classes that a pickle may name in it."""
        for home, names in MOVED[module.__name__].items():
            for name in names:
                old, _, new = name.partition("=")
                setattr(module, old, getattr(import_module(home), new or old))


def find_old_modules() -> None:
    """Let `pickle` find the modules of version 0.1; a second call changes nothing."""
    if not any(isinstance(finder, OldModules) for finder in sys.meta_path):
        sys.meta_path.append(OldModules())
