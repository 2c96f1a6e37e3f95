"""Diagnostics as text, HTML and values; every code has an example; golden files show whole cells.

A golden file is a source; beside it lies what we say about it. `pytest --bless` rewrites the latter.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.diagnostics.codes import documented_codes
from execmem_kernel.errors import AssemblyError
from execmem_kernel.program.diagnostic import Diagnostic

GOLDEN = Path(__file__).parent.parent / "golden" / "diagnostics"
PACKAGE = Path(__file__).parent.parent.parent / "execmem_kernel" / "assembly"


def findings(source: str) -> tuple[Diagnostic, ...]:
    """Errors, or the warnings of a program that assembles."""
    try:
        return assemble(source).warnings
    except AssemblyError as error:
        return error.diagnostics


@pytest.mark.parametrize("code", [code for code, (_, example) in documented_codes().items() if example])
def test_every_code_has_a_sentence_and_an_example_that_triggers_it(code: str) -> None:
    sentence, example = documented_codes()[code]
    assert sentence.endswith(".")
    found = next(finding for finding in findings(example) if finding.code == code)
    assert found.message[-1] in ".?!" or code in ("ASM063", "ASM086")
    assert found.source_line in re.split(r"\r\n|\r|\n", example)


def test_every_code_that_the_source_mentions_is_documented() -> None:
    used = {code for path in PACKAGE.rglob("*.py") for code in re.findall(r'"(ASM\d{3})"', path.read_text())}
    assert used == set(documented_codes())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.asm")), ids=lambda path: path.stem)
def test_a_golden_cell_is_told_what_is_wrong_with_it(path: Path, bless: bool) -> None:
    told = "\n\n".join(str(finding) for finding in findings(path.read_text())) + "\n"
    expected = path.with_suffix(".txt")
    if bless:
        expected.write_text(told)
    assert told == expected.read_text()


def test_there_are_golden_cells() -> None:
    assert len(list(GOLDEN.glob("*.asm"))) >= 8


def test_html_is_the_text_escaped() -> None:
    (found,) = findings("mov rax, <b>")
    shown = found._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_carets_stand_under_the_guilty_piece() -> None:
    (found,) = findings("\tmov rax, [rsp*2]   ; twice")
    lines = str(found).split("\n")
    assert lines[3].index("^") == lines[2].index("rsp")
    assert lines[3].count("^") == 3


def test_findings_survive_a_journey_between_processes() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("mov eax, [rax\nfoo")
    assert pickle.loads(pickle.dumps(caught.value)).diagnostics == caught.value.diagnostics
