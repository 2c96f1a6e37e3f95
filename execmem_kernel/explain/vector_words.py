"""What vector instructions do, in words: their names are made of parts, and so are the sentences.

    vpsubusw zmm0, zmm1, zmm2  -->  sub, us, w  -->  "subtracts the 16-bit numbers of zmm2 from those of zmm1, ..."

Sources: Intel SDM vol. 2; AMD APM vol. 4.
"""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ELEMENTS = {
    "b": "bytes", "w": "16-bit numbers", "d": "32-bit numbers", "q": "64-bit numbers", "dq": "128-bit halves",
    "ps": "32-bit floating-point numbers", "pd": "64-bit floating-point numbers", "ph": "16-bit floating-point numbers",
    "ss": "32-bit floating-point numbers", "sd": "64-bit floating-point numbers", "sh": "16-bit floating-point numbers",
}  # fmt: skip
"""The end of a name -> what the vector is made of."""
_ONE = {name: words.removesuffix("s").replace("halve", "half") for name, words in _ELEMENTS.items()}
_NUMBER = re.compile(r"-?(?:0x[0-9a-f]+|\d+)\Z")
_TWICE = {"b": "w", "w": "d", "d": "q", "q": "dq"}


@dataclass(frozen=True, slots=True)
class _Words:
    """An instruction's operands in words: the destination, and what it is made from."""

    to: str
    one: str
    """The first source: the destination itself in instructions of two operands."""
    two: str
    number: str
    """The immediate operand, or ""."""
    all: tuple[str, ...]
    raw: tuple[str, ...]
    is_vex: bool

    @property
    def into(self) -> str:
        """ ", into xmm0" where that is not clear already."""
        return "" if self.to == self.one else f", into {self.to}"

    def lowest(self, operand: str, element: str) -> str:
        """One number, from the bottom of a register or from memory."""
        where = "in" if " at " in operand else "of"
        return f"the {'' if where == 'in' else 'lowest '}{_ONE[element]} {where} {operand}"

    @property
    def rest(self) -> str:
        """What a scalar instruction does to the other elements."""
        if self.is_vex:
            return f", into {self.to}, with the rest of its low 16 bytes from {self.one}"
        return f", leaving the rest of {self.to} as it is"


def in_words(mnemonic: str, operands: Sequence[str], raw: Sequence[str], is_vex: bool) -> str | None:
    """What a vector instruction does, as the middle of a sentence; None for a name that follows none of the rules.

    Args:
        mnemonic: The one name of the instruction.
        operands: Its operands in words.
        raw: Its operands as they stand in the text, without decorations.
        is_vex: Whether it is encoded with VEX or EVEX: such a one names its destination apart.
    """
    vectors = any(re.search(r"\b(?:[xyz]?mm|k|tmm)\d", one) for one in raw)
    if not operands or not (vectors or mnemonic.removeprefix("v").startswith("cvt")):
        return None
    name = mnemonic.removeprefix("v") if is_vex else mnemonic
    given = [one for one in operands if not _NUMBER.match(one)]
    number = next((one for one in operands if _NUMBER.match(one)), "")
    if not given:
        return None
    to = given[0]
    one = given[1] if is_vex and len(given) > 2 else to
    two = given[min(len(given) - 1, 2 if is_vex else 1)]
    words = _Words(to, one, two, number, tuple(given), tuple(raw), is_vex)
    for pattern, say in _RULES:
        found = pattern.fullmatch(name)
        if found is not None and (text := say(found, words)) is not None:
            return text
    return None


_Say = Callable[[re.Match[str], _Words], "str | None"]
_RULES: list[tuple[re.Pattern[str], _Say]] = []


def _rule(pattern: str) -> Callable[[_Say], _Say]:
    def add(say: _Say) -> _Say:
        _RULES.append((re.compile(pattern), say))
        return say

    return add


def _template(pattern: str, text: str) -> None:
    """A rule whose sentence needs only words: {E} elements, {e} one of them, by the pattern's last group."""

    def say(found: re.Match[str], w: _Words) -> str:
        element = found[found.re.groups] if found.re.groups else ""
        return text.format(
            E=_ELEMENTS.get(element, ""),
            e=_ONE.get(element, ""),
            to=w.to,
            one=w.one,
            two=w.two,
            n=w.number,
            into=f", into {w.to}",
        )

    _RULES.append((re.compile(pattern), say))


# ---- arithmetic ------------------------------------------------------------------------------------------------------

