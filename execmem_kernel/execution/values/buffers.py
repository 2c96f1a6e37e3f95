"""Python's buffers to and from the bytes that a program is given: bytes, bytearray, memoryview, numpy arrays.

Nothing here knows numpy: an array speaks for itself through the buffer protocol (PEP 3118).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from execmem_kernel.execution.contract.call import Buffer

KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys("bhilqn", "signed"),
        **dict.fromkeys("BHILQN", "unsigned"),
        **dict.fromkeys("efd", "float"),
        "?": "bool",
        "c": "char",
    }
)
"""Format character to the kind of its items. Source: Python documentation, `struct`, "Format Characters"."""


def view_of(value: Any, what: str) -> memoryview:
    """A view of the object's memory, item by item as the object declares them.

    Args:
        value: Anything with the buffer protocol.
        what: How to name it in a message: "buffer 'text'".

    Raises:
        TypeError: It has no buffer, its items are in the other byte order, or they do not lie side by side.
    """
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError) as error:
        raise TypeError(
            f"{what} must be bytes, a bytearray, a memoryview or an array, not {type(value).__name__}"
        ) from error
    if "O" in view.format or "P" in view.format:
        raise TypeError(f"{what} holds Python's own objects, which mean nothing outside this process; give it numbers")
    if view.format[:1] in ("<", ">", "!") and view.format[:1] != {"little": "<", "big": ">"}[sys.byteorder]:
        raise TypeError(
            f"{what} holds numbers in the other byte order; "
            "convert it first: array.astype(array.dtype.newbyteorder('='))"
        )
    if not view.c_contiguous:
        raise TypeError(f"{what} does not lie in one piece of memory; copy it first: numpy.ascontiguousarray(array)")
    return view


def bytes_of(view: memoryview) -> bytes:
    """The bytes of a contiguous view, also where a dimension is 0."""
    return view.tobytes()


def write_into(view: memoryview, data: bytes) -> None:
    """Put the bytes that a program left back where they came from."""
    if view.nbytes:
        view.cast("B")[:] = data[: view.nbytes]


def kind_of(view: memoryview) -> tuple[str, int]:
    """What the items are ("signed", "unsigned", "float", "bool", "char", or "other") and the size of one."""
    code = view.format.lstrip("@=<>!")
    return KINDS.get(code, "other"), view.itemsize


def as_buffer(name: str, value: Any) -> Buffer:
    """The `Buffer` that `buffers={name: value}` means: itself, a size, or a bytes-like object's bytes.

    Raises:
        TypeError: It is none of these.
        ValueError: A size below zero.
    """
    what = f"buffer {name!r}"
    if isinstance(value, Buffer):
        data = value.data
        if isinstance(data, int):
            return as_buffer(name, data) if value.address is None and value.writable else value
        return Buffer(bytes_of(view_of(data, what)), value.address, value.writable)
    if isinstance(value, bool):
        raise TypeError(f"{what} must be bytes, a bytearray, a memoryview, an array or a size, not bool")
    if isinstance(value, int):
        if value < 0:
            raise ValueError(f"{what} cannot have {value} bytes")
        return Buffer(value)
    return Buffer(bytes_of(view_of(value, what)))
