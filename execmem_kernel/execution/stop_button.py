"""Jupyter's stop button, which is SIGINT: it works while a program is waited for, and at no other instant of a run.

Python may raise KeyboardInterrupt between any two of its instructions: after pages have been mapped and before they
have an owner, or on the way into the very call that cleans up. A run is short but for the waiting, so everything else
of it is left undisturbed, and a press that comes meanwhile counts at the next wait or at the end.
"""

from __future__ import annotations

import contextlib
import sys
import threading

# The functions in C: those of `signal` look every handler up in an enumeration, which costs a run a fifteenth.
from _signal import getsignal, signal  # type: ignore[import-not-found,unused-ignore]
from collections.abc import Callable, Iterator
from signal import SIGCHLD, SIGINT
from types import FrameType
from typing import TypeVar

_Result = TypeVar("_Result")
_Handler = Callable[[int, FrameType | None], object]


class _Button:
    """The state of the button during the main thread's run."""

    __slots__ = ("handler", "pressed", "works")

    def __init__(self, handler: _Handler) -> None:
        self.handler = handler
        self.works = False
        self.pressed = False

    def press(self, number: int, frame: FrameType | None) -> None:
        if self.works:
            self.handler(number, frame)
        else:
            self.pressed = True

    def let(self) -> None:
        """Let a press that came too early count now."""
        if self.pressed:
            self.pressed = False
            self.handler(SIGINT, None)


_button: _Button | None = None
"""Of the main thread, the only one that is ever interrupted; None outside a run."""


@contextlib.contextmanager
def held() -> Iterator[None]:
    """The button works only in `waiting` until the block ends; a run inside a run changes nothing.

    A handler for children that ended waits, too: one that asks for any child would take what is meant for the run.
    """
    global _button
    if _button is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler, reaper = getsignal(SIGINT), getsignal(SIGCHLD)
    button = _Button(handler if callable(handler) else _ignore)
    ended: list[int] = []
    if callable(handler):
        signal(SIGINT, button.press)
    if callable(reaper):
        signal(SIGCHLD, lambda number, frame: ended.append(number))
    _button = button
    try:
        yield
    finally:
        _button = None
        if callable(handler):
            signal(SIGINT, handler)
            # The guard of native code stands in front of Python's own handler, which has just taken its place.
            native = sys.modules.get("execmem_kernel.execution.native")
            if native is not None:
                native.renew_guard(SIGINT)
        try:
            if callable(reaper):
                signal(SIGCHLD, reaper)
                if ended:
                    reaper(SIGCHLD, None)
        finally:
            button.let()


def _ignore(number: int, frame: FrameType | None) -> None:
    """What a button that is not connected does."""


def waiting(wait: Callable[[], _Result]) -> _Result:
    """Make a call that may take long; pressing the button ends it."""
    button = _button
    if button is None or threading.current_thread() is not threading.main_thread():
        return wait()
    button.works = True
    try:
        button.let()
        return wait()
    finally:
        button.works = False