_PACKED = {
    "add": "adds the {E} of {two} to those of {one}, each to each", "sub": "subtracts the {E} of {two} from those of {one}, each from each",
    "mul": "multiplies the {E} of {one} by those of {two}, each by each", "div": "divides the {E} of {one} by those of {two}, each by each",
    "min": "keeps the smaller of each two {E} of {one} and {two}", "max": "keeps the larger of each two {E} of {one} and {two}",
}  # fmt: skip
_SCALAR = {
    "add": "adds {b} to {a}", "sub": "subtracts {b} from {a}", "mul": "multiplies {a} by {b}", "div": "divides {a} by {b}",
    "min": "keeps the smaller of {a} and {b}", "max": "keeps the larger of {a} and {b}",
}  # fmt: skip


@_rule(r"(add|sub|mul|div|min|max)(p[sdh])")
def _arithmetic(found: re.Match[str], w: _Words) -> str:
    into = f", in {w.to}" if found[1] in ("min", "max") else w.into
    return _PACKED[found[1]].format(E=_ELEMENTS[found[2]], one=w.one, two=w.two) + into


@_rule(r"(add|sub|mul|div|min|max)(s[sdh])")
def _scalar_arithmetic(found: re.Match[str], w: _Words) -> str:
    a, b = w.lowest(w.one, found[2]), w.lowest(w.two, found[2])
    return _SCALAR[found[1]].format(a=a, b=b) + w.rest


_ROOTS = {
    "sqrt": "the square root", "rsqrt": "about one divided by the square root", "rcp": "about one divided by the value", "rsqrt14": "about one divided by the square root",
    "rcp14": "about one divided by the value", "rsqrt28": "about one divided by the square root", "rcp28": "about one divided by the value", "exp2": "about two to the power", "getexp": "the exponent", "getmant": "the mantissa", "round": "the rounded value", "rndscale": "the rounded value",
    "reduce": "what rounding takes away",
}  # fmt: skip


@_rule(r"(sqrt|rsqrt|rcp|rsqrt14|rcp14|rsqrt28|rcp28|exp2|getexp|getmant|round|rndscale|reduce)([ps][sdh])")
def _root(found: re.Match[str], w: _Words) -> str:
    how = f" (how, {w.number} says)" if w.number else ""
    if found[2][0] == "p":
        return f"puts {_ROOTS[found[1]]} of every {_ONE[found[2]]} of {w.two} into {w.to}{how}"
    bottom = "" if w.is_vex else f", into the bottom of {w.to}"
    return f"takes {_ROOTS[found[1]]} of {w.lowest(w.two, found[2])}{how}{bottom}{w.rest}"


@_rule(r"f(n?)m(add|sub|addsub|subadd)(132|213|231)([ps][sdh])")
def _fused(found: re.Match[str], w: _Words) -> str:
    x, y, z = {"132": (w.to, w.two, w.one), "213": (w.one, w.to, w.two), "231": (w.one, w.two, w.to)}[found[3]]
    product = f"the negative products of {x} and {y}" if found[1] else f"the products of {x} and {y}"
    if found[4][0] == "s":
        product = product.replace("products", "product")
    how = {
        "add": f"adds {z} to {product}", "sub": f"subtracts {z} from {product}", "addsub": f"takes {product} and in turn subtracts and adds {z}",
        "subadd": f"takes {product} and in turn adds and subtracts {z}",
    }[found[2]]  # fmt: skip
    each = f"{_ELEMENTS[found[4]]}, each with each" if found[4][0] == "p" else f"the lowest {_ELEMENTS[found[4]]} only"
    return f"{how} ({each}, rounded once), into {w.to}"


@_rule(r"p(add|sub)(s|us)?([bwdq])")
def _integers(found: re.Match[str], w: _Words) -> str:
    ends = {
        "s": ", as signed numbers that stop at the ends of their range",
        "us": ", as unsigned numbers that stop at the ends of their range",
    }
    return _PACKED[found[1]].format(E=_ELEMENTS[found[3]], one=w.one, two=w.two) + ends.get(found[2] or "", "") + w.into


