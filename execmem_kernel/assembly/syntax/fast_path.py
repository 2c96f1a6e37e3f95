"""Fast path: the commonest lines (a label, an instruction with registers, numbers, names, plain addresses) by pattern.

    "add rax, [rbx+8]"  -->  the Statement that line_parser makes of it

Whatever is not of this kind, or wrong in any way, is left to line_parser. The fast path must agree with it to the last
column: it saves time and decides nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax import line_parser
from execmem_kernel.assembly.syntax.addresses import arrange
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.directives import DIRECTIVES, LINE_DIRECTIVES, NEEDS_NO_NAME
from execmem_kernel.assembly.syntax.expressions import Number, Symbol
from execmem_kernel.assembly.syntax.statements import (
    Address,
    AddressTerm,
    Constant,
    LabelDefinition,
    Statement,
    WrittenOperand,
)
from execmem_kernel.assembly.syntax.words import KEYWORDS, PREFIXES, SIZES, Syntax, is_branch
from execmem_kernel.x86.mnemonics import resolve
from execmem_kernel.x86.operands import Immediate, Memory, Operand, Operation, Register
from execmem_kernel.x86.registers import canonical_register, known_registers, register_class

_NUMBER = r"0x[0-9a-fA-F]{1,16}|[1-9][0-9]{0,18}|0"
_LINE = re.compile(
    r"[ \t]*(?:([A-Za-z_.][A-Za-z0-9_.]*|[0-9]{1,9})[ \t]*:(?!:)[ \t]*)?"
    r"(?:([A-Za-z][A-Za-z0-9]*)(?:[ \t]+([^;#/\"'`{}()\\]*))?)?(?:[;#].*)?"
)
_OPERAND = re.compile(
    rf"""[ \t]*(?P<whole>
        (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<number>-?(?:{_NUMBER}))
      | (?:(?P<size>[A-Za-z]+)(?:[ \t]+[Pp][Tt][Rr])?[ \t]*)?
        \[ [ \t]* (?P<base>[A-Za-z][A-Za-z0-9]*)
        (?: [ \t]*\+[ \t]* (?P<index>[A-Za-z][A-Za-z0-9]*) (?: [ \t]*\*[ \t]* (?P<scale>[1248]) )? )?
        (?: [ \t]*(?P<sign>[+-])[ \t]* (?P<displacement>{_NUMBER}) )?
        [ \t]*\]
    )[ \t]*""",
    re.VERBOSE,
)
_REGISTERS = {name: Register(name) for name in known_registers()}
_POINTERS = {name: register for name, register in _REGISTERS.items() if register_class(name) in ("r64", "r32")}
_SCALES = {text: Number(int(text)) for text in ("1", "2", "4", "8")}
_UNSCALED = Number(1)
_NO_NAMES = KEYWORDS | NEEDS_NO_NAME
"""Words that are more than a name even where one stands alone."""


@lru_cache(maxsize=4096)
def _is_plain(name: str) -> bool:
    """Whether a word in lower case is an instruction whose name says nothing of its operands."""
    if name in DIRECTIVES or name in LINE_DIRECTIVES or name in PREFIXES:
        return False
    resolved = resolve(name)
    return resolved is not None and resolved.size in (None, 8)


@lru_cache(maxsize=16384)
def read_line(text: str, syntax: Syntax, rules: DialectRules) -> Statement:
    """Read one line. What is wrong in it is in `error`; the labels before it stand all the same.

    Args:
        text: The line, macros expanded.
        syntax: How instructions are written in it.
        rules: The rules of the source's dialect.
    """
    plain = _plain_statement(text) if syntax == "intel" else None
    return plain or line_parser.read_line(text, syntax, rules)


def _plain_statement(text: str) -> Statement | None:
    """The statement, where the line is one of the commonest kind."""
    line = _LINE.fullmatch(text)
    if line is None:
        return None
    label, word, rest = line.groups()
    labels: tuple[LabelDefinition, ...] = ()
    if label is not None:
        if canonical_register(label) is not None or label.lower() in DIRECTIVES:
            return None
        labels = (LabelDefinition(label, *line.span(1)),)
    if word is None:
        return Statement(labels=labels) if labels else None
    name = word.lower()
    if not _is_plain(name):
        return None
    pieces: list[WrittenOperand] = []
    operands: list[Operand] = []
    start, end = line.span(2)
    last = end
    if rest and not rest.isspace():
        position = line.start(3)
        for part in rest.split(","):
            bare = part.strip(" \t")
            register = _REGISTERS.get(bare)
            if register is not None:
                first = position + part.index(bare)
                pieces.append(WrittenOperand(register, first, first + len(bare)))
                operands.append(register)
            else:
                found = _OPERAND.fullmatch(part)
                read = _operand(found, position) if found is not None else None
                if read is None:
                    return None
                pieces.append(read[0])
                if read[1] is not None:
                    operands.append(read[1])
            position += len(part) + 1
        last = pieces[-1].end
        if is_branch(name) and any(isinstance(operand, Immediate) for operand in operands):
            return None
    ready = Operation(name, tuple(operands)) if len(operands) == len(pieces) else None
    return Statement(labels, name, start, end, operands=tuple(pieces), ready=ready, last=last)


def _operand(found: re.Match[str], position: int) -> tuple[WrittenOperand, Operand | None] | None:
    """One operand whose text begins at `position`, and what it is where it waits for no name."""
    word, number, size_word, base_word, index_word, scale, sign, displacement_word = found.groups()[1:]
    start, end = found.span(1)
    start += position
    end += position
    if word is not None:
        canonical = canonical_register(word)
        if canonical is not None:
            register = _REGISTERS[canonical]
            return WrittenOperand(register, start, end), register
        if word.lower() in _NO_NAMES:
            return None
        return WrittenOperand(Constant(Symbol(word, start, end)), start, end), None
    if number is not None:
        value = int(number, 0)
        return WrittenOperand(Constant(Number(value)), start, end), Immediate(value)
    base = _POINTERS.get(base_word.lower())
    size = None if size_word is None else SIZES.get(size_word.lower())
    if base is None or (size is None and size_word is not None):
        return None
    begin, finish = found.span("base")
    terms: tuple[AddressTerm, ...] = (AddressTerm(base, _UNSCALED, False, begin + position, finish + position),)
    factors = [1]
    if index_word is not None:
        index = _POINTERS.get(index_word.lower())
        if index is None:
            return None
        begin, finish = found.span("index")
        factor = _UNSCALED if scale is None else _SCALES[scale]
        terms = (*terms, AddressTerm(index, factor, scale is not None, begin + position, finish + position))
        factors.append(factor.value)
    displacement = 0
    if displacement_word is not None:
        displacement = int(displacement_word, 0) if sign == "+" else -int(displacement_word, 0)
    address = Address(terms, None if displacement_word is None else Number(displacement), size)
    try:
        memory = Memory(*arrange(address, factors, start, end), displacement, size)
    except SourceError:
        return None
    return WrittenOperand(address, start, end), memory
