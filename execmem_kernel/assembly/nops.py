"""Padding between instructions: bytes that do nothing, as GNU as fills them in."""

from __future__ import annotations

_NOPS = (
    b"", b"\x90", b"\x66\x90", b"\x0f\x1f\x00", b"\x0f\x1f\x40\x00", b"\x0f\x1f\x44\x00\x00",
    b"\x66\x0f\x1f\x44\x00\x00",
    b"\x0f\x1f\x80\x00\x00\x00\x00", b"\x0f\x1f\x84\x00\x00\x00\x00\x00", b"\x66\x0f\x1f\x84\x00\x00\x00\x00\x00",
    b"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", b"\x66\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00",
)  # fmt: skip
"""One instruction that does nothing, by its size. Source: Intel SDM vol. 2B, NOP, and what GNU as 2.40 writes."""


def nops(size: int) -> bytes:
    """Bytes that do nothing, in as few instructions as may be; a jump over them where they would be more than eight.

    Source: i386_generate_nops in gas/config/tc-i386.c, binutils 2.40.
    """
    longest = len(_NOPS) - 1
    if size // longest > 7:
        if size - 2 < 128:
            return b"\xeb" + bytes([size - 2]) + _plain_nops(size - 2)
        return b"\xe9" + (size - 5).to_bytes(4, "little") + _plain_nops(size - 5)
    return _plain_nops(size)


def _plain_nops(size: int) -> bytes:
    longest = len(_NOPS) - 1
    return _NOPS[longest] * (size // longest) + _NOPS[size % longest]
