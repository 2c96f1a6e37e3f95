"""Python arguments for C parameters: the bits of a register, or the memory that a pointer points to."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import Any

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.values.buffers import kind_of, view_of, write_into
from execmem_kernel.execution.values.c_types import Pointer, Scalar, Struct
from execmem_kernel.x86.registers import MASK


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
    """The argument as the 64 bits of its register; a narrow integer is extended as C compilers do.

    Args:
        kind: The parameter's type.
        value: What was given.
        what: How a message names it: `sum() argument 2 'n'`.

    Raises:
        TypeError: Not a number of this kind.
        OverflowError: It does not fit.
    """
    checked = kind.check(value, what)
    if kind.kind == "float":
        return int.from_bytes(struct.pack("=" + kind.code, checked), "little")
    return int(checked) & MASK


def pointed_to(kind: Pointer, value: Any, name: str, what: str) -> Pointed:
    """The memory that a pointer argument points to.

    Args:
        kind: The parameter's type.
        value: What was given: a text, a dict, a list, or anything with the buffer protocol.
        name: The parameter's.
        what: How a message names it: `sum() argument 1 'a'`.

    Raises:
        TypeError: It is none of these, has items of another type, or cannot be written to where it has to be.
        OverflowError: A number in it that its C type cannot hold.
        PrototypeError: A field, a length or a text that does not fit.
    """
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
    elif raw or (target.name == "char" and size == 1 and found in ("signed", "unsigned", "char")):
        if view.nbytes % target.size:
            raise PrototypeError(
                f"{what}: {view.nbytes} bytes are no whole number of {target} ({target.size} bytes each)"
            )
    elif (found, size) != (_items_of(target), target.size):
        raise TypeError(f"{what} must be an array of {target}, not of {_named(found, size, view.format)}")


def _items_of(target: Scalar) -> str:
    """A number type as `kind_of` names the items of an array."""
    return ("signed" if target.signed else "unsigned") if target.kind == "integer" else target.kind


def _named(kind: str, size: int, code: str) -> str:
    """The items of an array, for a message."""
    if kind == "float" and size in (4, 8):
        return "float" if size == 4 else "double"
    if kind == "other":
        return f"{code!r} items"
    return kind if kind in ("bool", "char") else f"{kind} {8 * size}-bit numbers"


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
