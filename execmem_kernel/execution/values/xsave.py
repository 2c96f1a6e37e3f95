"""The x87 and vector state of a processor, in and out of an XSAVE area.

The layout is the standard (non-compacted) one that ptrace uses: 512 bytes as FXSAVE writes them, a header of 64 bytes,
then each component where CPUID (leaf 0Dh) says. That of AVX is the same on every processor; those of AVX-512 lie higher
on Intel's, which leave room for MPX, than on AMD's. Sources: Intel SDM vol. 1, 13.4 and 13.5; CPUID of both.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from execmem_kernel.x86.registers import VECTOR_SIZES

CONTROL_WORD, TAGS, MXCSR = 0, 4, 24
XMM, HEADER, YMM_HIGH = 160, 512, 576
X87_BIT, SSE_BIT, AVX_BIT, OPMASK_BIT, ZMM_HIGH_BIT, ZMM_16_31_BIT = 1, 2, 4, 32, 64, 128
_INTEL, _AMD = (1088, 1152, 1664, 2688), (832, 896, 1408, 2432)
"""Where the mask registers lie, the upper halves of zmm0 to zmm15, and zmm16 to zmm31; and where those end."""
PRESENT_AT = 464
"""Linux puts the components that this processor saves (XCR0) in the bytes that FXSAVE leaves to software."""


def present(state: bytes) -> int:
    """The components of this processor, as in XCR0."""
    return int(struct.unpack_from("<Q", state, PRESENT_AT)[0])


def wide_at(state: bytes) -> tuple[int, int, int] | None:
    """Where the mask registers lie, the upper halves of zmm0 to zmm15, and zmm16 to zmm31; None without AVX-512."""
    if not present(state) & ZMM_HIGH_BIT:
        return None
    return next((at[:3] for at in (_INTEL, _AMD) if len(state) >= at[3]), None)


def in_use(state: bytes) -> int:
    """The components that are not in their initial state (XSTATE_BV)."""
    return int(struct.unpack_from("<Q", state, HEADER)[0])


def holds_mmx(state: bytes) -> bool:
    """Whether an MMX register was written and not given back: that sets the sign and exponent of its x87 register.

    The NaN that an invalid x87 operation leaves has the same exponent, and a mantissa of its own.
    """
    registers = [state[32 + 16 * n : 42 + 16 * n] for n in range(8) if state[TAGS] >> n & 1]
    return any(value[8:] == b"\xff\xff" and value[:8] != b"\0\0\0\0\0\0\0\xc0" for value in registers)


def upper_halves(state: bytes) -> bool:
    """Whether the upper half of any ymm register is not zero."""
    return bool(in_use(state) & AVX_BIT) and any(state[YMM_HIGH : YMM_HIGH + 256])


def _component(state: bytes, bit: int, at: int, size: int) -> bytes:
    """A component's bytes; one that is in its initial state is not stored, and is all zeros."""
    in_use = struct.unpack_from("<Q", state, HEADER)[0]
    return state[at : at + size] if in_use & bit else bytes(size)


def read(state: bytes) -> dict[str, bytes]:
    """Every vector register at its full width, and the mask registers, by name."""
    has = present(state)
    low = _component(state, SSE_BIT, XMM, 256)
    if not has & AVX_BIT:
        return {f"xmm{n}": low[16 * n : 16 * n + 16] for n in range(16)}
    high = _component(state, AVX_BIT, YMM_HIGH, 256)
    pairs = [low[16 * n : 16 * n + 16] + high[16 * n : 16 * n + 16] for n in range(16)]
    wide = wide_at(state)
    if wide is None:
        return {f"ymm{n}": pair for n, pair in enumerate(pairs)}
    masks = _component(state, OPMASK_BIT, wide[0], 64)
    upper = _component(state, ZMM_HIGH_BIT, wide[1], 512)
    more = _component(state, ZMM_16_31_BIT, wide[2], 1024)
    values = {f"zmm{n}": pair + upper[32 * n : 32 * n + 32] for n, pair in enumerate(pairs)}
    values |= {f"zmm{n + 16}": more[64 * n : 64 * n + 64] for n in range(16)}
    return values | {f"k{n}": masks[8 * n : 8 * n + 8] for n in range(8)}


def write(state: bytes, values: Mapping[str, int]) -> bytes:
    """The state with some registers set: xmm, ymm, zmm and k by name, each to an unsigned number of its width.

    Raises:
        ValueError: This processor has no such register.
    """
    area = bytearray(state)
    used = struct.unpack_from("<Q", area, HEADER)[0]
    has = present(state)
    masks_at, upper_at, more_at = wide_at(state) or (0, 0, 0)

    def put(bit: int, at: int, component: tuple[int, int], data: bytes, name: str) -> None:
        nonlocal used
        if not has & bit:
            raise ValueError(f"this processor has no register {name}")
        if not used & bit:
            start, size = component
            area[start : start + size] = bytes(size)
            used |= bit
        area[at : at + len(data)] = data

    for name, value in values.items():
        if name.startswith("k"):
            number = int(name[1:])
            put(OPMASK_BIT, masks_at + 8 * number, (masks_at, 64), value.to_bytes(8, "little"), name)
            continue
        number = int(name[3:])
        width = VECTOR_SIZES[name[0]]
        data = value.to_bytes(width, "little")
        if number >= 16:
            put(ZMM_16_31_BIT, more_at + 64 * number - 1024, (more_at, 1024), data, name)
            continue
        put(SSE_BIT, XMM + 16 * number, (XMM, 256), data[:16], name)
        if width >= 32:
            put(AVX_BIT, YMM_HIGH + 16 * number, (YMM_HIGH, 256), data[16:32], name)
        if width == 64:
            put(ZMM_HIGH_BIT, upper_at + 32 * number, (upper_at, 512), data[32:], name)
    struct.pack_into("<Q", area, HEADER, used)
    return bytes(area)


class LazyVectors(Mapping[str, bytes]):
    """The registers in a saved state, read when somebody looks: most runs touch none of them."""

    __slots__ = ("_found", "_state")

    def __init__(self, state: bytes) -> None:
        self._state = state
        self._found: dict[str, bytes] | None = None

    def _read(self) -> dict[str, bytes]:
        if self._found is None:
            self._found = read(self._state)
        return self._found

    def __getitem__(self, name: str) -> bytes:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __eq__(self, other: object) -> bool:
        return self._read() == (other._read() if isinstance(other, LazyVectors) else other)

    __hash__ = None  # type: ignore[assignment]
