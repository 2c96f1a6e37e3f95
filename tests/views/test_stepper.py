"""The stepper: the whole story in its traits, a table beside it, and a plain word where nothing was recorded."""

from __future__ import annotations

import pytest

from execmem_kernel.errors import ExecutionError
from execmem_kernel.execution.engine import Outcome
from execmem_kernel.execution.running import run
from execmem_kernel.views.stepper import STEPS_SHOWN, Story, stepper, story

COUNT = "mov ecx, 2\nagain: push rcx\ndec ecx\njnz again\npop rax\npop rax\nret"


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(COUNT, trace=True)


@pytest.fixture(scope="module")
def told(outcome: Outcome) -> Story:
    return story(outcome)


def test_every_step_has_its_line_and_what_it_changed(told: Story) -> None:
    assert [frame.line for frame in told.frames] == [1, 2, 3, 4, 2, 3, 4, 5, 6, 7]
    assert told.frames[0].changed == (("rcx", "0", "2"),)
    assert told.frames[2].changed[0] == ("rcx", "2", "1")
    assert told.note == "10 steps"


def test_memory_that_a_step_wrote_is_shown_by_its_place(told: Story) -> None:
    assert told.frames[1].memory == ("[stack-0x8] 00 00 00 00 00 00 00 00 -> 02 00 00 00 00 00 00 00",)
    assert told.frames[7].memory == ("reads [stack-0x10] 01 00 00 00 00 00 00 00",)


def test_pointers_in_memory_are_shown_by_their_place() -> None:
    told = story(run("call f\nret\nf: ret", trace=True))
    assert told.frames[0].memory == ("[stack-0x8] 00 00 00 00 00 00 00 00 -> code+0x5",)
    assert told.frames[1].memory == ("takes its return address from [stack-0x8]",)


def test_the_changes_lead_from_the_start_to_the_end(outcome: Outcome, told: Story) -> None:
    state = dict(told.start)
    for frame in told.frames:
        for name, old, new in frame.changed:
            assert state[name] == old
            state[name] = new
    assert state["rax"] == outcome.describe(outcome.registers["rax"])
    assert state["flags"] == " ".join(outcome.flags)


def test_flags_that_processors_set_as_they_like_are_not_shown() -> None:
    told = story(run("mov eax, 7\nimul eax, eax, 3\nadd eax, -21\nret", trace=True))
    # 7 * 3 has odd parity or not, as the processor pleases; after the addition every flag means something again.
    assert not any(name == "flags" for name, _, _ in told.frames[1].changed)
    assert ("flags", "none", "CF PF AF ZF") in told.frames[2].changed


def test_the_table_of_steps_says_the_same(outcome: Outcome) -> None:
    widget = stepper(outcome)
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"].startswith("steps: 10 steps\nwhat each did:\n")
    assert "rcx 2 -> 1" in data["text/plain"]
    assert "<table" in data["text/html"]
    for register in ("rsp", "rip"):
        assert str(outcome.registers[register]) not in data["text/plain"]
    widget.close()


def test_the_position_stays_inside_the_trace(outcome: Outcome) -> None:
    widget = stepper(outcome)
    widget.position = 99
    assert widget.position == 10
    widget.position = -1
    assert widget.position == 0
    widget.close()


def test_a_long_trace_is_cut_and_says_so() -> None:
    told = story(run("mov ecx, 2000\nagain: dec ecx\njnz again\nret", trace=True))
    assert len(told.frames) == STEPS_SHOWN
    assert told.note == "4,002 steps; the first 2,000 are here"


def test_a_run_that_was_not_recorded_says_how_to_record_it() -> None:
    with pytest.raises(ExecutionError, match="--trace"):
        story(run("ret"))
