"""Interrupts during a run: they raise while a program is waited for, and at no other instant.

Python may raise KeyboardInterrupt between any two of its instructions: after pages have been mapped and before they
have an owner, or on the way into the very call that cleans up. A run is short but for the waiting, so everything else
of it is left undisturbed, and a signal that arrives meanwhile is delivered at the next wait or at the end. That holds
for SIGINT, which is Jupyter's stop button, and for every signal whose handler may raise: timeouts are often made of
SIGALRM.
"""

from __future__ import annotations

import contextlib
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


class _HeldSignals:
    """The signals that are held during the main thread's run, and their handlers."""

    __slots__ = ("arrived", "done", "handlers", "thread", "waiting")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.handlers: dict[int, _Handler] = {}
        self.arrived: list[int] = []
        self.waiting = False
        """Whether the run is waiting for its program: then a signal's handler is called at once."""
        self.done = False
        """Whether the run is over: what is not restored yet passes every signal on."""

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The handler of each of them."""
        if self.done or (self.waiting and number != SIGCHLD):
            self.handlers[number](number, frame)
        elif number not in self.arrived:
            self.arrived.append(number)

    def deliver(self) -> None:
        """Call the handlers of what arrived too early.

        SIGCHLD is delivered at the end only: a handler that waits for any child would take the stops of the run's.
        """
        for number in [number for number in self.arrived if self.done or number != SIGCHLD]:
            self.arrived.remove(number)
            self.handlers[number](number, None)


_held: _HeldSignals | None = None
"""Those of the main thread, the only one that is ever interrupted; None outside a run."""
_restored: list[Callable[[int], object]] = []


def when_restored(callback: Callable[[int], object]) -> None:
    """Have a function called, with the number of SIGINT, whenever a run has restored Python's handlers.

    Native code's guard stands in front of Python's handler, which has then just taken its place.
    """
    _restored.append(callback)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Interrupts raise only in `waiting` until the block ends; a run inside a run changes nothing."""
    global _held
    if _held is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = _HeldSignals()
    try:
        for number, handler in zip(_HELD, map(getsignal, _HELD), strict=True):
            if callable(handler):
                signals.handlers[number] = handler
                signal(number, signals.handle)
        _held = signals
        yield
    finally:
        _held = None
        signals.done = True
        interrupt, back = None, False
        while not back:
            try:
                for number, handler in signals.handlers.items():
                    signal(number, handler)
                back = True
            except BaseException as error:  # from a handler that is back already, or is passed on to
                interrupt = error
        if interrupt is not None:
            raise interrupt
        for callback in _restored:
            callback(SIGINT)
        signals.deliver()


def waiting(wait: Callable[[], _Result]) -> _Result:
    """Make a call that may take long, which an interrupt ends."""
    signals = _held
    if signals is None or threading.get_ident() != signals.thread:
        return wait()
    signals.waiting = True
    try:
        signals.deliver()
        return wait()
    finally:
        signals.waiting = False
