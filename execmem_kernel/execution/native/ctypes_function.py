"""What stands in for a native function where the interpreter is not one we know: ctypes, with no guard."""

from __future__ import annotations

import ctypes
import inspect
import struct
import weakref
from typing import Any

from execmem_kernel.execution.values.addresses import address_of
from execmem_kernel.execution.values.c_types import Pointer, Scalar
from execmem_kernel.execution.values.conversion import Pointed
from execmem_kernel.execution.values.prototype import Prototype
from execmem_kernel.memory.handle import ExecutableMemory
from execmem_kernel.program.program import Program


class CtypesFunction:
    """What stands in for a native function where the interpreter is not one we know: ctypes, with no guard."""

    def __init__(
        self, prototype: Prototype, memory: ExecutableMemory, program: Program, owned: bool, reason: str
    ) -> None:
        self.prototype = prototype
        self.memory = memory
        self.engine: str = f"ctypes, without a guard against faults: {reason}"
        if owned:
            weakref.finalize(self, memory.close).atexit = False
        self.__name__: str = prototype.name
        self.__doc__ = prototype.text
        self.__signature__: inspect.Signature = prototype.signature
        kinds = [_ctype(parameter.type) for parameter in prototype.parameters]
        result = None if prototype.result is None else _ctype(prototype.result)
        self._call = ctypes.CFUNCTYPE(result, *kinds)(memory.address + program.entry - program.address)

    def __call__(self, *arguments: Any) -> Any:
        with self.memory.pinned():
            held: list[tuple[Pointed, Any]] = []
            values: list[int | float] = []
            for parameter, item in zip(self.prototype.parameters, self.prototype.check(arguments), strict=True):
                bits = _address(item, held) if isinstance(item, Pointed) else item
                values.append(_ctype(parameter.type).from_buffer_copy(struct.pack("<Q", bits)).value or 0)
            result = self._call(*values)
            for pointed, copy in held:
                if pointed.put is not None:
                    pointed.put(copy.raw[: pointed.size])
            if self.prototype.result is None:
                return None
            bits = int.from_bytes(_ctype(self.prototype.result)(result or 0), "little")
            return self.prototype.value(bits, bits, ctypes.string_at)

    def __repr__(self) -> str:
        return f"<native function {self.prototype.name}: {self.engine}>"


def _ctype(kind: Scalar | Pointer) -> Any:
    """The type that ctypes passes in the same register; integers as wide as the register."""
    if isinstance(kind, Scalar) and kind.kind == "float":
        return ctypes.c_float if kind.size == 4 else ctypes.c_double
    return ctypes.c_uint64


def _address(pointed: Pointed, held: list[tuple[Pointed, Any]]) -> int:
    """Where the memory of an argument is: its own, which its view keeps in place, or a copy, one for each piece."""
    if isinstance(pointed.data, memoryview):
        pointed.address = address_of(pointed.data)
        return pointed.address
    for known, copy in held:
        if known is pointed:
            return ctypes.addressof(copy)
    copy = ctypes.create_string_buffer(pointed.data, max(1, len(pointed.data)))
    held.append((pointed, copy))
    pointed.address = ctypes.addressof(copy)
    for at, target, offset in pointed.targets:
        struct.pack_into("<Q", copy, at, _address(target, held) + offset)
    return pointed.address
