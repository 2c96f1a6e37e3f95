"""The stepper: the whole story in its traits, a table beside it, and a plain word where nothing was recorded."""

from __future__ import annotations

import re

import pytest

from execmem_kernel.errors import ExecutionError
from execmem_kernel.execution.api.running import run
from execmem_kernel.execution.contract.call import Limits
from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.views.step_table import STEPS_SHOWN, StepTable, step_table
from execmem_kernel.views.stepper import stepper

COUNT = "mov ecx, 2\nagain: push rcx\ndec ecx\njnz again\npop rax\npop rax\nret"


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(COUNT, trace=True)


@pytest.fixture(scope="module")
def told(outcome: Outcome) -> StepTable:
    return step_table(outcome)


def test_every_step_has_its_line_and_what_it_changed(told: StepTable) -> None:
    assert [frame.line for frame in told.frames] == [1, 2, 3, 4, 2, 3, 4, 5, 6, 7]
    assert told.frames[0].changed == (("rcx", "0", "2"),)
    assert told.frames[2].changed[0] == ("rcx", "2", "1")
    assert told.note == "10 steps"


def test_memory_that_a_step_wrote_is_shown_by_its_place(told: StepTable) -> None:
    assert told.frames[1].memory == ("[stack-0x8] 00 00 00 00 00 00 00 00 -> 02 00 00 00 00 00 00 00",)
    assert told.frames[7].memory == ("reads [stack-0x10] 01 00 00 00 00 00 00 00",)


def test_pointers_in_memory_are_shown_by_their_place() -> None:
    told = step_table(run("call f\nret\nf: ret", trace=True))
    assert told.frames[0].memory == ("[stack-0x8] 00 00 00 00 00 00 00 00 -> code+0x5",)
    assert told.frames[1].memory == ("takes its return address from [stack-0x8]",)


def test_the_changes_lead_from_the_start_to_the_end(outcome: Outcome, told: StepTable) -> None:
    state = dict(told.start)
    for frame in told.frames:
        for name, old, new in frame.changed:
            assert state[name] == old
            state[name] = new
    assert state["rax"] == outcome.describe(outcome.registers["rax"])
    assert state["flags"] == " ".join(outcome.flags)


def test_flags_that_processors_set_as_they_like_are_not_shown() -> None:
    told = step_table(run("mov eax, 7\nimul eax, eax, 3\nadd eax, -21\nret", trace=True))
    # 7 * 3 has odd parity or not, as the processor pleases; after the addition every flag means something again.
    assert not any(name == "flags" for name, _, _ in told.frames[1].changed)
    assert ("flags", "none", "CF PF AF ZF") in told.frames[2].changed


def test_the_table_of_steps_says_the_same(outcome: Outcome) -> None:
    widget = stepper(outcome)
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"].startswith(
        "steps: 10 steps\nloops: lines 2 to 4, 1 time back to the start\nwhat each did:\n"
    )
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


def state_after(told: StepTable, frames: int) -> dict[str, str]:
    state = dict(told.start)
    for frame in told.frames[:frames]:
        for name, old, new in frame.changed:
            assert state[name] == old
            state[name] = new
    return state


def test_a_long_trace_is_shown_in_parts_that_fit_together() -> None:
    outcome = run("mov ecx, 2000\nagain: dec ecx\njnz again\nret", trace=True)
    told = step_table(outcome)
    shown = [frame for frame in told.frames if not frame.skipped]
    assert len(shown) == STEPS_SHOWN
    assert told.note == "4,002 steps; 2,000 are here: the first 1,200, the last 400 and some between"
    assert told.loops == "lines 2 to 3, 1,999 times back to the start"
    numbers = [number for frame in told.frames for number in range(frame.number, frame.number + (frame.skipped or 1))]
    assert numbers == list(range(1, 4003))
    assert state_after(told, len(told.frames))["rcx"] == "0"
    text = told.report().text()
    assert "  30 to 3,992" in text
    assert text.rstrip().splitlines()[-1].split()[:3] == ["4,002", "4", "ret"]


def test_the_gaps_of_a_long_run_are_shown_as_such() -> None:
    limits = Limits(trace_steps=100, wall_s=0.2)
    outcome = run("mov ecx, 20000\nagain: push rcx\npop rax\ndec ecx\njnz again\nret", trace=True, limits=limits)
    told = step_table(outcome)
    assert told.note.startswith("4,100 steps taken one at a time; the program went on after them, at full speed; ")
    assert "of steps 101 to" in told.note
    gap = next(frame for frame in told.frames if frame.skipped)
    assert gap.text == f"{gap.skipped} steps not shown"
    assert gap.stack == (("stack", "?"),)
    assert repr(step_table(outcome)) == repr(told)


def test_the_top_of_the_stack_is_known_at_every_step(told: StepTable) -> None:
    assert told.stack == (("stack", "the way back"),)
    assert told.frames[1].stack == (("stack-0x8", "2"), ("stack", "the way back"))
    assert told.frames[2].stack is None
    assert told.frames[4].stack == (("stack-0x10", "1"), ("stack-0x8", "2"), ("stack", "the way back"))


def test_what_only_the_c_library_knows_is_not_shown() -> None:
    source = (
        "extern qsort\nmain: sub rsp, 8\nlea rdi, [a]\nmov esi, 3\nmov edx, 4\nlea rcx, [order]\ncall qsort\n"
        "add rsp, 8\nret\norder: push rbx\nmov ebx, [rdi]\nsub ebx, [rsi]\nmov eax, ebx\npop rbx\nret\n"
        "section .data\na: dd 2, 3, 1"
    )
    told = step_table(run(source, trace=True))
    inside = [frame for frame in told.frames if 10 <= frame.line <= 15]
    assert [frame.line for frame in inside[:6]] == [10, 11, 12, 13, 14, 15]
    assert inside[0].memory == ("[call back's stack-0x8] ? -> ?",)
    assert [change[:2] for change in inside[1].changed if change[2] in "123"] == [("rbx", "?")]
    assert [change[0] for change in inside[4].changed if change[2] == "?"] == ["rbx"]
    last = [frame for frame in told.frames if frame.text == "qsort"][-1]
    assert ("rsp", "the C library's stack", "stack-0x8") in last.changed
    text = told.report().text()
    assert not re.search(r"stack-0x[0-9a-f]{3}", text)
    assert "libc+" not in text


def test_a_run_that_was_not_recorded_says_how_to_record_it() -> None:
    with pytest.raises(ExecutionError, match="--trace"):
        step_table(run("ret"))
