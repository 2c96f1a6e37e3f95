"""Operands in AT&T syntax: `addq $8, 16(%rbx,%rcx,4)` gives the same as `add qword ptr [rbx + rcx*4 + 16], 8`.

Source: the manual of GNU as, "AT&T Syntax versus Intel Syntax".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.addresses import arrange
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import Expression, Number, has_register
from execmem_kernel.assembly.syntax.statements import Address, AddressTerm, Constant, Statement, WrittenOperand
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import BROADCASTS, ROUNDINGS, is_branch
from execmem_kernel.x86.canonical_form import IMPLIED_OPERANDS
from execmem_kernel.x86.mnemonics import resolve
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import SEGMENTS, canonical_register, is_vector, register_size

_WITH_LETTER = {
    "lgdtq": "lgdt", "lidtq": "lidt", "sgdtq": "sgdt", "sidtq": "sidt", "fxsaveq": "fxsave64", "fxrstorq": "fxrstor64",
}  # fmt: skip
"""Names whose last letter is not the size of their memory."""
_ZERO_OR_SIGN = re.compile(r"mov([sz])x([bwl])\Z")
_MOVABS = re.compile(r"movabs([bwlq])\Z")
_PORT = re.compile(r"(in|out)s?[bwl]?\Z")
_CLEAR = re.compile(r"clr([bwlq]?)\Z")
_SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}
_REAL_SIZES = {"s": 4, "l": 8, "t": 10}
_INTEGER_SIZES = {"s": 2, "l": 4, "q": 8, "ll": 8}
_LETTERS = {1: "b", 2: "w", 4: "l", 8: "q"}
_EXTENSION = re.compile(r"mov([sz])([bwl])([wlq]?)\Z")
_X87_REAL = re.compile(r"(fld|fst|fstp|fadd|fsub|fsubr|fmul|fdiv|fdivr|fcom|fcomp)([slt])\Z")
_X87_INTEGER = re.compile(r"(fild|fist|fistp|fisttp|fiadd|fisub|fisubr|fimul|fidiv|fidivr|ficom|ficomp)(s|ll|l|q)\Z")
_CONVERSION = re.compile(r"(v?cvtt?(?:s[sdh]2u?si|u?si2s[sdh]))([lq])\Z")
_X87_SWAPPED = {"fsub": "fsubr", "fsubr": "fsub", "fdiv": "fdivr", "fdivr": "fdiv"}
_MIXED_SIZES = frozenset(("crc32", "call", "jmp", "movnti", "lar", "lsl", "enter", "movbe"))
_REVERSED_WITH_IMPLIED = frozenset(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"))
_SHIFTS = frozenset(("shl", "sal", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd"))


@dataclass(slots=True)
class _Decorations:
    """What stands in braces behind the operands."""

    mask: Register | None = None
    zeroing: bool = False
    rounding: str | None = None
    masked: Token | None = None
    """The mask or the `{z}`, which must follow the last operand: in AT&T's order that is the destination."""


def parse_att_operands(name: str, tokens: Sequence[Token], rules: DialectRules) -> Statement:
    """Mnemonic and operands of an AT&T instruction, in a statement with Intel's name and Intel's order.

    Args:
        name: The mnemonic in lower case, as AT&T has it.
        tokens: What stands behind it.
        rules: The rules of the source's dialect.

    Raises:
        SourceError: They are no AT&T operands, or do not go with the size letter of the mnemonic.
    """
    parser = Parser(tokens, rules, att=True)
    operands: list[WrittenOperand] = []
    decorations = _Decorations()
    while parser.position < len(tokens):
        if parser.peek_kind() != "brace":
            if (masked := decorations.masked) is not None:
                raise SourceError(
                    "ASM025",
                    f"`{masked.text}` cannot stand here.",
                    masked.start,
                    masked.end,
                    "a mask follows the destination",
                )
            operands.append(_operand(parser, name))
        while parser.peek_kind() == "brace":
            _decorate(tokens[parser.position], operands, decorations)
            parser.position += 1
        if parser.position == len(tokens):
            break
        token = tokens[parser.position]
        if token.text != ",":
            raise SourceError(
                "ASM011",
                f"`{token.text}` cannot stand here.",
                token.start,
                token.end,
                "operands are separated by commas",
            )
        parser.position += 1
        if parser.position == len(tokens):
            raise SourceError("ASM010", "An operand is missing after the comma.", token.start, token.end)
    numbers = all(isinstance(operand.value, Constant) and operand.value.offset for operand in operands)
    if not numbers and name not in IMPLIED_OPERANDS.keys() - _REVERSED_WITH_IMPLIED:
        operands.reverse()  # `enter $16, $0` and `monitor %rax, %rcx, %rdx` are in the same order in both
    intel, size = _intel_name(name, operands)
    if size is not None:
        _check_registers(name, intel, size, operands)
        operands = [_sized(operand, size) for operand in operands]
    return Statement(
        name=intel,
        operands=tuple(operands),
        mask=decorations.mask,
        zeroing=decorations.zeroing,
        rounding=decorations.rounding,
    )


