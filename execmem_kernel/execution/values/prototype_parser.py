"""Reads C prototypes, and the structs defined before them, with pycparser."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pycparser import c_ast
from pycparser.c_parser import CParser, ParseError

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.contract.calling_convention import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS
from execmem_kernel.execution.values.c_types import SCALARS, Array, Field, Pointer, Scalar, Struct, Type
from execmem_kernel.execution.values.prototype import Parameter, Prototype

_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = MappingProxyType(
    {"+": operator.add, "-": operator.sub, "*": operator.mul}
)
_TYPEDEFS = "".join(f"typedef int {name};" for name in SCALARS if name.endswith("_t")) + "typedef int bool;"
"""Tells the parser which names are types; what they are is looked up in the table above."""


_MOST_LEVELS = 12
"""Of pointers and arrays in one type. Source: ISO C, 5.2.4.1 "Translation limits"."""
_TOO_DEEP = f"a type is nested too deep: pointers, arrays and functions go {_MOST_LEVELS} levels deep at most"


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
        return _Reader(text.strip()).read(tree.ext)
    except ParseError as error:
        raise PrototypeError(_unreadable(str(error), plain)) from None
    except RecursionError:  # the parser calls itself for each level of a type
        raise PrototypeError(_TOO_DEEP) from None


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
    hint = f"; is {unknown!r} a type?" if re.fullmatch(r"[A-Za-z_]\w*", unknown) and unknown not in SCALARS else ""
    place = word[0] if word else ""
    shown = lines[line - 1].strip() if line <= len(lines) else text
    return f"the prototype cannot be read at {place!r} in {shown!r}{hint}"


class _Reader:
    """Turns the parser's tree into values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.typedefs: dict[str, Any] = {}
        self.structs: dict[str, Struct] = {}
        self.declared: set[str] = set()
        """Structs that are named before or without being defined: only pointers can lead to them."""
        self.constants: dict[str, int] = {}
        """What enumerations define."""

    def read(self, declarations: Sequence[Any]) -> Prototype:
        functions = []
        for declaration in declarations:
            if isinstance(declaration, c_ast.Typedef):
                if declaration.name not in SCALARS:
                    self.typedefs[declaration.name] = declaration.type
                    self.define(declaration.type)
            elif isinstance(declaration, c_ast.Decl) and isinstance(declaration.type, c_ast.Struct):
                if declaration.type.decls is None:
                    self.declared.add(declaration.type.name)
                else:
                    self.struct(declaration.type)
            elif isinstance(declaration, c_ast.Decl) and isinstance(declaration.type, c_ast.Enum):
                self.enum(declaration.type)
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
        """Note a struct or an enumeration that a typedef defines or declares on the way."""
        while isinstance(node, c_ast.PtrDecl):
            node = node.type
        inner = getattr(node, "type", None)
        if isinstance(inner, c_ast.Enum):
            self.enum(inner)
        elif isinstance(inner, c_ast.Struct) and inner.decls:
            self.struct(inner, node.declname)
        elif isinstance(inner, c_ast.Struct):
            self.declared.add(inner.name)

    def enum(self, node: Any) -> Scalar:
        """The type of an enumeration, an int, with its constants noted."""
        value = 0
        for one in node.values.enumerators if node.values else ():
            value = value if one.value is None else self.number(one.value, f"the constant {one.name!r}")
            self.constants[one.name] = value
            value += 1
        return SCALARS["int"]

    def number(self, node: Any, what: str) -> int:
        """The value of a constant expression.

        Raises:
            PrototypeError: It is made of more than numbers, constants of enumerations, and + - *.
        """
        if isinstance(node, c_ast.Constant) and "int" in node.type:
            digits = node.value.rstrip("uUlL")
            return int(digits, 8 if digits[0] == "0" and digits.isdigit() else 0)
        if isinstance(node, c_ast.ID) and node.name in self.constants:
            return self.constants[node.name]
        if isinstance(node, c_ast.UnaryOp) and node.op == "-":
            return -self.number(node.expr, what)
        if isinstance(node, c_ast.BinaryOp) and node.op in _ARITHMETIC:
            return _ARITHMETIC[node.op](self.number(node.left, what), self.number(node.right, what))
        raise PrototypeError(f"{what} needs a plain number")

    def function(self, declaration: Any) -> Prototype:
        node, name = declaration.type, declaration.name
        parameters: list[Parameter] = []
        free = {"integer": list(INTEGER_ARGUMENTS), "float": list(VECTOR_ARGUMENTS)}
        nodes = node.args.params if node.args else ()
        for index, parameter in enumerate(nodes, start=1):
            kind = self.parameter_type(parameter, name, index, only=len(nodes) == 1)
            if kind is None:  # f(void)
                break
            is_float = kind.kind == "float"
            bank = free["float" if is_float else "integer"]
            if not bank:
                limit = "eight floating-point numbers" if is_float else "six integers and pointers"
                raise PrototypeError(f"{name}() has too many parameters: {limit} travel in registers")
            parameters.append(Parameter(parameter.name or f"arg{index}", kind, bank.pop(0)))
        names = [parameter.name for parameter in parameters]
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice is not None:
            raise PrototypeError(f"{name}() has two parameters named {twice!r}")
        result = self.type_of(node.type, "the result")
        if isinstance(result, (Struct, Array)):
            raise PrototypeError(f"{name}() returns {result} by value; return a number or a pointer")
        return Prototype(self.text, name, result, tuple(parameters))

    def parameter_type(self, node: Any, function: str, index: int, only: bool) -> Type | None:
        """The type of a parameter; None for the one `void` that says that there are none."""
        if isinstance(node, c_ast.EllipsisParam):
            raise PrototypeError(f"{function}() takes `...`: name every parameter, so that its type is known")
        if isinstance(node, c_ast.ID):
            raise PrototypeError(f"parameter {node.name!r} of {function}() has no type")
        shown = repr(node.name or index)
        kind = self.decayed(node.type, f"parameter {shown}")
        if kind is None:
            if only and node.name is None:
                return None
            raise PrototypeError(f"parameter {shown} of {function}() cannot be void")
        if isinstance(kind, Struct):
            raise PrototypeError(
                f"parameter {shown} is {kind} by value; pass a pointer to it: {kind} *{node.name or ''}"
            )
        return kind

    def decayed(self, node: Any, what: str) -> Scalar | Pointer | Struct | None:
        """The type of a parameter: an array is a pointer to its first item."""
        if isinstance(node, c_ast.ArrayDecl):
            inner = node.type
            while isinstance(inner, c_ast.ArrayDecl) and not self.has_length(inner):
                inner = inner.type  # its length is a parameter too: items lie side by side however many they are
            return self.pointer_to(inner, what)
        kind = self.type_of(node, what)
        return Pointer(kind.item) if isinstance(kind, Array) else kind

    def has_length(self, node: Any) -> bool:
        """Whether the length of an array is written out."""
        try:
            self.number(node.dim, "")
        except PrototypeError:
            return False
        return True

    def pointer_to(self, inner: Any, what: str, levels: int = 0) -> Pointer:
        """The type of a pointer to what a node is."""
        if isinstance(inner, c_ast.FuncDecl):
            return Pointer(None)
        named = inner
        while isinstance(named, c_ast.ArrayDecl):
            named = named.type
        const = "const" in getattr(named, "quals", []) or self.is_const(named)
        unknown = self.incomplete(named)
        if unknown:
            return Pointer(None, const, unknown)
        return Pointer(self.type_of(inner, what, levels + 1), const)

    def incomplete(self, node: Any) -> str | None:
        """How C calls a struct that is declared and not defined here; None for any other type."""
        inner = getattr(node, "type", None)
        if isinstance(inner, c_ast.Struct) and inner.decls is None:
            is_known = inner.name in self.structs or inner.name not in self.declared
            return None if is_known else f"struct {inner.name}"
        names = getattr(inner, "names", None) or [""]
        if isinstance(node, c_ast.TypeDecl) and names[0] in self.typedefs:
            return names[0] if self.incomplete(self.typedefs[names[0]]) else None
        return None

    def type_of(self, node: Any, what: str, levels: int = 0) -> Scalar | Pointer | Struct | Array | None:
        if levels > _MOST_LEVELS:
            raise PrototypeError(_TOO_DEEP)
        if isinstance(node, c_ast.PtrDecl):
            return self.pointer_to(node.type, what, levels)
        if isinstance(node, c_ast.ArrayDecl):
            item = self.type_of(node.type, what, levels + 1)
            if item is None:
                raise PrototypeError(f"{what} cannot be an array of void")
            return Array(item, self.number(node.dim, f"the length of {what}"))
        if not isinstance(node, (c_ast.TypeDecl, c_ast.Typename)):
            raise PrototypeError(f"{what} has a type that does not travel in a register")
        inner = node.type
        if isinstance(inner, (c_ast.TypeDecl, c_ast.PtrDecl, c_ast.ArrayDecl)):
            return self.type_of(inner, what, levels)
        if isinstance(inner, c_ast.Struct):
            return self.struct(inner)
        if isinstance(inner, c_ast.Enum):
            return self.enum(inner)
        if not isinstance(inner, c_ast.IdentifierType):
            raise PrototypeError(f"{what} is a {type(inner).__name__.lower()}: numbers, pointers and structs are known")
        return self.named(inner.names, what)

    def is_const(self, node: Any) -> bool:
        """Whether a typedef that the node names is const itself."""
        names = getattr(getattr(node, "type", None), "names", None) or [""]
        return "const" in getattr(self.typedefs.get(names[0]), "quals", [])

    def named(self, words: Sequence[str], what: str) -> Scalar | Pointer | Struct | Array | None:
        if len(words) == 1 and words[0] in self.typedefs:
            return self.type_of(self.typedefs[words[0]], what)
        if list(words) == ["void"]:
            return None
        name = _spelling(words)
        if name not in SCALARS:
            known = "int8_t to uint64_t, char, short, int, long, size_t, float, double, bool"
            raise PrototypeError(f"{what} has type {' '.join(words)!r}, which is not known; known are {known}")
        return SCALARS[name]

    def struct(self, node: Any, name: str | None = None) -> Struct:
        """The struct a node defines or names, laid out by the rules of the ABI."""
        name = node.name or name or ""
        if node.decls is None:
            if name not in self.structs:
                raise PrototypeError(f"struct {name} is not defined; write its definition before the function")
            return self.structs[name]
        fields: list[Field] = []
        offset, alignment = 0, 1
        self.declared.add(name)
        for member in node.decls:
            kind = self.member_type(member)
            offset += -offset % kind.alignment
            fields.append(Field(member.name, offset, kind))
            offset += kind.size
            alignment = max(alignment, kind.alignment)
        laid_out = Struct(name, tuple(fields), offset + -offset % alignment, alignment)
        self.structs[name] = laid_out
        return laid_out

    def member_type(self, member: Any) -> Scalar | Pointer | Struct | Array:
        """The type of a struct's member."""
        if member.bitsize is not None:
            raise PrototypeError(f"field {member.name!r} is a bit field, which is not supported")
        kind = self.type_of(member.type, f"field {member.name!r}")
        if kind is None:
            raise PrototypeError(f"field {member.name!r} cannot be void")
        return kind


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
