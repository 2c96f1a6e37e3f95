"""The memory of the process that made a system call, as its handlers see it."""

from __future__ import annotations

from typing import Protocol


class GuestMemory(Protocol):
    """What answering a call needs of the process that made it."""

    def read(self, address: int, size: int) -> bytes:
        """The bytes there; fewer where memory ends."""
        ...

    def write(self, address: int, data: bytes) -> bool:
        """Write there as the program could itself; False where it could not."""
        ...
