"""What was recorded of each step, and how to search it."""

from __future__ import annotations

from pathlib import Path

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.trace import Trace

LOOP = "mov ecx, 3\nl: dec ecx\njnz l\nmov [rdi], rcx\npush rcx\npop rdx\nret"


def trace_of(source: str, **options: object) -> Trace:
    trace = em.run(source, trace=True, **options).trace  # type: ignore[arg-type]
    assert trace is not None
    return trace


@pytest.fixture(scope="module")
def loop() -> Trace:
    return trace_of(LOOP, registers={"rdi": "b"}, buffers={"b": b"\x01" * 16})


def test_every_step_is_there_in_order(loop: Trace) -> None:
    assert [step.line for step in loop] == [1, 2, 3, 2, 3, 2, 3, 4, 5, 6, 7]
    assert [step.index for step in loop] == list(range(11))
    assert loop[0].text == "mov ecx, 3"
    assert loop[2].text == "jne l"
    assert loop[-1].text == "ret"
    assert loop.complete


def test_a_step_knows_what_it_changed(loop: Trace) -> None:
    assert loop[0].changed == {"rcx": (0, 3)}
    assert loop[5].after["rcx"] == 0
    assert "ZF" in loop[5].after.flags
    assert loop[5].after == loop[6].before


def test_a_step_knows_the_memory_it_touched(loop: Trace) -> None:
    store, push, pop = loop[7], loop[8], loop[9]
    assert store.writes[0].before == b"\x01" * 8
    assert store.writes[0].data == bytes(8)
    assert not store.reads
    assert push.writes[0].address == pop.reads[0].address == push.after["rsp"]


def test_a_trace_is_searched_by_condition(loop: Trace) -> None:
    def lines(condition: str) -> list[int | None]:
        return [step.line for step in loop.where(condition)]

    assert lines("rcx changes") == [1, 2, 2, 2]
    assert lines("ecx == 1") == [2, 3]
    assert lines("rcx >= 2") == [1, 2, 3]
    assert lines("ZF set") == [2, 3, 4, 5, 6, 7]
    assert lines("ZF changes") == [2]
    assert lines("CL changes") == [1, 2, 2, 2]
    assert lines("ch changes") == []
    assert lines("dl == 0") == list(range(1, 2)) + [2, 3] * 3 + [4, 5, 6, 7]
    assert lines("line 4") == [4]
    assert lines("memory written") == [4, 5]
    assert lines("push") == [5]
    with pytest.raises(ValueError, match="not a condition"):
        loop.where("what is this")


def test_the_last_write_is_found(loop: Trace) -> None:
    written = loop.last_write("rcx")
    assert written is not None
    assert written.index == 5
    assert loop.last_write("ecx", before=2) == loop[1]
    assert loop.last_write("r15") is None
    place = loop[7].writes[0].address
    assert loop.last_write(place + 7) == loop[7]
    assert loop.last_write(place, before=7) is None


def test_loops_and_counts_are_found(loop: Trace) -> None:
    (found,) = loop.loops()
    assert (found.lines, found.times) == ((2, 3), 2)
    assert loop.counts == {1: 1, 2: 3, 3: 3, 4: 1, 5: 1, 6: 1, 7: 1}


def test_a_slice_keeps_the_numbers(loop: Trace) -> None:
    part = loop[7:9]
    assert [step.index for step in part] == [7, 8]
    assert part[0] == loop[7]
    assert part.last_write("rcx") is None
    assert len(loop[20:]) == 0


def test_a_trace_comes_back_from_its_file(loop: Trace, tmp_path: Path) -> None:
    for number, trace in enumerate((loop, loop[3:9], trace_of("movd xmm0, eax\nret", registers={"rax": 5}))):
        path = tmp_path / str(number)
        trace.save(path)
        again = Trace.load(path)
        assert list(again) == list(trace)
        assert (again.complete, again.first) == (trace.complete, trace.first)
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a saved trace"):
        Trace.load(tmp_path / "other")


def test_a_saved_trace_is_small(tmp_path: Path) -> None:
    trace = trace_of("mov ecx, 3000\nl: dec ecx\njnz l\nret")
    trace.save(tmp_path / "t")
    assert (tmp_path / "t").stat().st_size < 10 * len(trace)


def test_repeated_string_instructions_are_one_step() -> None:
    trace = trace_of("mov rcx, 100\nmov al, 7\nrep stosb\nret", registers={"rdi": "b"}, buffers={"b": 100})
    assert [step.line for step in trace] == [1, 2, 3, 4]
    assert trace[2].writes[0].data == b"\x07" * 100
    assert trace[2].after["rcx"] == 0


def test_vector_registers_are_recorded_where_they_change() -> None:
    trace = trace_of("nop\nmovd xmm3, eax\nnop\nret", registers={"rax": 5})
    assert [sorted(step.vectors) for step in trace][0::2] == [[], []]
    (name,) = trace[1].vectors
    assert name[1:] == "mm3"
    assert trace[1].vectors[name][:4] == b"\x05\0\0\0"


