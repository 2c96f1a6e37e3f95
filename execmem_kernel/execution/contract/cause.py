"""Why a program stopped, for people: the names of all causes, a cause, and what it explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from execmem_kernel.program.program import ListingRow

CauseName = Literal[
    # memory operands
    "null-read", "null-write", "negative-address", "non-canonical", "kernel-memory", "no-thread-storage",
    "past-buffer", "before-buffer", "past-segment", "past-mapping", "before-mapping", "after-munmap",
    "released-region", "unmapped", "protected", "write-to-code", "write-to-rodata", "write-to-read-only",
    "misaligned", "misaligned-stack", "alignment-check",
    # the stack
    "stack-overflow", "stack-overflow-recursion", "stack-too-small", "stack-pointer-lost", "above-stack",
    "leave-without-frame", "return-address-popped", "return-address-overwritten", "push-without-pop",
    "return-from-start", "stack-area-left", "bad-return",
    # control flow
    "null-call", "null-jump", "wild-jump", "jump-outside", "jump-to-data", "jump-to-stack", "non-canonical-jump",
    "ran-into-data", "ran-past-end", "inside-instruction",
    # instructions
    "privileged", "software-interrupt", "segment-selector", "mxcsr-reserved", "state-invalid", "general-protection",
    "too-long", "undefined-on-purpose", "no-sysenter", "lock-misused", "not-an-instruction", "missing-feature",
    "illegal-instruction",
    # traps
    "breakpoint", "icebp", "trap-flag",
    # arithmetic
    "divide-by-zero", "quotient-overflow", "x87-exception", "sse-exception", "arithmetic",
    # inside the C library
    "library-fault", "misaligned-call", "fs-base", "direction-flag", "bad-callback", "abort",
    # system calls and other endings
    "exit", "forbidden-system-call", "vsyscall", "x32-system-call", "32-bit-system-call", "unreported", "unknown",
    "limit-wall", "limit-cpu", "limit-steps", "limit-output", "limit-memory", "limit-system-calls",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a program stopped, for people: `sentence` alone must make sense; no absolute address in any of them."""

    name: CauseName
    """Stable, for programs to compare."""
    sentence: str
    evidence: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """The registers that explain it."""
    look_at: str = ""
    """What to look at or try, one sentence."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The cause, the listing's row that is to blame, and the address that was used."""

    cause: Cause
    row: ListingRow | None
    accessed: int | None = None
