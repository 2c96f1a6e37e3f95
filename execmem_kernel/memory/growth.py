"""Growth policies: pure functions from what is needed and what there is already to the size of the next slab.

    policy(need, history) -> bytes      need: bytes that one slab must at least hold
                                        history: sizes of all slabs that exist now, oldest first
                                        0: this policy allows no further slab

Any callable of this shape will do. The manager rounds the answer up to whole pages, and refuses what goes past its
own limit or the limits of the process (RLIMIT_AS, RLIMIT_FSIZE), so a policy need not know them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
Growth = Callable[[int, Sequence[int]], int]
"""The shape of a growth policy."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Every slab has the same size; a block that does not fit gets a slab of its own size.

    The choice where memory must be predictable: the n-th slab costs what the first did.
    """

    size: int = 64 * KIB

    def __call__(self, need: int, history: Sequence[int]) -> int:
        return max(self.size, need)


@dataclass(frozen=True, slots=True)
class Doubling:
    """Each slab is twice the largest there is, from `first` up to `largest`.

    The number of mappings then grows with the logarithm of the code, and at most half of what is reserved is unused
    when the last slab has just been added.
    """

    first: int = 64 * KIB
    largest: int = MIB

    def __call__(self, need: int, history: Sequence[int]) -> int:
        following = min(2 * max(history), self.largest) if history else self.first
        return max(following, need)


@dataclass(frozen=True, slots=True)
class Bounded:
    """Another policy, and never more than `limit` bytes in all slabs together.

    Close to the limit it gives what is left, as long as that holds the block.
    """

    policy: Growth
    limit: int

    def __call__(self, need: int, history: Sequence[int]) -> int:
        size = min(self.policy(need, history), self.limit - sum(history))
        return size if size >= need else 0
