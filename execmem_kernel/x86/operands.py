"""One machine instruction with every name and expression resolved: the interface of the parser to the encoder.

The parser makes an `Operation` of every statement, whatever its spelling (GNU, NASM, MASM or AT&T); the encoder turns
operations into bytes and checks the bytes against the same operation. Nothing here is text.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Register:
    """A register by its one canonical name: lower case, "st(0)" for the x87 top, "r8b" and never "r8l"."""

    name: str


@dataclass(frozen=True, slots=True)
class Immediate:
    """A constant operand.

    `value` is the number meant, signed or unsigned as written. `size` is in bytes where the source names it
    (`push word 5`). `movable` is true where the value depends on an address or on the layout: such an immediate
    always takes a form wide enough for any value of its kind, so that sizes settle.
    """

    value: int
    size: int | None = None
    movable: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory operand.

    `size` is in bytes where the source names it. `target` is the absolute address meant by a rip-relative operand
    (`base` is then rip or eip and `displacement` is 0); otherwise `displacement` is the signed number in the
    brackets. `absolute` asks for a plain address with no base (never rip-relative). `broadcast` is the n of {1ton},
    or 0 where the source names the size of one element and leaves n to the registers. `movable` is as for
    `Immediate`: the displacement depends on the layout and takes 32 bits.
    """

    base: Register | None = None
    index: Register | None = None
    scale: int = 1
    displacement: int = 0
    size: int | None = None
    segment: Register | None = None
    target: int | None = None
    absolute: bool = False
    broadcast: int | None = None
    movable: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where a direct jump or call goes: an absolute address, in the short or the near form, or whichever fits."""

    address: int
    form: Literal["short", "near"] | None = None


Operand = Register | Immediate | Memory | Target
REX_PREFIXES = {"rex": 0x40} | {
    f"rex.{''.join(letter for number, letter in enumerate('bxrw') if bits >> number & 1)[::-1]}": 0x40 | bits
    for bits in range(1, 16)
}
"""A REX prefix written out -> its byte (Intel SDM vol. 2, 2.2.1.2)."""


class Operation(NamedTuple):
    """One instruction to encode, at `address`, operands in Intel order (destination first).

    `prefixes` are those written out ("lock", "rep", "repne", "notrack", "xacquire", "data16", "{vex}", ...). `mask` and
    `zeroing` decorate the destination; `rounding` is "rn-sae", "rd-sae", "ru-sae", "rz-sae" or "sae".
    """

    mnemonic: str
    operands: tuple[Operand, ...] = ()
    prefixes: tuple[str, ...] = ()
    address: int = 0
    mask: Register | None = None
    zeroing: bool = False
    rounding: str | None = None


@dataclass(frozen=True, slots=True)
class Encoding:
    """The bytes of one operation, checked: they decode to what the operation says.

    `text` is how the disassembler reads them, with no displacement where that depends on where they lie; empty for a
    direct branch. `features` are the CPU features they need beyond the baseline, by iced-x86's names in lower case.
    """

    code: bytes
    text: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an operation has no encoding.

    `code` is the diagnostic's stable code, `operand` the index of the operand to blame (None: the mnemonic; -1: the
    whole statement), `hint` what to try, `forms` the forms the mnemonic does take, readable.
    """

    code: str
    message: str
    operand: int | None = None
    hint: str = ""
    forms: tuple[str, ...] = ()


SIZE_NAMES = MappingProxyType(
    {1: "byte", 2: "word", 4: "dword", 6: "fword", 8: "qword", 10: "tbyte", 16: "xmmword", 32: "ymmword", 64: "zmmword"}
)
"""Bytes -> the word for them before `ptr`."""