_template(
    r"pmull([wdq])",
    "multiplies the {E} of {one} by those of {two}, each by each, and keeps the low halves of the products{into}",
)
_template(
    r"pmulhu?([w])",
    "multiplies the {E} of {one} by those of {two}, each by each, and keeps the high halves of the products{into}",
)
_template(
    r"pmulhrs([w])",
    "multiplies the {E} of {one} by those of {two}, as fractions, and keeps the rounded high halves{into}",
)
_template(r"pmulu?dq", "multiplies every other 32-bit number of {one} by that of {two}, to 64-bit products{into}")
_template(
    r"pmaddwd",
    "multiplies the signed 16-bit numbers of {one} by those of {two} and adds the products in pairs, to 32-bit numbers{into}",
)
_template(
    r"pmaddubsw",
    "multiplies the unsigned bytes of {one} by the signed ones of {two} and adds the products in pairs, to 16-bit numbers that stop at the ends of their range{into}",
)
_template(r"psadbw", "adds up how far the bytes of {one} and {two} are apart, eight at a time{into}")
_template(r"pavg([bw])", "puts the rounded means of the unsigned {E} of {one} and {two}, two by two, into {to}")
_template(r"pmins([bwdq])", "keeps the smaller of each two signed {E} of {one} and {two}{into}")
_template(r"pmaxs([bwdq])", "keeps the larger of each two signed {E} of {one} and {two}{into}")
_template(r"pminu([bwdq])", "keeps the smaller of each two unsigned {E} of {one} and {two}{into}")
_template(r"pmaxu([bwdq])", "keeps the larger of each two unsigned {E} of {one} and {two}{into}")
_template(r"pabs([bwdq])", "puts the {E} of {two}, without their signs, into {to}")
_template(
    r"psign([bwd])",
    "changes the signs of the {E} of {one} where those of {two} are negative, and makes them zero where those are zero{into}",
)
_template(r"p?haddp?([bwdq]|p[sd])", "adds neighbouring {E} of {one} and then of {two}{into}")
_template(
    r"p?hsubp?([bwdq]|p[sd])", "subtracts neighbouring {E} of {one} and then of {two}, the second from the first{into}"
)
_template(
    r"p(?:hadd|hsub)sw",
    "adds or subtracts neighbouring 16-bit numbers of {one} and then of {two}, stopping at the ends of their range{into}",
)
_template(r"addsub(p[sd])", "subtracts and adds in turn the {E} of {two} from and to those of {one}{into}")
_template(
    r"dpp[sd]",
    "multiplies the numbers of {one} by those of {two} and puts the sum of the products where {n} says{into}",
)
_template(r"mpsadbw", "adds up how far groups of four bytes of {one} are from four bytes of {two} that {n} says{into}")
_template(r"dbpsadbw", "adds up how far groups of four bytes of {one} are from those of {two} that {n} says, into {to}")
_template(r"phminposuw", "puts the smallest of the unsigned 16-bit numbers of {two}, and its place, into {to}")
_template(r"scalef[ps]([sdh])", "multiplies the numbers of {one} by two to the power of those of {two}, into {to}")
_template(
    r"range[ps][sd]",
    "keeps the smaller or larger of each two numbers of {one} and {two}, with the sign that {n} says, into {to}",
)
_template(r"fixupimm[ps][sd]", "replaces special numbers in {to} by what the table in {two} says for those of {one}")
_template(
    r"pdpb(?:us|uu|ss|su)ds?",
    "multiplies the bytes of {one} by those of {two} and adds each four products to a 32-bit number of {to}",
)
_template(
    r"pdpw(?:ss|us|su|uu)ds?",
    "multiplies the 16-bit numbers of {one} by those of {two} and adds each two products to a 32-bit number of {to}",
)
_template(
    r"dpbf16ps",
    "multiplies the bfloat16 numbers of {one} by those of {two} and adds each two products to a 32-bit floating-point number of {to}",
)
_template(
    r"pmadd52luq",
    "multiplies the low 52 bits of the 64-bit numbers of {one} and {two} and adds the low 52 bits of the products to {to}",
)
_template(
    r"pmadd52huq",
    "multiplies the low 52 bits of the 64-bit numbers of {one} and {two} and adds the high 52 bits of the products to {to}",
)
_template(r"fc?mulc[ps]h", "multiplies the complex numbers of 16-bit parts in {one} by those in {two}, into {to}")
_template(
    r"fc?maddc[ps]h",
    "multiplies the complex numbers of 16-bit parts in {one} by those in {two} and adds the products to {to}",
)


# ---- bits ------------------------------------------------------------------------------------------------------------

_template(r"andp[sd]|pand[dq]?", "keeps the bits that are 1 in both {one} and {two}, in {to}")
_template(r"andnp[sd]|pandn[dq]?", "keeps the bits of {two} that are 0 in {one}, in {to}")
_template(r"orp[sd]|por[dq]?", "keeps the bits that are 1 in {one} or in {two}, in {to}")
_template(r"xorp[sd]|pxor[dq]?", "keeps the bits in which {one} and {two} differ, in {to}")
_template(
    r"pternlog[dq]",
    "puts into each bit of {to} what the table {n} says for the three bits of {to}, {one} and {two} there",
)
_template(r"popcnt([bwdq])|ppopcnt([bwdq])", "counts the ones in every element of {two}, into {to}")
_template(r"plzcnt([dq])", "counts the zeros at the top of the {E} of {two}, into {to}")
_template(r"pconflict([dq])", "says for each of the {E} of {two} which of those before it are equal, into {to}")
_template(
    r"pmultishiftqb",
    "picks for each byte of {to} eight bits in a row of the 64-bit number of {two}, from where the byte of {one} says",
)
_template(r"gf2p8mulb", "multiplies the bytes of {one} and {two} in the field of 256 elements{into}")
_template(
    r"gf2p8affine(?:inv)?qb",
    "transforms the bytes of {one} by the bit matrices of {two} and adds {n}, bit by bit{into}",
)
_template(r"pclmul\w*", "multiplies one 64-bit half of {one} by one of {two} without carries{into}")


