"""Why an operation cannot be encoded: all checks, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Sequence

from execmem_kernel.assembly.encoding.refusals.addresses import bad_address
from execmem_kernel.assembly.encoding.refusals.decorations import bad_decoration
from execmem_kernel.assembly.encoding.refusals.operand_kinds import no_form, not_in_64_bit_mode
from execmem_kernel.assembly.encoding.refusals.operand_sizes import missing_size
from execmem_kernel.assembly.encoding.refusals.prefixes import bad_prefix
from execmem_kernel.assembly.encoding.refusals.register_clashes import bad_register, equal_registers, high_byte_clash
from execmem_kernel.x86.forms import Form
from execmem_kernel.x86.operands import Operation, Refusal


def refuse(operation: Operation, found: Sequence[Form]) -> Refusal | None:
    """Why the canonical operation cannot be encoded in any of the forms found for it, or None when it can."""
    return (
        bad_address(operation)
        or bad_register(operation)
        or bad_decoration(operation)
        or not_in_64_bit_mode(operation)
        or (no_form(operation) if not found else None)
        or high_byte_clash(operation)
        or bad_prefix(operation, found)
        or missing_size(operation, found)
        or equal_registers(operation, found)
    )
