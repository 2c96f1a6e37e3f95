"""The stepper: a widget that walks a recorded run forwards and backwards.

Everything it shows is in its traits: the state at the start, and what each step changed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any
from weakref import WeakSet

import anywidget
import traitlets

from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.views.step_table import StepTable, step_table

_open_steppers: WeakSet[Stepper] = WeakSet()


class Stepper(anywidget.AnyWidget):
    """A slider over the steps of a recorded run; `position` is how many have been carried out."""

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")

    source: traitlets.List[str] = traitlets.List(traitlets.Unicode()).tag(sync=True)
    start: traitlets.List[list[str]] = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    stack: traitlets.List[list[str]] = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    frames: traitlets.List[dict[str, Any]] = traitlets.List(traitlets.Dict()).tag(sync=True)
    note: traitlets.Unicode[str, str | bytes] = traitlets.Unicode().tag(sync=True)
    loops: traitlets.Unicode[str, str | bytes] = traitlets.Unicode().tag(sync=True)
    ended: traitlets.Bool[bool, bool | int] = traitlets.Bool(True).tag(sync=True)
    position: traitlets.Int[int, int] = traitlets.Int(0).tag(sync=True)

    def __init__(self, table: StepTable) -> None:
        self._table = table
        super().__init__(
            source=list(table.source),
            start=[list(pair) for pair in table.start],
            stack=[list(pair) for pair in table.stack],
            frames=[asdict(frame) for frame in table.frames],
            note=table.note,
            loops=table.loops,
            ended=table.ended,
        )
        _open_steppers.add(self)

    @traitlets.validate("position")
    def _inside(self, proposal: Any) -> int:
        return max(0, min(int(proposal["value"]), len(self._table.frames)))

    def __repr__(self) -> str:
        return self._table.report().text()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """The slider, and beside it the table for readers without one."""
        shown = super()._repr_mimebundle_(**kwargs)
        data, metadata = shown if isinstance(shown, tuple) else (shown or {}, {})
        return {**data, **self._table.report()._repr_mimebundle_()}, metadata


def stepper(outcome: Outcome) -> Stepper:
    """Walk through a run that was recorded with `trace=True` or `%%asm --trace`.

    Raises:
        ExecutionError: It was not recorded.
    """
    return Stepper(step_table(outcome))


def close_all() -> None:
    """Close every stepper that is open."""
    for widget in list(_open_steppers):
        widget.close()
        _open_steppers.discard(widget)