def test_the_tracer_is_hidden_from_the_program() -> None:
    source = "pushfq\npop rax\nmov eax, 39\nsyscall\nmov rdx, r11\npushfq\npopfq\npushfq\npop rbx\nret"
    plain, traced = em.run(source), em.run(source, trace=True)
    assert dict(traced.registers) == dict(plain.registers)
    assert traced.registers["rbx"] & 0x100 == 0


LONG = "xor eax, eax\nmov ecx, 4000\nl: add [rdi], ecx\ndec ecx\njnz l\nmov eax, 42\nret"
"""12,004 steps."""


@pytest.fixture(scope="module")
def long() -> Trace:
    """A trace with gaps: 500 steps in full, samples, the end in full."""
    limits = em.Limits(trace_steps=500)
    return trace_of(LONG, registers={"rdi": "b"}, buffers={"b": 8}, limits=limits)


def test_of_a_long_run_the_beginning_the_end_and_samples_are_held(long: Trace) -> None:
    numbers = [step.index for step in long]
    assert long.taken == 4 + 12_000
    assert numbers[:500] == list(range(500))
    assert numbers[-1000:] == list(range(long.taken - 1000, long.taken))
    middle = [number for number in numbers if 500 <= number < long.gaps[-1][1]]
    assert 100 < len(middle) <= 500
    assert long.ended
    assert not long.complete
    assert long.gaps[0][0] == 500


def test_every_step_held_of_a_long_run_is_what_a_full_record_says(long: Trace) -> None:
    limits = em.Limits(trace_steps=20_000)
    full = trace_of(LONG, registers={"rdi": "b"}, buffers={"b": 8}, limits=limits)
    assert full.complete
    assert len(full) == long.taken
    assert all(full[step.index] == step for step in long)
    assert (long.counts, long.loops()) == (full.counts, full.loops())


def test_what_lies_in_a_gap_is_never_guessed(long: Trace, tmp_path: Path) -> None:
    in_a_gap = long.gaps[5][0]
    with pytest.raises(em.NotRecordedError, match="samples only"):
        long.step(in_a_gap)
    with pytest.raises(em.NotRecordedError, match="rcx"):
        long.last_write("rcx", before=in_a_gap + 1)
    last = long.last_write("eax")
    assert last is not None
    assert last.line == 6
    # Nothing in a gap writes rax: the gaps may be passed over.
    before = long.last_write("rax", before=last)
    assert before is not None
    assert before.index == 0
    address = long[2].writes[0].address
    with pytest.raises(em.NotRecordedError):
        long.last_write(address, before=in_a_gap + 1)
    assert long.memory(address, 1, before=long[600].index) == (None,)
    part = long[400:600]
    assert part.gaps
    with pytest.raises(em.NotRecordedError):
        part.counts  # noqa: B018
    with pytest.raises(em.NotRecordedError):
        part.loops()
    assert sum(long[:500].counts.values()) == 500
    for trace in (long, part):
        trace.save(tmp_path / "t")
        again = Trace.load(tmp_path / "t")
        assert list(again) == list(trace)
        assert (again.ended, again.gaps, again.between) == (trace.ended, trace.gaps, trace.between)


def test_a_long_run_goes_on_at_full_speed_after_a_fixed_number_of_steps() -> None:
    source = "mov ecx, 100000\nl: dec ecx\njnz l\nmov eax, 42\nret"
    outcome = em.run(source, trace=True, limits=em.Limits(trace_steps=500, wall_s=0.5))
    assert isinstance(outcome, em.Returned)
    assert outcome.registers["rax"] == 42
    assert outcome.trace is not None
    assert outcome.trace.taken == 500 + 10_000
    assert not outcome.trace.ended


def test_a_recorded_endless_loop_still_ends() -> None:
    limits = em.Limits(wall_s=0.1, trace_steps=100)
    outcome = em.run("l: inc rax\njmp l", trace=True, limits=limits)
    assert isinstance(outcome, em.TimedOut)
    assert outcome.trace is not None
    assert outcome.trace.taken == 100 + 2_000


def test_a_limit_on_steps_is_exact() -> None:
    for steps in (1, 7, 100):
        outcome = em.run("l: inc rax\njmp l", limits=em.Limits(steps=steps))
        assert isinstance(outcome, em.TimedOut)
        assert outcome.registers["rax"] == (steps + 1) // 2


def test_system_calls_are_steps_like_others() -> None:
    source = (
        "mov eax, 9\nxor edi, edi\nmov esi, 8192\nmov edx, 3\nmov r10d, 0x22\nmov r8, -1\nxor r9d, r9d\nsyscall\n"
        "mov qword ptr [rax], 5\nmov eax, 39\nsyscall\nret"
    )
    trace = trace_of(source)
    assert [step.line for step in trace] == list(range(1, 13))
    assert trace[7].after["rax"] == trace[8].writes[0].address
    assert trace[10].after["rax"] == 1000
