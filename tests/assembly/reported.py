"""What the assembler says of a source that is wrong."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError


def refusals(source: str, syntax: str = "intel") -> list[tuple[str, int, int]]:
    """Code, line and column of every error."""
    with pytest.raises(AssemblyError) as caught:
        assemble(source, syntax=syntax)  # type: ignore[arg-type]
    return [(found.code, found.line, found.column) for found in caught.value.diagnostics]
