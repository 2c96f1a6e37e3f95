"""Outcomes: the errors they stand for, and how they read."""

from __future__ import annotations

import pickle
from typing import get_args

import pytest

import execmem_kernel as em
from execmem_kernel.execution.contract.call import TIME_LIMITS, LimitName
from execmem_kernel.execution.contract.details import LifeKind
from execmem_kernel.execution.contract.outcome import FAULT_ERRORS
from execmem_kernel.execution.engines.placed_run import _LIFE

RETURNED = em.run("mov eax, 42\nret")


def common() -> dict[str, object]:
    return {"program": RETURNED.program, "before": RETURNED.before, "registers": RETURNED.registers}


@pytest.mark.parametrize("limit", get_args(LimitName))
def test_every_limit_has_an_error(limit: LimitName) -> None:
    outcome = em.TimedOut(limit=limit, **common())  # type: ignore[arg-type]
    with pytest.raises(em.TimeLimitExceeded if limit in TIME_LIMITS else em.LimitExceeded):
        outcome.raise_for_fault()
    assert outcome.at_a_chance_instant == (limit in TIME_LIMITS)


@pytest.mark.parametrize("signal", [*FAULT_ERRORS, "SIGSTKFLT"])
def test_every_signal_has_an_error(signal: str) -> None:
    with pytest.raises(FAULT_ERRORS.get(signal, em.ProgramFault)):
        em.Faulted(signal=signal, **common()).raise_for_fault()  # type: ignore[arg-type]


def test_an_exit_is_an_error_and_a_return_is_none() -> None:
    with pytest.raises(em.ProgramExited):
        em.Exited(**common()).raise_for_fault()  # type: ignore[arg-type]
    RETURNED.raise_for_fault()


def test_every_kind_of_life_event_comes_from_one_of_the_managers() -> None:
    assert set(_LIFE.values()) == set(get_args(LifeKind))


def test_an_outcome_goes_to_another_process_and_back() -> None:
    again = pickle.loads(pickle.dumps(RETURNED))
    assert again == RETURNED
    assert again.report() == RETURNED.report() == "returned rax = 0x2a (42)"


def test_a_negative_result_is_shown_with_its_sign() -> None:
    assert em.run("mov rax, -3\nret").report() == "returned rax = 0xfffffffffffffffd (-3)"


def test_what_lies_at_a_label_or_in_a_buffer_is_read() -> None:
    outcome = em.run("mov [rdi], edi\nret\nsection .data\nx: dd 7", registers={"rdi": "b"}, buffers={"b": 8})
    assert outcome.read("x", 4) == b"\7\0\0\0"
    assert outcome.read("b", 4) == outcome.read(outcome.places["b"][0], 4)
    with pytest.raises(ValueError, match="no label 'z'"):
        outcome.read("z", 1)
    with pytest.raises(ValueError, match="not all in the program's data or a buffer"):
        outcome.read("x", 5000)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("mov eax, 42\nret", "<Returned: returned rax = 0x2a (42)>"),
        ("mov rax, [rbx]\nret", "<Faulted: SIGSEGV: "),
        ("_start: mov eax, 60\nxor edi, edi\nsyscall", "<Exited: exited: "),
    ],
)
def test_an_outcome_shows_itself_in_one_line_and_in_a_rich_form(source: str, said: str) -> None:
    """Also where no extension is loaded: in plain IPython, and in other notebooks."""
    outcome = em.run(source)
    assert repr(outcome).startswith(said)
    assert str(outcome) == repr(outcome)
    assert "\n" not in repr(outcome)
    bundle = outcome._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html"}
    assert outcome.program._repr_mimebundle_().keys() == {"text/plain", "text/html"}
    assert repr(outcome.program).startswith("<Program: instructions ")
