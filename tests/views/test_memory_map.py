"""The live map as a widget: its state is its traits, it follows the manager by itself, and it can be closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from execmem_kernel import memory_map
from execmem_kernel.memory.manager import CodeMemoryManager
from execmem_kernel.views.memory_map import MemoryMap, close_all
from tests.running import HANGS_S


@pytest.fixture
def manager() -> CodeMemoryManager:
    return CodeMemoryManager()


@pytest.fixture
def shown(manager: CodeMemoryManager) -> Iterator[MemoryMap]:
    widget = memory_map(manager)
    yield widget
    widget.close()


def wait_for(widget: MemoryMap, totals: str) -> None:
    """Until the widget says so by itself."""
    said = threading.Event()

    def look(_change: object = None) -> None:
        if widget.totals == totals:
            said.set()

    widget.observe(look, "totals")
    look()
    assert said.wait(HANGS_S), widget.totals
    widget.unobserve(look, "totals")


def test_it_follows_the_manager_without_being_asked(manager: CodeMemoryManager, shown: MemoryMap) -> None:
    assert shown.totals == "0 live regions, 0 bytes"
    with manager.allocate(b"\xc3", name="f"):
        wait_for(shown, "1 live region, 1 byte")
        assert [row["name"] for row in shown.regions] == ["f"]
    wait_for(shown, "0 live regions, 0 bytes")
    assert [row["state"] for row in shown.regions] == ["released"]


def test_a_burst_of_events_is_a_handful_of_updates(manager: CodeMemoryManager, shown: MemoryMap) -> None:
    updates = []
    shown.observe(lambda change: updates.append(change["new"]), "regions")
    for number in range(2000):
        manager.allocate(b"\xc3", name=f"n{number}").close()
    held = manager.allocate(b"\xc3\xc3", name="last")
    wait_for(shown, "1 live region, 2 bytes")
    assert 1 <= len(updates) < 200
    held.close()


def test_its_whole_state_is_in_its_traits(shown: MemoryMap) -> None:
    state = shown.get_state()
    assert {"regions", "totals", "_esm", "_css"} <= state.keys()
    assert "export default" in state["_esm"]


def test_text_and_html_stand_beside_the_live_view(manager: CodeMemoryManager, shown: MemoryMap) -> None:
    with manager.allocate(b"\xc3", name="f"):
        data, _ = shown._repr_mimebundle_()
        assert data["text/plain"] == repr(shown)
    assert data["text/plain"].startswith("executable memory: 1 live region, 1 byte\n")
    assert "<table" in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "0x" not in data["text/plain"] + data["text/html"]


def test_closing_ends_its_thread_and_twice_is_harmless(manager: CodeMemoryManager) -> None:
    before = set(threading.enumerate())
    widget = memory_map(manager)
    (thread,) = set(threading.enumerate()) - before
    widget.close()
    widget.close()
    assert not thread.is_alive()


def test_all_maps_can_be_closed_at_once(manager: CodeMemoryManager) -> None:
    before = set(threading.enumerate())
    memory_map(manager), memory_map(CodeMemoryManager())
    started = set(threading.enumerate()) - before
    close_all()
    assert [thread.is_alive() for thread in started] == [False, False]


def test_a_manager_has_one_map_and_one_thread_however_often_it_is_asked_for(manager: CodeMemoryManager) -> None:
    before = set(threading.enumerate())
    maps = [memory_map(manager) for _ in range(20)]
    started = set(threading.enumerate()) - before
    assert len(started) == 1
    assert len({id(each) for each in maps}) == 1
    maps[0].close()
    again = memory_map(manager)
    assert again is not maps[0]
    again.close()
