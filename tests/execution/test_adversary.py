"""What a hostile or clumsy student tries, and a picky grader: every test was a defect once, or nearly."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
from typing import Any

import pytest

import execmem_kernel as em
from tests.execution.conftest import left_behind

GETPID = "mov eax, 39\nsyscall\nret"


def in_a_process(script: str, *arguments: str, **options: Any) -> str:
    """What a script prints in an interpreter of its own, which must end well and say nothing else."""
    command = [sys.executable, *arguments, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_clock_that_runs_out_before_the_door_is_locked_opens_nothing(nothing_left: None) -> None:
    """The real process id would come from a system call that nobody saw."""
    for microseconds in range(1, 120):
        outcome = em.run(GETPID, timeout_s=microseconds / 1e6)
        assert isinstance(outcome, em.TimedOut) or outcome.registers["rax"] == 1000
