"""What packages above this one provide to it; the facade sets both hooks when it is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Witness = Literal["supervisor", "guest"]
"""Who reports what a program did: a process that watches it by ptrace, or its own process."""


def _unset(*_arguments: object) -> Any:
    raise AssertionError("execmem_kernel/__init__.py sets the hooks of memory before anything can call them")


function_factory: Callable[[Any, str], Any] = _unset
"""Makes a callable of a piece of sealed `ExecutableMemory` and a C prototype."""

watching: Callable[[], tuple[Witness | None, str]] = _unset
"""Tries whether a program can be watched; None where none can be run, and "works" or the reason why not."""
