"""Expression parser: tokens to a tree, by precedence climbing with the dialect's operator precedence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import Dialect
from execmem_kernel.assembly.syntax.evaluation import apply_operator, apply_unary
from execmem_kernel.assembly.syntax.expressions import (
    Binary,
    Bracket,
    Expression,
    Here,
    Number,
    RegisterLeaf,
    SectionStart,
    Symbol,
    Unary,
)
from execmem_kernel.assembly.syntax.literals import LOCAL_REFERENCE, character_value, digits_value, number
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import canonical_register

_DEPTH_LIMIT = 100


_TERM_LIMIT = 200


# C's precedence, NASM's and GNU as' own. Sources: the manual of GNU as, "Infix Operators"; NASM's, "Expressions".
_C_RANKS = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<>": 6, "<": 7, ">": 7, "<=": 7, ">=": 7,
    "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
}  # fmt: skip


_NASM_RANKS = {
    "||": 1, "&&": 2, "==": 3, "=": 3, "!=": 3, "<>": 3, "<": 3, ">": 3, "<=": 3, ">=": 3, "|": 4, "^": 5, "&": 6,
    "<<": 7, ">>": 7, "+": 8, "-": 8, "*": 9, "/": 9, "%": 9, "//": 9, "%%": 9,
}  # fmt: skip


_NASM_OPERATORS = {"/": "u/", "%": "u%", "//": "/", "%%": "%", "=": "=="}
"""NASM's division is unsigned unless doubled; a comparison is 1 where GNU as has -1."""


_COMPARISONS = frozenset(("==", "!=", "<>", "<", ">", "<=", ">="))


_GNU_RANKS = {
    "||": 1, "&&": 2, "==": 3, "!=": 3, "<>": 3, "<": 3, ">": 3, "<=": 3, ">=": 3, "+": 4, "-": 4,
    "|": 5, "^": 5, "&": 5, "!": 5, "*": 6, "/": 6, "%": 6, "<<": 6, ">>": 6,
}  # fmt: skip


