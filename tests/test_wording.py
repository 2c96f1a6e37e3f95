"""Words for numbers, names and characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execmem_kernel import wording


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB"), (3 << 40, "3072 GiB")],
)
def test_sizes_have_one_decimal_at_most(size: int, text: str) -> None:
    assert wording.format_size(size) == text


def test_sizes_beside_a_limit_have_four_digits() -> None:
    assert wording.format_amount(8 * 2**20 + 4096) == "8.004 MiB"
    assert wording.format_amount(512) == "512 bytes"


def test_one_thing_is_not_counted_as_several() -> None:
    assert [wording.plural(number, "slab") for number in (0, 1, 4096)] == ["0 slabs", "1 slab", "4096 slabs"]
    assert [wording.counted(number) for number in (0, 1, 4096)] == ["0 bytes", "1 byte", "4,096 bytes"]


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_undoes_the_wrap(value: int) -> None:
    assert wording.signed(value % 2**64) == value


def test_letters_changed_over_are_the_nearest() -> None:
    known = ["exit", "mov", "cmov", "movs"]
    assert wording.did_you_mean("mvo", known) == "; did you mean mov?"
    assert wording.did_you_mean("exitt", known) == "; did you mean exit?"
    assert wording.did_you_mean("zzz", known) == ""


@given(st.text())
def test_printable_text_has_no_control_characters_but_ends_of_lines_and_tabs(text: str) -> None:
    assert all(letter.isprintable() or letter in "\n\t" or letter.isspace() for letter in wording.printable(text))


def test_control_characters_are_shown_by_number() -> None:
    assert wording.printable("a\x1b[31m\u202eb") == r"a\x1b[31m\u202eb"