def _decorate(token: Token, operands: list[WrittenOperand], decorations: _Decorations) -> None:
    """Take one decoration in braces: a rounding, a broadcast, a mask or zeroing."""
    word = token.text[1:-1].strip().lower().removeprefix("%")
    register = canonical_register(word)
    if word in ROUNDINGS:
        decorations.rounding = word
    elif word in BROADCASTS and operands and (address := _as_address(operands[-1])) is not None:
        operands[-1] = operands[-1]._replace(value=replace(address, broadcast=BROADCASTS[word]))
    elif (word == "z" and decorations.zeroing) or (register is not None and decorations.mask is not None):
        raise SourceError("ASM025", f"`{token.text}` stands here already.", token.start, token.end)
    elif word == "z":
        decorations.zeroing, decorations.masked = True, token
    elif register is not None and register[0] == "k":
        decorations.mask, decorations.masked = Register(register), token
    else:
        raise SourceError("ASM025", f"`{token.text}` is no decoration of an operand.", token.start, token.end)


def _as_address(operand: WrittenOperand) -> Address | None:
    """What can be broadcast: memory, be it a plain address."""
    if isinstance(operand.value, Constant) and operand.value.pointer:
        return Address((), operand.value.value, operand.value.size)
    return operand.value if isinstance(operand.value, Address) else None


def _operand(parser: Parser, name: str) -> WrittenOperand:
    tokens = parser.tokens
    first = tokens[parser.position]
    indirect = first.text == "*"
    if indirect:
        if not is_branch(name):
            raise SourceError(
                "ASM011",
                "`*` cannot stand here.",
                first.start,
                first.end,
                "it stands before the target of jmp and call only; for memory write (%rax)",
            )
        parser.position += 1
    if parser.peek() == "$":
        parser.position += 1
        tree = parser.expression()
        _no_register(tree, first)
        return WrittenOperand(Constant(tree, offset=True), first.start, tokens[parser.position - 1].end)
    segment: Register | None = None
    if parser.peek() == "%":
        register = _register(parser)
        if register.name in SEGMENTS and parser.peek() == ":":
            parser.position += 1
            segment = register
        else:
            return WrittenOperand(register, first.start, tokens[parser.position - 1].end)
    displacement: Expression | None = None
    if not _opens_address(parser):
        displacement = parser.expression()
        _no_register(displacement, first)
    if not _opens_address(parser):
        end = tokens[parser.position - 1].end
        if segment is not None:
            return WrittenOperand(Address((), displacement, None, segment), first.start, end)
        assert displacement is not None
        if indirect or not is_branch(name):
            return WrittenOperand(Address((), displacement), first.start, end)  # a plain number is an address, too
        return WrittenOperand(Constant(displacement), first.start, end)
    terms = _terms(parser)
    end = tokens[parser.position - 1].end
    if _PORT.match(name) and displacement is None and [term.register.name for term in terms] == ["dx"]:
        return WrittenOperand(terms[0].register, first.start, end)  # `in (%dx), %al`: the parentheses are a custom
    address = Address(terms, displacement, None, segment)
    factors = [term.factor.value for term in terms if isinstance(term.factor, Number)]
    if len(factors) == len(terms):
        arrange(address, factors, first.start, end)
    return WrittenOperand(address, first.start, end)


def _opens_address(parser: Parser) -> bool:
    position = parser.position
    return parser.peek() == "(" and position + 1 < len(parser.tokens) and parser.tokens[position + 1].text in ("%", ",")


def _terms(parser: Parser) -> tuple[AddressTerm, ...]:
    """`(base, index, scale)`, each of which may be missing."""
    tokens = parser.tokens
    opening = tokens[parser.position]
    parser.position += 1
    terms: list[AddressTerm] = []
    if parser.peek() == "%":
        start = tokens[parser.position].start
        register = _register(parser)
        terms.append(AddressTerm(register, Number(1), False, start, tokens[parser.position - 1].end))
    if parser.peek() == ",":
        parser.position += 1
        if parser.peek() == "%":
            start = tokens[parser.position].start
            register = _register(parser)
            end = tokens[parser.position - 1].end
            scale: Expression = Number(1)
            if parser.peek() == ",":
                parser.position += 1
                if parser.peek() != ")":
                    scale = parser.expression()
            terms.append(AddressTerm(register, scale, True, start, end))
        elif parser.peek() == ",":
            # (%rax,,8): a scale without an index says nothing.
            parser.position += 1
            parser.expression()
        elif parser.peek() == "1":
            parser.position += 1  # foo(,1) is the memory at foo: "a syntactic exception", as the manual says
    if parser.peek() != ")":
        raise SourceError(
            "ASM013", "This `(` is never closed.", opening.start, opening.end, "write offset(base, index, scale)"
        )
    parser.position += 1
    return tuple(terms)


