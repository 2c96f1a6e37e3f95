"""Statements: the values that parsing one line gives, every piece with its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.directives import Directive
from execmem_kernel.assembly.syntax.expressions import Expression
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.x86.operands import Operation, Register


@dataclass(frozen=True, slots=True)
class Constant:
    """An operand without registers and brackets: a number, or a label whose meaning others decide."""

    value: Expression
    size: int | None = None
    offset: bool = False
    """Written `offset x`, or `$x` in AT&T: the address itself."""
    pointer: bool = False
    """Written `dword ptr x`: what lies at the label x; a number stays a number."""
    form: Literal["short", "near"] | None = None


@dataclass(frozen=True, slots=True)
class AddressTerm:
    """A register in an address, with what it is multiplied by."""

    register: Register
    factor: Expression
    explicit: bool
    """Whether a factor is written, be it 1: then the register is the index."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Address:
    """A memory operand with its names unresolved."""

    terms: tuple[AddressTerm, ...] = ()
    displacement: Expression | None = None
    size: int | None = None
    segment: Register | None = None
    reach: Literal["rel", "abs", ""] = ""
    broadcast: int | None = None
    """The n of {1ton}; 0 where only `bcst` is written, and the registers tell it."""


class WrittenOperand(NamedTuple):
    """One operand and its columns."""

    value: Register | Constant | Address
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LabelDefinition:
    """A label where it is defined."""

    name: str
    start: int
    end: int
    colon: bool = True


class Statement(NamedTuple):
    """One line, read. `name` is the mnemonic or the directive in lower case, "" where only labels stand."""

    labels: tuple[LabelDefinition, ...] = ()
    name: str = ""
    start: int = 0
    end: int = 0
    directive: Directive | None = None
    tokens: tuple[Token, ...] = ()
    """What follows the name of a directive, or of nothing known."""
    operands: tuple[WrittenOperand, ...] = ()
    prefixes: tuple[str, ...] = ()
    mask: Register | None = None
    zeroing: bool = False
    rounding: str | None = None
    ready: Operation | None = None
    """The operation at address 0, where nothing in it waits for a name."""
    error: SourceError | None = None
    inner: Statement | None = None
    """What `times` repeats."""
    last: int = 0
    """Where the last operand ends."""
    att: bool = False
    """Whether it is an instruction written in AT&T syntax; its operands are in Intel's order all the same."""


EMPTY = Statement()
