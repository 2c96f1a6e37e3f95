"""Call sites: the first frame outside the package, as a cell's label and a line, and never a path."""

from __future__ import annotations

import sys
from types import FrameType

import pytest

from execmem_kernel.memory import callsites
from execmem_kernel.memory.callsites import NOWHERE


def this_frame() -> FrameType:
    return sys._getframe(1)


def test_a_call_site_is_where_the_package_was_entered() -> None:
    frame = this_frame()
    site = callsites.catch(frame)
    assert site == (frame.f_code, site[1])
    assert callsites.name_of(None, site) == "test_callsites.py"
    assert callsites.describe(None, site).startswith("test_callsites.py, line ")


def test_code_of_the_package_is_no_call_site() -> None:
    assert callsites.is_own_code(callsites.catch.__code__)
    assert not callsites.is_own_code(this_frame.__code__)


@pytest.mark.parametrize(
    ("file", "cell", "name", "sentence"),
    [
        ("/tmp/ipykernel_7/123.py", "cell 3", "cell 3", "cell 3, line 1"),
        ("/home/a/helper.py", "cell 3", "cell 3", "cell 3 (helper.py, line 1)"),
        ("/home/a/helper.py", None, "helper.py", "helper.py, line 1"),
        ("<stdin>", None, "a prompt", "a prompt, line 1"),
    ],
)
def test_a_place_is_named_without_its_path(file: str, cell: str | None, name: str, sentence: str) -> None:
    site = (compile("f()", file, "exec"), 2)
    assert callsites.name_of(cell, site) == name
    assert callsites.describe(cell, site) == sentence


def test_what_no_code_asked_for_has_the_cell_alone() -> None:
    assert callsites.describe("cell 3", NOWHERE) == "cell 3"
    assert callsites.describe(None, NOWHERE) == "an unknown place"
