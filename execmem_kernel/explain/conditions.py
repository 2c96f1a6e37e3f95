"""Condition codes in words."""

from __future__ import annotations

from types import MappingProxyType

# ---- conditions ------------------------------------------------------------------------------------------------------

CONDITIONS = MappingProxyType(
    {
        "o": ("there was a signed overflow", "of is 1"), "no": ("there was no signed overflow", "of is 0"),
        "b": ("the first was below the second, as unsigned numbers", "cf is 1"),
        "ae": ("the first was above or equal, as unsigned numbers", "cf is 0"),
        "e": ("the two were equal, or the result was zero", "zf is 1"),
        "ne": ("the two were different, or the result was not zero", "zf is 0"),
        "be": ("the first was below or equal, as unsigned numbers", "cf or zf is 1"),
        "a": ("the first was above the second, as unsigned numbers", "cf and zf are 0"),
        "s": ("the result was negative", "sf is 1"), "ns": ("the result was not negative", "sf is 0"),
        "p": ("the low byte of the result has an even number of ones", "pf is 1"),
        "np": ("the low byte of the result has an odd number of ones", "pf is 0"),
        "l": ("the first was less than the second, as signed numbers", "sf differs from of"),
        "ge": ("the first was greater or equal, as signed numbers", "sf equals of"),
        "le": ("the first was less or equal, as signed numbers", "zf is 1 or sf differs from of"),
        "g": ("the first was greater than the second, as signed numbers", "zf is 0 and sf equals of"),
    }
)  # fmt: skip
"""Condition code -> what it says after a comparison, and which flags it looks at (Intel SDM vol. 1, appendix B)."""