_SHIFTS = {
    "psll": ("shifts", "left", ", filling with zeros"), "psrl": ("shifts", "right", ", filling with zeros"),
    "psra": ("shifts", "right", ", filling with copies of their signs"), "prol": ("rotates", "left", ""), "pror": ("rotates", "right", ""),
}  # fmt: skip


@_rule(r"(ps[lr]l|psra|pro[lr])(v?)([wdq])")
def _shift(found: re.Match[str], w: _Words) -> str:
    verb, side, filling = _SHIFTS[found[1]]
    source = w.one if not w.number else w.two if w.is_vex else w.to
    by = w.number if w.number else f"the number in the low 64 bits of {w.two}"
    if found[2]:
        by = f"the numbers of {w.two}, each by its own"
    into = "" if source == w.to else f", into {w.to}"
    return f"{verb} the {_ELEMENTS[found[3]]} of {source} {side} by {by}{filling}{into}"


@_rule(r"ps([lr])ldq")
def _shift_bytes(found: re.Match[str], w: _Words) -> str:
    side = "left" if found[1] == "l" else "right"
    return f"shifts {w.two} {side} by {w.number} whole bytes, filling with zeros{'' if w.two == w.to else f', into {w.to}'}"


_template(r"pshld(v?)([wdq])", "shifts the {E} of {one} left and fills them from the tops of those of {two}, into {to}")
_template(
    r"pshrd(v?)([wdq])", "shifts the {E} of {one} right and fills them from the bottoms of those of {two}, into {to}"
)


# ---- comparisons -----------------------------------------------------------------------------------------------------

_COMPARED = {
    "eq": "equals", "lt": "is less than", "le": "is at most", "unord": "is not comparable with", "neq": "differs from", "nlt": "is not less than",
    "nle": "is not at most", "ord": "is comparable with", "nge": "is not at least", "ngt": "is not greater than", "ge": "is at least",
    "gt": "is greater than", "false": "(never)", "true": "(always)",
}  # fmt: skip


def _comparison(w: _Words, element: str, how: str, scalar: bool, kind: str = "") -> str:
    if w.to.startswith("k"):
        if scalar:
            return f"makes {w.to} 1 if {w.lowest(w.one, element)} {how} {w.lowest(w.two, element)}, and 0 otherwise"
        return f"makes each bit of {w.to} 1 where the {kind}{_ONE[element]} of {w.one} {how} that of {w.two}, and 0 elsewhere"
    if scalar:
        return f"makes the lowest {_ONE[element]} of {w.to} all ones if {w.lowest(w.one, element)} {how} {w.lowest(w.two, element)}, and zero otherwise"
    return f"makes every {_ONE[element]} of {w.to} all ones where that of {w.one} {how} that of {w.two}, and zero elsewhere"


@_rule(r"cmp(eq|lt|le|unord|neq|nlt|nle|ord|nge|ngt|ge|gt|false|true)?(?:_[ous]?[qs]?)?([ps][sdh])")
def _floats_compared(found: re.Match[str], w: _Words) -> str:
    how = _COMPARED[found[1]] if found[1] else f"stands in the relation numbered {w.number} to"
    return _comparison(w, found[2], how, found[2][0] == "s")


@_rule(r"pcmp(eq|gt|lt|le|neq|nlt|nle|false|true)?(u?)([bwdq])")
def _integers_compared(found: re.Match[str], w: _Words) -> str:
    how = _COMPARED[found[1]] if found[1] else f"stands in the relation numbered {w.number} to"
    return _comparison(w, found[3], how, False, "unsigned " if found[2] else "")


_template(
    r"ptestm([bwdq])",
    "makes each bit of {to} 1 where the {e} of {one} and that of {two} have a 1 in common, and 0 elsewhere",
)
_template(
    r"ptestnm([bwdq])",
    "makes each bit of {to} 1 where the {e} of {one} and that of {two} have no 1 in common, and 0 elsewhere",
)
_template(
    r"ptest",
    "sets zf if {to} and {two} have no 1 in common, and cf if every 1 of {two} is one of {to} too; the other flags become 0",
)
_template(
    r"test(p[sd])",
    "looks at the signs of the {E} only: sets zf if {to} and {two} have none in common, and cf if every sign of {two} is one of {to} too; the other flags become 0",
)
_template(
    r"u?comi(s[sdh])",
    "compares the lowest {e} of {to} with that of {two} into zf, pf and cf, as for unsigned numbers; all three are 1 where one is no number, and of, sf and af become 0",
)
_template(
    r"fpclass([ps][sdh])",
    "makes the bits of {to} 1 for the {E} of {two} that are of the kinds that {n} names, and 0 elsewhere",
)
_template(
    r"p2intersect([dq])",
    "makes the bits of {to} and of the mask beside it 1 for the {E} of {one} and {two} that are in the other, too",
)


