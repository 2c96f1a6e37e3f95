"""Operands in AT&T syntax: `addq $8, 16(%rbx,%rcx,4)` gives the same as `add qword ptr [rbx + rcx*4 + 16], 8`.

Source: the manual of GNU as, "AT&T Syntax versus Intel Syntax".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.addresses import arrange
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.expression_parser import Parser
from execmem_kernel.assembly.syntax.expressions import Expression, Number, has_register
from execmem_kernel.assembly.syntax.statements import Address, AddressTerm, Constant, Statement, WrittenOperand
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import BROADCASTS, ROUNDINGS, SEGMENTS, is_branch
from execmem_kernel.x86.canonical_form import IMPLIED_OPERANDS
from execmem_kernel.x86.mnemonics import resolve
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import canonical_register, register_size

_WITH_LETTER = {
    "lgdtq": "lgdt", "lidtq": "lidt", "sgdtq": "sgdt", "sidtq": "sidt", "fxsaveq": "fxsave64", "fxrstorq": "fxrstor64",
}  # fmt: skip
"""Names whose last letter is not the size of their memory."""


_ZERO_OR_SIGN = re.compile(r"mov([sz])x([bwl])\Z")


_MOVABS = re.compile(r"movabs([bwlq])\Z")


_PORT = re.compile(r"(in|out)s?[bwl]?\Z")


_CLEAR = re.compile(r"clr([bwlq]?)\Z")


_SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}


_LETTERS = {1: "b", 2: "w", 4: "l", 8: "q"}


_EXTENSION = re.compile(r"mov([sz])([bwl])([wlq]?)\Z")


_X87_REAL = re.compile(r"(fld|fst|fstp|fadd|fsub|fsubr|fmul|fdiv|fdivr|fcom|fcomp)([slt])\Z")


_X87_INTEGER = re.compile(r"(fild|fist|fistp|fisttp|fiadd|fisub|fisubr|fimul|fidiv|fidivr|ficom|ficomp)(s|ll|l|q)\Z")


_CONVERSION = re.compile(r"(v?cvtt?(?:s[sdh]2u?si|u?si2s[sdh]))([lq])\Z")


_X87_SWAPPED = {"fsub": "fsubr", "fsubr": "fsub", "fdiv": "fdivr", "fdivr": "fdiv"}


_MIXED_SIZES = frozenset(("crc32", "call", "jmp", "movnti", "lar", "lsl", "enter", "movbe"))


_REVERSED_WITH_IMPLIED = frozenset(("blendvps", "blendvpd", "pblendvb", "sha256rnds2"))


_SHIFTS = frozenset(("shl", "sal", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd"))


def parse_att_operands(name: str, tokens: Sequence[Token], rules: DialectRules) -> Statement:
    """Mnemonic and operands of an AT&T instruction, turned into Intel's order and names.

    Raises:
        Complaint: The operands are no AT&T operands.
    """
    parser = Parser(tokens, rules, att=True)
    pieces: list[WrittenOperand] = []
    mask: Register | None = None
    zeroing = False
    masked: Token | None = None
    rounding: str | None = None
    count = len(tokens)
    while parser.position < count:
        if parser.peek_kind() != "brace":
            if masked is not None:
                raise SourceError(
                    "ASM025",
                    f"`{masked.text}` cannot stand here.",
                    masked.start,
                    masked.end,
                    "a mask follows the destination",
                )
            pieces.append(_operand(parser, name))
        while parser.peek_kind() == "brace":
            token = tokens[parser.position]
            word = token.text[1:-1].strip().lower().removeprefix("%")
            register = canonical_register(word)
            if word in ROUNDINGS:
                rounding = word
            elif word in BROADCASTS and pieces and (address := _as_address(pieces[-1])) is not None:
                pieces[-1] = pieces[-1]._replace(value=replace(address, broadcast=BROADCASTS[word]))
            elif (word == "z" and zeroing) or (register is not None and mask is not None):
                raise SourceError("ASM025", f"`{token.text}` stands here already.", token.start, token.end)
            elif word == "z":
                zeroing, masked = True, token
            elif register is not None and register[0] == "k":
                mask, masked = Register(register), token
            else:
                raise SourceError("ASM025", f"`{token.text}` is no decoration of an operand.", token.start, token.end)
            parser.position += 1
        if parser.position == count:
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
        if parser.position == count:
            raise SourceError("ASM010", "An operand is missing after the comma.", token.start, token.end)
    numbers = all(isinstance(piece.value, Constant) and piece.value.offset for piece in pieces)
    if not numbers and name not in IMPLIED_OPERANDS.keys() - _REVERSED_WITH_IMPLIED:
        pieces.reverse()  # `enter $16, $0` and `monitor %rax, %rcx, %rdx` are in the same order in both
    intel, size = _intel_name(name, pieces)
    if size is not None:
        _check_registers(name, intel, size, pieces)
        pieces = [_sized(piece, size) for piece in pieces]
    return Statement(name=intel, operands=tuple(pieces), mask=mask, zeroing=zeroing, rounding=rounding)


def _as_address(piece: WrittenOperand) -> Address | None:
    """What can be broadcast: memory, be it a plain address."""
    if isinstance(piece.value, Constant) and piece.value.pointer:
        return Address((), piece.value.value, piece.value.size)
    return piece.value if isinstance(piece.value, Address) else None


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


def _intel_name(name: str, pieces: list[WrittenOperand]) -> tuple[str, int | None]:
    """Intel's name for an AT&T mnemonic, and the size that its last letter gives to memory."""
    found = _EXTENSION.match(name)
    if found is not None and len(pieces) == 2 and (found[3] or isinstance(pieces[0].value, Register)):
        sign, source, target = found.groups()
        _check_extension(name, pieces, _SIZES[source], _SIZES.get(target))
        intel = "movzx" if sign == "z" else "movsxd" if source == "l" else "movsx"
        pieces[1] = _sized(pieces[1], _SIZES[source])
        return intel, None
    if name in _WITH_LETTER:
        return _WITH_LETTER[name], None
    found = _ZERO_OR_SIGN.match(name)
    if found is not None and len(pieces) == 2 and isinstance(pieces[0].value, Register):
        pieces[1] = _sized(pieces[1], _SIZES[found[2]])
        _check_extension(name, pieces, _SIZES[found[2]], None)
        return "movsxd" if name == "movsxl" else name[:-1], None
    found = _MOVABS.match(name)
    if found is not None:
        return "movabs", _SIZES[found[1]]
    found = _CLEAR.match(name)
    if found is not None and len(pieces) == 1 and isinstance(pieces[0].value, Register):
        size = _SIZES.get(found[1], register_size(pieces[0].value.name))
        pieces.append(pieces[0])
        return "xor", size
    memory = any(not isinstance(piece.value, Register) for piece in pieces)
    found = _X87_REAL.match(name)
    if found is not None and memory:
        return found[1], {"s": 4, "l": 8, "t": 10}[found[2]]
    found = _X87_INTEGER.match(name)
    if found is not None and memory:
        return found[1], {"s": 2, "l": 4, "q": 8, "ll": 8}[found[2]]
    found = _CONVERSION.match(name)
    if found is not None:
        size = _SIZES[found[2]]
        for index, piece in enumerate(pieces):
            if not isinstance(piece.value, Register):
                # From memory the letter is the size of an integer, and the other way round says nothing of it.
                if "si2s" in found[1]:
                    pieces[index] = _sized(piece, size)
            elif register_size(piece.value.name) in (1, 2, 4, 8) and register_size(piece.value.name) != size:
                raise _disagreement(name, size, piece)
        return found[1], None
    if _CONVERSION.match(name + "l") and "si2s" in name:
        # Without a letter a register tells the size; of memory GNU as takes a dword.
        general = any(isinstance(piece.value, Register) and piece.value.name[1:3] != "mm" for piece in pieces)
        return name, None if general else 4
    popping = name.endswith("p") and name[:-1] in _X87_SWAPPED
    if popping:
        # AT&T's names for these two are exchanged where the destination is not the top; an old mistake, kept by GNU as.
        return _X87_SWAPPED[name[:-1]] + "p", None
    if name in _X87_SWAPPED and not pieces:
        return _X87_SWAPPED[name] + "p", None  # without operands it pops, and is exchanged like that
    if name in _X87_SWAPPED and len(pieces) == 2 and pieces[0].value != Register("st(0)"):
        return _X87_SWAPPED[name], None
    if name in ("lret", "lretl", "lretq"):
        return "retfq" if name[-1] == "q" else "retf", None
    resolved = resolve(name)
    if resolved is not None and resolved.size is not None:
        return resolved.mnemonic, resolved.size
    return name, None


