"""C prototypes, `int64_t sum(const int32_t *a, size_t n)`: arguments in and results out by their types.

    text --parse--> Prototype --convert--> Passed: registers, buffers --run--> value(), write_back()

Types are those of x86-64 Linux: int is 4 bytes, long 8, char is signed. Integers and pointers travel in rdi,
rsi, rdx, rcx, r8, r9, floating-point numbers in xmm0 to xmm7; results come back in rax or xmm0.

Source: System V ABI, AMD64 supplement, 3.1.2 "Data Representation" and 3.2.3 "Parameter Passing".
"""

from __future__ import annotations

import operator
import re
import struct
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter as PythonParameter
from inspect import Signature
from types import MappingProxyType
from typing import Any, Literal

from pycparser import c_ast
from pycparser.c_parser import CParser, ParseError

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.buffers import bytes_of, kind_of, view_of, write_into
from execmem_kernel.execution.engine import Buffer

INTEGER_REGISTERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
"""Where integer and pointer arguments go, in order."""

VECTOR_REGISTERS = tuple(f"xmm{number}" for number in range(8))
"""Where floating-point arguments go, in order."""


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
        return -(1 << (8 * self.size - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        if self.kind == "bool":
            return 1
        return (1 << (8 * self.size - self.signed)) - 1

    @property
    def alignment(self) -> int:
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
        """The value as an int or float that fits, or the error that says why not."""
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
    """A pointer to numbers, to a struct, or to anything (`target` None: `void *`)."""

    target: Scalar | Struct | Pointer | None
    const: bool = False
    """What it points to is only read: nothing is written back."""

    kind: Literal["pointer"] = "pointer"
    size = 8
    alignment = 8

    @property
    def is_text(self) -> bool:
        """Whether this is `char *`."""
        return isinstance(self.target, Scalar) and self.target.name == "char"

    def pack(self, value: Any, what: str) -> bytes:
        """An address as bytes: only inside a struct, where None is a null pointer."""
        return ADDRESS.pack(0 if value is None else value, what)

    def unpack(self, data: bytes) -> int:
        return int.from_bytes(data, "little")

    def __str__(self) -> str:
        name = "void" if self.target is None else str(self.target)
        return f"{'const ' if self.const else ''}{name} *"


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a struct; `count` is None unless it is an array."""

    name: str
    offset: int
    type: Scalar | Pointer | Struct
    count: int | None = None


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
            given, place = value[field.name], f"{what}, field {field.name!r}"
            if field.count is None:
                packed = field.type.pack(given, place)
            else:
                items = list(given)
                if len(items) != field.count:
                    raise PrototypeError(f"{place} has {field.count} items, {len(items)} were given")
                packed = b"".join(field.type.pack(item, place) for item in items)
            data[field.offset : field.offset + len(packed)] = packed
        return bytes(data)

    def unpack(self, data: bytes) -> dict[str, Any]:
        """The fields' values by name."""
        values: dict[str, Any] = {}
        for field in self.fields:
            step, at = field.type.size, field.offset
            items = [field.type.unpack(data[at + i * step : at + (i + 1) * step]) for i in range(field.count or 1)]
            values[field.name] = items[0] if field.count is None else items
        return values

    def __str__(self) -> str:
        return f"struct {self.name}" if self.name else "this struct"


Type = Scalar | Pointer

ADDRESS = Scalar("address", "integer", 8)

_SCALARS = {
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

_TYPEDEFS = "".join(f"typedef int {name};" for name in _SCALARS if name.endswith("_t")) + "typedef int bool;"
"""Tells the parser which names are types; what they are is looked up in the table above."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, its type, and the register it arrives in."""

    name: str
    type: Type
    register: str


@dataclass(slots=True)
class Pointed:
    """Memory that a pointer argument points to."""

    name: str
    """The first parameter that it was given for."""
    data: bytes | memoryview
    """A copy made for the call, or a view of the argument itself."""
    put: Callable[[bytes], None] | None = None
    """Gives the argument what the function left there; None where the function only reads."""


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
        """Raise the TypeError that Python's own functions raise for a wrong number of arguments."""
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
                checked.append(_in_register(kind, value, what))
            elif value is None:
                checked.append(0)
            elif kind.target is None and isinstance(value, int):
                checked.append(int(ADDRESS.check(value, what)))
            else:
                pointed = _pointed_to(kind, value, parameter.name, what)
                first = seen.setdefault(id(value), pointed)
                first.put = first.put or pointed.put
                checked.append(first)
        return checked

    def convert(self, arguments: Sequence[Any]) -> Passed:
        """Check the arguments, and lay them out in registers and buffers; raises as `check` does."""
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
        """
        kind = self.result
        if kind is None:
            return None
        if isinstance(kind, Scalar):
            source = xmm0 if kind.kind == "float" else rax
            data = (source & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little")[: kind.size]
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


def _in_register(kind: Scalar, value: Any, what: str) -> int:
    """The argument as the 64 bits of its register; a narrow integer is extended as C compilers do."""
    checked = kind.check(value, what)
    if kind.kind == "float":
        return int.from_bytes(struct.pack("=" + kind.code, checked), "little")
    return int(checked) & 0xFFFF_FFFF_FFFF_FFFF


def _pointed_to(kind: Pointer, value: Any, name: str, what: str) -> Pointed:
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


@lru_cache(maxsize=256)
def parse_prototype(text: str) -> Prototype:
    """Read a C prototype; structs it points to are defined before it in the same text.

    Raises:
        PrototypeError: Not C, not one function, or a type that does not travel in registers.
    """
    plain = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL).strip()
    if not plain:
        raise PrototypeError('a prototype is needed, for example "int64_t add(int64_t a, int64_t b)"')
    # The parser would blame an unfinished text on the semicolon added next.
    if plain.count("(") > plain.count(")") or plain.count("{") > plain.count("}"):
        raise PrototypeError(f"the prototype {text.strip()!r} is not complete")
    if plain[-1] not in ";}":
        plain += ";"
    try:
        tree = CParser().parse(f"{_TYPEDEFS}\n#line 1\n{plain}", "prototype")
    except ParseError as error:
        raise PrototypeError(_unreadable(str(error), plain)) from None
    return _Reader(text.strip()).read(tree.ext)


def _unreadable(message: str, text: str) -> str:
    """What the parser did not understand, with the piece of the prototype where it stopped."""
    found = re.search(r":(\d+):(\d+): (.*)", message)
    if found is None:
        return f"the prototype {text!r} is not complete"
    line, column = int(found[1]), int(found[2])
    lines = text.splitlines()
    rest = lines[line - 1][column - 1 :] if line <= len(lines) else ""
    word = re.match(r"\w+|\S|", rest)
    before = lines[line - 1][: column - 1].split() if line <= len(lines) else []
    unknown = before[-1].split("(")[-1] if before else ""
    hint = f"; is {unknown!r} a type?" if re.fullmatch(r"[A-Za-z_]\w*", unknown) and unknown not in _SCALARS else ""
    place = word[0] if word else ""
    shown = lines[line - 1].strip() if line <= len(lines) else text
    return f"the prototype cannot be read at {place!r} in {shown!r}{hint}"


class _Reader:
    """Turns the parser's tree into values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.typedefs: dict[str, Any] = {}
        self.structs: dict[str, Struct] = {}

    def read(self, declarations: Sequence[Any]) -> Prototype:
        functions = []
        for declaration in declarations:
            if isinstance(declaration, c_ast.Typedef):
                if declaration.name not in _SCALARS:
                    self.typedefs[declaration.name] = declaration.type
                    self.define(declaration.type)
            elif isinstance(declaration, c_ast.Decl) and isinstance(declaration.type, c_ast.Struct):
                self.struct(declaration.type)
            elif isinstance(declaration, c_ast.Decl) and isinstance(declaration.type, c_ast.FuncDecl):
                functions.append(declaration)
            elif isinstance(declaration, c_ast.FuncDef):
                raise PrototypeError("a prototype ends with ')': the function's body is the assembly, not C")
            else:
                raise PrototypeError(f"the prototype {self.text!r} declares something that is not a function")
        if len(functions) != 1:
            raise PrototypeError(f"one function is wanted, the prototype declares {len(functions)}")
        return self.function(functions[0])

    def define(self, node: Any) -> None:
        """Note a struct that a typedef defines on the way."""
        if isinstance(node, c_ast.TypeDecl) and isinstance(node.type, c_ast.Struct) and node.type.decls:
            self.struct(node.type, node.declname)

    def function(self, declaration: Any) -> Prototype:
        node = declaration.type
        parameters: list[Parameter] = []
        free = {"integer": list(INTEGER_REGISTERS), "float": list(VECTOR_REGISTERS)}
        for index, parameter in enumerate(node.args.params if node.args else (), start=1):
            if isinstance(parameter, c_ast.EllipsisParam):
                raise PrototypeError(
                    f"{declaration.name}() takes `...`: name every parameter, so that its type is known"
                )
            if isinstance(parameter, c_ast.ID):
                raise PrototypeError(f"parameter {parameter.name!r} of {declaration.name}() has no type")
            kind = self.type_of(parameter.type, f"parameter {parameter.name or index!r}")
            if kind is None:
                if len(node.args.params) == 1 and parameter.name is None:
                    break
                raise PrototypeError(f"parameter {parameter.name or index!r} of {declaration.name}() cannot be void")
            if isinstance(kind, Struct):
                raise PrototypeError(
                    f"parameter {parameter.name or index!r} is {kind} by value; "
                    f"pass a pointer to it: {kind} *{parameter.name or ''}"
                )
            bank = free["float" if kind.kind == "float" else "integer"]
            if not bank:
                limit = "six integers and pointers" if kind.kind != "float" else "eight floating-point numbers"
                raise PrototypeError(f"{declaration.name}() has too many parameters: {limit} travel in registers")
            parameters.append(Parameter(parameter.name or f"arg{index}", kind, bank.pop(0)))
        names = [parameter.name for parameter in parameters]
        for name in names:
            if names.count(name) > 1:
                raise PrototypeError(f"{declaration.name}() has two parameters named {name!r}")
        result = self.type_of(node.type, "the result")
        if isinstance(result, Struct):
            raise PrototypeError(f"{declaration.name}() returns {result} by value; return a number or a pointer")
        return Prototype(self.text, declaration.name, result, tuple(parameters))

    def type_of(self, node: Any, what: str) -> Scalar | Pointer | Struct | None:
        if isinstance(node, (c_ast.PtrDecl, c_ast.ArrayDecl)):
            inner = node.type
            if isinstance(inner, c_ast.FuncDecl):
                return Pointer(None)
            return Pointer(self.type_of(inner, what), "const" in getattr(inner, "quals", []) or self.is_const(inner))
        if not isinstance(node, (c_ast.TypeDecl, c_ast.Typename)):
            raise PrototypeError(f"{what} has a type that does not travel in a register")
        inner = node.type
        if isinstance(inner, c_ast.TypeDecl):
            return self.type_of(inner, what)
        if isinstance(inner, c_ast.Struct):
            return self.struct(inner)
        if isinstance(inner, c_ast.Enum):
            return _SCALARS["int"]
        if not isinstance(inner, c_ast.IdentifierType):
            raise PrototypeError(f"{what} is a {type(inner).__name__.lower()}: numbers, pointers and structs are known")
        return self.named(inner.names, what)

    def is_const(self, node: Any) -> bool:
        """Whether a typedef that the node names is const itself."""
        names = getattr(getattr(node, "type", None), "names", None) or [""]
        return "const" in getattr(self.typedefs.get(names[0]), "quals", [])

    def named(self, words: Sequence[str], what: str) -> Scalar | Pointer | Struct | None:
        if len(words) == 1 and words[0] in self.typedefs:
            return self.type_of(self.typedefs[words[0]], what)
        if list(words) == ["void"]:
            return None
        name = _spelling(words)
        if name not in _SCALARS:
            known = "int8_t to uint64_t, char, short, int, long, size_t, float, double, bool"
            raise PrototypeError(f"{what} has type {' '.join(words)!r}, which is not known; known are {known}")
        return _SCALARS[name]

    def struct(self, node: Any, name: str | None = None) -> Struct:
        """The struct a node defines or names, laid out by the rules of the ABI."""
        name = node.name or name or ""
        if node.decls is None:
            if name not in self.structs:
                raise PrototypeError(f"struct {name} is not defined; write its definition before the function")
            return self.structs[name]
        fields: list[Field] = []
        offset, alignment = 0, 1
        for member in node.decls:
            kind_node, count = member.type, None
            if isinstance(kind_node, c_ast.ArrayDecl):
                if not isinstance(kind_node.dim, c_ast.Constant):
                    raise PrototypeError(f"field {member.name!r} needs a plain number as its length")
                count = int(kind_node.dim.value, 0)
                kind_node = kind_node.type
            if member.bitsize is not None or isinstance(kind_node, c_ast.ArrayDecl):
                raise PrototypeError(
                    f"field {member.name!r} is a bit field or an array of arrays, which are not supported"
                )
            kind = self.type_of(kind_node, f"field {member.name!r}")
            if kind is None:
                raise PrototypeError(f"field {member.name!r} cannot be void")
            offset += -offset % kind.alignment
            fields.append(Field(member.name, offset, kind, count))
            offset += kind.size * (1 if count is None else count)
            alignment = max(alignment, kind.alignment)
        laid_out = Struct(name, tuple(fields), offset + -offset % alignment, alignment)
        self.structs[name] = laid_out
        return laid_out


def _spelling(words: Sequence[str]) -> str:
    """The usual name for a type's words in any order: "long unsigned int" is "unsigned long"."""
    if list(words) == ["_Bool"]:
        return "bool"
    left = sorted(words)
    if left in (["signed"], ["unsigned"]):
        left.append("int")
    if len(left) > 1 and "int" in left and {"short", "long"} & set(left):
        left.remove("int")
    if "signed" in left and "char" not in left:
        left.remove("signed")
    order = ["signed", "unsigned", "short", "long", "char", "int", "double", "float"]
    return " ".join(sorted(left, key=lambda word: order.index(word) if word in order else len(order)))
