"""Tokens and constant expressions: numbers in every spelling, symbols, precedence, and what a value depends on.

    text --tokens--> Token --Parser--> Expression --evaluate--> Value

A value that contains labels remembers which rigid stretches of the program they lie in, so that the layout knows which
numbers are final (`end - start` inside one block of data) and which move while branches find their size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from execmem_kernel.assembly.forms import canonical_register
from execmem_kernel.assembly.operands import Register

Dialect = Literal["gnu", "nasm", "mixed", ""]
"""Whose rules a source declares: "" says that nothing in it tells, "mixed" that it contradicts itself."""

_DEPTH_LIMIT = 100
_TERM_LIMIT = 200
_NUMBER_LIMIT = 1 << 128


class Complaint(Exception):
    """Something wrong in one line: code, message, 0-based columns, hint; a `Diagnostic` once the line is known.

    It never changes: lines that are alike are read once, so cells that have one in common share what is wrong in it.
    """

    __slots__ = ("code", "end", "forms", "hint", "message", "start")

    code: str
    message: str
    start: int
    end: int
    hint: str
    forms: tuple[str, ...]

    def __init__(
        self, code: str, message: str, start: int, end: int, hint: str = "", forms: tuple[str, ...] = ()
    ) -> None:
        super().__init__(code, message, start, end, hint, forms)
        put = object.__setattr__
        put(self, "code", code)
        put(self, "message", message)
        put(self, "start", start)
        put(self, "end", end)
        put(self, "hint", hint)
        put(self, "forms", forms)

    def __setattr__(self, name: str, value: object) -> None:
        # What Python itself notes down while an exception travels has such names: __traceback__, __notes__.
        if not name.startswith("__"):
            raise AttributeError(f"a complaint is shared by all who read the line: its {name} cannot change")
        super().__setattr__(name, value)

    def with_hint(self, hint: str) -> Complaint:
        """The same complaint with other advice."""
        return Complaint(self.code, self.message, self.start, self.end, hint, self.forms)


class Token(NamedTuple):
    """A piece of one line: `kind` is "name", "number", "string", "brace" or "op"; 0-based columns, end exclusive."""

    kind: str
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""[ \t\f\v]*(?:
      (?P<name>[A-Za-z_.@?][A-Za-z0-9_.@?$]*)
    | (?P<number>0[xX][0-9a-fA-F_]+\b
                | (?:[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)? | [0-9]+[eE][+-]?[0-9]+)(?![A-Za-z0-9_])
                | [0-9][A-Za-z0-9_]*)
    | (?P<open>/\*)
    | (?P<comment>;.*|\#.*|//.*)
    | (?P<string>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `(?:[^`\\]|\\.)*`)
    | (?P<brace>\{[ \t]*%?[A-Za-z0-9_-]+[ \t]*\})
    | (?P<op><<|>>|<=|>=|==|!=|<>|&&|\|\||\$\$|%%|[-+*/%&|^~!()\[\],:=<>$\\{}])
    | (?P<character>'(?:\\.|[^'\\]))
    | (?P<bad>\S)
    )""",
    re.VERBOSE,
)
_RAW_STRING = re.compile(r"\"[^\"]*\"|'[^']*'|`(?:[^`\\]|\\.)*`")
_RAW_WORDS = frozenset(("db", "dw", "dd", "dq", "dt", "do", "ddq", "dy", "dz"))


_DIVISOR = re.compile(
    r"//[ \t]*[-+~!( \t]*[\w.$?@]+"
    r"(?:[ \t)]*(?:<<|>>|//|%%|[-+*/%&|^])[-+~!( \t]*[\w.$?@]+)*+[ \t)]*(?:[,;\]#]|$)"
)
"""What stands behind `//` where it may be a division: one expression up to the end of the operand."""
_ONLY_NUMBERS = re.compile(r"//[-+*/%&|^~() \t]*[0-9][\w]*(?:[-+*/%&|^~() \t]+[0-9][\w]*)*[) \t]*\Z")


