"""Expression parser: tokens to a tree, by precedence climbing with the dialect's operator precedence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.dialects import DialectRules
from execmem_kernel.assembly.syntax.evaluation import apply_operator, apply_unary
from execmem_kernel.assembly.syntax.expressions import (
    Binary,
    Bracket,
    Expression,
    Here,
    Measure,
    Number,
    RegisterLeaf,
    SectionStart,
    Symbol,
    Unary,
)
from execmem_kernel.assembly.syntax.literals import (
    character_value,
    digits_value,
    is_local_reference,
    is_too_long,
    number,
)
from execmem_kernel.assembly.syntax.tokens import Token
from execmem_kernel.assembly.syntax.words import SIZES
from execmem_kernel.x86.operands import Register
from execmem_kernel.x86.registers import canonical_register

_DEPTH_LIMIT = 100
_TERM_LIMIT = 200
_COMPARISONS = frozenset(("==", "!=", "<>", "<", ">", "<=", ">="))
_WORDS = {
    "mod": "%", "shl": "<<", "shr": ">>", "and": "&", "or": "|", "xor": "^", "eq": "==", "ne": "!=",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
"""MASM's operators that are words; GNU as' Intel mode has them too."""
_MEASURES = frozenset(("lengthof", "sizeof", "type", "length", "size"))
"""MASM's operators that count the data at a name. Source: its reference, "Operators"."""
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
        "end",
        "position",
        "rules",
        "tokens",
    )

    def __init__(self, tokens: Sequence[Token], rules: DialectRules, position: int = 0, *, att: bool = False) -> None:
        self.tokens: Sequence[Token] = tokens
        self.rules = rules
        self.position: int = position
        self.end: int = tokens[-1].end if tokens else 0
        self._att = att
        self._depth = 0
        self._terms = 0
        self._memory = False
        self._bracket = False
        self._mixed: set[str] = set()
        self._ranks = rules.ranks

    def peek(self) -> str:
        """The text of the next token, "" at the end."""
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def peek_kind(self) -> str:
        """The kind of the next token, "" at the end."""
        return self.tokens[self.position].kind if self.position < len(self.tokens) else ""

    def expression(self, *, memory: bool = False) -> Expression:
        """Read one expression; with `memory`, registers and square brackets may stand in it."""
        begin = self.position
        self._memory = memory
        self._mixed.clear()
        self._ranks = self.rules.ranks
        tree = self._binary(1)
        other_ranks = self.rules.other_ranks
        if len(self._mixed) > 1 and other_ranks is not None and not self._mixed <= {"+", "-", "*"}:
            finish = self.position
            self.position = begin
            self._ranks = other_ranks
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
            operator = self.rules.operators.get(operator, operator)
            left = _join(operator, left, right, token.start, token.end)
            if operator in _COMPARISONS and self.rules.true == 1:
                left = _negate("-", left)
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
            negated = token.kind == "name" and token.text.lower() == "not" and not self._att
            if token.text not in ("-", "+", "~", "!") and not negated:
                break
            signs.append(token)
            self.position += 1
        tree = self._primary()
        for token in reversed(signs):
            tree = _negate("~" if token.text.lower() == "not" else token.text, tree)
        return tree

    def _primary(self) -> Expression:
        if self.position >= len(self.tokens):
            raise self._nothing_left()
        token = self.tokens[self.position]
        self.position += 1
        parse = _PRIMARIES.get(token.text if token.kind == "op" else token.kind)
        if parse is None:
            raise self._misplaced(token)
        return parse(self, token)

    def _number(self, token: Token) -> Expression:
        text = token.text
        if text[-1] in "bfBF" and is_local_reference(text):
            return Symbol(text.lower(), token.start, token.end)
        value = number(text, self.rules)
        if value is None:
            raise _bad_number(token)
        return Number(value)

    def _name(self, token: Token) -> Expression:
        text = token.text
        if text == ".":
            return Here()
        register = canonical_register(text)
        if register is not None:
            return self._register(token, register)
        lowered = text.lower()
        if lowered in ("offset", "flat"):
            return self._offset(token, lowered)
        if lowered in _MEASURES and self.peek_kind() == "name":
            return self._measure(token, lowered)
        if self.peek() == "(" and lowered not in _WORDS and not self._att:
            raise SourceError(
                "ASM012",
                f"`{text}(...)` is not something this assembler knows.",
                token.start,
                token.end,
                f"a function is called with `call {text}`, its arguments in rdi, rsi, rdx, rcx, r8, r9",
            )
        return Symbol(text, token.start, token.end)

    def _measure(self, token: Token, word: str) -> Expression:
        """`lengthof x` and the like; `type dword` is a number at once."""
        named = self.tokens[self.position]
        self.position += 1
        size = SIZES.get(named.text.lower())
        if size is not None:
            return Number(1 if word in ("lengthof", "length") else size)
        return Measure(word, named.text, token.start, named.end)

    def _offset(self, token: Token, word: str) -> Expression:
        """`offset x` and `offset flat:x` inside of an expression, where the address of x is meant anyway."""
        before = self.tokens[self.position - 2].text.lower() if self.position > 1 else ""
        if word == "flat" and before != "offset":
            raise SourceError(
                "ASM011", f"`{token.text}` cannot stand here.", token.start, token.end, "write offset flat:x"
            )
        if self.peek() == ":":
            self.position += 1
        return self._unary()

    def _string(self, token: Token) -> Expression:
        if token.text[0] == '"' and (self._att or self.rules.quoted_names):
            return Symbol(token.text[1:-1], token.start, token.end)  # to GNU as a name in quotes is a name
        return Number(character_value(token, self.rules))

    def _parenthesis(self, token: Token) -> Expression:
        inner = self._binary(1)
        self._close(token, ")")
        return inner

    def _brackets(self, token: Token) -> Expression:
        if not self._memory:
            raise self._misplaced(token)
        if self._bracket:
            raise SourceError("ASM014", "Square brackets cannot stand inside square brackets.", token.start, token.end)
        self._bracket = True
        inner = self._binary(1)
        self._bracket = False
        end = self._close(token, "]")
        return Bracket(inner, token.start, end)

    def _dollar(self, token: Token) -> Expression:
        """`$` is the location counter; `$name` is NASM's way to say that a name is a name; `$5` is AT&T."""
        following = self.tokens[self.position] if self.position < len(self.tokens) else None
        if following is None or following.start != token.end or following.kind not in ("name", "number"):
            return Here()
        if following.kind == "name" and self.rules.dollar_names:
            self.position += 1
            return Symbol(following.text, token.start, following.end)
        if following.kind == "number" and self.rules.dollar_names and following.text[0] in "0123456789":
            value = digits_value(following.text.lower().replace("_", ""), 16)  # $0f: hexadecimal
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

    def _section_start(self, token: Token) -> Expression:
        return SectionStart()

    def _percent(self, token: Token) -> Expression:
        """No operand begins with `%` here: what is meant is a macro's argument, or a register in AT&T syntax."""
        if self.rules.numbered_arguments and self.peek_kind() == "number":
            following = self.tokens[self.position]
            raise SourceError(
                "ASM066",
                f"There is no argument `%{following.text}` here.",
                token.start,
                following.end,
                "`%macro name 2` has the arguments %1 and %2",
            )
        if self.rules.gnu_symbols and not self._att and self.peek_kind() == "name":
            named = self.tokens[self.position]
            register = canonical_register(named.text)
            if register is not None and named.start == token.end:
                self.position += 1
                return self._register(named, register)  # GNU as takes both where it is told `noprefix`
        raise SourceError(
            "ASM020",
            "`%` before a name is AT&T syntax.",
            token.start,
            token.end,
            'write registers without `%`, or switch with `.att_syntax` or syntax="att"',
        )

    def _two_percents(self, token: Token) -> Expression:
        raise SourceError(
            "ASM011",
            "`%%` cannot stand here.",
            token.start,
            token.end,
            "a register has one `%` in AT&T syntax and none in Intel syntax" if self.peek_kind() == "name" else "",
        )

    def _missing(self, token: Token) -> Expression:
        raise SourceError(
            "ASM010",
            f"Something is missing before this `{token.text}`.",
            token.start,
            token.end,
            "a number, a name or a register",
        )

    def _nothing_left(self) -> SourceError:
        last = self.tokens[-1]
        listing = last.text == ">" and any(token.text == "<" for token in self.tokens)
        return SourceError(
            "ASM010",
            f"Something is missing after `{last.text}`.",
            last.start,
            last.end,
            "what a disassembler prints in < > is no part of the program: write a label"
            if listing
            else "a number, a name or a register",
        )

    def _misplaced(self, token: Token) -> SourceError:
        """The error about a token that begins no operand, with a hint for what C and AT&T syntax would have there."""
        text = token.text
        name = self.peek() if self.peek_kind() == "name" else ""
        before = self.tokens[self.position - 2].text if self.position > 1 else ""
        hint = ""
        if text == "*" and before == "*":
            hint = "there is no power: `1 << 3` is two to the third"
        elif name and text == "*":
            hint = f"there is no `*{name}` as in C: memory is written [{name}]"
        elif text == "[" and self._att:
            hint = "in AT&T syntax memory is written in parentheses: 8(%rax)"
        elif name and text == "&":
            hint = f"there is no `&{name}` as in C: the address of a label is `offset {name}`, or comes from lea"
        return SourceError("ASM011", f"`{text}` cannot stand here.", token.start, token.end, hint)

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


_PRIMARIES: dict[str, Callable[[Parser, Token], Expression]] = {
    "number": Parser._number,
    "name": Parser._name,
    "string": Parser._string,
    "(": Parser._parenthesis,
    "[": Parser._brackets,
    "$": Parser._dollar,
    "$$": Parser._section_start,
    "%": Parser._percent,
    "%%": Parser._two_percents,
    **dict.fromkeys((",", ")", "]"), Parser._missing),
}
"""How an operand begins: the kind of its first token, or its operator -> what reads it."""


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
    if is_too_long(text):
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
