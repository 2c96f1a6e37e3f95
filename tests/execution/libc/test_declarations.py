"""Which names a program may declare `extern`."""

from __future__ import annotations

import pytest

import execmem_kernel as em
from execmem_kernel.errors import AssemblyError


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("prinf", "did you mean `printf`?"),
        ("_puts", "did you mean `puts`?"),
        ("fopen", "has no files"),
        ("system", "can start no other"),
        ("errno", "__errno_location"),
        ("no_such_thing_anywhere", "a function of your own"),
    ],
)
def test_a_name_that_cannot_be_called_is_an_error_at_its_declaration(name: str, part: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        em.run(f"extern puts\nextern {name}\nmain: call {name}\nret\n")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.line, diagnostic.column, diagnostic.span.end_column) == (2, 8, 8 + len(name))
    assert name in diagnostic.message
    assert part in str(diagnostic)


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("; never call system in a cell\nextern system\nmain: call system\nret", 2, 8),
        ("; uses GetStdHandle here\ncall GetStdHandle\nextern GetStdHandle\nret", 3, 8),
        ("/* system\nsystem */\nmain: call system\n.extern system\nret", 4, 9),
        (".intel_syntax noprefix\nmain: call system@PLT # system\nret", 2, 12),
        (".intel_syntax noprefix\n# system\nmain: nop; call system\nret", 3, 17),
    ],
)
def test_the_error_stands_at_the_declaration_and_never_in_a_comment(source: str, line: int, column: int) -> None:
    with pytest.raises(em.AssemblyError) as caught:
        em.run(source)
    found = caught.value.diagnostics[0]
    assert (found.line, found.column) == (line, column)


@pytest.mark.parametrize("name", ["ExitProcess", "GetStdHandle", "MessageBoxA", "WriteConsoleA"])
def test_names_of_windows_are_told_as_that(name: str) -> None:
    with pytest.raises(em.AssemblyError) as caught:
        em.run(f"extern {name}\nmain: call {name}\nret")
    assert "Windows" in caught.value.diagnostics[0].hint
