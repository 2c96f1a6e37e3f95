"""Reads C prototypes, and the structs defined before them, with pycparser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pycparser import c_ast
from pycparser.c_parser import CParser, ParseError

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.contract.calling_convention import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS
from execmem_kernel.execution.values.c_types import SCALARS, Field, Pointer, Scalar, Struct, Type
from execmem_kernel.execution.values.prototype import Parameter, Prototype

_TYPEDEFS = "".join(f"typedef int {name};" for name in SCALARS if name.endswith("_t")) + "typedef int bool;"
"""Tells the parser which names are types; what they are is looked up in the table above."""


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

    def read(self, declarations: Sequence[Any]) -> Prototype:
        functions = []
        for declaration in declarations:
            if isinstance(declaration, c_ast.Typedef):
                if declaration.name not in SCALARS:
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
        if isinstance(result, Struct):
            raise PrototypeError(f"{name}() returns {result} by value; return a number or a pointer")
        return Prototype(self.text, name, result, tuple(parameters))

    def parameter_type(self, node: Any, function: str, index: int, only: bool) -> Type | None:
        """The type of a parameter; None for the one `void` that says that there are none."""
        if isinstance(node, c_ast.EllipsisParam):
            raise PrototypeError(f"{function}() takes `...`: name every parameter, so that its type is known")
        if isinstance(node, c_ast.ID):
            raise PrototypeError(f"parameter {node.name!r} of {function}() has no type")
        shown = repr(node.name or index)
        kind = self.type_of(node.type, f"parameter {shown}")
        if kind is None:
            if only and node.name is None:
                return None
            raise PrototypeError(f"parameter {shown} of {function}() cannot be void")
        if isinstance(kind, Struct):
            raise PrototypeError(
                f"parameter {shown} is {kind} by value; pass a pointer to it: {kind} *{node.name or ''}"
            )
        return kind

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
            return SCALARS["int"]
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
        for member in node.decls:
            kind, count = self.member_type(member)
            offset += -offset % kind.alignment
            fields.append(Field(member.name, offset, kind, count))
            offset += kind.size * (1 if count is None else count)
            alignment = max(alignment, kind.alignment)
        laid_out = Struct(name, tuple(fields), offset + -offset % alignment, alignment)
        self.structs[name] = laid_out
        return laid_out

    def member_type(self, member: Any) -> tuple[Scalar | Pointer | Struct, int | None]:
        """The type of a struct's member, and how many there are if it is an array."""
        node, count = member.type, None
        if isinstance(node, c_ast.ArrayDecl):
            if not isinstance(node.dim, c_ast.Constant):
                raise PrototypeError(f"field {member.name!r} needs a plain number as its length")
            count = int(node.dim.value, 0)
            node = node.type
        if member.bitsize is not None or isinstance(node, c_ast.ArrayDecl):
            raise PrototypeError(f"field {member.name!r} is a bit field or an array of arrays, which are not supported")
        kind = self.type_of(node, f"field {member.name!r}")
        if kind is None:
            raise PrototypeError(f"field {member.name!r} cannot be void")
        return kind, count


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
