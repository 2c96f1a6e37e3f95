"""Why a program stopped, for people."""

from __future__ import annotations

from dataclasses import dataclass

from execmem_kernel.execution.contract.details import Cause
from execmem_kernel.program.program import ListingRow


@dataclass(frozen=True, slots=True)
class Explanation:
    """The cause, the listing's row that is to blame, and the address that was used."""

    cause: Cause
    row: ListingRow | None
    accessed: int | None = None
