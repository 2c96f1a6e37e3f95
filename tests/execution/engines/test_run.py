"""A run answers every verdict on a system call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.cause import Cause
from execmem_kernel.execution.engines.run import Run
from execmem_kernel.execution.process import address_space
from execmem_kernel.execution.process.guest import Guest
from execmem_kernel.execution.syscalls import verdicts
from execmem_kernel.execution.syscalls.handlers import SystemCallHandler

CALL = em.Call(em.assemble("mov eax, 39\nsyscall\nret"))
VERDICTS: dict[type, tuple[verdicts.Verdict, type]] = {
    verdicts.Answered: (verdicts.Answered(5), em.Returned),
    verdicts.Carried: (verdicts.Carried(39, (), 5), em.Returned),
    verdicts.Ended: (verdicts.Ended(3), em.Exited),
    verdicts.Refused: (verdicts.Refused("it may not"), em.Faulted),
    verdicts.Exhausted: (verdicts.Exhausted("output"), em.TimedOut),
    verdicts.Raised: (verdicts.Raised("SIGABRT", Cause("abort", "was aborted")), em.Faulted),
}
"""Each kind of verdict -> one, and the outcome that it makes."""


def test_every_kind_of_verdict_is_here() -> None:
    assert VERDICTS.keys() == set(get_args(verdicts.Verdict))


@contextmanager
def answering(verdict: verdicts.Verdict) -> Iterator[Run]:
    """A run whose system calls all have one verdict."""
    guest = Guest()
    with guest:
        run = Run(CALL, address_space.plan(CALL), guest, None)

        class Handler(SystemCallHandler):
            def answer(self, *_: object) -> verdicts.Verdict:
                return verdict

        run.handler = Handler(CALL.limits)
        yield run


@pytest.mark.parametrize("kind", VERDICTS, ids=lambda kind: kind.__name__)
def test_every_kind_of_verdict_has_its_outcome(kind: type, nothing_left: None) -> None:
    verdict, expected = VERDICTS[kind]
    with answering(verdict) as run:
        outcome = run.outcome()
    assert type(outcome) is expected
    if expected is em.Returned:
        assert outcome.registers["rax"] == 5
    assert outcome.system_calls[0].allowed == (kind is not verdicts.Refused)
