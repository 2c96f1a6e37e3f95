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