# ---- copies ----------------------------------------------------------------------------------------------------------


@_rule(r"mov([au])p[sdh]|movdq([au])(?:8|16|32|64)?|lddqu|movnt(?:p[sd]|dqa?|q)")
def _copy(found: re.Match[str], w: _Words) -> str:
    text = f"copies {w.two} into {w.to}"
    if not any("[" in one for one in w.raw):
        return text
    if found[0].startswith("movnt"):
        return f"{text}, past the caches"
    return (
        f"{text}, whose address has to be aligned to its size"
        if "a" in (found[1], found[2])
        else f"{text}, aligned or not"
    )


@_rule(r"mov(ss|sd|sh)")
def _one_float(found: re.Match[str], w: _Words) -> str:
    element = found[1]
    if len(w.all) > 2:
        return f"puts {w.lowest(w.two, element)} and the rest of the low 16 bytes of {w.one} together into {w.to}"
    if "[" in w.raw[0]:
        return f"copies {w.lowest(w.two, element)} into {w.to}"
    if "[" in w.raw[1]:
        return f"copies {w.lowest(w.two, element)} into {w.to} and makes the rest of it zero"
    return f"copies {w.lowest(w.two, element)} into {w.to}, leaving the rest of {w.to} as it is"


@_rule(r"mov([dqw])")
def _low_bits(found: re.Match[str], w: _Words) -> str:
    bits = {"w": 16, "d": 32, "q": 64}[found[1]]
    source = w.two if "[" in w.raw[1] or not re.match(r"[xyz]?mm", w.raw[1]) else f"the low {bits} bits of {w.two}"
    if w.raw[1].startswith("mm") and bits == 64:
        source = w.two
    if not re.match(r"[xyz]?mm", w.raw[0]) or (w.raw[0].startswith("mm") and bits == 64):
        return f"copies {source} into {w.to}"
    return f"copies {source} into the low {bits} bits of {w.to} and makes the rest zero"


@_rule(r"mov([lh])p[sd]")
def _half(found: re.Match[str], w: _Words) -> str:
    half = "low" if found[1] == "l" else "high"
    if "[" in w.raw[0]:
        return f"copies the {half} 8 bytes of {w.two} into {w.to}"
    if len(w.all) > 2:
        other = "high" if half == "low" else "low"
        return f"puts {w.two} as the {half} 8 bytes and the {other} 8 bytes of {w.one} together into {w.to}"
    return f"copies {w.two} into the {half} 8 bytes of {w.to}, leaving the rest as it is"


_template(r"pshufbitqmb", "makes each bit of {to} that bit of the 64-bit number of {one} which the byte of {two} names")
_template(r"movhlps", "copies the high 8 bytes of {two} into the low 8 bytes of {to}; the high ones are those of {one}")
_template(r"movlhps", "copies the low 8 bytes of {two} into the high 8 bytes of {to}; the low ones are those of {one}")
_template(r"movmsk(p[sd])", "gathers the signs of the {E} of {two} into the low bits of {to}")
_template(r"pmovmskb", "gathers the top bit of every byte of {two} into {to}")
_template(r"movddup", "copies each even 64-bit floating-point number of {two} into {to} twice, side by side")
_template(r"movshdup", "copies each odd 32-bit floating-point number of {two} into {to} twice, side by side")
_template(r"movsldup", "copies each even 32-bit floating-point number of {two} into {to} twice, side by side")
_template(r"movq2dq", "copies {two} into the low 8 bytes of {to} and makes the rest zero")
_template(r"movdq2q", "copies the low 8 bytes of {two} into {to}")
_template(r"pmovm2([bwdq])", "makes each of the {E} of {to} all ones where {two} has a 1, and zero elsewhere")
_template(r"pmov([bwdq])2m", "gathers the top bits of the elements of {two} into {to}")


@_rule(r"p?broadcast([bwdq]|s[sd])")
def _repeated(found: re.Match[str], w: _Words) -> str:
    source = f"the lowest {_ONE[found[1]]} of {w.two}" if w.raw[1].startswith("xmm") else w.two
    return f"repeats {source} in every element of {w.to}"


_template(r"p?broadcast\w+", "repeats {two} all over {to}")
_template(r"maskmov(?:dqu|q)", "stores the bytes of {to} for which the top bit of that of {two} is 1 where rdi points")


