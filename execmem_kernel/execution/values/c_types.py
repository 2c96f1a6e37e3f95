"""C types as x86-64 Linux lays them out: numbers, pointers and structs, to bytes and back.

Source: System V ABI, AMD64 supplement, 3.1.2 "Data Representation".
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from execmem_kernel.errors import PrototypeError


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number type: `name` as C spells it, `kind`, its size in bytes."""

    name: str
    kind: Literal["integer", "float", "bool"]
    size: int
    signed: bool = False

    @property
    def code(self) -> str:
        """The type's character in a `struct` format."""
        if self.kind == "float":
            return "f" if self.size == 4 else "d"
        if self.kind == "bool":
            return "?"
        letter = {1: "b", 2: "h", 4: "i", 8: "q"}[self.size]
        return letter if self.signed else letter.upper()

    @property
    def lowest(self) -> int:
        """The smallest number that it holds."""
        return -(1 << (8 * self.size - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest integer that it holds."""
        if self.kind == "bool":
            return 1
        return (1 << (8 * self.size - self.signed)) - 1

    @property
    def alignment(self) -> int:
        """Bytes of which its address is a multiple: its size."""
        return self.size

    def pack(self, value: Any, what: str) -> bytes:
        """The value as bytes in memory.

        Raises:
            TypeError: Not a number of this kind.
            OverflowError: It does not fit.
        """
        return struct.pack("=" + self.code, self.check(value, what))

    def unpack(self, data: bytes) -> int | float | bool:
        """The value that the bytes hold."""
        value: int | float | bool = struct.unpack("=" + self.code, data)[0]
        return value

    def check(self, value: Any, what: str) -> int | float:
        """The value as an int or float that fits.

        Args:
            value: What was given.
            what: How a message names it: `sum() argument 2 'n'`.

        Raises:
            TypeError: Not a number of this kind.
            OverflowError: It does not fit.
        """
        if self.kind == "float":
            if isinstance(value, (str, bytes, bytearray)) or not (
                hasattr(value, "__float__") or hasattr(value, "__index__")
            ):
                raise TypeError(f"{what} must be a number for {self.name}, not {type(value).__name__}")
            try:
                number = float(value)
            except OverflowError:
                bits = operator.index(value).bit_length()
                raise OverflowError(f"{what}: an int of {bits} bits does not fit {self.name}") from None
            if self.size == 4:
                try:
                    struct.pack("=f", number)
                except OverflowError:
                    raise OverflowError(f"{what}: {value} does not fit {self.name} (largest 3.4028235e+38)") from None
            return number
        try:
            whole = operator.index(value)
        except TypeError:
            raise TypeError(f"{what} must be an int for {self.name}, not {type(value).__name__}") from None
        if not self.lowest <= whole <= self.highest:
            raise OverflowError(f"{what}: {whole} does not fit {self.name} ({self.lowest} to {self.highest})")
        return whole

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer to numbers, to structs, pointers or arrays, or to what is not known (`target` None)."""

    target: Scalar | Struct | Pointer | Array | None
    const: bool = False
    """What it points to is only read: nothing is written back."""
    unknown: str = "void"
    """What C calls its target where that is not known: "void", or a struct that is only declared."""

    kind: Literal["pointer"] = "pointer"
    size = 8
    alignment = 8

    @property
    def is_text(self) -> bool:
        """Whether this is `char *`."""
        return isinstance(self.target, Scalar) and self.target.name == "char"

    @property
    def is_texts(self) -> bool:
        """Whether this is `char **`: an array of strings."""
        return isinstance(self.target, Pointer) and self.target.is_text

    def pack(self, value: Any, what: str) -> bytes:
        """An address as bytes: only inside a struct, where None is a null pointer."""
        return ADDRESS.pack(0 if value is None else value, what)

    def unpack(self, data: bytes) -> int:
        """The address that the bytes hold."""
        return int.from_bytes(data, "little")

    def __str__(self) -> str:
        name = self.unknown if self.target is None else str(self.target)
        if self.const and isinstance(self.target, Pointer):
            return f"{name}const *"
        return f"{'const ' if self.const else ''}{name} *"


@dataclass(frozen=True, slots=True)
class Array:
    """So many items side by side; of arrays again, if it has more than one dimension."""

    item: Scalar | Pointer | Struct | Array
    count: int

    kind: Literal["array"] = "array"

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.item.size * self.count

    @property
    def alignment(self) -> int:
        """Bytes of which its address is a multiple: those of its items."""
        return self.item.alignment

    def pack(self, value: Any, what: str) -> bytes:
        """A sequence of as many items, as bytes.

        Raises:
            TypeError: Not a sequence, or an item of the wrong type.
            OverflowError: An item does not fit.
            PrototypeError: Another number of items.
        """
        try:
            items = list(value)
        except TypeError:
            raise TypeError(f"{what} must be a list of {self.count} items, not {type(value).__name__}") from None
        if len(items) != self.count:
            raise PrototypeError(f"{what} has {self.count} items, {len(items)} were given")
        return b"".join(self.item.pack(item, what) for item in items)

    def unpack(self, data: bytes) -> list[Any]:
        """The items that the bytes hold."""
        step = self.item.size
        return [self.item.unpack(data[at * step : (at + 1) * step]) for at in range(self.count)]

    def __str__(self) -> str:
        inner: Any = self
        lengths = ""
        while isinstance(inner, Array):
            lengths += f"[{inner.count}]"
            inner = inner.item
        return f"{inner}{lengths}"


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a struct."""

    name: str
    offset: int
    type: Scalar | Pointer | Struct | Array


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct as C lays it out."""

    name: str
    fields: tuple[Field, ...]
    size: int
    alignment: int

    kind: Literal["struct"] = "struct"

    def pack(self, value: Any, what: str) -> bytes:
        """A mapping with every field's value, as bytes; a field left out is zero.

        Raises:
            TypeError: Not a mapping, or a field of the wrong type.
            OverflowError: A field's value does not fit.
            PrototypeError: A field the struct does not have, or an array of another length.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f"{what} must be a dict of the fields of {self}, not {type(value).__name__}")
        unknown = [str(name) for name in value if name not in {field.name for field in self.fields}]
        if unknown:
            raise PrototypeError(
                f"{what}: {self} has no field {unknown[0]!r}; it has {', '.join(field.name for field in self.fields)}"
            )
        data = bytearray(self.size)
        for field in self.fields:
            if field.name not in value:
                continue
            packed = field.type.pack(value[field.name], f"{what}, field {field.name!r}")
            data[field.offset : field.offset + len(packed)] = packed
        return bytes(data)

    def unpack(self, data: bytes) -> dict[str, Any]:
        """The fields' values by name."""
        return {
            field.name: field.type.unpack(data[field.offset : field.offset + field.type.size]) for field in self.fields
        }

    def __str__(self) -> str:
        return f"struct {self.name}" if self.name else "this struct"


Type = Scalar | Pointer
ADDRESS = Scalar("address", "integer", 8)

SCALARS = {
    "bool": Scalar("bool", "bool", 1),
    "float": Scalar("float", "float", 4, True),
    "double": Scalar("double", "float", 8, True),
    **{
        name: Scalar(name, "integer", size, signed)
        for size, signed, names in (
            (1, True, "char;signed char;int8_t;int_least8_t;int_fast8_t"),
            (1, False, "unsigned char;uint8_t;uint_least8_t;uint_fast8_t"),
            (2, True, "short;int16_t;int_least16_t"),
            (2, False, "unsigned short;uint16_t;uint_least16_t"),
            (4, True, "int;int32_t;int_least32_t"),
            (4, False, "unsigned int;uint32_t;uint_least32_t"),
            (8, True, "long;long long;int64_t;int_least64_t;intmax_t;intptr_t;ssize_t;ptrdiff_t;"
                      "int_fast16_t;int_fast32_t;int_fast64_t"),
            (8, False, "unsigned long;unsigned long long;uint64_t;uint_least64_t;uintmax_t;uintptr_t;size_t;"
                       "uint_fast16_t;uint_fast32_t;uint_fast64_t"),
        )
        for name in names.split(";")
    },
}  # fmt: skip
"""Every number type by its usual name; the fast types of 16 and 32 bits take 8 bytes.

Source: stdint.h of the GNU C library for x86-64.
"""