_WORDS = {
    "mod": "%", "shl": "<<", "shr": ">>", "and": "&", "or": "|", "xor": "^", "eq": "==", "ne": "!=",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
"""MASM's operators that are words; GNU as' Intel mode has them too."""


_PLAIN_OPERATORS = frozenset("+-")


class Parser:
    """Reads expressions from the tokens of one line; `position` is where the next token stands."""

    __slots__ = (
        "_att",
        "_bracket",
        "_depth",
        "_memory",
        "_mixed",
        "_ranks",
        "_terms",
        "dialect",
        "end",
        "position",
        "tokens",
    )

    def __init__(self, tokens: Sequence[Token], dialect: Dialect, position: int = 0, *, att: bool = False) -> None:
        self.tokens: Sequence[Token] = tokens
        self.dialect: Dialect = dialect
        self.position: int = position
        self.end: int = tokens[-1].end if tokens else 0
        self._att = att
        self._depth = 0
        self._terms = 0
        self._memory = False
        self._bracket = False
        self._mixed: set[str] = set()
        self._ranks = _C_RANKS

    def peek(self) -> str:
        """The text of the next token, "" at the end."""
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def peek_kind(self) -> str:
        return self.tokens[self.position].kind if self.position < len(self.tokens) else ""

    def expression(self, *, memory: bool = False) -> Expression:
        """Read one expression; with `memory`, registers and square brackets may stand in it."""
        begin = self.position
        self._memory = memory
        self._mixed.clear()
        self._ranks = {"gnu": _GNU_RANKS, "nasm": _NASM_RANKS}.get(self.dialect, _C_RANKS)
        tree = self._binary(1)
        if len(self._mixed) > 1 and self.dialect not in ("gnu", "nasm") and not self._mixed <= {"+", "-", "*"}:
            finish = self.position
            self.position = begin
            self._ranks = _GNU_RANKS
            other = self._binary(1)
            if other != tree or self.position != finish:
                raise SourceError(
                    "ASM015",
                    "Assemblers disagree about which of these operators comes first.",
                    self.tokens[begin].start,
                    self.tokens[finish - 1].end,
                    "put parentheses around the part that is to be worked out first",
                )
        return tree

    def _binary(self, floor: int) -> Expression:
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            token = self.tokens[min(self.position, len(self.tokens) - 1)]
            raise SourceError("ASM016", f"This is nested more than {_DEPTH_LIMIT} deep.", token.start, token.end)
        left = self._unary()
        tokens, count, ranks = self.tokens, len(self.tokens), self._ranks
        while self.position < count:
            token = tokens[self.position]
            operator = token.text
            if operator == "%" and self._att and self.position + 1 < count and tokens[self.position + 1].kind == "name":
                break  # a register begins
            if token.kind == "name":
                operator = _WORDS.get(operator.lower(), "")
            elif operator == "[" and self._memory and not self._bracket:
                # GNU and MASM write `table[rax*8]`: what stands before the bracket is added to it.
                rank = ranks["+"]
                if rank < floor:
                    break
                right = self._binary(rank + 1)
                left = _join("+", left, right, token.start, token.end)
                self._count(left, token)
                continue
            elif token.kind != "op":
                break
            rank = ranks.get(operator, 0)
            if rank < floor or rank == 0:
                break
            self._mixed.add(operator)
            self.position += 1
            right = self._binary(rank + 1)
            if self.dialect == "nasm":
                operator = _NASM_OPERATORS.get(operator, operator)
                left = _join(operator, left, right, token.start, token.end)
                if operator in _COMPARISONS:
                    left = _negate("-", left)
            else:
                left = _join(operator, left, right, token.start, token.end)
            self._count(left, token)
        self._depth -= 1
        return left

    def _count(self, tree: Expression, token: Token) -> None:
        """Trees are walked by recursion: none may grow too deep."""
        self._terms += type(tree) is Binary
        if self._terms > _TERM_LIMIT:
            raise SourceError("ASM016", f"This expression has more than {_TERM_LIMIT} terms.", token.start, token.end)

    def _unary(self) -> Expression:
        signs: list[Token] = []
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            if token.text not in ("-", "+", "~", "!") and not (token.kind == "name" and token.text.lower() == "not"):
                break
            signs.append(token)
            self.position += 1
        tree = self._primary()
        for token in reversed(signs):
            tree = _negate("~" if token.text.lower() == "not" else token.text, tree)
        return tree

    def _primary(self) -> Expression:
        if self.position >= len(self.tokens):
            last = self.tokens[-1]
            listing = last.text == ">" and any(token.text == "<" for token in self.tokens)
            raise SourceError(
                "ASM010",
                f"Something is missing after `{last.text}`.",
                last.start,
                last.end,
                "what a disassembler prints in < > is no part of the program: write a label"
                if listing
                else "a number, a name or a register",
            )
        token = self.tokens[self.position]
        kind, text = token.kind, token.text
        self.position += 1
        if kind == "number":
            if LOCAL_REFERENCE.match(text):
                return Symbol(text.lower(), token.start, token.end)
            value = number(text, self.dialect)
            if value is None:
                raise _bad_number(token)
            return Number(value)
        if kind == "name":
            if text == ".":
                return Here()
            register = canonical_register(text)
            if register is not None:
                return self._register(token, register)
            lowered = text.lower()
            if lowered in ("offset", "flat"):
                if lowered == "flat" and (self.position < 2 or self.tokens[self.position - 2].text.lower() != "offset"):
                    raise SourceError(
                        "ASM011", f"`{text}` cannot stand here.", token.start, token.end, "write offset flat:x"
                    )
                if self.peek() == ":":
                    self.position += 1
                return self._unary()
            if self.peek() == "(" and lowered not in _WORDS and not self._att:
                raise SourceError(
                    "ASM012",
                    f"`{text}(...)` is not something this assembler knows.",
                    token.start,
                    token.end,
                    f"a function is called with `call {text}`, its arguments in rdi, rsi, rdx, rcx, r8, r9",
                )
            return Symbol(text, token.start, token.end)
        if kind == "string" and self._att and text[0] == '"':
            return Symbol(text[1:-1], token.start, token.end)  # a name in quotes, as GNU as reads it
        if kind == "string":
            if self.dialect == "gnu" and text[0] == '"':
                return Symbol(text[1:-1], token.start, token.end)  # to GNU as a name in quotes is a name
            return Number(character_value(token, self.dialect))
        if text == "(":
            inner = self._binary(1)
            self._close(token, ")")
            return inner
        if text == "[" and self._memory:
            if self._bracket:
                raise SourceError(
                    "ASM014", "Square brackets cannot stand inside square brackets.", token.start, token.end
                )
            self._bracket = True
            inner = self._binary(1)
            self._bracket = False
            end = self._close(token, "]")
            return Bracket(inner, token.start, end)
        if text == "$":
            following = self.tokens[self.position] if self.position < len(self.tokens) else None
            if following is not None and following.start == token.end and following.kind in ("name", "number"):
                return self._dollar(token, following)
            return Here()
        if text == "$$":
            return SectionStart()
        if text == "%%":
            raise SourceError(
                "ASM011",
                "`%%` cannot stand here.",
                token.start,
                token.end,
                "a register has one `%` in AT&T syntax and none in Intel syntax" if self.peek_kind() == "name" else "",
            )
        if text == "%" and self.dialect == "nasm" and self.peek_kind() == "number":
            following = self.tokens[self.position]
            raise SourceError(
                "ASM066",
                f"There is no argument `%{following.text}` here.",
                token.start,
                following.end,
                "`%macro name 2` has the arguments %1 and %2",
            )
        if text == "%":
            raise SourceError(
                "ASM020",
                "`%` before a name is AT&T syntax.",
                token.start,
                token.end,
                'write registers without `%`, or switch with `.att_syntax` or syntax="att"',
            )
        if text in (",", "") or text in ")]":
            raise SourceError(
                "ASM010",
                f"Something is missing before this `{text}`." if text else "Something is missing here.",
                token.start,
                token.end,
                "a number, a name or a register",
            )
        name = self.peek() if self.peek_kind() == "name" else ""
        hint = ""
        before = self.tokens[self.position - 2].text if self.position > 1 else ""
        if text == "*" and before == "*":
            hint = "there is no power: `1 << 3` is two to the third"
        elif name and text == "*":
            hint = f"there is no `*{name}` as in C: memory is written [{name}]"
        elif text == "[" and self._att:
            hint = "in AT&T syntax memory is written in parentheses: 8(%rax)"
        elif name and text == "&":
            hint = f"there is no `&{name}` as in C: the address of a label is `offset {name}`, or comes from lea"
        raise SourceError("ASM011", f"`{text}` cannot stand here.", token.start, token.end, hint)

    def _dollar(self, token: Token, following: Token) -> Expression:
        """`$name` is NASM's way to say that a name is a name; `$5` is AT&T."""
        if following.kind == "name" and self.dialect == "nasm":
            self.position += 1
            return Symbol(following.text, token.start, following.end)
        if following.kind == "number" and self.dialect == "nasm" and following.text[0] in "0123456789":
            value = digits_value(
                following.text.lower().replace("_", ""), 16
            )  # $0f: NASM's other way to write hexadecimal
            if value is not None:
                self.position += 1
                return Number(value)
        raise SourceError(
            "ASM020",
            f"`${following.text}` is AT&T syntax.",
            token.start,
            following.end,
            f'write `{following.text}`, or switch with `.att_syntax` or syntax="att"',
        )

    def _register(self, token: Token, register: str) -> Expression:
        if register == "st(0)" and self.peek() == "(":
            # `st(1)` is three more tokens.
            closing = self.position + 2
            if closing < len(self.tokens) and self.tokens[closing].text == ")":
                numbered = canonical_register(f"st({self.tokens[self.position + 1].text})")
                if numbered is not None:
                    self.position += 3
                    return RegisterLeaf(Register(numbered), token.start, self.tokens[closing].end)
        return RegisterLeaf(Register(register), token.start, token.end)

    def _close(self, opening: Token, closing: str) -> int:
        if self.peek() != closing:
            if self.position >= len(self.tokens):
                raise SourceError(
                    "ASM013",
                    f"This `{opening.text}` is never closed.",
                    opening.start,
                    opening.end,
                    f"add the missing `{closing}`",
                )
            token = self.tokens[self.position]
            if opening.text == "[" and token.text == ",":
                raise SourceError(
                    "ASM013",
                    "No comma stands in an address; or the `]` before it is missing.",
                    token.start,
                    token.end,
                    "an address is a sum: [rax + rbx*8 + 16]",
                )
            raise SourceError(
                "ASM013",
                f"`{closing}` was expected before `{token.text}`.",
                token.start,
                token.end,
                f"the `{opening.text}` is still open",
            )
        end = self.tokens[self.position].end
        self.position += 1
        return end


def _bad_number(token: Token) -> SourceError:
    text = token.text
    hint = ""
    if re.fullmatch(r"[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+", text):
        return SourceError(
            "ASM018",
            "A number with a fraction or an exponent cannot stand here.",
            token.start,
            token.end,
            "put it into memory with .double or .float and load it with movsd or movss",
        )
    if len(text) > 64:
        return SourceError("ASM017", "This number is longer than any register.", token.start, token.end)
    if text.lower().startswith("0b") and text[2:].isdigit():
        hint = "binary has only the digits 0 and 1"
    elif re.fullmatch(r"[0-9][0-9a-fA-F]*", text):
        hint = (
            f"hexadecimal is written 0x{text} or 0{text}h".replace("00", "0")
            if text[0] == "0"
            else f"hexadecimal is written 0x{text}"
        )
    elif text.lower().startswith("0b"):
        hint = "binary has only the digits 0 and 1"
    elif text.lower().startswith("0x"):
        hint = "hexadecimal digits are 0-9 and a-f"
    elif text[0] == "0" and text.isdigit():
        hint = "a leading 0 makes a number octal: digits 0-7"
    return SourceError("ASM009", f"`{text}` is not a number.", token.start, token.end, hint)


def _join(operator: str, left: Expression, right: Expression, start: int, end: int) -> Expression:
    if type(left) is Number and type(right) is Number:
        return Number(apply_operator(operator, left.value, right.value, start, end))
    return Binary(operator, left, right, start, end)


def _negate(operator: str, operand: Expression) -> Expression:
    if operator == "+":
        return operand
    if type(operand) is Number and (operator != "~" or operand.value < 128):
        return Number(apply_unary(operator, operand.value))
    return Unary(operator, operand)  # what ~0x80 is depends on the size of where it goes
