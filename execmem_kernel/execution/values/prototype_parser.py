"""Reads C prototypes, and the structs defined before them, with pycparser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pycparser import c_ast
from pycparser.c_parser import CParser, ParseError

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.values.c_types import SCALARS, Field, Pointer, Scalar, Struct
from execmem_kernel.execution.values.prototype import INTEGER_REGISTERS, VECTOR_REGISTERS, Parameter, Prototype

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