@_rule(r"p?maskmov(p[sd]|[dq])")
def _masked(found: re.Match[str], w: _Words) -> str:
    elements = _ELEMENTS[found[1]]
    if "[" in w.raw[0]:
        return f"stores the {elements} of {w.two} for which the sign in {w.one} is 1 into {w.to}, and nothing of the others"
    return (
        f"loads the {elements} for which the sign in {w.one} is 1 from {w.two} into {w.to}, and makes the others zero"
    )


@_rule(r"pmov([sz])x([bwd])([wdq])")
def _widened(found: re.Match[str], w: _Words) -> str:
    filling = "copies of their signs" if found[1] == "s" else "zeros"
    return f"widens the {_ELEMENTS[found[2]]} at the bottom of {w.two} to {_ELEMENTS[found[3]]} with {filling}, into {w.to}"


@_rule(r"pmov(s|us)?([wdq])([bwd])")
def _narrowed(found: re.Match[str], w: _Words) -> str:
    how = {"s": ", stopping at the ends of the signed range", "us": ", stopping at the end of the unsigned range"}.get(
        found[1] or "", ", cutting off the tops"
    )
    return f"narrows the {_ELEMENTS[found[2]]} of {w.two} to {_ELEMENTS[found[3]]}{how}, into {w.to}"


# ---- other orders ----------------------------------------------------------------------------------------------------

_template(
    r"shuf(p[sd])",
    "picks {E} of {one} for the low half of each 16 bytes and of {two} for the high half, as the bits of {n} say{into}",
)
_template(r"pshufd", "picks 32-bit numbers of {two} into {to}, as the bits of {n} say")
_template(
    r"pshuf[lh]w",
    "copies {two} into {to} with one half of each 16 bytes in another order, as the bits of {n} say for its 16-bit numbers",
)
_template(
    r"pshufb",
    "picks for each byte of {to} the byte of {one} that {two} names, or zero where the top bit of the name is 1",
)
_template(r"pshufw", "picks 16-bit numbers of {two} into {to}, as the bits of {n} say")
_template(r"shuf[fi](?:32x4|64x2)", "picks 16-byte blocks of {one} and {two} into {to}, as the bits of {n} say")
_template(r"unpckl(p[sd])", "takes the low {E} of {one} and {two} in turn{into}")
_template(r"unpckh(p[sd])", "takes the high {E} of {one} and {two} in turn{into}")
_template(r"perm2[fi]128", "picks 16-byte blocks of {one} and {two} into {to}, as the bits of {n} say")
_template(r"permt2([bwdq]|p[sd])", "picks {E} out of {to} and {two}, as the numbers of {one} say, into {to}")
_template(r"permi2([bwdq]|p[sd])", "picks {E} out of {one} and {two}, as the numbers in {to} say, into {to}")
_template(
    r"palignr", "joins {one} above {two}, block by block of 16 bytes, drops the lowest {n} bytes, and keeps 16{into}"
)
_template(
    r"align([dq])", "joins {one} above {two}, drops the lowest {n} of the {E}, and keeps a whole register, in {to}"
)
_template(r"p?blend(?:w|d|p[sd])", "takes the elements of {two} where {n} has a 1, and those of {one} elsewhere{into}")
_template(
    r"p?blendm(?:[bwdq]|p[sd])",
    "takes the elements of {two} where the mask has a 1, and those of {one} elsewhere, into {to}",
)
_template(
    r"(?:compress|pcompress)([bwdq]|p[sd])",
    "packs those {E} of {two} for which the mask has a 1 side by side into {to}",
)
_template(
    r"(?:expand|pexpand)([bwdq]|p[sd])",
    "spreads {E} that lie side by side in {two} to the places in {to} where the mask has a 1",
)
_template(r"insertps", "puts one 32-bit floating-point number of {two} into {to}, and makes others zero, as {n} says")
_template(r"extractps", "copies element {n} of {two}, a 32-bit floating-point number, into {to}")
_template(r"pextr([bwdq])", "copies element {n} of {two}, a {e}, into {to}")


@_rule(r"blendv(p[sd])|pblendvb")
def _blended(found: re.Match[str], w: _Words) -> str:
    by = w.all[3] if len(w.all) > 3 else "xmm0"
    return (
        f"takes the elements of {w.two} where the top bit of that of {by} is 1, and those of {w.one} elsewhere{w.into}"
    )


@_rule(r"(insert|extract)[fi](128|32x4|64x2|32x8|64x4)")
def _block(found: re.Match[str], w: _Words) -> str:
    size = 32 if found[2] in ("32x8", "64x4") else 16
    if found[1] == "insert":
        return f"copies {w.one} into {w.to} with its {size}-byte block number {w.number} replaced by {w.two}"
    return f"copies the {size}-byte block number {w.number} of {w.two} into {w.to}"


