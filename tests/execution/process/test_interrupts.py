"""Interrupts end a run where it waits, and are delivered at its end where they come at any other instant."""

from __future__ import annotations

import os
import signal
import threading

import pytest

import execmem_kernel as em
from execmem_kernel.execution.process import interrupts
from tests import running


def test_the_stop_button_ends_an_endless_loop_at_once(nothing_left: None) -> None:
    for delay in (0.0, 0.0005, 0.001, 0.003, 0.05):
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            timer.start()
            em.run("l: jmp l", limits=running.ENDLESS)
            timer.join()  # not reached, unless the run came to another end
        timer.join()
        assert em.run("mov eax, 42\nret").registers["rax"] == 42


def test_an_interrupt_in_any_place_leaves_nothing(nothing_left: None) -> None:
    """A signal that arrives at every microsecond of a run, by a timer of the process."""
    program = em.assemble("mov ecx, 2000\nl: dec ecx\njnz l\nret")

    previous = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    interrupted = 0
    try:
        for microseconds in range(5, 1500, 15):
            try:
                signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
                em.run(program)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert interrupted > 10


def test_an_interrupt_that_comes_too_early_is_delivered_at_the_next_wait() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        reached.append("after the signal")
        interrupts.waiting(lambda: reached.append("waited"))
    assert reached == ["after the signal"]


def test_an_interrupt_without_a_wait_is_delivered_at_the_end() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with interrupts.held():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the block")
        reached.append("behind it")
    assert reached == ["the end of the block"]


def test_handlers_are_restored_and_what_waits_for_that_is_called() -> None:
    restored: list[int] = []
    handler = signal.getsignal(signal.SIGINT)
    interrupts.when_restored(restored.append)
    try:
        with interrupts.held():
            assert signal.getsignal(signal.SIGINT) is not handler
            with interrupts.held():  # a run inside a run changes nothing
                pass
            assert signal.getsignal(signal.SIGINT) is not handler
        assert signal.getsignal(signal.SIGINT) is handler
        assert restored == [signal.SIGINT]
    finally:
        interrupts._restored.remove(restored.append)


def test_a_child_that_ends_is_told_of_after_the_run() -> None:
    told: list[int] = []
    previous = signal.signal(signal.SIGCHLD, lambda number, _: told.append(number))
    try:
        with interrupts.held():
            signal.raise_signal(signal.SIGCHLD)
            assert interrupts.waiting(lambda: list(told)) == []
        assert told == [signal.SIGCHLD]
    finally:
        signal.signal(signal.SIGCHLD, previous)
