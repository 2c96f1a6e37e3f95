"""What the stops of a program's process mean."""

from __future__ import annotations

import signal
from typing import get_args

from execmem_kernel.execution.contract.call import TIME_LIMITS, LimitName
from execmem_kernel.execution.process import stops


def test_limits_on_time_are_limits() -> None:
    assert set(TIME_LIMITS) < set(get_args(LimitName))


def test_a_program_sees_no_signal_but_those_of_its_own_making_and_its_clocks() -> None:
    seen = {number for number in range(1, 65) if number not in stops.BLOCKED}
    cannot_be_blocked, of_glibc = {signal.SIGKILL, signal.SIGSTOP}, {32, 33}
    assert seen == {*stops.SYNCHRONOUS, *stops.CLOCKS, *cannot_be_blocked, *of_glibc}


def test_a_process_that_was_killed_is_told_apart_from_one_that_was_waited_for() -> None:
    assert str(stops.lost(signal.SIGKILL)) == stops.TAKEN
    assert "wait status 0x100" in str(stops.lost(1 << 8))
