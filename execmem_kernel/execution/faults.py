"""Why a program stopped: signal, address and instruction to a named cause, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from execmem_kernel.assembly.program import ListingRow, Program
from execmem_kernel.execution.engine import Cause, Limits


@dataclass(frozen=True, slots=True)
class Stop:
    """What is known at the instant a program stopped."""

    signal: str
    code: int
    address: int
    registers: Mapping[str, int]
    program: Program
    places: Mapping[str, tuple[int, int]]
    read: Callable[[int, int], bytes]


def explain(stop: Stop) -> tuple[Cause, ListingRow | None, int | None]:
    """The cause, the row of the listing that is to blame, and the address that was used."""
    row = stop.program.row_at(stop.registers["rip"])
    return Cause(stop.signal.lower(), f"stopped by {stop.signal}"), row, stop.address


def limit_reached(limit: str, limits: Limits) -> Cause:
    """The cause of an outcome that a limit made."""
    amounts = {
        "wall": f"did not end within {limits.wall_s:g} s",
        "cpu": f"used more than {limits.cpu_s:g} s of processor time",
        "steps": f"took more than {limits.steps:,} steps",
        "output": f"wrote more than {limits.output_size:,} bytes",
        "memory": f"asked for more than {limits.memory_size:,} bytes of memory",
        "system calls": f"made more than {limits.system_calls:,} system calls",
    }
    return Cause(f"limit-{limit.replace(' ', '-')}", amounts[limit])
