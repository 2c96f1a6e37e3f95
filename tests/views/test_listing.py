"""Listings and diagnostics: source beside bytes, carets under the guilty text."""

from __future__ import annotations

import dataclasses
import re

from execmem_kernel.execution.contract.outcome import Outcome
from execmem_kernel.views.listing import one_line
from execmem_kernel.views.outcome import outcome_report
from tests.views.outcomes import null_read, program, returned
from tests.views.samples import BAD_WORD, SAMPLES


def test_the_listing_puts_offset_bytes_and_instruction_beside_the_source() -> None:
    text = outcome_report(null_read()).text()
    assert re.search(r"--> 2 +\+0x2 +48 8b 00 +mov rax, \[rax\] +mov rax, \[rax\] +stopped here", text)


def test_a_long_listing_is_cut_around_the_place_it_stopped_and_says_so() -> None:
    long = program(*[("nop", "90")] * 500)
    text = outcome_report(null_read_in(long, row=300)).text()
    assert "--> 301" in text
    assert "460 more in .program.listing of the outcome" in text
    assert len(text.splitlines()) < 80


def null_read_in(long: object, row: int) -> Outcome:
    return dataclasses.replace(null_read(), program=long, row=long.listing[row])  # type: ignore[attr-defined]


def test_the_source_column_loses_its_alignment_but_never_a_quoted_space() -> None:
    made = program(('text:   .ascii  "a   b"   # why', "6120202062"))
    assert 'text: .ascii "a   b" # why' in outcome_report(returned(made)).text()


def test_a_listing_may_wrap_where_it_is_long() -> None:
    made = program(("mov eax, 1 # a comment that says far more than anybody wants to know", "b801000000"))
    assert "pre-wrap" in outcome_report(returned(made)).html()


def test_diagnostics_keep_their_carets_under_the_guilty_text() -> None:
    text = SAMPLES["diagnostics"].text()
    assert text.startswith("not assembled: nothing was run; 1 error in the source\nerror[ASM001] line 2, column 3: ")
    assert "\n  2 |   mvo eax, 1\n    |   ^^^\n    = hint: did you mean mov?" in text
    assert one_line([BAD_WORD, BAD_WORD]) == "line 2: there is no instruction 'mvo' (and 1 more above)"
