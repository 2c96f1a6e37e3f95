"""Python arguments for C parameters: the bits of a register, or the memory that a pointer points to."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import Any

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.values.buffers import kind_of, view_of, write_into
from execmem_kernel.execution.values.c_types import Pointer, Scalar, Struct


@dataclass(slots=True)
class Pointed:
    """Memory that a pointer argument points to."""

    name: str
    """The first parameter that it was given for."""
    data: bytes | memoryview
    """A copy made for the call, or a view of the argument itself."""
    put: Callable[[bytes], None] | None = None
    """Gives the argument what the function left there; None where the function only reads."""


def in_register(kind: Scalar, value: Any, what: str) -> int:
    """The argument as the 64 bits of its register; a narrow integer is extended as C compilers do."""
    checked = kind.check(value, what)
    if kind.kind == "float":
        return int.from_bytes(struct.pack("=" + kind.code, checked), "little")
    return int(checked) & 0xFFFF_FFFF_FFFF_FFFF


def pointed_to(kind: Pointer, value: Any, name: str, what: str) -> Pointed:
    """The memory that a pointer argument points to."""
    target = kind.target
    if isinstance(value, str):
        return Pointed(name, _text(kind, value, what))
    if isinstance(target, Struct) and isinstance(value, Mapping):
        return Pointed(name, target.pack(value, what), _struct_writer(kind, target, value, what))
    if isinstance(target, Scalar) and isinstance(value, (list, tuple)):
        data = b"".join(target.pack(item, f"{what}, item {index}") for index, item in enumerate(value))
        return Pointed(name, data, _list_writer(kind, target, value, what))
    if isinstance(value, (int, float, complex)):
        raise TypeError(f"{what} must be {_what_fits(kind)} for {kind}, not {type(value).__name__}")
    try:
        view = view_of(value, what)
    except TypeError as error:
        if "byte order" in str(error) or "one piece" in str(error):
            raise
        raise TypeError(f"{what} must be {_what_fits(kind)} for {kind}, not {type(value).__name__}") from None
    _check_items(kind, view, value, what)
    if kind.const:
        # A C string ends with a zero byte; Python's bytes hide theirs.
        text = kind.is_text and isinstance(value, (bytes, bytearray))
        return Pointed(name, bytes(value) + b"\0" if text else view)
    if view.readonly:
        hint = "a bytearray" if isinstance(value, bytes) else "a writable array"
        raise TypeError(f"{what} is written to by {kind}; give {hint}, not a read-only {type(value).__name__}")
    return Pointed(name, view, lambda changed: write_into(view, changed))


def _what_fits(kind: Pointer) -> str:
    if isinstance(kind.target, Struct):
        return f"a dict of the fields of {kind.target}, or its bytes,"
    if kind.is_text and kind.const:
        return "a str, bytes or bytearray"
    if kind.target is None:
        return "bytes, a bytearray or an array"
    return "an array, a bytearray or a list"


def _text(kind: Pointer, value: str, what: str) -> bytes:
    if not kind.is_text:
        raise TypeError(f"{what} must be {_what_fits(kind)} for {kind}, not str")
    if not kind.const:
        raise TypeError(f"{what} is written to by {kind}; give a bytearray, a str cannot change")
    if "\0" in value:
        raise PrototypeError(f"{what}: a C string ends at its first zero character, and this text has one inside")
    return value.encode() + b"\0"


def _check_items(kind: Pointer, view: memoryview, value: Any, what: str) -> None:
    """Refuse an array of other items than those pointed to; plain bytes may stand for anything."""
    target = kind.target
    if target is None or isinstance(target, Pointer):
        return
    found, size = kind_of(view)
    raw = isinstance(value, (bytes, bytearray)) or (isinstance(value, memoryview) and found == "unsigned" and size == 1)
    if isinstance(target, Struct):
        if view.nbytes != target.size and (raw or size != target.size):
            raise PrototypeError(f"{what}: {target} has {target.size} bytes, {view.nbytes} were given")
        return
    wanted = {"integer": "signed" if target.signed else "unsigned", "float": "float", "bool": "bool"}[target.kind]
    if raw or (target.name == "char" and size == 1 and found in ("signed", "unsigned", "char")):
        if view.nbytes % target.size:
            raise PrototypeError(
                f"{what}: {view.nbytes} bytes are no whole number of {target} ({target.size} bytes each)"
            )
    elif (found, size) != (wanted, target.size):
        name = {"bool": "bool", "char": "char", "other": f"{view.format!r} items"}.get(
            found, f"{found} {8 * size}-bit numbers"
        )
        name = name.replace("float 64-bit numbers", "double").replace("float 32-bit numbers", "float")
        raise TypeError(f"{what} must be an array of {target}, not of {name}")


def _struct_writer(kind: Pointer, target: Struct, value: Any, what: str) -> Callable[[bytes], None] | None:
    if kind.const:
        return None
    if not isinstance(value, MutableMapping):
        raise TypeError(f"{what} is written to by {kind}; give a dict, not a {type(value).__name__}")
    return lambda changed: value.update(target.unpack(changed))


def _list_writer(kind: Pointer, target: Scalar, value: Any, what: str) -> Callable[[bytes], None] | None:
    if kind.const:
        return None
    if not isinstance(value, MutableSequence):
        raise TypeError(f"{what} is written to by {kind}; give a list or an array, a tuple cannot change")

    def put(changed: bytes) -> None:
        value[:] = [
            target.unpack(changed[at : at + target.size]) for at in range(0, len(value) * target.size, target.size)
        ]

    return put