def _register(parser: Parser) -> Register:
    tokens = parser.tokens
    percent = tokens[parser.position]
    following = tokens[parser.position + 1] if parser.position + 1 < len(tokens) else None
    if following is None or following.kind != "name" or following.start != percent.end:
        raise SourceError("ASM011", "`%` needs a register's name after it.", percent.start, percent.end)
    name = canonical_register(following.text)
    if name is None:
        raise SourceError(
            "ASM044",
            f"There is no register named `%{following.text}`.",
            percent.start,
            following.end,
            "for example %rax, %edi, %xmm0",
        )
    parser.position += 2
    if name == "st(0)" and parser.peek() == "(" and following.text.lower() == "st":
        inside = tokens[parser.position + 1 : parser.position + 3]
        numbered = canonical_register(f"st({inside[0].text})") if len(inside) == 2 and inside[1].text == ")" else None
        if numbered is not None:
            parser.position += 3
            name = numbered
    return Register(name)


def _no_register(tree: Expression, token: Token) -> None:
    if has_register(tree):
        raise SourceError(
            "ASM046",
            "In AT&T syntax a register is written with `%`.",
            token.start,
            token.end,
            'write %rax, or switch with `.intel_syntax noprefix` or syntax="intel"',
        )


# ---- names -----------------------------------------------------------------------------------------------------------


def _intel_name(name: str, operands: list[WrittenOperand]) -> tuple[str, int | None]:
    """Intel's name for an AT&T mnemonic, and the size in bytes that its last letter gives to memory."""
    for rule in _NAME_RULES:
        named = rule(name, operands)
        if named is not None:
            return named
    resolved = resolve(name)
    if resolved is not None and resolved.size is not None:
        return resolved.mnemonic, resolved.size
    return name, None


_Named = tuple[str, int | None] | None
"""Intel's name and the size of memory; None where a rule says nothing of the mnemonic."""


def _extension(name: str, operands: list[WrittenOperand]) -> _Named:
    """`movzbl`, `movslq`: the letters are the sizes of the source and the destination."""
    found = _EXTENSION.match(name)
    if found is None or len(operands) != 2 or not (found[3] or isinstance(operands[0].value, Register)):
        return None
    sign, source, target = found.groups()
    _check_extension(name, operands, _SIZES[source], _SIZES.get(target))
    operands[1] = _sized(operands[1], _SIZES[source])
    return "movzx" if sign == "z" else "movsxd" if source == "l" else "movsx", None


def _own_letter(name: str, _operands: list[WrittenOperand]) -> _Named:
    return (_WITH_LETTER[name], None) if name in _WITH_LETTER else None


def _intel_extension(name: str, operands: list[WrittenOperand]) -> _Named:
    """`movsxb` and `movzxw`: Intel's name with the size of the source behind it."""
    found = _ZERO_OR_SIGN.match(name)
    if found is None or len(operands) != 2 or not isinstance(operands[0].value, Register):
        return None
    operands[1] = _sized(operands[1], _SIZES[found[2]])
    _check_extension(name, operands, _SIZES[found[2]], None)
    return "movsxd" if name == "movsxl" else name[:-1], None


def _movabs(name: str, _operands: list[WrittenOperand]) -> _Named:
    found = _MOVABS.match(name)
    return ("movabs", _SIZES[found[1]]) if found is not None else None


def _clear(name: str, operands: list[WrittenOperand]) -> _Named:
    """`clrl %eax` is `xor eax, eax`."""
    found = _CLEAR.match(name)
    if found is None or len(operands) != 1 or not isinstance(operands[0].value, Register):
        return None
    size = _SIZES.get(found[1], register_size(operands[0].value.name))
    operands.append(operands[0])
    return "xor", size


def _x87_memory(name: str, operands: list[WrittenOperand]) -> _Named:
    """`flds` and `fildll`: letters for the sizes of real numbers and of integers in memory."""
    if all(isinstance(operand.value, Register) for operand in operands):
        return None
    if (real := _X87_REAL.match(name)) is not None:
        return real[1], _REAL_SIZES[real[2]]
    if (integer := _X87_INTEGER.match(name)) is not None:
        return integer[1], _INTEGER_SIZES[integer[2]]
    return None


