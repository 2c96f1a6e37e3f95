"""The seccomp filters, run by an interpreter of classic BPF: which system calls they report, allow and refuse."""

from __future__ import annotations

import struct

import pytest

from execmem_kernel.execution.process import runner, seccomp_filter
from execmem_kernel.execution.syscalls.numbers import NUMBERS

TRAP, TRACE, ALLOW = 0x0003_0000, 0x7FF0_0000, 0x7FFF_0000


def verdict(
    program: bytes, number: int, *arguments: int, architecture: int = seccomp_filter.ARCHITECTURE, came_from: int = 0
) -> int:
    """What a filter says of a call. Source: Linux, Documentation/networking/filter.rst; seccomp(2)."""
    data = struct.pack("<IIQ6Q", number, architecture, came_from, *(*arguments, *[0] * 6)[:6])
    rows = list(struct.iter_unpack("<HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, when_true, when_false, value = rows[at]
        at += 1
        match code:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x05:
                at += value
            case 0x15:
                at += when_true if accumulator == value else when_false
            case 0x35:
                at += when_true if accumulator >= value else when_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"no instruction of ours: {code:#x}")


def test_a_watched_program_has_every_call_reported_with_its_interface() -> None:
    program = seccomp_filter.filter_program(watched=True)
    for number in (*NUMBERS.values(), 1000):
        assert verdict(program, number) == TRACE
    assert verdict(program, 1, architecture=0x40000003) == TRACE | seccomp_filter.OTHER_ARCHITECTURE
    assert verdict(program, 0x4000_0001) == TRACE | seccomp_filter.X32


def through_the_gate(number: int, *arguments: int) -> int:
    program = seccomp_filter.filter_program(watched=False)
    return verdict(program, number, *arguments, came_from=runner.address_of("passed"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("kill", (0, 19)),
        ("mmap", (0x5000_0000, 4096, 3, 0x10_0001, 0, 0)),
        ("mmap", (0x5000_0000, 4096, 1, 0x10_0001, 0, 0)),
        ("munmap", (0x5000_0000, 4096)),
        ("mprotect", (0x5000_0000, 4096, 0)),
        ("arch_prctl", (0x1001, 5)),
        ("arch_prctl", (0x1002, 5)),
    ],
)
def test_the_handlers_own_calls_pass_from_its_one_instruction(name: str, arguments: tuple[int, ...]) -> None:
    assert through_the_gate(NUMBERS[name], *arguments) == ALLOW
    program = seccomp_filter.filter_program(watched=False)
    for came_from in (0x1000_0002, runner.address_of("passed") + 1, runner.address_of("passed") + (1 << 32)):
        assert verdict(program, NUMBERS[name], *arguments, came_from=came_from) == TRAP


def test_every_other_call_is_a_signal_even_there() -> None:
    passed = {NUMBERS[name] for name in ("kill", "mmap", "munmap", "mprotect", "arch_prctl")}
    for number in {*NUMBERS.values(), 1000, 0x4000_0009} - passed:
        assert through_the_gate(number, 0x5000_0000, 4096, 3, 0x10_0001) == TRAP
    program, passed_at = seccomp_filter.filter_program(watched=False), runner.address_of("passed")
    assert verdict(program, 62, 0, 19, architecture=0x40000003, came_from=passed_at) == TRAP


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("kill", (0, 9)),
        ("kill", (1, 19)),
        ("mmap", (0x5000_0000, 4096, 5, 0x10_0001, 0, 0)),
        ("mmap", (0x5000_0000, 4096, 3, 0x22, 0, 0)),
        ("mmap", (0x5000_0000, 4096, 3, 0x10_0001, 3, 0)),
        ("mprotect", (0x5000_0000, 4096, 4)),
        ("arch_prctl", (0x3001, 1)),
    ],
)
def test_what_would_make_them_dangerous_is_refused(name: str, arguments: tuple[int, ...]) -> None:
    assert through_the_gate(NUMBERS[name], *arguments) == TRAP
