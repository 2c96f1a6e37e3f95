"""C prototypes, `int64_t sum(const int32_t *a, size_t n)`: arguments in and results out by their types.

    text --parse--> Prototype --convert--> Passed: registers, buffers --run--> value(), write_back()

Types are those of x86-64 Linux: int is 4 bytes, long 8, char is signed. Integers and pointers travel in rdi,
rsi, rdx, rcx, r8, r9, floating-point numbers in xmm0 to xmm7; results come back in rax or xmm0.

Source: System V ABI, AMD64 supplement, 3.1.2 "Data Representation" and 3.2.3 "Parameter Passing".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter as PythonParameter
from inspect import Signature
from types import MappingProxyType
from typing import Any

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.contract.call import Buffer
from execmem_kernel.execution.values.buffers import bytes_of
from execmem_kernel.execution.values.c_types import ADDRESS, Pointer, Scalar, Type
from execmem_kernel.execution.values.conversion import Pointed, in_register, pointed_to
from execmem_kernel.x86.registers import MASK


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, its type, and the register it arrives in."""

    name: str
    type: Type
    register: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Arguments as a program receives them, and where to write back what it changes."""

    registers: Mapping[str, int | str]
    """Register to a number, or to the name of a buffer: its address."""
    buffers: Mapping[str, Buffer]
    write_backs: tuple[tuple[str, Callable[[bytes], None]], ...] = ()
    """Buffer name and what puts its bytes back into the Python object they came from."""

    def write_back(self, buffers: Mapping[str, bytes]) -> None:
        """Give every array, list, bytearray and dict that the program may write to what is in it now."""
        for name, put in self.write_backs:
            put(buffers[name])


@dataclass(frozen=True, slots=True)
class Prototype:
    """A C function's name, parameters and result (None: void)."""

    text: str
    name: str
    result: Type | None
    parameters: tuple[Parameter, ...]

    @property
    def signature(self) -> Signature:
        """The same for Python: every parameter by position, with Python's types."""
        return Signature(
            [
                PythonParameter(
                    parameter.name, PythonParameter.POSITIONAL_ONLY, annotation=_python_type(parameter.type)
                )
                for parameter in self.parameters
            ],
            return_annotation=None if self.result is None else _python_type(self.result),
        )

    def what(self, index: int) -> str:
        """How messages name an argument: `sum() argument 2 'n'`."""
        return f"{self.name}() argument {index + 1} {self.parameters[index].name!r}"

    def check_count(self, count: int) -> None:
        """Refuse a wrong number of arguments, as Python's own functions do.

        Raises:
            TypeError: It is another number.
        """
        expected = len(self.parameters)
        if count != expected:
            plural = "" if expected == 1 else "s"
            raise TypeError(f"{self.name}() takes exactly {expected} argument{plural} ({count} given)")

    def check(self, arguments: Sequence[Any]) -> list[int | Pointed]:
        """What each parameter's register is to hold: its bits, or the address of some memory.

        One object given twice is one piece of memory, as it would be in C.

        Raises:
            TypeError: A wrong number of arguments, or one of the wrong type.
            OverflowError: A number that its C type cannot hold.
            PrototypeError: A field, a length or a text that does not fit.
        """
        self.check_count(len(arguments))
        checked: list[int | Pointed] = []
        seen: dict[int, Pointed] = {}
        for index, (parameter, value) in enumerate(zip(self.parameters, arguments, strict=True)):
            what, kind = self.what(index), parameter.type
            if isinstance(kind, Scalar):
                checked.append(in_register(kind, value, what))
            elif value is None:
                checked.append(0)
            elif kind.target is None and isinstance(value, int):
                checked.append(int(ADDRESS.check(value, what)))
            else:
                pointed = pointed_to(kind, value, parameter.name, what)
                first = seen.setdefault(id(value), pointed)
                first.put = first.put or pointed.put
                checked.append(first)
        return checked

    def convert(self, arguments: Sequence[Any]) -> Passed:
        """Check the arguments, and lay them out in registers and buffers.

        Raises:
            TypeError: As `check` does, and so the others.
            OverflowError: A number does not fit.
            PrototypeError: A field, a length or a text does not fit.
        """
        registers: dict[str, int | str] = {}
        pieces: dict[str, Pointed] = {}
        for parameter, item in zip(self.parameters, self.check(arguments), strict=False):
            registers[parameter.register] = item.name if isinstance(item, Pointed) else item
            if isinstance(item, Pointed):
                pieces[item.name] = item
        return Passed(
            MappingProxyType(registers),
            MappingProxyType(
                {
                    name: Buffer(
                        bytes_of(piece.data) if isinstance(piece.data, memoryview) else piece.data,
                        writable=piece.put is not None,  # what is const is not to be written
                    )
                    for name, piece in pieces.items()
                }
            ),
            tuple((name, piece.put) for name, piece in pieces.items() if piece.put is not None),
        )

    def value(self, rax: int, xmm0: int, text_at: Callable[[int], bytes | None]) -> Any:
        """What the function returned, as Python has it.

        Args:
            rax: The register, unsigned.
            xmm0: At least the lowest 64 bits of the register.
            text_at: The bytes from an address to the next zero byte; None where nothing can be read.

        Raises:
            PrototypeError: It should have returned a text, and what it returned points to none.
        """
        kind = self.result
        if kind is None:
            return None
        if isinstance(kind, Scalar):
            source = xmm0 if kind.kind == "float" else rax
            data = (source & MASK).to_bytes(8, "little")[: kind.size]
            return bool(data[0]) if kind.kind == "bool" else kind.unpack(data)
        if rax == 0:
            return None
        if kind.is_text:
            text = text_at(rax)
            if text is None:
                raise PrototypeError(f"{self.name}() returned a {kind} that points to no text it was given or holds")
            return text
        return rax

    def __str__(self) -> str:
        return self.text


def _python_type(kind: Type) -> type | str:
    if isinstance(kind, Pointer):
        return str(kind).replace(" *", "*")
    return {"integer": int, "float": float, "bool": bool}[kind.kind]
