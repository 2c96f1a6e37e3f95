"""The leak chart: one value behind the picture and its text, legible without colour, the same for the same events."""

from __future__ import annotations

import struct
from base64 import b64decode

import pytest

from execmem_kernel import leak_chart
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.memory.values import Event
from execmem_kernel.views.charts import Chart


def event(number: int, kind: str, owned: int, unowned: int, name: str | None = None) -> Event:
    return Event(number, kind, name, 4096, f"cell {number}", 1, owned, unowned)


LEAK = (
    event(1, "allocated", 6, 0, "add"),
    event(2, "written", 6, 0, "add"),
    event(3, "sealed", 6, 0, "add"),
    event(4, "released", 0, 0, "add"),
    event(5, "unmanaged", 0, 4096),
    event(6, "unmanaged", 0, 8192),
)


def test_the_title_says_in_words_how_much_has_no_owner() -> None:
    assert leak_chart(LEAK).axes[0].get_title(loc="left") == "8,192 bytes of executable memory have no owner"
    assert leak_chart(LEAK[:4]).axes[0].get_title(loc="left") == "All executable memory has an owner"


def test_both_lines_follow_the_events_that_change_them() -> None:
    owned, unowned = leak_chart(LEAK).axes[0].lines
    assert list(owned.get_ydata()) == [0, 6, 0, 0, 0, 0]
    assert list(unowned.get_ydata()) == [0, 0, 0, 4096, 8192, 8192]


def test_lines_differ_without_colour_and_carry_their_names() -> None:
    axes = leak_chart(LEAK).axes[0]
    owned, unowned = axes.lines
    assert owned.get_linestyle() != unowned.get_linestyle()
    assert axes.collections[0].get_hatch()
    assert sorted(text.get_text() for text in axes.texts) == ["nobody owns: 8,192", "owned: 0"]
    assert axes.get_legend() is None


@pytest.mark.parametrize(
    "events", [LEAK, LEAK[:4], (), (event(1, "allocated", 4096, 0), event(2, "unmanaged", 4096, 4096))]
)
def test_nothing_is_cut_off_and_no_label_covers_another(events: tuple[Event, ...]) -> None:
    chart = leak_chart(events)
    picture(chart)
    page = chart.bbox
    boxes = [text.get_window_extent() for text in [*chart.axes[0].texts, chart.axes[0]._left_title]]  # type: ignore[attr-defined]
    for box in boxes:
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def picture(chart: Chart) -> bytes:
    data, _ = chart._repr_mimebundle_()
    return b64decode(data["image/png"])


def test_a_notebook_gets_a_picture_and_everybody_else_the_numbers() -> None:
    chart = leak_chart(LEAK)
    data, metadata = chart._repr_mimebundle_()
    assert sorted(data) == ["image/png", "text/plain"]
    width, height = struct.unpack(">II", picture(chart)[16:24])
    shown = metadata["image/png"]
    assert (width, height) == (1.5 * shown["width"], 1.5 * shown["height"])
    assert data["text/plain"].startswith(
        "leak chart: 0 bytes owned (at most 6), 8,192 bytes that nobody owns\nafter each event:\n"
    )
    assert "  3      unmanaged        0      4,096\n" in data["text/plain"]


def test_the_same_events_make_the_same_picture() -> None:
    assert picture(leak_chart(LEAK)) == picture(leak_chart(LEAK))


def test_the_text_of_a_long_story_keeps_its_end_and_counts_the_rest() -> None:
    text = leak_chart([event(number, "unmanaged", 0, 4096 * number) for number in range(1, 101)]).report.text()
    assert "76 earlier events left out" in text
    assert "409,600" in text


def test_by_default_it_draws_what_a_manager_remembers() -> None:
    manager = CodeMemoryManager()
    with manager.allocate(b"\xc3", name="nothing"):
        pass
    assert "released" in leak_chart(manager.events()).report.text()
    assert isinstance(leak_chart(), Chart)
