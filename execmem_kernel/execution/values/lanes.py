"""A vector register's value from what a caller gives for it: numbers, floats, bytes, arrays."""

from __future__ import annotations

import contextlib
import operator
import re
import struct
from typing import Any

from execmem_kernel.execution.values.buffers import bytes_of, view_of
from execmem_kernel.x86.registers import VECTOR_SIZES

_REGISTER = re.compile(r"([xyz])mm\d{1,2}")


def register_value(name: str, value: Any) -> Any:
    """What a register is given as one number, where it is a vector register and is given lanes; else the value itself.

    Args:
        name: The register.
        value: A float (a double in the lowest lane), a list of floats (doubles, lowest first), or bytes or an array,
            whose items are the lanes; what is not given is 0.

    Raises:
        TypeError: It is none of these.
        ValueError: It is larger than the register.
    """
    vector = _REGISTER.fullmatch(name)
    if vector is None or isinstance(value, str):
        return value
    with contextlib.suppress(TypeError):
        return operator.index(value)
    size = VECTOR_SIZES[vector[1]]
    if isinstance(value, float):
        data = struct.pack("<d", value)
    elif isinstance(value, (list, tuple)):
        if not all(isinstance(lane, float) for lane in value):
            raise TypeError(
                f"register {name} is given a list, whose lanes are doubles: floats only; for others give an array that "
                "says how wide they are: numpy.array([1, 2], dtype='int32')"
            )
        data = struct.pack(f"<{len(value)}d", *value)
    else:
        data = bytes_of(view_of(value, f"register {name}"))
    if len(data) > size:
        wide = "; floats of 4 bytes: array.array('f', [...])" if isinstance(value, (list, tuple)) else ""
        raise ValueError(f"register {name} has {size} bytes and cannot hold {len(data)}{wide}")
    return int.from_bytes(data, "little")
