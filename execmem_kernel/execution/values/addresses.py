"""Where the memory of Python's objects lies, and which of it is the same: arguments alias as in C.

Two views share memory where their ranges of addresses overlap; what types they are viewed as does not matter. Views of
one object that only touch (`a`, and `a[len(a):]` for its end) are one memory too: their addresses are compared in C.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

_PYBUF_FULL_READ_ONLY = 0x11C
"""Source: Python/C API Reference Manual, "Buffer Protocol"."""


class _BufferView(ctypes.Structure):
    """Py_buffer. Source: Python/C API Reference Manual, "Buffer Protocol"."""

    _fields_ = (("address", ctypes.c_void_p), ("rest", ctypes.c_uint64 * 9))


_get_buffer = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_int)(
    ("PyObject_GetBuffer", ctypes.pythonapi)
)
_release_buffer = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("PyBuffer_Release", ctypes.pythonapi))


def address_of(view: memoryview) -> int:
    """The address of the first byte that a view shows; it stays there as long as the view lives."""
    found = _BufferView()
    # SAFETY: released at once; the view itself keeps its object from moving or resizing the memory.
    _get_buffer(view, ctypes.addressof(found), _PYBUF_FULL_READ_ONLY)
    address = int(found.address or 0)
    _release_buffer(ctypes.addressof(found))
    return address


def shared(views: Sequence[tuple[memoryview, int]]) -> list[list[tuple[int, int]]]:
    """The views in groups that share memory.

    Args:
        views: Each view, and how many bytes of memory behind it belong to it as well.

    Returns:
        For each group its views, as (number in `views`, offset from the group's first byte), by address.
    """
    if len(views) == 1:
        return [[(0, 0)]]
    starts = [address_of(view) for view, _ in views]
    roots = [_root(view) for view, _ in views]
    groups: list[list[tuple[int, int]]] = []
    group_start = group_end = 0
    members: list[object] = []
    for index in sorted(range(len(views)), key=lambda index: starts[index]):
        view, more = views[index]
        start, end = starts[index], starts[index] + view.nbytes + more
        touches = start == group_end and any(roots[index] is other for other in members)
        if groups and (start < group_end or touches):
            groups[-1].append((index, start - group_start))
            group_end = max(group_end, end)
        else:
            groups.append([(index, 0)])
            group_start, group_end, members = start, end, []
        members.append(roots[index])
    return groups


def _root(view: memoryview) -> Any:
    """The object whose memory a view of a view of a view shows in the end."""
    owner: Any = view.obj
    while True:
        inner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
        if inner is None:
            return owner
        owner = inner