def tokenize(text: str, dialect: Dialect = "gnu") -> list[Token]:
    """The tokens of one line, comments left out.

    A backslash in plain quotes is a backslash, as NASM has it, after a NASM data word and wherever NASM is declared.
    `//` begins a comment, but to NASM it divides: there it does where an operand can go on, and where nobody has
    declared anything and a lone number follows it is refused.
    """
    tokens: list[Token] = []
    position, size = 0, len(text)
    raw = nasm = dialect == "nasm"
    match_token = _TOKEN.match
    while position < size:
        found = match_token(text, position)
        if found is None:
            break  # only blanks are left
        kind = found.lastgroup
        begin, position = found.span(kind)  # type: ignore[arg-type]
        if kind == "comment":
            if text[begin] == "/" and dialect != "gnu" and _may_divide(tokens):
                if nasm and _DIVISOR.match(text, begin) is not None:
                    position = begin + 2
                    tokens.append(Token("op", "//", begin, position))
                    continue
                if not nasm and _ONLY_NUMBERS.match(text, begin) is not None:
                    raise Complaint(
                        "ASM038",
                        "To NASM `//` divides, to GNU as it begins a comment.",
                        begin,
                        begin + 2,
                        "write `/` to divide, or begin the comment with `#` or `;`",
                    )
            break
        if kind == "open":
            raise Complaint("ASM006", "This comment is never closed.", begin, begin + 2, "end it with */")
        if kind == "name" or kind == "op":
            word = text[begin:position]
            tokens.append(Token(kind, word, begin, position))
            if word.lower() in _RAW_WORDS:
                raw = True
        elif kind == "string" or kind == "character" or (kind == "bad" and text[begin] in "\"'`"):
            if raw:
                whole = _RAW_STRING.match(text, begin)
                if whole is not None:
                    position = whole.end()
                    tokens.append(Token("string", whole.group(), begin, position))
                    continue
            if kind == "bad" or (kind == "character" and nasm):
                raise Complaint(
                    "ASM006",
                    "This quote is never closed.",
                    begin,
                    len(text.rstrip()),
                    "a text with ' in it stands in double quotes"
                    if text[begin] == "'" and text.count("'") > 2
                    else f"end the text with {text[begin]} on the same line",
                )
            if kind == "character":
                tokens.append(Token("string", text[begin:position] + "'", begin, position))
            else:
                tokens.append(Token("string", text[begin:position], begin, position))
        elif kind == "bad":
            raise Complaint("ASM004", f"The character {text[begin]!r} has no meaning here.", begin, begin + 1)
        else:
            assert kind is not None
            tokens.append(Token(kind, text[begin:position], begin, position))
    return tokens


def _may_divide(tokens: Sequence[Token]) -> bool:
    """Whether an expression can go on behind these tokens: they end in a number, a name or a parenthesis."""
    if not tokens:
        return False
    last = tokens[-1]
    if last.kind == "name":
        return len(tokens) > 1 and canonical_register(last.text) is None
    return last.kind == "number" or last.text in (")", "$", "$$")


