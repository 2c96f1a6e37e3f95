"""C prototypes, `int64_t sum(const int32_t *a, size_t n)`: arguments in and results out by their types.

    text --parse--> Prototype --convert--> Passed: registers, buffers --run--> value(), write_back()

Types are those of x86-64 Linux: int is 4 bytes, long 8, char is signed. Integers and pointers travel in rdi,
rsi, rdx, rcx, r8, r9, floating-point numbers in xmm0 to xmm7; results come back in rax or xmm0.

Source: System V ABI, AMD64 supplement, 3.1.2 "Data Representation" and 3.2.3 "Parameter Passing".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import Parameter as PythonParameter
from inspect import Signature
from types import MappingProxyType
from typing import Any, NamedTuple

from execmem_kernel.errors import PrototypeError, SegmentationFault
from execmem_kernel.execution.contract.call import Buffer
from execmem_kernel.execution.values.addresses import shared
from execmem_kernel.execution.values.c_types import ADDRESS, Pointer, Scalar, Type
from execmem_kernel.execution.values.conversion import Pointed, in_register, pointed_to
from execmem_kernel.x86.registers import MASK


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, its type, and the register it arrives in."""

    name: str
    type: Type
    register: str


class Place(NamedTuple):
    """So many bytes behind the start of a buffer."""

    buffer: str
    offset: int