def _conversion(name: str, operands: list[WrittenOperand]) -> _Named:
    """`cvtsi2sdl`: the letter is the size of the integer, be it in a register or in memory."""
    found = _CONVERSION.match(name)
    if found is None:
        if _CONVERSION.match(name + "l") is None or "si2s" not in name:
            return None
        # Without a letter a register tells the size; of memory GNU as takes a dword.
        general = any(isinstance(operand.value, Register) and not is_vector(operand.value.name) for operand in operands)
        return name, None if general else 4
    size = _SIZES[found[2]]
    for index, operand in enumerate(operands):
        if not isinstance(operand.value, Register):
            # From memory the letter is the size of an integer, and the other way round says nothing of it.
            if "si2s" in found[1]:
                operands[index] = _sized(operand, size)
        elif register_size(operand.value.name) in (1, 2, 4, 8) and register_size(operand.value.name) != size:
            raise _disagreement(name, size, operand)
    return found[1], None


def _x87_exchanged(name: str, operands: list[WrittenOperand]) -> _Named:
    """AT&T's `fsub` and `fsubr` are exchanged where the destination is not the top; an old mistake, kept by GNU as."""
    if name.endswith("p") and name[:-1] in _X87_SWAPPED:
        return _X87_SWAPPED[name[:-1]] + "p", None
    if name in _X87_SWAPPED and not operands:
        return _X87_SWAPPED[name] + "p", None  # without operands it pops, and is exchanged like that
    if name in _X87_SWAPPED and len(operands) == 2 and operands[0].value != Register("st(0)"):
        return _X87_SWAPPED[name], None
    return None


def _far_return(name: str, _operands: list[WrittenOperand]) -> _Named:
    if name not in ("lret", "lretl", "lretq"):
        return None
    return "retfq" if name[-1] == "q" else "retf", None


_NAME_RULES: tuple[Callable[[str, list[WrittenOperand]], _Named], ...] = (
    _extension,
    _own_letter,
    _intel_extension,
    _movabs,
    _clear,
    _x87_memory,
    _conversion,
    _x87_exchanged,
    _far_return,
)
"""Mnemonics whose letters say something else than the size of all operands: the first rule that knows one counts.

A rule may give an operand its size, or add one.
"""


def _sized(operand: WrittenOperand, size: int) -> WrittenOperand:
    value = operand.value
    if isinstance(value, Address) and value.broadcast is not None and size > 8:
        return operand  # the size of the whole vector: the count in braces says the same
    if isinstance(value, Address) and value.size is None:
        return operand._replace(value=replace(value, size=size))
    return operand


def _check_extension(name: str, operands: list[WrittenOperand], source: int, target: int | None) -> None:
    destination = operands[0].value
    if isinstance(destination, Register) and register_size(destination.name) <= source:
        raise SourceError(
            "ASM047",
            f"`{name}` makes {source} byte{'s' * (source > 1)} longer, and %{destination.name} has room for no more.",
            operands[0].start,
            operands[0].end,
        )
    for operand, size in ((operands[0], target), (operands[1], source)):
        if size is not None and isinstance(operand.value, Register) and register_size(operand.value.name) != size:
            raise _disagreement(name, size, operand)


def _check_registers(name: str, intel: str, size: int, operands: list[WrittenOperand]) -> None:
    """The letter of the mnemonic and the registers must say the same size."""
    if intel in _MIXED_SIZES:
        return
    for index, operand in enumerate(operands):
        if not isinstance(operand.value, Register):
            continue
        register = operand.value.name
        if register in SEGMENTS and ((intel in ("push", "pop") and size == 8) or (intel == "mov" and size == 4)):
            continue
        if (intel in _SHIFTS and register == "cl" and index > 0) or (intel in ("in", "out") and register == "dx"):
            continue
        if register_size(register) in (1, 2, 4, 8) and register[0] not in "mkcd" and register_size(register) != size:
            raise _disagreement(name, size, operand)
        if register in ("cl", "ch", "cx", "dl", "dh", "dx", "di", "dil") and register_size(register) != size:
            raise _disagreement(name, size, operand)


def _disagreement(name: str, size: int, operand: WrittenOperand) -> SourceError:
    assert isinstance(operand.value, Register)
    register = operand.value.name
    letter = _LETTERS.get(register_size(register))
    hint = f"the letter for %{register} is `{letter}`" if letter is not None else ""
    return SourceError(
        "ASM047",
        f"`{name}` works on {size} byte{'s' * (size > 1)}, but %{register} has {register_size(register)}.",
        operand.start,
        operand.end,
        hint,
    )
