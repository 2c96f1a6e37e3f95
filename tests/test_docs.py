"""What the pages in docs/ show is so: each example is assembled, and the wrong ones are wrong as the page says."""

from __future__ import annotations

import builtins
import doctest
import re
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.syntax.directives import DIRECTIVES
from execmem_kernel.errors import AssemblyError

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "assembler.md").read_text()
EXAMPLES = re.findall(r"^```asm ?(\S*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("source", [source for code, source in EXAMPLES if not code])
def test_an_example_assembles_without_a_warning(source: str) -> None:
    assert assemble(source).warnings == ()


@pytest.mark.parametrize(("code", "source"), [(code, source) for code, source in EXAMPLES if code])
def test_a_wrong_example_is_wrong_as_the_page_says(code: str, source: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert [found.code for found in caught.value.diagnostics] == [code]


def test_there_are_examples_of_both_kinds() -> None:
    assert len([code for code, _ in EXAMPLES if code]) >= 3
    assert len([code for code, _ in EXAMPLES if not code]) >= 8


def test_every_directive_that_the_page_names_exists() -> None:
    table = PAGE[PAGE.index("| | GNU | NASM, MASM |") : PAGE.index("### Numbers and expressions")]
    named = set(re.findall(r"`(\.?[a-z]+[0-9]?[a-z]*)`", table)) - {"dup"}
    assert named
    assert named <= set(DIRECTIVES)


def test_the_page_on_running_shows_what_really_happens() -> None:
    try:
        result = doctest.testfile(str(DOCS / "running.md"), module_relative=False)
    finally:
        vars(builtins).pop("_", None)  # where doctest, like any prompt, leaves the last value for whoever comes next
    assert result.failed == 0
    assert result.attempted >= 20