@dataclass(frozen=True, slots=True)
class Passed:
    """Arguments as a program receives them, and where to write back what it changes."""

    registers: Mapping[str, int | str | Place]
    """Register to a number, to the name of a buffer (its address), or to a place in one."""
    buffers: Mapping[str, Buffer]
    write_backs: tuple[tuple[str, Callable[[bytes], None]], ...] = ()
    """Buffer name and what puts its bytes back into the Python object they came from."""
    pointers: tuple[tuple[str, int, Place], ...] = ()
    """Addresses in buffers: the buffer, the offset in it, and the place that the 8 bytes there lead to."""
    pieces: tuple[tuple[Pointed, Place], ...] = ()
    """All memory that was given, and where it is."""
    const: tuple[tuple[str, int, int, str], ...] = ()
    """Bytes of writable buffers that only parameters of const lead to: buffer, start, end, parameter."""

    @property
    def waits(self) -> bool:
        """Whether something here depends on the addresses of buffers."""
        return bool(self.pointers) or any(isinstance(value, Place) for value in self.registers.values())

    def at(self, starts: Mapping[str, int]) -> tuple[dict[str, int | str], dict[str, Buffer]]:
        """Registers and buffers once the address of each buffer is known."""
        registers = {
            name: starts[value.buffer] + value.offset if isinstance(value, Place) else value
            for name, value in self.registers.items()
        }
        buffers = dict(self.buffers)
        for name, offset, place in self.pointers:
            data = buffers[name].data
            assert isinstance(data, bytes)
            address = (starts[place.buffer] + place.offset).to_bytes(8, "little")
            buffers[name] = replace(buffers[name], data=data[:offset] + address + data[offset + 8 :])
        for piece, place in self.pieces:
            piece.address = starts[place.buffer] + place.offset
        return registers, buffers

    def wrote_const(self, buffers: Mapping[str, bytes]) -> str | None:
        """The parameter whose memory the program changed though it is const, where that shares its page with other."""
        for name, start, end, parameter in self.const:
            given = self.buffers[name].data
            assert isinstance(given, bytes)
            if buffers[name][start:end] != given[start:end]:
                return parameter
        return None

    def write_back(self, buffers: Mapping[str, bytes]) -> None:
        """Give every array, list, bytearray and dict that the program may write to what is in it now.

        Raises:
            SegmentationFault: The program changed what its prototype calls const; nothing is written back then.
        """
        parameter = self.wrote_const(buffers)
        if parameter is not None:
            raise SegmentationFault(f"writes to {parameter!r}, which the prototype calls const")
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

        One object given twice is one piece of memory, as it would be in C; what else of it is shared is for `convert`.

        Raises:
            TypeError: A wrong number of arguments, or one of the wrong type.
            OverflowError: A number that its C type cannot hold.
            PrototypeError: A field, a length or a text that does not fit.
        """
        self.check_count(len(arguments))
        checked: list[int | Pointed] = []
        seen: dict[int, tuple[Pointed, Pointer]] = {}
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
                if not isinstance(pointed.data, memoryview):
                    pointed = _same(pointed, kind, value, what, seen)
                checked.append(pointed)
        return checked

    def convert(self, arguments: Sequence[Any]) -> Passed:
        """Check the arguments, and lay them out in registers and buffers.

        Raises:
            TypeError: As `check` does, and so the others.
            OverflowError: A number does not fit.
            PrototypeError: A field, a length or a text does not fit.
        """
        registers: dict[str, int | str | Place] = {}
        checked = self.check(arguments)
        pieces = _all_pieces(item for item in checked if isinstance(item, Pointed))
        if len(pieces) == 1:  # it shares its memory with none
            (piece,) = pieces
            for parameter, item in zip(self.parameters, checked, strict=False):
                registers[parameter.register] = item.name if isinstance(item, Pointed) else item
            return Passed(
                MappingProxyType(registers),
                MappingProxyType({piece.name: Buffer(piece.content, writable=piece.put is not None)}),
                () if piece.put is None else ((piece.name, piece.put),),
            )
        layout = _Layout(pieces)
        for parameter, item in zip(self.parameters, checked, strict=False):
            registers[parameter.register] = layout.address_of(item) if isinstance(item, Pointed) else item
        return layout.passed(registers)

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


def _same(pointed: Pointed, kind: Pointer, value: Any, what: str, seen: dict[int, tuple[Pointed, Pointer]]) -> Pointed:
    """The memory that a list, a dict or a text has already, where it was given before."""
    first, first_kind = seen.setdefault(id(value), (pointed, kind))
    if first_kind.target != kind.target:
        raise TypeError(
            f"{what} is given the {type(value).__name__} of {first.name!r} as another type; only an array is the same "
            "memory for both"
        )
    first.put = first.put or pointed.put
    return first


def _all_pieces(pieces: Iterable[Pointed]) -> list[Pointed]:
    """Each piece once, and behind it those that its addresses lead to."""
    found: dict[int, Pointed] = {}
    for piece in pieces:
        found[id(piece)] = piece
        for _, target, _ in piece.targets:
            found[id(target)] = target
    return list(found.values())


class _Layout:
    """Which pieces of memory share a buffer, and where in it each lies."""

    def __init__(self, pieces: Sequence[Pointed]) -> None:
        self.pieces = pieces
        self.places: dict[int, Place] = {}
        self.buffers: dict[str, Buffer] = {}
        self.const: list[tuple[str, int, int, str]] = []
        views = [(piece, piece.data) for piece in pieces if isinstance(piece.data, memoryview)]
        groups = shared([(view, piece.more) for piece, view in views]) if views else []
        # In the order of the parameters, each group where the first of it was given.
        order = {id(piece): number for number, piece in enumerate(pieces)}
        members = [[(views[index][0], offset) for index, offset in group] for group in groups]
        members += [[(piece, 0)] for piece in pieces if not isinstance(piece.data, memoryview)]
        for group in sorted(members, key=lambda group: min(order[id(piece)] for piece, _ in group)):
            self._add(group, min((piece for piece, _ in group), key=lambda piece: order[id(piece)]).name)

    def _add(self, group: Sequence[tuple[Pointed, int]], name: str) -> None:
        """A buffer for pieces that share memory."""
        for piece, offset in group:
            self.places[id(piece)] = Place(name, offset)
        if len(group) == 1:
            self.buffers[name] = Buffer(group[0][0].content, writable=group[0][0].put is not None)
            return
        data = bytearray(max(offset + piece.size for piece, offset in group))
        for piece, offset in group:
            size = piece.size - piece.more  # the zero byte behind a text is there already
            data[offset : offset + size] = piece.content[:size]
        written = sorted((offset, offset + piece.size) for piece, offset in group if piece.put is not None)
        self.buffers[name] = Buffer(bytes(data), writable=bool(written))
        # A page that is const alone cannot be written; in one that is shared, what is const is compared afterwards.
        for piece, start in group:
            if written and piece.put is None:
                end = start + piece.size
                for from_, to in written:
                    if start < min(from_, end):
                        self.const.append((name, start, min(from_, end), piece.name))
                    start = max(start, to)
                if start < end:
                    self.const.append((name, start, end, piece.name))

    def address_of(self, piece: Pointed) -> str | Place:
        """What a register is given for a piece."""
        place = self.places[id(piece)]
        return place if place.offset else place.buffer

    def passed(self, registers: Mapping[str, int | str | Place]) -> Passed:
        """The arguments, with these registers."""
        places = self.places
        return Passed(
            MappingProxyType(registers),
            MappingProxyType(self.buffers),
            tuple(self._writer(piece, piece.put) for piece in self.pieces if piece.put is not None),
            tuple(
                (
                    places[id(piece)].buffer,
                    places[id(piece)].offset + at,
                    Place(places[id(target)].buffer, places[id(target)].offset + offset),
                )
                for piece in self.pieces
                for at, target, offset in piece.targets
            ),
            tuple((piece, places[id(piece)]) for piece in self.pieces),
            tuple(self.const),
        )

    def _writer(self, piece: Pointed, put: Callable[[bytes], None]) -> tuple[str, Callable[[bytes], None]]:
        """The name of a piece's buffer, and what takes the piece's bytes out of it."""
        name, offset = self.places[id(piece)]
        end = offset + piece.size
        return name, lambda data: put(data[offset:end])


def _python_type(kind: Type) -> type | str:
    if isinstance(kind, Pointer):
        return str(kind).replace(" *", "*")
    return {"integer": int, "float": float, "bool": bool}[kind.kind]
