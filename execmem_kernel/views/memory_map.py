"""The live memory map: which executable memory there is, who owns it, and how it comes and goes.

    Snapshot, events --> Picture --> widget (live), and a table as text and HTML (at the time it was displayed)

The widget asks the manager ten times a second whether anything has happened, from a thread of its own: nothing is
hooked into the allocator, a burst of events costs one update, and the map moves while a cell is still running.
"""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import anywidget
import traitlets

from execmem_kernel.views.memory import Picture, picture

if TYPE_CHECKING:
    from execmem_kernel.memory.manager import CodeMemoryManager


INTERVAL_S = 0.1
_open_maps: WeakSet[MemoryMap] = WeakSet()


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
        self._watcher = threading.Thread(target=self._watch, name="execmem-memory-map", daemon=True)
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

    def _watch(self) -> None:
        seen = -1
        while not self._closing.wait(INTERVAL_S):
            latest = self._manager.statistics().events
            if latest != seen:
                seen = latest
                self.update()

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


def close_all() -> None:
    """Close every map that is open."""
    for widget in list(_open_maps):
        widget.close()
        _open_maps.discard(widget)