def _sized(piece: WrittenOperand, size: int) -> WrittenOperand:
    value = piece.value
    if isinstance(value, Address) and value.broadcast is not None and size > 8:
        return piece  # the size of the whole vector: the count in braces says the same
    if isinstance(value, Address) and value.size is None:
        return piece._replace(value=replace(value, size=size))
    return piece


def _check_extension(name: str, pieces: list[WrittenOperand], source: int, target: int | None) -> None:
    destination = pieces[0].value
    if isinstance(destination, Register) and register_size(destination.name) <= source:
        raise SourceError(
            "ASM047",
            f"`{name}` makes {source} byte{'s' * (source > 1)} longer, and %{destination.name} has room for no more.",
            pieces[0].start,
            pieces[0].end,
        )
    for piece, size in ((pieces[0], target), (pieces[1], source)):
        if size is not None and isinstance(piece.value, Register) and register_size(piece.value.name) != size:
            raise _disagreement(name, size, piece)


def _check_registers(name: str, intel: str, size: int, pieces: list[WrittenOperand]) -> None:
    """The letter of the mnemonic and the registers must say the same size."""
    if intel in _MIXED_SIZES:
        return
    for index, piece in enumerate(pieces):
        if not isinstance(piece.value, Register):
            continue
        register = piece.value.name
        if register in SEGMENTS and ((intel in ("push", "pop") and size == 8) or (intel == "mov" and size == 4)):
            continue
        if (intel in _SHIFTS and register == "cl" and index > 0) or (intel in ("in", "out") and register == "dx"):
            continue
        if register_size(register) in (1, 2, 4, 8) and register[0] not in "mkcd" and register_size(register) != size:
            raise _disagreement(name, size, piece)
        if register in ("cl", "ch", "cx", "dl", "dh", "dx", "di", "dil") and register_size(register) != size:
            raise _disagreement(name, size, piece)


def _disagreement(name: str, size: int, piece: WrittenOperand) -> SourceError:
    assert isinstance(piece.value, Register)
    register = piece.value.name
    letter = _LETTERS.get(register_size(register))
    hint = f"the letter for %{register} is `{letter}`" if letter is not None else ""
    return SourceError(
        "ASM047",
        f"`{name}` works on {size} byte{'s' * (size > 1)}, but %{register} has {register_size(register)}.",
        piece.start,
        piece.end,
        hint,
    )
