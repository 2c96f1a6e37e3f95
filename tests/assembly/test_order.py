"""What one source is told does not depend on which sources were assembled before it in the same process."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.diagnostics.codes import documented_codes
from execmem_kernel.errors import AssemblyError

TESTS = Path(__file__).parent.parent

ATT_THROUGHOUT = "movq $5, %rax\nmovq $6, %rbx\nmovq $7, %rcx\naddq %rax, %rbx\nret"
ONE_ATT_LINE = "movq $5, %rax\nmov rbx, 5\nadd rbx, rax\nret"
"""It shares its first line with the one above, and that line is read once."""


def corpus() -> list[str]:
    """Every source that we have because something is wrong with it, and the corpus of single lines."""
    wrong = (TESTS / "assembly" / "programs" / "wrong.txt").read_text(encoding="utf-8").splitlines()
    golden = sorted((TESTS / "golden" / "diagnostics").glob("*.asm"))
    lines = (TESTS / "data" / "assembler_inputs.jsonl").read_text().splitlines()
    return list(
        dict.fromkeys(
            [
                ATT_THROUGHOUT,
                ONE_ATT_LINE,
                *(row.partition("\t")[0].replace("\\n", "\n") for row in wrong),
                *(path.read_text() for path in golden),
                *(example for _, example in documented_codes().values() if example),
                *(json.loads(line)["source"] for line in lines),
            ]
        )
    )


def told(sources: list[str]) -> dict[str, list[str]]:
    """Each source, assembled in this order, and all that is said about it."""
    answers = {}
    for source in sources:
        try:
            found = assemble(source).warnings
        except AssemblyError as error:
            found = error.diagnostics
        answers[source] = [str(finding) for finding in found]
    return answers


def told_twice(sources: list[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What is told in this order and then, by the same process, from the other end."""
    return told(sources), told(sources[::-1])


def test_the_whole_corpus_is_told_the_same_from_either_end() -> None:
    sources = corpus()
    # Whatever one source leaves behind for another, one of two new processes meets the other one first.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), max_tasks_per_child=1) as workers:
        (first, then), (last, at_last) = workers.map(told_twice, (sources, sources[::-1]))
    assert sum(map(bool, first.values())) > 500
    assert [source for source in sources if not first[source] == then[source] == last[source] == at_last[source]] == []


def test_a_cell_in_att_syntax_says_nothing_about_the_next_one() -> None:
    told([ATT_THROUGHOUT])
    (found,) = told([ONE_ATT_LINE])[ONE_ATT_LINE]
    assert "in Intel syntax: mov rax, 5" in found
    assert "whole cell" not in found
