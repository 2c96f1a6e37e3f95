"""Puts arguments into a call: addresses inside buffers, and in them, once it is known where buffers lie."""

from __future__ import annotations

import dataclasses

from execmem_kernel.execution.contract.call import Call
from execmem_kernel.execution.process.address_space import plan
from execmem_kernel.execution.values.prototype import Passed


def with_arguments(call: Call, passed: Passed) -> Call:
    """The call with these arguments in its registers and buffers.

    Raises:
        ValueError: The buffers do not fit into a program's memory.
    """
    if passed.waits:
        # Where a buffer lies depends on nothing but sizes and segments, so it is where the run will put it.
        placed = plan(dataclasses.replace(call, buffers=passed.buffers)).buffers
        registers, buffers = passed.at({name: one.start for name, one in placed.items()})
        return dataclasses.replace(call, registers=registers, buffers=buffers)
    registers = {name: value for name, value in passed.registers.items() if isinstance(value, (int, str))}
    return dataclasses.replace(call, registers=registers, buffers=passed.buffers)
