"""What data are is told from the directive that made them, never from the words on their line."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.views.outcome import outcome_report

CODE = "inc dword ptr [x]\nret\nsection .data\n"

MACROS = {"nasm": "%macro one 0\ndd 41\n%endmacro\n", "gnu": ".macro one\n.long 41\n.endm\n"}


def changed(source: str) -> str:
    """The one row that says how the program's memory changed, its columns close together."""
    _, _, table = outcome_report(em.run(source)).text().partition("memory changed:\n")
    return " ".join(table.split("\n")[1].split())


@pytest.mark.parametrize("comment", ["", " ; a dd in disguise: .long"])
def test_bytes_are_shown_as_bytes_whatever_the_comment_says(comment: str) -> None:
    assert changed(f"{CODE}x: db 41,0,0,0{comment}") == "x 29 00 00 00 2a 00 00 00 *..."


@pytest.mark.parametrize("made", ["x: dd 41", "x: dd 41 ; 1.5", "x: times 1 dd 41"])
def test_numbers_are_shown_as_numbers(made: str) -> None:
    assert changed(CODE + made) == "x 41 42"


@pytest.mark.parametrize("macro", MACROS)
def test_numbers_that_a_macro_made_are_shown_as_numbers(macro: str) -> None:
    code = CODE if macro == "nasm" else CODE.replace("section ", "")
    assert changed(f"{MACROS[macro]}{code}x: one") == "x 41 42"


@pytest.mark.parametrize("comment", ["", " # one byte more", " # as db has it"])
def test_a_program_that_ran_into_data_is_told_so_whatever_the_comment_says(comment: str) -> None:
    outcome = em.run(f"jmp x\nx: .quad 6{comment}\nret")
    assert isinstance(outcome, em.Faulted)
    assert outcome.cause.name == "ran-into-data"


@pytest.mark.parametrize("data", [".byte 6", "db 6", ".macro spelt\n.byte 6\n.endm\nspelt", "times 2 db 6"])
def test_single_bytes_without_a_label_are_instructions_spelled_out(data: str) -> None:
    outcome = em.run(f"nop\n{data}\nret")
    assert isinstance(outcome, em.Faulted)
    assert outcome.cause.name == "not-an-instruction"


@pytest.mark.parametrize("data", ["x: .byte 6", "x: db 6", ".macro spelt\n.byte 6\n.endm\nx: spelt", "x: times 2 db 6"])
def test_single_bytes_with_a_label_are_data(data: str) -> None:
    outcome = em.run(f"jmp x\n{data}\nret")
    assert isinstance(outcome, em.Faulted)
    assert outcome.cause.name == "ran-into-data"
