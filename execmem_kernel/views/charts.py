"""Charts of executable memory, as matplotlib figures that also speak: each has its numbers as text beside the picture.

    manager.events() --> leak_chart() --> Figure: bytes owned, bytes without an owner

Lines differ in pattern and carry their names, so that the chart reads without colour; the two colours are ones that
every kind of colour vision tells apart (Okabe and Ito, "Color Universal Design", 2008).
"""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from execmem_kernel.views.report import Report, Sentence, Table

if TYPE_CHECKING:
    from execmem_kernel.memory.values import Event


BLUE, ORANGE = "#0072B2", "#D55E00"
ROWS = 24
"""Events listed in the text beside the picture; the first are left out where there are more."""


class Chart(Figure):
    """A figure that a notebook shows as a picture, and every other reader as the numbers behind it."""

    report: Report

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        picture = io.BytesIO()
        # Without the version of matplotlib in it, the same numbers make the same file.
        FigureCanvasAgg(self).print_png(picture, metadata={"Software": None})  # type: ignore[no-untyped-call]
        text = self.report.text()
        # A notebook counts 96 pixels to the inch; the picture has more, for screens that do too.
        width, height = (int(inches * 96) for inches in self.get_size_inches())
        bundle = {"image/png": b64encode(picture.getvalue()).decode(), "text/plain": text}
        return bundle, {"image/png": {"width": width, "height": height}}


def leak_chart(events: Sequence[Event]) -> Chart:
    """Draw bytes owned, and bytes without an owner, after each event of a memory manager."""
    events = _changes(events)
    # One step more than there are events, so that the last level has a length too.
    end = len(events) + 1
    owned = [0, *(event.owned for event in events)]
    unowned = [0, *(event.unowned for event in events)]
    owned.append(owned[-1])
    unowned.append(unowned[-1])
    steps = range(end + 1)

    chart = Chart(figsize=(8, 4), dpi=144, facecolor="white", layout="constrained")
    chart.report = _numbers(events)
    axes = chart.add_subplot()
    axes.step(steps, owned, where="post", color=BLUE, linewidth=2, label="owned")
    axes.step(steps, unowned, where="post", color=ORANGE, linewidth=2, linestyle=(0, (4, 2)), label="nobody owns")
    axes.fill_between(steps, unowned, step="post", facecolor="none", edgecolor=ORANGE, hatch="///", linewidth=0)
    top = max(*owned, *unowned, 1)
    _label(axes, "owned", owned[-1], unowned[-1], top, end, BLUE)
    _label(axes, "nobody owns", unowned[-1], owned[-1], top, end, ORANGE)

    leaked = unowned[-1]
    title = f"{leaked:,} bytes of executable memory have no owner" if leaked else "All executable memory has an owner"
    axes.set_title(title, loc="left", fontweight="bold", pad=12)
    axes.set_xlabel("events: each allocation and each release, one after the other")
    axes.set_ylabel("bytes")
    axes.set_xlim(0, end)
    axes.set_ylim(0, top * 1.12)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 4, 5, 8, 10], integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _position: f"{value:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    return chart


def _changes(events: Sequence[Event]) -> list[Event]:
    """Only the events that changed what is owned: writing and sealing do not."""
    changes: list[Event] = []
    last = (0, 0)
    for event in events:
        if (event.owned, event.unowned) != last:
            changes.append(event)
            last = (event.owned, event.unowned)
    return changes


def _label(axes: Any, name: str, value: int, other: int, top: int, end: int, color: str) -> None:
    """Write the line's name and last value at its end, clear of the other line's."""
    close = abs(value - other) < top * 0.1
    lift = (0.05 if value > other or (value == other and color == BLUE) else -0.05) * top if close else 0
    axes.annotate(
        f"{name}: {value:,}",
        xy=(end, max(value + lift, 0)),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=color,
        fontweight="bold",
        annotation_clip=False,
    )


def _numbers(events: Sequence[Event]) -> Report:
    """The chart's numbers as a report."""
    owned, unowned = (events[-1].owned, events[-1].unowned) if events else (0, 0)
    peak = max((event.owned for event in events), default=0)
    lead = Sentence(f"{owned:,} bytes owned (at most {peak:,}), {unowned:,} bytes that nobody owns", lead="leak chart")
    shown = events[-ROWS:]
    left_out = len(events) - len(shown)
    rows = tuple(
        (str(number), event.kind, event.name or "", f"{event.owned:,}", f"{event.unowned:,}")
        for number, event in enumerate(shown, left_out + 1)
    )
    note = f"{left_out:,} earlier events left out" if left_out else ""
    return Report((lead, Table("after each event", rows, ("event", "what", "name", "owned", "nobody owns"), note=note)))
