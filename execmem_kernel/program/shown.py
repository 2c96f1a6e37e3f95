"""How a value shows itself where no extension is loaded: views stand above it, and are imported when it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _unset(value: Any) -> dict[str, str]:
    return {"text/plain": repr(value)}


bundle: Callable[[Any], dict[str, str]] = _unset
"""A value as MIME types and contents; the package sets it."""