@_rule(r"punpck([lh])(bw|wd|dq|qdq)")
def _in_turn(found: re.Match[str], w: _Words) -> str:
    which = "low" if found[1] == "l" else "high"
    return f"takes the {which} {_ELEMENTS[found[2][0]]} of {w.one} and {w.two} in turn{w.into}"


@_rule(r"pack(ss|us)(wb|dw)")
def _packed(found: re.Match[str], w: _Words) -> str:
    kind = "signed" if found[1] == "ss" else "unsigned"
    return f"narrows the signed {_ELEMENTS[found[2][0]]} of {w.one} and then of {w.two} to {kind} {_ELEMENTS[found[2][1]]}, stopping at the ends of their range{w.into}"


@_rule(r"p?(gather|scatter)(pf\d)?[dq]([dq]|p[sd])")
def _scattered(found: re.Match[str], w: _Words) -> str:
    elements = _ELEMENTS[found[3]]
    if found[2]:
        return f"brings the {elements} at the addresses that {w.all[0].partition(' at ')[2]} makes into the caches"
    memory = next((one for one in w.all if " at " in one), "")
    where = memory.partition(" at ")[2]
    if found[1] == "gather":
        mask = f" for which the top bit in {w.all[2]} is 1" if len(w.all) > 2 else ""
        return f"loads the {elements}{mask} from the addresses {where}, one for each element of the index, into {w.to} (the mask is cleared)"
    return f"stores the {elements} of {w.two} at the addresses {where}, one for each element of the index (the mask is cleared)"


@_rule(r"perm(il)?([bwdq]|p[sd])")
def _picked(found: re.Match[str], w: _Words) -> str:
    source, control = w.two, f"the bits of {w.number}" if w.number else f"the numbers of {w.one}"
    if found[1] and not w.number:
        source, control = w.one, f"the numbers of {w.two}"
    within = ", staying within each 16 bytes" if found[1] else ""
    return f"picks {_ELEMENTS[found[2]]} of {source} into {w.to}{within}, as {control} say"


@_rule(r"pinsr([bwdq])")
def _inserted(found: re.Match[str], w: _Words) -> str:
    source = w.two if found[1] in "dq" or " at " in w.two else f"the low bits of {w.two}"
    others = "leaving the others as they are" if w.one == w.to else f"with the others from {w.one}"
    return f"puts {source} into {w.to} as element {w.number}, a {_ONE[found[1]]}, {others}"


# ---- conversions -----------------------------------------------------------------------------------------------------

_TYPES = {
    "dq": "32-bit integers", "udq": "unsigned 32-bit integers", "qq": "64-bit integers", "uqq": "unsigned 64-bit integers", "w": "16-bit integers",
    "uw": "unsigned 16-bit integers", "ps": "32-bit floating-point numbers", "pd": "64-bit floating-point numbers", "ph": "16-bit floating-point numbers",
    "psx": "32-bit floating-point numbers", "phx": "16-bit floating-point numbers", "pi": "32-bit integers",
}  # fmt: skip
_SIZES = {"ph": 2, "w": 2, "ps": 4, "pi": 4, "dq": 4, "pd": 8, "qq": 8}


@_rule(r"cvt(t?)(dq|udq|qq|uqq|w|uw|ps|pd|ph|pi)2(dq|udq|qq|uqq|w|uw|psx?|pd|phx?|pi)")
def _converted(found: re.Match[str], w: _Words) -> str:
    how = (
        ", cutting towards zero"
        if found[1]
        else ", rounding"
        if "p" in found[2] and found[3] not in ("ps", "psx", "pd", "ph", "phx")
        else ""
    )
    source, target = _SIZES[found[2].lstrip("u")], _SIZES[found[3].rstrip("x").lstrip("u")]
    same = w.raw[0][0] == w.raw[1][0]
    low = "low " if same and target > source else ""
    rest = ", and makes the rest zero" if same and target < source else ""
    return f"makes {_TYPES[found[3]]} of the {low}{_TYPES[found[2]]} of {w.two}{how}, into {w.to}{rest}"


@_rule(r"cvt(t?)(s[sdh])2(u?)si")
def _to_integer(found: re.Match[str], w: _Words) -> str:
    how = "cuts" if found[1] else "rounds"
    return f"{how} {w.lowest(w.two, found[2])} to an {'unsigned ' if found[3] else ''}integer in {w.to}{', towards zero' if found[1] else ''}"


