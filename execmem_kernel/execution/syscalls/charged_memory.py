"""What a program has been given by brk and mmap and not given back, page by page: what counts against its limit."""

from __future__ import annotations

from bisect import bisect_right


class ChargedMemory:
    """Ranges of addresses, whole pages, apart from each other and in order."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.size: int = 0
        """Bytes in all ranges."""

    def allows(self, more: int) -> bool:
        """Whether so many bytes more are within the limit."""
        return self.size + more <= self._most

    def add(self, start: int, end: int) -> None:
        """Count a range in which nothing is counted yet."""
        at = bisect_right(self._starts, start)
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        self.size += end - start

    def remove(self, start: int, end: int) -> None:
        """Take out whatever is counted between two addresses, and nothing else."""
        at = max(bisect_right(self._starts, start) - 1, 0)
        while at < len(self._starts) and self._starts[at] < end:
            low, high = self._starts[at], self._ends[at]
            if high <= start:
                at += 1
                continue
            left = [(low, start)] if low < start else []
            left += [(end, high)] if end < high else []
            self._starts[at : at + 1] = [one for one, _ in left]
            self._ends[at : at + 1] = [one for _, one in left]
            self.size -= min(high, end) - max(low, start)
            at += len(left)

    def covers(self, start: int, end: int) -> bool:
        """Whether all between two addresses is counted."""
        while start < end:
            at = bisect_right(self._starts, start) - 1
            if at < 0 or self._ends[at] <= start:
                return False
            start = self._ends[at]
        return True
