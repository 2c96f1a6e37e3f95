"""The stopwatch: what it calls, in which state, how often, and what it says about its own numbers."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.execution.api.bench import Timing, bench

pytestmark = pytest.mark.usefixtures("nothing_left")

LOOP = "mov ecx, {count}\nagain: dec ecx\njnz again\nret"


@pytest.mark.alone
def test_a_longer_loop_takes_longer() -> None:
    short, long = bench(LOOP.format(count=1_000)), bench(LOOP.format(count=100_000))
    assert long.cycles > 10 * short.cycles > 0
    assert long.nanoseconds > 10 * short.nanoseconds > 0


def test_cycles_and_nanoseconds_tell_of_the_same_time() -> None:
    timing = bench(LOOP.format(count=10_000), iterations=10_000)
    assert 1e8 < timing.frequency_hz < 1e11
    assert timing.nanoseconds == pytest.approx(timing.cycles * 1e9 / timing.frequency_hz)
    assert timing.cycles_per_iteration == pytest.approx(timing.cycles / 10_000)
    assert timing.nanoseconds_per_iteration == pytest.approx(timing.nanoseconds / 10_000)


@pytest.mark.alone
def test_an_empty_function_is_too_short_to_tell() -> None:
    timing = bench("ret")
    assert timing.overhead > 0
    assert timing.cycles < timing.overhead


@pytest.mark.parametrize(
    "body",
    [
        "cmp rdi, 5\njne bad\nmov rdi, 9",
        "mov rax, rsp\nand eax, 15\ncmp eax, 8\njne bad",
        "movq rax, xmm3\ncmp rax, 77\njne bad\npxor xmm3, xmm3",
        "cmp r12, 0\njne bad\nmov r12, 1\nmov rbx, 2\nmov rbp, 3\nmov r15, 4",
        "mov rax, [rsi]\ninc qword ptr [rsi]\ncmp rax, 1000000000\nja bad",
    ],
    ids=["argument", "alignment", "vector", "clobbered", "memory"],
)
def test_every_call_begins_in_the_same_state(body: str) -> None:
    timing = bench(f"{body}\nret\nbad: ud2", {"rdi": 5, "rsi": "counter", "xmm3": 77}, {"counter": 8})
    assert timing.calls > timing.rounds > 0


def test_a_program_with_data_and_another_entry_is_timed_where_it_was_asked_to() -> None:
    source = "wrong: ud2\nright: mov rax, [rip + number]\ncmp rax, 42\njne wrong\nret\n.data\nnumber: .quad 42\n"
    assert bench(source, entry="right").calls > 0


def test_a_buffer_may_have_any_name() -> None:
    source = "mov rax, [rdi]\ncmp rax, 7\njne bad\nret\nbad: ud2"
    assert bench(source, {"rdi": "times"}, {"times": b"\7" + bytes(7), "stopwatch": 8}).calls > 0


def test_it_says_that_system_calls_were_timed() -> None:
    asking = bench("mov eax, 39\nsyscall\nret")
    assert asking.supervised
    assert "makes system calls" in asking.report()
    assert not bench("ret").supervised


def test_a_program_that_fails_raises_what_its_cell_would() -> None:
    with pytest.raises(em.SegmentationFault, match="line 1"):
        bench("mov eax, [0]\nret")
    with pytest.raises(em.TimeLimitExceeded):
        bench("here: jmp here", timeout_s=0.2)
    with pytest.raises(em.ProgramExited):
        bench("mov eax, 60\nxor edi, edi\nsyscall")


@pytest.mark.parametrize(
    ("options", "message"), [({"iterations": 0}, "at least once"), ({"entry": "nowhere"}, "not a label")]
)
def test_what_cannot_be_timed_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bench("ret", **options)  # type: ignore[arg-type]


def timing(cycles: float, low: float, high: float, iterations: int = 1) -> Timing:
    return Timing(cycles, low, high, 40.0, 2e9, 2000, 20, iterations)


def test_a_report_has_the_numbers_their_spread_and_what_was_subtracted() -> None:
    assert timing(100.0, 99.0, 101.5, 50).report() == (
        "2,000 calls in 20 rounds, cycles of the time-stamp counter\n"
        "    a call               100.0 cycles         50.0 ns\n"
        "    an iteration          2.00 cycles         1.00 ns    (50 in a call)\n"
        "    middle half           99.0 to 101.5 cycles\n"
        "    subtracted            40.0 cycles, what an empty call takes"
    )


@pytest.mark.parametrize(
    ("value", "noisy", "too_short"),
    [
        (timing(100.0, 99.0, 101.0), False, False),
        (timing(100.0, 90.0, 120.0), True, False),
        (timing(10.0, 9.5, 11.0), False, False),
        (timing(0.3, -0.5, 0.6), False, True),
        (timing(-1.0, -9.0, 9.0), True, True),
    ],
)
def test_it_says_when_the_numbers_are_not_to_be_trusted(value: Timing, noisy: bool, too_short: bool) -> None:
    assert (value.noisy, value.too_short) == (noisy, too_short)
    assert ("too short to tell" in repr(value)) == too_short
    assert ("too noisy to tell" in repr(value)) == (noisy and not too_short)