@_rule(r"cvt(u?)si2(s[sdh])")
def _of_integer(found: re.Match[str], w: _Words) -> str:
    return (
        f"makes a {_ONE[found[2]]} of the {'unsigned ' if found[1] else ''}integer {'in ' if ' at ' in w.two else ''}{w.two}"
        + (w.rest if w.is_vex else f" in the bottom of {w.to}, leaving the rest of {w.to} as it is")
    )


@_rule(r"cvt(s[sdh])2(s[sdh])")
def _between_floats(found: re.Match[str], w: _Words) -> str:
    return f"makes a {_ONE[found[2]]} of {w.lowest(w.two, found[1])}" + (
        w.rest if w.is_vex else f" in the bottom of {w.to}, leaving the rest of {w.to} as it is"
    )


_template(r"cvtne(?:o|e)?2?ps2bf16", "makes bfloat16 numbers of 32-bit floating-point numbers, into {to}")


# ---- masks, ciphers, tiles -------------------------------------------------------------------------------------------

_BITS = {"b": "8", "w": "16", "d": "32", "q": "64"}


@_rule(r"k(mov|and|andn|or|xor|xnor|not|add|shiftl|shiftr|ortest|test)([bwdq])")
def _mask(found: re.Match[str], w: _Words) -> str:
    low = f"the low {_BITS[found[2]]} bits"
    return {
        "mov": f"copies {low} of {w.two} into {w.to} and makes the rest zero" if w.raw[0][0] != "[" and "[" not in w.raw[0] else f"copies {low} of {w.two} into {w.to}",
        "and": f"keeps {low} that are 1 in both {w.one} and {w.two}, in {w.to}", "andn": f"keeps {low} that are 1 in {w.two} and 0 in {w.one}, in {w.to}",
        "or": f"keeps {low} that are 1 in {w.one} or in {w.two}, in {w.to}", "xor": f"keeps {low} in which {w.one} and {w.two} differ, in {w.to}",
        "xnor": f"keeps {low} in which {w.one} and {w.two} are the same, in {w.to}", "not": f"flips {low} of {w.two}, into {w.to}",
        "add": f"adds {low} of {w.one} and {w.two} as numbers, into {w.to}", "shiftl": f"shifts {low} of {w.two} left by {w.number}, into {w.to}",
        "shiftr": f"shifts {low} of {w.two} right by {w.number}, into {w.to}",
        "ortest": f"looks at {low} that are 1 in {w.to} or in {w.two}: sets zf if there are none, and cf if all are; the other flags become 0",
        "test": f"looks at {low} of {w.to} and {w.two}: sets zf if no 1 is in both, and cf if every 1 of {w.two} is in {w.to} too; the other flags become 0",
    }[found[1]]  # fmt: skip


_template(r"kunpck(?:bw|wd|dq)", "joins the low half of {one} above that of {two}, in {to}")
_template(r"aesenc", "does one round of AES encryption on {one} with the round key {two}{into}")
_template(r"aesenclast", "does the last round of AES encryption on {one} with the round key {two}{into}")
_template(r"aesdec", "does one round of AES decryption on {one} with the round key {two}{into}")
_template(r"aesdeclast", "does the last round of AES decryption on {one} with the round key {two}{into}")
_template(r"aesimc", "prepares the AES round key {two} for decryption, in {to}")
_template(r"aeskeygenassist", "helps to make the next AES round key of {two}, with the constant {n}, in {to}")
_template(r"sha1rnds4", "does four rounds of SHA-1 on {to} with the message words of {two}, of the kind that {n} says")
_template(r"sha1nexte", "makes the next state word of SHA-1 and adds it to the message words of {two}, in {to}")
_template(r"sha(1|256)msg[12]", "does a part of the next message words of SHA, from {to} and {two}, in {to}")
_template(r"sha256rnds2", "does two rounds of SHA-256 on {to} and {two} with the message words of xmm0, in {to}")
_template(
    r"pcmp[ei]stri\w?",
    "compares the texts in {to} and {two} in the way that {n} says, and puts the place found into ecx",
)
_template(
    r"pcmp[ei]strmq?",
    "compares the texts in {to} and {two} in the way that {n} says, and puts a mask of the places into xmm0",
)
_template(r"tilezero", "makes the tile {to} zero")
_template(
    r"tileloaddt?1?",
    "loads the tile {to} from memory, row by row, each row as far behind the one before as the index register says",
)
_template(
    r"tilestored",
    "stores the tile {two} in memory, row by row, each row as far behind the one before as the index register says",
)
_template(
    r"tdpb(?:ss|su|us|uu)d",
    "multiplies the matrix of bytes in {one} by that in {two} and adds the product to the 32-bit numbers of {to}",
)
_template(
    r"tdpbf16ps|tdpfp16ps",
    "multiplies the matrix of 16-bit floating-point numbers in {one} by that in {two} and adds the product to {to}",
)
