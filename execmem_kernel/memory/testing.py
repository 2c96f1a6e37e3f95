"""`assert_no_leaks`: fail where executable memory outlives a block."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import replace

from execmem_kernel.errors import LeakError
from execmem_kernel.memory.intervals import subtract, total_size
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.session import manager


@contextlib.contextmanager
def assert_no_leaks(books: CodeMemoryManager | None = None) -> Iterator[None]:
    """Fail if executable memory allocated inside the block outlives it, managed or not.

    Args:
        books: The manager to watch; the session's own by default.

    Raises:
        LeakError: Names every piece, where it was allocated, and what keeps it alive.
    """
    books = books or manager()
    before = [(finding.address, finding.address + finding.size) for finding in books.audit().foreign]
    first = books.statistics().events
    yield
    gc.collect()
    left = []
    for finding in books.audit().findings:
        if finding.kind == "foreign":
            size = total_size(subtract([(finding.address, finding.address + finding.size)], before))
            if size:
                left.append(replace(finding, size=size))
        elif finding.sequence > first:
            left.append(finding)
    if left:
        raise LeakError("executable memory outlives this block:\n" + "\n".join(str(finding) for finding in left))
