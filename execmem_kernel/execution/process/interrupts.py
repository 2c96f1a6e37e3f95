"""Jupyter's stop button, which is SIGINT: it works while a program is waited for, and at no other instant of a run.

Python may raise KeyboardInterrupt between any two of its instructions: after pages have been mapped and before they
have an owner, or on the way into the very call that cleans up. A run is short but for the waiting, so everything else
of it is left undisturbed, and a press that comes meanwhile counts at the next wait or at the end. What is said of the
button holds for every signal whose handler may raise: timeouts are often made of SIGALRM.
"""

from __future__ import annotations

import contextlib
import sys
import threading

# The functions in C: those of `signal` look every handler up in an enumeration, which costs a run a fifteenth.
from _signal import getsignal, signal  # type: ignore[import-not-found,unused-ignore]
from collections.abc import Callable, Iterator
from signal import SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM
from types import FrameType
from typing import TypeVar

_Result = TypeVar("_Result")


_Handler = Callable[[int, FrameType | None], object]


_HELD = tuple(map(int, (SIGINT, SIGALRM, SIGCHLD, SIGHUP, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM)))


class _Button:
    """The state of the button, and of all that is like it, during the main thread's run."""

    __slots__ = ("done", "handlers", "pressed", "thread", "works")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.handlers: dict[int, _Handler] = {}
        self.pressed: list[int] = []
        self.works = False
        self.done = False
        """Whether the run is over: whatever is not back in its place yet, passes everything on."""

    def press(self, number: int, frame: FrameType | None) -> None:
        if self.done or (self.works and number != SIGCHLD):
            self.handlers[number](number, frame)
        elif number not in self.pressed:
            self.pressed.append(number)

    def let(self) -> None:
        """Let what came too early count now.

        A child that ended counts at the end only: a handler that asks for any child would take what is the run's.
        """
        for number in [number for number in self.pressed if self.done or number != SIGCHLD]:
            self.pressed.remove(number)
            self.handlers[number](number, None)


_button: _Button | None = None
"""Of the main thread, the only one that is ever interrupted; None outside a run."""


@contextlib.contextmanager
def held() -> Iterator[None]:
    """The button works only in `waiting` until the block ends; a run inside a run changes nothing."""
    global _button
    if _button is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    button = _Button()
    try:
        for number, handler in zip(_HELD, map(getsignal, _HELD), strict=True):
            if callable(handler):
                button.handlers[number] = handler
                signal(number, button.press)
        _button = button
        yield
    finally:
        _button = None
        button.done = True
        interrupt, back = None, False
        while not back:
            try:
                for number, handler in button.handlers.items():
                    signal(number, handler)
                back = True
            except BaseException as error:  # from a handler that is back already, or is passed on to
                interrupt = error
        if interrupt is not None:
            raise interrupt
        # The guard of native code stands in front of Python's own handler, which has just taken its place.
        native = sys.modules.get("execmem_kernel.execution.native.guard")
        if native is not None:
            native.renew_guard(SIGINT)
        button.let()


def waiting(wait: Callable[[], _Result]) -> _Result:
    """Make a call that may take long; pressing the button ends it."""
    button = _button
    if button is None or threading.get_ident() != button.thread:
        return wait()
    button.works = True
    try:
        button.let()
        return wait()
    finally:
        button.works = False
