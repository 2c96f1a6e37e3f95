"""Python arguments for C parameters: the bits of a register, or the memory that a pointer points to."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass
from typing import Any

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.values.buffers import bytes_of, kind_of, view_of, write_into
from execmem_kernel.execution.values.c_types import Array, Pointer, Scalar, Struct


@dataclass(slots=True)
class Pointed:
    """Memory that a pointer argument points to."""

    name: str
    """The first parameter that it was given for."""
    data: bytes | memoryview
    """A copy made for the call, or a view of the argument itself."""
    put: Callable[[bytes], None] | None = None
    """Gives the argument what the function left there; None where the function only reads."""
    terminated: bool = False
    """Whether a zero byte lies behind the data: Python's bytes end with one, and hide it."""
    targets: tuple[tuple[int, Pointed, int], ...] = ()
    """Addresses that are part of the data: where in it, the memory that they lead to, and where in that."""
    address: int = 0
    """Where it lay during the call, once that is known."""

    @property
    def more(self) -> int:
        """Bytes behind the data that belong to it."""
        return int(self.terminated)

    @property
    def size(self) -> int:
        """Bytes of all that belongs to it."""
        return self.more + (self.data.nbytes if isinstance(self.data, memoryview) else len(self.data))

    @property
    def content(self) -> bytes:
        """What a copy of it holds, with zeros for the addresses."""
        data = bytes_of(self.data) if isinstance(self.data, memoryview) else self.data
        return data + bytes(self.more) if self.terminated else data


def in_register(kind: Scalar, value: Any, what: str) -> int:
    """The argument as the 64 bits of its register, as C compilers fill it.

    A narrow integer is extended to the 32 bits of an int by its sign, and the upper half of the register is zero: that
    is what `mov edi, -1` leaves, and code that relies on more is wrong. Source: System V ABI, AMD64 supplement, 3.2.3.

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
    return int(checked) & (1 << 8 * max(kind.size, 4)) - 1


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
    if isinstance(target, Pointer) and isinstance(value, (list, tuple)):
        return _pointers(kind, target, value, name, what)
    listed = isinstance(target, (Scalar, Array)) or (
        isinstance(target, Struct) and isinstance(value, (list, tuple)) and isinstance(next(iter(value), None), Mapping)
    )
    if listed and isinstance(target, (Scalar, Struct, Array)) and isinstance(value, (list, tuple)):
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
        return Pointed(name, view, terminated=kind.is_text and isinstance(value, (bytes, bytearray)))
    if view.readonly:
        hint = "a bytearray" if isinstance(value, bytes) else "a writable array"
        raise TypeError(f"{what} is written to by {kind}; give {hint}, not a read-only {type(value).__name__}")
    return Pointed(name, view, lambda changed: write_into(view, changed))


def _pointers(kind: Pointer, target: Pointer, value: Any, name: str, what: str) -> Pointed:
    """An array of pointers: to strings, which are given as a list of them; of others only null pointers are known."""
    owners: list[Pointed | None] = []
    for index, item in enumerate(value):
        place = f"{what}, item {index}"
        if item is None:
            owners.append(None)
        elif not target.is_text or isinstance(item, (list, tuple, int)):
            fits = f"{_what_fits(target)} or None" if target.is_text else "None"
            raise TypeError(f"{place} must be {fits} for {target}, not {type(item).__name__}")
        else:
            owners.append(pointed_to(target, item, f"{name}[{index}]", place))
    texts = _side_by_side(f"{name}[]", [one for one in owners if one is not None and one.put is None])
    places = [None if one is None else texts.get(id(one), (one, 0)) for one in owners]
    piece = Pointed(name, bytes(8 * len(owners)))
    piece.targets = tuple((8 * index, *place) for index, place in enumerate(places) if place is not None)
    if not kind.const:
        if not isinstance(value, MutableSequence):
            raise TypeError(f"{what} is written to by {kind}; give a list, a tuple cannot change")
        items = list(value)

        def put(changed: bytes) -> None:
            known = {
                place[0].address + place[1]: item
                for place, item in zip(places, items, strict=True)
                if place is not None
            }
            known[0] = None
            found = [address for (address,) in struct.iter_unpack("<Q", changed)]
            value[:] = [known.get(address, address) for address in found]

        piece.put = put
    return piece


def _side_by_side(name: str, texts: list[Pointed]) -> dict[int, tuple[Pointed, int]]:
    """One piece of memory for strings that are only read; by each one's identity, that piece and where in it."""
    places: dict[int, tuple[Pointed, int]] = {}
    block = Pointed(name, b"")
    data = b""
    for text in texts:
        places[id(text)] = (block, len(data))
        data += text.content
    block.data = data
    return places


def _what_fits(kind: Pointer) -> str:
    if isinstance(kind.target, Struct):
        return f"a dict of the fields of {kind.target}, or its bytes,"
    if kind.is_text and kind.const:
        return "a str, bytes or bytearray"
    if kind.is_texts:
        return "a list of texts"
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
    if isinstance(target, Array):
        _check_items(Pointer(_innermost(target)), view, value, what)
        if view.nbytes % target.size:
            raise PrototypeError(f"{what}: {view.nbytes} bytes are no whole number of {target} ({target.size} bytes)")
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


def _innermost(kind: Array) -> Scalar | Pointer | Struct:
    """What an array of any number of dimensions is made of."""
    item = kind.item
    return _innermost(item) if isinstance(item, Array) else item


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


def _list_writer(
    kind: Pointer, target: Scalar | Struct | Array, value: Any, what: str
) -> Callable[[bytes], None] | None:
    if kind.const:
        return None
    if not isinstance(value, MutableSequence):
        raise TypeError(f"{what} is written to by {kind}; give a list or an array, a tuple cannot change")

    def put(changed: bytes) -> None:
        value[:] = [
            target.unpack(changed[at : at + target.size]) for at in range(0, len(value) * target.size, target.size)
        ]

    return put
