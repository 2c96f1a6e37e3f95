"""Register values at one instant."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from execmem_kernel.x86.registers import FLAGS, LANES, PARTS, VECTOR_SIZES, is_vector


@dataclass(frozen=True, slots=True)
class Registers(Mapping[str, int]):
    """Register values at one instant, unsigned; parts are there too: `["eax"]`, `["ax"]`, `["al"]`, `["ah"]`.

    Iterates over the sixteen general registers, rip and rflags. Vector registers: `["xmm0"]` ... as whole unsigned
    numbers, where the engine read them.
    """

    values_: Mapping[str, int]
    vectors: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """"zmm0"/"ymm0"/"xmm0" and "k1" to their bytes, widest the CPU has."""

    def __getitem__(self, name: str) -> int:
        value = self.values_.get(name)
        if value is not None:
            return value
        name = name.lower()
        if name in self.values_:
            return self.values_[name]
        if name in PARTS:
            whole, shift, bits = PARTS[name]
            return (self.values_[whole] >> shift) & ((1 << bits) - 1)
        if is_vector(name):
            size = VECTOR_SIZES.get(name[0], 0)
            for width in "zyx":
                data = self.vectors.get(width + name[1:])
                if data is not None and size <= len(data):
                    return int.from_bytes(data[:size], "little")
        if name in self.vectors:
            return int.from_bytes(self.vectors[name], "little")
        raise KeyError(name)

    def lanes(self, name: str, kind: str = "double") -> tuple[float, ...]:
        """The lanes of a vector register, lowest first: `lanes("xmm0", "int32")`.

        Args:
            name: xmm, ymm or zmm, and a number.
            kind: What a lane is: double, float, half, or int8 to int64 and uint8 to uint64.

        Raises:
            KeyError: This processor has no such register.
            ValueError: There is no such kind of lane.
        """
        if kind not in LANES:
            raise ValueError(f"{kind!r} is no kind of lane; there are {', '.join(LANES)}")
        size = VECTOR_SIZES.get(name[:1].lower(), 0)
        if not size or not is_vector(name.lower()):
            raise ValueError(f"{name!r} has no lanes: it is no vector register")
        code = LANES[kind]
        return struct.unpack(f"<{size // struct.calcsize(code)}{code}", self[name].to_bytes(size, "little"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the flags that are set, in bit order."""
        return tuple(name for name, bit in FLAGS.items() if self.values_["rflags"] >> bit & 1)