_NASM_ESCAPES = {
    "n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "a": 7, "e": 27, "\\": 92, "'": 39, '"': 34, "`": 96, "?": 63,
}  # fmt: skip
_GNU_ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "v": 11, "\\": 92, '"': 34}
_ESCAPE = {
    "nasm": re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL),
    "gnu": re.compile(r"\\(?:[xX]([0-9a-fA-F]+)|([0-9]{1,3})|()()(.))", re.DOTALL),
}
Escapes = Literal["nasm", "gnu", ""]
"""Whose escape sequences a quoted text has: NASM's backquotes know C's, GNU's texts fewer; "" is none."""


def string_bytes(token: Token, escapes: Escapes) -> bytes:
    """The bytes of a quoted text: UTF-8, escapes where asked for (always NASM's in backquotes)."""
    body = token.text[1:-1]
    if token.text[0] == "`":
        escapes = "nasm"
    if "\\" not in body or not escapes:
        return body.encode("utf-8", "surrogatepass")
    known = _NASM_ESCAPES if escapes == "nasm" else _GNU_ESCAPES
    parts: list[bytes] = []
    position = 0
    for found in _ESCAPE[escapes].finditer(body):
        parts.append(body[position : found.start()].encode("utf-8", "surrogatepass"))
        position = found.end()
        hexadecimal, octal, short, long, letter = found.groups()
        if hexadecimal is not None:
            parts.append(bytes([int(hexadecimal, 16) & 255]))
        elif octal is not None:
            # GNU as counts 8 and 9 as digits here. Source: next_char_of_string in gas/read.c.
            value = 0
            for digit in octal:
                value = value * 8 + int(digit)
            parts.append(bytes([value & 255]))
        elif short or long:
            point = int(short or long, 16)
            if point > 0x10FFFF:
                raise Complaint("ASM007", "There is no such Unicode character.", token.start, token.end)
            parts.append(chr(point).encode("utf-8", "surrogatepass"))
        elif letter in known:
            parts.append(bytes([known[letter]]))
        elif escapes == "nasm" and letter.isalnum():
            start = token.start + 1 + found.start()
            raise Complaint(
                "ASM007",
                f"`\\{letter}` is no escape sequence.",
                start,
                start + 2,
                r"known: \n \t \r \b \f \v \a \e \0 \\ \" \' \` \xHH \OOO",
            )
        else:
            parts.append(letter.encode("utf-8", "surrogatepass"))
    parts.append(body[position:].encode("utf-8", "surrogatepass"))
    return b"".join(parts)


def character_value(token: Token, dialect: Dialect) -> int:
    """A quoted text as a number: its first character in the lowest byte, escapes as the dialect has them."""
    body = token.text[1:-1]
    if dialect == "gnu" and token.text[0] == "'" and len(body) == 2 and body[0] == "\\":
        # Source: process_escape in gas/app.c; what it does not know stands for itself, a 0 too.
        return {"b": 8, "f": 12, "n": 10, "r": 13, "t": 9}.get(body[1], ord(body[1]))
    data = string_bytes(token, "" if dialect == "nasm" else "nasm")
    if not 1 <= len(data) <= 8:
        what = "An empty text" if not data else "A text of more than 8 bytes"
        raise Complaint("ASM008", f"{what} is not a number.", token.start, token.end, "use .ascii or db for text")
    return int.from_bytes(data, "little")


# ---- numbers ---------------------------------------------------------------------------------------------------------

_BASES = {"x": 16, "h": 16, "b": 2, "y": 2, "o": 8, "q": 8, "d": 10, "t": 10}
_NAMES_OF_BASES = {16: "hexadecimal", 2: "binary", 8: "octal", 10: "decimal"}
_LOCAL_REFERENCE = re.compile(r"[0-9]{1,9}[bfBF]\Z")


@lru_cache(maxsize=4096)
def number(text: str, dialect: Dialect) -> int | None:
    """What a number token says, or None for a spelling that is no number ("12ab", "1.5")."""
    plain = text.lower().replace("_", "")
    if len(plain) > 64:
        return None
    if plain.isdigit():
        if len(plain) > 1 and plain[0] == "0" and dialect != "nasm":
            return _integer(plain, 8)
        return _integer(plain, 10)
    if plain[-1] == "h":
        return _integer(plain[:-1], 16)
    if plain[0] == "0" and plain[1] in "xbodqty" and (plain[1] == "x" or len(plain) > 2):
        value = _integer(plain[2:], _BASES[plain[1]])
        if value is not None:
            return value
    if len(plain) == 2 and plain[1] == "b" and dialect != "nasm":
        return None  # a reference to a label that is not there, far more likely than a binary digit
    if plain[-1] in "bydtqo":
        return _integer(plain[:-1], _BASES[plain[-1]])
    return None


def _integer(digits: str, base: int) -> int | None:
    known = "0123456789abcdef"[:base]
    if not digits or digits.strip(known):
        return None
    return int(digits, base)


def is_local_reference(text: str) -> bool:
    """Whether a number token can name a numeric label: "1f", "2b"."""
    return _LOCAL_REFERENCE.match(text) is not None


# ---- the tree --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    value: int


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name to be looked up; numeric labels ("1f") too."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Here:
    """`$` or `.`: the address of the statement."""


@dataclass(frozen=True, slots=True)
class SectionStart:
    """`$$`: the address of the section."""


@dataclass(frozen=True, slots=True)
class RegisterLeaf:
    """A register inside an address."""

    register: Register
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Bracket:
    """What stands in square brackets."""

    inner: Expression
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unary:
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Expression
    right: Expression
    start: int
    end: int


Expression = Number | Symbol | Here | SectionStart | RegisterLeaf | Bracket | Unary | Binary

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
                raise Complaint(
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
            raise Complaint("ASM016", f"This is nested more than {_DEPTH_LIMIT} deep.", token.start, token.end)
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
            raise Complaint("ASM016", f"This expression has more than {_TERM_LIMIT} terms.", token.start, token.end)

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
            raise Complaint(
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
            if _LOCAL_REFERENCE.match(text):
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
                    raise Complaint(
                        "ASM011", f"`{text}` cannot stand here.", token.start, token.end, "write offset flat:x"
                    )
                if self.peek() == ":":
                    self.position += 1
                return self._unary()
            if self.peek() == "(" and lowered not in _WORDS and not self._att:
                raise Complaint(
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
                raise Complaint(
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
            raise Complaint(
                "ASM011",
                "`%%` cannot stand here.",
                token.start,
                token.end,
                "a register has one `%` in AT&T syntax and none in Intel syntax" if self.peek_kind() == "name" else "",
            )
        if text == "%" and self.dialect == "nasm" and self.peek_kind() == "number":
            following = self.tokens[self.position]
            raise Complaint(
                "ASM066",
                f"There is no argument `%{following.text}` here.",
                token.start,
                following.end,
                "`%macro name 2` has the arguments %1 and %2",
            )
        if text == "%":
            raise Complaint(
                "ASM020",
                "`%` before a name is AT&T syntax.",
                token.start,
                token.end,
                'write registers without `%`, or switch with `.att_syntax` or syntax="att"',
            )
        if text in (",", "") or text in ")]":
            raise Complaint(
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
        raise Complaint("ASM011", f"`{text}` cannot stand here.", token.start, token.end, hint)

    def _dollar(self, token: Token, following: Token) -> Expression:
        """`$name` is NASM's way to say that a name is a name; `$5` is AT&T."""
        if following.kind == "name" and self.dialect == "nasm":
            self.position += 1
            return Symbol(following.text, token.start, following.end)
        if following.kind == "number" and self.dialect == "nasm" and following.text[0] in "0123456789":
            value = _integer(following.text.lower().replace("_", ""), 16)  # $0f: NASM's other way to write hexadecimal
            if value is not None:
                self.position += 1
                return Number(value)
        raise Complaint(
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
                raise Complaint(
                    "ASM013",
                    f"This `{opening.text}` is never closed.",
                    opening.start,
                    opening.end,
                    f"add the missing `{closing}`",
                )
            token = self.tokens[self.position]
            if opening.text == "[" and token.text == ",":
                raise Complaint(
                    "ASM013",
                    "No comma stands in an address; or the `]` before it is missing.",
                    token.start,
                    token.end,
                    "an address is a sum: [rax + rbx*8 + 16]",
                )
            raise Complaint(
                "ASM013",
                f"`{closing}` was expected before `{token.text}`.",
                token.start,
                token.end,
                f"the `{opening.text}` is still open",
            )
        end = self.tokens[self.position].end
        self.position += 1
        return end


def _bad_number(token: Token) -> Complaint:
    text = token.text
    hint = ""
    if re.fullmatch(r"[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+", text):
        return Complaint(
            "ASM018",
            "A number with a fraction or an exponent cannot stand here.",
            token.start,
            token.end,
            "put it into memory with .double or .float and load it with movsd or movss",
        )
    if len(text) > 64:
        return Complaint("ASM017", "This number is longer than any register.", token.start, token.end)
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
    return Complaint("ASM009", f"`{text}` is not a number.", token.start, token.end, hint)


def _join(operator: str, left: Expression, right: Expression, start: int, end: int) -> Expression:
    if type(left) is Number and type(right) is Number:
        return Number(_apply(operator, left.value, right.value, start, end))
    return Binary(operator, left, right, start, end)


def _negate(operator: str, operand: Expression) -> Expression:
    if operator == "+":
        return operand
    if type(operand) is Number and (operator != "~" or operand.value < 128):
        return Number(_apply_unary(operator, operand.value))
    return Unary(operator, operand)  # what ~0x80 is depends on the size of where it goes


def _apply_unary(operator: str, value: int) -> int:
    if operator == "-":
        return -value
    if operator == "~":
        return ~value
    return int(value == 0)


_MASK = (1 << 64) - 1


def _apply(operator: str, left: int, right: int, start: int, end: int) -> int:
    true = -1
    match operator:
        case "+":
            value = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case "/" | "%" | "u/" | "u%":
            if right == 0:
                raise Complaint("ASM019", "This divides by zero.", start, end)
            if operator[0] == "u" and (left < 0 or right < 0):
                signed = "//" if operator == "u/" else "%%"
                raise Complaint(
                    "ASM019",
                    f"To NASM `{operator[1]}` has no sign: a negative number would be a huge one.",
                    start,
                    end,
                    f"write `{signed}`, which has",
                )
            operator = operator[-1]
            quotient = abs(left) // abs(right)
            if (left < 0) != (right < 0):
                quotient = -quotient
            value = quotient if operator == "/" else left - quotient * right
        case "<<":
            value = (left << right) & _MASK if 0 <= right < 64 else 0
            if left < 0 and 0 <= right < 64:
                value = left << right
        case ">>":
            value = (left & _MASK) >> right if 0 <= right < 64 else 0
        case "&":
            value = left & right
        case "|":
            value = left | right
        case "^":
            value = left ^ right
        case "!":
            value = left | ~right
        case "==":
            value = true * (left == right)
        case "!=" | "<>":
            value = true * (left != right)
        case "<":
            value = true * (left < right)
        case ">":
            value = true * (left > right)
        case "<=":
            value = true * (left <= right)
        case ">=":
            value = true * (left >= right)
        case "&&":
            value = int(left != 0 and right != 0)
        case _:
            value = int(left != 0 or right != 0)
    if not -_NUMBER_LIMIT < value < _NUMBER_LIMIT:
        raise Complaint("ASM017", "The result is larger than any register.", start, end)
    return value


# ---- values ----------------------------------------------------------------------------------------------------------


class Value(NamedTuple):
    """A number and the rigid stretches of the program it hangs on, each with how often it counts (+1 a label, -1 one
    subtracted). No stretches: a final constant. Counts that sum to 0: a constant that moves. Sum 1: an address.
    """

    number: int
    terms: tuple[tuple[int, int], ...] = ()

    @property
    def weight(self) -> int:
        return sum(count for _, count in self.terms)


LATE = ((-3, 1), (-4, -1))
"""Terms of a constant that is defined only further down: it does not move, but GNU as leaves room as if it did."""

Lookup = Callable[[Expression], Value]
"""What a Symbol, Here or SectionStart is worth; raises Complaint for what is not known."""


def evaluate(tree: Expression, lookup: Lookup) -> Value:
    """Work an expression out."""
    kind = type(tree)
    if kind is Number:
        return Value(tree.value)  # type: ignore[union-attr]
    if kind is Binary:
        assert isinstance(tree, Binary)
        left, right = evaluate(tree.left, lookup), evaluate(tree.right, lookup)
        if not left.terms and not right.terms:
            return Value(_apply(tree.operator, left.number, right.number, tree.start, tree.end))
        if tree.operator == "+":
            return Value(left.number + right.number, _merge(left.terms, right.terms, 1))
        if tree.operator == "-":
            return Value(left.number - right.number, _merge(left.terms, right.terms, -1))
        if left.weight or right.weight:
            raise Complaint(
                "ASM034",
                f"An address cannot be used with `{tree.operator.removeprefix('u')}`.",
                tree.start,
                tree.end,
                "only + and - make sense with one label; a difference of two labels is a plain number",
            )
        return Value(
            _apply(tree.operator, left.number, right.number, tree.start, tree.end),
            tuple({**dict(left.terms), **dict(right.terms)}.items()),
        )
    if kind is Unary:
        assert isinstance(tree, Unary)
        inner = evaluate(tree.operand, lookup)
        if inner.terms and tree.operator == "-":
            return Value(-inner.number, tuple((run, -count) for run, count in inner.terms))
        if inner.weight:
            raise Complaint(
                "ASM034", f"An address cannot be used with `{tree.operator}`.", 0, 0,
                "only + and - make sense with one label; a difference of two labels is a plain number",
            )  # fmt: skip
        return Value(_apply_unary(tree.operator, inner.number), inner.terms)
    if isinstance(tree, RegisterLeaf):
        raise Complaint(
            "ASM022",
            f"The register {tree.register.name} cannot stand here.",
            tree.start,
            tree.end,
            "only constants can",
        )
    if isinstance(tree, Bracket):
        raise Complaint("ASM014", "Square brackets cannot stand here.", tree.start, tree.end)
    return lookup(tree)


def _merge(
    left: tuple[tuple[int, int], ...], right: tuple[tuple[int, int], ...], sign: int
) -> tuple[tuple[int, int], ...]:
    counts = dict(left)
    for run, count in right:
        counts[run] = counts.get(run, 0) + sign * count
    return tuple((run, count) for run, count in counts.items() if count)


def symbols_in(tree: Expression | None) -> list[Symbol]:
    """Every name in the tree, from left to right."""
    if isinstance(tree, Symbol):
        return [tree]
    if isinstance(tree, Binary):
        return symbols_in(tree.left) + symbols_in(tree.right)
    if isinstance(tree, Unary):
        return symbols_in(tree.operand)
    return symbols_in(tree.inner) if isinstance(tree, Bracket) else []


def has_register(tree: Expression) -> bool:
    """Whether a register stands anywhere in the tree."""
    if isinstance(tree, RegisterLeaf):
        return True
    if isinstance(tree, Binary):
        return has_register(tree.left) or has_register(tree.right)
    if isinstance(tree, Unary):
        return has_register(tree.operand)
    return isinstance(tree, Bracket) and has_register(tree.inner)


def has_bracket(tree: Expression) -> bool:
    """Whether square brackets stand anywhere in the tree."""
    if isinstance(tree, Bracket):
        return True
    if isinstance(tree, Binary):
        return has_bracket(tree.left) or has_bracket(tree.right)
    return isinstance(tree, Unary) and has_bracket(tree.operand)
