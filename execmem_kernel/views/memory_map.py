"""The live memory map: which executable memory there is, who owns it, and how it comes and goes.

    Snapshot, events --> Picture --> widget (live), and a table as text and HTML (at the time it was displayed)

The widget asks the manager ten times a second whether anything has happened, from a thread of its own: nothing is
hooked into the allocator, a burst of events costs one update, and the map moves while a cell is still running. The
thread knows its widget by a weak reference only, and ends with it. ipywidgets keeps every widget until it is closed, so
a manager has one, however often it is asked for: a cell that is run again shows one more view of it.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from execmem_kernel.views.memory import Picture, picture

if TYPE_CHECKING:
    from execmem_kernel.memory.manager import CodeMemoryManager


INTERVAL_S = 0.1
_open_maps: weakref.WeakSet[MemoryMap] = weakref.WeakSet()


class MemoryMap(anywidget.AnyWidget):
    """A live table of executable memory; all that it shows is in its two traits."""

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")

    regions: traitlets.List[dict[str, Any]] = traitlets.List(traitlets.Dict()).tag(sync=True)
    totals: traitlets.Unicode[str, str | bytes] = traitlets.Unicode().tag(sync=True)

    def __init__(self, manager: CodeMemoryManager) -> None:
        self._manager = manager
        self._shown: Picture | None = None
        self._closing = threading.Event()
        super().__init__()
        self.update()
        # The widget has to be collected while its thread is waiting, which then has nothing to wait for any more.
        closing = self._closing
        collected = weakref.ref(self, lambda _: closing.set())
        self._watcher = threading.Thread(
            target=_watch, args=(collected, self._closing), name="execmem-memory-map", daemon=True
        )
        self._watcher.start()
        _open_maps.add(self)

    def update(self) -> None:
        """Show what there is now, if it differs from what is shown."""
        now = self._now()
        if now != self._shown:
            self._shown = now
            with self.hold_sync():
                self.regions = [asdict(row) for row in now.rows]
                self.totals = now.totals

    def _now(self) -> Picture:
        snapshot = self._manager.snapshot()
        return picture(snapshot, self._manager.events())

    def shows(self, manager: CodeMemoryManager) -> bool:
        """Whether this is an open map of a manager."""
        return self._manager is manager and not self._closing.is_set()

    def follow(self, seen: int) -> int:
        """Show what there is now, if an event came after the one numbered `seen`; returns the number of the last."""
        latest = self._manager.statistics().events
        if latest != seen:
            self.update()
        return latest

    def close(self) -> None:
        """Stop watching and take the widget off the page; twice is harmless."""
        self._closing.set()
        if self._watcher is not threading.current_thread():
            self._watcher.join()
        super().close()

    def __repr__(self) -> str:
        return self._now().report().text()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The live view, and beside it the table for readers without one: a saved page, a terminal, a grader."""
        shown = super()._repr_mimebundle_(**kwargs)
        data, metadata = shown if isinstance(shown, tuple) else (shown or {}, {})
        return {**data, **self._now().report()._repr_mimebundle_()}, metadata


def _watch(collected: weakref.ref[MemoryMap], closing: threading.Event) -> None:
    """Keep a map up to date until it is closed or nobody has it any more."""
    seen = -1
    while not closing.wait(INTERVAL_S):
        widget = collected()
        if widget is None:
            return
        seen = widget.follow(seen)
        del widget  # no reference while waiting


def map_of(manager: CodeMemoryManager) -> MemoryMap:
    """The open map of a manager, made when it is first asked for."""
    for widget in list(_open_maps):
        if widget.shows(manager):
            return widget
    return MemoryMap(manager)


def close_all() -> None:
    """Close every map that is open."""
    for widget in list(_open_maps):
        widget.close()
        _open_maps.discard(widget)
