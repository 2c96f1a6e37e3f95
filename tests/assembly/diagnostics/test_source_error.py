"""An error in one line is a value that lines which are alike share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from execmem_kernel.assembly.diagnostics.source_error import SourceError
from execmem_kernel.assembly.syntax.tokens import tokenize


@contextmanager
def passed_on() -> Iterator[None]:
    """What `contextlib` does to an exception that it lets through: it sets the traceback."""
    yield


def test_an_error_never_changes_and_better_advice_makes_another_one() -> None:
    with pytest.raises(SourceError) as caught, passed_on():
        tokenize('db "open')
    error = caught.value
    for name in ("code", "message", "start", "end", "hint", "forms", "args"):
        with pytest.raises(AttributeError):
            setattr(error, name, getattr(error, name))
    advised = error.with_hint("close it")
    assert (advised.hint, error.hint) == ("close it", 'end the text with " on the same line')
    assert (advised.code, advised.message, advised.start, advised.end) == (
        error.code,
        error.message,
        error.start,
        error.end,
    )
